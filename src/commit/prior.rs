//! What the target held before this segment: decides whether a chunk may be sent without looking first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::PoisonError;

use uuid::Uuid;

use super::before::Before;
use super::tracking::{MAPPINGS, Tracking};
use crate::db::{DbError, Engine, Session, literal};
use crate::rule::{Existing, Rule};
use crate::state::{Accepted, Held, State, StateError, Stated, text};
use crate::target::{Destination, Found};

/// What is known of rows that are there already.
#[derive(Debug, Default)]
pub struct Prior {
    /// The table was empty when the segment began, or holds nothing but what this pass wrote, and no
    /// old mapping leads nowhere: chunks are sent at once, and looked at only when the database
    /// refuses them.
    pub untouched: bool,
    /// The old scripts' table of ids, when it has the known shape: its quoted name.
    pub mappings: Option<String>,
    /// Transactions of our own chunks (low 32 bits, as `xmin` shows them).
    xids: HashSet<String>,
    /// For a rule without a legacy column: which key each id belongs to.
    owners: Mutex<HashMap<Uuid, String>>,
    /// Keys that are in quarantine now: a chunk takes out those that are fine.
    quarantined: HashSet<String>,
    /// Rejected rows that somebody has accepted under the rule as it is.
    pub accepted: Accepted,
    /// Texts of the columns' constant defaults.
    pub defaults: HashMap<u16, String>,
    /// Ids that a script stated since the last chunk; they go with the next one.
    pub stated: Vec<Stated>,
    /// In a retry: the rows that are judged again, as they were rejected.
    pub held: BTreeMap<String, Held>,
    /// In a sync: what was written before.
    pub before: Option<Before>,
    /// Changes are made from the last row to the first: each may take the value that the one behind it gave up.
    pub backwards: bool,
    /// Rows that the last sync left as they stand: a chunk that writes one takes it out.
    pub standing: HashSet<Uuid>,
}

impl Prior {
    /// Looks at the target. `written` is the number of target rows that the ledger says this pass wrote.
    pub async fn look(
        session: &mut Session,
        state: Option<State>,
        to: &Destination,
        rule: &Rule,
        pass: i64,
        written: i64,
    ) -> Result<Self, StateError> {
        let counted = session
            .query(&format!("select count(*) from {}", to.sql()))
            .await?;
        let rows: i64 = text(&counted, 0, 0)?
            .and_then(|t| t.parse().ok())
            .unwrap_or(0);
        let mappings = Tracking::look(session, MAPPINGS).await?.known();
        let dangling = match &mappings {
            Some(table) if !rule.header.many => leads_nowhere(session, to, table).await?,
            _ => false,
        };
        let mut prior = Self {
            untouched: rows == written && !to.unguarded && !dangling,
            mappings,
            ..Self::default()
        };
        if rows > 0 {
            prior.defaults = defaults(session, to).await?;
        }
        if let Some(state) = state {
            prior.remember(session, state, to, rule, pass).await?;
        }
        Ok(prior)
    }

    async fn remember(
        &mut self,
        session: &mut Session,
        state: State,
        to: &Destination,
        rule: &Rule,
        pass: i64,
    ) -> Result<(), StateError> {
        let existing = rule.header.existing;
        let transform = rule.fingerprints.transform.as_str();
        let rule = rule.name.as_str();
        self.accepted = state.accepted(session, rule, transform).await?;
        let sql = format!(
            "select key from {} where rule = {}",
            state.table("quarantine"),
            state.text(rule)?
        );
        let rows = session.query(&sql).await?;
        for row in 0..rows.len() {
            self.quarantined.extend(text(&rows, row, 0)?);
        }
        let standing = state.standing(session, rule).await?;
        self.standing = standing.into_iter().map(|row| row.id).collect();
        if to.engine == Engine::Postgres {
            let sql = format!(
                "select distinct (xid::numeric % 4294967296)::text from {} where rule = {} and xid is not null",
                state.table("chunk"),
                state.text(rule)?
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                self.xids.extend(text(&rows, row, 0)?);
            }
        }
        if to.legacy.is_none() || existing == Existing::Keep {
            let owners = self
                .owners
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner);
            for pass in [pass - 1, pass] {
                for kind in ["pass", "sweep", "procedure", "retry"] {
                    let mut after = 0;
                    loop {
                        let found = state
                            .manifests(session, rule, pass, kind, after, 20)
                            .await?;
                        let Some((last, ..)) = found.last() else {
                            break;
                        };
                        after = *last;
                        for (_, _, manifest) in &found {
                            for entry in &manifest.entries {
                                owners.extend(entry.ids.iter().map(|id| (*id, entry.key.clone())));
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// True when one of our chunks wrote the row last. Where the engine cannot say, it counts as ours.
    pub fn is_ours(&self, xmin: Option<&str>) -> bool {
        xmin.is_none_or(|xmin| self.xids.contains(xmin))
    }

    /// True when nobody touched a row since we wrote it. In a sync, what cannot be told counts as touched.
    pub fn untouched_since(&self, to: &Destination, found: &Found, row: usize) -> bool {
        match (found.xmin(row), &self.before) {
            (None, Some(before)) => before.as_written(to, found, row),
            (xmin, _) => self.is_ours(xmin.as_deref()),
        }
    }

    /// The key that an id was given to, as far as the manifests know.
    pub fn owner(&self, id: Uuid) -> Option<String> {
        self.owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// True when the key was in quarantine when the segment began.
    pub fn quarantined(&self, key: &str) -> bool {
        self.quarantined.contains(key)
    }

    /// Remembers who got an id.
    pub fn give(&self, id: Uuid, key: &str) {
        self.owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, key.to_owned());
    }
}

/// Whether a mapping of this table names a row that is not there. The keys are reported chunk by chunk.
async fn leads_nowhere(
    session: &mut Session,
    to: &Destination,
    mappings: &str,
) -> Result<bool, DbError> {
    let sql = format!(
        "select 1 from {mappings} m where m.entity_type = {} and not exists \
         (select 1 from {} t where cast(t.{} as text) = cast(m.new_id as text)) limit 1",
        literal(to.engine, &to.table.name.name)?,
        to.sql(),
        to.column(to.id),
    );
    Ok(!session.query(&sql).await?.is_empty())
}

async fn defaults(
    session: &mut Session,
    to: &Destination,
) -> Result<HashMap<u16, String>, DbError> {
    let mut found = HashMap::new();
    for (index, column) in to.table.columns.iter().enumerate() {
        let Some(default) = column.default.as_ref().filter(|d| d.immutable) else {
            continue;
        };
        let cast = match to.engine {
            Engine::Postgres => format!(
                "select ({})::{}::text",
                default.expression, column.type_name
            ),
            Engine::Sqlite => format!("select {}", default.expression),
        };
        let rows = session.query(&cast).await?;
        if let (Some(cell), Ok(index)) = (rows.cell(0, 0), u16::try_from(index)) {
            found.insert(index, String::from_utf8_lossy(&cell).into_owned());
        }
    }
    Ok(found)
}
