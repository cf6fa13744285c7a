//! What the program should do, in memory: tables, chunks, checkpoints, quarantine, runs, and what may be undone. It
//! knows nothing of SQL, of transactions that fail, or of the program's code: only what each command promises.

mod undo;

use std::collections::{BTreeMap, BTreeSet};

pub(super) const TABLES: [&str; 2] = ["parents", "children"];
const PARENTS: usize = 0;
const CHILDREN: usize = 1;
/// Rows per chunk, and fewer per transaction of an undo, so that a chunk takes several.
pub(super) const BATCH: usize = 3;
pub(super) const UNDO_BATCH: usize = 2;

/// A row of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) parent: Option<i64>,
    pub(super) v: i64,
    pub(super) bad: bool,
}

/// A row of the target: what was in the source when it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Out {
    pub(super) v: i64,
    pub(super) parent: Option<i64>,
}

/// What became of a source row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Written,
    Skipped,
    Rejected(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pass,
    Sweep,
    Retry,
    /// Of this run.
    Undo(i64),
}

#[derive(Clone, Debug)]
struct Segment {
    run: i64,
    table: usize,
    kind: Kind,
    complete: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    key: i64,
    before: Option<Verdict>,
    now: Verdict,
}

/// A committed chunk.
#[derive(Clone, Debug)]
struct Chunk {
    run: i64,
    table: usize,
    kind: Kind,
    entries: Vec<Entry>,
    /// So many of its rows were taken back.
    taken: usize,
    undone: bool,
}

/// Where a command is killed: the nth time it comes by a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) point: &'static str,
    pub(super) nth: u64,
}

/// The points that the model knows.
pub(super) const POINTS: [&str; 6] = [
    "segment.open",
    "chunk.begin",
    "chunk.rows",
    "chunk.before_commit",
    "chunk.after_commit",
    "gate.after",
];

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Killed,
    /// Nothing was written.
    Refused,
    /// With this exit code.
    Ended(i32),
}

struct Killed;

#[derive(Clone, Debug, Default)]
pub(super) struct Machine {
    pub(super) source: [BTreeMap<i64, Row>; 2],
    pub(super) target: [BTreeMap<i64, Out>; 2],
    /// What the accounts say of each source row.
    pub(super) decided: [BTreeMap<i64, Verdict>; 2],
    pub(super) runs: i64,
    segments: Vec<Segment>,
    chunks: Vec<Chunk>,
    strike: Option<Strike>,
    passed: BTreeMap<&'static str, u64>,
}

impl Machine {
    /// Everything that may move is through at once.
    pub(super) fn run(&mut self, strike: Option<Strike>) -> End {
        if self.half_undone() {
            return End::Refused;
        }
        let run = self.begin(strike);
        let done = (0..2).try_for_each(|table| self.pass_or_sweep(run, table));
        self.end(&done)
    }

    /// Everything in quarantine of complete tables is judged again.
    pub(super) fn retry(&mut self, strike: Option<Strike>) -> End {
        if self.half_undone() {
            return End::Refused;
        }
        let run = self.begin(strike);
        let done = (0..2).try_for_each(|table| {
            let held = self.held(table);
            if !self.done(table) || (held.is_empty() && self.settled(table)) {
                return Ok(());
            }
            let keys: Vec<i64> = held.into_keys().collect();
            self.segment(run, table, Kind::Retry)?;
            self.land(run, table, Kind::Retry, &keys)?;
            self.point("gate.after")?;
            self.complete();
            Ok(())
        });
        self.end(&done)
    }

