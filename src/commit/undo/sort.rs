//! Which rows can be taken back, and which stay because somebody edited them or refers to them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use super::image::differences;
use super::{Portion, TakenBack, Undoing, inserted};
use crate::commit::CommitError;
use crate::db::{DbError, Engine, ErrorKind, Session, TableName, ident};
use crate::row::Rows;
use crate::state::{Entry, Outcome};
use crate::target::{Found, Lookup, find};

/// Ids per statement.
pub(super) const IDS_PER_QUERY: usize = 5_000;

/// A row that an undo leaves as it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// The source row's key.
    pub key: String,
    /// The target row.
    pub id: Uuid,
    /// `edited` or `referenced`.
    pub why: &'static str,
    /// The table that refers to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// In a rehearsal: by table, the rows that would be gone by now.
pub type Would = HashMap<TableName, HashSet<Uuid>>;

/// The rows of a transaction.
pub(super) struct Sorted {
    /// To be deleted.
    pub(super) remove: Vec<Uuid>,
    /// To be given their before-image.
    pub(super) images: Vec<(Uuid, Value)>,
    /// Those rows as they are.
    pub(super) found: Found,
    gone: u64,
    kept: Vec<Kept>,
    removed: HashSet<Uuid>,
    stays: HashSet<Uuid>,
}

impl Sorted {
    pub(super) fn told(&self) -> TakenBack {
        TakenBack {
            removed: self.remove.len() as u64,
            restored: self.images.len() as u64,
            gone: self.gone,
            kept: self.kept.clone(),
        }
    }

    /// What an undo's manifest says of a row: the ids that are still there.
    pub(super) fn entry(&self, entry: &Entry) -> Entry {
        let ids: Vec<Uuid> = entry
            .ids
            .iter()
            .copied()
            .filter(|id| !self.removed.contains(id))
            .collect();
        let restored = self.images.iter().any(|(id, _)| ids.contains(id));
        Entry {
            outcome: if restored {
                Outcome::Updated
            } else {
                Outcome::None
            },
            ids,
            ..entry.clone()
        }
    }

    /// A row that the chunk inserted stays.
    pub(super) fn keeps_new(&self, entry: &Entry) -> bool {
        inserted(entry).iter().any(|id| self.stays.contains(id))
    }
}

/// Ids as SQL.
pub(super) fn list(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    ids.join(",")
}

