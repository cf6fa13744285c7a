//! Ledger and checkpoint in one: what each chunk read, and what became of it.

use crate::db::{Engine, Session, bytes_literal};
use crate::row::{Key, Rows};
use crate::state::account::CodeCounts;
use crate::state::{Manifest, State, StateError, number, text};

/// The key range of a chunk: `lo` exclusive (`None` = from the start), `hi` inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Position among the chunks of the pass.
    pub no: i64,
    /// Exclusive. In a chunk of a script, which is no range, the checkpoint's name.
    pub lo: Option<Key>,
    /// Inclusive; `None` for chunks that are no range (sweep, trial). In a chunk of a script the
    /// checkpoint's value.
    pub hi: Option<Key>,
}

impl Span {
    /// Of a line that is no range.
    pub fn none() -> Self {
        Self {
            no: 0,
            lo: None,
            hi: None,
        }
    }
}

/// Source rows by what became of them. `base = filtered + read` and
/// `read = inserted + updated + unchanged + skipped + rejected`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Base rows in the range, counted by the source.
    pub base: i64,
    /// Of those, rows that fail the rule's `where`.
    pub filtered: i64,
    /// Rows the rule judged.
    pub read: i64,
    /// New in the target.
    pub inserted: i64,
    /// Changed in the target.
    pub updated: i64,
    /// Already as they should be.
    pub unchanged: i64,
    /// Left behind on purpose.
    pub skipped: i64,
    /// In quarantine.
    pub rejected: i64,
    /// Rows in the target that belong to the written source rows.
    pub target_rows: i64,
    /// Adopted rows that keep a differing value.
    pub kept: i64,
}

impl Counts {
    /// Every row has one outcome.
    pub fn balanced(&self) -> bool {
        self.base == self.filtered + self.read
            && self.read
                == self.inserted + self.updated + self.unchanged + self.skipped + self.rejected
    }

    /// The same rows taken away again.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self {
            base: -self.base,
            filtered: -self.filtered,
            read: -self.read,
            inserted: -self.inserted,
            updated: -self.updated,
            unchanged: -self.unchanged,
            skipped: -self.skipped,
            rejected: -self.rejected,
            target_rows: -self.target_rows,
            kept: -self.kept,
        }
    }

    /// Adds another chunk's counts.
    pub fn add(&mut self, other: &Self) {
        self.base += other.base;
        self.filtered += other.filtered;
        self.read += other.read;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.skipped += other.skipped;
        self.rejected += other.rejected;
        self.target_rows += other.target_rows;
        self.kept += other.kept;
    }
}

/// One line of the ledger.
#[derive(Clone, Debug)]
pub struct ChunkRecord {
    /// Assigned by the pipeline, unique in the target.
    pub id: i64,
    /// Its segment.
    pub segment: i64,
    /// Its run.
    pub run: i64,
    /// The run's epoch.
    pub epoch: i64,
    /// The rule's name.
    pub rule: String,
    /// The pass.
    pub pass: i64,
    /// The segment's kind.
    pub kind: &'static str,
    /// Whether it counts.
    pub accounted: bool,
    /// Key range.
    pub span: Span,
    /// What became of its rows.
    pub counts: Counts,
    /// Per verdict and code.
    pub codes: CodeCounts,
    /// SHA-256 over the manifest, hex.
    pub hash: String,
    /// Time from reading to commit, microseconds.
    pub micros: i64,
}

impl ChunkRecord {
    /// The statements that join a chunk's rows in their transaction.
    pub fn sql(&self, state: State, manifest: &Manifest) -> Result<String, StateError> {
        let xid = match state.engine() {
            Engine::Postgres => "pg_current_xact_id()::text",
            Engine::Sqlite => "null",
        };
        let c = &self.counts;
        let key = |key: &Option<Key>| match key {
            None => Ok("null".to_owned()),
            Some(Key(parts)) => state.text(&serde_json::Value::from(parts.clone()).to_string()),
        };
        Ok(format!(
            "insert into {} (id, segment_id, run_id, rule, pass, kind, accounted, no, lo, hi, base, filtered, read, inserted, updated, unchanged, \
             skipped, rejected, target_rows, kept, codes, hash, xid, epoch, micros, committed_at) values ({}, {}, {}, {}, {}, '{}', {}, {}, {}, {}, \
             {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, '{}', {xid}, {}, {}, {});insert into {} (chunk_id, packed) values ({}, {})",
            state.table("chunk"),
            self.id,
            self.segment,
            self.run,
            state.text(&self.rule)?,
            self.pass,
            self.kind,
            i32::from(self.accounted),
            self.span.no,
            key(&self.span.lo)?,
            key(&self.span.hi)?,
            c.base,
            c.filtered,
            c.read,
            c.inserted,
            c.updated,
            c.unchanged,
            c.skipped,
            c.rejected,
            c.target_rows,
            c.kept,
            state.text(&self.codes.to_json())?,
            self.hash,
            self.epoch,
            self.micros,
            state.now(),
            state.table("manifest"),
            self.id,
            bytes_literal(state.engine(), &manifest.pack()),
        ))
    }
}

