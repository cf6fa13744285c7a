//! One try at landing a chunk: begin and fence, rows, state, commit, and the marker read back.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::adopt::{Adopted, adopt};
use super::again::{decided, moved};
use super::before::marked;
use super::defer::defer;
use super::land::Landed;
use super::people;
use super::statements::{images, mappings, quarantine, refusal, stands_no_longer};
use super::transaction::{begin, commit, lost};
use super::withdraw::{Leaving, withdraw};
use crate::commit::{Batch, Changes, CommitError, Fate, Fates, Ledger, Turn, Writer};
use crate::db::{DbError, Engine, ErrorKind, Session, hex, point};
use crate::row::{OutRow, Reject};
use crate::state::{ChunkRecord, CodeCounts, Counts};
use crate::target::{Piece, guilty, insert, update_sql};

/// A change of rows that are there, in place of a chunk's own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    /// Statements that give rows their parents; the batch's rows are taken back.
    Later(&'a str),
    /// Rows that nothing derives any more are removed.
    Withdraw(&'a [Leaving]),
}

impl Change<'_> {
    /// The kind of its ledger line.
    fn word(self) -> &'static str {
        match self {
            Self::Later(_) => "later",
            Self::Withdraw(_) => "withdrawn",
        }
    }
}

/// What a try is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial<'a> {
    /// The chunk's id.
    pub(super) id: i64,
    /// Look at the target before sending.
    pub(super) careful: bool,
    /// Rows that the database refused before.
    pub(super) refused: &'a [(usize, Reject)],
    /// What is done in place of writing rows.
    pub(super) change: Option<Change<'a>>,
    /// When it may commit.
    pub(super) turn: &'a Turn,
}

impl Writer {
    /// What would become of the chunk; refusals by the database cannot be seen.
    pub(super) async fn rehearse(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
    ) -> Result<Landed, CommitError> {
        let fates = if ledger.prior.untouched && ledger.prior.stated.is_empty() {
            Fates::fresh(batch)
        } else {
            adopt(self.session().await?, ledger, batch).await?.fates
        };
        let (counts, codes, manifest) = fates.settle(batch, &ledger.rule.header.reconcile)?;
        let (counts, codes) = moved(ledger, batch, counts, codes);
        // the first id of a key last: it is the one that children would find
        let ids = manifest.entries.into_iter().flat_map(|entry| {
            let key = entry.key;
            let ids = entry.ids.into_iter().rev();
            ids.map(move |id| (key.clone(), id)).collect::<Vec<_>>()
        });
        Ok(Landed {
            counts,
            codes,
            attempts: 0,
            ids: ids.collect(),
            decided: decided(ledger, batch, &fates),
        })
    }

