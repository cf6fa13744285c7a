//! A database of one test, spoken to with the tests' own SQL.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, ValueRef};
use tokio::runtime::Runtime;

use super::server;

/// Which kind of database a test wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Sqlite,
}

/// A cell as the database prints it; `None` is NULL.
pub type Cell = Option<String>;

/// A database that belongs to one test.
#[derive(Clone, Debug)]
pub struct Db {
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Postgres {
        user: String,
        password: Option<String>,
        name: String,
    },
    Sqlite(PathBuf),
    /// A Postgres database of another server.
    At(String),
}

impl Db {
    /// A new empty database on the throw-away server.
    pub fn postgres() -> Self {
        Self::made_from("template0")
    }

    /// A new empty database that takes whatever bytes come for text.
    pub fn postgres_of_any_bytes() -> Self {
        Self::made_from("template0 encoding 'SQL_ASCII' locale 'C'")
    }

    fn made_from(template: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let server = Self::on_server("postgres");
        server.exec(&format!(
            "create database {name} template {template} strategy wal_log"
        ));
        Self::on_server(&name)
    }

    /// A database of the throw-away server, by name.
    pub fn on_server(name: &str) -> Self {
        let user = "postgres".to_owned();
        Self {
            place: Place::Postgres {
                user,
                password: None,
                name: name.to_owned(),
            },
        }
    }

    /// A SQLite file; made by the first statement.
    pub fn sqlite(path: &Path) -> Self {
        Self {
            place: Place::Sqlite(path.to_owned()),
        }
    }

    /// A Postgres database anywhere, by its URL.
    pub fn at(url: &str) -> Self {
        Self {
            place: Place::At(url.to_owned()),
        }
    }

    /// The same Postgres database as another user.
    pub fn as_user(&self, name: &str, secret: Option<&str>) -> Self {
        let mut other = self.clone();
        let Place::Postgres { user, password, .. } = &mut other.place else {
            panic!("SQLite has no users")
        };
        name.clone_into(user);
        *password = secret.map(str::to_owned);
        other
    }

