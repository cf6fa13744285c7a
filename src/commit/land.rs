//! Landing a chunk: begin and fence, rows, state, commit, and the marker read back.

use std::time::Duration;

use super::adopt::{Adopted, adopt};
use crate::commit::{Batch, CommitError, Fate, Fates, Ledger};
use crate::config::DatabaseUrl;
use crate::db::{Action, DbError, Engine, ErrorKind, Role, Session, failpoint, literal};
use crate::row::{OutRow, Reject, Stage};
use crate::state::{ChunkRecord, Claim, CodeCounts, Counts, Refused, State, StateError};
use crate::target::{Piece, guilty, insert, update_sql};
use sha2::{Digest, Sha256};

/// How long a chunk is tried again after errors that may pass (a restart, a full pool, a deadlock).
const RETRY_FOR: Duration = Duration::from_secs(300);
/// First pause between tries; doubles up to ten seconds, with jitter.
const RETRY_FIRST: Duration = Duration::from_millis(100);
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
}

/// A connection that commits chunks, one at a time.
#[derive(Debug)]
pub struct Writer {
    url: DatabaseUrl,
    session: Option<Session>,
    state: State,
    rehearsal: bool,
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

    /// Commits a chunk as chunk `id`. Rows that the target refuses end in quarantine; everything else
    /// of the chunk lands, or the whole is tried again until it is known to have landed.
    pub async fn land(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
    ) -> Result<Landed, CommitError> {
        if self.rehearsal {
            return self.rehearse(ledger, batch).await;
        }
        let mut refused: Vec<(usize, Reject)> = Vec::new();
        let mut careful = !ledger.prior.untouched;
        let (mut attempts, mut rounds) = (0, 0);
        let deadline = tokio::time::Instant::now() + RETRY_FOR;
        let mut pause = RETRY_FIRST;
        loop {
            match self.attempt(ledger, batch, id, careful, &refused).await {
                Ok(landed) => return Ok(Landed { attempts, ..landed }),
                Err(CommitError::Db(error)) => match error.kind {
                    ErrorKind::Row if rounds < ROUNDS_MAX => {
                        self.rollback().await;
                        rounds += 1;
                        let (mut found, tried) = self.find_guilty(ledger, batch, &refused).await?;
                        attempts += tried;
                        if found.is_empty() && careful {
                            return Err(error.into());
                        }
                        careful = true;
                        refused.append(&mut found);
                    }
                    kind if may_pass(kind) && tokio::time::Instant::now() < deadline => {
                        self.session = None;
                        tokio::time::sleep(pause + jitter(pause)).await;
                        pause = (pause * 2).min(Duration::from_secs(10));
                        if self.landed_after_all(id, deadline).await? {
                            let state = self.state;
                            let (counts, codes) = state.chunk(self.session().await?, id).await?;
                            return Ok(Landed {
                                counts,
                                codes,
                                attempts,
                                ids: vec![],
                            });
                        }
                    }
                    _ => {
                        self.rollback().await;
                        return Err(error.into());
                    }
                },
                Err(other) => {
                    self.rollback().await;
                    return Err(other);
                }
            }
        }
    }

    /// What would become of the chunk; refusals by the database cannot be seen.
    async fn rehearse(&mut self, ledger: &Ledger, batch: &Batch) -> Result<Landed, CommitError> {
        let fates = if ledger.prior.untouched {
            Fates::fresh(batch)
        } else {
            adopt(self.session().await?, ledger, batch).await?.fates
        };
        let (counts, codes, manifest) = fates.settle(batch, &ledger.rule.header.reconcile)?;
        let ids = manifest
            .entries
            .into_iter()
            .filter_map(|e| Some((e.key, *e.ids.first()?)));
        Ok(Landed {
            counts,
            codes,
            attempts: 0,
            ids: ids.collect(),
        })
    }

