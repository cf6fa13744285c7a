//! A rule against the shapes of both databases.

mod header;
mod written;

use std::collections::{BTreeSet, HashMap};

use header::HeaderLint;

use super::Rule;
use crate::catalog::Table;
use crate::diagnostic::{Diagnostic, Severity};
use crate::script::{self, Facts, Found, TargetColumn, Written};
use crate::value::Logical;

/// Codes that the host gives by itself, so that a `fix` for them is never unused.
const HOST_CODES: [&str; 32] = [
    "ambiguous_parent",
    "bad_value",
    "conflict",
    "duplicate_match",
    "duplicate_of",
    "email_case",
    "email_taken",
    "fault",
    "login_broken",
    "login_created",
    "login_inactive",
    "login_refused",
    "missing_profile",
    "must_reset_password",
    "no_login_address",
    "not_a_label",
    "not_finite",
    "not_utf8",
    "nul_byte",
    "null_not_allowed",
    "orphan",
    "out_of_range",
    "profile_created",
    "profile_refused",
    "refused",
    "stale_mapping",
    "too_large",
    "too_large_for_script",
    "too_long",
    "two_ids",
    "unreadable",
    "would_round",
];

/// What is known of the databases; what is absent is not checked.
#[derive(Clone, Debug, Default)]
pub struct Shapes<'a> {
    /// Columns that the rule's rows can have.
    pub source: Option<Vec<(String, Logical)>>,
    /// The table it fills.
    pub target: Option<&'a Table>,
    /// Columns of its lookups, by name.
    pub lookups: HashMap<String, Vec<(String, Logical)>>,
}

impl Rule {
    /// All that can be said about the rule without running it, in file order.
    pub fn lint(&self, shapes: &Shapes<'_>) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        let mut header = HeaderLint {
            rule: self,
            shapes,
            problems: &mut problems,
        };
        header.columns();
        header.lookups();
        match script::lint(&self.source(), &self.lib_sources(), &self.facts(shapes)) {
            Ok(found) => {
                if !found.has_computed_codes {
                    self.unused_remedies(&found.codes, &mut problems);
                }
                self.unused_asks(&found, &mut problems);
                if let Some(table) = shapes.target {
                    written::misfits(&found.literals, table, &mut problems);
                }
                problems.extend(found.problems);
            }
            Err(problem) => problems.push(problem),
        }
        if let Err(problem) = self.compiles() {
            problems.push(problem);
        }
        let place = |p: &Diagnostic| p.place().map(|at| (at.path.clone(), at.line, at.column));
        problems.sort_by(|a, b| {
            place(a)
                .cmp(&place(b))
                .then_with(|| a.message().cmp(b.message()))
        });
        problems.dedup();
        written::merge(&mut problems);
        problems
    }

    /// The literals that go into target columns, and the columns that the rule sets: by its map, by
    /// `copy`, and the legacy column. `None` when not all of them can be seen.
    pub fn written(&self, shapes: &Shapes<'_>) -> (Vec<Written>, Option<BTreeSet<String>>) {
        let facts = self.facts(shapes);
        let Ok(found) = script::lint(&self.source(), &self.lib_sources(), &facts) else {
            return (vec![], None);
        };
        let sets = found.sets.map(|mut sets| {
            sets.extend(facts.filled);
            sets
        });
        (found.literals, sets)
    }

    /// Columns of the row that the rule needs, in the order of `available`. All of them when a row
    /// goes where its columns cannot be followed.
    pub fn columns_read(&self, available: &[String]) -> Vec<String> {
        let mut files = self.lib_sources();
        files.push(self.source());
        match script::touched(&files) {
            Ok(touched) if !touched.any => {
                let header = self.header_columns();
                let is_read =
                    |name: &&String| touched.names.contains(*name) || header.contains(*name);
                available.iter().filter(is_read).cloned().collect()
            }
            _ => available.to_vec(),
        }
    }

    /// Compiles the rule as a judge would, constants and libraries included.
    fn compiles(&self) -> Result<(), Diagnostic> {
        script::Program::new(&self.source(), &self.lib_sources(), self.declared(), &[]).map(|_| ())
    }

    fn facts(&self, shapes: &Shapes<'_>) -> Facts {
        let id = shapes
            .target
            .and_then(Table::id_column)
            .map(|c| c.name.clone());
        let column = |c: &crate::catalog::Column| {
            let is_closed = c.generated || c.identity == Some(true) || id.as_ref() == Some(&c.name);
            let is_filled = c.default.is_some() || c.identity.is_some();
            TargetColumn {
                name: c.name.clone(),
                is_closed,
                is_required: c.not_null && !is_filled && !is_closed,
                references: shapes.target.and_then(|table| references(table, &c.name)),
            }
        };
        let header = &self.header;
        Facts {
            row: shapes.source.clone(),
            target: shapes
                .target
                .map(|table| table.columns.iter().map(column).collect()),
            declared: self.declared(),
            table: header.target.clone(),
            filled: header
                .copy
                .iter()
                .map(|c| c.target.clone())
                .chain(header.legacy.clone())
                .chain(self.auth_columns(shapes.target))
                .collect(),
            many: header.many,
        }
    }

    /// What is fetched for every chunk and nobody looks at.
    fn unused_asks(&self, found: &Found, problems: &mut Vec<Diagnostic>) {
        // hooks and procedures ask through `ids` and `source`, and are not followed
        let follows = self.has.transform && !self.has.before && !self.has.after;
        if found.has_computed_asks || !follows {
            return;
        }
        let header = &self.header;
        let keys = |name: &str| {
            let prefix = format!("{name}.");
            let mut named = header.ids.iter().flat_map(|d| &d.from);
            let mut keyed = header.lookups.iter().flat_map(|d| &d.keys);
            named.any(|k| k.starts_with(&prefix)) || keyed.any(|k| k.starts_with(&prefix))
        };
        let entities = header
            .ids
            .iter()
            .map(|d| ("ids", "id_of", &d.entity, false));
        let lookups = header
            .lookups
            .iter()
            .map(|d| ("lookups", "rows_of", &d.name, keys(&d.name)));
        for (section, function, name, is_key) in entities.chain(lookups) {
            if is_key || found.asked.contains(&(section, name.clone())) {
                continue;
            }
            let problem = Diagnostic::new(
                Severity::Warning,
                format!(
                    "`{section}.{name}` is fetched and never used: there is no `{function}(\"{name}\", …)`"
                ),
            );
            problems.push(match self.place_of(&[section, name]) {
                Some(place) => problem.at(place),
                None => problem,
            });
        }
    }

    fn unused_remedies(&self, codes: &[String], problems: &mut Vec<Diagnostic>) {
        for code in self.header.fix.keys() {
            if !codes.contains(code) && !HOST_CODES.contains(&code.as_str()) {
                let message = format!("`fix.{code}`: the rule never uses this code");
                let problem = Diagnostic::new(Severity::Warning, message);
                let problem =
                    match crate::diagnostic::did_you_mean(code, codes.iter().map(String::as_str)) {
                        Some(near) => problem.hint(format!("did you mean `{near}`?")),
                        None => problem,
                    };
                problems.push(match self.place_of(&["fix", code]) {
                    Some(place) => problem.at(place),
                    None => problem,
                });
            }
        }
    }
}

/// The table that a foreign key of this column alone points to.
fn references(table: &Table, column: &str) -> Option<String> {
    let mut keys = table
        .foreign_keys
        .iter()
        .filter(|key| matches!(&key.columns[..], [one] if one == column));
    match (keys.next(), keys.next()) {
        (Some(key), None) => Some(key.table.to_string()),
        _ => None,
    }
}
