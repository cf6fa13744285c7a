//! Which rows can be taken back, and which stay because somebody edited them or refers to them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use uuid::Uuid;

use super::image::differences;
use super::{Portion, TakenBack, Undoing, inserted};
use crate::commit::CommitError;
use crate::db::{DbError, Engine, ErrorKind, Session, TableName};
use crate::row::Rows;
use crate::state::{Entry, Outcome};
use crate::target::{Destination, Found, Lookup, Reference, find, held, referred};

/// Ids per statement.
pub(super) const IDS_PER_QUERY: usize = 5_000;

/// A row that an undo leaves as it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// The source row's key.
    pub key: String,
    /// The target row.
    pub id: Uuid,
    /// `edited`, `referenced`, or `refused`: the target does not take the row as it was.
    pub why: &'static str,
    /// The table that refers to it, or the constraint that refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Its table, when it is not the rule's own: a profile or an account that came along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// In a rehearsal: by table, what would have become of rows by now.
#[derive(Clone, Debug, Default)]
pub struct Would(HashMap<TableName, Foreseen>);

/// Rows of a table that a rehearsal has been through.
#[derive(Clone, Debug, Default)]
struct Foreseen {
    /// They would be gone.
    gone: HashSet<Uuid>,
    /// These columns of them would be as before.
    changed: HashMap<Uuid, Vec<String>>,
}

impl Would {
    /// True when rows of this table count otherwise than they stand there.
    pub(super) fn knows(&self, table: &TableName) -> bool {
        self.0.contains_key(table)
    }

    /// These rows would be gone.
    pub(super) fn take(&mut self, table: &TableName, ids: &[Uuid]) {
        let foreseen = self.0.entry(table.clone()).or_default();
        foreseen.gone.extend(ids);
    }

    /// The reference would be there no more.
    pub(super) fn lifts(&self, what: &[Referrer], reference: &Reference) -> bool {
        let (table, key) = &what[reference.at];
        let Some((foreseen, by)) = self.0.get(table).zip(reference.by) else {
            return false;
        };
        let changed = foreseen.changed.get(&by);
        foreseen.gone.contains(&by)
            || changed.is_some_and(|columns| columns.iter().any(|c| key.columns.contains(c)))
    }
}

/// A table that refers to the rows in question, by which key.
pub(super) type Referrer = (TableName, crate::catalog::ForeignKey);

/// The rows of a transaction.
pub(super) struct Sorted {
    /// To be deleted.
    pub(super) remove: Vec<Uuid>,
    /// To be given their before-image, in the order in which that can be done.
    pub(super) images: Vec<(Uuid, Value)>,
    /// To be put in again as they were.
    pub(super) back: Vec<(Uuid, Value)>,
    /// The rows as they are.
    pub(super) found: Found,
    /// Source keys.
    keys: HashMap<Uuid, String>,
    gone: u64,
    kept: Vec<Kept>,
    removed: HashSet<Uuid>,
    stays: HashSet<Uuid>,
}

impl Sorted {
    pub(super) fn told(&self) -> TakenBack {
        let mut kept = self.kept.clone();
        kept.sort_by(|a, b| (a.key.len(), &a.key).cmp(&(b.key.len(), &b.key)));
        TakenBack {
            removed: self.removed.clone(),
            restored: self.images.iter().map(|(id, _)| *id).collect(),
            returned: self.back.iter().map(|(id, _)| *id).collect(),
            people: 0,
            gone: self.gone,
            kept,
        }
    }

