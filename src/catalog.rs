//! The shape of tables on either side: columns, keys, constraints, triggers, rights.

mod accounts;
mod defaults;
mod effects;
mod footprint;
mod postgres;
mod referrers;
mod shape;
mod sqlite;
mod sqlite_checks;
mod words;

use std::collections::HashSet;

pub use accounts::{AuthUsers, auth_users, may_enter};
pub use effects::{TriggerCode, Visibility, publications, trigger_code, visibility};
pub use footprint::{Footprint, footprints};
pub use referrers::referrers;
pub use shape::{Check, Column, DefaultValue, ForeignKey, Rights, Table, Trigger, Unique};
pub use words::{Word, words};

use crate::db::{DbError, Engine, ErrorKind, Session, TableName};
use crate::row::Rows;
use crate::value::Logical;

/// The shape of a table or view; `None` when there is none of that name.
pub async fn table(session: &mut Session, name: &TableName) -> Result<Option<Table>, DbError> {
    match session.engine() {
        Engine::Postgres => postgres::table(session, name).await,
        Engine::Sqlite => sqlite::table(session, name).await,
    }
}

/// Tables and views that the role can see, system schemas left out, sorted. Tables of `public` have
/// no schema in their name.
pub async fn table_names(session: &mut Session) -> Result<Vec<TableName>, DbError> {
    match session.engine() {
        Engine::Postgres => postgres::table_names(session).await,
        Engine::Sqlite => sqlite::table_names(session).await,
    }
}

/// Columns of any select, without running it. Two columns of one name are an error, because a rule
/// could reach only one of them.
pub async fn describe(
    session: &mut Session,
    select: &str,
) -> Result<Vec<(String, Logical)>, DbError> {
    let columns = match session.engine() {
        Engine::Postgres => postgres::describe(session, select).await?,
        Engine::Sqlite => sqlite::describe(session, select).await?,
    };
    let mut seen = HashSet::new();
    let twice: Vec<String> = columns
        .iter()
        .filter(|(name, _)| !seen.insert(name.as_str()))
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if twice.is_empty() {
        return Ok(columns);
    }
    let message = format!(
        "the select has more than one column named {}",
        twice.join(", ")
    );
    Err(
        DbError::new(ErrorKind::Other, session.role().side(), message)
            .with_hint("give each its own name with `as`, or list the columns instead of `*`"),
    )
}

/// A cell of a catalog query: the catalogs hold UTF-8.
fn text(rows: &Rows, row: usize, column: usize) -> Option<String> {
    rows.cell(row, column)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A boolean cell of either engine; NULL is false.
fn flag(rows: &Rows, row: usize, column: usize) -> bool {
    matches!(rows.raw(row, column), Some(b"t" | b"1"))
}

/// A cell with a JSON array of texts; NULL is empty.
fn list(rows: &Rows, row: usize, column: usize) -> Vec<String> {
    text(rows, row, column)
        .and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or_default()
}
