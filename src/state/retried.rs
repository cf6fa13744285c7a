//! Quarantine as a retry sees it: what is held, which rules wait for whom, which parents came since.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::db::Session;
use crate::state::{State, StateError, number, text};

/// Manifests unpacked at a time.
const PAGE: u32 = 64;

/// A rejected row of a table's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub code: String,
    /// The chunk that rejected it.
    pub chunk: i64,
    /// Entity and key whose arrival releases it.
    pub waiting: Option<(String, String)>,
    /// The stored columns, JSON.
    pub data: String,
}

impl State {
    /// The rows that a rule's account holds as rejected, by key.
    pub async fn held(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<BTreeMap<String, Held>, StateError> {
        let sql = format!(
            "select key, code, chunk_id, waiting_entity, waiting_key, data from {} where rule = {} and status <> 'trial'",
            self.table("quarantine"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        let get = |row, column| text(&rows, row, column);
        (0..rows.len())
            .map(|row| {
                let held = Held {
                    code: get(row, 1)?.unwrap_or_default(),
                    chunk: number(&rows, row, 2)?,
                    waiting: get(row, 3)?.zip(get(row, 4)?),
                    data: get(row, 5)?.unwrap_or_default(),
                };
                Ok((get(row, 0)?.unwrap_or_default(), held))
            })
            .collect()
    }

    /// Which rules have rows that wait, and for rows of which entities.
    pub async fn waiting_rules(
        self,
        session: &mut Session,
    ) -> Result<Vec<(String, String)>, StateError> {
        let sql = format!(
            "select distinct rule, waiting_entity from {} where waiting_entity is not null and status <> 'trial'",
            self.table("quarantine")
        );
        let rows = session.query(&sql).await?;
        let get = |row, column| text(&rows, row, column).map(Option::unwrap_or_default);
        (0..rows.len())
            .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
            .collect()
    }

    /// Keys of an entity's rows that rows in quarantine wait for.
    pub async fn waited_for(
        self,
        session: &mut Session,
        entity: &str,
    ) -> Result<HashSet<String>, StateError> {
        let sql = format!(
            "select distinct waiting_key from {} where waiting_entity in ({}, {}) and status <> 'trial'",
            self.table("quarantine"),
            self.text(entity)?,
            self.text(&format!("public.{entity}"))?
        );
        let rows = session.query(&sql).await?;
        let mut keys = HashSet::new();
        for row in 0..rows.len() {
            keys.extend(text(&rows, row, 0)?);
        }
        Ok(keys)
    }

    /// Keys of a rule that were written after its table was through, by a retry or because they were new
    /// in the source, with the chunk that wrote them.
    pub async fn arrived(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
    ) -> Result<HashMap<String, i64>, StateError> {
        let mut arrived = HashMap::new();
        for kind in ["sweep", "retry"] {
            for (chunk, key, verdict) in self.decided(session, rule, pass, kind, 0).await? {
                if verdict == 0 {
                    arrived.insert(key, chunk);
                }
            }
        }
        Ok(arrived)
    }

    /// What the chunks of a kind decided, those up to `after` left out: chunk, key, verdict.
    pub async fn decided(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
        kind: &str,
        mut after: i64,
    ) -> Result<Vec<(i64, String, u8)>, StateError> {
        let mut decided = Vec::new();
        loop {
            let found = self
                .manifests(session, rule, pass, kind, after, PAGE)
                .await?;
            let Some((last, ..)) = found.last() else {
                return Ok(decided);
            };
            after = *last;
            for (chunk, _, manifest) in found {
                let entries = manifest.entries.into_iter();
                decided.extend(entries.map(|entry| (chunk, entry.key, entry.verdict)));
            }
        }
    }
}