    pub fn engine(&self) -> Engine {
        match self.place {
            Place::Postgres { .. } | Place::At(_) => Engine::Postgres,
            Place::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// What goes into `.env`.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Postgres {
                user,
                password,
                name,
            } => {
                let secret = password
                    .as_ref()
                    .map(|secret| format!(":{secret}"))
                    .unwrap_or_default();
                format!(
                    "postgres://{user}{secret}@127.0.0.1:{}/{name}?sslmode=disable",
                    server::postgres().port
                )
            }
            Place::Sqlite(path) => format!("sqlite://{}", path.display()),
            Place::At(url) => url.clone(),
        }
    }

    /// The name of a Postgres database.
    pub fn name(&self) -> &str {
        match &self.place {
            Place::Postgres { name, .. } => name,
            Place::Sqlite(path) => path.to_str().expect("a readable path"),
            Place::At(url) => url,
        }
    }

    /// The name a table `schema.table` has here.
    pub fn table(&self, name: &str) -> String {
        match self.engine() {
            Engine::Postgres => name.to_owned(),
            Engine::Sqlite => name
                .strip_prefix("public.")
                .unwrap_or(name)
                .replace('.', "_"),
        }
    }

    /// Runs statements; fails the test when one is refused.
    #[track_caller]
    pub fn exec(&self, sql: &str) {
        if let Err(error) = self.try_rows(sql) {
            panic!("{error}\n{sql}");
        }
    }

    /// `vacuum full` of its own tables. Without their names the catalogs that all databases of the server share would
    /// be locked as well, and with them every test that runs beside this one.
    #[track_caller]
    pub fn vacuum_full(&self) {
        let tables = self.rows(
            "select string_agg(format('%I.%I', schemaname, relname), ', ') from pg_stat_user_tables",
        );
        let tables = tables[0][0].as_deref().expect("tables");
        self.exec(&format!("vacuum full {tables}"));
    }

    /// Runs a query.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<Cell>> {
        self.try_rows(sql)
            .unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The only cell of a query's only row; `NULL` as the word.
    #[track_caller]
    pub fn one(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "rows of {sql}");
        assert_eq!(rows[0].len(), 1, "columns of {sql}");
        rows[0][0].clone().unwrap_or_else(|| "NULL".to_owned())
    }

    /// The only cell of a query, as a number.
    #[track_caller]
    pub fn count(&self, sql: &str) -> i64 {
        let text = self.one(sql);
        text.parse()
            .unwrap_or_else(|_| panic!("{text:?} is no count\n{sql}"))
    }

    /// The rows of a query, each as one line with its cells parted by `|`.
    #[track_caller]
    pub fn lines(&self, sql: &str) -> Vec<String> {
        let line = |row: Vec<Cell>| {
            let cells: Vec<String> = row
                .into_iter()
                .map(|cell| cell.unwrap_or_else(|| "NULL".to_owned()))
                .collect();
            cells.join("|")
        };
        self.rows(sql).into_iter().map(line).collect()
    }

    /// Runs statements, or says why the database refused.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        runtime().block_on(async {
            match &self.place {
                Place::Postgres { .. } | Place::At(_) => {
                    let mut session = sqlx::PgConnection::connect(&self.url()).await?;
                    let rows = sqlx::raw_sql(AssertSqlSafe(sql))
                        .fetch_all(&mut session)
                        .await;
                    session.close().await.ok();
                    let cells = |row: sqlx::postgres::PgRow| {
                        (0..row.len())
                            .map(|index| postgres_cell(&row, index))
                            .collect()
                    };
                    Ok(rows?.into_iter().map(cells).collect())
                }
                Place::Sqlite(path) => {
                    let options = sqlx::sqlite::SqliteConnectOptions::new()
                        .filename(path)
                        .create_if_missing(true);
                    let mut session = options.foreign_keys(true).connect().await?;
                    let rows = sqlx::raw_sql(AssertSqlSafe(sql))
                        .fetch_all(&mut session)
                        .await;
                    session.close().await.ok();
                    let cells = |row: sqlx::sqlite::SqliteRow| {
                        (0..row.len())
                            .map(|index| sqlite_cell(&row, index))
                            .collect()
                    };
                    Ok(rows?.into_iter().map(cells).collect())
                }
            }
        })
    }

    /// A connection that stays open, for locks and transactions a test holds meanwhile.
    pub fn session(&self) -> Session {
        let connection = runtime().block_on(sqlx::PgConnection::connect(&self.url()));
        Session(connection.expect("a connection"))
    }

    /// From here on the server writes down each statement on this database.
    pub fn record_statements(&self) {
        self.exec(&format!(
            "alter database {} set log_statement = 'all'",
            self.name()
        ));
    }

    /// The recorded statements, each with its first line only.
    pub fn statements(&self) -> Vec<String> {
        let log = server::postgres().log();
        let prefix = format!("{}|LOG:  ", self.name());
        let lines = log.lines().filter_map(|line| line.strip_prefix(&prefix));
        let statement = |line: &str| {
            let text = line
                .strip_prefix("statement: ")
                .or_else(|| Some(line.strip_prefix("execute ")?.split_once(": ")?.1));
            text.map(str::to_owned)
        };
        lines.filter_map(statement).collect()
    }

    /// Passes when no session of the program is left on this database: what a killed one had sent is
    /// decided then.
    #[track_caller]
    pub fn wait_until_alone(&self) {
        let started = Instant::now();
        let sql = format!(
            "select count(*) from pg_stat_activity where datname = '{}'",
            self.name()
        );
        while Self::on_server("postgres").count(&sql) > 0 {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "a killed run's session is still there"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A copy of this Postgres database, which nobody may be using.
    pub fn copy(&self) -> Self {
        self.wait_until_alone();
        Self::made_from(self.name())
    }

    /// Removes a Postgres database; a file goes with its folder.
    pub fn drop_database(&self) {
        if let Place::Postgres { name, .. } = &self.place {
            Self::on_server("postgres")
                .try_rows(&format!("drop database if exists {name} with (force)"))
                .ok();
        }
    }
}

/// An open connection.
pub struct Session(sqlx::PgConnection);

impl Session {
    #[track_caller]
    pub fn exec(&mut self, sql: &str) {
        let done = runtime().block_on(sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0));
        done.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
}

fn postgres_cell(row: &sqlx::postgres::PgRow, index: usize) -> Cell {
    let value = row.try_get_raw(index).expect("a cell");
    (!value.is_null()).then(|| value.as_str().expect("text").to_owned())
}

fn sqlite_cell(row: &sqlx::sqlite::SqliteRow, index: usize) -> Cell {
    let bytes: Option<Vec<u8>> = row.try_get_unchecked(index).expect("a cell");
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}
