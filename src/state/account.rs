//! A table's account: the ledger added up.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::undone::open_undo;
use crate::db::Session;
use crate::row::Rows;
use crate::state::{Counts, Kind, State, StateError, number, text};

/// How often each code occurred, per verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CodeCounts {
    /// Rows left behind on purpose.
    #[serde(default)]
    pub skip: BTreeMap<String, i64>,
    /// Rows in quarantine.
    #[serde(default)]
    pub reject: BTreeMap<String, i64>,
    /// Remarks on written rows.
    #[serde(default)]
    pub note: BTreeMap<String, i64>,
    /// Sums of the rule's reconciled source columns, by reconciliation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sums: BTreeMap<String, Sums>,
}

/// A source column added up by what became of its rows, exactly; `None` when a value is no decimal of at
/// most 28 digits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sums {
    /// Of written rows.
    #[serde(with = "exact")]
    pub written: Option<Decimal>,
    /// Of skipped rows.
    #[serde(with = "exact")]
    pub skipped: Option<Decimal>,
    /// Of rejected rows.
    #[serde(with = "exact")]
    pub rejected: Option<Decimal>,
    /// Of the rows that are not in the target, by `skip CODE` and `reject CODE`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_code: BTreeMap<String, Exact>,
}

/// A sum that is exact or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Exact(#[serde(with = "exact")] pub Option<Decimal>);

impl Exact {
    /// Adds a sum, which may be unknown.
    pub fn add(&mut self, other: Option<Decimal>) {
        self.0 = self.0.zip(other).and_then(|(a, b)| a.checked_add(b));
    }
}

impl Default for Exact {
    fn default() -> Self {
        Self(Some(Decimal::ZERO))
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            written: Some(Decimal::ZERO),
            skipped: Some(Decimal::ZERO),
            rejected: Some(Decimal::ZERO),
            by_code: BTreeMap::new(),
        }
    }
}

impl CodeCounts {
    /// The stored form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same rows taken away again.
    #[must_use]
    pub fn negated(mut self) -> Self {
        for counts in [&mut self.skip, &mut self.reject, &mut self.note] {
            for count in counts.values_mut() {
                *count = -*count;
            }
        }
        for sums in self.sums.values_mut() {
            for sum in [&mut sums.written, &mut sums.skipped, &mut sums.rejected] {
                *sum = sum.map(|sum| -sum);
            }
            for sum in sums.by_code.values_mut() {
                sum.0 = sum.0.map(|sum| -sum);
            }
        }
        self
    }

    /// Adds another chunk's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.skip, &other.skip),
            (&mut self.reject, &other.reject),
            (&mut self.note, &other.note),
        ] {
            for (code, count) in theirs {
                *mine.entry(code.clone()).or_default() += count;
            }
            mine.retain(|_, count| *count != 0);
        }
        for (name, theirs) in &other.sums {
            let mine = self.sums.entry(name.clone()).or_default();
            for (mine, theirs) in [
                (&mut mine.written, theirs.written),
                (&mut mine.skipped, theirs.skipped),
                (&mut mine.rejected, theirs.rejected),
            ] {
                *mine = mine.zip(theirs).and_then(|(a, b)| a.checked_add(b));
            }
            for (code, sum) in &theirs.by_code {
                mine.by_code.entry(code.clone()).or_default().add(sum.0);
            }
            // signed lines can leave a code without rows, and then without money
            let (skip, reject) = (&self.skip, &self.reject);
            mine.by_code.retain(|key, sum| {
                let there = match key.split_once(' ') {
                    Some(("skip", code)) => skip.contains_key(code),
                    Some((_, code)) => reject.contains_key(code),
                    None => true,
                };
                there || !sum.0.is_some_and(|sum| sum.is_zero())
            });
        }
    }
}

