//! The ends of a chunk's transaction, each in one round trip.

use super::turn::LOCK_EARLY;
use crate::commit::{CommitError, Ledger};
use crate::db::{Action, DbError, ErrorKind, Session, failpoint};
use crate::state::{Claim, State, StateError};

/// Opens the transaction with settings that hold for it alone (through a session pooler a plain SET would
/// stay behind for somebody else), and fences: the run must still be ours. `early`: the chunk's turn has
/// not come, so it gives way to locks soon.
pub(super) async fn begin(
    session: &mut Session,
    ledger: &Ledger,
    early: bool,
) -> Result<(), CommitError> {
    begin_run(session, ledger.state, (ledger.run, ledger.epoch), early).await
}

/// The same for a run and its epoch, whatever it writes.
pub(super) async fn begin_run(
    session: &mut Session,
    state: State,
    (run, epoch): (i64, i64),
    early: bool,
) -> Result<(), CommitError> {
    let begin = if early {
        session.begin_waiting(LOCK_EARLY.min(session.lock_limit()))
    } else {
        session.begin_sql()
    };
    let fence = Claim::fence_sql(state, run, epoch);
    let fenced = session.query(&format!("{begin}; {fence}")).await?;
    if fenced.is_empty() && failpoint("mutant.unfenced") != Action::Fail {
        return Err(StateError::Fenced { run }.into());
    }
    Ok(())
}

/// Commits, with `last` before it: statements on rows that all writers share, so that nobody waits for them
/// longer than a round trip. True when the chunk's ledger line is there, asked for in a new statement behind
/// the COMMIT, because Ok from a driver may mean ROLLBACK.
pub(super) async fn commit(
    session: &mut Session,
    state: State,
    last: &str,
    (run, chunk): (i64, i64),
) -> Result<bool, CommitError> {
    let commit = format!("{last}commit");
    match failpoint("chunk.commit") {
        Action::LoseReplyCommitted => {
            session.execute(&commit).await?;
            Err(lost("test: the reply to COMMIT is lost").into())
        }
        Action::LoseReplyRolledBack => {
            session.execute("rollback").await?;
            Err(lost("test: the reply to COMMIT is lost").into())
        }
        Action::Fail => Err(lost("test: the connection broke").into()),
        Action::Go => {
            let asked = format!("{commit}; {}", state.committed_sql(run, chunk));
            Ok(State::says_committed(&session.query(&asked).await?)?)
        }
    }
}

pub(super) fn lost(why: &str) -> DbError {
    DbError::new(ErrorKind::Lost, "target", why)
}
