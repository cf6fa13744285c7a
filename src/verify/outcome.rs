//! What a verification found, as data: per table and class a count, and the first keys with their columns.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::plan::handover::Point;
use crate::rule::Rule;

/// Differences shown per class and table; all of them are counted.
const SHOWN_MAX: usize = 200;

/// Why a row differs. The first eight are differences, the others are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The rule writes it, and the target does not hold it.
    Missing,
    /// The target holds it, and nothing derives it.
    Extraneous,
    /// Somebody who is not proved to be us wrote it last.
    TargetEdited,
    /// The source row is not what it was.
    SourceChanged,
    /// The source row is what it was; a parent or a related row is not.
    LookupChanged,
    /// It was decided by another version of the rule.
    RuleChanged,
    /// Nothing changed, and we wrote it last: our own fault.
    Corrupt,
    /// Its source row is gone, or the rule leaves it behind now.
    Withdrawn,
    /// An adopted row keeps what it held, as the rule's `existing` says.
    Kept,
    /// The rule would write it; the target refused it, and the row is in quarantine.
    Refused,
    /// The table is not through: this row's turn has not come.
    Pending,
    /// It names a file that storage does not hold.
    FileAbsent,
    /// Written by a script: nothing derives it.
    #[serde(rename = "not-re-derived")]
    NotRederived,
}

impl Class {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extraneous => "extraneous",
            Self::TargetEdited => "target-edited",
            Self::SourceChanged => "source-changed",
            Self::LookupChanged => "lookup-changed",
            Self::RuleChanged => "rule-changed",
            Self::Corrupt => "corrupt",
            Self::Withdrawn => "withdrawn",
            Self::Kept => "kept",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::FileAbsent => "file-absent",
            Self::NotRederived => "not-re-derived",
        }
    }

    /// Whether the target is other than it should be.
    pub fn differs(self) -> bool {
        !matches!(
            self,
            Self::Kept | Self::Refused | Self::Pending | Self::FileAbsent | Self::NotRederived
        )
    }

    /// The source, or what it is read with, moved on after the run: not the target's fault.
    pub fn moved(self) -> bool {
        matches!(
            self,
            Self::SourceChanged | Self::LookupChanged | Self::RuleChanged | Self::Withdrawn
        )
    }
}

/// One row that differs. No cell values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The source key.
    pub key: String,
    /// The target row.
    pub id: Option<Uuid>,
    /// Target columns that differ.
    pub columns: Vec<String>,
}

/// The rows of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// All of them.
    pub count: u64,
    /// The first.
    pub rows: Vec<Difference>,
    /// Over all of them, in whatever order they were found: two verifications that found the same have the same.
    #[serde(skip)]
    digest: [u8; 32],
}

impl Tally {
    pub(super) fn add(&mut self, difference: Difference) {
        self.count += 1;
        let id = difference.id.map(|id| id.to_string());
        let mut hash = Sha256::new();
        for part in std::iter::once(&difference.key)
            .chain(&id)
            .chain(&difference.columns)
        {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        for (mine, more) in self.digest.iter_mut().zip(hash.finalize()) {
            *mine ^= more;
        }
        if self.rows.len() < SHOWN_MAX {
            self.rows.push(difference);
        }
    }
}

/// A question about the whole table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `references`, `legacy_ids`, `reconcile`, `sequence` …
    pub name: String,
    /// It holds; `None` when it could not be asked.
    pub ok: Option<bool>,
    /// The answer as a sentence.
    pub text: String,
    /// The query that tells.
    pub query: String,
}

/// Whether an application can use what is there: one answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// `visible`: rows that a role of the API sees; `story`: rows that lead to the rows they name.
    pub name: &'static str,
    /// The role, or the tables that are joined.
    pub what: String,
    /// The role that asked; `None` is the session's own.
    pub role: Option<String>,
    /// Rows there are.
    pub of: Option<i64>,
    /// Rows that were found.
    pub found: Option<i64>,
    /// It holds; `None` when there is nothing that has to hold, or it could not be asked.
    pub ok: Option<bool>,
    /// The answer as a sentence.
    pub text: String,
    /// The query that tells, asked as `role`.
    pub query: String,
}

impl Fit {
    pub(super) fn story(path: &str, query: String) -> Self {
        Self {
            name: "story",
            what: path.to_owned(),
            role: None,
            of: None,
            found: None,
            ok: None,
            text: String::new(),
            query,
        }
    }
}

/// Rows that were compared by an earlier verification, which was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Source rows.
    pub rows: u64,
    /// The last key of the first stretch.
    pub after: String,
    /// The snapshots they were read in, the oldest first.
    pub moments: Vec<String>,
}

