//! How far a verification has come, in a small file of the user's, so that one that was killed can go on.
//!
//! Only ranges of keys in which nothing at all was found are kept, with what they count to: whatever differed is
//! looked at again, so no finding is ever taken from the file. A range counts only while the ledger, the rule
//! and, as far as the servers count writes, the tables are what they were; and it is always said that it does.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::VerifyError;
use super::outcome::TableProof;
use crate::config::{Config, state_dir};
use crate::db::{Engine, Session, TableName, literal};
use crate::diagnostic::Diagnostic;
use crate::row::Key;
use crate::rule::{Rule, Side};
use crate::state::{Applied, State};

/// What was compared longer ago is compared again.
const AGE_MAX: Duration = Duration::from_hours(24);

/// Keys behind `lo`, up to `hi`, where target and source agree in everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    pub(super) lo: Option<Vec<String>>,
    pub(super) hi: Vec<String>,
}

/// What a chunk, or all clean chunks of a table, count to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) derived: u64,
    pub(super) written: u64,
    pub(super) rows_written: u64,
    pub(super) skipped: u64,
    pub(super) rejected: u64,
    pub(super) compared: u64,
    pub(super) cells: u64,
}

impl Counts {
    fn add(&mut self, more: &Self) {
        self.derived += more.derived;
        self.written += more.written;
        self.rows_written += more.rows_written;
        self.skipped += more.skipped;
        self.rejected += more.rejected;
        self.compared += more.compared;
        self.cells += more.cells;
    }

    /// What the table counts to since `before`.
    pub(super) fn of(proof: &TableProof) -> Self {
        Self {
            derived: proof.derived,
            written: proof.written,
            rows_written: proof.rows_written,
            skipped: proof.skipped,
            rejected: proof.rejected,
            compared: proof.compared,
            cells: proof.cells,
        }
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            derived: self.derived - before.derived,
            written: self.written - before.written,
            rows_written: self.rows_written - before.rows_written,
            skipped: self.skipped - before.skipped,
            rejected: self.rejected - before.rejected,
            compared: self.compared - before.compared,
            cells: self.cells - before.cells,
        }
    }

    pub(super) fn put_into(&self, proof: &mut TableProof) {
        proof.derived += self.derived;
        proof.written += self.written;
        proof.rows_written += self.rows_written;
        proof.skipped += self.skipped;
        proof.rejected += self.rejected;
        proof.compared += self.compared;
        proof.cells += self.cells;
    }
}

/// One table, as far as it is known to agree.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Clean {
    /// What must not have changed.
    facts: String,
    /// The snapshots that the ranges were read in, the oldest first.
    pub(super) moments: Vec<String>,
    /// The legacy column holds something else than the key.
    pub(super) other_legacy: bool,
    /// In key order.
    pub(super) ranges: Vec<Range>,
    pub(super) counts: Counts,
    /// Per reconciliation what was skipped and rejected, as decimals; `None` is no finite decimal.
    pub(super) sums: Vec<(Option<String>, Option<String>)>,
    /// The range before the chunk that comes next.
    #[serde(skip)]
    at: Option<usize>,
}

impl Clean {
    /// A chunk in which everything agrees.
    pub(super) fn add(&mut self, lo: Option<&Key>, hi: &Key, counts: &Counts) {
        self.counts.add(counts);
        self.pass(lo);
        let (lo, hi) = (lo.map(|key| key.0.clone()), hi.0.clone());
        let touches = self
            .at
            .filter(|at| lo.as_ref() == Some(&self.ranges[*at].hi));
        let at = if let Some(at) = touches {
            self.ranges[at].hi = hi;
            at
        } else {
            let at = self.at.map_or(0, |at| at + 1);
            self.ranges.insert(at, Range { lo, hi });
            at
        };
        let next = self.ranges.get(at + 1);
        if next.is_some_and(|next| next.lo.as_ref() == Some(&self.ranges[at].hi)) {
            self.ranges[at].hi = self.ranges.remove(at + 1).hi;
        }
        self.at = Some(at);
    }

    /// A chunk begins here: which range lies before it?
    pub(super) fn pass(&mut self, lo: Option<&Key>) {
        let Some(Key(lo)) = lo else { return };
        let here = self.ranges.iter().position(|range| range.hi == *lo);
        self.at = here.or(self.at);
    }
}

/// The file.
pub(super) struct Progress {
    path: Option<PathBuf>,
    tables: BTreeMap<String, Clean>,
}

impl Progress {
    /// What was left behind by a verification of this target; `fresh` forgets it.
    pub(super) fn open(config: &Config, namespace: uuid::Uuid, fresh: bool) -> Self {
        let path = path(config, namespace);
        let young = |path: &Path| {
            let age = std::fs::metadata(path).ok()?.modified().ok()?.elapsed();
            age.ok().filter(|age| *age < AGE_MAX)
        };
        let kept = path
            .as_deref()
            .filter(|path| !fresh && young(path).is_some())
            .and_then(|path| std::fs::read(path).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            path,
            tables: kept.unwrap_or_default(),
        }
    }

    /// Neither read nor written: what is drawn at random, or has to be seen at one moment, begins anew.
    pub(super) fn none() -> Self {
        Self {
            path: None,
            tables: BTreeMap::new(),
        }
    }

