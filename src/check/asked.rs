//! What rules read besides the tables they fill: may this role read it, and does it see every row?
//! Each table is told once, however many rules ask for it.

use std::collections::BTreeSet;

use super::at;
use crate::catalog;
use crate::db::{DbError, Engine, ErrorKind, Session, TableName};
use crate::diagnostic::Diagnostic;
use crate::rule::{Rule, Side};

/// Findings that are told once; further places become notes.
#[derive(Default)]
pub(super) struct Once(pub(super) Vec<Diagnostic>);

impl Once {
    fn add(&mut self, problem: Diagnostic) {
        let Some(first) = self.0.iter_mut().find(|f| f.message() == problem.message()) else {
            self.0.push(problem);
            return;
        };
        if let Some(place) = problem.place().filter(|p| Some(*p) != first.place()) {
            let note = format!("also {}:{}", place.path, place.line);
            if !first.notes().contains(&note) {
                *first = first.clone().note(note);
            }
        }
    }
}

/// Selects that the source would refuse to this role.
pub(super) async fn of_source(
    rule: &Rule,
    source: &mut Session,
    once: &mut Once,
) -> Result<(), DbError> {
    let engine = source.engine();
    if engine == Engine::Sqlite {
        return Ok(());
    }
    let header = &rule.header;
    let mut selects: Vec<(Vec<&str>, String)> = Vec::new();
    if !header.base.is_empty() {
        let base = TableName::parse(&header.base).sql(engine);
        selects.push((vec!["base"], format!("select * from {base}")));
    }
    if let Some(from) = &header.from {
        selects.push((vec!["from"], from.trim().trim_end_matches(';').to_owned()));
    }
    for lookup in header.lookups.iter().filter(|l| l.db == Side::Source) {
        selects.push((
            vec!["lookups", &lookup.name],
            select_of(&lookup.from, engine),
        ));
    }
    for (path, select) in selects {
        match source.query(&format!("explain {select}")).await {
            Err(e) if e.kind == ErrorKind::Permission => {
                once.add(at(rule, &path, Diagnostic::from(e)));
            }
            Err(e) if source.is_broken() => return Err(e),
            // names that do not exist are told where the rule is joined with the catalogs
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Parents and lookups in the target that this role may not read, or of which it sees a part.
pub(super) async fn of_target(
    rule: &Rule,
    target: &mut Session,
    told: &BTreeSet<String>,
    once: &mut Once,
) -> Result<(), DbError> {
    let engine = target.engine();
    if engine == Engine::Sqlite {
        return Ok(());
    }
    let mut tables: Vec<(Vec<&str>, TableName)> = Vec::new();
    for ids in &rule.header.ids {
        tables.push((vec!["ids", &ids.entity], TableName::parse(&ids.entity)));
    }
    for lookup in rule.header.lookups.iter().filter(|l| l.db == Side::Target) {
        let path = vec!["lookups", lookup.name.as_str()];
        let select = select_of(&lookup.from, engine);
        match target
            .query(&format!("explain (verbose, format json) {select}"))
            .await
        {
            Ok(plan) => {
                let text: String = (0..plan.len())
                    .filter_map(|row| plan.text(row, 0).and_then(Result::ok))
                    .collect();
                let plan = serde_json::from_str(&text).unwrap_or_default();
                let mut named = BTreeSet::new();
                relations(&plan, &mut named);
                tables.extend(
                    named
                        .iter()
                        .map(|name| (path.clone(), TableName::parse(name))),
                );
            }
            Err(e) if e.kind == ErrorKind::Permission => {
                once.add(at(rule, &path, Diagnostic::from(e)));
            }
            Err(e) if target.is_broken() => return Err(e),
            Err(_) => {}
        }
    }
    for (path, name) in tables {
        if told.contains(&name.to_string()) {
            continue;
        }
        let Some(table) = catalog::table(target, &name).await? else {
            continue;
        };
        if !table.rights.select {
            once.add(
                at(rule, &path, Diagnostic::error(format!("this role may not read `{name}`, which is asked for each row's parents or related rows")))
                    .hint(format!("grant select on {name} to the role")),
            );
        } else if catalog::visibility(target, &name).await?.hides {
            once.add(
                at(rule, &path, Diagnostic::error(format!("row level security hides rows of `{name}` from this role: rows that need them would be taken for orphans")))
                    .hint("connect as a role with BYPASSRLS, or give this one a policy `for select using (true)`"),
            );
        }
    }
    Ok(())
}

fn select_of(from: &str, engine: Engine) -> String {
    if from.trim().contains(char::is_whitespace) {
        from.trim().trim_end_matches(';').to_owned()
    } else {
        format!("select * from {}", TableName::parse(from).sql(engine))
    }
}

/// Tables that a plan reads.
fn relations(plan: &serde_json::Value, out: &mut BTreeSet<String>) {
    match plan {
        serde_json::Value::Array(items) => items.iter().for_each(|item| relations(item, out)),
        serde_json::Value::Object(map) => {
            if let Some(name) = map.get("Relation Name").and_then(|n| n.as_str()) {
                out.insert(match map.get("Schema").and_then(|s| s.as_str()) {
                    Some(schema) if schema != "public" => format!("{schema}.{name}"),
                    _ => name.to_owned(),
                });
            }
            map.values().for_each(|value| relations(value, out));
        }
        _ => {}
    }
}
