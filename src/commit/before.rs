//! What the passes before this one wrote: whether a row that is missing was deleted by somebody, and, where the
//! engine does not say who wrote a row last, whether it is still as we wrote it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::commit::{Batch, Ledger};
use crate::db::Session;
use crate::row::{ColumnSet, OutRow, Verdict};
use crate::rule::Rule;
use crate::state::{Manifest, State, StateError};
use crate::target::{Destination, Found};

/// Keys and rows that were written, 32 bytes each.
#[derive(Debug, Default)]
pub struct Before {
    /// Hashes of keys, sorted. Two keys of one hash would make a new row a conflict, never the other way round.
    keys: Vec<u64>,
    /// Rows with the marks of what was written, by id.
    rows: Vec<(u128, [u8; 8])>,
    /// Columns that the target fills whatever we write.
    volatile: Vec<String>,
    /// Sets of columns that the rule sets, as far as they were met.
    sets: Mutex<HashSet<ColumnSet>>,
}

impl Before {
    /// Reads the manifests of the passes before `pass`.
    pub async fn load(
        session: &mut Session,
        state: State,
        rule: &Rule,
        pass: i64,
    ) -> Result<Self, StateError> {
        let mut before = Self {
            volatile: rule.header.volatile.clone(),
            ..Self::default()
        };
        let rule = rule.name.as_str();
        // of rows that the last sync left as they stand, the passes since then hold nothing
        for row in state.standing(session, rule).await? {
            before.rows.push((row.id.as_u128(), row.mark));
        }
        for pass in state.passes_before(session, rule, pass).await? {
            let (keys, rows) = (&mut before.keys, &mut before.rows);
            state
                .last_of_pass(session, rule, pass, |entry, _| {
                    if !entry.ids.is_empty() {
                        keys.push(hash(&entry.key));
                    }
                    for (at, id) in entry.ids.iter().enumerate() {
                        let mark = entry.marks.get(at).copied().unwrap_or_default();
                        rows.push((id.as_u128(), mark));
                    }
                })
                .await?;
        }
        before.keys.sort_unstable();
        before.keys.dedup();
        // of several marks the one of the latest pass counts: the sort is stable
        before.rows.sort_by_key(|(id, _)| *id);
        before.rows.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = next.1;
            }
            same
        });
        Ok(before)
    }

    /// Nothing was written before.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The ids of all rows.
    pub fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.rows.iter().map(|(id, _)| Uuid::from_u128(*id))
    }

    /// True when this source row was written: under its key, or with several rows to a key under this id.
    pub(super) fn wrote(&self, key: &str, id: Uuid, many: bool) -> bool {
        if many {
            return self.mark(id).is_some();
        }
        self.keys.binary_search(&hash(key)).is_ok()
    }

    /// What is known of what was written.
    pub fn mark(&self, id: Uuid) -> Option<[u8; 8]> {
        let at = self.rows.binary_search_by_key(&id.as_u128(), |(id, _)| *id);
        at.ok().map(|at| self.rows[at].1)
    }

    /// Remembers which columns a row sets.
    pub(super) fn learn(&self, set: &ColumnSet) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if !sets.contains(set) {
            sets.insert(set.clone());
        }
    }

    /// True when the columns that we wrote hold what we wrote. False also when nobody knows.
    pub fn as_written(&self, to: &Destination, found: &Found, row: usize) -> bool {
        self.set_of(to, found, row).is_some()
    }

    /// The columns that we wrote of a row that is as we wrote it.
    pub(super) fn set_of(&self, to: &Destination, found: &Found, row: usize) -> Option<ColumnSet> {
        let known = found.id_of(row).and_then(|id| self.mark(id));
        let known = known.filter(|mark| *mark != [0; 8])?;
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |set: &&ColumnSet| {
            let cells = set.iter().map(|c| found.raw(row, usize::from(*c)));
            mark(to, &self.volatile, set, cells) == known
        };
        sets.iter().find(fits).cloned()
    }
}

/// Marks what a chunk writes, for engines that do not say who wrote a row last.
pub(super) fn marked(manifest: &mut Manifest, ledger: &Ledger, batch: &Batch) {
    let volatile = &ledger.rule.header.volatile;
    for (entry, judged) in manifest.entries.iter_mut().zip(&batch.judged) {
        let Verdict::Write(outs) = &judged.verdict else {
            continue;
        };
        let of = |id: &Uuid| {
            let out = outs.iter().find(|out| out.id == *id);
            // what an adopted row holds besides is not ours to know
            out.map_or([0; 8], |out| {
                mark(&ledger.to, volatile, &out.set, cells(out))
            })
        };
        if entry.verdict == 0 {
            entry.marks = entry.ids.iter().map(of).collect();
        }
    }
}

fn cells(out: &OutRow) -> impl Iterator<Item = Option<&[u8]>> {
    let cells = out.line.split(|b| *b == b'\t');
    cells.map(|cell| (cell != b"\\N").then_some(cell))
}

fn mark<'c>(
    to: &Destination,
    volatile: &[String],
    set: &[u16],
    cells: impl Iterator<Item = Option<&'c [u8]>>,
) -> [u8; 8] {
    let mut hasher = sha2::Sha256::default();
    for (column, cell) in set.iter().zip(cells) {
        let name = &to.table.columns[usize::from(*column)].name;
        if volatile.contains(name) {
            continue;
        }
        for part in [Some(name.as_bytes()), cell] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            sha2::Digest::update(&mut hasher, length.to_le_bytes());
            sha2::Digest::update(&mut hasher, part.unwrap_or_default());
        }
    }
    let whole = sha2::Digest::finalize(hasher);
    let mut mark = [0; 8];
    mark.copy_from_slice(&whole[..8]);
    mark
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
