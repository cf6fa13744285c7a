//! Runs, and that there is only one at a time.
//!
//! On Postgres the claim is a session advisory lock on a connection of its own: gone with the
//! connection, so there is nothing to wait out after a kill. Every chunk also compares the run's epoch,
//! so that a process which was stopped and woken up again cannot write after it was taken over.

use std::time::Duration;

use crate::db::{Engine, Session};
use crate::state::{State, StateError, number, text};

/// Key of the advisory lock: the letters `runner`.
const LOCK_KEY: i64 = 0x0000_7275_6e6e_6572;
/// How long a second run waits for the first.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// What is recorded of a run when it starts.
#[derive(Clone, Debug, Default)]
pub struct RunRecord {
    /// `run`, `exec`, `retry` …
    pub command: String,
    /// Arguments as JSON, without addresses or secrets.
    pub options: String,
    /// Who, where.
    pub os_user: String,
    /// Host name.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Database user at the source.
    pub source_user: String,
    /// Server version at the source.
    pub source_server: String,
    /// Database user at the target.
    pub target_user: String,
    /// Server version at the target.
    pub target_server: String,
    /// Git revision of the rules folder, if it is in a repository.
    pub rules_revision: String,
    /// Server time and, where allowed, log position before the first write.
    pub restore_point: String,
}

/// The right to write, for as long as this lives.
#[derive(Debug)]
pub struct Claim {
    /// The run's id.
    pub run: i64,
    /// Its epoch: raised by whoever takes over.
    pub epoch: i64,
    lock: Session,
}

impl Claim {
    /// Waits for the lock, closes what a killed run left open, and opens a new run. `lock` is a
    /// connection of the claim's own.
    pub async fn take(
        state: State,
        mut lock: Session,
        record: &RunRecord,
    ) -> Result<Self, StateError> {
        let t = state.table("run");
        wait_for_lock(state, &mut lock, "pg_try_advisory_lock").await?;
        let begin = lock.begin_sql();
        lock.execute(&begin).await?;
        let claimed = Self::insert(state, &mut lock, record, &t).await;
        match claimed {
            Ok((run, epoch)) => {
                lock.execute("commit").await?;
                Ok(Self { run, epoch, lock })
            }
            Err(error) => {
                let _ = lock.execute("rollback").await;
                Err(error)
            }
        }
    }

    async fn insert(
        state: State,
        lock: &mut Session,
        record: &RunRecord,
        t: &str,
    ) -> Result<(i64, i64), StateError> {
        if state.engine() == Engine::Postgres {
            lock.query(&format!(
                "select id from {t} where status = 'running' for update"
            ))
            .await?;
        } else if let Some(busy) = living(state, lock).await? {
            return Err(busy);
        }
        lock.execute(&format!(
            "update {t} set status = 'abandoned', epoch = epoch + 1, finished_at = {} where status = 'running'",
            state.now()
        ))
        .await?;
        let last = lock
            .query(&format!(
                "select coalesce(max(id), 0), coalesce(max(epoch), 0) from {t}"
            ))
            .await?;
        let (run, epoch) = (number(&last, 0, 0)? + 1, number(&last, 0, 1)? + 1);
        let r = record;
        let texts = [
            &r.command,
            &r.options,
            &r.os_user,
            &r.host,
            &r.source_user,
            &r.source_server,
            &r.target_user,
            &r.target_server,
            &r.rules_revision,
            &r.restore_point,
        ];
        let mut literals = Vec::new();
        for value in texts {
            literals.push(state.text(value)?);
        }
        lock.execute(&format!(
            "insert into {t} (id, epoch, status, pid, version, started_at, command, options, os_user, host, source_user, source_server, \
             target_user, target_server, rules_revision, restore_point) values ({run}, {epoch}, 'running', {}, '{}', {}, {})",
            r.pid,
            env!("CARGO_PKG_VERSION"),
            state.now(),
            literals.join(", "),
        ))
        .await?;
        Ok((run, epoch))
    }

    /// SQL that a chunk's transaction runs first; zero rows mean that the run was taken over. It locks
    /// the run against a takeover without making writers wait for one another.
    pub fn fence_sql(state: State, run: i64, epoch: i64) -> String {
        let share = match state.engine() {
            Engine::Postgres => " for key share",
            Engine::Sqlite => "",
        };
        format!(
            "select 1 from {} where id = {run} and epoch = {epoch} and status = 'running'{share}",
            state.table("run")
        )
    }