    /// `None`: it has to give way to an earlier chunk, and go again in its turn.
    pub(super) async fn attempt(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        trial: &Trial<'_>,
    ) -> Result<Option<Landed>, CommitError> {
        let Trial {
            id,
            careful,
            refused,
            change,
            turn,
        } = *trial;
        let state = self.state;
        let early = !turn.has_come();
        point("chunk.begin")?;
        let session = self.session().await?;
        turn.at_work(session);
        begin(session, ledger, early).await?;
        point("chunk.fenced")?;
        let Adopted {
            mut fates,
            stale,
            mut before,
        } = if careful && change.is_none() {
            adopt(session, ledger, batch).await?
        } else {
            Adopted {
                fates: Fates::fresh(batch),
                stale: vec![],
                before: vec![],
            }
        };
        if early && fates.meet_the_target(batch) {
            // an earlier chunk may be about to take the same row
            return Ok(None);
        }
        point("chunk.adopted")?;
        reject(&mut fates, refused);
        let later = defer(&mut fates, ledger, batch);
        let (mut counts, mut codes, mut manifest) =
            fates.settle(batch, &ledger.rule.header.reconcile)?;
        if state.engine() == Engine::Sqlite {
            marked(&mut manifest, ledger, batch);
        }
        let mut left = String::new();
        match change {
            None => {
                people::write(session, ledger, batch, &fates).await?;
                write_rows(session, ledger, &fates).await?;
                (counts, codes) = moved(ledger, batch, counts, codes);
            }
            Some(Change::Later(change)) => {
                session.execute(change).await?;
                (counts, codes) = taken_back(&counts, codes);
            }
            Some(Change::Withdraw(rows)) => {
                let gone = withdraw(session, ledger, rows, id).await?;
                before = gone.images;
                manifest = gone.manifest;
                left = gone.state;
            }
        }
        #[cfg(feature = "failpoints")]
        super::mutant::statement(session).await?;
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
            kind: change.map_or(ledger.kind, Change::word),
            accounted: ledger.accounted,
            span: batch.span.clone(),
            counts,
            codes: codes.clone(),
            hash: hex(&Sha256::digest(manifest.pack())),
            micros: batch.begun.elapsed().as_micros() as i64,
        };
        sql.push_str(&record.sql(state, &manifest)?);
        sql.push_str(&quarantine(state, ledger, batch, &fates, id)?);
        sql.push_str(&images(ledger, id, &before)?);
        sql.push_str(&state.later_sql(&ledger.rule.name, id, &later)?);
        sql.push_str(&state.stated_sql(&ledger.rule.name, id, &ledger.prior.stated)?);
        sql.push_str(&people::kept(ledger, batch, &fates, id)?);
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
        sql.push_str(&stands_no_longer(ledger, &fates, id)?);
        sql.push_str(&left);
        sql.push_str(&mappings(ledger, batch, &fates, id, &stale)?);
        session.execute(&sql).await?;
        point("chunk.state")?;
        if !turn.hold(session).await? {
            return Ok(None);
        }
        point("chunk.before_commit")?;
        let last = match &ledger.control {
            Some(line) if ledger.accounted => line.advance_sql(counts.read),
            _ => String::new(),
        };
        let committed = commit(session, state, &last, (ledger.run, id)).await?;
        point("chunk.after_commit")?;
        if !committed {
            return Err(lost("the server rolled the chunk back instead of committing it").into());
        }
        point("chunk.marker")?;
        for (row, fate) in fates.0.iter().enumerate() {
            if let Fate::Write {
                insert,
                update,
                same,
                ..
            } = fate
            {
                let new = insert
                    .iter()
                    .map(|out| out.id)
                    .filter(|_| ledger.to.unguarded);
                let there = update.iter().map(|u| u.0).chain(same.iter().copied());
                for target_id in new.chain(there) {
                    ledger.prior.give(target_id, &batch.keys[row].to_string());
                }
            }
        }
        Ok(Some(Landed {
            counts,
            codes,
            attempts: 0,
            ids: vec![],
            decided: vec![],
        }))
    }

    /// Which source rows does the target refuse?
    pub(super) async fn find_guilty(
        &mut self,
        ledger: &Ledger,
        batch: &Batch,
        refused: &[(usize, Reject)],
        turn: &Turn,
    ) -> Result<(Vec<(usize, Reject)>, u64), CommitError> {
        point("chunk.guilty")?;
        let session = self.session().await?;
        turn.at_work(session);
        begin(session, ledger, false).await?;
        let mut adopted = adopt(session, ledger, batch).await?;
        reject(&mut adopted.fates, refused);
        defer(&mut adopted.fates, ledger, batch);
        let mut found = people::guilty(session, ledger, batch, &adopted.fates).await?;
        reject(&mut adopted.fates, &found);
        let mut updates = Vec::new();
        let mut pieces = Vec::new();
        for (row, insert, update) in in_turn(ledger, &adopted.fates) {
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
}

/// Changes go first, in the order in which [`Writer::find_guilty`] tries them: a new row may take the value that
/// one of them gives up. In a table that refers to itself a changed row may rather refer to a new one.
async fn write_rows(
    session: &mut Session,
    ledger: &Ledger,
    fates: &Fates<'_>,
) -> Result<(), DbError> {
    let mut updates = Vec::new();
    for (_, _, update) in in_turn(ledger, fates) {
        for (id, cells) in update {
            let cells: Vec<(u16, Option<&[u8]>)> =
                cells.iter().map(|(c, v)| (*c, v.as_deref())).collect();
            updates.push(update_sql(&ledger.to, *id, &cells)?);
        }
    }
    let rows = fates.0.iter().flat_map(|fate| match fate {
        Fate::Write { insert, .. } => insert.iter(),
        _ => [].iter(),
    });
    let rows: Vec<&OutRow> = rows.collect();
    #[cfg(feature = "failpoints")]
    let mutants = super::mutant::rows(&ledger.to, &rows);
    #[cfg(feature = "failpoints")]
    let rows: Vec<&OutRow> = mutants.iter().collect();
    let new_first = ledger.to.own_parent.is_some();
    if new_first && !rows.is_empty() {
        insert(session, &ledger.to, &rows).await?;
    }
    for updates in updates.chunks(500) {
        session.execute(&updates.join(";")).await?;
    }
    if !new_first && !rows.is_empty() {
        insert(session, &ledger.to, &rows).await?;
    }
    Ok(())
}

/// A source row's place in its chunk, the rows to insert and those to change.
type Written<'f> = (usize, &'f [OutRow], &'f [(Uuid, Changes)]);

/// The rows that are written, in the order in which changes are made.
fn in_turn<'f>(ledger: &Ledger, fates: &'f Fates<'_>) -> Vec<Written<'f>> {
    let written = fates.0.iter().enumerate();
    let mut written: Vec<_> = written
        .filter_map(|(row, fate)| match fate {
            Fate::Write { insert, update, .. } => Some((row, &insert[..], &update[..])),
            _ => None,
        })
        .collect();
    if ledger.prior.backwards {
        written.reverse();
    }
    written
}

/// Rows that were inserted and are rejected now: signed lines, so that the account stays balanced.
fn taken_back(counts: &Counts, mut codes: CodeCounts) -> (Counts, CodeCounts) {
    let rows = counts.rejected;
    for sums in codes.sums.values_mut() {
        sums.written = sums.rejected.map(|sum| -sum);
    }
    let counts = Counts {
        inserted: -rows,
        rejected: rows,
        target_rows: -rows,
        ..Counts::default()
    };
    (counts, codes)
}

fn reject(fates: &mut Fates<'_>, refused: &[(usize, Reject)]) {
    for (row, why) in refused {
        fates.0[*row] = Fate::Reject(Box::new(why.clone()));
    }
}
