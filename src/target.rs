//! The target table of a rule: what is already in it, and putting rows into it.
//!
//! Knows nothing of the state schema. Callers hold the transaction.

mod existing;
mod guilty;
mod people;
mod questions;
mod referred;
mod write;

pub use existing::{Found, Lookup, find, normalise};
pub use guilty::{Piece, guilty};
pub use people::PeopleTables;
pub use referred::{Reference, held, referred};
pub use write::{insert, update_sql};

use std::sync::Arc;

use crate::catalog::Table;
use crate::db::Engine;

/// A target table as one rule sees it. Columns are indices into `table.columns`.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The catalog's view of it.
    pub table: Arc<Table>,
    /// The engine it lives in.
    pub engine: Engine,
    /// The uuid primary key.
    pub id: u16,
    /// The column that keeps the legacy key.
    pub legacy: Option<u16>,
    /// The natural key of the rule's `match`.
    pub match_: Vec<u16>,
    /// A second unique constraint decides between source rows: chunks must commit in key order, so that
    /// the lowest key wins whatever the number of writers.
    pub ordered: bool,
    /// No unique constraint holds the natural key: we must look before every insert.
    pub unguarded: bool,
    /// A column that refers to the table's own id.
    pub own_parent: Option<u16>,
}

impl Destination {
    /// Joins what a rule declares (its `legacy` column and its `match`) with the catalog. `None` when the
    /// table has no uuid primary key or a named column is missing; `check` has said so before.
    pub fn new(
        legacy: Option<&str>,
        natural: &[String],
        table: Arc<Table>,
        engine: Engine,
    ) -> Option<Self> {
        let index = |name: &str| table.index(name).and_then(|i| u16::try_from(i).ok());
        let id_column = table.id_column()?.name.clone();
        let alone = |columns: &[String], name: Option<&str>| matches!(columns, [one] if Some(one.as_str()) == name);
        let decides = table.uniques.iter().any(|unique| {
            !alone(&unique.columns, legacy) && !alone(&unique.columns, Some(&id_column))
        });
        let guarded = table.uniques.iter().any(|unique| {
            unique.of_all_rows() && unique.columns.iter().all(|c| natural.contains(c))
        });
        let own_parent = table
            .foreign_keys
            .iter()
            .find(|key| key.table == table.name && key.ref_columns == [id_column.clone()])
            .and_then(|key| index(key.columns.first()?));
        Some(Self {
            id: index(&id_column)?,
            legacy: legacy.map(|name| index(name).ok_or(())).transpose().ok()?,
            match_: natural
                .iter()
                .map(|name| index(name))
                .collect::<Option<Vec<_>>>()?,
            ordered: decides || !natural.is_empty(),
            unguarded: !natural.is_empty() && !guarded,
            own_parent,
            table,
            engine,
        })
    }

    /// A column's quoted name.
    pub(crate) fn column(&self, index: u16) -> String {
        crate::db::ident(&self.table.columns[usize::from(index)].name)
    }

    /// The quoted name of the uuid primary key.
    pub fn id_column(&self) -> String {
        self.column(self.id)
    }

    /// The table's quoted name.
    pub fn sql(&self) -> String {
        self.table.name.sql(self.engine)
    }
}
