//! The script's side of a hook or a procedural rule: a thread of its own that asks and waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::RunError;
use crate::diagnostic::Diagnostic;
use crate::rule::Rule;
use crate::script::{Host, HostCall, HostReply, STACK_BYTES};

/// What a script hears when nobody answers any more.
const GONE: &str = "the run has ended";

/// A question of the script, and where its answer goes.
pub(super) struct Asking {
    pub(super) call: HostCall,
    pub(super) reply: oneshot::Sender<Result<HostReply, String>>,
}

/// How the call ended, and what the script printed.
struct Ended {
    result: Result<(), Diagnostic>,
    printed: Vec<String>,
}

/// A function of a rule that is being called. Dropping it ends the call: at its next operation the
/// script stops, and its next question is not answered.
pub(super) struct Call {
    pub(super) questions: mpsc::Receiver<Asking>,
    thread: Option<JoinHandle<Ended>>,
    end: Arc<AtomicBool>,
}

impl Call {
    /// Starts to call `function` of `rule`.
    pub(super) fn start(rule: &Arc<Rule>, function: &'static str) -> Result<Self, RunError> {
        // one question at a time: the script waits for each answer
        let (ask, questions) = mpsc::channel(1);
        let end = Arc::new(AtomicBool::new(false));
        let (rule, asked_to_end) = (rule.clone(), end.clone());
        let thread = std::thread::Builder::new()
            .name("script".into())
            .stack_size(STACK_BYTES)
            .spawn(move || call(&rule, function, ask, asked_to_end))
            .map_err(|e| Diagnostic::error(format!("the script thread does not start: {e}")))?;
        Ok(Self {
            questions,
            thread: Some(thread),
            end,
        })
    }

    /// Ends the script at its next operation.
    pub(super) fn end(&self) {
        self.end.store(true, Ordering::Relaxed);
    }

    /// How it ended. Called when there are no more questions: the thread is at its last line.
    pub(super) fn join(mut self) -> (Result<(), Diagnostic>, Vec<String>) {
        if let Some(Ok(ended)) = self.thread.take().map(JoinHandle::join) {
            return (ended.result, ended.printed);
        }
        let problem = Diagnostic::error(
            "the script thread ended without a word; nothing of its chunk was written",
        );
        (Err(problem), vec![])
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end();
    }
}

fn call(
    rule: &Rule,
    function: &str,
    ask: mpsc::Sender<Asking>,
    asked_to_end: Arc<AtomicBool>,
) -> Ended {
    let mut procedure = match rule.procedure(Box::new(Line { ask })) {
        Ok(procedure) => procedure,
        Err(problem) => {
            return Ended {
                result: Err(problem),
                printed: vec![],
            };
        }
    };
    procedure.end_when(asked_to_end);
    Ended {
        result: procedure.call(function),
        printed: procedure.take_printed(),
    }
}

/// The way to whoever answers.
struct Line {
    ask: mpsc::Sender<Asking>,
}

impl Host for Line {
    fn call(&mut self, call: HostCall) -> Result<HostReply, String> {
        let (reply, answer) = oneshot::channel();
        self.ask
            .blocking_send(Asking { call, reply })
            .map_err(|_| GONE.to_owned())?;
        answer.blocking_recv().map_err(|_| GONE.to_owned())?
    }
}
