//! A rule joined with the shapes of both databases: everything a run needs to know before its first row.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::nearest;
use super::people::people_tables;
use super::readiness;
use crate::catalog::{self, Table};
use crate::db::{ErrorKind, Session, TableName};
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::Wants;
use crate::rule::{Bound, Rule, Shapes, Side};
use crate::source::PageQuery;
use crate::target::{Destination, PeopleTables};
use crate::value::Logical;

/// What to read, what to ask, what to write.
pub struct Step {
    /// The rule.
    pub rule: Arc<Rule>,
    /// How its source rows are read.
    pub query: PageQuery,
    /// Where they go.
    pub to: Destination,
    /// Where profiles and accounts go that come along with its rows.
    pub people: PeopleTables,
    /// What it may ask for.
    pub wants: Wants,
    /// The rule, able to judge.
    pub bound: Bound,
    /// Warnings and notes; errors are the `Err` of [`Step::prepare`].
    pub remarks: Vec<Diagnostic>,
}

impl Step {
    /// Looks at both catalogs; writes nothing.
    ///
    /// # Errors
    /// All findings at once, at least one of them an error.
    pub async fn prepare(
        rule: Arc<Rule>,
        source: &mut Session,
        target: &mut Session,
        namespace: Uuid,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Vec::new();
        let base = base_table(&rule, source).await.map_err(|d| vec![d])?;
        let available = available(&rule, &base, source).await.map_err(|d| vec![d])?;
        let table = target_table(&rule, target).await;
        let table = match table {
            Ok(table) => Some(table),
            Err(problem) => {
                findings.push(problem);
                None
            }
        };
        let mut lookups = HashMap::new();
        for lookup in &rule.header.lookups {
            let session = match lookup.db {
                Side::Source => &mut *source,
                Side::Target => &mut *target,
            };
            let from = if lookup.from.trim().contains(char::is_whitespace) {
                format!("({}) l", lookup.from)
            } else {
                TableName::parse(&lookup.from).sql(session.engine())
            };
            if let Ok(columns) = catalog::describe(session, &format!("select * from {from}")).await
            {
                lookups.insert(lookup.name.clone(), columns);
            }
        }
        findings.extend(rule.lint(&Shapes {
            source: Some(available.clone()),
            target: table.as_deref(),
            lookups,
        }));
        let names: Vec<String> = available.iter().map(|(name, _)| name.clone()).collect();
        let mut read = rule.columns_read(&names);
        read.extend(rule.header.key.iter().cloned());
        read.extend(rule.header.reconcile.iter().map(|r| r.source.clone()));
        let columns: Vec<(String, Logical)> = available
            .into_iter()
            .filter(|(name, _)| read.contains(name))
            .collect();
        let wants = match Wants::prepare(&rule, namespace, &columns, source, target).await {
            Ok(wants) => Some(wants),
            Err(problems) => {
                findings.extend(problems);
                None
            }
        };
        let key_types = key_types(&rule, &base, &mut findings);
        let people = match people_tables(&rule, target).await {
            Ok(tables) => tables,
            Err(problems) => {
                findings.extend(problems);
                PeopleTables::default()
            }
        };
        let profiles = people.profiles.as_ref().map(|to| to.table.clone());
        let bound = table.as_ref().and_then(|table| {
            match Bound::new(
                rule.clone(),
                columns.clone().into(),
                table.clone(),
                namespace,
            )
            .and_then(|bound| bound.with_profiles(profiles))
            {
                Ok(bound) => Some(bound),
                Err(problems) => {
                    findings.extend(problems);
                    None
                }
            }
        });
        let engine = target.engine();
        let to = table.and_then(|table| {
            let to = Destination::new(
                rule.header.legacy.as_deref(),
                &rule.header.match_,
                table,
                engine,
            );
            if to.is_none() && findings.iter().all(|f| f.severity() != Severity::Error) {
                findings.push(Diagnostic::error(format!(
                    "`{}` has no uuid primary key of one column, or lacks a column the rule names",
                    rule.header.target
                )));
            }
            to
        });
        if let Some(to) = &to {
            findings.extend(own_parent(&rule, to));
        }
        findings.extend(readiness::check(&rule, to.as_ref().map(|to| &*to.table), target).await);
        dedup(&mut findings);
        let refused = findings.iter().any(|f| f.severity() == Severity::Error);
        match (to, wants, bound) {
            (Some(to), Some(wants), Some(bound)) if !refused => Ok(Self {
                query: PageQuery {
                    base: TableName::parse(&rule.header.base),
                    condition: rule.header.where_.clone(),
                    from: rule.header.from.clone(),
                    key: rule.header.key.clone(),
                    key_types,
                    columns,
                },
                to,
                people,
                wants,
                bound,
                rule,
                remarks: findings,
            }),
            _ => Err(findings),
        }
    }
}

