//! Putting rows into the target.

use std::collections::HashMap;
use std::sync::Arc;

use super::Destination;
use crate::db::{DbError, Session, literal};
use crate::row::{ColumnSet, OutRow, unescape};
use crate::value::Logical;

/// Inserts rows: one COPY per set of columns, in the rows' order within a set. Returns the rows sent.
pub async fn insert(
    session: &mut Session,
    to: &Destination,
    rows: &[&OutRow],
) -> Result<u64, DbError> {
    let mut sets: Vec<(&ColumnSet, Vec<&OutRow>)> = Vec::new();
    let mut known: HashMap<&[u16], usize> = HashMap::new();
    for row in rows {
        let at = match sets.last() {
            // nearly always: the rows of a rule set the same columns
            Some((set, _)) if Arc::ptr_eq(set, &row.set) => sets.len() - 1,
            _ => *known.entry(&row.set).or_insert_with(|| {
                sets.push((&row.set, Vec::new()));
                sets.len() - 1
            }),
        };
        sets[at].1.push(row);
    }
    let mut sent = 0;
    for (set, rows) in sets {
        let columns: Vec<(String, Logical)> = std::iter::once(to.id)
            .chain(set.iter().copied())
            .map(|index| {
                let column = &to.table.columns[usize::from(index)];
                (column.name.clone(), column.logical.clone())
            })
            .collect();
        let count = rows.len() as u64;
        let mut rows = rows.into_iter();
        let mut line = |out: &mut Vec<u8>| {
            let Some(row) = rows.next() else {
                return false;
            };
            let mut id = [0_u8; 36];
            out.extend_from_slice(row.id.hyphenated().encode_lower(&mut id).as_bytes());
            if !row.set.is_empty() {
                out.push(b'\t');
                out.extend_from_slice(&row.line);
            }
            out.push(b'\n');
            true
        };
        sent += session
            .copy_in_lines(&to.table.name, &columns, &mut line, count)
            .await?;
    }
    Ok(sent)
}

/// An UPDATE of one row's columns; cells are COPY text.
pub fn update_sql(
    to: &Destination,
    id: uuid::Uuid,
    cells: &[(u16, Option<&[u8]>)],
) -> Result<String, DbError> {
    let mut sets = Vec::with_capacity(cells.len());
    for (column, cell) in cells {
        let value = match cell {
            None => "null".to_owned(),
            Some(cell) => literal(to.engine, &String::from_utf8_lossy(&unescape(cell)))?,
        };
        sets.push(format!("{} = {value}", to.column(*column)));
    }
    Ok(format!(
        "update {} set {} where {} = '{id}'",
        to.sql(),
        sets.join(", "),
        to.column(to.id)
    ))
}
