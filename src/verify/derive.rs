//! The script thread: judges chunks as they come, by the rule as it was applied. A thread of its own for the same
//! reasons as in a run: a large stack, and values that do not cross threads.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender};

use crate::diagnostic::Diagnostic;
use crate::row::{Answers, Judged, Key, Reject, Rows, Stage, Verdict};
use crate::rule::Bound;
use crate::script::STACK_BYTES;

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
    mut input: Receiver<Chunk>,
    output: Sender<Derived>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new()
        .name("script".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let mut judge = match bound.judge() {
                Ok(judge) => judge,
                Err(problem) => {
                    let _ = output.blocking_send(Err(problem));
                    return;
                }
            };
            while let Some(mut chunk) = input.blocking_recv() {
                let mut judged = Vec::with_capacity(chunk.keys.len());
                for (row, key) in chunk.keys.iter().enumerate() {
                    judged.push(match fault(&chunk.rows, row) {
                        Some(reject) => Judged {
                            verdict: Verdict::Reject(Box::new(reject)),
                            notes: vec![],
                        },
                        None => judge.judge(&chunk.rows, row, key, &chunk.answers),
                    });
                    if let Some(problem) = judge.gave_up() {
                        let _ = output.blocking_send(Err(problem.clone()));
                        return;
                    }
                }
                chunk.judged = judged;
                if output.blocking_send(Ok(chunk)).is_err() {
                    return;
                }
            }
        })
}

/// A value that does not fit its own column's type rejects its row before the rule sees it.
fn fault(rows: &Rows, row: usize) -> Option<Reject> {
    let fault = rows.faults().iter().find(|fault| fault.row == row)?;
    Some(Reject::new(Stage::Read, "bad_value", fault.why.clone()))
}
