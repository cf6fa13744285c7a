//! Claiming the target for a run: namespace, lock, run row, rule texts.

use std::process::Command;
use std::sync::Arc;

use uuid::Uuid;

use super::connections::{self, Sessions};
use super::writers::Writers;
use super::{RunError, World};
use crate::config::Config;
use crate::db::{ErrorKind, Session};
use crate::state::{Claim, RunRecord, State, StateError, host_name, os_user};

pub(super) struct Claimed {
    pub(super) claim: Claim,
    /// A namespace was made up just now.
    pub(super) made: Option<Uuid>,
}

/// The namespace to compute ids with, without writing anything: the stored one, else the
/// environment's, else a fresh one (stored by [`take`]).
pub(super) async fn namespace(
    config: &Config,
    state: State,
    target: &mut Session,
    exists: bool,
) -> Result<Uuid, RunError> {
    let stored = if exists {
        state.stored_namespace(target).await?
    } else {
        None
    };
    match (stored, config.namespace) {
        (Some(stored), Some(given)) if stored != given => {
            Err(crate::state::StateError::Namespace.into())
        }
        (Some(stored), _) => Ok(stored),
        (None, given) => Ok(given.unwrap_or_else(Uuid::new_v4)),
    }
}

/// True when the state is there and may be read. A dry run goes on without it, and says so.
pub(super) async fn readable(
    state: State,
    target: &mut Session,
    dry_run: bool,
    watcher: &dyn super::Watcher,
) -> Result<bool, RunError> {
    if !state.exists(target).await? {
        return Ok(false);
    }
    match state.check_version(target).await {
        Ok(()) => Ok(true),
        Err(StateError::Db(error)) if error.kind == ErrorKind::Permission && dry_run => {
            watcher.event(super::Event::Message(
                "this role may not read the schema `runner`: checkpoints and known ids are not taken into account",
            ));
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes the state if needed and opens a run.
pub(super) async fn take(world: &mut World<'_>) -> Result<Claimed, RunError> {
    let Sessions {
        mut lock,
        account: mut writer,
        spare,
        writers,
        lanes,
    } = Box::pin(connections::open(world)).await?;
    world.writers = Writers::new(world.config.target()?.clone(), writers, spare);
    world.lanes = lanes;
    let state = world.state;
    state.ensure(&mut lock).await.map_err(may_not_write)?;
    let claim = Claim::take(state, lock, &record(world).await).await?;
    // only the holder of the lock may fix the namespace: two first runs must not store two
    let (_, made) = state.namespace(&mut writer, Some(world.namespace)).await?;
    let stored = state.stored_namespace(&mut writer).await?;
    let fresh = !made
        && world.config.namespace.is_none()
        && stored == Some(world.namespace)
        && claim.run == 1;
    world.next_chunk = Arc::new(state.next_chunk(&mut writer).await?.into());
    world.writer = Some(writer);
    world.exists = true;
    world.run = claim.run;
    world.epoch = claim.epoch;
    Ok(Claimed {
        made: fresh.then_some(world.namespace),
        claim,
    })
}

/// A role that may only look cannot run: said as such, before anything else.
fn may_not_write(error: StateError) -> RunError {
    match error {
        StateError::Db(error) if matches!(error.kind, ErrorKind::ReadOnly | ErrorKind::Permission) => {
            crate::diagnostic::Diagnostic::error(format!("a run must write to the target, and this role may not: {}", error.message))
                .hint("connect as a role that may create the schema `runner` and write to the tables of the rules")
                .hint("to look without writing: runner check, runner plan, runner run --dry-run")
                .into()
        }
        other => other.into(),
    }
}

async fn record(world: &mut World<'_>) -> RunRecord {
    let o = world.options;
    RunRecord {
        command: o.command.to_owned(),
        options: serde_json::json!({
            "limit": o.limit, "restart": o.restart, "accept_rule_change": o.accept_rule_change,
            "writers": o.writers, "batch_rows": world.chunk_rows, "row": o.row.is_some(),
        })
        .to_string(),
        os_user: os_user(),
        host: host_name(),
        pid: std::process::id(),
        source_user: world.snapshot.user.clone(),
        source_server: world.snapshot.server.clone(),
        target_user: one(world, "select current_user", "").await,
        target_server: one(world, "show server_version", "select 'SQLite ' || sqlite_version()").await,
        rules_revision: revision(world.config),
        restore_point: one(
            world,
            "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || ' UTC, log position ' || pg_current_wal_lsn()",
            "select strftime('%Y-%m-%d %H:%M:%f', 'now') || ' UTC'",
        )
        .await,
    }
}

/// One text of the target in its own dialect; empty when it will not say.
async fn one(world: &mut World<'_>, postgres: &str, sqlite: &str) -> String {
    let sql = match world.engine() {
        crate::db::Engine::Postgres => postgres,
        crate::db::Engine::Sqlite => sqlite,
    };
    if sql.is_empty() {
        return String::new();
    }
    let Ok(rows) = world.target.query(sql).await else {
        return String::new();
    };
    if rows.is_empty() {
        return String::new();
    }
    rows.cell(0, 0)
        .map(|c| String::from_utf8_lossy(&c).into_owned())
        .unwrap_or_default()
}

/// The rules' git revision, with `+` when they differ from it; empty outside a repository.
fn revision(config: &Config) -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git")
            .arg("-C")
            .arg(&config.rules)
            .args(args)
            .output()
            .ok()?;
        out.status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return String::new();
    };
    let changed = git(&["status", "--porcelain", "--", "."]).is_some_and(|s| !s.is_empty());
    if changed { format!("{head}+") } else { head }
}