    /// What is known of a table, if its facts are the same.
    pub(super) fn begin(&mut self, rule: &str, facts: String, moment: &str) -> Clean {
        // it stays, for the one that comes should this be killed before its first chunk
        self.tables
            .retain(|of, kept| of != rule || kept.facts == facts);
        let mut clean = self.tables.get(rule).cloned().unwrap_or_default();
        clean.facts = facts;
        clean.moments.push(moment.to_owned());
        clean
    }

    /// Keeps how far a table is. A file that cannot be written only means that the next one begins anew.
    pub(super) fn keep(&mut self, rule: &str, clean: &Clean) {
        if self.path.is_some() {
            self.tables.insert(rule.to_owned(), clean.clone());
            let _ = self.write();
        }
    }

    /// These tables were verified to the end.
    pub(super) fn forget(&mut self, rules: &[String]) {
        self.tables.retain(|rule, _| !rules.contains(rule));
        let Some(path) = &self.path else { return };
        if self.tables.is_empty() {
            let _ = std::fs::remove_file(path);
        } else {
            let _ = self.write();
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // another process, or a kill, must never see half of it
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&part)?;
        file.write_all(&serde_json::to_vec(&self.tables)?)?;
        std::fs::rename(part, path)
    }
}

fn path(config: &Config, namespace: uuid::Uuid) -> Option<PathBuf> {
    let mut hash = Sha256::new();
    for url in [config.source().ok()?, config.target().ok()?] {
        hash.update(url.to_string());
        hash.update([0]);
    }
    hash.update(namespace.as_bytes());
    let name: String = crate::db::hex(&hash.finalize())[..16].to_owned();
    Some(state_dir()?.join("verify").join(format!("{name}.json")))
}

/// Everything that a range of a table rests on, as one hash.
pub(super) async fn facts(
    config: &Config,
    rule: &Rule,
    applied: &Applied,
    state: State,
    source: &mut Session,
    target: &mut Session,
) -> Result<String, VerifyError> {
    let mut hash = Sha256::new();
    let mut put = |text: &str| {
        hash.update(text);
        hash.update([0]);
    };
    put(env!("CARGO_PKG_VERSION"));
    put(&applied.transform_fp);
    for line in state.lines(target, &rule.name).await? {
        put(&format!("{} {} {}", line.id, line.kind, line.transform_fp));
    }
    let of_side = |side: Side| {
        let lookups = rule.header.lookups.iter().filter(move |l| l.db == side);
        lookups.map(|lookup| lookup.from.as_str())
    };
    let base: Vec<&str> = std::iter::once(rule.header.base.as_str())
        .chain(of_side(Side::Source))
        .collect();
    let parents = rule.header.ids.iter().map(|entry| entry.entity.as_str());
    let filled: Vec<&str> = std::iter::once(rule.header.target.as_str())
        .chain(of_side(Side::Target))
        .chain(parents)
        .collect();
    put(&writes(source, config.source()?.sqlite_path(), &base).await?);
    put(&writes(target, config.target()?.sqlite_path(), &filled).await?);
    Ok(crate::db::hex(&hash.finalize()))
}

/// What the engine counts of writes to these tables; those that a select reads are not among them.
async fn writes(
    session: &mut Session,
    file: Option<&Path>,
    tables: &[&str],
) -> Result<String, VerifyError> {
    if session.engine() == Engine::Sqlite {
        let Some(file) = file else {
            return Ok(String::new());
        };
        let mut wal = file.as_os_str().to_owned();
        wal.push("-wal");
        let stamp = |path: &Path| {
            let data = std::fs::metadata(path).ok()?;
            Some((data.len(), data.modified().ok()))
        };
        return Ok(format!("{:?} {:?}", stamp(file), stamp(Path::new(&wal))));
    }
    let mut names = Vec::new();
    for table in tables
        .iter()
        .filter(|t| !t.trim().contains(char::is_whitespace))
    {
        let name = TableName::parse(table).sql(Engine::Postgres);
        names.push(format!(
            "to_regclass({})",
            literal(Engine::Postgres, &name).map_err(Diagnostic::from)?
        ));
    }
    let sql = format!(
        "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_all_tables where relid in ({})",
        names.join(", ")
    );
    Ok(super::cell(&session.query(&sql).await?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::single(text)
    }

    #[test]
    fn ranges_that_touch_become_one_and_a_gap_that_is_filled_later_joins_its_neighbours() {
        let mut clean = Clean::default();
        let one = Counts::default();
        clean.add(None, &key("10"), &one);
        clean.add(Some(&key("10")), &key("20"), &one);
        // 20..30 differs, 30..40 does not
        clean.pass(Some(&key("20")));
        clean.add(Some(&key("30")), &key("40"), &one);
        clean.add(Some(&key("40")), &key("50"), &one);
        let shown = |clean: &Clean| -> Vec<String> {
            let ends = |r: &Range| format!("{:?}..{}", r.lo.as_ref().map(|lo| &lo[0]), r.hi[0]);
            clean.ranges.iter().map(ends).collect()
        };
        assert_eq!(shown(&clean), ["None..20", "Some(\"30\")..50"]);
        // the next verification reads what lies between
        clean.at = None;
        clean.add(Some(&key("20")), &key("25"), &one);
        assert_eq!(shown(&clean), ["None..25", "Some(\"30\")..50"]);
        clean.add(Some(&key("25")), &key("30"), &one);
        clean.add(Some(&key("50")), &key("60"), &one);
        assert_eq!(shown(&clean), ["None..60"]);
    }
}
