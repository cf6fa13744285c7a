//! What differs, counted, with keys to look at.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use crate::row::Key;

/// Rows that are named for each difference.
const EXAMPLES_MAX: usize = 5;

/// A target row as a rule sets it: columns by name, COPY text; `None` is NULL.
pub(super) type Cells = BTreeMap<String, Option<Vec<u8>>>;

/// What a rule makes of a source row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The rule does not read it.
    NotRead,
    Write(BTreeMap<Uuid, Cells>),
    Skip(String),
    Reject(String),
}

impl Outcome {
    fn word(&self) -> String {
        match self {
            Self::NotRead => "not read".to_owned(),
            Self::Write(_) => "write".to_owned(),
            Self::Skip(code) => format!("skip {code}"),
            Self::Reject(code) => format!("reject {code}"),
        }
    }
}

/// An outcome with the codes of its notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    pub(super) notes: Vec<String>,
}

/// A row to look at; values only of public columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The source row.
    pub key: String,
    /// What the earlier rule sets, where that may be shown.
    pub before: Option<String>,
    /// What the edited rule sets.
    pub after: Option<String>,
}

/// A target column that the two rules set differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The column.
    pub column: String,
    /// Target rows.
    pub rows: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// Rows whose verdict is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// `write`, `skip CODE`, `reject CODE`, `not read`
    pub before: String,
    /// The same, with the edited rule.
    pub after: String,
    /// Source rows.
    pub rows: u64,
    /// Keys of some of them.
    pub examples: Vec<String>,
}

/// A code and how many rows have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// `skip`, `reject` or `note`
    pub kind: &'static str,
    /// The code.
    pub code: String,
    /// Rows, with the earlier rule.
    pub before: u64,
    /// Rows, with the edited one.
    pub after: u64,
}

/// The whole comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Source rows that were compared.
    pub rows: u64,
    /// Of these, rows of which nothing differs.
    pub same: u64,
    /// Columns, the most frequent change first.
    pub fields: Vec<FieldChange>,
    /// Verdicts, the most frequent flip first.
    pub flips: Vec<Flip>,
    /// Codes whose counts differ.
    pub codes: Vec<CodeCount>,
}

/// Counts while rows pass.
#[derive(Default)]
pub(super) struct Counter {
    tally: Tally,
    public: Vec<String>,
    fields: BTreeMap<String, FieldChange>,
    flips: BTreeMap<(String, String), Flip>,
    codes: BTreeMap<(&'static str, String), [u64; 2]>,
}

impl Counter {
    pub(super) fn new(public: Vec<String>) -> Self {
        Self {
            public,
            ..Self::default()
        }
    }

    pub(super) fn row(&mut self, key: &Key, before: &Seen, after: &Seen) {
        self.tally.rows += 1;
        if before == after {
            self.tally.same += 1;
        }
        for (at, seen) in [before, after].into_iter().enumerate() {
            let own = match &seen.outcome {
                Outcome::Skip(code) => Some(("skip", code)),
                Outcome::Reject(code) => Some(("reject", code)),
                _ => None,
            };
            let notes = seen.notes.iter().map(|code| ("note", code));
            for (kind, code) in own.into_iter().chain(notes) {
                self.codes.entry((kind, code.clone())).or_default()[at] += 1;
            }
        }
        match (&before.outcome, &after.outcome) {
            (Outcome::Write(old), Outcome::Write(new)) => self.written(key, old, new),
            (old, new) if old != new => {
                let words = (old.word(), new.word());
                let flip = self.flips.entry(words).or_insert_with(|| Flip {
                    before: old.word(),
                    after: new.word(),
                    rows: 0,
                    examples: vec![],
                });
                flip.rows += 1;
                if flip.examples.len() < EXAMPLES_MAX {
                    flip.examples.push(key.to_string());
                }
            }
            _ => {}
        }
    }

    /// Target rows that both make are compared column by column; one that only one of them makes is a
    /// change of its own.
    fn written(&mut self, key: &Key, old: &BTreeMap<Uuid, Cells>, new: &BTreeMap<Uuid, Cells>) {
        let nothing = Cells::new();
        for id in old
            .keys()
            .chain(new.keys().filter(|id| !old.contains_key(id)))
        {
            match (old.get(id), new.get(id)) {
                (Some(old), Some(new)) => {
                    for name in old
                        .keys()
                        .chain(new.keys().filter(|name| !old.contains_key(*name)))
                    {
                        if old.get(name) != new.get(name) {
                            self.field(key, name, old, new);
                        }
                    }
                }
                (Some(_), None) => self.field(key, "(a row less)", &nothing, &nothing),
                _ => self.field(key, "(a row more)", &nothing, &nothing),
            }
        }
    }

    fn field(&mut self, key: &Key, name: &str, old: &Cells, new: &Cells) {
        let change = self
            .fields
            .entry(name.to_owned())
            .or_insert_with(|| FieldChange {
                column: name.to_owned(),
                rows: 0,
                examples: vec![],
            });
        change.rows += 1;
        if change.examples.len() == EXAMPLES_MAX {
            return;
        }
        let is_public = self.public.iter().any(|public| public == name);
        change.examples.push(Example {
            key: key.to_string(),
            before: is_public.then(|| shown(old.get(name))),
            after: is_public.then(|| shown(new.get(name))),
        });
    }

    pub(super) fn finish(self) -> Tally {
        let mut tally = self.tally;
        tally.fields = self.fields.into_values().collect();
        tally
            .fields
            .sort_by_key(|field| std::cmp::Reverse(field.rows));
        tally.flips = self.flips.into_values().collect();
        tally.flips.sort_by_key(|flip| std::cmp::Reverse(flip.rows));
        let changed = self
            .codes
            .into_iter()
            .filter(|(_, [before, after])| before != after);
        tally.codes = changed
            .map(|((kind, code), [before, after])| CodeCount {
                kind,
                code,
                before,
                after,
            })
            .collect();
        tally
    }
}

fn shown(cell: Option<&Option<Vec<u8>>>) -> String {
    match cell {
        None => "(default)".to_owned(),
        Some(None) => "NULL".to_owned(),
        Some(Some(text)) => String::from_utf8_lossy(&crate::row::unescape(text)).into_owned(),
    }
}
