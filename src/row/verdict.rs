//! What a rule says about a source row, ready to be written.

use std::sync::Arc;

use bytes::Bytes;

use crate::diagnostic::Place;

/// A short stable word, `orphan`: counted, reported, accepted by name.
pub type Code = String;

/// A remark on a row that is written all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is counted.
    pub code: Code,
    /// The author's sentence.
    pub why: String,
}

/// Where a row was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The source's value does not fit its own declared type.
    Read,
    /// The rule rejected it, or faulted on it.
    Rule,
    /// The host found that the target's column cannot hold a value.
    Fit,
    /// The id belongs to something else (`two_ids`, `duplicate_of`, `conflict`).
    Adopt,
    /// The database refused it.
    Database,
}

impl Stage {
    /// The word stored in quarantine.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Rule => "rule",
            Self::Fit => "fit",
            Self::Adopt => "adopt",
            Self::Database => "database",
        }
    }
}

/// Why a row cannot go over. Everything here may be shown, except that `why` of a database refusal
/// never holds the server's DETAIL (it prints the row).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// What is counted.
    pub code: Code,
    /// The author's or the host's sentence.
    pub why: String,
    /// Who refused.
    pub stage: Stage,
    /// Line and column of the rule, when the rule decided.
    pub place: Option<Place>,
    /// The server's error class, when the server decided.
    pub sqlstate: Option<String>,
    /// The constraint that refused.
    pub constraint: Option<String>,
    /// The parent (target table, legacy key) whose arrival would release this row.
    pub waiting_for: Option<(String, String)>,
    /// An uncaught fault of the script: counts against the rule's budget.
    pub fault: bool,
    /// Rows of the target that stand in its place, as somebody else left them.
    pub stands: Vec<uuid::Uuid>,
}

impl Reject {
    /// A refusal with a code and a sentence.
    pub fn new(stage: Stage, code: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            why: why.into(),
            stage,
            place: None,
            sqlstate: None,
            constraint: None,
            waiting_for: None,
            fault: false,
            stands: vec![],
        }
    }
}

/// The target columns that a row sets, by index into the target table's columns, ascending.
/// Rows of one set go by one COPY.
pub type ColumnSet = Arc<[u16]>;

/// One row for the target: COPY text cells joined by tabs, in the order of `set`. The id is apart,
/// because adoption may still change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRow {
    /// Computed id; adoption may replace it.
    pub id: uuid::Uuid,
    /// Columns that are set, without the id.
    pub set: ColumnSet,
    /// Cells of `set`, escaped, tab-separated, no newline: a piece of memory that many rows share.
    pub line: Bytes,
}

impl OutRow {
    /// The escaped cell of target column `column`, if this row sets it; `Some(None)` is NULL.
    pub fn cell(&self, column: u16) -> Option<Option<&[u8]>> {
        self.cells().nth(self.set.binary_search(&column).ok()?)
    }

    /// The escaped cells, in the order of `set`; `None` is NULL.
    pub fn cells(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let cells = self.line.split(|b| *b == b'\t');
        cells.map(|cell| (cell != b"\\N").then_some(cell))
    }
}

/// What a rule says about one source row. There is no fourth answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write these rows; one, or with `rows: "many"` any number above none.
    Write(Vec<OutRow>),
    /// Left behind on purpose.
    Skip(Code),
    /// Cannot go over as it is.
    Reject(Box<Reject>),
}

/// A verdict with the remarks made on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Write, skip or reject.
    pub verdict: Verdict,
    /// Kept only when the row is written.
    pub notes: Vec<Note>,
    /// What comes along with a written row.
    pub person: Option<Box<super::Person>>,
}
