//! The servers: room, free connections, limits of time, standbys and read-only mode.

use super::Load;
use crate::db::{DbError, Engine, Role, Session};
use crate::diagnostic::{Diagnostic, Severity};
use crate::row::Rows;

/// Sessions that a run opens at the target: lock, reader, state, four writers. Another table at the same time takes
/// two more, of those that are left.
const TARGET_SESSIONS: i64 = 7;
/// And those that it cannot do without.
const TARGET_NEEDED: i64 = 4;
/// And at the source: one for each of three tables at the same time.
const SOURCE_SESSIONS: i64 = 3;

const MIB: u64 = 1024 * 1024;

/// Above this a project on Supabase's free plan becomes read-only.
const FREE_PLAN: u64 = 500 * MIB;

/// A load that grows a database by more than half again as much as it holds can outrun a growing disk.
const LARGE_LOAD: u64 = 1024 * MIB;

fn cell(rows: &Rows, column: usize) -> Option<String> {
    if rows.is_empty() {
        return None;
    }
    rows.text(0, column)?.ok().map(std::borrow::Cow::into_owned)
}

fn number(rows: &Rows, column: usize) -> i64 {
    cell(rows, column).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// What is in the way of any run, whatever the rules.
pub(super) async fn hazards(
    source: &mut Session,
    target: &mut Session,
) -> Result<Vec<Diagnostic>, DbError> {
    let mut findings = Vec::new();
    if source.engine() == Engine::Postgres {
        findings.extend(connections(source, SOURCE_SESSIONS).await?);
        findings.extend(limits(source).await?);
        findings.extend(standby_source(source).await?);
    }
    if target.engine() == Engine::Postgres {
        findings.extend(connections(target, TARGET_SESSIONS).await?);
        findings.extend(limits(target).await?);
        findings.extend(read_only(target).await?);
    }
    Ok(findings)
}

/// Connections that are left, for the server, this database and this role; whichever is fewest.
async fn connections(session: &mut Session, needed: i64) -> Result<Option<Diagnostic>, DbError> {
    let rows = session
        .query(
            "select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
               - (select count(*) from pg_stat_activity where backend_type = 'client backend'), \
             (select case when rolconnlimit < 0 then null else rolconnlimit \
                - (select count(*) from pg_stat_activity where usename = current_user) end from pg_roles where rolname = current_user), \
             (select case when datconnlimit < 0 then null else datconnlimit \
                - (select count(*) from pg_stat_activity where datname = current_database()) end \
                from pg_database where datname = current_database())",
        )
        .await?;
    let left: Vec<i64> = (0..3)
        .filter_map(|column| cell(&rows, column)?.parse().ok())
        .collect();
    // the session that asks is one of those that a run needs
    let mut free = left.into_iter().min().unwrap_or(i64::MAX).saturating_add(1);
    if session.is_alone() {
        free = free.min(1);
    }
    if session.role() == Role::TargetReader && free < TARGET_NEEDED {
        return Ok(Some(no_room(free)));
    }
    Ok((free < needed).then(|| {
        Diagnostic::new(
            Severity::Warning,
            format!(
                "the {} has {} free connections left, a run opens {needed}",
                session.role().side(),
                free.max(0)
            ),
        )
        .hint("close other clients, or run with --writers 1")
    }))
}

/// Why a run cannot begin where so few sessions at a time are let in.
pub fn no_room(room: i64) -> Diagnostic {
    Diagnostic::error(format!(
        "a run needs {TARGET_NEEDED} connections to the target at a time (one reads, one holds the lock, one keeps the account, one writes), and there is room for {}",
        room.max(0)
    ))
    .hint("raise the limit (of the role: alter role … connection limit; of the pool: its size in the dashboard's Database settings), close other clients, or take the database's own address instead of a pooler's")
}

/// Limits of time that this session asked to lift and that stay.
async fn limits(session: &mut Session) -> Result<Vec<Diagnostic>, DbError> {
    let rows = session
        .query(
            "select name, setting::bigint from pg_settings where unit = 'ms' and setting::bigint > 0 \
             and ((name = 'statement_timeout' and setting::bigint < 300000) \
               or name in ('transaction_timeout', 'idle_session_timeout')) order by 1",
        )
        .await?;
    Ok((0..rows.len())
        .filter_map(|row| {
            let text = |column| rows.text(row, column).and_then(Result::ok);
            let (name, value) = (text(0)?, text(1)?);
            Some(
                Diagnostic::new(
                    Severity::Hazard,
                    format!(
                        "{name} of the {} stays at {value} ms, whatever a session asks for",
                        session.role().side()
                    ),
                )
                .hint("a pooler or proxy sets it; connect to the database directly"),
            )
        })
        .collect())
}

async fn standby_source(source: &mut Session) -> Result<Option<Diagnostic>, DbError> {
    let rows = source
        .query("select pg_is_in_recovery(), current_setting('hot_standby_feedback'), current_setting('max_standby_streaming_delay')")
        .await?;
    let (standby, feedback) = (cell(&rows, 0), cell(&rows, 1));
    let delay = cell(&rows, 2).unwrap_or_default();
    if standby.as_deref() != Some("t") || feedback.as_deref() == Some("on") || delay == "-1" {
        return Ok(None);
    }
    Ok(Some(
        Diagnostic::new(
            Severity::Hazard,
            format!("the source is a standby and cancels reads that hold it up for {delay}"),
        )
        .hint("set hot_standby_feedback = on there for the migration, or read from the primary"),
    ))
}

async fn read_only(target: &mut Session) -> Result<Option<Diagnostic>, DbError> {
    let rows = target
        .query("select pg_is_in_recovery(), (select reset_val from pg_settings where name = 'default_transaction_read_only')")
        .await?;
    if cell(&rows, 0).as_deref() == Some("t") {
        return Ok(Some(
            Diagnostic::error("the target is a standby and takes no writes")
                .hint("connect to the primary"),
        ));
    }
    if cell(&rows, 1).as_deref() != Some("on") {
        return Ok(None);
    }
    Ok(Some(
        Diagnostic::new(
            Severity::Warning,
            "the target is read-only for this role: a run will be refused",
        )
        .hint("Supabase switches a project to read-only when its disk or its plan's size is used up: make room or raise the disk in the dashboard, then go on"),
    ))
}

/// How much the rows will take, as the target stores them with their indexes and its log, and whether
/// that fits as far as anybody outside the server can tell.
pub(super) async fn room(
    read: u64,
    row_bytes: u64,
    target: &mut Session,
    free_disk: Option<u64>,
) -> Result<(Load, Option<Diagnostic>), DbError> {
    let load = Load {
        rows: read,
        bytes: read.saturating_mul(row_bytes).saturating_mul(5) / 2,
    };
    if target.engine() == Engine::Sqlite {
        let finding = free_disk.filter(|free| *free < load.bytes).map(|free| {
            Diagnostic::new(
                Severity::Hazard,
                format!(
                    "about {} will be written and the disk has {} left",
                    size(load.bytes),
                    size(free)
                ),
            )
            .hint("make room, or put the target on another disk")
        });
        return Ok((load, finding));
    }
    let rows = target
        .query("select pg_database_size(current_database()), exists (select from pg_roles where rolname = 'supabase_admin')")
        .await?;
    let holds = u64::try_from(number(&rows, 0)).unwrap_or(0);
    let is_supabase = cell(&rows, 1).as_deref() == Some("t");
    let finding = is_supabase
        .then(|| supabase_room(holds, load.bytes))
        .flatten()
        .map(|message| {
            Diagnostic::new(Severity::Hazard, message).hint(
                "raise the disk (or the plan) in the dashboard before the load: a project that runs out becomes read-only",
            )
        });
    Ok((load, finding))
}

fn supabase_room(holds: u64, needs: u64) -> Option<String> {
    let after = holds.saturating_add(needs);
    if holds < FREE_PLAN && after > FREE_PLAN {
        return Some(format!(
            "the database holds {} and about {} will be added: a project on the free plan becomes read-only above {}",
            size(holds),
            size(needs),
            size(FREE_PLAN)
        ));
    }
    (needs > LARGE_LOAD && needs / 3 * 2 > holds).then(|| {
        format!(
            "about {} will be added to a database of {}: more than 1.5 times its size at once outruns a disk that grows by itself",
            size(needs),
            size(holds)
        )
    })
}

/// `412 MiB`, `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes.div_ceil(1024)),
        MIB..=0x3fff_ffff => format!("{} MiB", bytes / MIB),
        _ => format!(
            "{}.{} GiB",
            bytes / (1024 * MIB),
            bytes % (1024 * MIB) * 10 / (1024 * MIB)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_judged_by_what_a_project_has_and_gets() {
        assert_eq!(supabase_room(100 * MIB, 50 * MIB), None);
        assert_eq!(
            supabase_room(400 * MIB, 200 * MIB).as_deref(),
            Some(
                "the database holds 400 MiB and about 200 MiB will be added: a project on the free plan becomes read-only above 500 MiB"
            )
        );
        assert_eq!(supabase_room(3000 * MIB, 4000 * MIB), None);
        assert_eq!(
            supabase_room(600 * MIB, 3000 * MIB).as_deref(),
            Some(
                "about 2.9 GiB will be added to a database of 600 MiB: more than 1.5 times its size at once outruns a disk that grows by itself"
            )
        );
    }

    #[test]
    fn sizes_are_readable() {
        assert_eq!(
            [0, 1, 5 * MIB, 1536 * MIB].map(size),
            ["0 KiB", "1 KiB", "5 MiB", "1.5 GiB"]
        );
    }
}
