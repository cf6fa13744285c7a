//! Procedural rules, and the hooks of the others.

use std::time::Instant;

use super::clerk::{Place, call};
use super::flow::Flowed;
use super::gate::{self, Gate};
use super::mode::{Mode, of};
use super::{Event, RuleOutcome, RunError, What, World, table};
use crate::db::point;
use crate::diagnostic::Diagnostic;
use crate::plan::{Job, Step};
use crate::rule::Rule;
use crate::state::{Account, Kind, SegmentRecord};
use crate::target::Destination;

/// Takes a procedural rule as far as it goes: to its end, or to the commit after somebody asked to stop.
pub(super) async fn run(world: &mut World<'_>, job: &Job) -> Result<RuleOutcome, RunError> {
    let began = Instant::now();
    let rule = &job.rule;
    let account = world.account(&rule.name).await?;
    let expected = match &job.base {
        Some(query) => Some(world.source.counts(query).await?.1),
        None => None,
    };
    let grown = expected.is_some_and(|rows| rows as i64 > account.counts.read);
    let mut options = world.options.clone();
    if options.sync.take().is_some() && account.done {
        world.watcher.event(Event::Message(&format!(
            "{0}: a procedure reads its rows itself: what changed since cannot be told; `runner exec {0} --restart` runs it again",
            rule.name
        )));
    }
    let (what, pass) = match of(&account, rule, &options) {
        Mode::Trial => return Err(RunError::Refused(vec![no_trial(rule)])),
        Mode::Changed => (What::Changed, None),
        Mode::Sweep(_) if !grown => (What::Done, None),
        Mode::Retry(_) | Mode::Unfinished => (What::Done, None),
        Mode::Sweep(pass) | Mode::Fresh(pass) | Mode::Resume(pass) => (What::Ran, Some(pass)),
    };
    let mut outcome = RuleOutcome {
        rule: rule.name.clone(),
        target: rule.header.target.clone(),
        what: if world.options.dry_run {
            What::DryRun
        } else {
            what
        },
        account: account.clone(),
        this_run: crate::state::Counts::default(),
        codes: crate::state::CodeCounts::default(),
        missed: None,
        problems: vec![],
        seconds: 0.0,
        spent: crate::commit::Spent::default(),
        lines: None,
        retried: None,
        synced: None,
    };
    if world.options.retry.is_some() && account.counts.rejected > 0 {
        world.watcher.event(Event::Message(&format!(
            "{0}: a procedure reads its rows itself, so single ones are not judged again: `runner exec {0} --restart`",
            rule.name
        )));
    }
    if what == What::Changed {
        world.watcher.event(Event::Message(&format!(
            "{}: the rule changed since it was finished; nothing was written (--restart applies it)",
            rule.name
        )));
    }
    if let Some(pass) = pass {
        pass_of(world, job, &account, pass, expected, &mut outcome).await?;
    }
    outcome.account = world.account(&rule.name).await?;
    outcome.account.lapse(&rule.fingerprints.transform);
    outcome.missed = table::missed(rule, &outcome);
    outcome.seconds = began.elapsed().as_secs_f64();
    world.watcher.event(Event::RuleFinished {
        rule: &rule.name,
        note: if world.stop.asked() {
            "interrupted"
        } else {
            "done"
        },
    });
    Ok(outcome)
}

