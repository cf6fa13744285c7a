//! Sync: a pass that holds what it reads against what was written before. What the source withdrew stays in the
//! target and is listed, or goes; what somebody edited stays as it is.
//!
//! The pass itself is an ordinary one, with [`Before`] in its ledger. Here is what comes behind it.

mod remove;

pub(super) use remove::settle;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::flow::Flowed;
use super::retry::bare;
use super::segment::begin;
use super::{RunError, World};
use crate::commit::{Before, Ledger, Prior};
use crate::db::point;
use crate::plan::Step;
use crate::row::Key;
use crate::rule::Rule;
use crate::source::{PageError, PageQuery};
use crate::state::{Standing, Why};
use crate::target::{Lookup, find};

/// Keys that the source is asked for at a time.
const KEYS_PER_QUERY: usize = 5_000;

/// What a sync found besides rows to write.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Synced {
    /// Rows that somebody changed in the target: left as they are.
    pub conflicts: Vec<Conflict>,
    /// Rows that the rule does not write any more.
    pub withdrawn: Vec<Withdrawn>,
}

/// A row that differs on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Conflict {
    /// Display form of its key.
    pub key: String,
    /// What differs, with values of public columns only.
    pub why: String,
}

/// A row of the target whose source row is not written any more.
#[derive(Clone, Debug, Serialize)]
pub struct Withdrawn {
    /// Display form of the source key.
    pub key: String,
    /// The row.
    pub id: Uuid,
    /// What became of the source row.
    pub why: Why,
    /// What became of the row.
    pub left: Left,
}

/// What became of a withdrawn row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// Listed: nobody asked to remove it.
    There,
    /// It is out of the target.
    Removed,
    /// It stays, and why.
    Kept(String),
}

impl Synced {
    fn of(standing: Vec<Standing>, inserted: &HashSet<Uuid>) -> Self {
        let rows = standing.into_iter().filter(|row| row.why != Why::Edited);
        let withdrawn = rows.map(|row| Withdrawn {
            left: if row.why == Why::Rejected {
                Left::Kept("a rejected row waits for a decision".into())
            } else if inserted.contains(&row.id) {
                Left::There
            } else {
                Left::Kept("it was there before the migration".into())
            },
            key: row.key,
            id: row.id,
            why: row.why,
        });
        Self {
            conflicts: vec![],
            withdrawn: withdrawn.collect(),
        }
    }

    /// Rows that were removed.
    pub fn removed(&self) -> u64 {
        let removed = self.withdrawn.iter().filter(|w| w.left == Left::Removed);
        removed.count() as u64
    }
}

/// Gives a segment what was written before it; then no chunk goes without looking first.
pub(super) async fn remember(
    world: &mut World<'_>,
    rule: &Rule,
    pass: i64,
    prior: &mut Prior,
) -> Result<(), RunError> {
    let before = Before::load(&mut world.target, world.state, rule, pass).await?;
    prior.untouched &= before.is_empty();
    prior.before = Some(before);
    Ok(())
}

