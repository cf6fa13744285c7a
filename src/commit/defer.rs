//! References of a table to itself. The parent may come in a later chunk, or be refused, so a new row
//! goes in without it, and what it was to be is kept in the state until the table is through.

use crate::commit::{Batch, Fate, Fates, Ledger};
use crate::row::{OutRow, unescape};
use crate::state::Later;

/// Takes the references out of rows to insert and returns them.
pub(super) fn defer(fates: &mut Fates<'_>, ledger: &Ledger, batch: &Batch) -> Vec<Later> {
    let Some(column) = ledger.to.own_parent else {
        return vec![];
    };
    let mut later = Vec::new();
    for (row, fate) in fates.0.iter_mut().enumerate() {
        let Fate::Write { insert, .. } = fate else {
            continue;
        };
        for out in insert.to_mut() {
            let parent = out
                .cell(column)
                .flatten()
                .and_then(|cell| String::from_utf8_lossy(&unescape(cell)).parse().ok());
            let Some(parent) = parent else { continue };
            blank(out, column);
            later.push(Later {
                key: batch.keys[row].to_string(),
                id: out.id,
                parent,
            });
        }
    }
    later
}

fn blank(out: &mut OutRow, column: u16) {
    let Some(at) = out.set.iter().position(|c| *c == column) else {
        return;
    };
    let cells: Vec<&[u8]> = out
        .line
        .split(|b| *b == b'\t')
        .enumerate()
        .map(|(index, cell)| if index == at { b"\\N" } else { cell })
        .collect();
    out.line = cells.join(&b'\t').into();
}
