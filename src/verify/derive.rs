//! The script threads: they take turns with the chunks, so that these are compared in the order in which they were
//! read, and judge them by the rule as it was applied.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::diagnostic::Diagnostic;
use crate::row::{Answers, Judged, Key, Rows};
use crate::rule::{Bound, Judge, on_script_thread};

/// Source rows with everything that their rule may ask for.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Key before the first; `None` at the start, and when the keys are no range.
    pub(super) lo: Option<Key>,
    /// The last base key; `None` = to the end.
    pub(super) hi: Option<Key>,
    pub(super) rows: Arc<Rows>,
    pub(super) keys: Vec<Key>,
    pub(super) answers: Arc<Answers>,
    /// One per row once the chunk is derived.
    pub(super) judged: Vec<Judged>,
    /// Its place among the chunks in memory; given back when it is dropped.
    #[expect(dead_code, reason = "held, never looked at")]
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// A derived chunk, or why the rule cannot derive it.
pub(super) type Derived = Result<Chunk, Diagnostic>;

/// Starts the thread. It ends when its input does.
pub(super) fn start(
    bound: Bound,
    input: Receiver<Chunk>,
    output: Sender<Derived>,
) -> std::io::Result<std::thread::JoinHandle<Option<()>>> {
    let work = |(): &mut (), judge: &mut Judge, mut chunk: Chunk| {
        let mut judged = Vec::with_capacity(chunk.keys.len());
        for (row, key) in chunk.keys.iter().enumerate() {
            judged.push(judge.judge_read(&chunk.rows, row, key, &chunk.answers));
            if let Some(problem) = judge.gave_up() {
                return Err(problem.clone());
            }
        }
        chunk.judged = judged;
        Ok(chunk)
    };
    on_script_thread(bound, input, output, |_, _| (), work, |()| None)
}
