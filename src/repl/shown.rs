//! One row and the rule's verdict on it, as a person sees them.

use std::fmt::Write;
use std::sync::Arc;

use super::databases::Found;
use super::reply::Reply;
use super::talk::{MASK, Talk};
use crate::diagnostic::Place;
use crate::row::{Judged, OutRow, Verdict, unescape};
use crate::rule::Rule;

impl Talk {
    /// Takes the row with this key on screen.
    pub(super) fn take(&mut self, key: &str) -> Result<(), Reply> {
        let rule = Arc::clone(self.rule()?);
        let found = self.databases.borrow_mut().row(&rule, key)?;
        let Some(found) = found else {
            return Err(Reply::problem(format!(
                "`{}` has no row with this key, or the rule's `where` leaves it out",
                rule.header.base
            )));
        };
        self.is_tried = false;
        self.put(found);
        Ok(())
    }

    pub(super) fn put(&mut self, found: Found) {
        self.session
            .set_row(&found.rows, &found.types, 0, &found.answers);
        let key = found.key.to_string();
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        self.current = Some(found);
    }

    pub(super) fn next(&mut self) -> Result<Reply, Reply> {
        let rule = Arc::clone(self.rule()?);
        let shown = self.current.as_ref().map(|found| found.key.clone());
        let at = shown
            .as_ref()
            .and_then(|key| self.place_in_list(&key.to_string()));
        let follows = at.map_or(0, |at| at + 1);
        if let Some(key) = self.keys.get(follows).cloned() {
            self.take(&key)?;
            return Ok(Reply::said(self.shown_row()));
        }
        let found = self
            .databases
            .borrow_mut()
            .row_after(&rule, shown.as_ref())?;
        let Some(found) = found else {
            return Err(Reply::problem("there is no row after this one"));
        };
        self.is_tried = false;
        self.put(found);
        Ok(Reply::said(self.shown_row()))
    }

    pub(super) fn prev(&mut self) -> Result<Reply, Reply> {
        let shown = self.current.as_ref().map(|found| found.key.to_string());
        let at = shown.and_then(|key| self.place_in_list(&key));
        let Some(key) = at
            .and_then(|at| at.checked_sub(1))
            .map(|at| self.keys[at].clone())
        else {
            return Err(Reply::problem(
                "there is no row before this one in the list",
            ));
        };
        self.take(&key)?;
        Ok(Reply::said(self.shown_row()))
    }

    fn place_in_list(&self, key: &str) -> Option<usize> {
        self.keys.iter().position(|listed| listed == key)
    }

    /// Keys are shown everywhere, other columns when the rule or the user says so.
    pub(super) fn visible(&self, rule: &Rule, column: &str) -> bool {
        let header = &rule.header;
        self.show
            || header
                .public
                .iter()
                .chain(&header.key)
                .any(|name| name == column)
    }

    /// What typed expressions may show.
    pub(super) fn mask(&mut self) {
        let visible = (!self.show).then(|| {
            self.rule.as_ref().map_or_else(Vec::new, |rule| {
                let header = &rule.header;
                let mut names = [&header.public[..], &header.key[..]].concat();
                names.push("count".to_owned());
                names
            })
        });
        self.session.mask(visible, MASK);
    }

    pub(super) fn shown_row(&self) -> String {
        let Some(found) = &self.current else {
            return String::new();
        };
        let rule = &found.step.rule;
        columns(
            found
                .step
                .query
                .columns
                .iter()
                .enumerate()
                .map(|(at, (name, logical))| {
                    let value = match found.rows.text(0, at) {
                        None => "NULL".to_owned(),
                        Some(_) if !self.visible(rule, name) => MASK.to_owned(),
                        Some(Ok(text)) => text.into_owned(),
                        Some(Err(_)) => "bytes that are not UTF-8".to_owned(),
                    };
                    (format!("{name} {logical}"), value)
                }),
        )
    }

    /// The rule's verdict on the row on screen, and its fault with the key of the row.
    pub(super) fn judge(&mut self) -> Result<Reply, Reply> {
        let Some(found) = &self.current else {
            return Err(Reply::problem("no row: `:try KEY`, or `:row KEY` first"));
        };
        let mut judge = found.step.bound.judge()?;
        let judged = judge.judge(&found.rows, 0, &found.key, &found.answers);
        let mut text = self.shown_verdict(found, &judged);
        if let Some(fault) = judge.last_fault() {
            let header = &found.step.rule.header;
            let row = format!(
                "row: {} {}={}",
                header.base,
                header.key.join(","),
                found.key
            );
            let _ = write!(text, "\n{}", fault.clone().note(row));
        }
        self.is_tried = true;
        Ok(Reply::said(text))
    }

    fn shown_verdict(&self, found: &Found, judged: &Judged) -> String {
        let mut text = match &judged.verdict {
            Verdict::Skip(code) => format!("skip {code}\n"),
            Verdict::Reject(reject) => {
                let mut text = format!("reject {}: {}\n", reject.code, reject.why);
                if let Some(place) = &reject.place {
                    let _ = writeln!(text, "  at {}:{}:{}", place.path, place.line, place.column);
                }
                if let Some((parent, key)) = &reject.waiting_for {
                    let _ = writeln!(text, "  waits for {parent} {key}");
                }
                if let Some(fix) = found.step.rule.header.fix.get(&reject.code) {
                    let _ = writeln!(text, "  to do: {fix}");
                }
                text
            }
            Verdict::Write(rows) => rows.iter().map(|row| self.shown_out(found, row)).collect(),
        };
        for note in &judged.notes {
            let _ = writeln!(text, "note {}: {}", note.code, note.why);
        }
        text
    }

    fn shown_out(&self, found: &Found, row: &OutRow) -> String {
        let table = found.step.bound.target();
        let cells = row.set.iter().filter_map(|at| {
            let name = &table.columns.get(usize::from(*at))?.name;
            let value = match row.cell(*at)? {
                None => "NULL".to_owned(),
                Some(cell) => {
                    let text = String::from_utf8_lossy(&unescape(cell)).into_owned();
                    let shows = self.visible(&found.step.rule, name) || self.session.spells(&text);
                    if shows { text } else { MASK.to_owned() }
                }
            };
            Some((name.clone(), value))
        });
        format!("write {} {}\n{}", table.name, row.id, columns(cells))
    }
}

/// Where the rule decided.
pub(super) fn place_of_verdict(found: &Found) -> Option<Place> {
    let mut judge = found.step.bound.judge().ok()?;
    let judged = judge.judge(&found.rows, 0, &found.key, &found.answers);
    match judged.verdict {
        Verdict::Reject(reject) => reject.place,
        _ => None,
    }
}

/// `name  value` lines, the values below one another.
pub(super) fn columns(cells: impl Iterator<Item = (String, String)>) -> String {
    let cells: Vec<(String, String)> = cells.collect();
    let width = cells
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in &cells {
        let _ = writeln!(text, "  {name:<width$}  {value}");
    }
    text
}
