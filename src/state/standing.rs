//! What a sync asks the state: which rows it holds as written, and the rows that it leaves as they stand.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::db::{Engine, Session, hex};
use crate::state::chunk::from_hex;
use crate::state::{Entry, Manifest, Outcome, State, StateError, number, text};

/// Manifests unpacked at a time.
const PAGE: u32 = 20;
/// Rows per statement.
const ROWS: usize = 500;

/// Why a row of the target is not as the rule has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody edited or deleted it in the target.
    Edited,
    /// Its source row is gone.
    Gone,
    /// Its source row fails the rule's `where` now.
    Filtered,
    /// The rule skips its source row now.
    Skipped,
    /// The rule makes fewer rows, or others, of its source row now.
    Dropped,
    /// Its source row is rejected now.
    Rejected,
}

impl Why {
    const ALL: [Self; 6] = [
        Self::Edited,
        Self::Gone,
        Self::Filtered,
        Self::Skipped,
        Self::Dropped,
        Self::Rejected,
    ];

    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Gone => "gone",
            Self::Filtered => "filtered",
            Self::Skipped => "skipped",
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
        }
    }

    /// Nothing derives the row any more, and that was decided: a rejected row waits for a decision.
    pub fn withdrawn(self) -> bool {
        !matches!(self, Self::Edited | Self::Rejected)
    }
}

/// One row that stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// Display form of its source key.
    pub key: String,
    /// The row.
    pub id: Uuid,
    /// Why.
    pub why: Why,
    /// See [`Entry::marks`].
    pub mark: [u8; 8],
}

impl State {
    /// True when the table of standing rows is there; a role that may not look finds none.
    pub async fn has_standing(self, session: &mut Session) -> Result<bool, StateError> {
        let sql = match self.engine() {
            Engine::Postgres => {
                "select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = 'runner' and c.relname = 'standing'"
            }
            Engine::Sqlite => {
                "select count(*) from sqlite_master where type = 'table' and name = 'runner_standing'"
            }
        };
        Ok(number(&session.query(sql).await?, 0, 0)? > 0)
    }

