//! Reading the legacy database: one snapshot, keyset pages, every number counted by the database.

mod page;
mod sql;
#[cfg(test)]
mod tests;

use crate::config::DatabaseUrl;
use crate::db::{DbError, Engine, ErrorKind, Role, Session, TableName, snapshot, sum_sql};
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

impl PageQuery {
    /// Adds up a column over the rows that satisfy the condition, by the query for [`crate::db::total`].
    pub fn sum_sql(&self, engine: Engine, column: &str) -> String {
        let from = match (&self.from, &self.condition) {
            (Some(from), _) => format!("({from}) r"),
            (None, Some(condition)) => {
                format!(
                    "(select * from {} where {condition}) r",
                    self.base.sql(engine)
                )
            }
            (None, None) => format!("(select * from {}) r", self.base.sql(engine)),
        };
        sum_sql(engine, column, &from, "")
    }
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
    /// The role that reads; empty on SQLite.
    pub user: String,
    /// Where in the write-ahead log the source was, when the role may ask.
    pub restore_point: Option<String>,
    /// The name under which other sessions share this view, where the server lends it.
    pub lent: Option<String>,
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

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Db(error) => error.fmt(f),
            Self::Unbalanced {
                expected, got, key, ..
            } => {
                write!(f, "`from` has {got} rows where the base has {expected}")?;
                if let Some(key) = key {
                    write!(f, "; the first key that is repeated or lost is {key}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for PageError {}

/// The legacy database, open for reading.
#[derive(Debug)]
pub struct Source {
    session: Session,
    in_snapshot: bool,
    /// Bytes of a row, seen on the last page: keeps the next page within its limit of bytes.
    row_bytes: u64,
}

impl Source {
    /// Connects read-only.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, DbError> {
        let session = Session::open(url, Role::Source).await?;
        Ok(Self {
            session,
            in_snapshot: false,
            row_bytes: 0,
        })
    }

    /// Begins the read-only transaction that all later reads share; an earlier one ends.
    pub async fn snapshot(&mut self) -> Result<Snapshot, DbError> {
        if self.in_snapshot {
            self.in_snapshot = false;
            self.session.execute("rollback").await?;
        }
        let snapshot = match self.session.engine() {
            Engine::Postgres => self.snapshot_postgres().await?,
            Engine::Sqlite => self.snapshot_sqlite().await?,
        };
        self.in_snapshot = true;
        Ok(snapshot)
    }

    /// Another session with the same view as this one's snapshot; see [`Snapshot::lent`].
    pub async fn beside(url: &DatabaseUrl, lent: &str) -> Result<Self, DbError> {
        let mut source = Self::open(url).await?;
        snapshot::share(&mut source.session, lent).await?;
        source.in_snapshot = true;
        Ok(source)
    }

    async fn snapshot_postgres(&mut self) -> Result<Snapshot, DbError> {
        let lent = snapshot::lend(&mut self.session).await?;
        let rows = self
            .session
            .query(
                "select pg_current_snapshot(), now(), current_setting('server_version'), current_user",
            )
            .await?;
        let point = "select case when pg_is_in_recovery() then pg_last_wal_replay_lsn() \
             else pg_current_wal_lsn() end";
        // a role may not be allowed to ask, and that must not end the transaction
        self.session.execute("savepoint runner_lsn").await?;
        let restore_point = match self.session.query(point).await {
            Ok(rows) => first(&rows, 0),
            Err(e) if self.session.is_broken() => return Err(e),
            Err(_) => {
                self.session
                    .execute("rollback to savepoint runner_lsn")
                    .await?;
                None
            }
        };
        self.session.execute("release savepoint runner_lsn").await?;
        Ok(Snapshot {
            label: first(&rows, 0).unwrap_or_default(),
            server_time: first(&rows, 1).unwrap_or_default(),
            server: format!("PostgreSQL {}", first(&rows, 2).unwrap_or_default()),
            user: first(&rows, 3).unwrap_or_default(),
            restore_point,
            lent,
        })
    }

    async fn snapshot_sqlite(&mut self) -> Result<Snapshot, DbError> {
        self.session.execute("begin").await?;
        // the first read takes the snapshot
        let rows = self
            .session
            .query(
                "select (select count(*) from sqlite_master), data_version, schema_version, \
                 strftime('%Y-%m-%d %H:%M:%S+00', 'now'), sqlite_version() \
                 from pragma_data_version, pragma_schema_version",
            )
            .await?;
        let cell = |column| first(&rows, column).unwrap_or_default();
        Ok(Snapshot {
            label: format!("data {} schema {}", cell(1), cell(2)),
            server_time: cell(3),
            server: format!("SQLite {}", cell(4)),
            user: String::new(),
            restore_point: None,
            lent: None,
        })
    }

    /// Base rows, and of these the ones that satisfy the condition. A base row without a key could
    /// never be accounted for, so it is an error here.
    pub async fn counts(&mut self, query: &PageQuery) -> Result<(u64, u64), DbError> {
        let engine = self.session.engine();
        let rows = self.session.query(&sql::counts(query, engine)).await?;
        let number = |column| {
            first(&rows, column)
                .and_then(|n| n.parse().ok())
                .unwrap_or(0)
        };
        let keyless: u64 = number(2);
        if keyless > 0 {
            let message = format!(
                "{keyless} rows of {} have no key: {} is NULL there, so they cannot be accounted for",
                query.base,
                query.key.join(", ")
            );
            return Err(DbError::new(ErrorKind::Other, "source", message).with_hint(
                "give the rule a `key` that is never NULL, or leave those rows out of the base",
            ));
        }
        Ok((number(0), number(1)))
    }

    /// The session, for lookups inside the same snapshot.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Ends the snapshot and says goodbye.
    pub async fn close(self) {
        self.session.close().await;
    }
}

fn first(rows: &Rows, column: usize) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    rows.cell(0, column)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
