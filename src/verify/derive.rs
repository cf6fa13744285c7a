//! The script threads: they take turns with the chunks, so that these are compared in the order in which they were
//! read, and judge them by the rule as it was applied.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Receiver, Sender};

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

/// Threads that judge: a second one as far as the machine has room for it.
const THREADS_MAX: usize = 2;

/// The threads with both ends of each.
#[derive(Default)]
pub(super) struct Scripts {
    pub(super) threads: Vec<JoinHandle<Option<()>>>,
    pub(super) inputs: Vec<Sender<Chunk>>,
    pub(super) outputs: Vec<Receiver<Derived>>,
}

impl Scripts {
    /// Starts them. Each ends when its input does.
    pub(super) fn start(bound: &Bound) -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut all = Self::default();
        for _ in 0..cores.min(THREADS_MAX) {
            let (input, script_input) = mpsc::channel(1);
            let (script_output, output) = mpsc::channel(1);
            all.threads
                .push(start(bound.clone(), script_input, script_output)?);
            all.inputs.push(input);
            all.outputs.push(output);
        }
        Ok(all)
    }
}

fn start(
    bound: Bound,
    input: Receiver<Chunk>,
    output: Sender<Derived>,
) -> std::io::Result<JoinHandle<Option<()>>> {
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
