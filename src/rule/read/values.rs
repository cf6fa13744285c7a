//! Values of the header, each of the type it must have.

use rust_decimal::Decimal;

use super::Reader;
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::script::{Entry, Function, Literal, Node, SourceText};

/// A rule without `fn transform(row)`; perhaps it is there under another name or with other parameters.
pub(super) fn no_transform(source: &SourceText, functions: &[Function]) -> Diagnostic {
    let names = || functions.iter().map(|function| function.name.as_str());
    let Some(near) = did_you_mean("transform", names()) else {
        return Diagnostic::error("the rule has no `transform(row)`")
            .at(Place::file(source.path.clone()))
            .hint("add `fn transform(row) { #{ } }`; it returns the computed target columns");
    };
    let declared = format!("fn {near}");
    let mut lines = source.text.lines().enumerate();
    let place = lines
        .find_map(|(no, line)| {
            line.find(&declared)
                .map(|at| (no, line[..at].chars().count()))
        })
        .map_or_else(
            || Place::file(source.path.clone()),
            |(no, at)| source.place(no + 1, at + "fn ".len() + 1),
        );
    let problem = Diagnostic::error("the rule has no `transform(row)`").at(place);
    if near == "transform" {
        problem.hint("it takes one parameter, the row: `fn transform(row)`")
    } else {
        problem.hint(format!("is `{near}` meant to be it?"))
    }
}

impl Reader<'_> {
    pub(super) fn share(&mut self, name: &str, node: &Node) -> Option<Decimal> {
        let share = match node.value {
            Literal::Int(number) => Some(Decimal::from(number)),
            Literal::Decimal(number) => Some(number),
            _ => None,
        };
        let share = share.filter(|s| (Decimal::ZERO..=Decimal::ONE).contains(s));
        if share.is_none() {
            self.wrong(name, "a number from 0 to 1", node);
        }
        share
    }

    /// Index of the word among `words`.
    pub(super) fn word(&mut self, name: &str, node: &Node, words: &[&str]) -> usize {
        if let Literal::Text(text) = &node.value
            && let Some(at) = words.iter().position(|w| w == text)
        {
            return at;
        }
        let list: Vec<String> = words.iter().map(|w| format!("\"{w}\"")).collect();
        let list = list.join(", ");
        if let Literal::Text(text) = &node.value {
            let problem =
                Diagnostic::error(format!("`{name}` must be one of {list}, not \"{text}\""))
                    .at(self.source.place(node.line, node.column));
            self.problems
                .push(match did_you_mean(text, words.iter().copied()) {
                    Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
                    None => problem,
                });
        } else {
            self.wrong(name, &format!("one of {list}"), node);
        }
        0
    }

    pub(super) fn text(&mut self, name: &str, node: &Node) -> String {
        match &node.value {
            Literal::Text(text) if !text.trim().is_empty() => text.clone(),
            Literal::Text(_) => {
                self.wrong(name, "a text that is not blank", node);
                String::new()
            }
            _ => {
                self.wrong(name, "a text", node);
                String::new()
            }
        }
    }

    /// One text or a list of texts.
    pub(super) fn texts(&mut self, name: &str, node: &Node) -> Vec<String> {
        match &node.value {
            Literal::Text(_) => vec![self.text(name, node)],
            Literal::List(items) => items.iter().map(|item| self.text(name, item)).collect(),
            _ => {
                self.wrong(name, "a text or a list of texts", node);
                Vec::new()
            }
        }
    }

    pub(super) fn text_map(&mut self, name: &str, node: &Node) -> Vec<(String, String)> {
        let Some(entries) = self.map(name, node).map(<[Entry]>::to_vec) else {
            return Vec::new();
        };
        entries
            .iter()
            .map(|entry| {
                self.remember(&[name], entry);
                (
                    entry.key.clone(),
                    self.text(&format!("{name}.{}", entry.key), &entry.node),
                )
            })
            .collect()
    }

    /// A map of maps.
    pub(super) fn maps(&mut self, name: &str, node: &Node) -> Vec<(String, Vec<Entry>)> {
        let Some(entries) = self.map(name, node).map(<[Entry]>::to_vec) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for entry in &entries {
            self.remember(&[name], entry);
            if let Some(inner) = self.map(&format!("{name}.{}", entry.key), &entry.node) {
                out.push((entry.key.clone(), inner.to_vec()));
            }
        }
        out
    }

    pub(super) fn map<'n>(&mut self, name: &str, node: &'n Node) -> Option<&'n [Entry]> {
        if let Literal::Map(entries) = &node.value {
            return Some(entries);
        }
        self.wrong(name, "a map `#{ … }`", node);
        None
    }

    pub(super) fn wrong(&mut self, name: &str, wanted: &str, node: &Node) {
        let problem = if node.value == Literal::Computed {
            Diagnostic::error(format!("`{name}` must be a literal"))
                .hint("write the value itself: the header is read without running anything")
        } else {
            Diagnostic::error(format!(
                "`{name}` must be {wanted}, not {}",
                node.value.kind()
            ))
        };
        self.problems
            .push(problem.at(self.source.place(node.line, node.column)));
    }

    pub(super) fn check_keys(
        &mut self,
        entries: &[Entry],
        known: &[&str],
        owner: &str,
        required: &[&str],
    ) {
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let problem = Diagnostic::error(format!("`{}` is not a key of `{owner}`", entry.key))
                .at(self.source.place(entry.line, entry.column));
            self.problems
                .push(match did_you_mean(&entry.key, known.iter().copied()) {
                    Some(near) => problem.hint(format!("did you mean `{near}`?")),
                    None => problem.hint(format!("keys: {}", known.join(", "))),
                });
        }
        let first = entries.first().map_or((0, 0), |e| (e.line, e.column));
        for name in required
            .iter()
            .filter(|name| !entries.iter().any(|e| e.key == **name))
        {
            let place = if first.0 == 0 {
                Place::file(self.source.path.clone())
            } else {
                self.source.place(first.0, first.1)
            };
            self.problems
                .push(Diagnostic::error(format!("`{owner}` lacks `{name}`")).at(place));
        }
    }

    pub(super) fn remember(&mut self, path: &[&str], entry: &Entry) {
        let mut name = path.join("\u{1f}");
        if !name.is_empty() {
            name.push('\u{1f}');
        }
        name.push_str(&entry.key);
        self.places.insert(name, (entry.line, entry.column));
    }
}
