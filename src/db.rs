//! Sessions with a database: connecting, timeouts, quoting, text in and text out, COPY, error classes.
//!
//! The only module that names sqlx. Every value crosses it as the server's own text: typed decoding
//! panics on `infinity`, rounds numerics and turns zero dates into NULL.

mod attempt;
mod begin;
mod cancel;
mod classify;
mod classify_connect;
mod classify_sqlite;
mod error;
mod failpoint;
mod name;
mod points;
mod pooler;
mod postgres;
mod quote;
mod seats;
mod session;
pub mod snapshot;
mod socket;
mod sqlite;
mod sqlite_copy;
mod sqlite_packed;
mod sqlite_rows;
#[cfg(test)]
mod sqlite_tests;
mod sum;

pub use crate::config::Engine;
pub use cancel::Canceller;
pub use error::{DbError, DbProblem, ErrorKind};
pub use failpoint::{Action, failpoint, point};
pub use name::TableName;
pub use points::{MUTANTS, POINTS};
pub(crate) use quote::hex;
pub use quote::{bytes_literal, ident, key_tuple, literal, literal_list, typed_literal};
pub use session::{CONNECT_LIMIT, Session};
pub use sum::{sum_sql, sum_text, total};

/// Appends the next line of COPY text, newline included; false when there are no more.
pub type Lines<'a> = dyn FnMut(&mut Vec<u8>) -> bool + Send + 'a;

/// What a session is for; decides read-only settings and error wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The legacy database: always read-only.
    Source,
    /// The target, read-only: previews, catalogs, lookups.
    TargetReader,
    /// The target, for commits and state.
    TargetWriter,
}

impl Role {
    /// `source` or `target`, as messages name it.
    pub fn side(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::TargetReader | Self::TargetWriter => "target",
        }
    }

    /// The points that each of its waits comes by: connecting, asking, answered.
    fn points(self) -> [&'static str; 3] {
        match self {
            Self::Source => ["source.connect", "source.ask", "source.answered"],
            Self::TargetReader => ["reader.connect", "reader.ask", "reader.answered"],
            Self::TargetWriter => ["writer.connect", "writer.ask", "writer.answered"],
        }
    }
}
