//! One connection, whatever the engine.

use std::sync::Arc;

use super::{DbError, Engine, ErrorKind, Role, TableName};
use crate::config::DatabaseUrl;
use crate::row::Rows;
use crate::value::Logical;

/// One connection to one of the two databases.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    role: Role,
}

impl Session {
    /// Connects, within 10 seconds, and makes the session's settings.
    pub async fn open(url: &DatabaseUrl, role: Role) -> Result<Self, DbError> {
        Ok(Self {
            engine: url.engine(),
            role,
        })
    }

    /// Which engine it talks to.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Runs one statement and returns its rows as text. Without rows the columns may be unknown.
    pub async fn query(&mut self, _sql: &str) -> Result<Rows, DbError> {
        Err(self.later())
    }

    /// Runs one or more statements separated by `;`. Returns the rows affected by the last one.
    pub async fn execute(&mut self, _sql: &str) -> Result<u64, DbError> {
        Err(self.later())
    }

    /// Reads a select's rows in bulk. With `cap_bytes`, more than that is an error.
    pub async fn copy_out(
        &mut self,
        _select: &str,
        _columns: Arc<[String]>,
        _cap_bytes: Option<usize>,
    ) -> Result<Rows, DbError> {
        Err(self.later())
    }

    /// As [`Self::copy_out`], holding each SQLite value against its column's declared type.
    pub async fn copy_out_typed(
        &mut self,
        _select: &str,
        _columns: &[(String, Logical)],
    ) -> Result<Rows, DbError> {
        Err(self.later())
    }

    /// Writes COPY text lines, each ended by a newline, and checks that the server counted `rows`.
    pub async fn copy_in(
        &mut self,
        _table: &TableName,
        _columns: &[(String, Logical)],
        _lines: &[u8],
        _rows: u64,
    ) -> Result<u64, DbError> {
        Err(self.later())
    }

    /// Says goodbye to the server; a failure to do so does not matter.
    pub async fn close(self) {}

    fn later(&self) -> DbError {
        DbError::new(ErrorKind::Other, self.role.side(), "not built yet")
    }
}
