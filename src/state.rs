//! What is known about runs, kept in the target itself: schema `runner` (in SQLite, tables prefixed
//! `runner_`). Because it lives beside the rows, a checkpoint can never be ahead of them.
//!
//! Nothing here opens a transaction: `commit` does, and joins rows and state in one. Reading starts at
//! [`State`]; what a chunk adds is made by [`ChunkRecord::sql`] and sent with its rows.

mod acceptance;
mod account;
mod chunk;
mod handover;
mod image;
mod later;
mod live;
mod manifest;
mod procedure;
mod proof;
mod quarantine;
mod retried;
mod run;
mod schema;
mod seal;
mod segment;
mod sound;
mod standing;
mod texts;
mod undone;

pub use acceptance::{Acceptance, Accepted, Decision};
pub use account::{Account, CodeCounts, Exact, Sums};
pub(crate) use chunk::from_hex;
pub use chunk::{ChunkRecord, Counts, Span};
pub use handover::HANDOVER;
pub use later::Later;
pub use manifest::{Entry, Manifest, Outcome};
pub use procedure::Stated;
pub use proof::{Applied, Before, ChunkLine, LastWord, Writers};
pub use quarantine::{Quarantined, Refused};
pub use retried::Held;
pub use run::{Claim, RunRecord, begin_alone, host_name, os_user};
pub use schema::VERSION;
pub use seal::ROOT;
pub use segment::{Kind, SegmentRecord};
pub use standing::{Standing, Why};
pub use undone::{Part, PastRun, UndoLine};

use crate::db::{DbError, Engine, Session, literal};
use crate::row::Rows;
use uuid::Uuid;

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The database said no.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The state was written by a newer `runner`.
    #[error(
        "the state in the target has version {found}, this runner knows {VERSION}: use the newer runner"
    )]
    Newer {
        /// Version found in the target.
        found: u32,
    },
    /// The namespace in the environment is not the one that the ids were computed with.
    #[error(
        "RUNNER_NAMESPACE is not the namespace of this target's ids: remove it from the environment to go on with the stored one"
    )]
    Namespace,
    /// Another run holds the lock.
    #[error("another run is active: pid {pid} on {host}, run {run}; wait for it, or stop it first")]
    Busy {
        /// The run's id.
        run: i64,
        /// Its host.
        host: String,
        /// Its process.
        pid: i64,
    },
    /// This run was taken over by another one.
    #[error("run {run} was taken over by another run: nothing was written after that")]
    Fenced {
        /// Our run's id.
        run: i64,
    },
    /// A stored value does not read back.
    #[error(
        "the state in the target is damaged: {0}; nothing was changed; restore it from a backup, or let `runner state purge --yes` forget it and `runner run` make it again from the rows"
    )]
    Damaged(String),
}

/// Names state tables in the engine's way and reads them. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct State {
    engine: Engine,
}

