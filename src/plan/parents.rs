//! Tables that rules ask for ids and that nobody fills.

use std::sync::Arc;

use super::order::bare;
use crate::db::{DbError, Session, TableName};
use crate::diagnostic::{Diagnostic, Severity};
use crate::rule::Rule;

/// A warning for each table that one of `rules` asks for ids, that is empty, and that none of `filling`
/// fills: every row that asks there would be rejected as an orphan. `folder` are the rules there are, so
/// that the one to run first can be named.
///
/// # Errors
/// The target cannot be asked.
pub async fn unfilled(
    rules: &[Arc<Rule>],
    filling: &[Arc<Rule>],
    folder: &[Arc<Rule>],
    target: &mut Session,
) -> Result<Vec<Diagnostic>, DbError> {
    let fills = |rule: &&Arc<Rule>, table: &str| bare(&rule.header.target) == bare(table);
    let mut findings = Vec::new();
    for rule in rules {
        for ids in &rule.header.ids {
            let table = &ids.entity;
            if filling.iter().any(|other| fills(&other, table)) || !empty(table, target).await? {
                continue;
            }
            let missing = match folder.iter().find(|other| fills(other, table)) {
                Some(other) => Diagnostic::new(
                    Severity::Warning,
                    format!(
                        "`{table}` is empty, and rule {} that fills it is not part of this run: rows of {} that ask for it will be orphans",
                        other.name, rule.name
                    ),
                )
                .hint(format!("first: `runner run {}`", other.name)),
                None => Diagnostic::new(
                    Severity::Warning,
                    format!(
                        "`{table}` is empty, and no rule fills it: rows of {} that ask for it will be orphans",
                        rule.name
                    ),
                )
                .hint(format!("add a rule with target: \"{table}\", or fill the table")),
            };
            findings.push(match rule.place_of(&["ids", table]) {
                Some(place) => missing.at(place),
                None => missing,
            });
        }
    }
    Ok(findings)
}

async fn empty(table: &str, target: &mut Session) -> Result<bool, DbError> {
    let name = TableName::parse(table).sql(target.engine());
    let [rows] = target
        .once([format!("select 1 from {name} limit 1")])
        .await?;
    Ok(rows.is_empty())
}
