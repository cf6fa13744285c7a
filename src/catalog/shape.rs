//! A table as data.

use crate::db::TableName;
use crate::value::Logical;

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As it was asked for.
    pub name: TableName,
    /// In the table's own order.
    pub columns: Vec<Column>,
    /// Columns of the primary key, in its order; empty when there is none.
    pub primary_key: Vec<String>,
    /// Unique constraints and indexes besides the primary key.
    pub uniques: Vec<Unique>,
    /// References to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// Triggers that are not the engine's own.
    pub triggers: Vec<Trigger>,
    /// Row level security is active for this session's role: rows would be hidden without an error.
    pub row_security: bool,
    /// What this session's role may do.
    pub rights: Rights,
    /// The engine's estimate; exact on SQLite, 0 when it has none yet.
    pub rows_estimate: u64,
    /// A view or materialized view.
    pub is_view: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub logical: Logical,
    /// The engine's own spelling of the type.
    pub type_name: String,
    /// NULL is refused.
    pub not_null: bool,
    /// What an absent value becomes.
    pub default: Option<DefaultValue>,
    /// Computed by the database; cannot be written.
    pub generated: bool,
    /// An identity column: `Some(true)` is GENERATED ALWAYS.
    pub identity: Option<bool>,
}

/// A column's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultValue {
    /// SQL text.
    pub expression: String,
    /// A constant: the same for every row. `now()`, `gen_random_uuid()`, `nextval()` are not.
    pub immutable: bool,
}

/// A unique constraint or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// Its name.
    pub name: String,
    /// Columns in order; expressions are left out (see `expression`).
    pub columns: Vec<String>,
    /// Checked at commit.
    pub deferrable: bool,
    /// Only rows that satisfy a predicate.
    pub partial: bool,
    /// At least one part is an expression.
    pub expression: bool,
}

impl Unique {
    /// No two rows have these columns alike, once committed.
    pub fn of_all_rows(&self) -> bool {
        !self.partial && !self.expression
    }
}

/// A reference to another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name; made up on SQLite.
    pub name: String,
    /// Columns of this table.
    pub columns: Vec<String>,
    /// The parent.
    pub table: TableName,
    /// Columns of the parent.
    pub ref_columns: Vec<String>,
    /// Can be checked at commit.
    pub deferrable: bool,
    /// `NO ACTION`, `CASCADE`, `SET NULL`, …
    pub on_delete: String,
}

/// A CHECK constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// SQL text.
    pub expression: String,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// `BEFORE`, `AFTER` or `INSTEAD OF`.
    pub timing: String,
    /// `INSERT OR UPDATE`.
    pub events: String,
    /// The function it calls; empty on SQLite.
    pub function: String,
    /// Fires in an ordinary session.
    pub enabled: bool,
}

/// What the session's role may do with a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent rights, as the server grants them"
)]
pub struct Rights {
    /// SELECT on the table.
    pub select: bool,
    /// INSERT.
    pub insert: bool,
    /// UPDATE.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
}

impl Table {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Its place among the columns.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The column that refers to people's profiles: by a foreign key of its own, else by its name.
    pub fn refers_to_profiles(&self) -> Option<&str> {
        let mut keys = self.foreign_keys.iter();
        let key = keys.find(|key| key.table.name == "profiles" && key.columns.len() == 1);
        let name = key.map_or("profile_id", |key| key.columns[0].as_str());
        self.column(name).map(|column| column.name.as_str())
    }

    /// The uuid column that is the whole primary key.
    pub fn id_column(&self) -> Option<&Column> {
        let [one] = &self.primary_key[..] else {
            return None;
        };
        self.column(one).filter(|c| c.logical == Logical::Uuid)
    }
}