    /// The run is ending after an error: no answer is waited for long.
    pub fn hurry(&mut self) {
        self.lock.hurry();
    }

    /// Closes the run: `finished`, `failed` or `interrupted`, with its exit code.
    pub async fn finish(mut self, state: State, status: &str, exit: u8) -> Result<(), StateError> {
        let sql = format!(
            "update {} set status = '{status}', exit_code = {exit}, finished_at = {} where id = {} and epoch = {}",
            state.table("run"),
            state.now(),
            self.run,
            self.epoch
        );
        self.lock.write(&sql).await?;
        self.lock.close().await;
        Ok(())
    }
}

/// Begins a transaction beside which no run is active, for changes that are no run: waits for a living run
/// like another run would. The lock goes with the transaction.
///
/// # Errors
/// [`StateError::Busy`] when a run stays active; no transaction is open then.
pub async fn begin_alone(state: State, session: &mut Session) -> Result<(), StateError> {
    let begun = match state.engine() {
        Engine::Postgres => {
            let begin = session.begin_sql();
            session.execute(&begin).await?;
            wait_for_lock(state, session, "pg_try_advisory_xact_lock").await
        }
        Engine::Sqlite => match wait_for_lock(state, session, "").await {
            Ok(()) => {
                session.execute("begin immediate").await?;
                living(state, session)
                    .await
                    .and_then(|busy| busy.map_or(Ok(()), Err))
            }
            Err(error) => return Err(error),
        },
    };
    if begun.is_err() {
        let _ = session.execute("rollback").await;
    }
    begun
}

async fn wait_for_lock(state: State, lock: &mut Session, function: &str) -> Result<(), StateError> {
    let deadline = tokio::time::Instant::now() + LOCK_WAIT;
    loop {
        let free = match state.engine() {
            Engine::Postgres => {
                let rows = lock
                    .query(&format!("select {function}({LOCK_KEY})"))
                    .await?;
                text(&rows, 0, 0)?.as_deref() == Some("t")
            }
            Engine::Sqlite => living(state, lock).await?.is_none(),
        };
        if free {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(holder(state, lock).await?);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn holder(state: State, lock: &mut Session) -> Result<StateError, StateError> {
    let sql = format!(
        "select id, host, pid from {} where status = 'running' order by id desc limit 1",
        state.table("run")
    );
    let rows = lock.query(&sql).await?;
    if rows.is_empty() {
        return Ok(StateError::Busy {
            run: 0,
            host: "another host".into(),
            pid: 0,
        });
    }
    Ok(StateError::Busy {
        run: number(&rows, 0, 0)?,
        host: text(&rows, 0, 1)?.unwrap_or_default(),
        pid: number(&rows, 0, 2)?,
    })
}

/// SQLite has no session locks: a run is alive when its process is, on this host. (On another host
/// it cannot have the file open safely.)
async fn living(state: State, lock: &mut Session) -> Result<Option<StateError>, StateError> {
    let busy = holder(state, lock).await?;
    let StateError::Busy { pid, ref host, .. } = busy else {
        return Ok(None);
    };
    let alive = pid > 0
        && pid != i64::from(std::process::id())
        && *host == crate::state::run::host_name()
        && process_alive(pid);
    Ok(alive.then_some(busy))
}

/// The account on this host that runs the program; empty when it has no name.
pub fn os_user() -> String {
    #[cfg(unix)]
    {
        nix::unistd::User::from_uid(nix::unistd::geteuid())
            .ok()
            .flatten()
            .map(|u| u.name)
            .unwrap_or_default()
    }
    #[cfg(not(unix))]
    {
        String::new()
    }
}

/// This host's name.
pub fn host_name() -> String {
    #[cfg(unix)]
    {
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
            .unwrap_or_default()
    }
    #[cfg(not(unix))]
    {
        String::new()
    }
}

#[cfg(unix)]
fn process_alive(pid: i64) -> bool {
    i32::try_from(pid)
        .is_ok_and(|pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok())
}

#[cfg(not(unix))]
fn process_alive(_pid: i64) -> bool {
    false
}