/// Reads and locks the rows, and decides. `would`: nothing is locked, and rows that an earlier step would have
/// taken out do not count as references.
pub(super) async fn sort(
    session: &mut Session,
    what: &Undoing,
    portions: &[Portion<'_>],
    would: Option<&mut Would>,
) -> Result<Sorted, CommitError> {
    let mut keys: HashMap<Uuid, &str> = HashMap::new();
    let mut fresh: Vec<Uuid> = Vec::new();
    let mut images: HashMap<Uuid, Value> = HashMap::new();
    for portion in portions {
        let chunk = portion.line.chunk;
        let mut before: HashMap<Uuid, Value> = HashMap::new();
        for (id, image) in what.state.images_of(session, chunk, &what.target).await? {
            before.entry(id).or_insert(image);
        }
        for entry in &portion.entries {
            for id in &entry.ids {
                keys.insert(*id, &entry.key);
                // portions go from the newest chunk to the oldest, whose image is the one that counts
                if let Some(image) = before.remove(id) {
                    images.insert(*id, image);
                } else if inserted(entry).contains(id) {
                    fresh.push(*id);
                }
            }
        }
    }
    for id in &fresh {
        images.remove(id);
    }
    let all: Vec<Uuid> = fresh.iter().chain(images.keys()).copied().collect();
    let there = lock(session, what, &all, would.is_none()).await?;
    let ours = what.state.wrote_to(session, &what.target).await?;
    let edited = |id: &Uuid| match (&ours, there.get(id)) {
        (Some(ours), Some(xmin)) => !ours.wrote(xmin.as_deref()),
        _ => false,
    };
    let mut kept = Vec::new();
    let mut keep = |id: Uuid, why, by: Option<&TableName>| {
        kept.push(Kept {
            key: keys
                .get(&id)
                .map(|key| (*key).to_owned())
                .unwrap_or_default(),
            id,
            why,
            by: by.map(ToString::to_string),
        });
    };
    let mut remove: Vec<Uuid> = Vec::new();
    let mut gone = 0;
    for id in fresh {
        if !there.contains_key(&id) {
            gone += 1;
        } else if edited(&id) {
            keep(id, "edited", None);
        } else {
            remove.push(id);
        }
    }
    let mut restore = Vec::new();
    let changed: Vec<Uuid> = images.keys().copied().collect();
    let found = find(session, &what.to, &Lookup::Ids(changed)).await?;
    for (id, image) in images {
        let as_it_was =
            found.row(id).is_some() && differences(&what.to, &found, id, &image).is_empty();
        if as_it_was {
            // it was only there, beside new rows of the same key
        } else if !there.contains_key(&id) {
            gone += 1;
        } else if edited(&id) {
            keep(id, "edited", None);
        } else {
            restore.push((id, image));
        }
    }
    if gone > 0 && what.to.table.row_security {
        return Err(DbError::new(
            ErrorKind::Permission,
            session.role().side(),
            format!(
                "{gone} rows of {} are not there, or row level security hides them from this role; nothing was changed",
                what.to.table.name
            ),
        )
        .with_hint("undo as the table's owner, who sees all of its rows")
        .into());
    }
    let held = referenced(session, what, &remove, would.as_deref()).await?;
    for id in &remove {
        if let Some(by) = held.get(id) {
            keep(*id, "referenced", Some(by));
        }
    }
    remove.retain(|id| !held.contains_key(id));
    if let Some(would) = would {
        let taken = would.entry(what.to.table.name.clone()).or_default();
        taken.extend(&remove);
    }
    kept.sort_by(|a, b| (a.key.len(), &a.key).cmp(&(b.key.len(), &b.key)));
    Ok(Sorted {
        removed: remove.iter().copied().collect(),
        stays: kept.iter().map(|kept| kept.id).collect(),
        remove,
        images: restore,
        found,
        gone,
        kept,
    })
}

/// The rows that are there, with the transaction that wrote them last. A locked row gets no new reference.
async fn lock(
    session: &mut Session,
    what: &Undoing,
    ids: &[Uuid],
    lock: bool,
) -> Result<HashMap<Uuid, Option<String>>, DbError> {
    let (xmin, share) = match what.to.engine {
        Engine::Postgres if lock => ("xmin::text", " for update"),
        Engine::Postgres => ("xmin::text", ""),
        Engine::Sqlite => ("null", ""),
    };
    let id = what.to.id_column();
    let mut there = HashMap::new();
    for ids in ids.chunks(IDS_PER_QUERY) {
        let sql = format!(
            "select {id}, {xmin} from {} where {id} in ({}){share}",
            what.to.sql(),
            list(ids)
        );
        let rows = session.query(&sql).await?;
        for row in 0..rows.len() {
            if let Some(id) = uuid(&rows, row, 0) {
                let xmin = rows.text(row, 1).and_then(Result::ok);
                there.insert(id, xmin.map(std::borrow::Cow::into_owned));
            }
        }
    }
    Ok(there)
}

/// Rows that somebody refers to who stays, with the table that does.
async fn referenced(
    session: &mut Session,
    what: &Undoing,
    ids: &[Uuid],
    would: Option<&Would>,
) -> Result<HashMap<Uuid, TableName>, DbError> {
    let mut held: HashMap<Uuid, TableName> = HashMap::new();
    let going: HashSet<Uuid> = ids.iter().copied().collect();
    let mut own: Vec<(Uuid, Uuid)> = Vec::new();
    let engine = what.to.engine;
    for (child, key) in &what.referrers {
        let itself = child.sql(engine) == what.to.sql();
        let leaving = would.and_then(|would| would.get(child));
        let which = if itself || leaving.is_some() {
            // tables of rules have the column that the rule's rows are known by
            format!("r.{}", child_id(session, child).await?)
        } else {
            "null".to_owned()
        };
        let pairs: Vec<String> = key
            .columns
            .iter()
            .zip(&key.ref_columns)
            .map(|(column, of)| format!("r.{} = t.{}", ident(column), ident(of)))
            .collect();
        for ids in ids.chunks(IDS_PER_QUERY) {
            let sql = format!(
                "select distinct t.{id}, {which} from {} t join {} r on {} where t.{id} in ({})",
                what.to.sql(),
                child.sql(engine),
                pairs.join(" and "),
                list(ids),
                id = what.to.id_column(),
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                let Some(parent) = uuid(&rows, row, 0) else {
                    continue;
                };
                match uuid(&rows, row, 1) {
                    Some(by) if itself && going.contains(&by) => own.push((parent, by)),
                    Some(by) if leaving.is_some_and(|gone| gone.contains(&by)) => {}
                    _ => {
                        held.entry(parent).or_insert_with(|| child.clone());
                    }
                }
            }
        }
    }
    // a row that stays holds its parents in the same table
    loop {
        let more: Vec<Uuid> = own
            .iter()
            .filter(|(parent, by)| held.contains_key(by) && !held.contains_key(parent))
            .map(|(parent, _)| *parent)
            .collect();
        if more.is_empty() {
            return Ok(held);
        }
        held.extend(more.into_iter().map(|id| (id, what.to.table.name.clone())));
    }
}

/// The quoted name of a table's uuid key, or NULL for a table without one.
async fn child_id(session: &mut Session, child: &TableName) -> Result<String, DbError> {
    let shape = crate::catalog::table(session, child).await?;
    let id = shape.as_ref().and_then(|shape| shape.id_column());
    Ok(id.map_or_else(|| "ctid".to_owned(), |id| ident(&id.name)))
}

fn uuid(rows: &Rows, row: usize, column: usize) -> Option<Uuid> {
    rows.text(row, column)
        .and_then(Result::ok)
        .and_then(|text| text.parse().ok())
}
