//! Putting rows into the target.

use std::collections::HashMap;
use std::sync::Arc;

use super::Destination;
use crate::db::{DbError, ErrorKind, Lines, Session, TableName, ident, literal};
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
        sent += if to.table.row_security {
            staged(session, to, &columns, &mut line, count).await?
        } else {
            session
                .copy_in_lines(&to.table.name, &columns, &mut line, count)
                .await?
        };
    }
    Ok(sent)
}

/// COPY refuses a table whose row level security applies to this role, whatever its policies say: the rows
/// go into a table of the session first, and from there by INSERT. Inside a transaction.
async fn staged(
    session: &mut Session,
    to: &Destination,
    columns: &[(String, Logical)],
    lines: &mut Lines<'_>,
    count: u64,
) -> Result<u64, DbError> {
    let names: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
    let names = names.join(", ");
    let stage = TableName {
        schema: Some("pg_temp".to_owned()),
        name: "runner_stage".to_owned(),
    };
    session
        .execute(&format!(
            "create temporary table runner_stage on commit drop as select {names} from {} with no data",
            to.sql()
        ))
        .await?;
    session.copy_in_lines(&stage, columns, lines, count).await?;
    let inserted = session
        .execute(&format!(
            "insert into {} ({names}) select {names} from pg_temp.runner_stage",
            to.sql()
        ))
        .await?;
    session.execute("drop table pg_temp.runner_stage").await?;
    if inserted == count {
        return Ok(inserted);
    }
    Err(DbError::new(
        ErrorKind::Other,
        session.role().side(),
        format!(
            "{inserted} rows arrived in {} where {count} were sent",
            to.table.name
        ),
    )
    .with_hint("a trigger lets rows vanish; `runner check` names it"))
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
