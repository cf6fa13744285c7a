//! One stream of chunks: reader → script thread → writers, with bounded queues in between, so that
//! memory stays flat and the slowest stage decides the pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::judge::{self, Answer, Asked, Budget};
use super::mode::Gap;
use super::profile::Lines;
use super::reader::Reader;
use super::writers::Seat;
use super::{Event, RunError, Watcher, World};
use crate::commit::{Batch, CommitError, Decided, Landed, Ledger, Spent, Turn, Turns};
use crate::diagnostic::Diagnostic;
use crate::plan::Step;
use crate::row::Key;
use crate::state::{CodeCounts, Counts};

/// Which rows to read.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    /// Ranges of base keys, and how many base rows the source counts in them.
    Gaps(Vec<Gap>, u64),
    /// These keys.
    Keys(Vec<Key>),
    /// The first rows that satisfy the rule's `where`.
    First(u64),
}

/// What a stream came to.
#[derive(Debug, Default)]
pub(super) struct Flowed {
    pub(super) counts: Counts,
    pub(super) codes: CodeCounts,
    /// Asked to stop before the last row.
    pub(super) interrupted: bool,
    /// Ids of a dry run, by key.
    pub(super) ids: Vec<(String, Uuid)>,
    /// What a dry run of a retry would do with each row.
    pub(super) decided: Vec<Decided>,
    /// Where the time went.
    pub(super) spent: Spent,
    /// With `profile`: what the lines of the rule cost.
    pub(super) lines: Option<Lines>,
}

/// Moves rows until there are none left, somebody asks to stop, or something breaks.
pub(super) async fn flow(
    world: &mut World<'_>,
    step: &mut Step,
    ledger: &Arc<Ledger>,
    reading: Reading,
    budget: Budget,
) -> Result<Flowed, RunError> {
    let (to_script, script_input) = mpsc::channel::<Asked>(1);
    let (script_output, mut judged) = mpsc::channel::<Answer>(1);
    let profile = world.options.profile;
    let thread = judge::start(
        step.bound.clone(),
        budget,
        script_input,
        script_output,
        profile,
    );
    let thread =
        thread.map_err(|e| Diagnostic::error(format!("the script thread does not start: {e}")))?;
    let failed = Arc::new(AtomicBool::new(false));
    let alone = ledger.to.unguarded || ledger.to.engine == crate::db::Engine::Sqlite;
    let at_once = if alone { 1 } else { world.writers.count() };
    let World {
        source,
        target,
        known,
        stop,
        watcher,
        chunk_rows,
        next_chunk,
        writers,
        ..
    } = world;
    let mut reader = Reader {
        rule: &ledger.rule.name,
        source,
        target,
        known,
        query: &step.query,
        wants: &mut step.wants,
        chunk_rows: *chunk_rows,
        stop,
        failed: &failed,
        to_script,
        // one chunk per writer, and one that is read and judged meanwhile: what a killed run has to read again of
        // each table that it was at
        places: Arc::new(tokio::sync::Semaphore::new(at_once + 1)),
    };
    let read = async {
        let end = reader.read(reading).await;
        drop(reader);
        end
    };
    let rule = ledger.rule.name.as_str();
    let mut landing = Landing {
        ledger,
        watcher: *watcher,
        failed: &failed,
        flowed: Flowed::default(),
        failure: None,
        broken: None,
    };
    let mut turns = Turns::new(ledger.to.ordered && at_once > 1);
    let land = async {
        let mut at_work = JoinSet::new();
        let mut more = true;
        loop {
            tokio::select! {
                Some(done) = at_work.join_next() => landing.done(done),
                answer = judged.recv(), if more && at_work.len() < at_once => {
                    let Some(answer) = answer else {
                        more = false;
                        continue;
                    };
                    if let Some(batch) = landing.batch(answer) {
                        let id = next_chunk.fetch_add(1, Ordering::SeqCst);
                        let turn = turns.take();
                        let seat = writers.free().await;
                        at_work.spawn(write(seat, ledger.clone(), batch, id, turn, failed.clone()));
                    }
                }
                else => break,
            }
        }
        landing
    };
    let (end, landing) = tokio::join!(read, land);
    let Ok(lines) = thread.join() else {
        return Err(Diagnostic::error(format!(
            "the script thread of `{rule}` ended without a word; nothing of its chunk was written"
        ))
        .into());
    };
    if let Some(problem) = landing.broken {
        return Err(problem.into());
    }
    if let Some(error) = landing.failure {
        return Err(commit_failed(rule, error));
    }
    let mut flowed = landing.flowed;
    flowed.interrupted = end?;
    flowed.lines = lines;
    Ok(flowed)
}

