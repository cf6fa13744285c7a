//! A half-done table goes on only where it was begun: with a ledger that holds, and with the source that it was
//! read from. The state names no database, so the rows themselves have to tell.

use super::mode::{Mode, of};
use super::{RunError, Work, World, judge};
use crate::diagnostic::{Diagnostic, Place};
use crate::plan::Step;
use crate::row::Key;
use crate::source::PageError;

/// So many rows that were read last are looked at again; a chunk more at most.
const LOOKED_AT: usize = 100;
/// Of fewer rows nothing can be said: somebody may have changed them all.
const TOLD_BY: usize = 10;

/// Tables that are half done from another source than this.
pub(super) async fn refusals(
    world: &mut World<'_>,
    steps: &mut [Work],
) -> Result<Vec<Diagnostic>, RunError> {
    let mut refused = Vec::new();
    if !world.exists {
        return Ok(refused);
    }
    for work in steps {
        let Work::Step(step) = work else { continue };
        let rule = step.rule.clone();
        let account = world.account(&rule.name).await?;
        let Mode::Resume(pass) = of(&account, &rule, world.options) else {
            continue;
        };
        let (state, name) = (world.state, rule.name.as_str());
        state.manifests_hold(&mut world.target, name, pass).await?;
        // another version of the rule may read other columns
        if account.decided_fp != rule.fingerprints.transform {
            continue;
        }
        let entries = state
            .last_entries(&mut world.target, name, pass, LOOKED_AT)
            .await?;
        if entries.len() < TOLD_BY {
            continue;
        }
        let rows: Vec<(Key, [u8; 16])> = entries
            .iter()
            .filter_map(|entry| {
                let key = Key::parse(&entry.key, rule.header.key.len())?;
                Some((key, entry.input))
            })
            .collect();
        if !any_as_it_was(world, step, &rows).await? {
            refused.push(
                Diagnostic::error(format!(
                    "the table of `{name}` is half done, and not from this source: of the {} rows that were read last, none is here as it was",
                    rows.len()
                ))
                .at(Place::file(rule.path.display().to_string()))
                .note("nothing was written now")
                .hint("go on with the source that the run was begun with")
                .hint("if all of its rows were changed since, read everything again: --restart"),
            );
        }
    }
    Ok(refused)
}

/// Whether one of the rows is in the source and holds what it held.
async fn any_as_it_was(
    world: &mut World<'_>,
    step: &mut Step,
    rows: &[(Key, [u8; 16])],
) -> Result<bool, RunError> {
    let keys: Vec<Key> = rows.iter().map(|(key, _)| key.clone()).collect();
    let (found, keys) = match world.source.page_of_keys(&step.query, &keys).await {
        Ok(page) => page,
        Err(PageError::Db(error)) => return Err(error.into()),
        // a join that repeats rows is told with its page
        Err(PageError::Unbalanced { .. }) => return Ok(true),
    };
    let answers = step
        .wants
        .fetch(
            &found,
            world.source.session(),
            &mut world.target,
            &world.known,
        )
        .await?;
    let inputs = judge::inputs(&step.wants, &found, &answers);
    // the first half is of the row alone: parents may have come meanwhile
    Ok(keys.iter().zip(inputs).any(|(key, input)| {
        rows.iter()
            .any(|(known, then)| known == key && then[..8] == input[..8])
    }))
}
