//! The Postgres side of a session: simple protocol and COPY only, so that every value is the
//! server's own text and a pooler cannot mix up prepared statements.

use std::path::Path;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow, PgSslMode};
use sqlx::{
    AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, Either, Executor as _,
    Row as _, SqlSafeStr as _, Statement as _, TypeInfo as _, ValueRef as _,
};

use super::{Lines, Role};
use crate::config::{DatabaseUrl, Tls};
use crate::row::Rows;

/// What every session is told first. Text forms are pinned because values travel as text; `jit`
/// costs 0.3 s on small statements; the keepalives let the server notice a dead client, whose locks
/// would otherwise stay.
const SETTINGS: &str = "set TimeZone = 'UTC'; set DateStyle = 'ISO, MDY'; set IntervalStyle = 'postgres'; \
    set extra_float_digits = 3; set bytea_output = 'hex'; set standard_conforming_strings = on; \
    set client_encoding = 'UTF8'; set jit = off; \
    set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 6";

/// A reader holds its snapshot as long as it needs, and a source whose rows would be hidden by row
/// level security says so instead of returning fewer. A page is a small part of its table: with the
/// default cost of 4, made for turning disks, a rule's own join read the whole other table again for each
/// page, by parallel workers (500,000 purchases: 12 s and 16.6 s of the server's CPU; 8 s and 9.6 s with 1.1).
const SOURCE_SETTINGS: &str = "set default_transaction_read_only = on; \
    set idle_in_transaction_session_timeout = 0; set row_security = off; set random_page_cost = 1.1";

const READER_SETTINGS: &str =
    "set default_transaction_read_only = on; set idle_in_transaction_session_timeout = 0";

/// How much of COPY data goes into one message; no more of it is in memory at a time.
const SLICE: usize = 256 * 1024;
/// Buffers that grew beyond this for a large row are given back.
const LARGE: usize = 16 * 1024 * 1024;

fn options(url: &DatabaseUrl) -> Result<PgConnectOptions, sqlx::Error> {
    let Some(server) = url.server() else {
        return Err(sqlx::Error::Configuration("not a Postgres URL".into()));
    };
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(server.port)
        .username(&server.user)
        .database(&server.database)
        .application_name("runner")
        // as a startup parameter it makes some poolers hang up; it is in SETTINGS
        .extra_float_digits(None)
        .ssl_mode(match server.tls() {
            Tls::Disable => PgSslMode::Disable,
            Tls::Allow => PgSslMode::Allow,
            Tls::Prefer => PgSslMode::Prefer,
            Tls::Require => PgSslMode::Require,
            Tls::VerifyCa => PgSslMode::VerifyCa,
            Tls::VerifyFull => PgSslMode::VerifyFull,
        })
        .disable_statement_logging();
    options = if server.host.starts_with('/') {
        options.socket(Path::new(&server.host))
    } else {
        options.host(&server.host)
    };
    if let Some(password) = &server.password {
        options = options.password(password);
    }
    if let Some(file) = &server.root_cert {
        options = options.ssl_root_cert(file);
    }
    Ok(options)
}

pub(super) async fn open(url: &DatabaseUrl, role: Role) -> Result<PgConnection, sqlx::Error> {
    let options = options(url)?;
    let began = std::time::Instant::now();
    let mut connection = options.connect().await?;
    super::socket::tune();
    super::pooler::refuse(&mut connection, began.elapsed(), &options, url).await?;
    let more = match role {
        Role::Source => SOURCE_SETTINGS,
        Role::TargetReader => READER_SETTINGS,
        // what a transaction that writes needs it sets for itself (`begin.rs`)
        Role::TargetWriter => "",
    };
    let place = if role == Role::Source {
        // such a database holds whatever bytes came: converted, one that is no UTF-8 would fail the whole page
        "select set_config('client_encoding', 'SQL_ASCII', false) where current_setting('server_encoding') = 'SQL_ASCII'"
    } else {
        // what a name without schema means must not depend on the role's own search path
        "select set_config('search_path', 'public, ' || current_setting('search_path'), false)"
    };
    // limits that not every version knows
    let limits = "select set_config(name, '0', false) from pg_settings \
         where name in ('transaction_timeout', 'idle_session_timeout')";
    let settings = format!("{SETTINGS}; {more}; {limits}; {place}");
    sqlx::raw_sql(AssertSqlSafe(settings))
        .execute(&mut connection)
        .await?;
    Ok(connection)
}