impl State {
    /// The state of a target of this engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine }
    }

    /// The engine it lives in.
    pub fn engine(self) -> Engine {
        self.engine
    }

    /// A state table's name: `runner.chunk`, in SQLite `runner_chunk`.
    pub fn table(self, name: &str) -> String {
        match self.engine {
            Engine::Postgres => format!("runner.{name}"),
            Engine::Sqlite => format!("runner_{name}"),
        }
    }

    /// The server's clock as SQL, so that the client's never matters.
    pub fn now(self) -> &'static str {
        match self.engine {
            Engine::Postgres => "clock_timestamp()",
            Engine::Sqlite => "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00')",
        }
    }

    /// True when the state exists. False for a target that `runner` never wrote to.
    pub async fn exists(self, session: &mut Session) -> Result<bool, StateError> {
        let sql = match self.engine {
            Engine::Postgres => {
                "select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'runner' and c.relname = 'meta'"
            }
            Engine::Sqlite => {
                "select count(*) from sqlite_master where type = 'table' and name = 'runner_meta'"
            }
        };
        Ok(number(&session.query(sql).await?, 0, 0)? > 0)
    }

    /// Makes the state tables if they are missing, refuses those of a newer version.
    pub async fn ensure(self, session: &mut Session) -> Result<(), StateError> {
        if !self.exists(session).await? {
            session.write(&schema::ddl(self)).await?;
        }
        self.check_version(session).await?;
        if !self.has_standing(session).await? {
            session.write(&schema::added(self)).await?;
        }
        Ok(())
    }

    /// Refuses a state of a newer version.
    pub async fn check_version(self, session: &mut Session) -> Result<(), StateError> {
        let found = self
            .meta(session, "version")
            .await?
            .and_then(|v| v.parse().ok());
        match found {
            Some(found) if found > VERSION => Err(StateError::Newer { found }),
            Some(_) => Ok(()),
            None => Err(StateError::Damaged("meta has no version".into())),
        }
    }

    /// A value of the `meta` table.
    pub async fn meta(
        self,
        session: &mut Session,
        key: &str,
    ) -> Result<Option<String>, StateError> {
        let sql = format!(
            "select value from {} where key = {}",
            self.table("meta"),
            self.text(key)?
        );
        let rows = session.query(&sql).await?;
        Ok(if rows.is_empty() {
            None
        } else {
            text(&rows, 0, 0)?
        })
    }

    /// The namespace of this target's ids: stored at the first run, then fixed. `given` is the
    /// environment's. Returns the namespace and whether it was made just now.
    pub async fn namespace(
        self,
        session: &mut Session,
        given: Option<Uuid>,
    ) -> Result<(Uuid, bool), StateError> {
        if let Some(stored) = self.stored_namespace(session).await? {
            return match given {
                Some(given) if given != stored => Err(StateError::Namespace),
                _ => Ok((stored, false)),
            };
        }
        let fresh = given.unwrap_or_else(Uuid::new_v4);
        let sql = format!(
            "insert into {} (key, value) values ('namespace', '{fresh}')",
            self.table("meta")
        );
        session.write(&sql).await?;
        Ok((fresh, given.is_none()))
    }

    /// The stored namespace, for previews.
    pub async fn stored_namespace(self, session: &mut Session) -> Result<Option<Uuid>, StateError> {
        match self.meta(session, "namespace").await? {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| StateError::Damaged("meta.namespace is no uuid".into())),
        }
    }

    /// Keeps a rule's texts by fingerprint, so that a later reader knows what decided each row.
    pub fn rule_sql(
        self,
        rule: &str,
        transform: &str,
        gate: &str,
        texts: &str,
    ) -> Result<String, StateError> {
        Ok(format!(
            "insert into {t} (rule, transform_fp, gate_fp, texts, stored_at) select {r}, '{transform}', '{gate}', {x}, {now} \
             where not exists (select 1 from {t} where rule = {r} and transform_fp = '{transform}' and gate_fp = '{gate}')",
            t = self.table("rule"),
            r = self.text(rule)?,
            x = self.text(texts)?,
            now = self.now(),
        ))
    }

    /// A finding (gate, mapping, conflict …) as one insert. `detail` is JSON without cell values.
    pub fn finding_sql(
        self,
        run: i64,
        rule: &str,
        phase: &str,
        name: &str,
        status: &str,
        detail: &serde_json::Value,
    ) -> Result<String, StateError> {
        Ok(format!(
            "insert into {t} (run_id, rule, phase, name, status, detail, at) values ({run}, {}, {}, {}, {}, {}, {})",
            self.text(rule)?,
            self.text(phase)?,
            self.text(name)?,
            self.text(status)?,
            self.text(&detail.to_string())?,
            self.now(),
            t = self.table("finding"),
        ))
    }

    /// A text literal in this engine.
    pub(crate) fn text(self, value: &str) -> Result<String, DbError> {
        literal(self.engine, value)
    }

    /// A text literal or `null`.
    pub(crate) fn text_or_null(self, value: Option<&str>) -> Result<String, DbError> {
        value.map_or(Ok("null".into()), |v| self.text(v))
    }
}

/// The cell as text.
pub(crate) fn text(rows: &Rows, row: usize, column: usize) -> Result<Option<String>, StateError> {
    match rows.text(row, column) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.into_owned())),
        Some(Err(_)) => Err(StateError::Damaged("text that is not UTF-8".into())),
    }
}

/// The cell as a number; NULL is 0.
pub(crate) fn number(rows: &Rows, row: usize, column: usize) -> Result<i64, StateError> {
    match text(rows, row, column)? {
        None => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| StateError::Damaged(format!("column {column} is no number"))),
    }
}
