//! What hooks, procedural rules and the REPL may ask the databases for, in neutral types.

use crate::row::{Key, Rows};
use crate::value::{Logical, Scalar};

/// Which database is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// The legacy database.
    Source,
    /// The target.
    Target,
}

/// Rows with the types of their columns.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The rows.
    pub rows: std::sync::Arc<Rows>,
    /// One per column.
    pub types: std::sync::Arc<[Logical]>,
}

/// A request of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum HostCall {
    /// One read-only statement, all its rows.
    Query {
        /// Which database.
        side: Database,
        /// The statement.
        sql: String,
    },
    /// Begins to stream rows of the source; the reply is a number for [`HostCall::NextRows`].
    OpenRows {
        /// A select; it yields the key columns among others.
        sql: String,
        /// Its key columns.
        key: Vec<String>,
    },
    /// The next rows of a stream; none are left when the answer is empty.
    NextRows {
        /// What [`HostCall::OpenRows`] answered.
        stream: u64,
    },
    /// Buffers one row for the target.
    Write {
        /// Target table.
        table: String,
        /// Columns and values.
        columns: Vec<(String, Scalar)>,
        /// The source row it comes from.
        of: Key,
    },
    /// Leaves a source row behind.
    Skip {
        /// The row.
        of: Key,
        /// Why, as a code.
        code: String,
    },
    /// Refuses a source row.
    Reject {
        /// The row.
        of: Key,
        /// Why, as a code.
        code: String,
        /// Why, as a sentence.
        why: String,
    },
    /// The id of a row of a target table by its legacy key.
    IdGet {
        /// Target table.
        table: String,
        /// Legacy key.
        key: Key,
    },
    /// States the id that a legacy key has.
    IdPut {
        /// Target table.
        table: String,
        /// Legacy key.
        key: Key,
        /// Its id.
        id: uuid::Uuid,
    },
    /// The value that was committed last under a name.
    CheckpointGet {
        /// Name.
        name: String,
    },
    /// Commits everything buffered, together with this value.
    CheckpointCommit {
        /// Name.
        name: String,
        /// Value, as canonical JSON text.
        value: String,
        /// Source rows that were streamed since the last commit; each was written, skipped or rejected.
        rows: u64,
    },
}

/// The answer to a [`HostCall`].
#[derive(Clone, Debug)]
pub enum HostReply {
    /// Done; nothing to tell.
    Done,
    /// To [`HostCall::Query`] and [`HostCall::NextRows`].
    Rows(Answer),
    /// To [`HostCall::OpenRows`].
    Stream(u64),
    /// To [`HostCall::IdGet`].
    Id(Option<uuid::Uuid>),
    /// To [`HostCall::CheckpointGet`]: canonical JSON text.
    Value(Option<String>),
}

/// What answers. It runs on the script's thread and may block; an error is a sentence without values.
pub trait Host {
    /// Answers one request.
    fn call(&mut self, request: HostCall) -> Result<HostReply, String>;
}