/// One statement's rows. Columns are unknown when there are none.
pub(super) async fn query(connection: &mut PgConnection, sql: &str) -> Result<Rows, sqlx::Error> {
    let mut rows = Rows::default();
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = stream.try_next().await? {
        push_row(&mut rows, &row)?;
    }
    Ok(rows)
}

/// The rows of each of several statements, which are separated by `;`, in one round trip.
pub(super) async fn queries(
    connection: &mut PgConnection,
    sql: &str,
) -> Result<Vec<Rows>, sqlx::Error> {
    let mut all = vec![Rows::default()];
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    while let Some(step) = stream.try_next().await? {
        match (step, all.last_mut()) {
            (Either::Right(row), Some(rows)) => push_row(rows, &row)?,
            _ => all.push(Rows::default()),
        }
    }
    // after the last one a further was awaited
    all.pop();
    Ok(all)
}

fn push_row(rows: &mut Rows, row: &PgRow) -> Result<(), sqlx::Error> {
    if rows.columns().is_empty() {
        *rows = Rows::new(names(row).into());
    }
    for index in 0..row.len() {
        let cell = row.try_get_raw(index)?;
        if cell.is_null() {
            rows.push_cell(None);
        } else {
            rows.push_cell(Some(cell.as_bytes().map_err(sqlx::Error::Decode)?));
        }
    }
    Ok(())
}

fn names(row: &PgRow) -> Vec<String> {
    row.columns().iter().map(|c| c.name().to_owned()).collect()
}

/// Statements separated by `;`; rows affected by the last that counts any.
pub(super) async fn execute(connection: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    let mut affected = 0;
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    while let Some(step) = stream.try_next().await? {
        if let Either::Left(done) = step {
            affected = done.rows_affected();
        }
    }
    Ok(affected)
}

/// How a bulk read ended.
pub(super) enum Copied {
    /// All rows are here.
    Whole(Rows),
    /// There were more bytes than allowed; so many rows fit, the rest was dropped.
    TooLarge(u64),
    /// A line has another number of cells than there are columns.
    Ragged,
}

/// COPY TO STDOUT, line by line out of the network's chunks.
pub(super) async fn copy_out(
    connection: &mut PgConnection,
    select: &str,
    rows: Rows,
    cap_bytes: usize,
) -> Result<Copied, sqlx::Error> {
    let statement = format!("COPY ({select}) TO STDOUT");
    let mut begun = false;
    match read_lines(connection, &statement, rows, cap_bytes, &mut begun).await {
        Err(error) if !begun => {
            resync(connection, &error).await?;
            Err(error)
        }
        Ok(Copied::Whole(rows)) if rows.bytes() > LARGE => {
            // the driver's buffer has room for the largest row, and would keep it
            connection.shrink_buffers();
            Ok(Copied::Whole(rows))
        }
        read => read,
    }
}

