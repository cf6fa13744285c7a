//! SQLite's rows as text: each value by its storage class, held against its column's declared type.

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow, SqliteValueRef};
use sqlx::{AssertSqlSafe, Row as _, TypeInfo as _, ValueRef as _};

use super::postgres::Copied;
use super::quote::hex;
use super::sqlite_packed::{self as packed, Unreadable};
use crate::row::{ReadFault, Rows};
use crate::value::{Logical, Storage, canonical};

/// A bulk read into `rows`, which has none yet. With `types`, each value is held against its column's declared
/// type; `None` when there are more bytes than allowed, or another number of columns than expected.
pub(super) async fn copy_out(
    connection: &mut SqliteConnection,
    select: &str,
    rows: Rows,
    types: &[&Logical],
    cap_bytes: usize,
) -> Result<Copied, sqlx::Error> {
    let columns = rows.columns().clone();
    // what has a limit comes row by row, to be ended there
    let at_once = cap_bytes == usize::MAX && packed::are_small(types);
    if let Some(sql) = packed::sql(select, columns.len(), at_once) {
        match copy_packed(connection, &sql, at_once, rows, types, cap_bytes).await {
            Err(error) if packed::cannot(&error) => {}
            done => return done,
        }
    }
    copy_plain(connection, select, Rows::new(columns), types, cap_bytes).await
}

async fn copy_packed(
    connection: &mut SqliteConnection,
    sql: &str,
    at_once: bool,
    mut rows: Rows,
    types: &[&Logical],
    cap_bytes: usize,
) -> Result<Copied, sqlx::Error> {
    let width = rows.columns().len();
    let (mut scratch, mut real) = (Vec::new(), Vec::new());
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = stream.try_next().await? {
        let before = rows.len();
        let mut place = (before, 0);
        let packed: &[u8] = row.try_get_unchecked(0)?;
        packed::each_cell(packed, at_once, &mut scratch, |cell| {
            let here = place;
            place.1 += 1;
            if place.1 == width {
                place = (here.0 + 1, 0);
            }
            match cell {
                None => rows.push_cell(None),
                Some((Storage::Real, literal)) => {
                    let text = std::str::from_utf8(literal).map_err(|_| Unreadable)?;
                    let number: f64 = text.parse().map_err(|_| Unreadable)?;
                    if !packed::is_exact(number) {
                        return Err(Unreadable);
                    }
                    real.clear();
                    write_real(&mut real, number);
                    push(&mut rows, here, Storage::Real, &real, types);
                }
                Some((storage, text)) => push(&mut rows, here, storage, text, types),
            }
            Ok(())
        })
        .map_err(|Unreadable| sqlx::Error::Decode("a packed row cannot be read".into()))?;
        if rows.bytes() > cap_bytes {
            return Ok(Copied::TooLarge(before as u64));
        }
    }
    Ok(Copied::Whole(rows))
}

async fn copy_plain(
    connection: &mut SqliteConnection,
    select: &str,
    mut rows: Rows,
    types: &[&Logical],
    cap_bytes: usize,
) -> Result<Copied, sqlx::Error> {
    let width = rows.columns().len();
    let mut scratch = Vec::new();
    let mut stream = sqlx::raw_sql(AssertSqlSafe(select)).fetch(connection);
    while let Some(row) = stream.try_next().await? {
        if row.len() != width {
            return Ok(Copied::Ragged);
        }
        push_row(&row, &mut rows, types, &mut scratch)?;
        if rows.bytes() > cap_bytes {
            return Ok(Copied::TooLarge(rows.len() as u64 - 1));
        }
    }
    Ok(Copied::Whole(rows))
}

/// Appends a row as the driver has it.
pub(super) fn push_row(
    row: &SqliteRow,
    rows: &mut Rows,
    types: &[&Logical],
    scratch: &mut Vec<u8>,
) -> Result<(), sqlx::Error> {
    let number = rows.len();
    for column in 0..row.len() {
        let cell = row.try_get_raw(column)?;
        if cell.is_null() {
            rows.push_cell(None);
            continue;
        }
        let storage = text_of(&cell, row, column, scratch)?;
        push(rows, (number, column), storage, scratch, types);
    }
    Ok(())
}

/// Appends the next cell, which is not NULL.
fn push(rows: &mut Rows, place: (usize, usize), storage: Storage, text: &[u8], types: &[&Logical]) {
    let (row, column) = place;
    match types.get(column) {
        Some(logical) => match canonical(storage, text, logical) {
            Ok(text) => rows.push_cell(Some(&text)),
            Err(misfit) => {
                rows.push_cell(Some(text));
                let why = misfit.why;
                rows.fault(ReadFault { row, column, why });
            }
        },
        // as Postgres prints bytea
        None if storage == Storage::Blob => {
            rows.push_cell(Some(format!("\\x{}", hex(text)).as_bytes()));
        }
        None => rows.push_cell(Some(text)),
    }
}

/// Writes the value's text (a blob's raw bytes) into `out`.
fn text_of(
    cell: &SqliteValueRef<'_>,
    row: &SqliteRow,
    column: usize,
    out: &mut Vec<u8>,
) -> Result<Storage, sqlx::Error> {
    use std::io::Write as _;
    out.clear();
    let storage = match cell.type_info().name() {
        "INTEGER" => {
            let number: i64 = row.try_get_unchecked(column)?;
            write!(out, "{number}").map_err(sqlx::Error::Io)?;
            return Ok(Storage::Integer);
        }
        "REAL" => {
            write_real(out, row.try_get_unchecked(column)?);
            return Ok(Storage::Real);
        }
        "BLOB" => Storage::Blob,
        _ => Storage::Text,
    };
    let bytes: &[u8] = row.try_get_unchecked(column)?;
    out.extend_from_slice(bytes);
    Ok(storage)
}

/// The shortest text that parses back to the same double, in Postgres' spelling of the infinities.
fn write_real(out: &mut Vec<u8>, number: f64) {
    let text = if number == f64::INFINITY {
        "Infinity".to_owned()
    } else if number == f64::NEG_INFINITY {
        "-Infinity".to_owned()
    } else if number != 0.0 && !(1e-4..1e15).contains(&number.abs()) {
        format!("{number:e}")
    } else {
        format!("{number}")
    };
    out.extend_from_slice(text.as_bytes());
}
