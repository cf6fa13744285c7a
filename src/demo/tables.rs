//! A table as the loader sees it: its columns, and a function that makes any of its rows.

use super::cells::Cells;
use super::world::World;
use crate::value::Logical;

/// An integer key.
pub(super) const ID: (&str, Logical) = ("id", Logical::Int4);
/// A uuid key.
pub(super) const UUID: (&str, Logical) = ("id", Logical::Uuid);
/// Text of any length: limits are the database's to hold.
pub(super) const TEXT: Logical = Logical::Text(None);

/// A table and how its rows are made.
pub(super) struct Table {
    /// `schema.table` or `table`.
    pub(super) name: &'static str,
    /// Columns that are written; the others keep their defaults.
    pub(super) columns: &'static [(&'static str, Logical)],
    /// How many places there are to ask for; some hold no row.
    pub(super) places: fn(&World) -> u64,
    /// Writes the row at a place, if there is one.
    pub(super) row: fn(&World, u64, &mut Cells) -> bool,
}

impl Table {
    /// Appends the rows of the places `from..to` and returns how many there were.
    pub(super) fn fill(&self, world: &World, from: u64, to: u64, cells: &mut Cells) -> u64 {
        let mut rows = 0;
        for place in from..to {
            if (self.row)(world, place, cells) {
                cells.end();
                rows += 1;
            }
        }
        rows
    }
}