async fn read_lines(
    connection: &mut PgConnection,
    statement: &str,
    mut rows: Rows,
    cap_bytes: usize,
    begun: &mut bool,
) -> Result<Copied, sqlx::Error> {
    let mut stream = connection.copy_out_raw(statement).await?;
    *begun = true;
    let mut carry: Vec<u8> = Vec::new();
    let (mut too_large, mut ragged, mut fitting) = (false, false, 0);
    while let Some(chunk) = stream.try_next().await? {
        if too_large || ragged {
            continue;
        }
        let mut rest = &chunk[..];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let fits = if carry.is_empty() {
                rows.push_line(&rest[..end])
            } else {
                carry.extend_from_slice(&rest[..end]);
                let fits = rows.push_line(&carry);
                carry.clear();
                fits
            };
            ragged |= !fits;
            rest = &rest[end + 1..];
        }
        carry.extend_from_slice(rest);
        if rows.bytes() + carry.len() > cap_bytes {
            too_large = true;
            fitting = (rows.len() as u64).saturating_sub(u64::from(carry.is_empty()));
            rows = Rows::default();
            carry = Vec::new();
        }
    }
    Ok(match (too_large, ragged || !carry.is_empty()) {
        (true, _) => Copied::TooLarge(fitting),
        (false, true) => Copied::Ragged,
        (false, false) => Copied::Whole(rows),
    })
}

/// When the server refuses a COPY TO, the driver leaves its "ready" message unread, and every later
/// answer would be the one before it. Preparing a statement reads that message (and fails on it) and
/// puts the driver's count right; what follows checks that question and answer belong together.
async fn resync(connection: &mut PgConnection, error: &sqlx::Error) -> Result<(), sqlx::Error> {
    if !matches!(error, sqlx::Error::Database(_)) {
        return Ok(());
    }
    let drained = sqlx::query("select 1")
        .persistent(false)
        .execute(&mut *connection)
        .await;
    if drained.is_ok() {
        return Ok(());
    }
    match sqlx::raw_sql("select 'in step'")
        .fetch_one(&mut *connection)
        .await
    {
        Ok(row)
            if row
                .try_get_raw(0)?
                .as_bytes()
                .is_ok_and(|b| b == b"in step") =>
        {
            Ok(())
        }
        // inside a failed transaction the server answers every question alike, and in step
        Err(sqlx::Error::Database(e)) if e.code().as_deref() == Some("25P02") => Ok(()),
        Ok(_) => Err(sqlx::Error::Protocol(
            "the connection is out of step".into(),
        )),
        Err(e) => Err(e),
    }
}

/// COPY FROM STDIN; returns the server's own count.
pub(super) async fn copy_in(
    connection: &mut PgConnection,
    statement: &str,
    lines: &mut Lines<'_>,
) -> Result<u64, sqlx::Error> {
    let mut copy = connection.copy_in_raw(statement).await?;
    let mut slice = Vec::with_capacity(SLICE + SLICE / 4);
    loop {
        slice.clear();
        while slice.len() < SLICE && lines(&mut slice) {}
        if slice.is_empty() {
            return copy.finish().await;
        }
        // the driver copies a message into a buffer of its own, which it keeps: a large row goes in pieces
        for piece in slice.chunks(SLICE) {
            copy.send(piece).await?;
        }
        if slice.capacity() > LARGE {
            slice = Vec::with_capacity(SLICE + SLICE / 4);
        }
    }
}

/// A column of a select, as the server describes it without running it.
pub(crate) struct Described {
    pub(crate) name: String,
    /// The type's own name.
    pub(crate) type_name: String,
    /// Table oid and column number, when the column is a table's own.
    pub(crate) origin: Option<(u32, i16)>,
    /// The type's oid.
    pub(crate) type_oid: Option<u32>,
}

/// The only use of the extended protocol: names and types of a select's columns.
pub(super) async fn describe(
    connection: &mut PgConnection,
    select: &str,
) -> Result<Vec<Described>, sqlx::Error> {
    let statement = connection
        .prepare(AssertSqlSafe(select).into_sql_str())
        .await?;
    Ok(statement
        .columns()
        .iter()
        .map(|c| Described {
            name: c.name().to_owned(),
            type_name: c.type_info().name().to_owned(),
            origin: c
                .relation_id()
                .map(|oid| oid.0)
                .zip(c.relation_attribute_no()),
            type_oid: c.type_info().oid().map(|oid| oid.0),
        })
        .collect())
}
