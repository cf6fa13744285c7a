//! Bulk writing into SQLite: COPY text lines as multi-row prepared inserts.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe};

use super::quote::{ident, unhex};
use super::{DbError, Engine, ErrorKind, Session, TableName};
use crate::row::unescape;
use crate::value::Logical;

/// SQLite binds at most 32,766 values to a statement; beyond a few hundred rows nothing is gained.
const MAX_VALUES: usize = 32_766;
const MAX_ROWS: usize = 250;

/// All lines or none; the error names the guilty line. In a transaction of the caller it is the caller who
/// rolls back after an error, as it must with Postgres: a savepoint of our own would keep a copy of every
/// page that the lines touch, which costs more than writing them.
pub(super) async fn copy_in(
    session: &mut Session,
    table: &TableName,
    columns: &[(String, Logical)],
    lines: &[u8],
) -> Result<u64, DbError> {
    // refused inside a transaction, and there is no statement that tells
    let is_ours = session.execute("BEGIN").await.is_ok();
    match insert_all(session, table, columns, lines).await {
        Ok(count) => {
            if is_ours {
                session.execute("COMMIT").await?;
            }
            Ok(count)
        }
        Err(error) => {
            if is_ours && !session.is_broken() {
                session.execute("ROLLBACK").await?;
            }
            Err(error)
        }
    }
}

async fn insert_all(
    session: &mut Session,
    table: &TableName,
    columns: &[(String, Logical)],
    lines: &[u8],
) -> Result<u64, DbError> {
    let lines: Vec<&[u8]> = lines
        .strip_suffix(b"\n")
        .unwrap_or(lines)
        .split(|b| *b == b'\n')
        .collect();
    let batch = (MAX_VALUES / columns.len().max(1)).clamp(1, MAX_ROWS);
    let whole = statement(table, columns, batch);
    let side = session.role().side();
    let mut count = 0;
    let mut first = 0;
    let mut parts = lines.chunks(batch);
    let mut next = parts
        .next()
        .map(|part| (part, bind(side, columns, part, 0)));
    while let Some((part, values)) = next {
        let sql = if part.len() == batch {
            Arc::clone(&whole)
        } else {
            statement(table, columns, part.len())
        };
        // the next rows are made ready while SQLite, on its own thread, writes these
        let ready = async {
            let part = parts.next()?;
            Some((part, bind(side, columns, part, first + batch)))
        };
        let written;
        (written, next) = tokio::join!(session.insert_bound(&sql, values?), ready);
        match written {
            Ok(inserted) => count += inserted,
            Err(error) if error.kind == ErrorKind::Row => {
                return Err(blame(session, table, columns, part, first, error).await);
            }
            Err(error) => return Err(error),
        }
        first += batch;
    }
    Ok(count)
}

/// SQLite undoes a failed statement as a whole, so the rows can be tried one by one.
async fn blame(
    session: &mut Session,
    table: &TableName,
    columns: &[(String, Logical)],
    part: &[&[u8]],
    first: usize,
    whole: DbError,
) -> DbError {
    let sql = statement(table, columns, 1);
    for (offset, line) in part.iter().enumerate() {
        let values = bind(session.role().side(), columns, &[line], first + offset);
        let one = match values {
            Ok(values) => session.insert_bound(&sql, values).await,
            Err(error) => Err(error),
        };
        if let Err(mut error) = one {
            error.copy_line = Some((first + offset + 1) as u64);
            error.table = error.table.take().or_else(|| Some(table.to_string()));
            return error;
        }
    }
    whole
}

fn statement(table: &TableName, columns: &[(String, Logical)], rows: usize) -> Arc<str> {
    let names: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
    let row = format!("({})", vec!["?"; columns.len()].join(","));
    let mut sql = format!(
        "INSERT INTO {} ({}) VALUES {row}",
        table.sql(Engine::Sqlite),
        names.join(", ")
    );
    for _ in 1..rows {
        let _ = write!(sql, ",{row}");
    }
    sql.into()
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    sql: &Arc<str>,
    values: SqliteArguments,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), values)
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

