//! The order of commits, where a second unique constraint decides between source rows: of two rows that
//! exclude one another the one with the lower key must win, whatever the number of writers.
//!
//! Writers send their rows side by side, each in a transaction of its own, and COMMIT in key order: a chunk
//! commits when its *turn* has come, that is, when every chunk before it has landed. That gives what one
//! writer would have given, because
//!
//! * what a chunk decides by itself (its rule, its ids) does not depend on other chunks;
//! * a unique constraint sees open transactions as well as committed ones. Rows of a later chunk that are in
//!   the index first make the earlier chunk wait in the server; rows of an earlier chunk that are there first
//!   make the later one wait. Whoever meets nobody excludes nobody. So a chunk that was sent early and met
//!   nothing, and whose predecessors have all landed since, is in the state it would have been in alone;
//! * what a chunk that was sent early learns from the target (a refusal, a row to adopt) is no evidence: the
//!   chunk it met may roll back yet. It rolls back itself, waits for its turn, and asks again. Which rows are
//!   guilty is only ever asked in turn.
//!
//! Two transactions can stop one another. A later chunk that waits in the server for an earlier one is fine:
//! the earlier one will commit. The other way round nobody would ever move: the earlier chunk waits in the
//! server for a row of the later one, which waits for its turn here, where the server's deadlock detector
//! cannot see it. So who waits with an open transaction asks the server again and again whether one of the
//! chunks before it is blocked by it, and then rolls back and goes again in its turn. It does so as well when
//! it has waited long ([`HOLD_PART`]): the earlier chunk may be blocked through a third party. And who is early
//! waits for a lock only shortly ([`LOCK_EARLY`], less than the server's `deadlock_timeout`), so that where
//! both wait in the server it is the later one that gives way.
//!
//! Somebody always moves: the lowest chunk that has not landed is in its turn and in a writer's hands (they are
//! handed out in order), and each of the others gives way to it after a bounded time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::CommitError;
use crate::db::Session;

/// How long a chunk waits for a lock when its turn has not come.
pub(super) const LOCK_EARLY: Duration = Duration::from_millis(500);
/// A chunk keeps its transaction open waiting for its turn for this part of the time after which the earlier
/// chunk's own wait for a lock ends: 20 of 60 s.
const HOLD_PART: u32 = 3;
/// First pause before asking whether an earlier chunk is blocked; doubles up to the other.
const LOOK_FIRST: Duration = Duration::from_millis(25);
const LOOK_LAST: Duration = Duration::from_millis(200);

/// Hands out turns.
#[derive(Debug, Default)]
pub struct Turns {
    line: Option<Arc<Line>>,
    next: u64,
}

/// What the chunks of one stream share.
#[derive(Debug)]
struct Line {
    mark: watch::Sender<Mark>,
    /// The server processes that work on chunks which have not landed.
    at_work: Mutex<BTreeMap<u64, i32>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// Every chunk below this one has landed.
    landed: u64,
    /// One has not, and never will.
    broken: bool,
}

/// A chunk's place in the order of commits. Dropped before it [landed](Turn::landed), it tells all that
/// wait behind it that their turn never comes.
#[derive(Debug)]
pub struct Turn {
    line: Option<Arc<Line>>,
    place: u64,
}

impl Turns {
    /// `ordered`: chunks commit in the order in which they take their turns; otherwise as they come.
    pub fn new(ordered: bool) -> Self {
        let line = ordered.then(|| {
            Arc::new(Line {
                mark: watch::Sender::default(),
                at_work: Mutex::default(),
            })
        });
        Self { line, next: 0 }
    }

    /// The next chunk's.
    pub fn take(&mut self) -> Turn {
        let place = self.next;
        self.next += 1;
        Turn {
            line: self.line.clone(),
            place,
        }
    }
}

impl Turn {
    /// Of a chunk that has nobody before it.
    pub fn free() -> Self {
        Self {
            line: None,
            place: 0,
        }
    }

    /// Whether every chunk before this one has landed.
    pub(super) fn has_come(&self) -> bool {
        let landed = |line: &Arc<Line>| line.mark.borrow().landed >= self.place;
        self.line.as_ref().is_none_or(landed)
    }

    /// Waits for it, without a transaction.
    pub(super) async fn come(&self) -> Result<(), CommitError> {
        let Some(line) = &self.line else {
            return Ok(());
        };
        let mut mark = line.mark.subscribe();
        let seen = mark
            .wait_for(|mark| mark.broken || mark.landed >= self.place)
            .await;
        match seen {
            Ok(mark) if mark.landed >= self.place => Ok(()),
            _ => Err(CommitError::Overtaken),
        }
    }

    /// Waits for it with an open transaction. False when the transaction has to give way.
    pub(super) async fn hold(&self, session: &mut Session) -> Result<bool, CommitError> {
        let began = Instant::now();
        let mut pause = LOOK_FIRST;
        while !self.has_come() {
            if let Ok(end) = tokio::time::timeout(pause, self.come()).await {
                end?;
                continue;
            }
            if began.elapsed() > session.lock_limit() / HOLD_PART
                || self.in_the_way(session).await?
            {
                return Ok(false);
            }
            pause = (pause * 2).min(LOOK_LAST);
        }
        Ok(true)
    }

    /// Whether an earlier chunk waits in the server for this session.
    async fn in_the_way(&self, session: &mut Session) -> Result<bool, CommitError> {
        let Some(line) = &self.line else {
            return Ok(false);
        };
        let blocked: Vec<String> = line
            .at_work
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .range(..self.place)
            .map(|(_, backend)| format!("pg_backend_pid() = any(pg_blocking_pids({backend}))"))
            .collect();
        if blocked.is_empty() {
            return Ok(false);
        }
        let sql = format!("select 1 where {}", blocked.join(" or "));
        Ok(!session.query(&sql).await?.is_empty())
    }

    /// Says which server process works on this chunk now.
    pub(super) fn at_work(&self, session: &Session) {
        if let (Some(line), Some(backend)) = (&self.line, session.backend()) {
            let mut at_work = line.at_work.lock().unwrap_or_else(PoisonError::into_inner);
            at_work.insert(self.place, backend);
        }
    }

    /// The chunk has landed: the next one's turn.
    pub fn landed(mut self) {
        if let Some(line) = self.line.take() {
            self.leave(&line);
            line.mark.send_modify(|mark| mark.landed = self.place + 1);
        }
    }

    fn leave(&self, line: &Line) {
        let mut at_work = line.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        at_work.remove(&self.place);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            self.leave(&line);
            line.mark.send_modify(|mark| mark.broken = true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_in_order_and_a_broken_line_lets_nobody_through() {
        let mut turns = Turns::new(true);
        let (first, second, third) = (turns.take(), turns.take(), turns.take());
        assert!(first.has_come() && !second.has_come() && !third.has_come());
        first.landed();
        assert!(second.has_come() && !third.has_come());
        second.come().await.expect("the turn has come");
        drop(second);
        assert!(matches!(third.come().await, Err(CommitError::Overtaken)));
        let mut free = Turns::new(false);
        let (_, last) = (free.take(), free.take());
        last.come().await.expect("nobody to wait for");
    }
}
