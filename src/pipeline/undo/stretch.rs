//! The order of an undo: the ledger backwards. What a sync took out of a parent's table has to be there again
//! before the rows that referred to it are as they were.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::World;
use crate::commit::{CommitError, Portion, TakenBack, Undoing};
use crate::diagnostic::Diagnostic;
use crate::pipeline::{Event, RunError, chunk};
use crate::state::UndoLine;

/// Lines of one table that belong together.
pub(super) struct Stretch<'a> {
    /// Which table.
    pub(super) part: usize,
    /// The newest one first.
    pub(super) lines: Vec<&'a UndoLine>,
}

/// All lines, the newest one first; by table and, as they are different work, apart by what they did. Between the
/// lines of one segment those of a table can lie that was worked on at the same time: the two have nothing to do
/// with one another, so the segment that ended last goes first, as a whole.
pub(super) fn stretches(lines: &[Vec<UndoLine>]) -> Vec<Stretch<'_>> {
    let mut stretches: BTreeMap<(usize, i64, bool), Vec<&UndoLine>> = BTreeMap::new();
    for (part, lines) in lines.iter().enumerate() {
        for line in lines {
            let stretch = (part, line.segment, line.withdrawn);
            stretches.entry(stretch).or_default().push(line);
        }
    }
    let newest_first = |lines: &mut Vec<&UndoLine>| lines.sort_by_key(|line| Reverse(line.chunk));
    let mut stretches: Vec<Stretch<'_>> = stretches
        .into_iter()
        .map(|((part, ..), mut lines)| {
            newest_first(&mut lines);
            Stretch { part, lines }
        })
        .collect();
    stretches.sort_by_key(|stretch| Reverse(stretch.lines[0].chunk));
    stretches
}

/// The lines of a stretch; false when somebody asked to stop.
pub(super) async fn chunks(
    world: &mut World<'_>,
    what: &Undoing,
    lines: &[&UndoLine],
    back: &mut TakenBack,
) -> Result<bool, RunError> {
    // rows that refer to one another go together, or not at all
    let most = if what.to.own_parent.is_some() {
        usize::MAX
    } else {
        let rows = chunk::rows(world.asked.batch_rows, world.reader.engine());
        usize::try_from(rows).unwrap_or(usize::MAX)
    };
    let mut together: Vec<Portion<'_>> = Vec::new();
    let mut rows: usize = 0;
    for line in lines {
        // rows that gave their places up to one another are moved back in one transaction
        let moved = line.withdrawn || line.counts.updated > 0 && what.to.ordered;
        let at_once = if moved { usize::MAX } else { most };
        let manifest = world.state.manifest(&mut world.reader, line.chunk).await?;
        let mut entries = manifest.entries;
        let all = entries.len();
        let mut from = line.from.min(all);
        entries.drain(..from);
        loop {
            if rows > 0 && rows.saturating_add(entries.len()) > most {
                if !send(world, what, std::mem::take(&mut together), back).await? {
                    return Ok(false);
                }
                rows = 0;
            }
            let rest = entries.split_off(entries.len().min(at_once));
            from += entries.len();
            rows += entries.len();
            together.push(Portion {
                line,
                entries,
                to: from,
                last: rest.is_empty(),
            });
            if rest.is_empty() {
                break;
            }
            entries = rest;
        }
    }
    if together.is_empty() {
        return Ok(true);
    }
    // asked to stop after the last of its transactions, the stretch is through all the same
    send(world, what, together, back).await?;
    Ok(true)
}

/// One transaction; false when somebody asked to stop after it.
async fn send(
    world: &mut World<'_>,
    what: &Undoing,
    portions: Vec<Portion<'_>>,
    back: &mut TakenBack,
) -> Result<bool, RunError> {
    let first = world.next_chunk;
    world.next_chunk += portions.len() as i64;
    let done = world
        .commits
        .take_back(what, &portions, first, &mut world.would)
        .await
        .map_err(|error| match error {
            CommitError::Db(error) => RunError::from(error),
            CommitError::State(error) => error.into(),
            other @ (CommitError::Unbalanced { .. } | CommitError::Overtaken) => {
                Diagnostic::error(other.to_string()).into()
            }
        })?;
    let read = portions
        .iter()
        .map(|portion| portion.entries.len() as u64)
        .sum();
    world.watcher.event(Event::Chunk {
        rule: &what.rule,
        base: read,
        read,
        rejected: 0,
    });
    back.add(done);
    Ok(!world.stop.asked())
}
