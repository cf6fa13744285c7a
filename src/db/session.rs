//! One connection, whatever the engine: every wait has a limit, and a connection whose state is
//! unknown is never asked again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::classify::{Scene, classify, lost, timeout};
use super::failpoint::{Action, at_statement};
use super::postgres::{self, Described};
use super::seats::{Seat, explain};
use super::{DbError, Engine, ErrorKind, Role, pooler, sqlite};
use crate::config::DatabaseUrl;
use crate::row::Rows;

/// How long connecting may take, saying goodbye, and anything else that is no work.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a statement waits for a lock, at most: a tenth of what it may take altogether.
const LOCK_LIMIT: Duration = Duration::from_mins(1);

/// One connection to one of the two databases.
pub struct Session {
    link: Link,
    role: Role,
    place: String,
    limit: Duration,
    /// An operation is under way, or was given up half-way.
    busy: bool,
    /// The server's process.
    backend: Option<i32>,
    /// What was answered to questions that are asked once, while that holds.
    answered: Option<HashMap<String, Vec<Rows>>>,
    _seat: Seat,
}

/// Where a wait stands.
#[derive(Clone, Copy)]
enum Wait {
    Ask = 1,
    Answered = 2,
}

enum Link {
    Postgres(Box<PgConnection>),
    Sqlite(Box<SqliteConnection>),
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {:?})", self.place, self.role)
    }
}

/// Runs `$call` on the connection under the session's limit and sorts its error. A macro, because
/// the two drivers' calls share no type.
macro_rules! guarded {
    ($session:ident, $sql:expr, $link:ident => $postgres:expr, $sqlite:expr) => {{
        if $session.busy {
            return Err(lost(
                "an earlier operation was given up half-way",
                $session.scene(),
            ));
        }
        $session.busy = true;
        let limit = $session.limit;
        $session.pass(Wait::Ask, $sql)?;
        let done = match &mut $session.link {
            Link::Postgres($link) => tokio::time::timeout(limit, $postgres).await,
            Link::Sqlite($link) => tokio::time::timeout(limit, $sqlite).await,
        };
        match done {
            Err(_) => Err(timeout(limit.as_secs(), $session.scene())),
            Ok(result) => {
                if result.is_ok() {
                    $session.pass(Wait::Answered, $sql)?;
                }
                $session.settle(result)
            }
        }
    }};
}

mod bulk;

impl Session {
    /// Connects, within [`CONNECT_LIMIT`], and makes the session's settings: text forms that do not lose
    /// anything, read-only unless it is a [`Role::TargetWriter`]. Only a writer creates a missing
    /// SQLite file.
    pub async fn open(url: &DatabaseUrl, role: Role) -> Result<Self, DbError> {
        let place = url.to_string();
        let scene = Scene {
            side: role.side(),
            place: &place,
            connecting: true,
            reader: role != Role::TargetWriter,
        };
        if at_statement(role.points()[0], "") != Action::Go {
            return Err(scene.error(ErrorKind::Unreachable, "test: nobody answers"));
        }
        let connect = async {
            Ok(match url.engine() {
                Engine::Postgres => Link::Postgres(Box::new(postgres::open(url, role).await?)),
                Engine::Sqlite => Link::Sqlite(Box::new(sqlite::open(url, role).await?)),
            })
        };
        let patience = url.patience();
        // a handshake is several answers
        let limit = (patience * 2).min(CONNECT_LIMIT);
        let link = match tokio::time::timeout(limit, connect).await {
            Err(_) => return Err(explain(timeout(limit.as_secs(), scene), &place)),
            Ok(Err(error)) => return Err(explain(classify(&error, scene), &place)),
            Ok(Ok(link)) => link,
        };
        let mut session = Self {
            link,
            role,
            _seat: Seat::take(&place),
            place,
            limit,
            busy: false,
            backend: None,
            answered: None,
        };
        if session.engine() == Engine::Postgres {
            let told = session
                .query(&format!(
                    "set statement_timeout = {}; set lock_timeout = {}; select pg_backend_pid()",
                    server_limit(patience).as_millis(),
                    lock_limit(patience).as_millis()
                ))
                .await?;
            if !told.is_empty() {
                let backend = told.text(0, 0).and_then(Result::ok);
                session.backend = backend.and_then(|pid| pid.parse().ok());
            }
        }
        session.limit = patience;
        Ok(session)
    }

    /// How long the server lets a statement run.
    pub fn statement_limit(&self) -> Duration {
        server_limit(self.limit)
    }

    /// How long a statement waits for a lock.
    pub fn lock_limit(&self) -> Duration {
        lock_limit(self.limit)
    }

    /// How long the server keeps a transaction in which nothing is asked.
    pub fn idle_limit(&self) -> Duration {
        self.limit
    }

    /// From here on nothing important is asked any more: no answer is waited for longer than for a connection.
    pub fn hurry(&mut self) {
        self.limit = self.limit.min(CONNECT_LIMIT);
    }

