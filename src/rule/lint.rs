//! A rule against the shapes of both databases.

use std::collections::HashMap;

use super::Rule;
use super::bound::suggest;
use crate::catalog::Table;
use crate::diagnostic::{Diagnostic, Severity};
use crate::script::{self, Facts, TargetColumn};
use crate::value::Logical;

/// Codes that the host gives by itself, so that a `fix` for them is never unused.
const HOST_CODES: [&str; 22] = [
    "ambiguous_parent",
    "bad_value",
    "conflict",
    "duplicate_match",
    "duplicate_of",
    "fault",
    "missing_profile",
    "not_a_label",
    "not_finite",
    "not_utf8",
    "nul_byte",
    "null_not_allowed",
    "orphan",
    "out_of_range",
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
                problems.extend(found.problems);
                if !found.has_computed_codes {
                    self.unused_remedies(&found.codes, &mut problems);
                }
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
        problems
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
            let is_closed = c.generated || id.as_ref() == Some(&c.name);
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
                .collect(),
            many: header.many,
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

struct HeaderLint<'a> {
    rule: &'a Rule,
    shapes: &'a Shapes<'a>,
    problems: &'a mut Vec<Diagnostic>,
}

impl HeaderLint<'_> {
    fn columns(&mut self) {
        let header = &self.rule.header;
        for name in &header.key {
            self.source(&["key"], name);
        }
        for pair in &header.copy {
            self.source(&["copy", &pair.target], &pair.source);
            self.target(&["copy", &pair.target], &pair.target, true);
        }
        if let Some(legacy) = &header.legacy {
            self.target(&["legacy"], legacy, true);
        }
        for name in &header.match_ {
            self.target(&["match"], name, true);
        }
        for name in &header.volatile {
            self.target(&["volatile"], name, false);
        }
        for sums in &header.reconcile {
            self.source(&["reconcile", &sums.name, "source"], &sums.source);
            self.target(&["reconcile", &sums.name, "target"], &sums.target, false);
        }
        for decl in &header.ids {
            for from in &decl.from {
                self.asked(&["ids", &decl.entity, "from"], from);
            }
        }
    }

    fn lookups(&mut self) {
        for decl in &self.rule.header.lookups {
            for key in &decl.keys {
                self.asked(&["lookups", &decl.name, "keys"], key);
            }
            let Some(columns) = self.shapes.lookups.get(&decl.name) else {
                continue;
            };
            let named = [
                ("by", std::slice::from_ref(&decl.by)),
                ("take", &decl.take[..]),
                ("order", &decl.order[..]),
            ];
            for (key, names) in named {
                for name in names
                    .iter()
                    .filter(|name| !columns.iter().any(|(c, _)| c == *name))
                {
                    let problem = Diagnostic::error(format!(
                        "`{name}` is not a column of lookup `{}`",
                        decl.name
                    ));
                    let problem = suggest(problem, name, columns.iter().map(|(c, _)| c.as_str()));
                    self.report(&["lookups", &decl.name, key], problem);
                }
            }
        }
    }

    /// A column of the row, or `lookup.column`.
    fn asked(&mut self, path: &[&str], name: &str) {
        let Some((lookup, column)) = name.split_once('.') else {
            self.source(path, name);
            return;
        };
        let decl = self.rule.header.lookups.iter().find(|d| d.name == lookup);
        let problem = match decl {
            None => Diagnostic::error(format!("`{name}`: there is no lookup `{lookup}`")),
            Some(decl) if !decl.take.iter().any(|c| c == column) => Diagnostic::error(format!(
                "`{name}`: lookup `{lookup}` does not take `{column}`"
            ))
            .hint(format!("add it to `RULE.lookups.{lookup}.take`")),
            Some(_) => return,
        };
        self.report(path, problem);
    }

    fn source(&mut self, path: &[&str], name: &str) {
        let Some(columns) = &self.shapes.source else {
            return;
        };
        if columns.iter().any(|(column, _)| column == name) {
            return;
        }
        let problem = Diagnostic::error(format!("`{name}` is not a column of the rule's rows"));
        let problem = suggest(
            problem,
            name,
            columns.iter().map(|(column, _)| column.as_str()),
        );
        self.report(path, problem);
    }

    fn target(&mut self, path: &[&str], name: &str, is_written: bool) {
        let Some(table) = self.shapes.target else {
            return;
        };
        match table.column(name) {
            None => {
                let problem =
                    Diagnostic::error(format!("`{name}` is not a column of `{}`", table.name));
                let problem = suggest(problem, name, table.columns.iter().map(|c| c.name.as_str()));
                self.report(path, problem);
            }
            Some(column) if column.generated && is_written => {
                self.report(
                    path,
                    Diagnostic::error(format!(
                        "`{name}` is computed by the target and cannot be written"
                    )),
                );
            }
            Some(_) => {}
        }
    }

    fn report(&mut self, path: &[&str], problem: Diagnostic) {
        let place = (1..=path.len())
            .rev()
            .find_map(|length| self.rule.place_of(&path[..length]));
        self.problems.push(match place {
            Some(place) => problem.at(place),
            None => problem,
        });
    }
}
