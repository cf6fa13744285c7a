//! One stream of chunks: reader → script thread → writers, with bounded queues in between, so that
//! memory stays flat and the slowest stage decides the pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;
use uuid::Uuid;

use super::judge::{self, Answer, Asked, Budget};
use super::mode::Gap;
use super::profile::Lines;
use super::reader::Reader;
use super::{Event, RunError, Watcher, World};
use crate::commit::{Batch, CommitError, Decided, Landed, Ledger, Spent, Turn, Turns, Writer};
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
    let url = world.config.target()?.clone();
    let rehearsal = world.options.dry_run;
    let alone = rehearsal || ledger.to.unguarded || ledger.to.engine == crate::db::Engine::Sqlite;
    let writers = if alone { 1 } else { world.writers };
    let mut turns = Turns::new(ledger.to.ordered && writers > 1);
    let (to_writers, work) = mpsc::channel::<(Batch, i64, Turn)>(1);
    let (results, mut landed) = mpsc::channel::<(u64, Spent, Result<Landed, CommitError>)>(writers);
    let work = Arc::new(tokio::sync::Mutex::new(work));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let writer = if rehearsal {
            Writer::rehearsal(url.clone())
        } else {
            Writer::new(url.clone()).over(world.spare.pop())
        };
        tasks.spawn(write(
            writer,
            ledger.clone(),
            work.clone(),
            results.clone(),
            failed.clone(),
        ));
    }
    drop(results);
    let World {
        source,
        target,
        known,
        stop,
        watcher,
        chunk_rows,
        next_chunk,
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
        // one chunk per writer, and one that is read and judged meanwhile: what a killed run has to read again
        places: Arc::new(tokio::sync::Semaphore::new(writers + 1)),
    };
    let read = async {
        let end = reader.read(reading).await;
        drop(reader);
        end
    };
    let dispatch = async {
        let mut broken = None;
        while let Some(answer) = judged.recv().await {
            match answer {
                Ok(batch) if !failed.load(Ordering::SeqCst) => {
                    let id = *next_chunk;
                    *next_chunk += 1;
                    if to_writers.send((batch, id, turns.take())).await.is_err() {
                        break;
                    }
                }
                Ok(_) => {}
                Err(problem) => {
                    failed.store(true, Ordering::SeqCst);
                    broken = Some(problem);
                }
            }
        }
        drop(to_writers);
        broken
    };
    let rule = ledger.rule.name.as_str();
    let collect = collect(&mut landed, *watcher, rule);
    let (end, broken, collected) = tokio::join!(read, dispatch, collect);
    while tasks.join_next().await.is_some() {}
    let Ok(lines) = thread.join() else {
        return Err(Diagnostic::error(format!(
            "the script thread of `{rule}` ended without a word; nothing of its chunk was written"
        ))
        .into());
    };
    if let Some(problem) = broken {
        return Err(problem.into());
    }
    let mut flowed = collected.map_err(|error| commit_failed(rule, error))?;
    flowed.interrupted = end?;
    flowed.lines = lines;
    Ok(flowed)
}

async fn write(
    mut writer: Writer,
    ledger: Arc<Ledger>,
    work: Arc<tokio::sync::Mutex<mpsc::Receiver<(Batch, i64, Turn)>>>,
    results: mpsc::Sender<(u64, Spent, Result<Landed, CommitError>)>,
    failed: Arc<AtomicBool>,
) {
    loop {
        let next = work.lock().await.recv().await;
        let Some((batch, id, turn)) = next else {
            return;
        };
        if failed.load(Ordering::SeqCst) {
            continue;
        }
        let wait = batch.begun.elapsed().saturating_sub(batch.spent.sum());
        let started = Instant::now();
        let result = writer.land_in_turn(&ledger, &batch, id, &turn).await;
        let spent = Spent {
            write: started.elapsed(),
            wait,
            ..batch.spent
        };
        match &result {
            Ok(_) => turn.landed(),
            Err(_) => failed.store(true, Ordering::SeqCst),
        }
        if matches!(result, Err(CommitError::Overtaken)) {
            // the chunk that broke the line says why
            continue;
        }
        if results
            .send((batch.base.max(0) as u64, spent, result))
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn collect(
    landed: &mut mpsc::Receiver<(u64, Spent, Result<Landed, CommitError>)>,
    watcher: &dyn Watcher,
    rule: &str,
) -> Result<Flowed, CommitError> {
    let mut flowed = Flowed::default();
    let mut failure = None;
    while let Some((base, spent, result)) = landed.recv().await {
        flowed.spent.add(spent);
        match result {
            Ok(landed) => {
                watcher.event(Event::Chunk {
                    rule,
                    base,
                    read: landed.counts.read as u64,
                    rejected: landed.counts.rejected.max(0) as u64,
                });
                flowed.counts.add(&landed.counts);
                flowed.codes.add(&landed.codes);
                flowed.ids.extend(landed.ids);
                flowed.decided.extend(landed.decided);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(flowed), Err)
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
