//! A chunk taken back, in one transaction like the one that wrote it: rows it inserted go, rows it changed get
//! their before-images, its quarantine and mappings go with them, and a signed line says so in the ledger.
//!
//! Rows that a sync took out come back, profiles and accounts that a chunk made for its rows go after them.
//!
//! What somebody edited since, or refers to, stays and is named. Nothing is left to ON DELETE: the rows are
//! locked against new references first, then everybody who may refer to them is asked.

mod image;
mod made;
mod sort;

pub use made::MadeTable;
pub use sort::{Kept, Would};

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::land::{RETRY_FIRST, jitter, may_pass};
use super::transaction::{begin_run, commit, lost};
use crate::catalog::ForeignKey;
use crate::commit::{CommitError, Writer};
use crate::db::{DbError, Engine, ErrorKind, Session, TableName, hex, literal, point};
use crate::row::Key;
use crate::state::{ChunkRecord, CodeCounts, Counts, Entry, Manifest, Outcome, State, UndoLine};
use crate::target::Destination;
use image::restore;
use sort::{Sorted, sort};

/// What all transactions of an undo of one table have in common.
#[derive(Debug)]
pub struct Undoing {
    /// Where state lives.
    pub state: State,
    /// The undo, its epoch and its segment; zero in a rehearsal.
    pub run: i64,
    /// See `run`.
    pub epoch: i64,
    /// See `run`.
    pub segment: i64,
    /// The run that is taken back.
    pub undone: i64,
    /// Whose rows.
    pub rule: String,
    /// As the state names the table.
    pub target: String,
    /// The table.
    pub to: Destination,
    /// Who may refer to its rows.
    pub referrers: Vec<(TableName, ForeignKey)>,
    /// The old scripts' table of ids, when it has the known shape: its quoted name.
    pub mappings: Option<String>,
    /// Other tables that the run made rows in, in the order in which those go.
    pub made: Vec<MadeTable>,
    /// What ids were computed with.
    pub namespace: Uuid,
}

/// Some rows of a chunk, in key order.
#[derive(Debug)]
pub struct Portion<'a> {
    /// The line that is taken back.
    pub line: &'a UndoLine,
    /// What the chunk did to these rows.
    pub entries: Vec<Entry>,
    /// Where these rows end among the chunk's.
    pub to: usize,
    /// No rows of the chunk are left after these.
    pub last: bool,
}

/// What became of rows.
#[derive(Clone, Debug, Default)]
pub struct TakenBack {
    /// Rows that are no longer there.
    pub removed: HashSet<Uuid>,
    /// Rows as they were before.
    pub restored: HashSet<Uuid>,
    /// Rows that were taken out and are there again.
    pub returned: HashSet<Uuid>,
    /// Profiles and rows of accounts that are no longer there.
    pub people: u64,
    /// Rows that somebody else had taken out already.
    pub gone: u64,
    /// Rows that stay.
    pub kept: Vec<Kept>,
}

impl TakenBack {
    /// Another transaction's as well.
    pub fn add(&mut self, other: Self) {
        // changed twice by the run, or changed and then taken out: it is one row all the same
        self.restored.extend(other.restored);
        self.restored.retain(|id| !other.removed.contains(id));
        self.removed.extend(other.removed);
        self.returned.extend(other.returned);
        self.people += other.people;
        self.gone += other.gone;
        for kept in other.kept {
            let same = |row: &Kept| row.id == kept.id && row.table == kept.table;
            if !self.kept.iter().any(same) {
                self.kept.push(kept);
            }
        }
    }
}