impl State {
    /// True when the run's chunk is there: asked in a new statement after every COMMIT, because Ok from the
    /// driver can mean that the server rolled back, and an error that it committed. A run that took over gives out
    /// the same numbers.
    pub async fn committed(
        self,
        session: &mut Session,
        run: i64,
        chunk: i64,
    ) -> Result<bool, StateError> {
        let rows = session.query(&self.committed_sql(run, chunk)).await?;
        Self::says_committed(&rows)
    }

    /// The statement behind [`Self::committed`].
    pub fn committed_sql(self, run: i64, chunk: i64) -> String {
        format!(
            "select count(*) from {} where id = {chunk} and run_id = {run}",
            self.table("chunk")
        )
    }

    /// What its answer means.
    pub fn says_committed(rows: &Rows) -> Result<bool, StateError> {
        Ok(number(rows, 0, 0)? == 1)
    }

    /// What a committed chunk came to.
    pub async fn chunk(
        self,
        session: &mut Session,
        chunk: i64,
    ) -> Result<(Counts, CodeCounts), StateError> {
        let sql = format!(
            "select base, filtered, read, inserted, updated, unchanged, skipped, rejected, target_rows, kept, codes from {} where id = {chunk}",
            self.table("chunk")
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Err(StateError::Damaged(format!("chunk {chunk} is missing")));
        }
        let get = |column| number(&rows, 0, column);
        let counts = Counts {
            base: get(0)?,
            filtered: get(1)?,
            read: get(2)?,
            inserted: get(3)?,
            updated: get(4)?,
            unchanged: get(5)?,
            skipped: get(6)?,
            rejected: get(7)?,
            target_rows: get(8)?,
            kept: get(9)?,
        };
        let codes = serde_json::from_str(&text(&rows, 0, 10)?.unwrap_or_default())
            .map_err(|_| StateError::Damaged("a chunk's codes do not read back".into()))?;
        Ok((counts, codes))
    }

    /// The next free chunk id.
    pub async fn next_chunk(self, session: &mut Session) -> Result<i64, StateError> {
        let rows = session
            .query(&format!(
                "select coalesce(max(id), 0) + 1 from {}",
                self.table("chunk")
            ))
            .await?;
        number(&rows, 0, 0)
    }

    /// The ranges of a pass that are done, in key order.
    pub async fn spans(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
    ) -> Result<Vec<Span>, StateError> {
        let sql = format!(
            "select no, lo, hi from {} c where rule = {} and pass = {pass} and {} and kind = 'pass' order by no, id",
            self.table("chunk"),
            self.text(rule)?,
            self.live_chunk("c")
        );
        let rows = session.query(&sql).await?;
        (0..rows.len())
            .map(|row| {
                Ok(Span {
                    no: number(&rows, row, 0)?,
                    lo: key(text(&rows, row, 1)?)?,
                    hi: key(text(&rows, row, 2)?)?,
                })
            })
            .collect()
    }

    /// The manifests of a pass by chunk id, each with its range; at most `limit` after chunk `after`.
    /// `kind` is `pass`, `sweep` or `procedure`.
    pub async fn manifests(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
        kind: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Span, Manifest)>, StateError> {
        let packed = match self.engine() {
            Engine::Postgres => "encode(m.packed, 'hex')",
            Engine::Sqlite => "lower(hex(m.packed))",
        };
        let sql = format!(
            "select c.no, c.lo, c.hi, {packed}, c.id, c.hash from {} c join {} m on m.chunk_id = c.id where c.rule = {} and c.pass = {pass} and {} \
             and c.kind = '{kind}' and c.id > {after} order by c.id limit {limit}",
            self.table("chunk"),
            self.table("manifest"),
            self.text(rule)?,
            self.live_chunk("c")
        );
        let rows = session.query(&sql).await?;
        let mut found = Vec::new();
        for row in 0..rows.len() {
            let span = Span {
                no: number(&rows, row, 0)?,
                lo: key(text(&rows, row, 1)?)?,
                hi: key(text(&rows, row, 2)?)?,
            };
            let chunk = number(&rows, row, 4)?;
            let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
            let manifest = Manifest::checked(&get(3)?, &get(5)?, chunk)?;
            found.push((chunk, span, manifest));
        }
        Ok(found)
    }
}

pub(super) fn key(stored: Option<String>) -> Result<Option<Key>, StateError> {
    stored
        .map(|text| {
            serde_json::from_str(&text)
                .map(Key)
                .map_err(|_| StateError::Damaged("a chunk's key range does not read back".into()))
        })
        .transpose()
}

/// Reads SQLite's `hex()`.
pub(crate) fn from_hex(text: &str) -> Result<Vec<u8>, StateError> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [a, b] => digit(*a).zip(digit(*b)).map(|(a, b)| a << 4 | b),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| StateError::Damaged("a manifest is no hexadecimal text".into()))
}
