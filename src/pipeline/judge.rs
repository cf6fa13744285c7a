//! What the script thread does in a run: every row judged, until a rule fails on too many of them.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender};

use crate::commit::{Batch, InFlight, Spent};
use crate::diagnostic::Diagnostic;
use crate::plan::Wants;
use crate::row::{Answers, Judged, Key, Reject, Rows, Verdict};
use crate::rule::{Bound, Judge, Rule, Stop, on_script_thread};
use crate::state::Span;

/// Rows below which a share of faults says nothing.
const SHARE_FROM: u64 = 100;

/// A chunk with everything that was fetched for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) span: Span,
    pub(super) base: u64,
    pub(super) filtered: u64,
    pub(super) rows: Arc<Rows>,
    pub(super) keys: Vec<Key>,
    pub(super) answers: Arc<Answers>,
    pub(super) inputs: Vec<[u8; 16]>,
    pub(super) begun: Instant,
    /// Reading and asking so far.
    pub(super) spent: Spent,
    /// Its place in the queue.
    pub(super) in_flight: InFlight,
    /// No more rows follow: a share of faults counts even below [`SHARE_FROM`] rows.
    pub(super) last: bool,
}

/// A judged chunk, or why the rule counts as broken.
pub(super) type Answer = Result<Batch, Diagnostic>;

/// Rows and faults so far: the budget is evaluated row by row in key order, so that it does not depend
/// on chunk sizes or writers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    pub(super) read: u64,
    pub(super) faults: u64,
}

/// Starts the thread. It ends when its input does.
pub(super) fn start(
    bound: Bound,
    mut budget: Budget,
    input: Receiver<Asked>,
    output: Sender<Answer>,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let rule = bound.rule().clone();
    on_script_thread(bound, input, output, move |judge, asked: Asked| {
        let answer = batch(judge, &rule, &mut budget, asked);
        crate::db::failpoint("script.judged");
        answer
    })
}

/// Judges a chunk, as long as the rule's budget of faults lasts.
fn batch(judge: &mut Judge, rule: &Rule, budget: &mut Budget, asked: Asked) -> Answer {
    let started = Instant::now();
    let mut judged: Vec<Judged> = Vec::with_capacity(asked.rows.len());
    for (row, key) in asked.keys.iter().enumerate() {
        let one = judge.judge_read(&asked.rows, row, key, &asked.answers);
        budget.read += 1;
        if let Verdict::Reject(reject) = &one.verdict
            && reject.fault
        {
            budget.faults += 1;
            let last = asked.last && row + 1 == asked.keys.len();
            if judge.gave_up().is_some() {
                return Err(broken_rule(rule, "takes too long", key, reject, *budget));
            }
            if exceeded(&rule.header.stop, *budget, last) {
                let how = "fails on too many rows";
                return Err(broken_rule(rule, how, key, reject, *budget));
            }
        }
        judged.push(one);
    }
    Ok(Batch {
        span: asked.span,
        base: asked.base as i64,
        filtered: asked.filtered as i64,
        rows: asked.rows,
        keys: asked.keys,
        judged,
        inputs: asked.inputs,
        begun: asked.begun,
        spent: Spent {
            script: started.elapsed(),
            ..asked.spent
        },
        in_flight: asked.in_flight,
    })
}

/// Hash per row of everything that goes in.
pub(super) fn inputs(wants: &Wants, rows: &Rows, answers: &Answers) -> Vec<[u8; 16]> {
    (0..rows.len())
        .map(|row| wants.input_hash(rows, row, answers))
        .collect()
}

fn exceeded(stop: &Stop, budget: Budget, last: bool) -> bool {
    let share = rust_decimal::Decimal::from(budget.faults)
        > stop.share * rust_decimal::Decimal::from(budget.read);
    budget.faults > stop.faults || (share && (budget.read >= SHARE_FROM || last))
}

fn broken_rule(rule: &Rule, how: &str, key: &Key, reject: &Reject, budget: Budget) -> Diagnostic {
    let problem = Diagnostic::error(format!("the rule `{}` {how}: {}", rule.name, reject.why))
        .note(format!(
            "row: {} {}={key}",
            rule.header.base,
            rule.header.key.join(",")
        ))
        .note(format!(
            "{} of {} rows failed; the chunk was not written",
            budget.faults, budget.read
        ))
        .hint(format!(
            "try it on this row: runner repl {} -e \":try {key}\"",
            rule.name
        ));
    match &reject.place {
        Some(place) => problem.at(place.clone()),
        None => problem,
    }
}
