//! Taking a run back: which one may be, in which transactions, and what is left then.

use std::collections::BTreeSet;

use super::{CHILDREN, End, Kind, Machine, PARENTS, Segment, Strike, UNDO_BATCH, Verdict};

impl Machine {
    /// What a run did is taken back, children first, the newest chunk first.
    pub(in crate::model) fn undo(&mut self, run: i64, strike: Option<Strike>) -> End {
        let parts = self.parts(run);
        if parts.is_empty() {
            return End::Ended(0);
        }
        if parts.iter().any(|table| self.worked_on_later(run, *table)) {
            return End::Refused;
        }
        let own = self.begin(strike);
        let done = parts.into_iter().try_for_each(|table| {
            self.segment(own, table, Kind::Undo(run))?;
            for portions in self.portions(run, table) {
                self.point("chunk.begin")?;
                self.point("chunk.rows")?;
                self.point("chunk.before_commit")?;
                for (chunk, to) in portions {
                    self.take_back(chunk, to);
                }
                self.point("chunk.after_commit")?;
            }
            self.point("gate.after")?;
            self.complete();
            Ok(())
        });
        match self.end(&done) {
            End::Ended(_) => End::Ended(0),
            killed => killed,
        }
    }

    /// The last run that did something and was not taken back, if nothing that it wrote is referred to by rows of
    /// other runs.
    pub(in crate::model) fn to_undo(&self) -> Option<i64> {
        let stands = |segment: &&Segment| {
            !matches!(segment.kind, Kind::Undo(_)) && !self.taken_back(segment.run, segment.table)
        };
        let run = self.segments.iter().filter(stands).map(|s| s.run).max()?;
        let of_run = |table| {
            let chunks = self
                .chunks
                .iter()
                .filter(move |c| c.run == run && c.table == table && !c.undone);
            let entries = chunks.flat_map(|chunk| &chunk.entries);
            let written =
                entries.filter(|e| e.now == Verdict::Written && e.before != Some(Verdict::Written));
            written.map(|entry| entry.key).collect::<BTreeSet<i64>>()
        };
        let (parents, children) = (of_run(PARENTS), of_run(CHILDREN));
        let referred = self.target[CHILDREN].iter().any(|(key, out)| {
            !children.contains(key) && out.parent.is_some_and(|parent| parents.contains(&parent))
        });
        (!referred).then_some(run)
    }

    /// The tables that a run worked on and that were not taken back from it, the last one first.
    fn parts(&self, run: i64) -> Vec<usize> {
        let mut parts = Vec::new();
        for segment in self.segments.iter().rev().filter(|s| s.run == run) {
            let there = parts.contains(&segment.table) || self.taken_back(run, segment.table);
            if !there && !matches!(segment.kind, Kind::Undo(_)) {
                parts.push(segment.table);
            }
        }
        parts
    }

    fn worked_on_later(&self, run: i64, table: usize) -> bool {
        self.live(table).any(|segment| segment.run > run)
    }

    /// The transactions of an undo: chunks with how far each is taken back.
    fn portions(&self, run: i64, table: usize) -> Vec<Vec<(usize, usize)>> {
        let mut transactions = Vec::new();
        let (mut together, mut rows) = (Vec::new(), 0);
        for (at, chunk) in self.chunks.iter().enumerate().rev() {
            if chunk.run != run || chunk.table != table || chunk.undone {
                continue;
            }
            let (mut from, all) = (chunk.taken, chunk.entries.len());
            loop {
                if rows > 0 && rows + (all - from) > UNDO_BATCH {
                    transactions.push(std::mem::take(&mut together));
                    rows = 0;
                }
                let to = all.min(from + UNDO_BATCH);
                rows += to - from;
                together.push((at, to));
                from = to;
                if to == all {
                    break;
                }
            }
        }
        transactions.extend(Some(together).filter(|together| !together.is_empty()));
        transactions
    }

    fn take_back(&mut self, chunk: usize, to: usize) {
        let chunk = &mut self.chunks[chunk];
        let table = chunk.table;
        for entry in &chunk.entries[chunk.taken..to] {
            if entry.now == Verdict::Written && entry.before != Some(Verdict::Written) {
                self.target[table].remove(&entry.key);
            }
        }
        chunk.taken = to;
        if to < chunk.entries.len() {
            return;
        }
        chunk.undone = true;
        for entry in &chunk.entries {
            match entry.before {
                Some(before) => self.decided[table].insert(entry.key, before),
                None => self.decided[table].remove(&entry.key),
            };
        }
    }
}
