//! The reading end of a stream: pages in key order, and what their rows may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::{Semaphore, mpsc};

use super::flow::Reading;
use super::judge::{self, Asked};
use super::mode::Gap;
use super::{RunError, Stop};
use crate::commit::{InFlight, Spent};
use crate::db::{Session, point};
use crate::diagnostic::Diagnostic;
use crate::plan::{Known, Wants};
use crate::row::{Key, Rows};
use crate::source::{PageError, PageQuery, Source};
use crate::state::Span;

pub(super) struct Reader<'a> {
    pub(super) rule: &'a str,
    pub(super) source: &'a mut Source,
    pub(super) target: &'a mut Session,
    pub(super) known: &'a Known,
    pub(super) query: &'a PageQuery,
    pub(super) wants: &'a mut Wants,
    /// Base rows per chunk.
    pub(super) chunk_rows: u64,
    pub(super) stop: &'a Stop,
    pub(super) failed: &'a AtomicBool,
    pub(super) to_script: mpsc::Sender<Asked>,
    /// How many chunks may be read and not landed yet.
    pub(super) places: Arc<Semaphore>,
}

/// A chunk's turn.
struct Turn {
    place: InFlight,
    begun: Instant,
    /// No more rows follow.
    last: bool,
}

impl Reader<'_> {
    /// True when it stopped before the end because somebody asked.
    pub(super) async fn read(&mut self, reading: Reading) -> Result<bool, RunError> {
        match reading {
            Reading::Gaps(gaps, rows) => self.gaps(gaps, rows).await,
            Reading::Keys(keys) => self.keys(&keys, true).await,
            Reading::First(limit) => self.first(limit).await,
        }
    }

    /// Waits until a chunk may be read.
    async fn turn(&self) -> Turn {
        let place = self.places.clone().acquire_owned().await;
        Turn {
            // nobody closes the semaphore; without a place the chunk would only go uncounted
            place: place.ok().map(Arc::new),
            begun: Instant::now(),
            last: false,
        }
    }

    async fn gaps(&mut self, gaps: Vec<Gap>, mut rows: u64) -> Result<bool, RunError> {
        for gap in gaps {
            let mut after = gap.lo;
            let mut no = gap.no;
            loop {
                let mut turn = self.turn().await;
                if self.stop.asked() {
                    return Ok(true);
                }
                if self.failed.load(Ordering::SeqCst) {
                    return Ok(false);
                }
                let page = self
                    .source
                    .next_page(self.query, after.as_ref(), gap.hi.as_ref(), self.chunk_rows)
                    .await;
                let Some(page) = page.map_err(|e| page_failed(self.rule, self.query, e))? else {
                    break;
                };
                point("page.read")?;
                let span = Span {
                    no,
                    lo: page.lo,
                    hi: Some(page.hi.clone()),
                };
                after = Some(page.hi);
                rows = rows.saturating_sub(page.base);
                turn.last = rows == 0;
                if gap.hi.is_none() {
                    no += 1;
                }
                if !self
                    .ask(turn, span, page.base, page.filtered, page.rows, page.keys)
                    .await?
                {
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    /// `all`: no other keys follow.
    async fn keys(&mut self, keys: &[Key], all: bool) -> Result<bool, RunError> {
        let mut chunks = keys.chunks(self.chunk_rows as usize).enumerate().peekable();
        while let Some((no, keys)) = chunks.next() {
            let mut turn = self.turn().await;
            turn.last = all && chunks.peek().is_none();
            if self.stop.asked() {
                return Ok(true);
            }
            let page = self.source.page_of_keys(self.query, keys).await;
            let (rows, keys) = page.map_err(|e| page_failed(self.rule, self.query, e))?;
            let count = keys.len() as u64;
            let span = Span {
                no: no as i64 + 1,
                lo: None,
                hi: None,
            };
            if !self.ask(turn, span, count, 0, rows, keys).await? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn first(&mut self, limit: u64) -> Result<bool, RunError> {
        let (mut after, mut left) = (None, limit);
        while left > 0 {
            let size = left.min(self.chunk_rows);
            let keys = self
                .source
                .keys_between(self.query, after.as_ref(), None, size)
                .await?;
            let Some(last) = keys.last() else { break };
            left -= keys.len() as u64;
            after = Some(last.clone());
            let all = left == 0 || (keys.len() as u64) < size;
            if self.keys(&keys, all).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches what the rows may ask for and hands the chunk on. False when nobody listens.
    async fn ask(
        &mut self,
        turn: Turn,
        span: Span,
        base: u64,
        filtered: u64,
        rows: Rows,
        keys: Vec<Key>,
    ) -> Result<bool, RunError> {
        let asking = Instant::now();
        let answers = self
            .wants
            .fetch(&rows, self.source.session(), self.target, self.known)
            .await?;
        point("page.lookups")?;
        let inputs = judge::inputs(self.wants, &rows, &answers);
        let spent = Spent {
            read: asking.duration_since(turn.begun),
            ask: asking.elapsed(),
            ..Spent::default()
        };
        let asked = Asked {
            span,
            base,
            filtered,
            rows: Arc::new(rows),
            keys,
            answers: Arc::new(answers),
            inputs,
            begun: turn.begun,
            spent,
            in_flight: turn.place,
            last: turn.last,
        };
        Ok(self.to_script.send(asked).await.is_ok())
    }
}

fn page_failed(rule: &str, query: &PageQuery, error: PageError) -> RunError {
    match error {
        PageError::Db(error) => error.into(),
        PageError::Unbalanced {
            lo,
            hi,
            expected,
            got,
            key,
        } => {
            let range = lo.map_or_else(
                || format!("up to {hi}"),
                |lo| format!("after {lo} up to {hi}"),
            );
            let problem = Diagnostic::error(format!(
                "rule `{rule}`: `from` does not give exactly one row per key of `{}`: {expected} base rows satisfy the rule's `where` {range}, `from` gives {got}",
                query.base
            ))
            .hint("use left joins to tables that are unique on the joined column, and repeat `where` inside `from`");
            match key {
                Some(key) => problem
                    .note(format!("first key that is repeated or lost: {key}"))
                    .into(),
                None => problem.into(),
            }
        }
    }
}
