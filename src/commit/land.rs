//! Landing a chunk: tried until it is known to have landed, or known not to.

use std::time::Duration;

use super::again::Decided;
use super::attempt::{Change, Trial};
use super::transaction::lost;
use super::withdraw::Leaving;
use crate::commit::{Batch, CommitError, Ledger, Turn};
use crate::config::DatabaseUrl;
use crate::db::{DbError, ErrorKind, Role, Session};
use crate::row::Reject;
use crate::state::{CodeCounts, Counts, Span, State, StateError};

/// A chunk is tried again after errors that may pass (a restart, a full pool, a deadlock) for this part of the
/// time that a statement may take: 5 of 10 minutes, from the first such error on.
const RETRY_PART: u32 = 2;
/// First pause between tries; doubles up to ten seconds, with jitter.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(100);
/// How often a chunk is cut down: a refusal that survives this many rounds is not a row's.
const ROUNDS_MAX: usize = 8;

/// What a chunk came to.
#[derive(Clone, Debug)]
pub struct Landed {
    /// Source rows by outcome.
    pub counts: Counts,
    /// Per verdict and code.
    pub codes: CodeCounts,
    /// Statements spent on finding refused rows.
    pub attempts: u64,
    /// In a rehearsal: the ids that would have been written, by key.
    pub ids: Vec<(String, uuid::Uuid)>,
    /// In the rehearsal of a retry: what would become of each row.
    pub decided: Vec<Decided>,
}

/// A connection that commits chunks, one at a time.
#[derive(Debug)]
pub struct Writer {
    url: DatabaseUrl,
    pub(super) session: Option<Session>,
    pub(super) state: State,
    pub(super) rehearsal: bool,
}

impl Writer {
    /// A writer that does everything but write, over a read-only connection: for dry runs.
    pub fn rehearsal(url: DatabaseUrl) -> Self {
        Self {
            rehearsal: true,
            ..Self::new(url)
        }
    }

    /// A writer that connects when it is first needed.
    pub fn new(url: DatabaseUrl) -> Self {
        let state = State::new(url.engine());
        Self {
            url,
            session: None,
            state,
            rehearsal: false,
        }
    }

    /// The same over a session that is open already.
    #[must_use]
    pub fn over(self, session: Option<Session>) -> Self {
        Self { session, ..self }
    }

    /// Commits a chunk as chunk `id`. Rows that the target refuses end in quarantine; everything else
    /// of the chunk lands, or the whole is tried again until it is known to have landed.
    pub async fn land(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
    ) -> Result<Landed, CommitError> {
        self.land_in_turn(ledger, batch, id, &Turn::free()).await
    }

    /// As [`Self::land`], beside other chunks of the same table that land in turn.
    pub async fn land_in_turn(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
        turn: &Turn,
    ) -> Result<Landed, CommitError> {
        if self.rehearsal {
            return self.rehearse(ledger, batch).await;
        }
        self.persist(ledger, batch, id, None, turn).await
    }

    /// Commits the end of a table that refers to itself: `change` gives rows their parents and takes back
    /// the batch's rows, all of them rejected.
    pub async fn settle(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
        change: &str,
    ) -> Result<(), CommitError> {
        let change = Some(Change::Later(change));
        self.persist(ledger, batch, id, change, &Turn::free())
            .await
            .map(drop)
    }

    /// Commits the removal of rows that nothing derives any more, as far as they may go.
    pub async fn withdraw(
        &mut self,
        ledger: &Ledger,
        rows: &[Leaving],
        id: i64,
    ) -> Result<(), CommitError> {
        let nothing = Batch::adjustment(Span::none(), 0);
        let change = Some(Change::Withdraw(rows));
        self.persist(ledger, &nothing, id, change, &Turn::free())
            .await
            .map(drop)
    }

