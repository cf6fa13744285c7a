//! Reading the legacy database: one snapshot, keyset pages, every number counted by the database.

use crate::config::DatabaseUrl;
use crate::db::{DbError, ErrorKind, Role, Session, TableName};
use crate::row::{Key, Rows};
use crate::value::Logical;

/// What to read: the base table whose rows are accounted for, and the select that widens them.
#[derive(Clone, Debug)]
pub struct PageQuery {
    /// The table whose rows are accounted for.
    pub base: TableName,
    /// SQL condition on the base; rows that fail it are `filtered`.
    pub condition: Option<String>,
    /// A select with exactly one row per base key that satisfies `condition`; `None` reads the base.
    pub from: Option<String>,
    /// Key columns, the same names in `base` and `from`.
    pub key: Vec<String>,
    /// Their types, in the same order.
    pub key_types: Vec<Logical>,
    /// Columns to read, key columns included.
    pub columns: Vec<(String, Logical)>,
}

/// A stretch of the base table in key order.
#[derive(Clone, Debug)]
pub struct Page {
    /// The key before the first; `None` at the start.
    pub lo: Option<Key>,
    /// The last base key of the page.
    pub hi: Key,
    /// Base rows in (lo, hi], counted by the database.
    pub base: u64,
    /// Of these, rows that fail the condition.
    pub filtered: u64,
    /// Of these, rows that satisfy it: `base = filtered + read`.
    pub read: u64,
    /// The rows that were read, in key order; `read` of them.
    pub rows: Rows,
    /// Their keys.
    pub keys: Vec<Key>,
}

/// What the reads of a segment have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The engine's name for the state that is read.
    pub label: String,
    /// The source's clock, UTC.
    pub server_time: String,
    /// Engine and version.
    pub server: String,
    /// The role that reads.
    pub user: String,
    /// Where in the write-ahead log the source was, when the role may ask.
    pub restore_point: Option<String>,
}

/// Why a page could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    /// The database refused.
    Db(DbError),
    /// `from` repeats or loses base keys.
    Unbalanced {
        /// The key before the page.
        lo: Option<Key>,
        /// The page's last base key.
        hi: Key,
        /// Base rows that satisfy the condition.
        expected: u64,
        /// Rows that `from` has for them.
        got: u64,
        /// The first key that is repeated, lost or not of the base.
        key: Option<Key>,
    },
}

impl From<DbError> for PageError {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// The legacy database, open for reading.
#[derive(Debug)]
pub struct Source {
    session: Session,
}

impl Source {
    /// Connects read-only.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        Ok(Self {
            session: Session::open(url, Role::Source).await?,
        })
    }

    /// Begins the read-only, repeatable-read transaction that all later reads share.
    pub async fn snapshot(&mut self) -> Result<Snapshot, DbError> {
        Err(later())
    }

    /// The next page after `after`, at most to `upto`; `None` when no base rows are left there.
    pub async fn next_page(
        &mut self,
        _query: &PageQuery,
        _after: Option<&Key>,
        _upto: Option<&Key>,
        _limit: u64,
    ) -> Result<Option<Page>, PageError> {
        Err(later().into())
    }

    /// The rows of these keys that satisfy the condition, in key order.
    pub async fn page_of_keys(
        &mut self,
        _query: &PageQuery,
        _keys: &[Key],
    ) -> Result<(Rows, Vec<Key>), PageError> {
        Err(later().into())
    }

    /// Keys of base rows in (after, upto] that satisfy the condition, in order.
    pub async fn keys_between(
        &mut self,
        _query: &PageQuery,
        _after: Option<&Key>,
        _upto: Option<&Key>,
        _limit: u64,
    ) -> Result<Vec<Key>, DbError> {
        Err(later())
    }

    /// Base rows, and of these the ones that satisfy the condition.
    pub async fn counts(&mut self, _query: &PageQuery) -> Result<(u64, u64), DbError> {
        Err(later())
    }

    /// The session, for lookups inside the same snapshot.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }
}

fn later() -> DbError {
    DbError::new(ErrorKind::Other, "source", "not built yet")
}
