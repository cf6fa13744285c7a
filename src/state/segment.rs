//! A segment: one reading of a source table under one snapshot.

use crate::db::Session;
use crate::state::{State, StateError, number, text};

/// Why rows are being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The table's account: from the first key to the last.
    Pass,
    /// Keys that appeared in the source after the pass.
    Sweep,
    /// `--limit` and `--row`: runs of their own, outside the account.
    Trial,
    /// A procedural rule.
    Procedure,
    /// Quarantined rows judged again.
    Retry,
    /// A run taken back: `run N` is its snapshot.
    Undo,
    /// A pass that compares: its chunks are those of a pass.
    Sync,
}

impl Kind {
    /// The word stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Sweep => "sweep",
            Self::Trial => "trial",
            Self::Procedure => "procedure",
            Self::Retry => "retry",
            Self::Undo => "undo",
            Self::Sync => "sync",
        }
    }
}

/// A segment as it is opened.
#[derive(Clone, Debug)]
pub struct SegmentRecord {
    /// Assigned by [`State::open_segment`].
    pub id: i64,
    /// The run that reads.
    pub run: i64,
    /// The rule's name.
    pub rule: String,
    /// Its target table.
    pub target: String,
    /// Which reading of the whole table this belongs to, from 1; `--restart` begins a new one.
    pub pass: i64,
    /// Why.
    pub kind: Kind,
    /// Whether its chunks count in the table's account.
    pub accounted: bool,
    /// The snapshot's label.
    pub snapshot: String,
    /// The source server's clock.
    pub source_time: String,
    /// Base rows in the snapshot, counted by the source.
    pub base: i64,
    /// Of those, rows that satisfy the rule's `where`.
    pub read: i64,
    /// What decides rows.
    pub transform_fp: String,
    /// What judges the result.
    pub gate_fp: String,
    /// Everything was read.
    pub complete: bool,
}

impl State {
    /// Stores a segment under a fresh id.
    pub async fn open_segment(
        self,
        session: &mut Session,
        record: &mut SegmentRecord,
    ) -> Result<(), StateError> {
        let r = &*record;
        let sql = format!(
            "insert into {t} (id, run_id, rule, target, pass, kind, accounted, snapshot, source_time, base, read_rows, transform_fp, gate_fp, \
             opened_at) select coalesce(max(id), 0) + 1, {}, {}, {}, {}, '{}', {}, {}, {}, {}, {}, '{}', '{}', {} from {t} returning id",
            r.run,
            self.text(&r.rule)?,
            self.text(&r.target)?,
            r.pass,
            r.kind.word(),
            i32::from(r.accounted),
            self.text(&r.snapshot)?,
            self.text(&r.source_time)?,
            r.base,
            r.read,
            r.transform_fp,
            r.gate_fp,
            self.now(),
            t = self.table("segment"),
        );
        record.id = number(&session.query(&sql).await?, 0, 0)?;
        Ok(())
    }

    /// A statement that marks a segment as read to its end.
    pub fn close_segment_sql(self, id: i64) -> String {
        format!(
            "update {} set complete = 1, closed_at = {} where id = {id}",
            self.table("segment"),
            self.now()
        )
    }

    /// The segments of a rule that count, oldest first; those that were taken back do not.
    pub async fn segments(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<Vec<SegmentRecord>, StateError> {
        let sql = format!(
            "select id, run_id, target, pass, kind, snapshot, source_time, base, read_rows, transform_fp, gate_fp, complete from {} s \
             where rule = {} and {} order by id",
            self.table("segment"),
            self.text(rule)?,
            self.live_segment("s")
        );
        let rows = session.query(&sql).await?;
        let get = |row, column| text(&rows, row, column).map(Option::unwrap_or_default);
        (0..rows.len())
            .map(|row| {
                Ok(SegmentRecord {
                    id: number(&rows, row, 0)?,
                    run: number(&rows, row, 1)?,
                    rule: rule.to_owned(),
                    target: get(row, 2)?,
                    pass: number(&rows, row, 3)?,
                    kind: match get(row, 4)?.as_str() {
                        "sweep" => Kind::Sweep,
                        "procedure" => Kind::Procedure,
                        "retry" => Kind::Retry,
                        "sync" => Kind::Sync,
                        _ => Kind::Pass,
                    },
                    accounted: true,
                    snapshot: get(row, 5)?,
                    source_time: get(row, 6)?,
                    base: number(&rows, row, 7)?,
                    read: number(&rows, row, 8)?,
                    transform_fp: get(row, 9)?,
                    gate_fp: get(row, 10)?,
                    complete: number(&rows, row, 11)? == 1,
                })
            })
            .collect()
    }
}
