//! A row that the rule writes and the target refused: is the reason still there?

use super::VerifyError;
use super::locate::text_of;
use crate::db::{Session, typed_literal};
use crate::row::OutRow;
use crate::target::Destination;

/// False when the place that was said to be taken is free: then the row is simply missing. Refusals of other kinds
/// (a CHECK, a foreign key) cannot be asked again without writing, and stand as recorded.
pub(super) async fn is_still(
    session: &mut Session,
    to: &Destination,
    out: &OutRow,
    (_, code): &(String, String),
) -> Result<bool, VerifyError> {
    if code != "duplicate_of" {
        return Ok(true);
    }
    let natural: Vec<u16> = to.match_.clone();
    let mut sets = vec![natural];
    for unique in to
        .table
        .uniques
        .iter()
        .filter(|u| !u.partial && !u.expression)
    {
        let columns = unique
            .columns
            .iter()
            .map(|name| to.table.index(name).and_then(|at| u16::try_from(at).ok()));
        sets.extend(columns.collect::<Option<Vec<u16>>>());
    }
    // a unique index with a predicate or an expression is not asked: what it refuses stands as recorded
    let unasked = to.table.uniques.iter().any(|u| u.partial || u.expression);
    for columns in sets.iter().filter(|columns| !columns.is_empty()) {
        let mut conditions = Vec::new();
        for column in columns {
            let Some(text) = text_of(out, *column) else {
                break;
            };
            let logical = &to.table.columns[usize::from(*column)].logical;
            conditions.push(format!(
                "{} = {}",
                to.column(*column),
                typed_literal(to.engine, logical, &text)?
            ));
        }
        if conditions.len() == columns.len() {
            let sql = format!(
                "select 1 from {} where {} limit 1",
                to.sql(),
                conditions.join(" and ")
            );
            if !session.query(&sql).await?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(unasked)
}
