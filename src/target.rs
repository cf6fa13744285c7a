//! The target table of a rule: what is already in it, and putting rows into it.
//!
//! Knows nothing of the state schema. Callers hold the transaction.

mod existing;
mod guilty;
mod write;

pub use existing::{Found, Lookup, find, normalise};
pub use guilty::{Piece, guilty};
pub use write::{insert, update_sql};

use std::sync::Arc;

use crate::catalog::Table;
use crate::db::Engine;
use crate::rule::Header;

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
    /// A column that refers to the table's own id.
    pub own_parent: Option<u16>,
}

impl Destination {
    /// Joins a rule's header with the catalog. `None` when the table has no uuid primary key or a named
    /// column is missing; `check` has said so before.
    pub fn new(header: &Header, table: Arc<Table>, engine: Engine) -> Option<Self> {
        let index = |name: &str| table.index(name).and_then(|i| u16::try_from(i).ok());
        let id_column = table.id_column()?.name.clone();
        let id = index(&id_column)?;
        let legacy = match &header.legacy {
            Some(name) => Some(index(name)?),
            None => None,
        };
        let match_ = header
            .match_
            .iter()
            .map(|name| index(name))
            .collect::<Option<Vec<_>>>()?;
        let ordered = table
            .uniques
            .iter()
            .any(|unique| !matches!(&unique.columns[..], [one] if Some(one) == header.legacy.as_ref() || *one == id_column));
        let own_parent = table
            .foreign_keys
            .iter()
            .find(|key| key.table == table.name && key.ref_columns == [id_column.clone()])
            .and_then(|key| index(key.columns.first()?));
        Some(Self {
            own_parent,
            table,
            engine,
            id,
            legacy,
            match_,
            ordered,
        })
    }

    /// A column's quoted name.
    pub(crate) fn column(&self, index: u16) -> String {
        crate::db::ident(&self.table.columns[usize::from(index)].name)
    }

    /// The table's quoted name.
    pub fn sql(&self) -> String {
        self.table.name.sql(self.engine)
    }
}
