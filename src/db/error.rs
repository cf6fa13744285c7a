//! What a database said no to, sorted by what the caller can do about it.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::diagnostic::Diagnostic;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Some row is guilty: SQLSTATE classes 21, 22, 23 and 44, and exceptions raised by triggers (P0001).
    Row,
    /// Nothing is wrong with the data; the same again may work: 40001, 40P01, 53300, 55P03, 57P01 …
    Transient,
    /// The connection is gone or out of step: the outcome of what was sent is unknown. Reconnect.
    Lost,
    /// Wrong user or password, or none. Never tried again.
    Auth,
    /// No server answered at that address.
    Unreachable,
    /// The address leads to a transaction pooler, through which nothing may be written.
    Pooler,
    /// The role lacks a right (42501), or row level security is in the way (0A000 of COPY).
    Permission,
    /// The database or the transaction is read-only (25006).
    ReadOnly,
    /// Our own limit or the server's statement timeout (57014) ran out.
    Timeout,
    /// The table, column, schema or database does not exist.
    Missing,
    /// Anything else: a bug of ours or of somebody's SQL.
    Other,
}

/// An error of one of the two databases. One pointer wide, so that a `Result` stays small; read its
/// fields through `Deref`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbError(Box<DbProblem>);

/// The fields of a [`DbError`]. Never holds the server's DETAIL, which prints the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DbProblem {
    /// What can be done.
    pub kind: ErrorKind,
    /// The server's class of error; SQLite's constraint failures carry the Postgres code.
    pub sqlstate: Option<String>,
    /// What and where, lower-case, no full stop, no cell value, no password.
    pub message: String,
    /// The table that the server names.
    pub table: Option<String>,
    /// The column that the server names.
    pub column: Option<String>,
    /// The constraint that refused; on SQLite `table.column` or the constraint's name.
    pub constraint: Option<String>,
    /// The line of COPY data, from 1, that the server blames.
    pub copy_line: Option<u64>,
    /// `source` or `target`.
    pub side: &'static str,
    /// What to do about it.
    pub hint: Option<String>,
}

impl DbError {
    /// An error that did not come from a server.
    pub fn new(kind: ErrorKind, side: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(DbProblem {
            kind,
            sqlstate: None,
            message: message.into(),
            table: None,
            column: None,
            constraint: None,
            copy_line: None,
            side,
            hint: None,
        }))
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }
}

impl Deref for DbError {
    type Target = DbProblem;

    fn deref(&self) -> &DbProblem {
        &self.0
    }
}

impl DerefMut for DbError {
    fn deref_mut(&mut self) -> &mut DbProblem {
        &mut self.0
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DbError {}

impl From<DbError> for Diagnostic {
    fn from(error: DbError) -> Self {
        let problem = *error.0;
        let mut shown = Diagnostic::error(problem.message);
        if problem.kind == ErrorKind::Pooler {
            shown = shown.refusal();
        }
        match problem.hint {
            Some(hint) => shown.hint(hint),
            None => shown,
        }
    }
}
