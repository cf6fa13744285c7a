//! Does a session keep its connection? A transaction pooler gives it another one for each transaction: locks
//! and snapshots are lost, and settings reach other people's sessions. No port and no name tells, so two
//! sessions are asked which server process answers them.
//!
//! Such a pooler hands out the process that became free last, or the one that has been free longest. In the
//! first case two sessions are answered by the same process, in the second one session by several. Nothing
//! but reading is done, and no setting is made before: on a pooler it would stay behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use crate::config::DatabaseUrl;

/// How often the first session is asked by itself.
const QUESTIONS: usize = 4;

/// How long the second session may take to come; without it, what the first one said counts.
const SECOND: Duration = Duration::from_secs(3);

/// Sessions of this address share their connections.
#[derive(Debug)]
pub(super) struct Shared {
    /// The address to take instead, where it can be told.
    pub(super) instead: Option<String>,
}

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the address leads to a transaction pooler")
    }
}

impl std::error::Error for Shared {}

/// What two sessions of an address told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Each has a connection of its own.
    Wide,
    /// There was no room for a second one.
    Narrow,
    /// They share connections.
    Shared,
}

/// Addresses that were asked, by their redacted URL.
fn asked() -> MutexGuard<'static, BTreeMap<String, Door>> {
    static ASKED: Mutex<BTreeMap<String, Door>> = Mutex::new(BTreeMap::new());
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// True when the address had no room for a second session beside the first.
pub(super) fn is_narrow(place: &str) -> bool {
    asked().get(place) == Some(&Door::Narrow)
}

/// Refuses an address whose sessions share connections. Asked once per address and process. `took` is how
/// long the first session took to come.
pub(super) async fn refuse(
    first: &mut PgConnection,
    took: Duration,
    options: &PgConnectOptions,
    url: &DatabaseUrl,
) -> Result<(), sqlx::Error> {
    let name = url.to_string();
    if asked().contains_key(&name) {
        return Ok(());
    }
    let door = look(first, took, options).await?;
    if door == Door::Shared {
        let shared = Shared {
            instead: url.session_pooler(),
        };
        return Err(sqlx::Error::Configuration(Box::new(shared)));
    }
    asked().insert(name, door);
    Ok(())
}

async fn look(
    first: &mut PgConnection,
    took: Duration,
    options: &PgConnectOptions,
) -> Result<Door, sqlx::Error> {
    let mut own = BTreeSet::new();
    for _ in 0..QUESTIONS {
        own.insert(backend(first).await?);
    }
    if own.len() > 1 {
        return Ok(Door::Shared);
    }
    // no room for a second session is no proof; whoever needs one will be told then
    // (a pooler may greet it and let its first question wait)
    let come = async {
        let mut second = options.connect().await?;
        let answered = backend(&mut second).await?;
        Ok((second, answered))
    };
    let (mut second, answered) = match tokio::time::timeout(SECOND, come).await {
        Ok(Ok(second)) => second,
        Ok(Err(sqlx::Error::Database(_))) => return Ok(Door::Narrow),
        // in a queue, unless everything is as slow here
        Err(_) if took * 4 < SECOND => return Ok(Door::Narrow),
        Ok(Err(_)) | Err(_) => return Ok(Door::Wide),
    };
    let mut is_shared = own.contains(&answered);
    if !is_shared {
        // while the second holds a process, the first must still be answered by its own, and the other
        // way round
        sqlx::raw_sql("begin").execute(&mut second).await?;
        is_shared =
            own.contains(&backend(&mut second).await?) || !own.contains(&backend(first).await?);
        sqlx::raw_sql("rollback").execute(&mut second).await?;
    }
    second.close().await.ok();
    Ok(if is_shared { Door::Shared } else { Door::Wide })
}

/// The server process that answers, as text.
async fn backend(connection: &mut PgConnection) -> Result<Vec<u8>, sqlx::Error> {
    let row = sqlx::raw_sql("select pg_backend_pid()")
        .fetch_one(connection)
        .await?;
    let cell = row.try_get_raw(0)?;
    Ok(cell.as_bytes().map_err(sqlx::Error::Decode)?.to_vec())
}
