//! One hash over everything a run wrote down: its ledger lines in key order, each with the hash of its manifest.
//! A line that is edited later, or a manifest, no longer gives the same.

use sha2::{Digest, Sha256};

use crate::db::{Engine, Session, hex};
use crate::state::chunk::from_hex;
use crate::state::{Counts, Manifest, Outcome, State, StateError, number, text};

/// Columns that are sealed: what was read and what became of it. Ids, times and transactions differ between two
/// runs that do the same, with one writer or with four.
const SEALED: &str = "rule, pass, kind, no, lo, hi, base, filtered, read, inserted, updated, unchanged, skipped, rejected, target_rows, kept, codes, hash";

/// The name of the finding that keeps a run's root.
pub const ROOT: &str = "root";

impl State {
    /// The root hash of a run and the number of its chunks, from the ledger as it is.
    pub async fn root(self, session: &mut Session, run: i64) -> Result<(String, u64), StateError> {
        let sql = format!(
            "select {SEALED} from {} where run_id = {run} order by rule, pass, kind, no, id",
            self.table("chunk")
        );
        let rows = session.query(&sql).await?;
        let mut root = Sha256::new();
        for row in 0..rows.len() {
            let (bytes, ends) = rows.raw_row(row);
            let start = ends.last().map_or(0, |end| end - bytes.len());
            let mut line = Sha256::new();
            let mut from = start;
            for end in ends {
                line.update(format!("{}:", end - from));
                line.update(&bytes[from - start..end - start]);
                from = *end;
            }
            root.update(line.finalize());
        }
        Ok((hex(&root.finalize()), rows.len() as u64))
    }

    /// The finding that keeps it, as one insert.
    pub fn root_sql(self, run: i64, root: &str, chunks: u64) -> Result<String, StateError> {
        let detail = serde_json::json!({ "root": root, "chunks": chunks });
        self.finding_sql(run, "", "run", ROOT, "ok", &detail)
    }

    /// The roots that runs were sealed with, by run.
    pub async fn roots(self, session: &mut Session) -> Result<Vec<(i64, String)>, StateError> {
        let sql = format!(
            "select run_id, detail from {} where phase = 'run' and name = '{ROOT}' order by run_id",
            self.table("finding")
        );
        let rows = session.query(&sql).await?;
        let mut roots = Vec::new();
        for row in 0..rows.len() {
            let detail = text(&rows, row, 1)?.unwrap_or_default();
            let detail: serde_json::Value = serde_json::from_str(&detail).unwrap_or_default();
            if let Some(root) = detail["root"].as_str() {
                roots.push((number(&rows, row, 0)?, root.to_owned()));
            }
        }
        Ok(roots)
    }

    /// Ledger lines that their own manifests contradict, as sentences.
    pub async fn contradicted(self, session: &mut Session) -> Result<Vec<String>, StateError> {
        let packed = match self.engine() {
            Engine::Postgres => "encode(m.packed, 'hex')",
            Engine::Sqlite => "hex(m.packed)",
        };
        let mut wrong = Vec::new();
        let mut after = 0;
        loop {
            let sql = format!(
                "select c.id, c.rule, c.kind, c.hash, c.base, c.filtered, c.read, c.inserted, c.updated, c.unchanged, c.skipped, c.rejected, {packed} \
                 from {} c left join {} m on m.chunk_id = c.id where c.id > {after} order by c.id limit 16",
                self.table("chunk"),
                self.table("manifest")
            );
            let rows = session.query(&sql).await?;
            if rows.is_empty() {
                return Ok(wrong);
            }
            for row in 0..rows.len() {
                after = number(&rows, row, 0)?;
                let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
                let place = format!("chunk {after} of {}", get(1)?);
                let bytes = from_hex(&get(12)?)?;
                if hex(&Sha256::digest(&bytes)) != get(3)? {
                    wrong.push(format!(
                        "{place}: its manifest does not have the hash that the ledger names"
                    ));
                    continue;
                }
                let said = Counts {
                    base: number(&rows, row, 4)?,
                    filtered: number(&rows, row, 5)?,
                    read: number(&rows, row, 6)?,
                    inserted: number(&rows, row, 7)?,
                    updated: number(&rows, row, 8)?,
                    unchanged: number(&rows, row, 9)?,
                    skipped: number(&rows, row, 10)?,
                    rejected: number(&rows, row, 11)?,
                    ..Counts::default()
                };
                if !said.balanced() {
                    wrong.push(format!("{place}: its line does not balance"));
                } else if matches!(get(2)?.as_str(), "pass" | "sweep") {
                    // signed lines take rows back, so only those that read rows can be counted again
                    let counted = recount(&Manifest::unpack(&bytes)?);
                    let same = [
                        counted.inserted,
                        counted.updated,
                        counted.unchanged,
                        counted.skipped,
                        counted.rejected,
                    ] == [
                        said.inserted,
                        said.updated,
                        said.unchanged,
                        said.skipped,
                        said.rejected,
                    ];
                    let nothing = bytes.len() == 1 && said.read == 0;
                    if !(same || nothing) {
                        wrong.push(format!(
                            "{place}: its line counts other outcomes than its manifest holds"
                        ));
                    }
                }
            }
        }
    }
}

fn recount(manifest: &Manifest) -> Counts {
    let mut counts = Counts::default();
    for entry in &manifest.entries {
        let of = match (entry.verdict, entry.outcome) {
            (1, _) => &mut counts.skipped,
            (2, _) => &mut counts.rejected,
            (_, Outcome::Updated) => &mut counts.updated,
            (_, Outcome::Unchanged) => &mut counts.unchanged,
            _ => &mut counts.inserted,
        };
        *of += 1;
    }
    counts
}