    /// The target does not take these rows as they were: they stay as they are.
    pub(super) fn refused(&mut self, refused: &HashMap<Uuid, DbError>) {
        self.images.retain(|(id, _)| !refused.contains_key(id));
        self.back.retain(|(id, _)| !refused.contains_key(id));
        for (id, error) in refused {
            self.kept.push(Kept {
                key: self.keys.get(id).cloned().unwrap_or_default(),
                id: *id,
                why: "refused",
                by: error.constraint.clone(),
                table: None,
            });
            self.stays.insert(*id);
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

    /// The source keys of rows that are there again.
    pub(super) fn returned(&self) -> HashSet<&str> {
        let back = self.back.iter();
        back.filter_map(|(id, _)| self.keys.get(id).map(String::as_str))
            .collect()
    }
}

/// Ids as SQL.
pub(super) fn list(ids: &[Uuid]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    ids.join(",")
}

/// Reads and locks the rows, and decides. `would`: nothing is locked, and what an earlier step would have done
/// counts as done.
pub(super) async fn sort(
    session: &mut Session,
    what: &Undoing,
    portions: &[Portion<'_>],
    mut would: Option<&mut Would>,
) -> Result<Sorted, CommitError> {
    let mut keys: HashMap<Uuid, String> = HashMap::new();
    let mut fresh: Vec<Uuid> = Vec::new();
    let mut images: HashMap<Uuid, Value> = HashMap::new();
    // as the newest change is taken back first, so the last row of a chunk goes first
    let mut order: Vec<Uuid> = Vec::new();
    let mut taken: Vec<(Uuid, Value)> = Vec::new();
    for portion in portions {
        let chunk = portion.line.chunk;
        let before = what.state.images_of(session, chunk, &what.target).await?;
        if portion.line.withdrawn {
            keys.extend(what.state.stood(session, chunk).await?);
            taken.extend(before);
            continue;
        }
        let mut by_id: HashMap<Uuid, Value> = HashMap::new();
        for (id, image) in before {
            by_id.entry(id).or_insert(image);
        }
        for entry in portion.entries.iter().rev() {
            for id in &entry.ids {
                keys.insert(*id, entry.key.clone());
                // portions go from the newest chunk to the oldest, whose image is the one that counts
                if let Some(image) = by_id.remove(id) {
                    if images.insert(*id, image).is_none() {
                        order.push(*id);
                    }
                } else if inserted(entry).contains(id) {
                    fresh.push(*id);
                }
            }
        }
    }
    for id in &fresh {
        images.remove(id);
    }
    order.retain(|id| images.contains_key(id));
    let back = taken.iter().map(|(id, _)| id);
    let all: Vec<Uuid> = fresh.iter().chain(&order).chain(back).copied().collect();
    let there = lock(session, &what.to, &all, would.is_none()).await?;
    let ours = what.state.wrote_to(session, &what.target).await?;
    let edited = |id: &Uuid| match (&ours, there.get(id)) {
        (Some(ours), Some(xmin)) => !ours.wrote(xmin.as_deref()),
        _ => false,
    };
    let mut kept = Vec::new();
    let mut keep = |id: Uuid, why, by: Option<&TableName>| {
        kept.push(Kept {
            key: keys.get(&id).cloned().unwrap_or_default(),
            id,
            why,
            by: by.map(ToString::to_string),
            table: None,
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
    let changed = order.iter().chain(taken.iter().map(|(id, _)| id));
    let changed: Vec<Uuid> = changed.copied().collect();
    let found = find(session, &what.to, &Lookup::Ids(changed)).await?;
    let mut restore = Vec::new();
    for id in order {
        let Some(image) = images.remove(&id) else {
            continue;
        };
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
    let mut back = Vec::new();
    for (id, image) in taken {
        if found.row(id).is_none() {
            back.push((id, image));
        } else if !differences(&what.to, &found, id, &image).is_empty() {
            // somebody has put another one in its place
            keep(id, "edited", None);
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
    let named = |table: &TableName| would.as_ref().is_some_and(|would| would.knows(table));
    let mut references = referred(session, &what.to, &what.referrers, &remove, named).await?;
    if let Some(would) = &would {
        references.retain(|one| !would.lifts(&what.referrers, one));
    }
    let held = held(&references, &remove);
    for id in &remove {
        if let Some(at) = held.get(id) {
            keep(*id, "referenced", Some(&what.referrers[*at].0));
        }
    }
    remove.retain(|id| !held.contains_key(id));
    if let Some(would) = &mut would {
        would.take(&what.to.table.name, &remove);
        let foreseen = would.0.entry(what.to.table.name.clone()).or_default();
        for (id, image) in &restore {
            let columns = differences(&what.to, &found, *id, image).into_iter();
            let columns = columns.map(|at| what.to.table.columns[at].name.clone());
            foreseen.changed.entry(*id).or_default().extend(columns);
        }
    }
    Ok(Sorted {
        removed: remove.iter().copied().collect(),
        stays: kept.iter().map(|kept| kept.id).collect(),
        remove,
        images: restore,
        back,
        found,
        keys,
        gone,
        kept,
    })
}

/// The rows that are there, with the transaction that wrote them last. A locked row gets no new reference.
pub(super) async fn lock(
    session: &mut Session,
    to: &Destination,
    ids: &[Uuid],
    lock: bool,
) -> Result<HashMap<Uuid, Option<String>>, DbError> {
    let (xmin, share) = match to.engine {
        Engine::Postgres if lock => ("xmin::text", " for update"),
        Engine::Postgres => ("xmin::text", ""),
        Engine::Sqlite => ("null", ""),
    };
    let id = to.id_column();
    let mut there = HashMap::new();
    for ids in ids.chunks(IDS_PER_QUERY) {
        let sql = format!(
            "select {id}, {xmin} from {} where {id} in ({}){share}",
            to.sql(),
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

fn uuid(rows: &Rows, row: usize, column: usize) -> Option<Uuid> {
    rows.text(row, column)
        .and_then(Result::ok)
        .and_then(|text| text.parse().ok())
}