async fn pass_of(
    world: &mut World<'_>,
    job: &Job,
    account: &Account,
    pass: i64,
    expected: Option<u64>,
    outcome: &mut RuleOutcome,
) -> Result<(), RunError> {
    let rule = &job.rule;
    let fresh = pass != account.pass;
    world.watcher.event(Event::RuleStarted {
        rule: &rule.name,
        base: expected.unwrap_or(0),
        done: if fresh {
            0
        } else {
            account.counts.base.max(0) as u64
        },
    });
    let mut segment = segment(world, job, pass, expected.unwrap_or(0) as i64);
    if !world.options.dry_run {
        point("gate.before")?;
        let rows = expected.unwrap_or(0);
        gate::before(world, Gate::of_job(job), rows, rows).await?;
        world.open(rule, &mut segment, fresh && pass > 1).await?;
    }
    let place = Place {
        function: "run",
        segment: segment.id,
        pass,
        written: if fresh { 0 } else { account.counts.target_rows },
        chunks: if fresh { 0 } else { account.chunks },
    };
    let flowed = call(world, job, place).await?;
    outcome.this_run = flowed.counts;
    outcome.codes = flowed.codes;
    outcome.spent = flowed.spent;
    if world.options.dry_run {
        let known = world.known.entry(rule.header.target.clone()).or_default();
        known.extend(flowed.ids);
        return Ok(());
    }
    if flowed.interrupted {
        return Ok(());
    }
    point("gate.after")?;
    outcome.problems = gate::after(world, Gate::of_job(job), pass, &segment).await?;
    world.close(&segment).await
}

/// Calls the rule's `before`, if it has one; true when somebody asked to stop. A dry run calls no
/// hooks, and says so: what they write, rows may need.
pub(super) async fn before(
    world: &mut World<'_>,
    step: &Step,
    segment: &SegmentRecord,
) -> Result<bool, RunError> {
    let has = &step.rule.has;
    if world.options.dry_run && (has.before || has.after) {
        let what = match (has.before, has.after) {
            (true, true) => "`before` and `after` are",
            (true, false) => "`before` is",
            _ => "`after` is",
        };
        let line = format!("{}: {what} not called in a dry run", step.rule.name);
        world.watcher.event(Event::Message(&line));
    }
    if world.options.dry_run || !has.before {
        return Ok(false);
    }
    hook(world, step, "before", segment).await
}

/// The same for `after`: the table is complete.
pub(super) async fn after(
    world: &mut World<'_>,
    step: &Step,
    segment: &SegmentRecord,
) -> Result<bool, RunError> {
    if world.options.dry_run || !step.rule.has.after {
        return Ok(false);
    }
    hook(world, step, "after", segment).await
}

/// What a table comes to when its first hook was interrupted.
pub(super) fn stopped() -> Flowed {
    Flowed {
        interrupted: true,
        ..Flowed::default()
    }
}

async fn hook(
    world: &mut World<'_>,
    step: &Step,
    function: &'static str,
    segment: &SegmentRecord,
) -> Result<bool, RunError> {
    let job = Job {
        rule: step.rule.clone(),
        to: Destination {
            own_parent: None,
            ..step.to.clone()
        },
        base: None,
        remarks: vec![],
    };
    let place = Place {
        function,
        segment: segment.id,
        pass: segment.pass,
        // what else is in the table is not ours to know: look before writing
        written: -1,
        chunks: 0,
    };
    Ok(call(world, &job, place).await?.interrupted)
}

fn segment(world: &World<'_>, job: &Job, pass: i64, rows: i64) -> SegmentRecord {
    let rule = &job.rule;
    SegmentRecord {
        id: 0,
        run: world.run,
        rule: rule.name.clone(),
        target: rule.header.target.clone(),
        pass,
        kind: Kind::Procedure,
        accounted: true,
        snapshot: world.snapshot.label.clone(),
        source_time: world.snapshot.server_time.clone(),
        base: rows,
        read: rows,
        transform_fp: rule.fingerprints.transform.clone(),
        gate_fp: rule.fingerprints.gate.clone(),
        complete: false,
    }
}

/// A procedure decides itself what it reads, so nobody else can pick rows for it.
pub fn no_trial(rule: &Rule) -> Diagnostic {
    Diagnostic::error(format!(
        "`{}` is procedural: it reads what it wants, so --limit and --row cannot pick its rows",
        rule.name
    ))
    .hint("rehearse all of it: --dry-run")
}
