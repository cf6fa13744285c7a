//! What becomes of each source row of a chunk: the verdict, held against what the target already has.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_decimal::Decimal;
use uuid::Uuid;

use crate::commit::{Batch, CommitError};
use crate::row::{OutRow, Reject, Verdict};
use crate::rule::Reconcile;
use crate::state::{CodeCounts, Counts, Entry, Manifest, Outcome, Sums};

/// New values of a row that is there: column, cell as COPY text (`None` is NULL).
pub type Changes = Vec<(u16, Option<Vec<u8>>)>;

/// What is done in the target for one source row.
#[derive(Clone, Debug)]
pub enum Fate<'a> {
    /// New rows, and changes to rows that are there.
    Write {
        /// Rows to insert; the rule's own unless something had to be changed about them.
        insert: Cow<'a, [OutRow]>,
        /// Rows to change, by id.
        update: Vec<(Uuid, Changes)>,
        /// Ids of rows that stay as they are.
        same: Vec<Uuid>,
        /// An adopted row keeps a value that differs.
        kept: bool,
    },
    /// Left behind on purpose.
    Skip(String),
    /// Into quarantine.
    Reject(Box<Reject>),
}

/// The fates of a chunk.
#[derive(Clone, Debug)]
pub struct Fates<'a>(pub Vec<Fate<'a>>);

impl<'a> Fates<'a> {
    /// The verdicts as they are, for a target that holds none of these rows.
    pub fn fresh(batch: &'a Batch) -> Self {
        Self(
            batch
                .judged
                .iter()
                .map(|judged| match &judged.verdict {
                    Verdict::Write(rows) => Fate::Write {
                        insert: Cow::Borrowed(rows),
                        update: vec![],
                        same: vec![],
                        kept: false,
                    },
                    Verdict::Skip(code) => Fate::Skip(code.clone()),
                    Verdict::Reject(reject) => Fate::Reject(reject.clone()),
                })
                .collect(),
        )
    }

    /// Whether anything but the verdicts themselves decided: a row that is there already.
    pub(super) fn meet_the_target(&self, batch: &Batch) -> bool {
        self.0
            .iter()
            .zip(&batch.judged)
            .any(|(fate, judged)| match (fate, &judged.verdict) {
                (Fate::Write { update, same, .. }, _) => !update.is_empty() || !same.is_empty(),
                (Fate::Reject(_), Verdict::Write(_)) => true,
                _ => false,
            })
    }

    /// Counts, codes and manifest; asserts that every row has one outcome.
    pub fn settle(
        &self,
        batch: &Batch,
        reconcile: &[Reconcile],
    ) -> Result<(Counts, CodeCounts, Manifest), CommitError> {
        let mut counts = Counts {
            base: batch.base,
            filtered: batch.filtered,
            read: batch.base - batch.filtered,
            ..Counts::default()
        };
        let mut codes = CodeCounts {
            sums: self.sums(batch, reconcile),
            ..CodeCounts::default()
        };
        let mut manifest = Manifest::default();
        for (row, fate) in self.0.iter().enumerate() {
            let (verdict, outcome, ids) = match fate {
                Fate::Write {
                    insert,
                    update,
                    same,
                    kept,
                } => {
                    for note in &batch.judged[row].notes {
                        *codes.note.entry(note.code.clone()).or_default() += 1;
                    }
                    counts.kept += i64::from(*kept);
                    counts.target_rows += (insert.len() + update.len() + same.len()) as i64;
                    let ids = insert
                        .iter()
                        .map(|r| r.id)
                        .chain(update.iter().map(|u| u.0))
                        .chain(same.iter().copied());
                    let outcome = if !insert.is_empty() {
                        counts.inserted += 1;
                        Outcome::Inserted
                    } else if !update.is_empty() {
                        counts.updated += 1;
                        Outcome::Updated
                    } else {
                        counts.unchanged += 1;
                        Outcome::Unchanged
                    };
                    (0, outcome, ids.collect())
                }
                Fate::Skip(code) => {
                    counts.skipped += 1;
                    *codes.skip.entry(code.clone()).or_default() += 1;
                    (1, Outcome::None, vec![])
                }
                Fate::Reject(reject) => {
                    counts.rejected += 1;
                    *codes.reject.entry(reject.code.clone()).or_default() += 1;
                    (2, Outcome::None, reject.stands.clone())
                }
            };
            manifest.entries.push(Entry {
                key: batch.keys[row].to_string(),
                verdict,
                outcome,
                input: batch.inputs[row],
                ids,
                marks: vec![],
            });
        }
        if counts.balanced() && counts.read == batch.rows.len() as i64 {
            return Ok((counts, codes, manifest));
        }
        Err(CommitError::Unbalanced {
            chunk: batch.span.no,
            base: counts.base,
            filtered: counts.filtered,
            read: counts.read,
            outcomes: counts.inserted
                + counts.updated
                + counts.unchanged
                + counts.skipped
                + counts.rejected,
        })
    }

    /// The reconciled source columns by what became of their rows.
    fn sums(&self, batch: &Batch, reconcile: &[Reconcile]) -> BTreeMap<String, Sums> {
        let mut all = BTreeMap::new();
        for pair in reconcile {
            let mut sums = Sums::default();
            let column = batch.rows.column(&pair.source);
            for (row, fate) in self.0.iter().enumerate() {
                let (side, code) = match fate {
                    Fate::Write { .. } => (&mut sums.written, None),
                    Fate::Skip(code) => (&mut sums.skipped, Some(format!("skip {code}"))),
                    Fate::Reject(why) => (&mut sums.rejected, Some(format!("reject {}", why.code))),
                };
                let value = match column.and_then(|column| batch.rows.text(row, column)) {
                    None => Some(Decimal::ZERO),
                    Some(text) => text.ok().and_then(|t| Decimal::from_str_exact(&t).ok()),
                };
                *side = side.zip(value).and_then(|(a, b)| a.checked_add(b));
                if let Some(code) = code {
                    sums.by_code.entry(code).or_default().add(value);
                }
            }
            all.insert(pair.name.clone(), sums);
        }
        all
    }
}