fn bind(
    side: &'static str,
    columns: &[(String, Logical)],
    lines: &[&[u8]],
    first: usize,
) -> Result<SqliteArguments, DbError> {
    let mut values = SqliteArguments::default();
    values.reserve(lines.len() * columns.len(), 0);
    for (offset, line) in lines.iter().enumerate() {
        let mut cells = line.split(|b| *b == b'\t');
        for (name, logical) in columns {
            let fault = match cells.next() {
                None => Some("the line has too few cells"),
                Some(b"\\N") => values
                    .add(None::<i64>)
                    .err()
                    .map(|_| "the value cannot be bound"),
                Some(cell) => add(&mut values, logical, &unescape(cell)).err(),
            };
            if let Some(why) = fault {
                return Err(refused(side, name, logical, first + offset, why));
            }
        }
        if cells.next().is_some() {
            let (name, logical) = columns
                .last()
                .map_or(("", &Logical::Untyped), |(n, l)| (n.as_str(), l));
            return Err(refused(
                side,
                name,
                logical,
                first + offset,
                "the line has too many cells",
            ));
        }
    }
    Ok(values)
}

fn refused(side: &'static str, column: &str, logical: &Logical, line: usize, why: &str) -> DbError {
    let message = format!("column {column} ({logical}): {why}");
    let mut error = DbError::new(ErrorKind::Row, side, message);
    error.sqlstate = Some("22003".to_owned());
    error.column = Some(column.to_owned());
    error.copy_line = Some(line as u64 + 1);
    error
}

const WOULD_ROUND: &str = "SQLite would round the value (would_round)";
const NO_UTF8: &str = "the value is not UTF-8 text";

/// Binds one value so that what SQLite stores reads back as the same canonical text.
#[expect(
    clippy::single_match_else,
    reason = "the types read better as one list"
)]
fn add(values: &mut SqliteArguments, logical: &Logical, cell: &[u8]) -> Result<(), &'static str> {
    let bound = match logical {
        Logical::Bytes => match hex(cell) {
            Some(bytes) => values.add(bytes),
            None => return Err("the value is not bytea text"),
        },
        _ => {
            let text = std::str::from_utf8(cell).map_err(|_| NO_UTF8)?;
            match logical {
                Logical::Bool if text == "t" => values.add(1_i64),
                Logical::Bool if text == "f" => values.add(0_i64),
                Logical::Int2 | Logical::Int4 | Logical::Int8 => match text.parse::<i64>() {
                    Ok(number) => values.add(number),
                    Err(_) => return Err("the value is not an integer of 64 bits"),
                },
                Logical::Numeric(_) => match exact(text) {
                    Exact::Integer(number) => values.add(number),
                    Exact::Real(number) => values.add(number),
                    Exact::Word => values.add(text),
                    Exact::No => return Err(WOULD_ROUND),
                },
                // SQLite has no NaN (it becomes NULL); words stay text in any column
                Logical::Float4 | Logical::Float8 => match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => values.add(number),
                    _ => values.add(text),
                },
                Logical::Text(_) | Logical::Char(_) | Logical::Untyped => values.add(text),
                // A declared type that SQLite does not know gives the column numeric affinity,
                // which turns text that looks like a number into one.
                _ => {
                    let numeric = text.parse::<f64>().is_ok_and(f64::is_finite);
                    let same = text.parse::<i64>().is_ok_and(|n| n.to_string() == text);
                    if numeric && !same {
                        return Err(WOULD_ROUND);
                    }
                    values.add(text)
                }
            }
        }
    };
    bound.map_err(|_| "the value cannot be bound")
}

enum Exact {
    Integer(i64),
    Real(f64),
    /// `NaN`, `Infinity`: no number to SQLite either, so it stays text.
    Word,
    No,
}

/// How a decimal can be stored without losing a digit: as an integer, or as a double whose shortest
/// text is the decimal itself (always so up to 15 significant digits).
fn exact(text: &str) -> Exact {
    let short = match text.split_once('.') {
        Some((whole, places)) => {
            let places = places.trim_end_matches('0');
            if places.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{places}")
            }
        }
        None => text.to_owned(),
    };
    if let Ok(number) = short.parse::<i64>() {
        return Exact::Integer(number);
    }
    match short.parse::<f64>() {
        Ok(number) if number.is_finite() => {
            if number.to_string() == short {
                Exact::Real(number)
            } else {
                Exact::No
            }
        }
        _ => Exact::Word,
    }
}

fn hex(cell: &[u8]) -> Option<Vec<u8>> {
    unhex(cell.strip_prefix(b"\\x")?)
}
