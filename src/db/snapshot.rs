//! One view of a Postgres database for several sessions.

use super::{DbError, Session};

const BEGIN: &str = "begin isolation level repeatable read read only";

/// Begins a read-only transaction and takes its view. Returns the name under which other sessions may share it
/// while the transaction is open; `None` where the server lends none, as standbys before version 10.
///
/// # Errors
/// When the connection breaks.
pub async fn lend(session: &mut Session) -> Result<Option<String>, DbError> {
    session.execute(BEGIN).await?;
    // in no savepoint: what was begun inside one cannot be lent, and the refusal would pass for a server's
    match session.query("select pg_export_snapshot()").await {
        Ok(rows) => Ok(rows
            .text(0, 0)
            .and_then(Result::ok)
            .map(std::borrow::Cow::into_owned)),
        Err(error) if session.is_broken() => Err(error),
        Err(_) => {
            session.execute(&format!("rollback; {BEGIN}")).await?;
            Ok(None)
        }
    }
}

/// Begins a read-only transaction that sees what the lender sees.
///
/// # Errors
/// When the lender's transaction is over, or the connection breaks.
pub async fn share(session: &mut Session, lent: &str) -> Result<(), DbError> {
    let join = format!("{BEGIN}; set transaction snapshot '{lent}'");
    session.execute(&join).await.map(drop)
}

/// Begins a read-only transaction with a view of its own.
///
/// # Errors
/// When the connection breaks.
pub async fn own(session: &mut Session) -> Result<(), DbError> {
    session.execute(BEGIN).await.map(drop)
}
