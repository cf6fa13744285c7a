//! The reading end of a stream: pages in key order, and what their rows may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;

use super::flow::Reading;
use super::judge::{self, Asked};
use super::mode::Gap;
use super::{Options, RunError, Stop, World};
use crate::commit::Spent;
use crate::db::Session;
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
    pub(super) options: &'a Options,
    pub(super) stop: &'a Stop,
    pub(super) failed: &'a AtomicBool,
    pub(super) to_script: mpsc::Sender<Asked>,
    /// Held back until it is known whether another one follows.
    pub(super) ahead: Option<Asked>,
}

impl Reader<'_> {
    /// True when it stopped before the end because somebody asked.
    pub(super) async fn read(&mut self, reading: Reading) -> Result<bool, RunError> {
        let stopped = match reading {
            Reading::Gaps(gaps) => self.gaps(gaps).await?,
            Reading::Keys(keys) => self.keys(&keys).await?,
            Reading::First(limit) => self.first(limit).await?,
        };
        if let Some(mut asked) = self.ahead.take() {
            asked.last = !stopped;
            let _ = self.to_script.send(asked).await;
        }
        Ok(stopped)
    }

    async fn gaps(&mut self, gaps: Vec<Gap>) -> Result<bool, RunError> {
        for gap in gaps {
            let mut after = gap.lo;
            let mut no = gap.no;
            loop {
                if self.stop.asked() {
                    return Ok(true);
                }
                if self.failed.load(Ordering::SeqCst) {
                    return Ok(false);
                }
                let begun = Instant::now();
                let page = self
                    .source
                    .next_page(
                        self.query,
                        after.as_ref(),
                        gap.hi.as_ref(),
                        self.options.batch_rows,
                    )
                    .await;
                let Some(page) = page.map_err(|e| page_failed(self.rule, self.query, e))? else {
                    break;
                };
                World::point("page.read");
                let span = Span {
                    no,
                    lo: page.lo,
                    hi: Some(page.hi.clone()),
                };
                after = Some(page.hi);
                if gap.hi.is_none() {
                    no += 1;
                }
                if !self
                    .ask(span, page.base, page.filtered, page.rows, page.keys, begun)
                    .await?
                {
                    return Ok(false);
                }
            }
        }
        Ok(false)
    }

    async fn keys(&mut self, keys: &[Key]) -> Result<bool, RunError> {
        for (no, keys) in keys
            .chunks(self.options.batch_rows.max(1) as usize)
            .enumerate()
        {
            if self.stop.asked() {
                return Ok(true);
            }
            let begun = Instant::now();
            let page = self.source.page_of_keys(self.query, keys).await;
            let (rows, keys) = page.map_err(|e| page_failed(self.rule, self.query, e))?;
            let count = keys.len() as u64;
            let span = Span {
                no: no as i64 + 1,
                lo: None,
                hi: None,
            };
            if !self.ask(span, count, 0, rows, keys, begun).await? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    async fn first(&mut self, limit: u64) -> Result<bool, RunError> {
        let (mut after, mut left) = (None, limit);
        while left > 0 {
            let size = left.min(self.options.batch_rows);
            let keys = self
                .source
                .keys_between(self.query, after.as_ref(), None, size)
                .await?;
            let Some(last) = keys.last() else { break };
            left -= keys.len() as u64;
            after = Some(last.clone());
            if self.keys(&keys).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fetches what the rows may ask for and hands the chunk before this one on. False when nobody listens.
    async fn ask(
        &mut self,
        span: Span,
        base: u64,
        filtered: u64,
        rows: Rows,
        keys: Vec<Key>,
        begun: Instant,
    ) -> Result<bool, RunError> {
        let asking = Instant::now();
        let answers = self
            .wants
            .fetch(&rows, self.source.session(), self.target, self.known)
            .await?;
        World::point("page.lookups");
        let inputs = judge::inputs(self.wants, &rows, &answers);
        let spent = Spent {
            read: asking.duration_since(begun),
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
            begun,
            spent,
            last: false,
        };
        match self.ahead.replace(asked) {
            None => Ok(true),
            Some(before) => Ok(self.to_script.send(before).await.is_ok()),
        }
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
