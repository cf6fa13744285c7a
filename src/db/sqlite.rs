//! The SQLite side of a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Either, Executor as _, Row as _,
    SqlSafeStr as _, Statement as _,
};

use super::Role;
use super::sqlite_rows::push_row;
use crate::config::DatabaseUrl;
use crate::row::Rows;

/// Pages of the log before they are moved into the file. Each chunk touches most pages of an index whose
/// entries come in no order, so moving them after every chunk would write the whole index again.
const WAL_PAGES: &str = "65536";
/// Room for pages of such indexes; negative numbers are KiB. What does not fit is read again for every chunk.
const CACHE_KIB: &str = "-65536";

/// Rows that are under way between the engine's thread and ours. A row may be large, so these are few.
const ROWS_UNDER_WAY: usize = 32;

/// How long a statement waits for another program's lock.
const BUSY: Duration = Duration::from_secs(10);

pub(super) async fn open(url: &DatabaseUrl, role: Role) -> Result<SqliteConnection, sqlx::Error> {
    let Some(path) = url.sqlite_path() else {
        return Err(sqlx::Error::Configuration("not a SQLite file".into()));
    };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        .row_buffer_size(ROWS_UNDER_WAY)
        .disable_statement_logging();
    let options = match role {
        Role::Source | Role::TargetReader => options.read_only(true),
        Role::TargetWriter => options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            .pragma("cache_size", CACHE_KIB)
            // what a statement may have to undo is kept beside it, not in a file
            .pragma("temp_store", "memory")
            // a commit that was reported survives a power cut
            .synchronous(SqliteSynchronous::Full),
    };
    options.connect().await
}

/// Every so many steps of the engine it looks whether to go on.
const STEPS_PER_LOOK: i32 = 1_000;

/// Statements end when `asked` becomes true, which then is taken back.
pub(super) async fn end_when(
    connection: &mut SqliteConnection,
    asked: Arc<AtomicBool>,
) -> Result<(), sqlx::Error> {
    connection
        .lock_handle()
        .await?
        .set_progress_handler(STEPS_PER_LOOK, move || {
            !asked.swap(false, Ordering::Relaxed)
        });
    Ok(())
}

/// One statement's rows; values by storage class.
pub(super) async fn query(
    connection: &mut SqliteConnection,
    sql: &str,
) -> Result<Rows, sqlx::Error> {
    let mut rows = Rows::default();
    let mut known = false;
    let mut scratch = Vec::new();
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = stream.try_next().await? {
        if !known {
            let names: Vec<String> = row.columns().iter().map(|c| c.name().to_owned()).collect();
            rows = Rows::new(names.into());
            known = true;
        }
        push_row(&row, &mut rows, &[], &mut scratch)?;
    }
    Ok(rows)
}

/// Statements separated by `;`; rows changed by the last.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: &str,
) -> Result<u64, sqlx::Error> {
    let mut affected = 0;
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    while let Some(step) = stream.try_next().await? {
        if let Either::Left(done) = step {
            affected = done.rows_affected();
        }
    }
    Ok(affected)
}

/// A select's columns: name, and the table's column it comes from (`table`, `column`).
pub(super) async fn describe(
    connection: &mut SqliteConnection,
    select: &str,
) -> Result<Vec<(String, Option<(String, String)>)>, sqlx::Error> {
    let statement = connection
        .prepare(AssertSqlSafe(select).into_sql_str())
        .await?;
    Ok(statement
        .columns()
        .iter()
        .map(|c| {
            let origin = c.origin();
            let from = origin
                .table_column()
                .map(|t| (t.table.to_string(), t.name.to_string()));
            (c.name().to_owned(), from)
        })
        .collect())
}
