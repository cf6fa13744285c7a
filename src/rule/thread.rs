//! The script thread: a thread of its own with a large stack, because a rule's recursion is bounded by the engine
//! and not by luck, and because the engine's values do not cross threads.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{Receiver, Sender};

use super::{Bound, Judge};
use crate::diagnostic::Diagnostic;
use crate::row::{Answers, Judged, Key, Reject, Rows, Stage, Verdict};
use crate::script::STACK_BYTES;

/// Starts a thread that does `work` on whatever comes, with a judge of its own. It ends with its input, when
/// nobody listens any more, or with the first answer that is a problem. What `begin` makes stays on the thread;
/// `end` says what is left of it, which is what joining the thread gives.
pub fn on_script_thread<I: Send + 'static, O: Send + 'static, S, R: Send + 'static>(
    bound: Bound,
    mut input: Receiver<I>,
    output: Sender<Result<O, Diagnostic>>,
    begin: impl FnOnce(&Bound, &mut Judge) -> S + Send + 'static,
    mut work: impl FnMut(&mut S, &mut Judge, I) -> Result<O, Diagnostic> + Send + 'static,
    end: impl FnOnce(S) -> Option<R> + Send + 'static,
) -> std::io::Result<JoinHandle<Option<R>>> {
    std::thread::Builder::new()
        .name("script".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let mut judge = match bound.judge() {
                Ok(judge) => judge,
                Err(problem) => {
                    let _ = output.blocking_send(Err(problem));
                    return None;
                }
            };
            let mut state = begin(&bound, &mut judge);
            while let Some(one) = input.blocking_recv() {
                let answer = work(&mut state, &mut judge, one);
                let is_last = answer.is_err();
                if output.blocking_send(answer).is_err() || is_last {
                    break;
                }
            }
            end(state)
        })
}

impl Judge {
    /// The verdict on one row as it was read: a value that does not fit its own column's type rejects the row
    /// before the rule sees it.
    pub fn judge_read(
        &mut self,
        rows: &Arc<Rows>,
        row: usize,
        key: &Key,
        answers: &Arc<Answers>,
    ) -> Judged {
        match read_fault(rows, row) {
            Some(reject) => Judged {
                verdict: Verdict::Reject(Box::new(reject)),
                notes: vec![],
                person: None,
            },
            None => self.judge(rows, row, key, answers),
        }
    }
}

fn read_fault(rows: &Rows, row: usize) -> Option<Reject> {
    let fault = rows.fault_of(row)?;
    let column = rows
        .columns()
        .get(fault.column)
        .cloned()
        .unwrap_or_default();
    Some(Reject::new(
        Stage::Read,
        "bad_value",
        format!("column `{column}`: {}", fault.why),
    ))
}
