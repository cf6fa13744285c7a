//! All ids of a parent at once: where a table's rows refer to another one here and there, asking for each
//! chunk's keys costs the target more than reading the parent once.

use super::wants::IdsWant;
use crate::db::{DbError, Session, ident};
use crate::row::{IdAnswer, whole_number};
use crate::value::Logical;

/// Keys asked for one by one after which the whole parent is thought of.
const ASKED_MIN: u64 = 20_000;
/// Rows of a parent that are read for each key asked for so far: what the rest of the table will ask is not known.
const ROWS_PER_KEY: u64 = 25;
/// Rows that are held at most: 24 bytes each.
const ROWS_MAX: u64 = 1_000_000;
/// Rows of one query.
const PAGE: usize = 20_000;

/// Ids by legacy key, as they were when the parent was read.
#[derive(Debug, Default)]
pub(super) struct Whole {
    /// Ascending; a key that two rows carry is there twice.
    keys: Vec<i64>,
    ids: Vec<uuid::Uuid>,
}

impl Whole {
    pub(super) fn get(&self, key: i64) -> IdAnswer {
        let Ok(at) = self.keys.binary_search(&key) else {
            return IdAnswer::None;
        };
        let again = |other: Option<&i64>| other == Some(&key);
        if again(self.keys.get(at + 1)) || (at > 0 && again(self.keys.get(at - 1))) {
            return IdAnswer::Many;
        }
        IdAnswer::One(self.ids[at])
    }

    fn add(&mut self, key: i64, id: uuid::Uuid) {
        self.keys.push(key);
        self.ids.push(id);
    }
}

impl IdsWant {
    /// Reads the whole parent when so many of its rows were asked for that this is the cheaper way.
    pub(super) async fn consider_whole(&mut self, target: &mut Session) -> Result<(), DbError> {
        let is_due = self.asked >= self.whole_from.max(ASKED_MIN);
        let Some((table, legacy, logical, id)) = &self.table else {
            return Ok(());
        };
        let grows = self.own.is_some() || self.made_in.is_some();
        if !is_due || self.whole.is_some() || grows || !is_whole(logical) {
            return Ok(());
        }
        let most = ROWS_MAX.min(self.asked * ROWS_PER_KEY);
        let (table, legacy, id) = (table.sql(target.engine()), ident(legacy), ident(id));
        let counted = target
            .query(&format!(
                "select count(*) from (select 1 from {table} where {legacy} is not null limit {}) c",
                most + 1
            ))
            .await?;
        let rows = counted.text(0, 0).and_then(Result::ok);
        let rows: u64 = rows.and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
        // not before there are many more
        self.whole_from = self.asked * 4;
        if rows > most {
            return Ok(());
        }
        let columns = [
            ("legacy".to_owned(), logical.clone()),
            ("id".to_owned(), Logical::Uuid),
        ];
        let mut whole = Whole {
            keys: Vec::with_capacity(rows as usize),
            ids: Vec::with_capacity(rows as usize),
        };
        let mut from = None;
        loop {
            let condition = from.map_or_else(
                || format!("{legacy} is not null"),
                |key: i64| format!("{legacy} >= {key}"),
            );
            let sql = format!(
                "select {legacy}, {id} from {table} where {condition} order by {legacy} limit {PAGE}"
            );
            let page = target.copy_out_typed(&sql, &columns).await?;
            for row in 0..page.len() {
                let (Some(Ok(key)), Some(Ok(id))) = (page.text(row, 0), page.text(row, 1)) else {
                    return Ok(());
                };
                let (Some(key), Ok(id)) = (whole_number(&key), id.parse()) else {
                    return Ok(());
                };
                whole.add(key, id);
            }
            let last = whole.keys.last().copied();
            if page.len() < PAGE {
                break;
            }
            if last == from || whole.keys.len() as u64 > most {
                // thousands of rows with one key, or a parent that grows
                return Ok(());
            }
            // the last key may go on behind the page
            let end = whole.keys.partition_point(|key| Some(*key) < last);
            whole.keys.truncate(end);
            whole.ids.truncate(end);
            from = last;
        }
        self.whole = Some(whole);
        self.numbers = std::collections::HashMap::new();
        Ok(())
    }
}

/// Keys of such a column are answered from [`Whole`].
pub(super) fn is_whole(logical: &Logical) -> bool {
    matches!(logical, Logical::Int2 | Logical::Int4 | Logical::Int8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_ambiguous() {
        let mut whole = Whole::default();
        for (key, id) in [(-1, 1), (3, 2), (3, 3), (9, 4)] {
            whole.add(key, uuid::Uuid::from_u128(id));
        }
        assert_eq!(whole.get(-1), IdAnswer::One(uuid::Uuid::from_u128(1)));
        assert_eq!(whole.get(9), IdAnswer::One(uuid::Uuid::from_u128(4)));
        assert_eq!(whole.get(3), IdAnswer::Many);
        assert_eq!(whole.get(4), IdAnswer::None);
    }
}
