//! Who refers to rows: asked before any of them is removed, because a cascade says nothing.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Destination;
use crate::catalog::{ForeignKey, table};
use crate::db::{DbError, Session, TableName, ident};

/// Ids per statement.
const IDS_PER_QUERY: usize = 5_000;

/// That a row is referred to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The row.
    pub to: Uuid,
    /// The row that refers to it, where it was asked for and has a uuid.
    pub by: Option<Uuid>,
    /// That row is one of the same table.
    pub own: bool,
    /// Which of the foreign keys it is, by its place among those that were asked about.
    pub at: usize,
}

/// The references to rows of a table by these foreign keys. The rows that refer are named in the table itself and
/// in those that `named` wants; of all others only that there is one.
pub async fn referred(
    session: &mut Session,
    to: &Destination,
    referrers: &[(TableName, ForeignKey)],
    ids: &[Uuid],
    named: impl Fn(&TableName) -> bool,
) -> Result<Vec<Reference>, DbError> {
    let mut found = Vec::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let id = to.id_column();
    for (at, (child, key)) in referrers.iter().enumerate() {
        let own = child.sql(to.engine) == to.sql();
        let which = if own {
            format!("r.{id}")
        } else if named(child) {
            let shape = table(session, child).await?;
            let by = shape.as_ref().and_then(|shape| shape.id_column());
            by.map_or_else(|| "null".to_owned(), |by| format!("r.{}", ident(&by.name)))
        } else {
            "null".to_owned()
        };
        let pairs: Vec<String> = key
            .columns
            .iter()
            .zip(&key.ref_columns)
            .map(|(column, of)| format!("r.{} = t.{}", ident(column), ident(of)))
            .collect();
        let (table, child, on) = (to.sql(), child.sql(to.engine), pairs.join(" and "));
        for ids in ids.chunks(IDS_PER_QUERY) {
            let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            let list = list.join(",");
            let sql = if which == "null" {
                // a parent with a million children is asked about once
                format!(
                    "select t.{id}, null from {table} t where t.{id} in ({list}) and exists (select 1 from {child} r where {on})"
                )
            } else {
                format!(
                    "select distinct t.{id}, {which} from {table} t join {child} r on {on} where t.{id} in ({list})"
                )
            };
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                let uuid = |column| {
                    let text = rows.text(row, column).and_then(Result::ok);
                    text.and_then(|text| text.parse().ok())
                };
                found.extend(uuid(0).map(|to| Reference {
                    to,
                    by: uuid(1),
                    own,
                    at,
                }));
            }
        }
    }
    Ok(found)
}

/// Those of the rows that are to go that have to stay, with the place of a foreign key that says so. Rows that go
/// together do not hold one another, but a row that stays holds those that it refers to.
pub fn held(references: &[Reference], going: &[Uuid]) -> HashMap<Uuid, usize> {
    let going: HashSet<Uuid> = going.iter().copied().collect();
    let (within, mut holding): (Vec<Reference>, Vec<Reference>) = references
        .iter()
        .partition(|one| one.own && one.by.is_some_and(|by| going.contains(&by)));
    let mut held: HashMap<Uuid, usize> = HashMap::new();
    while !holding.is_empty() {
        for one in holding.drain(..) {
            held.entry(one.to).or_insert(one.at);
        }
        let more = within.iter().filter(|one| {
            let by_one_that_stays = one.by.is_some_and(|by| held.contains_key(&by));
            by_one_that_stays && !held.contains_key(&one.to)
        });
        holding.extend(more.copied());
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_stays_holds_its_forebears_and_rows_that_go_together_do_not() {
        let id = Uuid::from_u128;
        let own = |to, by| Reference {
            to: id(to),
            by: Some(id(by)),
            own: true,
            at: 0,
        };
        // 1 ← 2 ← 3, 4 ← 5, and a row of another table refers to 3, whatever its id
        let foreign = Reference {
            to: id(3),
            by: Some(id(5)),
            own: false,
            at: 1,
        };
        let references = [own(1, 2), own(2, 3), own(4, 5), foreign];
        let going: Vec<Uuid> = (1..=5).map(id).collect();
        let held = held(&references, &going);
        assert_eq!(held, HashMap::from([(id(1), 0), (id(2), 0), (id(3), 1)]));
    }
}