/// Behind the last chunk: which rows stand in the target other than the rule has them now.
pub(super) async fn compare(
    world: &mut World<'_>,
    step: &Step,
    ledger: Arc<Ledger>,
    pass: i64,
) -> Result<Synced, RunError> {
    let (state, rule) = (world.state, step.rule.name.as_str());
    let entity = bare(&step.rule.header.target);
    let waiting = state.waited_for(&mut world.target, &entity).await?;
    let arrived = world.arrived.entry(entity).or_default();
    let (mut now, mut standing) = (Vec::new(), Vec::new());
    state
        .last_of_pass(&mut world.target, rule, pass, |entry, chunk| {
            now.extend(entry.ids.iter().map(Uuid::as_u128));
            if entry.verdict == 2 {
                standing.extend(entry.ids.iter().map(|id| {
                    Standing {
                        key: entry.key.clone(),
                        id: *id,
                        why: Why::Edited,
                        mark: ledger
                            .prior
                            .before
                            .as_ref()
                            .and_then(|b| b.mark(*id))
                            .unwrap_or_default(),
                    }
                }));
            } else if entry.verdict == 0 && waiting.contains(&entry.key) {
                arrived.insert(entry.key, chunk);
            }
        })
        .await?;
    now.sort_unstable();
    let missing = missing(&ledger, |id| now.binary_search(&id.as_u128()).is_ok());
    let keys = keys_of(world, rule, pass, &missing).await?;
    let mut verdicts = HashMap::new();
    if !keys.is_empty() {
        let asked: HashSet<&String> = keys.values().collect();
        state
            .last_of_pass(&mut world.target, rule, pass, |entry, _| {
                if asked.contains(&entry.key) {
                    verdicts.insert(entry.key, entry.verdict);
                }
            })
            .await?;
    }
    let rows = why(world, step, &ledger, keys, |key| verdicts.get(key).copied()).await?;
    standing.extend(rows);
    standing.sort();
    point("sync.standing")?;
    let sql = state.standing_sql(rule, world.run, &standing)?;
    if let Some(writer) = &mut world.writer {
        begin(writer, state, (world.run, world.epoch)).await?;
        writer.execute(&format!("{sql};commit")).await?;
    }
    let mut synced = listed(world, rule, standing).await?;
    let found = state
        .quarantined(
            &mut world.target,
            &[rule.to_owned()],
            Some("conflict"),
            i64::MAX as u64,
        )
        .await?;
    synced.conflicts = found
        .into_iter()
        .map(|row| Conflict {
            key: row.key,
            why: row.message,
        })
        .collect();
    let deletes = world.options.sync.as_ref().is_some_and(|sync| sync.deletes);
    if deletes && synced.withdrawn.iter().any(|row| row.left == Left::There) {
        world.leaving.insert(rule.to_owned(), ledger);
    }
    Ok(synced)
}

/// The same for a dry run, which has no manifests of its own.
pub(super) async fn foreseen(
    world: &mut World<'_>,
    step: &Step,
    ledger: &Arc<Ledger>,
    flowed: &Flowed,
) -> Result<Synced, RunError> {
    let entity = bare(&step.rule.header.target);
    if world.exists {
        let waiting = world.state.waited_for(&mut world.target, &entity).await?;
        let came = flowed.ids.iter().filter(|(key, _)| waiting.contains(key));
        let came: Vec<_> = came.map(|(key, _)| (key.clone(), i64::MAX)).collect();
        world.arrived.entry(entity).or_default().extend(came);
    }
    let written: HashSet<Uuid> = flowed.ids.iter().map(|(_, id)| *id).collect();
    let mut verdicts: HashMap<&str, u8> = flowed
        .ids
        .iter()
        .map(|(key, _)| (key.as_str(), 0))
        .collect();
    let mut conflicts = Vec::new();
    for row in &flowed.decided {
        verdicts.insert(&row.key, row.verdict);
        if row.code.as_deref() == Some("conflict") {
            conflicts.push(Conflict {
                key: row.key.clone(),
                why: row.why.clone().unwrap_or_default(),
            });
        }
    }
    let edited: HashSet<&str> = conflicts.iter().map(|c| c.key.as_str()).collect();
    let missing = missing(ledger, |id| written.contains(id));
    let rule = step.rule.name.as_str();
    let mut keys = keys_of(world, rule, ledger.pass, &missing).await?;
    keys.retain(|_, key| !edited.contains(key.as_str()));
    let standing = why(world, step, ledger, keys, |key| verdicts.get(key).copied()).await?;
    let synced = listed(world, rule, standing).await?;
    Ok(Synced {
        conflicts,
        ..synced
    })
}

async fn listed(
    world: &mut World<'_>,
    rule: &str,
    standing: Vec<Standing>,
) -> Result<Synced, RunError> {
    let ids: HashSet<Uuid> = standing.iter().map(|row| row.id).collect();
    let inserted = world.state.inserted(&mut world.target, rule, &ids).await?;
    Ok(Synced::of(standing, &inserted))
}

