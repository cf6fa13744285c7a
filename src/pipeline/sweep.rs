//! The key sweep: which source keys does no manifest know? Never updates anything.
//!
//! Goes chunk by chunk through the pass, so that only one chunk's keys are held at a time, and ends behind
//! the last chunk, where new keys usually are.

use std::collections::HashSet;
use std::sync::Arc;

use super::flow::{Flowed, Reading, flow};
use super::gate::{self, Gate};
use super::judge::Budget;
use super::table::{ledger, record};
use super::{Event, RuleOutcome, RunError, World, procedure, second};
use crate::commit::{Batch, Prior};
use crate::db::point;
use crate::plan::Step;
use crate::row::Key;
use crate::state::{Account, Kind, Span};

/// Keys read per query.
const KEYS_PER_QUERY: u64 = 100_000;

/// Looks for new keys and moves them.
pub(super) async fn run(
    world: &mut World<'_>,
    step: &mut Step,
    account: &Account,
    pass: i64,
    outcome: &mut RuleOutcome,
) -> Result<Flowed, RunError> {
    let rule = step.rule.clone();
    let (base, read) = world.source.counts(&step.query).await?;
    let fresh = new_keys(world, step, pass).await?;
    point("sweep.keys")?;
    let filtered = base as i64 - read as i64;
    let nothing = fresh.is_empty() && filtered == account.counts.filtered;
    if nothing && (world.options.dry_run || !account.unsettled) {
        return Ok(Flowed::default());
    }
    world.watcher.event(Event::RuleStarted {
        rule: &rule.name,
        base: fresh.len() as u64,
        done: 0,
    });
    let state = Some(world.state);
    let mut segment = record(world, step, pass, Kind::Sweep, (base, read));
    if !world.options.dry_run {
        world.open(&rule, &mut segment, false).await?;
    }
    if procedure::before(world, step, &segment).await? {
        return Ok(procedure::stopped());
    }
    let prior = Prior::look(
        &mut world.target,
        state,
        &step.to,
        &rule,
        pass,
        account.counts.target_rows,
    )
    .await?;
    let ledger = Arc::new(ledger(world, step, segment.id, pass, Kind::Sweep, prior));
    let mut flowed = flow(
        world,
        step,
        &ledger,
        Reading::Keys(fresh),
        Budget::default(),
    )
    .await?;
    if flowed.interrupted || world.options.dry_run {
        return Ok(flowed);
    }
    second::run(world, step, &ledger).await?;
    if procedure::after(world, step, &segment).await? {
        flowed.interrupted = true;
        return Ok(flowed);
    }
    // rows that fail `where` are in no manifest: their number is brought up to date by a line of its own
    let moved = filtered - account.counts.filtered;
    if moved != 0 {
        let id = world.chunk_id();
        let mut seat = world.writers.free().await;
        let line = Batch::adjustment(
            Span {
                no: 0,
                lo: None,
                hi: None,
            },
            moved,
        );
        seat.writer
            .land(&ledger, &line, id)
            .await
            .map_err(|e| crate::diagnostic::Diagnostic::error(e.to_string()))?;
        seat.leave();
    }
    point("gate.after")?;
    outcome.problems = gate::after(world, Gate::of(step), pass, &segment).await?;
    world.close(&segment).await?;
    Ok(flowed)
}

async fn new_keys(world: &mut World<'_>, step: &Step, pass: i64) -> Result<Vec<Key>, RunError> {
    let rule = &step.rule.name;
    let mut swept = HashSet::new();
    let mut after = 0;
    loop {
        let found = world
            .state
            .manifests(&mut world.target, rule, pass, "sweep", after, 20)
            .await?;
        let Some((id, ..)) = found.last() else { break };
        after = *id;
        swept.extend(
            found
                .into_iter()
                .flat_map(|(_, _, m)| m.entries)
                .map(|e| e.key),
        );
    }
    let mut fresh = Vec::new();
    let mut last: Option<Span> = None;
    after = 0;
    loop {
        let found = world
            .state
            .manifests(&mut world.target, rule, pass, "pass", after, 20)
            .await?;
        let Some((id, ..)) = found.last() else { break };
        after = *id;
        for (_, span, manifest) in found {
            let known: HashSet<&str> = manifest.entries.iter().map(|e| e.key.as_str()).collect();
            let now = keys(world, step, span.lo.as_ref(), span.hi.as_ref()).await?;
            fresh.extend(now.into_iter().filter(|key| {
                let text = key.to_string();
                !known.contains(text.as_str()) && !swept.contains(&text)
            }));
            if last.as_ref().is_none_or(|l| span.no >= l.no) {
                last = Some(span);
            }
        }
    }
    let tail = keys(world, step, last.and_then(|span| span.hi).as_ref(), None).await?;
    fresh.extend(
        tail.into_iter()
            .filter(|key| !swept.contains(&key.to_string())),
    );
    Ok(fresh)
}

async fn keys(
    world: &mut World<'_>,
    step: &Step,
    lo: Option<&Key>,
    hi: Option<&Key>,
) -> Result<Vec<Key>, RunError> {
    let mut all: Vec<Key> = Vec::new();
    loop {
        let after = all.last().or(lo).cloned();
        let found = world
            .source
            .keys_between(&step.query, after.as_ref(), hi, KEYS_PER_QUERY)
            .await?;
        let full = found.len() as u64 == KEYS_PER_QUERY;
        all.extend(found);
        if !full {
            return Ok(all);
        }
    }
}