    async fn attempt(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        id: i64,
        careful: bool,
        refused: &[(usize, Reject)],
    ) -> Result<Landed, CommitError> {
        let state = self.state;
        point("chunk.begin")?;
        let session = self.session().await?;
        begin(session).await?;
        let fence = session
            .query(&Claim::fence_sql(state, ledger.run, ledger.epoch))
            .await?;
        if fence.is_empty() {
            return Err(StateError::Fenced { run: ledger.run }.into());
        }
        point("chunk.fenced")?;
        let Adopted {
            mut fates,
            stale,
            before,
        } = if careful {
            adopt(session, ledger, batch).await?
        } else {
            Adopted {
                fates: Fates::fresh(batch),
                stale: vec![],
                before: vec![],
            }
        };
        reject(&mut fates, refused);
        let (counts, codes, manifest) = fates.settle(batch, &ledger.rule.header.reconcile)?;
        write_rows(session, ledger, &fates).await?;
        point("chunk.rows")?;
        let mut sql = String::new();
        if state.engine() == Engine::Postgres {
            sql.push_str("set constraints all immediate;");
        }
        let record = ChunkRecord {
            id,
            segment: ledger.segment,
            run: ledger.run,
            epoch: ledger.epoch,
            rule: ledger.rule.name.clone(),
            pass: ledger.pass,
            kind: ledger.kind,
            accounted: ledger.accounted,
            span: batch.span.clone(),
            counts,
            codes: codes.clone(),
            hash: hex(&Sha256::digest(manifest.pack())),
            micros: batch.begun.elapsed().as_micros() as i64,
        };
        sql.push_str(&record.sql(state, &manifest)?);
        sql.push_str(&quarantine(state, ledger, batch, &fates, id)?);
        for (target_id, image) in &before {
            sql.push_str(&format!(
                ";insert into {} (run_id, chunk_id, rule, target, target_id, image) values ({}, {id}, {}, {}, '{target_id}', {})",
                state.table("before_image"),
                ledger.run,
                literal(state.engine(), &ledger.rule.name)?,
                literal(state.engine(), &ledger.to.table.name.to_string())?,
                literal(state.engine(), image)?,
            ));
        }
        if !stale.is_empty() {
            let detail = serde_json::json!({ "keys": stale, "count": stale.len() });
            sql.push(';');
            sql.push_str(&state.finding_sql(
                ledger.run,
                &ledger.rule.name,
                "run",
                "stale_mapping",
                "warning",
                &detail,
            )?);
        }
        session.execute(&sql).await?;
        point("chunk.state")?;
        point("chunk.before_commit")?;
        commit(session).await?;
        point("chunk.after_commit")?;
        if !state.committed(session, id).await? {
            return Err(lost("the server rolled the chunk back instead of committing it").into());
        }
        point("chunk.marker")?;
        for (row, fate) in fates.0.iter().enumerate() {
            if let Fate::Write { update, same, .. } = fate {
                for target_id in update.iter().map(|u| u.0).chain(same.iter().copied()) {
                    ledger.prior.give(target_id, &batch.keys[row].to_string());
                }
            }
        }
        Ok(Landed {
            counts,
            codes,
            attempts: 0,
            ids: vec![],
        })
    }