/// What is proved of one table.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TableProof {
    /// The rule.
    pub rule: String,
    /// Its target table.
    pub target: String,
    /// *transform* fingerprint of the rule as it was applied: what was derived by.
    pub transform_fp: String,
    /// Every row was derived; false for samples and procedures.
    pub whole: bool,
    /// Source rows that were derived.
    pub derived: u64,
    /// Of those, rows that the rule writes.
    pub written: u64,
    /// Target rows that they become; another number only where one source row becomes several.
    pub rows_written: u64,
    /// Of those, rows that it leaves behind.
    pub skipped: u64,
    /// Of those, rows that it rejects.
    pub rejected: u64,
    /// Target rows that were compared.
    pub compared: u64,
    /// Cells that were compared.
    pub cells: u64,
    /// Rows that differ, or would be mistaken for it, by class.
    pub classes: BTreeMap<Class, Tally>,
    /// Questions about the whole table.
    pub checks: Vec<Check>,
    /// Whether an application can use what is there.
    pub fitness: Vec<Fit>,
    /// What a verification that was killed had compared before.
    pub resumed: Option<Resumed>,
    /// Target columns that are left to the target and not compared.
    pub not_compared: Vec<String>,
    /// What cannot be said about this table, as sentences.
    pub notes: Vec<String>,
    /// Wall time.
    pub seconds: f64,
}

impl TableProof {
    pub(super) fn new(rule: &Rule, transform_fp: &str) -> Self {
        Self {
            rule: rule.name.clone(),
            target: rule.header.target.clone(),
            transform_fp: transform_fp.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, class: Class, difference: Difference) {
        self.classes.entry(class).or_default().add(difference);
    }

    /// Rows of a class.
    pub fn count(&self, class: Class) -> u64 {
        self.classes.get(&class).map_or(0, |tally| tally.count)
    }

    /// One hash over every row of every class; `None` when there is none.
    pub(super) fn digest(&self) -> Option<String> {
        let classes = self.classes.iter().filter(|(_, tally)| tally.count > 0);
        let mut hash = Sha256::new();
        let mut any = false;
        for (class, tally) in classes {
            hash.update(class.word());
            hash.update(tally.digest);
            any = true;
        }
        any.then(|| crate::db::hex(&hash.finalize())[..16].to_owned())
    }

    /// Rows that differ, and questions that were answered with no.
    pub fn differences(&self) -> u64 {
        let rows = self.classes.iter().filter(|(class, _)| class.differs());
        rows.map(|(_, tally)| tally.count).sum::<u64>() + self.failed()
    }

    /// The same, as far as the target itself is other than what was written into it.
    pub fn faults(&self) -> u64 {
        let rows = self
            .classes
            .iter()
            .filter(|(class, _)| class.differs() && !class.moved());
        rows.map(|(_, tally)| tally.count).sum::<u64>() + self.failed()
    }

    /// Questions that were answered with no.
    fn failed(&self) -> u64 {
        let checks = self.checks.iter().map(|check| check.ok);
        let answers = checks.chain(self.fitness.iter().map(|fit| fit.ok));
        answers.filter(|ok| *ok == Some(false)).count() as u64
    }
}

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verification {
    /// By table, parents first.
    pub tables: Vec<TableProof>,
    /// Rules that were not verified, and why.
    pub not_run: Vec<(String, String)>,
    /// The source's name for what was read.
    pub source_snapshot: String,
    /// The source's clock.
    pub source_time: String,
    /// The target's name for what was read.
    pub target_snapshot: String,
    /// What is not in order on the target beside its rows.
    pub handover: Vec<Point>,
    /// The API's roles that the target has.
    pub api_roles: Vec<String>,
    /// What ids are computed with; not shown, it could be used to guess them.
    #[serde(skip)]
    pub namespace: Uuid,
}

impl Verification {
    /// The two snapshots in words.
    pub fn moment(&self) -> String {
        format!(
            "source {} at {}, target {}",
            self.source_snapshot, self.source_time, self.target_snapshot
        )
    }

    /// Everything that differs.
    pub fn differences(&self) -> u64 {
        self.tables.iter().map(TableProof::differences).sum()
    }
}

/// The rule in the folder is not the one that was applied: said once, by both fingerprints.
pub(super) fn held_against_folder(
    proof: &mut TableProof,
    applied: &Rule,
    now: Option<&std::sync::Arc<Rule>>,
) {
    let Some(now) = now else {
        proof.notes.push(
            "its file is no longer in the folder of rules; it was verified by the text that was applied".into(),
        );
        return;
    };
    if now.fingerprints.transform != applied.fingerprints.transform {
        let query = format!(
            "applied {}, now {}",
            short(&applied.fingerprints.transform),
            short(&now.fingerprints.transform)
        );
        proof.checks.push(Check {
            name: Class::RuleChanged.word().into(),
            ok: Some(false),
            text: format!(
                "{} changed since it was applied; the rows were verified by the rule as it was applied. `runner exec {} --restart` applies it as it is now",
                now.path.display(),
                proof.rule
            ),
            query,
        });
    }
}

fn short(fingerprint: &str) -> &str {
    &fingerprint[..fingerprint.len().min(12)]
}
