//! What the script thread does in a run: every row judged, until a rule fails on too many of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender};

use super::profile::{Lines, Sampler};
use super::twice::Twice;
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
    profile: bool,
) -> std::io::Result<std::thread::JoinHandle<Option<Lines>>> {
    let rule = bound.rule().clone();
    let begin = move |bound: &Bound, judge: &mut Judge| {
        let twice = Twice::new(bound);
        if !profile {
            return (None, twice);
        }
        judge.time_encoding();
        (Sampler::new(bound).ok(), twice)
    };
    let work =
        move |state: &mut (Option<Sampler>, Option<Twice>), judge: &mut Judge, asked: Asked| {
            let (sampler, twice) = state;
            let answer = batch(
                judge,
                &rule,
                &mut budget,
                sampler.as_mut(),
                twice.as_mut(),
                asked,
            );
            crate::db::point("script.judged")?;
            answer
        };
    let end = |(sampler, _): (Option<Sampler>, _)| sampler.map(|sampler: Sampler| sampler.lines());
    on_script_thread(bound, input, output, begin, work, end)
}

/// Judges a chunk, as long as the rule's budget of faults lasts.
fn batch(
    judge: &mut Judge,
    rule: &Rule,
    budget: &mut Budget,
    mut sampler: Option<&mut Sampler>,
    mut twice: Option<&mut Twice>,
    asked: Asked,
) -> Answer {
    let started = Instant::now();
    let (encoded, second) = (judge.encoded(), took(sampler.as_deref()));
    let mut judged: Vec<Judged> = Vec::with_capacity(asked.rows.len());
    for (row, key) in asked.keys.iter().enumerate() {
        let one = judge.judge_read(&asked.rows, row, key, &asked.answers);
        if let Some(sampler) = &mut sampler
            && sampler.wants(row, started.elapsed())
        {
            sampler.take(&asked, row);
        }
        if let Some(twice) = &mut twice
            && judge.gave_up().is_none()
        {
            twice.hold(&asked, row, &one, rule)?;
        }
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
    if let Some(sampler) = &mut sampler {
        sampler.add(started.elapsed());
    }
    let encode = judge.encoded().saturating_sub(encoded);
    let second = took(sampler.as_deref()).saturating_sub(second);
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
            script: started.elapsed().saturating_sub(encode + second),
            encode,
            profile: second,
            ..asked.spent
        },
        in_flight: asked.in_flight,
    })
}

fn took(sampler: Option<&Sampler>) -> Duration {
    sampler.map_or(Duration::ZERO, Sampler::took)
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