/// The same finding may come from the lint and from the binding.
fn dedup(findings: &mut Vec<Diagnostic>) {
    let mut seen: Vec<Diagnostic> = Vec::new();
    findings.retain(|finding| {
        // a column that the target lacks is one difference, in however many places it shows
        let is_column = finding.message().contains("` is not a column of `");
        let known = seen.iter().any(|s| {
            s.message() == finding.message() && (is_column || s.place() == finding.place())
        });
        if !known {
            seen.push(finding.clone());
        }
        !known
    });
}

pub(super) async fn base_table(rule: &Rule, source: &mut Session) -> Result<Table, Diagnostic> {
    let name = TableName::parse(&rule.header.base);
    match catalog::table(source, &name).await? {
        Some(table) => Ok(table),
        None => Err(missing(rule, "base", "source", &rule.header.base, source).await),
    }
}

pub(super) async fn target_table(
    rule: &Rule,
    target: &mut Session,
) -> Result<Arc<Table>, Diagnostic> {
    let name = TableName::parse(&rule.header.target);
    match catalog::table(target, &name).await? {
        Some(table) => Ok(Arc::new(table)),
        None => Err(missing(rule, "target", "target", &rule.header.target, target).await),
    }
}

async fn missing(
    rule: &Rule,
    key: &str,
    side: &str,
    name: &str,
    session: &mut Session,
) -> Diagnostic {
    let problem = Diagnostic::error(format!("the {side} has no table `{name}`"));
    let problem = match rule.place_of(&[key]) {
        Some(place) => problem.at(place),
        None => problem,
    };
    nearest::table(problem, name, session).await
}

async fn available(
    rule: &Rule,
    base: &Table,
    source: &mut Session,
) -> Result<Vec<(String, Logical)>, Diagnostic> {
    let from_base: Vec<(String, Logical)> = base
        .columns
        .iter()
        .map(|c| (c.name.clone(), c.logical.clone()))
        .collect();
    let Some(from) = &rule.header.from else {
        return Ok(from_base);
    };
    let error = match catalog::describe(source, from).await {
        Ok(columns) => return Ok(columns),
        Err(error) => error,
    };
    let missing = error.kind == ErrorKind::Missing;
    let columns: Vec<String> = from_base.into_iter().map(|(name, _)| name).collect();
    let problem = nearest::select(error, "in the rule's `from`", &columns, source).await;
    let problem = if missing && problem.hints().is_empty() {
        problem.hint("`from` is sent to the source as it stands: check its table and column names")
    } else {
        problem
    };
    Err(match rule.place_of(&["from"]) {
        Some(place) => problem.at(place),
        None => problem,
    })
}

pub(super) fn key_types(rule: &Rule, base: &Table, findings: &mut Vec<Diagnostic>) -> Vec<Logical> {
    let mut types = Vec::new();
    for name in &rule.header.key {
        if let Some(column) = base.column(name) {
            types.push(column.logical.clone());
            continue;
        }
        let problem = Diagnostic::error(format!(
            "key column `{name}` is not in `{}`",
            rule.header.base
        ));
        findings.push(match rule.place_of(&["key"]) {
            Some(place) => problem.at(place),
            None => problem,
        });
    }
    types
}

/// A reference to the own table is filled when all rows are there; until then it is NULL.
fn own_parent(rule: &Rule, to: &Destination) -> Option<Diagnostic> {
    let column = &to.table.columns[usize::from(to.own_parent?)];
    column.not_null.then(|| {
        let problem = Diagnostic::error(format!(
            "`{}.{}` refers to its own table and does not take NULL: no row could come first",
            rule.header.target, column.name
        ))
        .hint("allow NULL while the table is filled: rows get their parents once all of them are there");
        match rule.place_of(&["target"]) {
            Some(place) => problem.at(place),
            None => problem,
        }
    })
}
