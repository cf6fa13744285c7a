//! What a script decided and has not committed yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::streams::Given;
use crate::commit::Batch;
use crate::row::{Judged, Key, Rows, Verdict};
use crate::state::Span;

/// Verdicts by source key, in the order in which they came.
pub(super) struct Kept {
    keys: Vec<Key>,
    verdicts: Vec<Verdict>,
    places: HashMap<Key, usize>,
    begun: Instant,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self {
            keys: vec![],
            verdicts: vec![],
            places: HashMap::new(),
            begun: Instant::now(),
        }
    }

    /// Source rows that have a verdict.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The id that a key got in this commit.
    pub(super) fn id(&self, key: &Key) -> Option<uuid::Uuid> {
        match &self.verdicts[*self.places.get(key)?] {
            Verdict::Write(rows) => rows.first().map(|row| row.id),
            _ => None,
        }
    }

    /// Keeps a verdict. A row has one; only a rule of many rows writes more than once, and then one
    /// part that cannot go over holds back the others.
    pub(super) fn add(&mut self, key: Key, verdict: Verdict, many: bool) -> Result<(), String> {
        let Some(place) = self.places.get(&key) else {
            self.places.insert(key.clone(), self.keys.len());
            self.keys.push(key);
            self.verdicts.push(verdict);
            return Ok(());
        };
        let before = &mut self.verdicts[*place];
        match (before, verdict) {
            (Verdict::Write(rows), Verdict::Write(more))
                if many
                    && more
                        .iter()
                        .all(|new| rows.iter().all(|row| row.id != new.id)) =>
            {
                rows.extend(more);
                Ok(())
            }
            (before @ Verdict::Write(_), reject @ Verdict::Reject(_)) if many => {
                *before = reject;
                Ok(())
            }
            (Verdict::Reject(_), Verdict::Write(_)) if many => Ok(()),
            _ => Err(format!(
                "the row with key {key} already has a verdict in this commit"
            )),
        }
    }

    /// As one chunk. Rows that were not streamed have no columns but their key's, under these names.
    pub(super) fn batch(
        self,
        span: Span,
        given: &HashMap<Key, Given>,
        key_names: &[String],
    ) -> Batch {
        let mut columns: Vec<String> = Vec::new();
        for key in &self.keys {
            let names = match given.get(key) {
                Some(given) => given.rows.columns().to_vec(),
                None => names_of(key, key_names),
            };
            for name in names {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
        }
        let mut rows = Rows::new(columns.iter().cloned().collect());
        let mut inputs = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let names = names_of(key, key_names);
            let mut hash = Sha256::new();
            for column in &columns {
                let cell = match given.get(key) {
                    Some(given) => given
                        .rows
                        .column(column)
                        .and_then(|at| given.rows.cell(given.row, at))
                        .map(std::borrow::Cow::into_owned),
                    None => names
                        .iter()
                        .position(|name| name == column)
                        .and_then(|at| key.0.get(at))
                        .map(|part| part.clone().into_bytes()),
                };
                if let Some(cell) = &cell {
                    hash.update(format!("{}:{column}{}:", column.len(), cell.len()));
                    hash.update(cell);
                }
                rows.push_cell(cell.as_deref());
            }
            let mut input = [0; 16];
            input.copy_from_slice(&hash.finalize()[..16]);
            inputs.push(input);
        }
        let judged = self.verdicts.into_iter().map(|verdict| Judged {
            verdict,
            notes: vec![],
            person: None,
        });
        Batch {
            span,
            base: self.keys.len() as i64,
            filtered: 0,
            rows: Arc::new(rows),
            judged: judged.collect(),
            keys: self.keys,
            inputs,
            begun: self.begun,
            spent: crate::commit::Spent::default(),
            in_flight: None,
        }
    }
}

fn names_of(key: &Key, names: &[String]) -> Vec<String> {
    if names.len() == key.0.len() {
        return names.to_vec();
    }
    (1..=key.0.len())
        .map(|part| format!("key_{part}"))
        .collect()
}