/// Rows that were written before and are not now.
fn missing(ledger: &Ledger, is_now: impl Fn(&Uuid) -> bool) -> HashSet<Uuid> {
    let before = ledger.prior.before.iter().flat_map(Before::ids);
    before.filter(|id| !is_now(id)).collect()
}

/// The source keys that rows were written for.
async fn keys_of(
    world: &mut World<'_>,
    rule: &str,
    pass: i64,
    ids: &HashSet<Uuid>,
) -> Result<HashMap<Uuid, String>, RunError> {
    let mut keys = HashMap::new();
    if ids.is_empty() {
        return Ok(keys);
    }
    let state = world.state;
    for row in state.standing(&mut world.target, rule).await? {
        keys.insert(row.id, row.key);
    }
    for pass in state.passes_before(&mut world.target, rule, pass).await? {
        state
            .last_of_pass(&mut world.target, rule, pass, |entry, _| {
                let wanted = entry.ids.iter().filter(|id| ids.contains(id));
                keys.extend(wanted.map(|id| (*id, entry.key.clone())));
            })
            .await?;
    }
    keys.retain(|id, _| ids.contains(id));
    Ok(keys)
}

/// What became of the source rows of those of these rows that are there; by key and id.
async fn why(
    world: &mut World<'_>,
    step: &Step,
    ledger: &Ledger,
    keys: HashMap<Uuid, String>,
    verdict: impl Fn(&str) -> Option<u8>,
) -> Result<Vec<Standing>, RunError> {
    let ids: Vec<Uuid> = keys.keys().copied().collect();
    let found = find(&mut world.target, &step.to, &Lookup::Ids(ids)).await?;
    let there = keys.into_iter().filter(|(id, _)| found.row(*id).is_some());
    let there: Vec<(Uuid, String)> = there.collect();
    let unread = there.iter().map(|(_, key)| key.as_str());
    let unread: HashSet<&str> = unread.filter(|key| verdict(key).is_none()).collect();
    let filtered = in_base(world, step, &unread).await?;
    let mut standing: Vec<Standing> = there
        .into_iter()
        .map(|(id, key)| Standing {
            why: match verdict(&key) {
                Some(0) => Why::Dropped,
                Some(1) => Why::Skipped,
                Some(_) => Why::Rejected,
                None if filtered.contains(&key) => Why::Filtered,
                None => Why::Gone,
            },
            mark: ledger
                .prior
                .before
                .as_ref()
                .and_then(|b| b.mark(id))
                .unwrap_or_default(),
            key,
            id,
        })
        .collect();
    standing.sort();
    Ok(standing)
}

/// Those of these keys that the base has, whatever the rule's `where` says of them.
async fn in_base(
    world: &mut World<'_>,
    step: &Step,
    keys: &HashSet<&str>,
) -> Result<HashSet<String>, RunError> {
    let query = &step.query;
    let base = PageQuery {
        condition: None,
        from: None,
        columns: query
            .key
            .iter()
            .cloned()
            .zip(query.key_types.iter().cloned())
            .collect(),
        ..query.clone()
    };
    let width = query.key.len();
    let keys: Vec<Key> = keys
        .iter()
        .filter_map(|key| Key::parse(key, width))
        .collect();
    let mut found = HashSet::new();
    for keys in keys.chunks(KEYS_PER_QUERY) {
        let page = world.source.page_of_keys(&base, keys).await;
        let (_, there) = page.map_err(|error| match error {
            PageError::Db(error) => RunError::from(error),
            PageError::Unbalanced { .. } => crate::diagnostic::Diagnostic::error(format!(
                "the key of `{}` is not unique in {}",
                step.rule.name, query.base
            ))
            .into(),
        })?;
        found.extend(there.iter().map(ToString::to_string));
    }
    Ok(found)
}
