//! One table of a run, whatever the mode.

use std::sync::Arc;
use std::time::Instant;

use super::flow::{Flowed, Reading, flow};
use super::gate::{self, Gate};
use super::judge::Budget;
use super::mode::{Mode, gaps, of};
use super::{Event, RuleOutcome, RunError, What, World, procedure, retry, second, sweep, sync};
use crate::commit::{Ledger, Masker, Prior};
use crate::db::point;
use crate::diagnostic::Diagnostic;
use crate::plan::Step;
use crate::row::Key;
use crate::rule::Rule;
use crate::state::{Account, Kind, SegmentRecord};

/// Takes the table of one rule as far as it goes.
pub(super) async fn run(world: &mut World<'_>, step: &mut Step) -> Result<RuleOutcome, RunError> {
    let began = Instant::now();
    let rule = step.rule.clone();
    let account = world.account(&rule.name).await?;
    let mode = of(&account, &rule, world.options);
    let what = match mode {
        _ if world.options.dry_run => What::DryRun,
        Mode::Trial => What::Trial,
        Mode::Changed => What::Changed,
        Mode::Sweep(_) | Mode::Retry(_) | Mode::Unfinished => What::Done,
        _ => What::Ran,
    };
    let mut outcome = RuleOutcome {
        rule: rule.name.clone(),
        target: rule.header.target.clone(),
        what,
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
    if mode == Mode::Changed {
        world.watcher.event(Event::Message(&format!(
            "{}: the rule changed since this table was finished; nothing was written (--restart applies it)",
            rule.name
        )));
    } else {
        let flowed = match mode {
            Mode::Sweep(pass) => sweep::run(world, step, &account, pass, &mut outcome).await?,
            Mode::Trial => trial(world, step).await?,
            Mode::Fresh(pass) | Mode::Resume(pass) => {
                through(world, step, &account, pass, &mut outcome).await?
            }
            Mode::Retry(pass) => {
                let due = retry::Due::of(world, &rule);
                retry::run(world, step, &account, pass, due, &mut outcome).await?
            }
            Mode::Unfinished => retry::unfinished(world, &rule, &account),
            Mode::Changed => Flowed::default(),
        };
        if flowed.counts.read > 0 && outcome.what == What::Done {
            outcome.what = What::Ran;
        }
        if world.options.dry_run {
            let known = world.known.entry(rule.header.target.clone()).or_default();
            known.extend(flowed.ids);
        }
        outcome.this_run = flowed.counts;
        outcome.codes = flowed.codes;
        outcome.spent = flowed.spent;
        outcome.lines = flowed.lines;
    }
    outcome.account = world.account(&rule.name).await?;
    outcome.account.lapse(&rule.fingerprints.transform);
    outcome.missed = missed(&rule, &outcome);
    outcome.seconds = began.elapsed().as_secs_f64();
    world.watcher.event(Event::RuleFinished {
        rule: &rule.name,
        note: if world.stop.asked() {
            "interrupted"
        } else if outcome.what == What::Changed {
            "not touched"
        } else {
            "done"
        },
    });
    Ok(outcome)
}

/// A pass: from the start, or what is missing of it.
async fn through(
    world: &mut World<'_>,
    step: &mut Step,
    account: &Account,
    pass: i64,
    outcome: &mut RuleOutcome,
) -> Result<Flowed, RunError> {
    let rule = step.rule.clone();
    let (base, read) = world.source.counts(&step.query).await?;
    let fresh = pass != account.pass;
    let syncing = world.options.sync.is_some() || (!fresh && account.syncing);
    let kind = if syncing { Kind::Sync } else { Kind::Pass };
    let done = if fresh {
        0
    } else {
        account.counts.base.max(0) as u64
    };
    world.watcher.event(Event::RuleStarted {
        rule: &rule.name,
        base,
        done,
    });
    let spans = if fresh || !world.exists {
        vec![]
    } else {
        world
            .state
            .spans(&mut world.target, &rule.name, pass)
            .await?
    };
    if world.options.dry_run {
        procedure::before(world, step, &record(world, step, pass, kind, (0, 0))).await?;
        let mut prior = Prior::look(
            &mut world.target,
            world.exists.then_some(world.state),
            &step.to,
            &rule,
            pass,
            0,
        )
        .await?;
        if syncing && world.exists {
            sync::remember(world, &rule, pass, &mut prior).await?;
        }
        let ledger = Arc::new(ledger(world, step, 0, pass, Kind::Pass, prior));
        let flowed = flow(
            world,
            step,
            &ledger,
            Reading::Gaps(gaps(&spans), base.saturating_sub(done)),
            budget(account, fresh),
        )
        .await?;
        if syncing && !flowed.interrupted {
            outcome.synced = Some(sync::foreseen(world, step, &ledger, &flowed).await?);
        }
        return Ok(flowed);
    }
    point("gate.before")?;
    gate::before(world, Gate::of(step), base, read).await?;
    let mut segment = record(world, step, pass, kind, (base, read));
    world.open(&rule, &mut segment, fresh && pass > 1).await?;
    if procedure::before(world, step, &segment).await? {
        return Ok(procedure::stopped());
    }
    let written = if fresh { 0 } else { account.counts.target_rows };
    let mut prior = Prior::look(
        &mut world.target,
        Some(world.state),
        &step.to,
        &rule,
        pass,
        written,
    )
    .await?;
    if syncing {
        sync::remember(world, &rule, pass, &mut prior).await?;
        point("sync.remember")?;
    }
    let ledger = Arc::new(ledger(world, step, segment.id, pass, Kind::Pass, prior));
    let mut flowed = flow(
        world,
        step,
        &ledger,
        Reading::Gaps(gaps(&spans), base.saturating_sub(done)),
        budget(account, fresh),
    )
    .await?;
    if flowed.interrupted {
        return Ok(flowed);
    }
    second::run(world, step, &ledger).await?;
    if procedure::after(world, step, &segment).await? {
        flowed.interrupted = true;
        return Ok(flowed);
    }
    if syncing {
        point("sync.compare")?;
        outcome.synced = Some(sync::compare(world, step, ledger, pass).await?);
    }
    point("gate.after")?;
    outcome.problems = gate::after(world, Gate::of(step), pass, &segment).await?;
    world.close(&segment).await?;
    Ok(flowed)
}

/// `--row` and `--limit`: the same engine, outside the table's account.
async fn trial(world: &mut World<'_>, step: &mut Step) -> Result<Flowed, RunError> {
    let rule = step.rule.clone();
    let reading = match (&world.options.row, world.options.limit) {
        (Some(text), _) => {
            let width = rule.header.key.len();
            let key = Key::parse(text, width).ok_or_else(|| {
                Diagnostic::error(format!(
                    "`{text}` is no key of `{}`: it has {width} columns",
                    rule.name
                ))
                .hint("write it as a JSON array: '[\"a\", 1]'")
            })?;
            let (_, found) = world
                .source
                .page_of_keys(&step.query, std::slice::from_ref(&key))
                .await
                .map_err(|error| match error {
                    crate::source::PageError::Db(error) => RunError::from(error),
                    crate::source::PageError::Unbalanced { .. } => {
                        Diagnostic::error(format!("`from` repeats key {key}")).into()
                    }
                })?;
            if found.is_empty() {
                return Err(Diagnostic::error(format!(
                    "`{}` has no row with key {key} that satisfies the rule's `where`",
                    rule.header.base
                ))
                .into());
            }
            Reading::Keys(vec![key])
        }
        (None, limit) => Reading::First(limit.unwrap_or(0)),
    };
    let total = match &reading {
        Reading::First(limit) => *limit,
        _ => 1,
    };
    world.watcher.event(Event::RuleStarted {
        rule: &rule.name,
        base: total,
        done: 0,
    });
    let mut segment = record(world, step, 0, Kind::Trial, (0, 0));
    if !world.options.dry_run {
        world.open(&rule, &mut segment, false).await?;
    }
    if procedure::before(world, step, &segment).await? {
        return Ok(procedure::stopped());
    }
    let state = world.exists.then_some(world.state);
    let prior = Prior::look(&mut world.target, state, &step.to, &rule, 0, 0).await?;
    let ledger = Arc::new(ledger(world, step, segment.id, 0, Kind::Trial, prior));
    let flowed = flow(world, step, &ledger, reading, Budget::default()).await?;
    second::run(world, step, &ledger).await?;
    Ok(flowed)
}

pub(super) fn record(
    world: &World<'_>,
    step: &Step,
    pass: i64,
    kind: Kind,
    counts: (u64, u64),
) -> SegmentRecord {
    SegmentRecord {
        id: 0,
        run: world.run,
        rule: step.rule.name.clone(),
        target: step.rule.header.target.clone(),
        pass,
        kind,
        accounted: kind != Kind::Trial,
        snapshot: world.snapshot.label.clone(),
        source_time: world.snapshot.server_time.clone(),
        base: counts.0 as i64,
        read: counts.1 as i64,
        transform_fp: step.rule.fingerprints.transform.clone(),
        gate_fp: step.rule.fingerprints.gate.clone(),
        complete: false,
    }
}

pub(super) fn ledger(
    world: &World<'_>,
    step: &Step,
    segment: i64,
    pass: i64,
    kind: Kind,
    prior: Prior,
) -> Ledger {
    Ledger {
        state: world.state,
        to: step.to.clone(),
        people: step.people.clone(),
        rule: step.rule.clone(),
        run: world.run,
        epoch: world.epoch,
        segment,
        pass,
        kind: kind.word(),
        accounted: kind != Kind::Trial,
        masker: Masker::new(&step.rule.header.secret, world.namespace),
        prior,
        control: world.control.line.clone(),
    }
}

/// Faults so far count on when a pass is resumed.
pub(super) fn budget(account: &Account, fresh: bool) -> Budget {
    if fresh {
        return Budget::default();
    }
    Budget {
        read: account.counts.read.max(0) as u64,
        faults: account
            .codes
            .reject
            .get("fault")
            .copied()
            .unwrap_or(0)
            .max(0) as u64,
    }
}

/// The rule's own expectation: written of what it did not skip.
pub(super) fn missed(rule: &Rule, outcome: &RuleOutcome) -> Option<String> {
    let expected = rule.header.min_success?;
    let (c, partial) = match outcome.what {
        What::DryRun | What::Trial => (outcome.this_run, outcome.what == What::Trial),
        _ => (outcome.account.counts, !outcome.account.done),
    };
    let (written, tried) = (c.inserted + c.updated + c.unchanged, c.read - c.skipped);
    // decided = written + skipped + accepted
    let whole = !matches!(outcome.what, What::DryRun | What::Trial);
    if partial || tried <= 0 || (whole && outcome.account.excused()) {
        return None;
    }
    let share = rust_decimal::Decimal::from(written) / rust_decimal::Decimal::from(tried);
    (share < expected).then(|| {
        let percent = |d: rust_decimal::Decimal| {
            (d * rust_decimal::Decimal::ONE_HUNDRED)
                .round_dp(2)
                .normalize()
        };
        format!(
            "{}: {written} of {tried} rows were written, {} % where {} % are expected",
            outcome.rule,
            percent(share),
            percent(expected)
        )
    })
}
