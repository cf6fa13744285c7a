//! Rows that a chunk made in other tables for the sake of its own: profiles, and the accounts that belong to them.
//! They go after the rows that they were made for, a person whole or not at all: a profile without its account
//! would be somebody who cannot sign in.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::sort::{Would, lock};
use super::{Kept, Portion, TakenBack, Undoing};
use crate::catalog::ForeignKey;
use crate::commit::CommitError;
use crate::db::{Session, TableName, literal};
use crate::ids::{IdKind, id_for};
use crate::row::Key;
use crate::target::{Destination, referred};

/// The schema that accounts live in.
const ACCOUNTS: &str = "auth.";

/// A table that a run made rows in besides its rule's.
#[derive(Debug)]
pub struct MadeTable {
    /// As the state names it.
    pub entity: String,
    /// The table.
    pub to: Destination,
    /// Who may refer to its rows.
    pub referrers: Vec<(TableName, ForeignKey)>,
}

/// What becomes of the people of some chunks.
#[derive(Default)]
pub(super) struct Made<'w> {
    /// To be deleted, in this order.
    pub(super) remove: Vec<(&'w Destination, Vec<Uuid>)>,
    /// Source keys of profiles that go, with their chunk and the table's bare name.
    profiles: Vec<(i64, String, String)>,
    kept: Vec<Kept>,
    gone: u64,
}

/// One row that a chunk says it made.
struct One {
    chunk: i64,
    /// Which table.
    table: usize,
    key: String,
    id: Uuid,
}

/// Reads and locks them, and decides. The rows that they were made for are gone already, in a rehearsal as far as
/// `would` says.
pub(super) async fn sort<'w>(
    session: &mut Session,
    what: &'w Undoing,
    portions: &[Portion<'_>],
    mut would: Option<&mut Would>,
) -> Result<Made<'w>, CommitError> {
    let mut made = Made::default();
    if what.made.is_empty() {
        return Ok(made);
    }
    let mut all: Vec<One> = Vec::new();
    for portion in portions.iter().filter(|portion| portion.last) {
        let chunk = portion.line.chunk;
        for one in what.state.stated_by(session, &what.rule, chunk).await? {
            let Some(table) = what.made.iter().position(|t| t.entity == one.entity) else {
                continue;
            };
            // a script may have stated the id of a row that was there: nobody made that one
            let key = Key::single(one.key.as_str());
            let own = id_for(what.namespace, &one.entity, &key, &[], IdKind::V5);
            if one.entity.starts_with(ACCOUNTS) || own == one.id {
                all.push(One {
                    chunk,
                    table,
                    key: one.key,
                    id: one.id,
                });
            }
        }
    }
    // by person and table, why it stays; the first reason counts
    let mut stays: BTreeMap<(String, usize), Kept> = BTreeMap::new();
    let mut there: HashSet<(usize, Uuid)> = HashSet::new();
    let ours = match what.state.engine() {
        crate::db::Engine::Postgres => Some(what.state.writers(session, &what.rule).await?),
        crate::db::Engine::Sqlite => None,
    };
    let going: HashSet<(&TableName, Uuid)> = all
        .iter()
        .map(|one| (&what.made[one.table].to.table.name, one.id))
        .collect();
    for (at, table) in what.made.iter().enumerate() {
        let of_table = || all.iter().filter(|one| one.table == at);
        let ids: Vec<Uuid> = of_table().map(|one| one.id).collect();
        let found = lock(session, &table.to, &ids, would.is_none()).await?;
        let named = |child: &TableName| {
            what.made.iter().any(|made| made.to.table.name == *child)
                || would.as_ref().is_some_and(|would| would.knows(child))
        };
        let mut held: HashMap<Uuid, &TableName> = HashMap::new();
        for one in referred(session, &table.to, &table.referrers, &ids, named).await? {
            let (child, _) = &table.referrers[one.at];
            let together = one.by.is_some_and(|by| going.contains(&(child, by)));
            let lifted = would
                .as_ref()
                .is_some_and(|would| would.lifts(&table.referrers, &one));
            if !together && !lifted {
                held.entry(one.to).or_insert(child);
            }
        }
        for one in of_table() {
            let Some(xmin) = found.get(&one.id) else {
                made.gone += 1;
                continue;
            };
            there.insert((at, one.id));
            let (why, by) = if ours.as_ref().is_some_and(|o| !o.wrote(xmin.as_deref())) {
                ("edited", None)
            } else if let Some(by) = held.get(&one.id) {
                ("referenced", Some(by.to_string()))
            } else {
                continue;
            };
            stays.insert((one.key.clone(), at), kept(what, one, why, by));
        }
    }
    // one reason keeps the person whole
    for one in all
        .iter()
        .filter(|one| there.contains(&(one.table, one.id)))
    {
        let whole = stays.range((one.key.clone(), 0)..=(one.key.clone(), usize::MAX));
        let reason = whole.map(|(at, _)| at.1).next();
        if let Some(other) = reason {
            let by = what.made[other].to.table.name.to_string();
            stays
                .entry((one.key.clone(), one.table))
                .or_insert_with(|| kept(what, one, "referenced", Some(by)));
        }
    }
    for (at, table) in what.made.iter().enumerate() {
        let goes = |one: &&One| {
            one.table == at
                && there.contains(&(at, one.id))
                && !stays.contains_key(&(one.key.clone(), at))
        };
        let of_table: Vec<&One> = all.iter().filter(goes).collect();
        if !table.entity.starts_with(ACCOUNTS) {
            let name = &table.to.table.name.name;
            let keys = of_table.iter();
            made.profiles
                .extend(keys.map(|one| (one.chunk, one.key.clone(), name.clone())));
        }
        let ids: BTreeSet<Uuid> = of_table.iter().map(|one| one.id).collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        if let Some(would) = &mut would {
            would.take(&table.to.table.name, &ids);
        }
        made.remove.push((&table.to, ids));
    }
    made.kept = stays.into_values().collect();
    Ok(made)
}

fn kept(what: &Undoing, one: &One, why: &'static str, by: Option<String>) -> Kept {
    Kept {
        key: one.key.clone(),
        id: one.id,
        why,
        by,
        table: Some(what.made[one.table].to.table.name.to_string()),
    }
}

impl Made<'_> {
    /// Adds what becomes of them to what is told of their chunks' rows.
    pub(super) fn tell(&self, told: &mut TakenBack) {
        let rows: usize = self.remove.iter().map(|(_, ids)| ids.len()).sum();
        told.people += rows as u64;
        told.gone += self.gone;
        told.kept.extend(self.kept.iter().cloned());
    }

    /// The old scripts' mappings of profiles that are gone, as statements.
    pub(super) fn mappings(
        &self,
        what: &Undoing,
        portions: &[Portion<'_>],
    ) -> Result<String, CommitError> {
        let mut sql = String::new();
        let Some(table) = &what.mappings else {
            return Ok(sql);
        };
        for portion in portions {
            let chunk = portion.line.chunk;
            let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (_, key, name) in self.profiles.iter().filter(|p| p.0 == chunk) {
                if key.parse::<i32>().is_ok() {
                    by_name.entry(name).or_default().push(key);
                }
            }
            for (name, keys) in by_name {
                let entity = literal(what.to.engine, name)?;
                let keys = keys.join(",");
                sql.push_str(&what.state.give_back_mappings_sql(
                    what.undone,
                    chunk,
                    &what.rule,
                    table,
                    &entity,
                    &keys,
                )?);
            }
        }
        Ok(sql)
    }
}
