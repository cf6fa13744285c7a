//! The sessions that a run cannot do without, opened before its first write, and as many writers as the target
//! has room for. Limits of the server and of the role can be asked for; a pooler's shows only when it is met.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{Event, RunError, World};
use crate::check;
use crate::config::{Config, DatabaseUrl};
use crate::db::{DbError, Engine, ErrorKind, Role, Session};
use crate::source::Source;

/// How long a session may take to come beside others that are there. A pooler makes those wait that it has no
/// room for.
const LIMIT: Duration = Duration::from_secs(6);
/// How long one is asked for again that was refused for want of room: another client may be leaving.
const AGAIN: Duration = Duration::from_secs(8);
/// More tables at the same time than this are not worth their connections.
const LANES_MAX: usize = 3;
/// Pages of the indexes that the gates look into, where a writer of chunks has 64 MiB.
const SOME_PAGES: &str = "pragma cache_size = -16000";

/// Opened before anything is written.
pub(super) struct Sessions {
    /// Holds the lock.
    pub(super) lock: Session,
    /// Keeps the account.
    pub(super) account: Session,
    /// For the first writers.
    pub(super) spare: Vec<Session>,
    /// Writers that the target has room for.
    pub(super) writers: usize,
    /// Tables that it has room for at the same time.
    pub(super) lanes: usize,
}

/// Opens them; the session that reads is there.
///
/// # Errors
/// Refused when there is no room for one of each; failed when nobody answers, which a network does as well.
pub(super) async fn open(world: &mut World<'_>) -> Result<Sessions, RunError> {
    let url = world.config.target()?;
    let asked = world.options.writers.max(1);
    if world.engine() == Engine::Sqlite {
        return Ok(Sessions {
            lock: keeper(url).await?,
            account: keeper(url).await?,
            spare: vec![],
            writers: asked,
            lanes: 1,
        });
    }
    let free = match room(&mut world.target).await {
        Err(error) if world.target.is_broken() => return Err(error.into()),
        answer => answer.unwrap_or_default(),
    };
    let free = match (free, world.options.connections) {
        (Some(free), Some(most)) => Some(free.min(most)),
        (free, most) => free.or(most),
    };
    let known = match free {
        // two more of the run's own, one for others; of those that were allowed, the one that reads is there
        Some(free) => usize::try_from(free - 3).unwrap_or(0).clamp(1, asked),
        // a server that does not say decides by itself, when the writers connect
        None => asked,
    };
    let mut coming = JoinSet::new();
    for _ in 0..known + 2 {
        coming.spawn(come(url.clone(), Role::TargetWriter));
    }
    let mut spare = Vec::new();
    let mut silent = None;
    while let Some(came) = coming.join_next().await {
        match came.unwrap_or_else(|_| Ok(None)) {
            Ok(Some(session)) => spare.push(session),
            Ok(None) => {}
            // a pooler without room keeps its clients waiting, too; it showed when the first session asked
            Err(error) if error.kind == ErrorKind::Unreachable && !world.target.is_alone() => {
                silent = Some(error);
            }
            Err(error) if error.kind == ErrorKind::Unreachable => {}
            Err(error) => return Err(error.into()),
        }
    }
    let there = spare.len();
    let writers = there.saturating_sub(2);
    let (Some(lock), Some(account), true) = (spare.pop(), spare.pop(), writers > 0) else {
        return Err(silent.map_or_else(|| no_room(there), RunError::from));
    };
    if writers < asked {
        world.watcher.event(Event::Message(&format!(
            "there is no room for more connections to the target: {writers} instead of {asked} writers"
        )));
    }
    // a pooler that let in fewer than the server has room for has no room for more
    let lanes = if there < known + 2 {
        1
    } else {
        lanes(world, free, writers).await?
    };
    Ok(Sessions {
        lock,
        account,
        spare,
        writers,
        lanes,
    })
}

/// How many tables at the same time both servers have room for; `free` connections of the target were left before
/// `writers` of them were taken.
async fn lanes(
    world: &mut World<'_>,
    free: Option<i64>,
    writers: usize,
) -> Result<usize, RunError> {
    let at_most = writers.min(LANES_MAX);
    if at_most < 2 || world.snapshot.lent.is_none() {
        return Ok(1);
    }
    // each table beside the first reads the target by one more session and keeps its account by another
    let beside = free.map_or(LANES_MAX, |free| {
        let left = usize::try_from(free - 3).unwrap_or(0);
        left.saturating_sub(writers) / 2
    });
    // and reads the source by one more; the last one is left to others
    let session = world.source.session();
    let free = session.attempt(async |source| room(source).await).await?;
    let sources = free
        .unwrap_or_default()
        .map_or(LANES_MAX, |free| usize::try_from(free - 1).unwrap_or(0));
    Ok((1 + beside.min(sources)).min(at_most))
}

/// What a table has for itself beside another one: the source under the same snapshot, a session of the target
/// that reads and one that keeps the account. `None` when there is no room for them.
pub(super) async fn beside(config: &Config, lent: &str) -> Option<(Source, Session, Session)> {
    let (from, to) = (config.source().ok()?, config.target().ok()?);
    let source = tokio::time::timeout(LIMIT, Source::beside(from, lent));
    let reader = come(to.clone(), Role::TargetReader);
    let account = come(to.clone(), Role::TargetWriter);
    let (source, reader, account) = tokio::join!(source, reader, account);
    // whatever the reason, the tables are taken one after the other then
    Some((source.ok()?.ok()?, reader.ok()??, account.ok()??))
}

/// A session into SQLite that keeps books and counts: it reads whole tables once, so it holds some of their pages.
async fn keeper(url: &DatabaseUrl) -> Result<Session, DbError> {
    let mut session = Session::open(url, Role::TargetWriter).await?;
    session.execute(SOME_PAGES).await?;
    Ok(session)
}

fn no_room(there: usize) -> RunError {
    RunError::Refused(vec![check::no_room(there as i64 + 1)])
}

/// A session, or none when there is no room for it.
async fn come(url: DatabaseUrl, role: Role) -> Result<Option<Session>, DbError> {
    let began = tokio::time::Instant::now();
    loop {
        match tokio::time::timeout(LIMIT, Session::open(&url, role)).await {
            Ok(Ok(session)) => return Ok(Some(session)),
            Ok(Err(error)) if error.kind == ErrorKind::Transient && began.elapsed() < AGAIN => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Ok(Err(error)) if error.kind == ErrorKind::Transient => return Ok(None),
            Ok(Err(error)) => return Err(error),
            Err(_) => return Ok(None),
        }
    }
}

/// Connections that the server, the database and the role have left; `None` when they do not say.
async fn room(session: &mut Session) -> Result<Option<i64>, DbError> {
    let sql = "select least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
               - (select sum(numbackends) from pg_stat_database), \
               case when r.rolconnlimit >= 0 and not r.rolsuper then r.rolconnlimit - \
               (select count(*) from pg_stat_activity where usename = current_user) end, \
               case when d.datconnlimit >= 0 and not r.rolsuper then d.datconnlimit - \
               (select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend') end) \
               from pg_roles r, pg_database d where r.rolname = current_user and d.datname = current_database()";
    let rows = session.query(sql).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let free = rows.text(0, 0).and_then(Result::ok);
    Ok(free.and_then(|free| free.parse().ok()))
}
