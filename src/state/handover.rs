//! The state as a document for whoever takes over, and its end.
//!
//! What leaves the database is what happened: ids, keys, codes, counts, hashes, rule texts. What a row holds
//! stays: neither the stored columns of quarantine, nor its sentences (a rule may put a value into one), nor
//! before-images, nor a script's checkpoints, nor the namespace, with which ids could be guessed from keys.

use serde_json::{Map, Value};

use crate::db::{Engine, Session};
use crate::state::chunk::from_hex;
use crate::state::{Manifest, State, StateError, number, schema, text};

/// Version of the document.
pub const HANDOVER: u32 = 1;

/// Tables in the order in which they are told, and their columns. Numbers are marked.
const TOLD: &[(&str, &str, &str)] = &[
    (
        "rule",
        "rule, transform_fp, gate_fp, texts, stored_at",
        "stored_at, rule",
    ),
    (
        "run",
        "id#, command, status, epoch#, version, source_server, target_server, rules_revision, restore_point, options, started_at, \
         finished_at, exit_code#",
        "id",
    ),
    (
        "segment",
        "id#, run_id#, rule, target, pass#, kind, accounted#, snapshot, source_time, base#, read_rows#, transform_fp, gate_fp, opened_at, \
         closed_at, complete#",
        "id",
    ),
    (
        "chunk",
        "id#, segment_id#, run_id#, rule, pass#, kind, accounted#, no#, lo, hi, base#, filtered#, read#, inserted#, updated#, unchanged#, \
         skipped#, rejected#, target_rows#, kept#, codes, hash, xid, epoch#, micros#, committed_at",
        "id",
    ),
    (
        "quarantine",
        "rule, key, chunk_id#, run_id#, code, stage, sqlstate, constraint_name, path, line#, col#, input_hash, transform_fp, \
         waiting_entity, waiting_key, status, at",
        "rule, key",
    ),
    (
        "later",
        "rule, chunk_id#, key, target_id, value",
        "rule, target_id",
    ),
    ("stated", "entity, key, id, rule, chunk_id#", "entity, key"),
    (
        "accepted",
        "id#, rule, code, key, note, who, input_hash, transform_fp, at, revoked_at",
        "id",
    ),
    (
        "before_image",
        "run_id#, chunk_id#, rule, target, target_id",
        "chunk_id, target, target_id",
    ),
    (
        "finding",
        "run_id#, rule, phase, name, status, detail, at",
        "run_id, at",
    ),
];

/// A manifest's verdicts by number.
const VERDICTS: [&str; 3] = ["write", "skip", "reject"];

impl State {
    /// The tables that [`Self::told`] knows.
    pub fn told_tables(self) -> impl Iterator<Item = &'static str> {
        TOLD.iter().map(|(table, ..)| *table)
    }

    /// A table's rows as JSON objects, what is private left out.
    pub async fn told(self, session: &mut Session, table: &str) -> Result<Vec<Value>, StateError> {
        let Some((_, columns, order)) = TOLD.iter().find(|(name, ..)| *name == table) else {
            return Ok(vec![]);
        };
        let columns: Vec<(&str, bool)> = columns
            .split(',')
            .map(str::trim)
            .map(|column| (column.trim_end_matches('#'), column.ends_with('#')))
            .collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let sql = format!(
            "select {} from {} order by {order}",
            names.join(", "),
            self.table(table)
        );
        let rows = session.query(&sql).await?;
        let mut told = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            let mut object = Map::new();
            object.insert("table".into(), table.into());
            for (at, (name, is_number)) in columns.iter().enumerate() {
                let value = match text(&rows, row, at)? {
                    None => Value::Null,
                    Some(_) if *is_number => number(&rows, row, at)?.into(),
                    // these hold JSON themselves
                    Some(json)
                        if ["texts", "options", "codes", "detail", "lo", "hi"].contains(name) =>
                    {
                        serde_json::from_str(&json).unwrap_or(Value::Null)
                    }
                    Some(text) => text.into(),
                };
                object.insert((*name).to_owned(), value);
            }
            // a script's checkpoint is whatever the script made of its rows
            if object.get("kind").is_some_and(|kind| kind == "procedure") && table == "chunk" {
                object.insert("hi".into(), Value::Null);
            }
            told.push(Value::Object(object));
        }
        Ok(told)
    }

    /// A few manifests after this chunk, unpacked: what became of each source row. Empty at the end.
    pub async fn told_manifests(
        self,
        session: &mut Session,
        after: i64,
    ) -> Result<Vec<(i64, Value)>, StateError> {
        let packed = match self.engine() {
            Engine::Postgres => "encode(packed, 'hex')",
            Engine::Sqlite => "hex(packed)",
        };
        let sql = format!(
            "select chunk_id, {packed} from {} where chunk_id > {after} order by chunk_id limit 16",
            self.table("manifest")
        );
        let rows = session.query(&sql).await?;
        let mut told = Vec::new();
        for row in 0..rows.len() {
            let chunk = number(&rows, row, 0)?;
            let bytes = from_hex(&text(&rows, row, 1)?.unwrap_or_default())?;
            let entries: Vec<Value> = Manifest::unpack(&bytes)?
                .entries
                .into_iter()
                .map(|entry| {
                    serde_json::json!({
                        "key": entry.key,
                        "verdict": VERDICTS.get(usize::from(entry.verdict)),
                        "outcome": entry.outcome,
                        "input": crate::db::hex(&entry.input),
                        "ids": entry.ids,
                    })
                })
                .collect();
            let line =
                serde_json::json!({ "table": "manifest", "chunk_id": chunk, "entries": entries });
            told.push((chunk, line));
        }
        Ok(told)
    }

    /// Takes the state out of the target, by name: what others hung on it makes this fail instead of going with
    /// it. In a transaction.
    pub async fn purge(self, session: &mut Session) -> Result<(), StateError> {
        session.execute(&schema::drop_sql(self)).await?;
        Ok(())
    }

    /// How many rows a state table has.
    pub async fn size(self, session: &mut Session, table: &str) -> Result<i64, StateError> {
        let sql = format!("select count(*) from {}", self.table(table));
        number(&session.query(&sql).await?, 0, 0)
    }
}
