//! Taking a run back: what it did, and what of that was taken back already.
//!
//! Undo adds a line of kind `undo` per chunk, with the chunk's counts negated and the chunk's id in `lo`. A
//! chunk with more rows than one transaction takes has lines of kind `undoing` before it, which count nothing:
//! they say how far it has come. The segment's snapshot names the run: `run 7`.

use uuid::Uuid;

use crate::db::Session;
use crate::row::{Key, Rows};
use crate::state::{CodeCounts, Counts, Manifest, Span, State, StateError, Stated, number, text};

/// A run that is over, or was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastRun {
    /// Its id.
    pub id: i64,
    /// `run`, `retry`, `undo` …
    pub command: String,
}

/// What a run did to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The rule.
    pub rule: String,
    /// Its table.
    pub target: String,
    /// The pass it belongs to.
    pub pass: i64,
    /// It counts in the table's account.
    pub accounted: bool,
    /// Its segments' kinds.
    pub kinds: Vec<String>,
    /// Fingerprints of the rule then.
    pub transform_fp: String,
    /// See `transform_fp`.
    pub gate_fp: String,
    /// The run that took it back.
    pub undone_by: Option<i64>,
}

/// A line of the ledger that is to be taken back.
#[derive(Clone, Debug)]
pub struct UndoLine {
    /// Its chunk.
    pub chunk: i64,
    /// The segment that it belongs to.
    pub segment: i64,
    /// The pass that it belongs to.
    pub pass: i64,
    /// It took rows out that nothing derived any more.
    pub withdrawn: bool,
    /// Its place; `lo` and `hi` are left out.
    pub no: i64,
    /// Whether it counts.
    pub accounted: bool,
    /// What it says.
    pub counts: Counts,
    /// What it says by code.
    pub codes: CodeCounts,
    /// So many of its rows were taken back already.
    pub from: usize,
}

impl UndoLine {
    /// The span of a line that takes this one back.
    pub fn span(&self) -> Span {
        Span {
            no: self.no,
            lo: Some(Key(vec![self.chunk.to_string()])),
            hi: None,
        }
    }
}