    /// The rows of a rule that stand, by key.
    pub async fn standing(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<Vec<Standing>, StateError> {
        if !self.has_standing(session).await? {
            return Ok(vec![]);
        }
        let sql = format!(
            "select key, target_id, why, mark from {} where rule = {} order by length(key), key, target_id",
            self.table("standing"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        let damaged = || StateError::Damaged("a standing row does not read back".into());
        (0..rows.len())
            .map(|row| {
                let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
                let why = get(2)?;
                Ok(Standing {
                    key: get(0)?,
                    id: get(1)?.parse().map_err(|_| damaged())?,
                    why: Why::ALL
                        .into_iter()
                        .find(|known| known.word() == why)
                        .ok_or_else(damaged)?,
                    mark: from_hex(&get(3)?)?.try_into().map_err(|_| damaged())?,
                })
            })
            .collect()
    }

    /// Statements that put the standing rows of a rule in place of those of the sync before, which are kept for an
    /// undo.
    pub fn standing_sql(
        self,
        rule: &str,
        run: i64,
        standing: &[Standing],
    ) -> Result<String, StateError> {
        let kept = self.image_standing_sql(run, 0, rule, None)?;
        let (table, rule) = (self.table("standing"), self.text(rule)?);
        let mut sql = format!("{kept};delete from {table} where rule = {rule}");
        for rows in standing.chunks(ROWS) {
            let mut values = Vec::with_capacity(rows.len());
            for row in rows {
                values.push(format!(
                    "({rule}, {}, '{}', '{}', '{}', {run}, {})",
                    self.text(&row.key)?,
                    row.id,
                    row.why.word(),
                    hex(&row.mark),
                    self.now()
                ));
            }
            sql.push_str(&format!(
                ";insert into {table} (rule, key, target_id, why, mark, run_id, at) values {}",
                values.join(",")
            ));
        }
        Ok(sql)
    }

    /// Statements for rows that are as they should be again, or are gone: they stand no longer. Kept for an undo
    /// of this chunk.
    pub fn stands_no_longer_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        ids: &[Uuid],
    ) -> Result<String, StateError> {
        let mut sql = String::new();
        for ids in ids.chunks(ROWS) {
            sql.push(';');
            sql.push_str(&self.image_standing_sql(run, chunk, rule, Some(ids))?);
            let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            sql.push_str(&format!(
                ";delete from {} where rule = {} and target_id in ({})",
                self.table("standing"),
                self.text(rule)?,
                ids.join(",")
            ));
        }
        Ok(sql)
    }

    /// The source keys of rows that a chunk took off the list of rows that stand, by id.
    pub async fn stood(
        self,
        session: &mut Session,
        chunk: i64,
    ) -> Result<HashMap<Uuid, String>, StateError> {
        let images = self.images_of(session, chunk, super::image::STANDS).await?;
        let key = |image: &serde_json::Value| image["key"].as_str().unwrap_or_default().to_owned();
        Ok(images.iter().map(|(id, image)| (*id, key(image))).collect())
    }

    /// A condition on rows of the target that leaves out those that stand; empty when none do.
    pub async fn not_standing(
        self,
        session: &mut Session,
        rule: &str,
        id: &str,
    ) -> Result<String, StateError> {
        if self.standing(session, rule).await?.is_empty() {
            return Ok(String::new());
        }
        Ok(format!(
            "{id} not in (select target_id from {} where rule = {})",
            self.table("standing"),
            self.text(rule)?
        ))
    }

    /// Goes through what the live chunks of a pass say of each row, the last word only, in no order.
    pub async fn last_of_pass(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
        mut each: impl FnMut(Entry, i64),
    ) -> Result<(), StateError> {
        let mut newest: HashMap<String, i64> = HashMap::new();
        for kind in ["retry", "later", "withdrawn"] {
            for (chunk, key, _) in self.decided(session, rule, pass, kind, 0).await? {
                let last = newest.entry(key).or_default();
                *last = chunk.max(*last);
            }
        }
        for kind in ["pass", "sweep", "procedure", "retry", "later"] {
            let mut after = 0;
            loop {
                let found = self
                    .manifests(session, rule, pass, kind, after, PAGE)
                    .await?;
                let Some((last, ..)) = found.last() else {
                    break;
                };
                after = *last;
                for (chunk, _, manifest) in found {
                    for entry in manifest.entries {
                        if newest.get(&entry.key).is_none_or(|last| *last <= chunk) {
                            each(entry, chunk);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The passes that the rows of a table come from, seen from before `pass`: the newest that came to its end, and
    /// those that were begun since.
    pub async fn passes_before(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
    ) -> Result<std::ops::Range<i64>, StateError> {
        let segments = self.segments(session, rule).await?;
        let complete = segments
            .iter()
            .filter(|s| s.complete && s.pass < pass)
            .map(|s| s.pass)
            .max();
        Ok(complete.unwrap_or(1)..pass)
    }

    /// Those of these rows that we inserted, in whatever run, trials included: all others were there before us.
    pub async fn inserted(
        self,
        session: &mut Session,
        rule: &str,
        ids: &HashSet<Uuid>,
    ) -> Result<HashSet<Uuid>, StateError> {
        let mut ours = HashSet::new();
        if ids.is_empty() {
            return Ok(ours);
        }
        let packed = match self.engine() {
            Engine::Postgres => "encode(m.packed, 'hex')",
            Engine::Sqlite => "hex(m.packed)",
        };
        let mut after = 0;
        loop {
            let sql = format!(
                "select c.id, {packed} from {} c join {} m on m.chunk_id = c.id where c.rule = {} and c.inserted > 0 and c.id > {after} \
                 order by c.id limit {PAGE}",
                self.table("chunk"),
                self.table("manifest"),
                self.text(rule)?
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                after = number(&rows, row, 0)?;
                let bytes = from_hex(&text(&rows, row, 1)?.unwrap_or_default())?;
                let entries = Manifest::unpack(&bytes)?.entries.into_iter();
                let inserted = entries.filter(|entry| entry.outcome == Outcome::Inserted);
                ours.extend(
                    inserted
                        .flat_map(|entry| entry.ids)
                        .filter(|id| ids.contains(id)),
                );
            }
            if rows.len() < PAGE as usize {
                return Ok(ours);
            }
        }
    }
}