    async fn persist(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
        change: Option<Change<'_>>,
        turn: &Turn,
    ) -> Result<Landed, CommitError> {
        #[cfg(feature = "failpoints")]
        let id = super::mutant::number(id);
        let mut refused: Vec<(usize, Reject)> = Vec::new();
        let mut careful = !ledger.prior.untouched || !ledger.prior.stated.is_empty();
        let (mut attempts, mut rounds) = (0, 0);
        let mut deadline = None;
        let mut pause = RETRY_FIRST;
        loop {
            let trial = Trial {
                id,
                careful,
                refused: &refused,
                change,
                turn,
            };
            let early = !turn.has_come();
            let tried = self.attempt(ledger, batch, &trial).await;
            if let Ok(Some(landed)) = tried {
                return Ok(Landed { attempts, ..landed });
            }
            let before_its_turn = !turn.has_come();
            if before_its_turn {
                // nothing was committed, and whatever stopped it may be an earlier chunk's doing
                self.rollback().await;
                turn.come().await?;
                deadline = None;
            }
            let error = match tried {
                Ok(_) => {
                    self.rollback().await;
                    continue;
                }
                Err(CommitError::Db(error))
                    if error.kind == ErrorKind::Row && rounds < ROUNDS_MAX =>
                {
                    rounds += 1;
                    match self.refusals(ledger, batch, id, &refused, turn).await {
                        // a try that was given up for lost had landed after all
                        Ok(None) => return self.as_recorded(id, attempts).await,
                        // an early refusal may have gone with the row that it met
                        Ok(Some((found, _))) if found.is_empty() && careful && !early => {
                            return Err(error.into());
                        }
                        Ok(Some((mut found, tried))) => {
                            attempts += tried;
                            careful = true;
                            refused.append(&mut found);
                            continue;
                        }
                        Err(CommitError::Db(error)) => error,
                        Err(other) => return Err(other),
                    }
                }
                Err(CommitError::Db(_)) if before_its_turn => continue,
                Err(CommitError::Db(error)) => error,
                Err(other) => {
                    self.rollback().await;
                    return Err(other);
                }
            };
            let deadline = *deadline.get_or_insert_with(|| self.deadline());
            if !may_pass(error.kind) || tokio::time::Instant::now() >= deadline {
                self.rollback().await;
                return Err(error.into());
            }
            self.session = None;
            tokio::time::sleep(pause + jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(10));
            if self.landed_after_all((ledger.run, id), deadline).await? {
                return self.as_recorded(id, attempts).await;
            }
        }
    }

    /// Until when it is tried again after an error that came now.
    pub(super) fn deadline(&self) -> tokio::time::Instant {
        tokio::time::Instant::now() + self.url.patience() / RETRY_PART
    }

    /// The rows that the target refuses; `None` when the chunk is there already.
    async fn refusals(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
        refused: &[(usize, Reject)],
        turn: &Turn,
    ) -> Result<Option<(Vec<(usize, Reject)>, u64)>, CommitError> {
        self.rollback().await;
        let state = self.state;
        if state
            .committed(self.session().await?, ledger.run, id)
            .await?
        {
            return Ok(None);
        }
        self.find_guilty(ledger, batch, refused, turn)
            .await
            .map(Some)
    }

    /// What a chunk came to, as the ledger says.
    async fn as_recorded(&mut self, id: i64, attempts: u64) -> Result<Landed, CommitError> {
        let state = self.state;
        let (counts, codes) = state.chunk(self.session().await?, id).await?;
        Ok(Landed {
            counts,
            codes,
            attempts,
            ids: vec![],
            decided: vec![],
        })
    }

    pub(super) async fn landed_after_all(
        &mut self,
        (run, id): (i64, i64),
        deadline: tokio::time::Instant,
    ) -> Result<bool, CommitError> {
        let state = self.state;
        let mut pause = RETRY_FIRST;
        loop {
            let asked = match self.session().await {
                Ok(session) => state.committed(session, run, id).await,
                Err(error) => Err(error.into()),
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(StateError::Db(error))
                    if may_pass(error.kind) && tokio::time::Instant::now() < deadline =>
                {
                    self.session = None;
                    tokio::time::sleep(pause + jitter(pause)).await;
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) async fn session(&mut self) -> Result<&mut Session, DbError> {
        if self.session.is_none() {
            let role = if self.rehearsal {
                Role::TargetReader
            } else {
                Role::TargetWriter
            };
            self.session = Some(Session::open(&self.url, role).await?);
        }
        self.session
            .as_mut()
            .ok_or_else(|| lost("the connection is gone"))
    }

    pub(super) async fn rollback(&mut self) {
        if let Some(session) = &mut self.session
            && session.execute("rollback").await.is_err()
        {
            self.session = None;
        }
    }
}

/// Errors after which the same chunk may well land. Wrong passwords and missing rights never pass.
pub(super) fn may_pass(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transient | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Unreachable
    )
}

/// Up to half of the pause, so that writers do not come back all at once.
pub(super) fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 512.0)
}