/// A decimal as text in JSON: a number would pass through a float.
mod exact {
    use rust_decimal::Decimal;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Decimal>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|v| v.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Decimal>, D::Error> {
        let text: Option<String> = Option::deserialize(from)?;
        text.map(|t| Decimal::from_str_exact(&t).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// Where a rule stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// The pass that counts; 0 = never begun.
    pub pass: i64,
    /// Its chunks added up.
    pub counts: Counts,
    /// Per verdict and code.
    pub codes: CodeCounts,
    /// Committed chunks.
    pub chunks: i64,
    /// The pass was read to its end.
    pub done: bool,
    /// What worked on it last was killed before its end: the table's checks and its line of progress are open.
    pub unsettled: bool,
    /// The pass was begun by a sync.
    pub syncing: bool,
    /// Rejected rows that nobody has accepted.
    pub undecided: i64,
    /// Rejected rows that were accepted.
    pub accepted: i64,
    /// Base rows of the newest snapshot, counted by the source.
    pub base_now: i64,
    /// Microseconds of work in all chunks.
    pub micros: i64,
    /// The *transform* fingerprint of the newest segment.
    pub transform_fp: String,
    /// That of the newest segment that was no retry: what decided the table as a whole.
    pub decided_fp: String,
    /// The *gate* fingerprint of the newest segment.
    pub gate_fp: String,
    /// Hi key of the last chunk, or the last value that a script committed with, as JSON.
    pub checkpoint: String,
    /// Server time of the last commit.
    pub last_commit: String,
}

impl Account {
    /// Acceptances do not outlive the rule that they were given under: `transform` is what it is now.
    pub fn lapse(&mut self, transform: &str) {
        if self.transform_fp != transform {
            self.undecided += std::mem::take(&mut self.accepted);
        }
    }

    /// Every row that is missing was accepted as missing.
    pub fn excused(&self) -> bool {
        self.undecided == 0 && self.accepted > 0
    }
}

impl State {
    /// The account of one rule.
    pub async fn account(self, session: &mut Session, rule: &str) -> Result<Account, StateError> {
        let segments = self.segments(session, rule).await?;
        let Some(newest) = segments.last() else {
            return Ok(Account::default());
        };
        let pass = segments.iter().map(|s| s.pass).max().unwrap_or(0);
        let mut account = Account {
            pass,
            done: segments.iter().any(|s| s.pass == pass && s.complete),
            syncing: segments
                .iter()
                .any(|s| s.pass == pass && s.kind == Kind::Sync),
            unsettled: !newest.complete,
            base_now: newest.base,
            transform_fp: newest.transform_fp.clone(),
            decided_fp: segments
                .iter()
                .rfind(|s| s.kind != Kind::Retry)
                .map(|s| s.transform_fp.clone())
                .unwrap_or_default(),
            gate_fp: newest.gate_fp.clone(),
            ..Account::default()
        };
        let which = format!(
            "from {} c where rule = {} and pass = {pass} and {}",
            self.table("chunk"),
            self.text(rule)?,
            self.live_chunk("c")
        );
        // all at once: a run asks three times for each table, and its target may be far away
        let [undo, sums, codes, last, held] = session
            .queries([
                self.open_undo_sql(rule)?,
                format!(
                    "select count(*), sum(base), sum(filtered), sum(read), sum(inserted), sum(updated), sum(unchanged), sum(skipped), sum(rejected), \
                     sum(target_rows), sum(kept), sum(micros), max(committed_at) {which}"
                ),
                format!("select codes, count(*) {which} and codes <> '{{}}' group by codes"),
                format!(
                    "select hi {which} and kind in ('pass', 'procedure') order by no desc, id desc limit 1"
                ),
                self.open_and_accepted_sql(rule)?,
            ])
            .await?;
        // half taken back is not done, whatever the rest says
        account.done &= open_undo(&undo)?.is_none();
        account.add_up(&sums, &codes)?;
        if !last.is_empty() {
            account.checkpoint = text(&last, 0, 0)?.unwrap_or_default();
        }
        account.undecided = number(&held, 0, 0)?;
        account.accepted = number(&held, 0, 1)?;
        Ok(account)
    }
}

impl Account {
    /// Takes over what the ledger adds up to.
    fn add_up(&mut self, sums: &Rows, codes: &Rows) -> Result<(), StateError> {
        let sum = |column| number(sums, 0, column);
        self.chunks = sum(0)?;
        self.counts = Counts {
            base: sum(1)?,
            filtered: sum(2)?,
            read: sum(3)?,
            inserted: sum(4)?,
            updated: sum(5)?,
            unchanged: sum(6)?,
            skipped: sum(7)?,
            rejected: sum(8)?,
            target_rows: sum(9)?,
            kept: sum(10)?,
        };
        self.micros = sum(11)?;
        self.last_commit = text(sums, 0, 12)?.unwrap_or_default();
        for row in 0..codes.len() {
            let one: CodeCounts =
                serde_json::from_str(&text(codes, row, 0)?.unwrap_or_default())
                    .map_err(|_| StateError::Damaged("a chunk's codes do not read back".into()))?;
            for _ in 0..number(codes, row, 1)? {
                self.codes.add(&one);
            }
        }
        Ok(())
    }
}