impl State {
    /// The run of this id.
    pub async fn past_run(
        self,
        session: &mut Session,
        run: i64,
    ) -> Result<Option<PastRun>, StateError> {
        let sql = format!("select command from {} where id = {run}", self.table("run"));
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(PastRun {
            id: run,
            command: text(&rows, 0, 0)?.unwrap_or_default(),
        }))
    }

    /// What a run did, by table, the last one first: so children come before their parents.
    pub async fn parts(self, session: &mut Session, run: i64) -> Result<Vec<Part>, StateError> {
        let segment = self.table("segment");
        let sql = format!(
            "select s.rule, s.target, s.pass, s.accounted, s.kind, s.transform_fp, s.gate_fp, (select max(undo.run_id) from {segment} undo \
             where undo.kind = 'undo' and undo.complete = 1 and undo.rule = s.rule and undo.snapshot = 'run {run}') \
             from {segment} s where s.run_id = {run} order by s.id desc"
        );
        let rows = session.query(&sql).await?;
        let mut parts: Vec<Part> = Vec::new();
        for row in 0..rows.len() {
            let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
            let (rule, kind) = (get(0)?, get(4)?);
            if let Some(part) = parts.iter_mut().find(|part| part.rule == rule) {
                part.kinds.push(kind);
                continue;
            }
            parts.push(Part {
                rule,
                target: get(1)?,
                pass: number(&rows, row, 2)?,
                accounted: number(&rows, row, 3)? == 1,
                kinds: vec![kind],
                transform_fp: get(5)?,
                gate_fp: get(6)?,
                undone_by: text(&rows, row, 7)?.and_then(|run| run.parse().ok()),
            });
        }
        Ok(parts)
    }

    /// A run after `run` that worked on this table and stands, with its rule.
    pub async fn later_run(
        self,
        session: &mut Session,
        run: i64,
        target: &str,
    ) -> Result<Option<(i64, String)>, StateError> {
        let sql = format!(
            "select s.run_id, s.rule from {} s where s.run_id > {run} and s.target = {} and s.kind <> 'undo' and not {} \
             order by s.run_id desc limit 1",
            self.table("segment"),
            self.text(target)?,
            self.taken_back("s")
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some((
            number(&rows, 0, 0)?,
            text(&rows, 0, 1)?.unwrap_or_default(),
        )))
    }

    /// The run that an unfinished undo of this rule takes back.
    pub async fn open_undo(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<Option<i64>, StateError> {
        let rows = session.query(&self.open_undo_sql(rule)?).await?;
        open_undo(&rows)
    }

    /// Selects the label of an unfinished undo of this rule.
    pub(super) fn open_undo_sql(self, rule: &str) -> Result<String, StateError> {
        let (segment, rule) = (self.table("segment"), self.text(rule)?);
        Ok(format!(
            "select snapshot from {segment} where kind = 'undo' and complete = 0 and id = (select max(id) from {segment} where rule = {rule})"
        ))
    }

    /// The lines of a run that still stand, the last one first.
    pub async fn undo_lines(
        self,
        session: &mut Session,
        run: i64,
        rule: &str,
    ) -> Result<Vec<UndoLine>, StateError> {
        let chunk = self.table("chunk");
        let sql = format!(
            "select c.id, c.no, c.accounted, c.base, c.filtered, c.read, c.inserted, c.updated, c.unchanged, c.skipped, c.rejected, \
             c.target_rows, c.kept, c.codes, (select max(length(u.hi)) from {chunk} u where u.rule = c.rule and u.pass = c.pass \
             and u.no = c.no and u.kind = 'undoing' and u.lo = '[\"' || c.id || '\"]'), c.pass, c.kind, c.segment_id from {chunk} c where c.run_id = {run} \
             and c.rule = {} and {} order by c.id desc",
            self.text(rule)?,
            self.standing_chunk("c")
        );
        let rows = session.query(&sql).await?;
        let mut lines = Vec::new();
        for row in 0..rows.len() {
            let get = |column| number(&rows, row, column);
            let codes = text(&rows, row, 13)?.unwrap_or_default();
            let mut line = UndoLine {
                chunk: get(0)?,
                segment: get(17)?,
                pass: get(15)?,
                withdrawn: text(&rows, row, 16)?.as_deref() == Some("withdrawn"),
                no: get(1)?,
                accounted: get(2)? == 1,
                counts: Counts {
                    base: get(3)?,
                    filtered: get(4)?,
                    read: get(5)?,
                    inserted: get(6)?,
                    updated: get(7)?,
                    unchanged: get(8)?,
                    skipped: get(9)?,
                    rejected: get(10)?,
                    target_rows: get(11)?,
                    kept: get(12)?,
                },
                codes: serde_json::from_str(&codes)
                    .map_err(|_| StateError::Damaged("a chunk's codes do not read back".into()))?,
                from: 0,
            };
            if get(14)? > 0 {
                line.from = self.come_to(session, rule, line.chunk).await?;
            }
            lines.push(line);
        }
        Ok(lines)
    }

    /// How many rows of a chunk were taken back by transactions before its last one.
    async fn come_to(
        self,
        session: &mut Session,
        rule: &str,
        chunk: i64,
    ) -> Result<usize, StateError> {
        let sql = format!(
            "select hi from {} where rule = {} and kind = 'undoing' and lo = '[\"{chunk}\"]'",
            self.table("chunk"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        let mut most = 0;
        for row in 0..rows.len() {
            let hi: Vec<String> = serde_json::from_str(&text(&rows, row, 0)?.unwrap_or_default())
                .map_err(|_| {
                StateError::Damaged("a line of an undo does not read back".into())
            })?;
            most = hi
                .first()
                .and_then(|n| n.parse().ok())
                .map_or(most, |n: usize| n.max(most));
        }
        Ok(most)
    }

    /// A chunk's manifest.
    pub async fn manifest(self, session: &mut Session, chunk: i64) -> Result<Manifest, StateError> {
        let packed = match self.engine() {
            crate::db::Engine::Postgres => "encode(packed, 'hex')",
            crate::db::Engine::Sqlite => "hex(packed)",
        };
        let sql = format!(
            "select {packed}, c.hash from {} m join {} c on c.id = m.chunk_id where chunk_id = {chunk}",
            self.table("manifest"),
            self.table("chunk")
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Err(StateError::Damaged(format!(
                "chunk {chunk} has no manifest"
            )));
        }
        let get = |column| text(&rows, 0, column).map(Option::unwrap_or_default);
        Manifest::checked(&get(0)?, &get(1)?, chunk)
    }

    /// The rows that came along with a chunk's: what it stated of other tables than its own.
    pub async fn stated_by(
        self,
        session: &mut Session,
        rule: &str,
        chunk: i64,
    ) -> Result<Vec<Stated>, StateError> {
        let sql = format!(
            "select entity, key, id from {} where rule = {} and chunk_id = {chunk} order by key, entity",
            self.table("stated"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        (0..rows.len())
            .map(|row| {
                let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
                let id = get(2)?.parse();
                Ok(Stated {
                    entity: get(0)?,
                    key: get(1)?,
                    id: id.map_err(|_| StateError::Damaged("a stated id is no uuid".into()))?,
                })
            })
            .collect()
    }

    /// The tables that a run stated ids of, besides the rules' own.
    pub async fn stated_tables(
        self,
        session: &mut Session,
        run: i64,
        rule: &str,
    ) -> Result<Vec<String>, StateError> {
        let sql = format!(
            "select distinct s.entity from {} s join {} c on c.id = s.chunk_id where c.run_id = {run} and s.rule = {} order by 1",
            self.table("stated"),
            self.table("chunk"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        (0..rows.len())
            .map(|row| text(&rows, row, 0).map(Option::unwrap_or_default))
            .collect()
    }

    /// Rows of a table as they were before this chunk changed them, columns as texts.
    pub async fn images_of(
        self,
        session: &mut Session,
        chunk: i64,
        target: &str,
    ) -> Result<Vec<(Uuid, serde_json::Value)>, StateError> {
        let sql = format!(
            "select target_id, image from {} where chunk_id = {chunk} and target = {} order by target_id",
            self.table("before_image"),
            self.text(target)?
        );
        let rows = session.query(&sql).await?;
        let damaged = || StateError::Damaged("a before-image does not read back".into());
        let mut images = Vec::new();
        for row in 0..rows.len() {
            let id = text(&rows, row, 0)?.and_then(|id| id.parse().ok());
            let image = text(&rows, row, 1)?.and_then(|image| serde_json::from_str(&image).ok());
            images.push(id.zip(image).ok_or_else(damaged)?);
        }
        Ok(images)
    }

    /// The transactions that wrote rows of this table for us, as `xmin` shows them, those of earlier undos
    /// included; `None` when the ledger cannot prove it (SQLite, or restored from a dump).
    pub async fn wrote_to(
        self,
        session: &mut Session,
        target: &str,
    ) -> Result<Option<super::Writers>, StateError> {
        if self.engine() == crate::db::Engine::Sqlite {
            return Ok(None);
        }
        let sql = format!(
            "select distinct rule from {} where target = {}",
            self.table("segment"),
            self.text(target)?
        );
        let rules = session.query(&sql).await?;
        let mut all = super::Writers::default();
        for row in 0..rules.len() {
            let rule = text(&rules, row, 0)?.unwrap_or_default();
            all.join(self.writers(session, &rule).await?);
        }
        Ok(Some(all))
    }
}

/// The run that the label of [`State::open_undo_sql`] names.
pub(super) fn open_undo(rows: &Rows) -> Result<Option<i64>, StateError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let snapshot = text(rows, 0, 0)?.unwrap_or_default();
    Ok(snapshot
        .strip_prefix("run ")
        .and_then(|run| run.parse().ok()))
}
