//! The shape of tables on either side: columns, keys, constraints, triggers, rights.

mod shape;

pub use shape::{Check, Column, DefaultValue, ForeignKey, Rights, Table, Trigger, Unique};

use crate::db::{DbError, ErrorKind, Session, TableName};
use crate::value::Logical;

/// The shape of a table or view; `None` when there is none of that name.
pub async fn table(_session: &mut Session, _name: &TableName) -> Result<Option<Table>, DbError> {
    Err(DbError::new(ErrorKind::Other, "target", "not built yet"))
}

/// Tables and views that the role can see, system schemas left out, sorted.
pub async fn table_names(_session: &mut Session) -> Result<Vec<TableName>, DbError> {
    Err(DbError::new(ErrorKind::Other, "target", "not built yet"))
}

/// Columns of any select, without running it. Two columns of one name are an error.
pub async fn describe(
    _session: &mut Session,
    _select: &str,
) -> Result<Vec<(String, Logical)>, DbError> {
    Err(DbError::new(ErrorKind::Other, "source", "not built yet"))
}
