//! What procedural rules and hooks keep: checkpoints in the ledger, and ids that a script stated.

use std::collections::HashMap;

use uuid::Uuid;

use crate::db::Session;
use crate::state::{State, StateError, text};

/// An id that a script stated with `ids.put`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The target table.
    pub entity: String,
    /// The legacy key in its display form.
    pub key: String,
    /// The row's id.
    pub id: Uuid,
}

impl State {
    /// The value that the newest chunk of this name was committed with, as JSON text.
    pub async fn checkpoint(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
        name: &str,
    ) -> Result<Option<String>, StateError> {
        let sql = format!(
            "select hi from {} c where rule = {} and pass = {pass} and kind = 'procedure' and lo = {} and {} order by id desc limit 1",
            self.table("chunk"),
            self.text(rule)?,
            self.text(&serde_json::json!([name]).to_string())?,
            // hooks' chunks stand outside the account
            self.standing_chunk("c"),
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let stored: Vec<String> = serde_json::from_str(&text(&rows, 0, 0)?.unwrap_or_default())
            .map_err(|_| StateError::Damaged("a checkpoint does not read back".into()))?;
        Ok(stored.into_iter().next())
    }

    /// Statements that keep what a chunk stated, each begun by `;`.
    pub(crate) fn stated_sql(
        self,
        rule: &str,
        chunk: i64,
        stated: &[Stated],
    ) -> Result<String, StateError> {
        let mut sql = String::new();
        for one in stated {
            sql.push_str(&format!(
                ";insert into {} (entity, key, id, rule, chunk_id) values ({}, {}, '{}', {}, {chunk}) \
                 on conflict (entity, key) do update set id = excluded.id, rule = excluded.rule, chunk_id = excluded.chunk_id",
                self.table("stated"),
                self.text(&one.entity)?,
                self.text(&one.key)?,
                one.id,
                self.text(rule)?,
            ));
        }
        Ok(sql)
    }

    /// Legacy keys of a table with the ids that scripts stated, then those that manifests gave them:
    /// what no legacy column tells. A stated id wins.
    pub async fn known_ids(
        self,
        session: &mut Session,
        entity: &str,
    ) -> Result<HashMap<String, Uuid>, StateError> {
        let mut known = HashMap::new();
        let rules = format!(
            "select rule, max(pass) from {} s where {} and target in ({}, {}) group by rule",
            self.table("segment"),
            self.live_segment("s"),
            self.text(entity)?,
            self.text(&format!("public.{entity}"))?,
        );
        let rules = session.query(&rules).await?;
        for row in 0..rules.len() {
            let rule = text(&rules, row, 0)?.unwrap_or_default();
            let pass = text(&rules, row, 1)?
                .and_then(|p| p.parse().ok())
                .unwrap_or(0);
            for kind in ["pass", "sweep", "procedure", "retry"] {
                let mut after = 0;
                loop {
                    let found = self
                        .manifests(session, &rule, pass, kind, after, 20)
                        .await?;
                    let Some((last, ..)) = found.last() else {
                        break;
                    };
                    after = *last;
                    let entries = found.into_iter().flat_map(|(_, _, m)| m.entries);
                    known
                        .extend(entries.filter_map(|entry| Some((entry.key, *entry.ids.first()?))));
                }
            }
        }
        let stated = format!(
            "select key, id from {} where entity = {}",
            self.table("stated"),
            self.text(entity)?
        );
        let rows = session.query(&stated).await?;
        for row in 0..rows.len() {
            let id = text(&rows, row, 1)?.and_then(|id| id.parse().ok());
            known.extend(text(&rows, row, 0)?.zip(id));
        }
        Ok(known)
    }
}
