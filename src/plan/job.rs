//! A procedural rule joined with the shapes of both databases, as far as its header says what it does.

use std::sync::Arc;

use crate::db::{Session, TableName};
use crate::diagnostic::{Diagnostic, Severity};
use crate::rule::{Rule, Shapes};
use crate::source::PageQuery;
use crate::target::Destination;

use super::step::{base_table, key_types, target_table};

/// A procedure, ready to be called.
pub struct Job {
    /// The rule.
    pub rule: Arc<Rule>,
    /// Where its rows go.
    pub to: Destination,
    /// The rows it has to account for, when it names a `base` and a `key`.
    pub base: Option<PageQuery>,
    /// Warnings and notes; errors are the `Err` of [`Job::prepare`].
    pub remarks: Vec<Diagnostic>,
}

impl Job {
    /// Looks at both catalogs; writes nothing, runs nothing.
    ///
    /// # Errors
    /// All findings at once, at least one of them an error.
    pub async fn prepare(
        rule: Arc<Rule>,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Vec::new();
        let header = &rule.header;
        let mut base = None;
        if !header.base.is_empty() && !header.key.is_empty() {
            match base_table(&rule, source).await {
                Ok(table) => {
                    let types = key_types(&rule, &table, &mut findings);
                    base = Some(PageQuery {
                        base: TableName::parse(&header.base),
                        condition: header.where_.clone(),
                        from: header.from.clone(),
                        key: header.key.clone(),
                        key_types: types.clone(),
                        columns: header.key.iter().cloned().zip(types).collect(),
                    });
                }
                Err(problem) => findings.push(problem),
            }
        }
        let table = match target_table(&rule, target).await {
            Ok(table) => Some(table),
            Err(problem) => {
                findings.push(problem);
                None
            }
        };
        findings.extend(rule.lint(&Shapes {
            target: table.as_deref(),
            ..Shapes::default()
        }));
        let to = table.and_then(|table| {
            let to = Destination::new(
                rule.header.legacy.as_deref(),
                &rule.header.match_,
                table,
                target.engine(),
            );
            if to.is_none() {
                let problem = Diagnostic::error(format!(
                    "`{}` has no uuid primary key of one column, or lacks a column the rule names",
                    rule.header.target
                ));
                findings.push(match rule.place_of(&["target"]) {
                    Some(place) => problem.at(place),
                    None => problem,
                });
            }
            to
        });
        let refused = findings.iter().any(|f| f.severity() == Severity::Error);
        match to {
            // a script decides itself which rows come first, so nothing is put off to a second pass
            Some(to) if !refused => Ok(Self {
                to: Destination {
                    own_parent: None,
                    ..to
                },
                base,
                rule,
                remarks: findings,
            }),
            _ => Err(findings),
        }
    }
}
