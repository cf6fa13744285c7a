//! A writer with a fault, for tests: what a faulty build would write has to be found by the gates or by `verify`.
//! Compiled in for tests only.

use uuid::Uuid;

use crate::db::{Action, DbError, Session, failpoint};
use crate::row::OutRow;
use crate::target::Destination;

/// The rows of a chunk as a faulty build would send them.
pub(super) fn rows(to: &Destination, rows: &[&OutRow]) -> Vec<OutRow> {
    let mut rows: Vec<OutRow> = rows.iter().map(|row| (*row).clone()).collect();
    if rows.is_empty() {
        return rows;
    }
    if failpoint("mutant.drop_last") == Action::Fail {
        rows.pop();
    }
    if failpoint("mutant.twice") == Action::Fail {
        let mut twin = rows[0].clone();
        twin.id = Uuid::new_v4();
        rows.push(twin);
    }
    if failpoint("mutant.ignore_column") == Action::Fail {
        let column = to.table.columns.iter().position(|c| {
            !c.not_null
                && c.default.is_none()
                && !to
                    .match_
                    .iter()
                    .any(|m| to.table.columns[usize::from(*m)].name == c.name)
        });
        for row in &mut rows {
            if let Some(at) = row.set.iter().position(|c| Some(usize::from(*c)) == column) {
                let cells: Vec<&[u8]> = row.line.split(|b| *b == b'\t').collect();
                let cells: Vec<&[u8]> = cells
                    .iter()
                    .enumerate()
                    .map(|(i, c)| if i == at { &b"\\N"[..] } else { c })
                    .collect();
                row.line = cells.join(&b'\t').into();
            }
        }
    }
    rows
}

/// Whoever writes unfenced has to do so under numbers that nobody else gives out: a number that is taken keeps it out,
/// too.
pub(super) fn number(chunk: i64) -> i64 {
    match failpoint("mutant.unfenced") {
        Action::Fail => chunk + 1_000,
        _ => chunk,
    }
}

/// A statement that runs inside the chunk's transaction, so that the rows it changes are last written by us.
pub(super) async fn statement(session: &mut Session) -> Result<(), DbError> {
    if failpoint("mutant.sql") == Action::Fail
        && let Some(sql) = crate::config::failpoint_statement()
    {
        session.execute(&sql).await?;
    }
    Ok(())
}
