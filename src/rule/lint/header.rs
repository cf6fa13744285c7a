//! What a header names, held against the shapes of both databases.

use super::super::Rule;
use super::super::bound::suggest;
use super::Shapes;
use crate::diagnostic::Diagnostic;

pub(super) struct HeaderLint<'a> {
    pub(super) rule: &'a Rule,
    pub(super) shapes: &'a Shapes<'a>,
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

impl HeaderLint<'_> {
    pub(super) fn columns(&mut self) {
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

    pub(super) fn lookups(&mut self) {
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
            Some(column) if column.identity == Some(true) && is_written => {
                self.report(
                    path,
                    Diagnostic::error(format!(
                        "`{name}` is numbered by the target (generated always as identity) and cannot be written"
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
