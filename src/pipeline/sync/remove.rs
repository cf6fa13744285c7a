//! What a sync does when all tables are through: withdrawn rows are removed, children first; then the rows that
//! found their place taken go again.

use std::sync::Arc;

use uuid::Uuid;

use super::super::flow::commit_failed;
use super::super::retry::{self, Due};
use super::super::{RuleOutcome, RunError, World, table};
use super::Left;
use crate::commit::{Leaving, Ledger, keepers};
use crate::db::point;
use crate::diagnostic::Diagnostic;
use crate::plan::Step;
use crate::target::{Lookup, find};

/// Rows removed in one transaction.
const ROWS_MAX: usize = 1_000;

/// Ends a sync. `done` are the tables in the order they were taken, each with the place of its outcome.
pub(in crate::pipeline) async fn settle(
    world: &mut World<'_>,
    done: &mut [(Step, usize)],
    outcomes: &mut [RuleOutcome],
) -> Result<(), RunError> {
    if world.options.dry_run {
        return Ok(());
    }
    for (step, at) in done.iter().rev() {
        if let Some(ledger) = world.leaving.remove(&step.rule.name) {
            remove(world, step, &ledger, &mut outcomes[*at]).await?;
        }
    }
    point("sync.again")?;
    for (step, at) in done {
        let outcome = &mut outcomes[*at];
        again(world, step, outcome).await?;
        if world.stop.asked() {
            return Ok(());
        }
    }
    Ok(())
}

async fn remove(
    world: &mut World<'_>,
    step: &Step,
    ledger: &Arc<Ledger>,
    outcome: &mut RuleOutcome,
) -> Result<(), RunError> {
    let rule = step.rule.name.as_str();
    if !step.to.table.rights.delete {
        let target = &step.rule.header.target;
        outcome.problems.push(
            Diagnostic::error(format!(
                "{rule}: this role may not remove rows of {target}: what is withdrawn stays"
            ))
            .hint(format!(
                "grant delete on {target} to it, then the same command again"
            )),
        );
        return Ok(());
    }
    let mut seat = world.writers.free().await;
    let synced = outcome.synced.get_or_insert_default();
    // a row may go once those of its own table that refer to it are gone
    loop {
        let before = synced.removed();
        let rows = synced
            .withdrawn
            .iter()
            .filter(|row| row.left == Left::There);
        let rows: Vec<Leaving> = rows
            .map(|row| Leaving {
                key: row.key.clone(),
                id: row.id,
            })
            .collect();
        for rows in rows.chunks(ROWS_MAX) {
            if world.stop.asked() {
                return Ok(());
            }
            let chunk = world.chunk_id();
            point("sync.withdraw")?;
            let landed = seat.writer.withdraw(ledger, rows, chunk).await;
            landed.map_err(|error| commit_failed(rule, error))?;
            let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
            let found = find(&mut world.target, &step.to, &Lookup::Ids(ids.clone())).await?;
            for row in &mut synced.withdrawn {
                if ids.contains(&row.id) && found.row(row.id).is_none() {
                    row.left = Left::Removed;
                }
            }
        }
        if step.to.own_parent.is_none() || synced.removed() == before {
            break;
        }
    }
    let rest = synced
        .withdrawn
        .iter()
        .filter(|row| row.left == Left::There);
    let rest: Vec<Uuid> = rest.map(|row| row.id).collect();
    for ids in rest.chunks(ROWS_MAX) {
        let (_, kept) = keepers(&mut world.target, ledger, ids).await?;
        for row in &mut synced.withdrawn {
            if let Some(why) = kept.get(&row.id) {
                row.left = Left::Kept(why.clone());
            }
        }
    }
    Ok(())
}

/// A unique value that another row gave up, or a parent that came: rows that waited for it are judged again, as
/// long as one of them comes through.
async fn again(
    world: &mut World<'_>,
    step: &mut Step,
    outcome: &mut RuleOutcome,
) -> Result<(), RunError> {
    let rule = step.rule.clone();
    let changed = |outcome: &RuleOutcome| {
        let removed = outcome.synced.as_ref().map_or(0, super::Synced::removed);
        outcome.this_run.updated > 0 || outcome.this_run.inserted > 0 || removed > 0
    };
    let mut which = vec![Due::Released];
    if changed(outcome) {
        which.extend([Due::Moved, Due::Taken]);
    }
    while let Some(due) = which.pop() {
        let account = world.account(&rule.name).await?;
        if !account.done || world.stop.asked() {
            break;
        }
        let problems = std::mem::take(&mut outcome.problems);
        let flowed = retry::run(world, step, &account, account.pass, due, outcome).await?;
        outcome.problems.extend(problems);
        outcome.this_run.add(&flowed.counts);
        outcome.codes.add(&flowed.codes);
        let c = flowed.counts;
        let came = c.inserted + c.updated + c.unchanged > 0;
        match due {
            // one way and back: a chain of rows that each take their neighbour's value ends in one of them
            Due::Taken | Due::Moved if came => which.extend([Due::Moved, Due::Taken]),
            _ => {}
        }
    }
    outcome.account = world.account(&rule.name).await?;
    outcome.account.lapse(&rule.fingerprints.transform);
    outcome.missed = table::missed(&rule, outcome);
    // what came through does not stand any more
    if let Some(synced) = &mut outcome.synced {
        let state = world.state;
        let standing = state.standing(&mut world.target, &rule.name).await?;
        synced.withdrawn.retain(|row| {
            row.left == Left::Removed || standing.iter().any(|stands| stands.id == row.id)
        });
    }
    Ok(())
}