/// What a writer says of a chunk: base rows, time and fate; nothing when the chunk was not tried.
type Written = Option<(u64, Spent, Result<Landed, CommitError>)>;

async fn write(
    mut seat: Seat,
    ledger: Arc<Ledger>,
    batch: Batch,
    id: i64,
    turn: Turn,
    failed: Arc<AtomicBool>,
) -> Written {
    if failed.load(Ordering::SeqCst) {
        seat.leave();
        return None;
    }
    let wait = batch.begun.elapsed().saturating_sub(batch.spent.sum());
    let started = Instant::now();
    let result = seat.writer.land_in_turn(&ledger, &batch, id, &turn).await;
    let spent = Spent {
        write: started.elapsed(),
        wait,
        ..batch.spent
    };
    match &result {
        Ok(_) => {
            turn.landed();
            seat.leave();
        }
        Err(_) => failed.store(true, Ordering::SeqCst),
    }
    // the chunk that broke the line says why
    let overtaken = matches!(result, Err(CommitError::Overtaken));
    (!overtaken).then(|| (batch.base.max(0) as u64, spent, result))
}

/// The writing end of a stream: what became of its chunks.
struct Landing<'a> {
    ledger: &'a Ledger,
    watcher: &'a dyn Watcher,
    failed: &'a AtomicBool,
    flowed: Flowed,
    /// The first chunk that did not land.
    failure: Option<CommitError>,
    /// The rule broke.
    broken: Option<Diagnostic>,
}

impl Landing<'_> {
    /// A chunk to write, unless something broke before.
    fn batch(&mut self, answer: Answer) -> Option<Batch> {
        match answer {
            Ok(batch) => (!self.failed.load(Ordering::SeqCst)).then_some(batch),
            Err(problem) => {
                self.failed.store(true, Ordering::SeqCst);
                self.broken = Some(problem);
                None
            }
        }
    }

    fn done(&mut self, written: Result<Written, tokio::task::JoinError>) {
        let rule = self.ledger.rule.name.as_str();
        let (base, spent, result) = match written {
            Ok(Some(written)) => written,
            Ok(None) => return,
            Err(why) => {
                self.failed.store(true, Ordering::SeqCst);
                let problem = format!("a writer of `{rule}` ended without a word: {why}");
                self.broken.get_or_insert(Diagnostic::error(problem));
                return;
            }
        };
        self.flowed.spent.add(spent);
        match result {
            Ok(landed) => {
                self.watcher.event(Event::Chunk {
                    rule,
                    base,
                    read: landed.counts.read as u64,
                    rejected: landed.counts.rejected.max(0) as u64,
                });
                self.flowed.counts.add(&landed.counts);
                self.flowed.codes.add(&landed.codes);
                self.flowed.ids.extend(landed.ids);
                self.flowed.decided.extend(landed.decided);
            }
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }
}

pub(super) fn commit_failed(rule: &str, error: CommitError) -> RunError {
    match error {
        CommitError::State(error) => error.into(),
        CommitError::Db(error) => {
            let problem = Diagnostic::from(error).note(format!(
                "while writing `{rule}`; what was committed before stays"
            ));
            problem
                .hint(
                    "mend the cause and run the same command again: it goes on from the checkpoint",
                )
                .into()
        }
        other @ (CommitError::Unbalanced { .. } | CommitError::Overtaken) => {
            Diagnostic::error(other.to_string()).into()
        }
    }
}