    /// Which engine it talks to.
    pub fn engine(&self) -> Engine {
        match self.link {
            Link::Postgres(_) => Engine::Postgres,
            Link::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The redacted URL, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The server's process behind this session; `None` on SQLite.
    pub fn backend(&self) -> Option<i32> {
        self.backend
    }

    /// The address had no room for a second session when the first one asked.
    pub fn is_alone(&self) -> bool {
        pooler::is_narrow(&self.place)
    }

    /// The connection cannot be used any more; open another.
    pub fn is_broken(&self) -> bool {
        self.busy
    }

    /// Runs one statement and returns its rows as text. Without rows the columns are unknown (none).
    pub async fn query(&mut self, sql: &str) -> Result<Rows, DbError> {
        guarded!(self, sql, c => postgres::query(c, sql), sqlite::query(c, sql))
    }

    /// The rows of each of these statements, in one round trip.
    pub(crate) async fn queries<const N: usize>(
        &mut self,
        sql: [String; N],
    ) -> Result<[Rows; N], DbError> {
        let all = if self.engine() == Engine::Sqlite {
            let mut all = Vec::with_capacity(N);
            for one in &sql {
                all.push(self.query(one).await?);
            }
            all
        } else {
            let joined = sql.join(";\n");
            guarded!(self, &joined, c => postgres::queries(c, &joined), none(c))?
        };
        all.try_into()
            .map_err(|_| lost("an answer to several questions is incomplete", self.scene()))
    }

    /// As [`Self::queries`]; while [`Self::ask_once`] holds, what was answered before is not asked again.
    pub(crate) async fn once<const N: usize>(
        &mut self,
        sql: [String; N],
    ) -> Result<[Rows; N], DbError> {
        let asked = sql.join(";\n");
        let known = self.answered.as_ref().and_then(|known| known.get(&asked));
        if let Some(Ok(known)) = known.map(|rows| rows.clone().try_into()) {
            return Ok(known);
        }
        let rows = self.queries(sql).await?;
        if let Some(known) = &mut self.answered {
            known.insert(asked, rows.to_vec());
        }
        Ok(rows)
    }

    /// Whether [`Self::once`] means it: a run that is being prepared needs the shape of the same table at every step,
    /// and to the target it may be far. What was answered before is forgotten.
    pub(crate) fn ask_once(&mut self, once: bool) {
        self.answered = once.then(HashMap::new);
    }

    /// Runs one or more statements separated by `;`. Returns the rows affected by the last one.
    pub async fn execute(&mut self, sql: &str) -> Result<u64, DbError> {
        guarded!(self, sql, c => postgres::execute(c, sql), sqlite::execute(c, sql))
    }

    /// Runs statements that write in a transaction of their own.
    pub async fn write(&mut self, sql: &str) -> Result<(), DbError> {
        let begin = self.begin_sql();
        let sql = sql.trim_end_matches(';');
        let done = self.execute(&format!("{begin};{sql};commit")).await;
        if done.is_err() && !self.busy {
            self.execute("rollback").await.ok();
        }
        done.map(drop)
    }

    /// Columns of a select, without running it.
    pub(crate) async fn describe_postgres(
        &mut self,
        select: &str,
    ) -> Result<Vec<Described>, DbError> {
        guarded!(self, select, c => postgres::describe(c, select), none(c))
    }

    /// Columns of a select and the table columns they come from.
    pub(crate) async fn describe_sqlite(
        &mut self,
        select: &str,
    ) -> Result<Vec<(String, Option<(String, String)>)>, DbError> {
        guarded!(self, select, c => none(c), sqlite::describe(c, select))
    }

    /// Statements of a SQLite session end when `asked` becomes true.
    pub(super) async fn end_when(
        &mut self,
        asked: Arc<std::sync::atomic::AtomicBool>,
    ) -> Result<(), DbError> {
        guarded!(self, "", c => none(c), sqlite::end_when(c, asked))
    }

    /// Says goodbye to the server; a failure to do so does not matter.
    pub async fn close(self) {
        let goodbye = async {
            match self.link {
                Link::Postgres(c) => c.close().await.is_ok(),
                Link::Sqlite(c) => c.close().await.is_ok(),
            }
        };
        let _ = tokio::time::timeout(CONNECT_LIMIT.min(self.limit), goodbye).await;
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        Scene {
            side: self.role.side(),
            place: &self.place,
            connecting: false,
            reader: self.role != Role::TargetWriter,
        }
    }

    /// Passes a point of a wait. The session is busy then, so what breaks here stays broken.
    fn pass(&self, wait: Wait, sql: &str) -> Result<(), DbError> {
        match at_statement(self.role.points()[wait as usize], sql) {
            Action::Go => Ok(()),
            _ => Err(lost("test: it broke", self.scene())),
        }
    }

    /// Ends an operation. After an error that says nothing certain about the connection it stays busy.
    fn settle<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, DbError> {
        match result {
            Ok(value) => {
                self.busy = false;
                Ok(value)
            }
            Err(error) => {
                let error = classify(&error, self.scene());
                let gone = error
                    .sqlstate
                    .as_deref()
                    .is_some_and(|s| s.starts_with("57P") || s.starts_with("08"));
                self.busy = error.kind == ErrorKind::Lost || gone;
                Err(error)
            }
        }
    }
}

/// A little before our own limit, so that the server says no and the session lives on.
fn server_limit(patience: Duration) -> Duration {
    patience.saturating_sub((patience / 5).min(Duration::from_secs(5)))
}

fn lock_limit(patience: Duration) -> Duration {
    (patience / 10).min(LOCK_LIMIT)
}

/// What an operation of the other engine answers; its caller has looked at the engine before.
fn none<C, T>(_connection: &mut C) -> std::future::Ready<Result<T, sqlx::Error>> {
    std::future::ready(Err(sqlx::Error::Configuration(
        "asked of the wrong engine".into(),
    )))
}