    /// Which source rows does the target refuse?
    async fn find_guilty(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        refused: &[(usize, Reject)],
    ) -> Result<(Vec<(usize, Reject)>, u64), CommitError> {
        let session = self.session().await?;
        begin(session).await?;
        let mut adopted = adopt(session, ledger, batch).await?;
        reject(&mut adopted.fates, refused);
        let mut updates = Vec::new();
        let mut pieces = Vec::new();
        for (row, fate) in adopted.fates.0.iter().enumerate() {
            if let Fate::Write { insert, update, .. } = fate {
                if !insert.is_empty() {
                    pieces.push(Piece {
                        row,
                        rows: insert.iter().collect(),
                    });
                }
                if !update.is_empty() {
                    updates.push((row, update));
                }
            }
        }
        let mut found = Vec::new();
        let mut attempts = 0;
        for (row, update) in updates {
            session.execute("savepoint change").await?;
            for (id, cells) in update {
                attempts += 1;
                let cells: Vec<(u16, Option<&[u8]>)> =
                    cells.iter().map(|(c, v)| (*c, v.as_deref())).collect();
                match session.execute(&update_sql(&ledger.to, *id, &cells)?).await {
                    Ok(_) => {}
                    Err(error) if error.kind == ErrorKind::Row => {
                        session.execute("rollback to savepoint change").await?;
                        found.push((row, refusal(ledger, &error)));
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let (guilty, tried) = guilty(session, &ledger.to, &pieces).await?;
        found.extend(
            guilty
                .iter()
                .map(|(row, error)| (*row, refusal(ledger, error))),
        );
        session.execute("rollback").await?;
        Ok((found, attempts + tried))
    }

    async fn landed_after_all(
        &mut self,
        id: i64,
        deadline: tokio::time::Instant,
    ) -> Result<bool, CommitError> {
        let state = self.state;
        let mut pause = RETRY_FIRST;
        loop {
            let asked = match self.session().await {
                Ok(session) => state.committed(session, id).await,
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

    async fn session(&mut self) -> Result<&mut Session, DbError> {
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

    async fn rollback(&mut self) {
        if let Some(session) = &mut self.session
            && session.execute("rollback").await.is_err()
        {
            self.session = None;
        }
    }
}

/// Opens the transaction with settings that hold for it alone: through a session pooler a plain SET
/// would stay behind for somebody else.
async fn begin(session: &mut Session) -> Result<(), DbError> {
    let sql = match session.engine() {
        Engine::Postgres => {
            "begin; set local synchronous_commit = on; set local statement_timeout = '10min'; set local lock_timeout = '60s'; \
             set local idle_in_transaction_session_timeout = '10min'; set local jit = off"
        }
        Engine::Sqlite => "begin immediate",
    };
    session.execute(sql).await.map(drop)
}

async fn commit(session: &mut Session) -> Result<(), DbError> {
    match failpoint("chunk.commit") {
        Action::LoseReplyCommitted => {
            session.execute("commit").await?;
            Err(lost("test: the reply to COMMIT is lost"))
        }
        Action::LoseReplyRolledBack => {
            session.execute("rollback").await?;
            Err(lost("test: the reply to COMMIT is lost"))
        }
        Action::Fail => Err(lost("test: the connection broke")),
        Action::Go => session.execute("commit").await.map(drop),
    }
}

async fn write_rows(session: &mut Session, ledger: &Ledger, fates: &Fates) -> Result<(), DbError> {
    let mut rows: Vec<&OutRow> = Vec::new();
    let mut updates = Vec::new();
    for fate in &fates.0 {
        if let Fate::Write { insert, update, .. } = fate {
            rows.extend(insert);
            for (id, cells) in update {
                let cells: Vec<(u16, Option<&[u8]>)> =
                    cells.iter().map(|(c, v)| (*c, v.as_deref())).collect();
                updates.push(update_sql(&ledger.to, *id, &cells)?);
            }
        }
    }
    if !rows.is_empty() {
        insert(session, &ledger.to, &rows).await?;
    }
    for updates in updates.chunks(500) {
        session.execute(&updates.join(";")).await?;
    }
    Ok(())
}

fn reject(fates: &mut Fates, refused: &[(usize, Reject)]) {
    for (row, why) in refused {
        fates.0[*row] = Fate::Reject(Box::new(why.clone()));
    }
}

/// The server's refusal as a verdict. A unique constraint means that an earlier key holds the place.
fn refusal(ledger: &Ledger, error: &DbError) -> Reject {
    let state = error.sqlstate.as_deref().unwrap_or_default();
    let constraint = error.constraint.clone().unwrap_or_default();
    let column = error
        .column
        .as_ref()
        .map(|c| format!(", column {c}"))
        .unwrap_or_default();
    let (code, why) = match state {
        "23505" => (
            "duplicate_of",
            format!("another row already holds the unique value of {constraint}"),
        ),
        "23503" => (
            "foreign_key",
            format!("the row that {constraint} refers to is not in the target"),
        ),
        "23502" => (
            "not_null",
            format!("{} does not take NULL{column}", ledger.to.table.name),
        ),
        "23514" => ("check", format!("check constraint {constraint} refuses it")),
        _ => (
            "refused",
            format!("the target refuses it: {}", error.message),
        ),
    };
    let mut reject = Reject::new(Stage::Database, code, why);
    reject.sqlstate.clone_from(&error.sqlstate);
    reject.constraint.clone_from(&error.constraint);
    reject
}

fn quarantine(
    state: State,
    ledger: &Ledger,
    batch: &Batch,
    fates: &Fates,
    chunk: i64,
) -> Result<String, StateError> {
    let mut rows = Vec::new();
    let mut fine = Vec::new();
    for (row, fate) in fates.0.iter().enumerate() {
        let key = batch.keys[row].to_string();
        if let Fate::Reject(reject) = fate {
            rows.push(Refused {
                key,
                reject: (**reject).clone(),
                data: ledger.masker.row(&batch.rows, row),
                input_hash: hex(&batch.inputs[row]),
            });
        } else if ledger.prior.quarantined(&key) {
            fine.push(key);
        }
    }
    let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
    let status = if ledger.accounted { "open" } else { "trial" };
    state.quarantine_sql(
        &ledger.rule.name,
        ledger.run,
        chunk,
        &ledger.rule.fingerprints.transform,
        status,
        &rows,
        &fine,
    )
}

fn point(name: &str) -> Result<(), DbError> {
    match failpoint(name) {
        Action::Go => Ok(()),
        _ => Err(lost("test: the connection broke")),
    }
}

/// Errors after which the same chunk may well land. Wrong passwords and missing rights never pass.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transient | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Unreachable
    )
}

fn lost(why: &str) -> DbError {
    DbError::new(ErrorKind::Lost, "target", why)
}

/// Up to half of the pause, so that writers do not come back all at once.
fn jitter(pause: Duration) -> Duration {
    pause.mul_f64(f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 512.0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