impl Writer {
    /// Takes portions back, the newest chunk first, as chunks `first`, `first + 1` …; tried until it is known to
    /// have landed, or known not to.
    pub async fn take_back(
        &mut self,
        what: &Undoing,
        portions: &[Portion<'_>],
        first: i64,
        would: &mut Would,
    ) -> Result<TakenBack, CommitError> {
        if self.rehearsal {
            let session = self.session().await?;
            let mut told = sort(session, what, portions, Some(would)).await?.told();
            let people = made::sort(session, what, portions, Some(would)).await?;
            people.tell(&mut told);
            return Ok(told);
        }
        let last = first + portions.len() as i64 - 1;
        let mut deadline = None;
        let mut pause = RETRY_FIRST;
        let mut careful = false;
        loop {
            let mut done = None;
            let error = match self.back(what, portions, first, careful, &mut done).await {
                Ok(()) => return Ok(done.unwrap_or_default()),
                Err(CommitError::Db(error)) if error.kind == ErrorKind::Row && !careful => {
                    // somebody has taken the place of a row, or a parent is gone: which ones?
                    self.rollback().await;
                    careful = true;
                    continue;
                }
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
            pause = (pause * 2).min(std::time::Duration::from_secs(10));
            if self.landed_after_all((what.run, last), deadline).await?
                && let Some(done) = done
            {
                return Ok(done);
            }
        }
    }

    async fn back(
        &mut self,
        what: &Undoing,
        portions: &[Portion<'_>],
        first: i64,
        careful: bool,
        done: &mut Option<TakenBack>,
    ) -> Result<(), CommitError> {
        let state = self.state;
        point("chunk.begin")?;
        let session = self.session().await?;
        begin_run(session, state, (what.run, what.epoch), false).await?;
        if state.engine() == Engine::Postgres {
            // a change of triggers must not meet checks that wait for the end
            session.execute("set constraints all immediate").await?;
        }
        point("chunk.fenced")?;
        let mut sorted = sort(session, what, portions, None).await?;
        point("undo.sorted")?;
        remove(session, &what.to, &sorted.remove).await?;
        point("undo.removed")?;
        restore(session, &what.to, &mut sorted, careful).await?;
        let people = made::sort(session, what, portions, None).await?;
        for (table, ids) in &people.remove {
            remove(session, table, ids).await?;
        }
        point("chunk.rows")?;
        let mut sql = String::new();
        for (at, portion) in portions.iter().enumerate() {
            sql.push_str(&line(what, portion, &sorted, first + at as i64)?);
        }
        sql.push_str(&people.mappings(what, portions)?);
        let mut told = sorted.told();
        people.tell(&mut told);
        if !told.kept.is_empty() {
            let detail = serde_json::json!({ "run": what.undone, "kept": told.kept });
            sql.push_str(
                &state.finding_sql(what.run, &what.rule, "undo", "kept", "warning", &detail)?,
            );
            sql.push(';');
        }
        session.execute(&sql).await?;
        point("chunk.state")?;
        *done = Some(told);
        point("chunk.before_commit")?;
        let last = first + portions.len() as i64 - 1;
        let committed = commit(session, state, "", (what.run, last)).await?;
        point("chunk.after_commit")?;
        if !committed {
            return Err(lost("the server rolled the chunk back instead of committing it").into());
        }
        point("chunk.marker")?;
        Ok(())
    }
}

/// The ledger line of a portion, and what goes with it: all counts when the chunk is through, none before.
fn line(
    what: &Undoing,
    portion: &Portion<'_>,
    sorted: &Sorted,
    id: i64,
) -> Result<String, CommitError> {
    let (state, of) = (what.state, portion.line);
    let manifest = Manifest {
        entries: portion.entries.iter().map(|e| sorted.entry(e)).collect(),
    };
    let mut span = of.span();
    span.hi = Some(Key(vec![portion.to.to_string()]));
    let (counts, codes) = if portion.last {
        (of.counts.negated(), of.codes.clone().negated())
    } else {
        (Counts::default(), CodeCounts::default())
    };
    let record = ChunkRecord {
        id,
        segment: what.segment,
        run: what.run,
        epoch: what.epoch,
        rule: what.rule.clone(),
        pass: of.pass,
        kind: if portion.last { "undo" } else { "undoing" },
        accounted: of.accounted,
        span,
        counts,
        codes,
        hash: hex(&Sha256::digest(manifest.pack())),
        micros: 0,
    };
    let mut sql = record.sql(state, &manifest)?;
    sql.push(';');
    if portion.last {
        let rule = literal(state.engine(), &what.rule)?;
        sql.push_str(&state.give_back_quarantine_sql(what.undone, of.chunk, &what.rule)?);
        for table in ["later", "stated"] {
            sql.push_str(&format!(
                "delete from {} where rule = {rule} and chunk_id = {};",
                state.table(table),
                of.chunk
            ));
        }
    }
    sql.push_str(&mappings(what, portion, sorted)?);
    Ok(sql)
}

/// The old scripts' mappings of rows that are gone, or that were there before.
fn mappings(what: &Undoing, portion: &Portion<'_>, sorted: &Sorted) -> Result<String, CommitError> {
    let Some(table) = &what.mappings else {
        return Ok(String::new());
    };
    let returned = sorted.returned();
    let ours = |entry: &&Entry| {
        if portion.line.withdrawn {
            returned.contains(entry.key.as_str())
        } else {
            entry.verdict == 0 && !sorted.keeps_new(entry)
        }
    };
    let keys: Vec<&str> = portion
        .entries
        .iter()
        .filter(ours)
        .map(|entry| entry.key.as_str())
        .filter(|key| key.parse::<i32>().is_ok())
        .collect();
    if keys.is_empty() {
        return Ok(String::new());
    }
    let entity = literal(what.to.engine, &what.to.table.name.name)?;
    Ok(what.state.give_back_mappings_sql(
        what.undone,
        portion.line.chunk,
        &what.rule,
        table,
        &entity,
        &keys.join(","),
    )?)
}

/// Deletes what nobody edited or refers to; as many rows as are there, or none.
async fn remove(session: &mut Session, to: &Destination, rows: &[Uuid]) -> Result<(), DbError> {
    // rows that refer to one another have to go in one statement
    let at_once = if to.own_parent.is_some() {
        rows.len().max(1)
    } else {
        sort::IDS_PER_QUERY
    };
    for ids in rows.chunks(at_once) {
        let sql = format!(
            "delete from {} where {} in ({})",
            to.sql(),
            to.id_column(),
            sort::list(ids)
        );
        let deleted = session.execute(&sql).await?;
        if deleted != ids.len() as u64 {
            return Err(DbError::new(
                ErrorKind::Other,
                session.role().side(),
                format!(
                    "{deleted} of {} rows could be deleted from {}; nothing was changed",
                    ids.len(),
                    to.table.name
                ),
            )
            .with_hint(
                "a trigger or a policy keeps rows: `runner check` names triggers; undo as the table's owner",
            ));
        }
    }
    Ok(())
}

/// Ids of an entry that its chunk inserted: those that it found there have a before-image.
pub(super) fn inserted(entry: &Entry) -> &[Uuid] {
    if entry.outcome == Outcome::Inserted {
        &entry.ids
    } else {
        &[]
    }
}
