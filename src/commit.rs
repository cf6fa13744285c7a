//! A chunk of verdicts becomes one commit: rows, quarantine, ledger, manifest and checkpoint, in one
//! transaction that lands whole or not at all. The only module that opens a write transaction on rows.
//!
//! Start at [`Writer::land`].

mod adopt;
mod again;
mod attempt;
mod before;
mod conflict;
mod defer;
mod evidence;
mod fate;
mod land;
mod look;
#[cfg(feature = "failpoints")]
mod mutant;
mod people;
mod prior;
mod statements;
pub mod tracking;
mod transaction;
mod turn;
mod undo;
mod withdraw;

pub use again::Decided;
pub use before::Before;
pub use evidence::Masker;
pub use fate::{Changes, Fate, Fates};
pub use land::{Landed, Writer};
pub use prior::Prior;
pub use tracking::{ControlLine, Tracking};
pub use turn::{Turn, Turns};
pub use undo::{Kept, MadeTable, Portion, TakenBack, Undoing, Would};
pub use withdraw::{Keepers, Leaving, keepers};

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::db::DbError;
use crate::row::{Judged, Key, Rows};
use crate::rule::Rule;
use crate::state::{Span, State, StateError};
use crate::target::{Destination, PeopleTables};

/// Source rows with what the rule says about them.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its place among the chunks.
    pub span: Span,
    /// Base rows in the range, counted by the source; in an adjustment, by how much they changed.
    pub base: i64,
    /// Of those, rows that fail the rule's `where`.
    pub filtered: i64,
    /// The rows, in key order.
    pub rows: Arc<Rows>,
    /// Their keys.
    pub keys: Vec<Key>,
    /// One per row.
    pub judged: Vec<Judged>,
    /// Hash of everything that went into each verdict.
    pub inputs: Vec<[u8; 16]>,
    /// When reading began.
    pub begun: Instant,
    /// Where the time went before the commit.
    pub spent: Spent,
    /// Its place among the chunks that were read and have not landed; given back when it is dropped.
    pub in_flight: InFlight,
}

/// See [`Batch::in_flight`].
pub type InFlight = Option<Arc<tokio::sync::OwnedSemaphorePermit>>;

/// Where the time of chunks goes. The stages work side by side, so the sum is more than the clock says;
/// the largest one sets the pace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Pages from the source.
    pub read: Duration,
    /// Ids and lookups, and the hash of all inputs.
    pub ask: Duration,
    /// The rule.
    pub script: Duration,
    /// Its values as text for the target; apart from the script only when somebody wants to know.
    pub encode: Duration,
    /// Transactions in the target.
    pub write: Duration,
    /// In queues between the stages.
    pub wait: Duration,
    /// Rows judged a second time, for the profile.
    pub profile: Duration,
}

impl Spent {
    /// All of it.
    pub fn sum(&self) -> Duration {
        self.read + self.ask + self.script + self.encode + self.write + self.wait + self.profile
    }

    /// Adds another chunk's.
    pub fn add(&mut self, other: Self) {
        self.read += other.read;
        self.ask += other.ask;
        self.script += other.script;
        self.encode += other.encode;
        self.write += other.write;
        self.wait += other.wait;
        self.profile += other.profile;
    }
}

impl Batch {
    /// A line without rows: the number of base rows that fail the rule's `where` changed by `filtered`.
    pub fn adjustment(span: Span, filtered: i64) -> Self {
        Self {
            span,
            base: filtered,
            filtered,
            rows: Arc::default(),
            keys: vec![],
            judged: vec![],
            inputs: vec![],
            begun: Instant::now(),
            spent: Spent::default(),
            in_flight: None,
        }
    }
}

/// What all commits of one segment have in common.
#[derive(Debug)]
pub struct Ledger {
    /// Where state lives.
    pub state: State,
    /// Where rows go.
    pub to: Destination,
    /// Where profiles and accounts go that come along.
    pub people: PeopleTables,
    /// What decided them.
    pub rule: Arc<Rule>,
    /// The run and its epoch.
    pub run: i64,
    /// See [`crate::state::Claim`].
    pub epoch: i64,
    /// The segment.
    pub segment: i64,
    /// The pass.
    pub pass: i64,
    /// `pass`, `sweep`, `trial`, `procedure` or `retry`.
    pub kind: &'static str,
    /// Whether it counts in the table's account.
    pub accounted: bool,
    /// Keeps secrets out of quarantine.
    pub masker: Masker,
    /// What was in the target before.
    pub prior: Prior,
    /// The line of the old scripts' table of progress that counts this segment's rows.
    pub control: Option<ControlLine>,
}

/// Why a chunk could not land.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The database, after all retries.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The state.
    #[error(transparent)]
    State(StateError),
    /// An earlier chunk never landed, so neither may this one.
    #[error("an earlier chunk did not land; nothing of this one was written")]
    Overtaken,
    /// The counts do not add up: our own mistake, nothing was written.
    #[error(
        "chunk {chunk} does not balance: base {base} = filtered {filtered} + read {read}, outcomes {outcomes}; nothing was written"
    )]
    Unbalanced {
        /// Chunk number.
        chunk: i64,
        /// Counted by the source.
        base: i64,
        /// Counted by the source.
        filtered: i64,
        /// Rows read.
        read: i64,
        /// Rows with an outcome.
        outcomes: i64,
    },
}

impl From<StateError> for CommitError {
    /// A database error is one, whoever met it: only then is it tried again.
    fn from(error: StateError) -> Self {
        match error {
            StateError::Db(error) => Self::Db(error),
            other => Self::State(other),
        }
    }
}