    /// Rows in quarantine with their codes.
    pub(super) fn held(&self, table: usize) -> BTreeMap<i64, &'static str> {
        let rejected = self.decided[table]
            .iter()
            .filter_map(|(key, verdict)| match verdict {
                Verdict::Rejected(code) => Some((*key, *code)),
                _ => None,
            });
        rejected.collect()
    }

    /// Read, written, skipped, rejected.
    pub(super) fn account(&self, table: usize) -> [usize; 4] {
        let count =
            |what: fn(&Verdict) -> bool| self.decided[table].values().filter(|v| what(v)).count();
        [
            self.decided[table].len(),
            count(|v| *v == Verdict::Written),
            count(|v| *v == Verdict::Skipped),
            count(|v| matches!(v, Verdict::Rejected(_))),
        ]
    }

    /// An undo is under way: until it is through, its rows are gone while the accounts still hold them.
    pub(super) fn half_undone(&self) -> bool {
        (0..2).any(|table| {
            let newest = self.segments.iter().rfind(|segment| segment.table == table);
            newest.is_some_and(|s| matches!(s.kind, Kind::Undo(_)) && !s.complete)
        })
    }

    /// What has to be so whatever happened; names what is not.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        if self.half_undone() {
            return broken;
        }
        for (table, name) in TABLES.iter().enumerate() {
            let written = self.decided[table]
                .iter()
                .filter(|(_, v)| **v == Verdict::Written);
            let written: BTreeSet<i64> = written.map(|(key, _)| *key).collect();
            let there: BTreeSet<i64> = self.target[table].keys().copied().collect();
            for key in written.difference(&there) {
                broken.push(format!("CheckpointNeverAhead: {name} {key}"));
            }
            for key in there.difference(&written) {
                broken.push(format!("NoOrphan: {name} {key} is in no account"));
            }
            let [read, ends @ ..] = self.account(table);
            if read != ends.iter().sum::<usize>() {
                broken.push(format!("Balance: {name}"));
            }
        }
        for (key, out) in &self.target[CHILDREN] {
            if out
                .parent
                .is_some_and(|parent| !self.target[PARENTS].contains_key(&parent))
            {
                broken.push(format!("NoOrphan: children {key} has no parent"));
            }
        }
        broken
    }

    fn begin(&mut self, strike: Option<Strike>) -> i64 {
        (self.strike, self.passed) = (strike, BTreeMap::new());
        self.runs += 1;
        self.runs
    }

    fn end(&mut self, done: &Result<(), Killed>) -> End {
        if done.is_err() {
            return End::Killed;
        }
        let undecided = (0..2).any(|table| !self.held(table).is_empty() && self.done(table));
        let half_done = (0..2).any(|table| self.begun(table) && !self.done(table));
        End::Ended(if undecided || half_done { 3 } else { 0 })
    }

    fn point(&mut self, name: &'static str) -> Result<(), Killed> {
        let times = self.passed.entry(name).or_default();
        *times += 1;
        let struck = self.strike
            == Some(Strike {
                point: name,
                nth: *times,
            });
        if struck { Err(Killed) } else { Ok(()) }
    }

    fn taken_back(&self, run: i64, table: usize) -> bool {
        let undone = |s: &Segment| s.kind == Kind::Undo(run) && s.complete && s.table == table;
        self.segments.iter().any(undone)
    }

    fn live(&self, table: usize) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |s| {
            s.table == table && !matches!(s.kind, Kind::Undo(_)) && !self.taken_back(s.run, table)
        })
    }

    fn begun(&self, table: usize) -> bool {
        self.live(table).next().is_some()
    }

    fn done(&self, table: usize) -> bool {
        self.live(table).any(|segment| segment.complete)
    }

    /// What worked on it last came to its end.
    fn settled(&self, table: usize) -> bool {
        self.live(table)
            .last()
            .is_none_or(|segment| segment.complete)
    }

    fn segment(&mut self, run: i64, table: usize, kind: Kind) -> Result<(), Killed> {
        let complete = false;
        self.segments.push(Segment {
            run,
            table,
            kind,
            complete,
        });
        self.point("segment.open")
    }

    fn complete(&mut self) {
        self.segments.last_mut().expect("a segment").complete = true;
    }

    fn pass_or_sweep(&mut self, run: i64, table: usize) -> Result<(), Killed> {
        let known = &self.decided[table];
        if self.done(table) {
            let new = self.source[table]
                .keys()
                .filter(|key| !known.contains_key(key));
            let new: Vec<i64> = new.copied().collect();
            if new.is_empty() && self.settled(table) {
                return Ok(());
            }
            self.segment(run, table, Kind::Sweep)?;
            self.land(run, table, Kind::Sweep, &new)?;
        } else {
            let passes = self
                .chunks
                .iter()
                .filter(|c| c.table == table && c.kind == Kind::Pass && !c.undone);
            let checkpoint = passes
                .flat_map(|chunk| &chunk.entries)
                .map(|entry| entry.key)
                .max();
            let rest = self.source[table]
                .keys()
                .filter(|key| Some(**key) > checkpoint);
            let rest: Vec<i64> = rest.copied().collect();
            self.segment(run, table, Kind::Pass)?;
            self.land(run, table, Kind::Pass, &rest)?;
        }
        self.point("gate.after")?;
        self.complete();
        Ok(())
    }

    /// Chunk by chunk: judged, and then there as a whole or not at all.
    fn land(&mut self, run: i64, table: usize, kind: Kind, keys: &[i64]) -> Result<(), Killed> {
        for keys in keys.chunks(BATCH) {
            self.point("chunk.begin")?;
            let entries: Vec<Entry> = keys
                .iter()
                .map(|key| Entry {
                    key: *key,
                    before: self.decided[table].get(key).copied(),
                    now: self.judge(table, *key),
                })
                .collect();
            self.point("chunk.rows")?;
            self.point("chunk.before_commit")?;
            for entry in &entries {
                self.decided[table].insert(entry.key, entry.now);
                if entry.now == Verdict::Written {
                    let Row { v, parent, .. } = self.source[table][&entry.key];
                    self.target[table].insert(entry.key, Out { v, parent });
                }
            }
            self.chunks.push(Chunk {
                run,
                table,
                kind,
                entries,
                taken: 0,
                undone: false,
            });
            self.point("chunk.after_commit")?;
        }
        Ok(())
    }

    fn judge(&self, table: usize, key: i64) -> Verdict {
        let row = &self.source[table][&key];
        let orphan = |parent| !self.target[PARENTS].contains_key(&parent);
        if row.v < 0 {
            Verdict::Skipped
        } else if row.bad {
            Verdict::Rejected("bad")
        } else if table == CHILDREN && row.parent.is_some_and(orphan) {
            Verdict::Rejected("orphan")
        } else {
            Verdict::Written
        }
    }
}
