//! Putting rows into the target.

use std::collections::HashMap;

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
    let mut sets: Vec<(&ColumnSet, Vec<u8>, u64)> = Vec::new();
    let mut known: HashMap<&[u16], usize> = HashMap::new();
    for row in rows {
        let at = *known.entry(&row.set).or_insert_with(|| {
            sets.push((&row.set, Vec::new(), 0));
            sets.len() - 1
        });
        let (_, lines, count) = &mut sets[at];
        let mut id = [0_u8; 36];
        lines.extend_from_slice(row.id.hyphenated().encode_lower(&mut id).as_bytes());
        if !row.set.is_empty() {
            lines.push(b'\t');
            lines.extend_from_slice(&row.line);
        }
        lines.push(b'\n');
        *count += 1;
    }
    let mut sent = 0;
    for (set, lines, count) in sets {
        let columns: Vec<(String, Logical)> = std::iter::once(to.id)
            .chain(set.iter().copied())
            .map(|index| {
                let column = &to.table.columns[usize::from(index)];
                (column.name.clone(), column.logical.clone())
            })
            .collect();
        sent += session
            .copy_in(&to.table.name, &columns, &lines, count)
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
