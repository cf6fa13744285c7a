//! Looking around: tables, their columns, their rows, and the rows in quarantine.

use std::fmt::Write;

use super::reply::Reply;
use super::shown::columns;
use super::talk::{MASK, Talk};
use crate::catalog::Table;
use crate::db::TableName;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::rule::RuleSet;
use crate::script::{Answer, Database, grid};

/// Rows that a list shows.
const ROWS_MAX: usize = 20;

impl Talk {
    pub(super) fn tables(&mut self) -> Result<Reply, Reply> {
        let sides = self.databases.borrow().sides();
        let mut text = String::new();
        for side in sides {
            for name in self.databases.borrow_mut().tables(side)? {
                let _ = writeln!(text, "{}  {name}", word(side));
            }
        }
        Ok(Reply::said(if text.is_empty() {
            "no database is set".into()
        } else {
            text
        }))
    }

    /// Names of all tables, for completion; nothing of a side that cannot be asked.
    pub(super) fn table_names(&mut self) -> Vec<String> {
        let sides = self.databases.borrow().sides();
        let names = sides
            .into_iter()
            .filter_map(|side| self.databases.borrow_mut().tables(side).ok());
        names.flatten().collect()
    }

    pub(super) fn describe(&mut self, name: &str) -> Result<Reply, Reply> {
        let mut text = String::new();
        for (side, table) in self.shapes(name)? {
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = writeln!(text, "{} {}", word(side), table.name);
            let cells = table.columns.iter().map(|column| {
                let mut facts = column.type_name.clone();
                if table.primary_key.contains(&column.name) {
                    facts.push_str(", key");
                }
                if column.not_null {
                    facts.push_str(", not null");
                }
                if let Some(default) = &column.default {
                    let _ = write!(facts, ", default {}", default.expression);
                }
                for key in table
                    .foreign_keys
                    .iter()
                    .filter(|key| key.columns.contains(&column.name))
                {
                    let _ = write!(facts, ", refers to {}", key.table);
                }
                if table
                    .uniques
                    .iter()
                    .any(|u| u.columns == [column.name.clone()])
                {
                    facts.push_str(", unique");
                }
                (column.name.clone(), facts)
            });
            text.push_str(&columns(cells));
        }
        Ok(Reply::said(text))
    }

    /// The tables of this name, on either side.
    pub(super) fn shapes(&mut self, name: &str) -> Result<Vec<(Database, Table)>, Reply> {
        let sides = self.databases.borrow().sides();
        let mut found = Vec::new();
        for side in sides {
            let table = self.databases.borrow_mut().table(side, name)?;
            found.extend(table.map(|table| (side, table)));
        }
        if found.is_empty() {
            let names = self.table_names();
            let problem = Diagnostic::error(format!("there is no table `{name}`"));
            let near = did_you_mean(name, names.iter().map(String::as_str));
            return Err(match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint("`:tables` lists them"),
            }
            .into());
        }
        Ok(found)
    }

    pub(super) fn rows(&mut self, name: &str, rest: &str) -> Result<Reply, Reply> {
        let Some((side, table)) = self.shapes(name)?.into_iter().next() else {
            return Ok(Reply::default());
        };
        let engine = match side {
            Database::Source => self.config.source()?.engine(),
            Database::Target => self.config.target()?.engine(),
        };
        let quoted = TableName::parse(name).sql(engine);
        let order = if rest.to_lowercase().contains("order by") || table.primary_key.is_empty() {
            String::new()
        } else {
            let names: Vec<String> = table
                .primary_key
                .iter()
                .map(|c| crate::db::ident(c))
                .collect();
            format!(" order by {}", names.join(", "))
        };
        let limit = if rest.to_lowercase().contains("limit ") {
            String::new()
        } else {
            format!(" limit {}", ROWS_MAX + 1)
        };
        let sql = format!("select * from {quoted} {rest}{order}{limit}");
        let (names, answer) = self.databases.borrow_mut().query(side, &sql)?;
        let shown = self.shown_of(&table);
        if self
            .rule
            .as_ref()
            .is_some_and(|rule| TableName::parse(&rule.header.base) == table.name)
            && side == Database::Source
        {
            self.list_keys(&names, &answer);
        }
        Ok(Reply::said(self.listed(&names, &answer, &shown)))
    }

    /// `:next` goes through what was listed.
    fn list_keys(&mut self, names: &[String], answer: &Answer) {
        let Some(rule) = &self.rule else { return };
        let places: Option<Vec<usize>> = rule
            .header
            .key
            .iter()
            .map(|key| names.iter().position(|name| name == key))
            .collect();
        let Some(places) = places else { return };
        let keys = (0..answer.rows.len().min(ROWS_MAX)).map(|row| {
            let part = |at: &usize| match answer.rows.text(row, *at) {
                Some(Ok(text)) => text.into_owned(),
                _ => String::new(),
            };
            crate::row::Key(places.iter().map(part).collect()).to_string()
        });
        self.keys = keys.collect();
    }

    pub(super) fn sql(&mut self, side: Database, sql: &str) -> Result<Reply, Reply> {
        let sql = sql.trim_end_matches([';', ' ']);
        let (names, answer) = self.databases.borrow_mut().query(side, sql)?;
        let mut shown = vec!["count".to_owned()];
        if let Some(rule) = &self.rule {
            shown.extend(rule.header.public.iter().chain(&rule.header.key).cloned());
        }
        Ok(Reply::said(self.listed(&names, &answer, &shown)))
    }

    /// Columns of a table that may be shown: its key, and what the rules about it call public.
    fn shown_of(&self, table: &Table) -> Vec<String> {
        let mut shown = table.primary_key.clone();
        let set = RuleSet::load(&self.config.rules).unwrap_or_default();
        let about = set.rules.iter().filter(|rule| {
            let header = &rule.header;
            [&header.base, &header.target]
                .iter()
                .any(|name| TableName::parse(name) == table.name)
        });
        shown.extend(about.flat_map(|rule| rule.header.public.clone()));
        shown
    }

    fn listed(&self, names: &[String], answer: &Answer, shown: &[String]) -> String {
        let rows = &answer.rows;
        let cell = |row: usize, at: usize| match rows.text(row, at) {
            None => "NULL".to_owned(),
            Some(_) if !self.show && !shown.contains(&names[at]) => MASK.to_owned(),
            Some(Ok(text)) => text.into_owned(),
            Some(Err(_)) => "bytes that are not UTF-8".to_owned(),
        };
        let body: Vec<Vec<String>> = (0..rows.len().min(ROWS_MAX))
            .map(|row| (0..names.len()).map(|at| cell(row, at)).collect())
            .collect();
        let mut text = grid(names, &body, self.width);
        let count = body.len();
        let plural = if count == 1 { "row" } else { "rows" };
        if rows.len() > ROWS_MAX {
            let _ = write!(text, "(the first {ROWS_MAX} rows)");
        } else {
            let _ = write!(text, "({count} {plural})");
        }
        text
    }

    pub(super) fn bad(&mut self, code: Option<&str>) -> Result<Reply, Reply> {
        let rule = self.rule.as_ref().map(|rule| rule.name.clone());
        let most = ROWS_MAX as u64 + 1;
        let rows = self
            .databases
            .borrow_mut()
            .bad(rule.as_deref(), code, most)?;
        if rows.is_empty() {
            let code = code.map_or_else(String::new, |code| format!(" with the code `{code}`"));
            let of = rule.map_or_else(String::new, |rule| format!(" of `{rule}`"));
            return Ok(Reply::said(format!("no row{of} is in quarantine{code}")));
        }
        if rule.is_some() {
            self.keys = rows
                .iter()
                .take(ROWS_MAX)
                .map(|row| row.key.clone())
                .collect();
            self.current = None;
        }
        let head = ["rule", "key", "code", "why", "waits for"].map(ToOwned::to_owned);
        let body: Vec<Vec<String>> = rows
            .iter()
            .take(ROWS_MAX)
            .map(|row| {
                vec![
                    row.rule.clone(),
                    row.key.clone(),
                    row.code.clone(),
                    row.message.clone(),
                    row.waiting_for.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let mut text = grid(&head, &body, self.width);
        if rows.len() > ROWS_MAX {
            let _ = writeln!(
                text,
                "(the first {ROWS_MAX}; `runner quarantine list` counts them)"
            );
        }
        if rule.is_some() {
            text.push_str("`:next` takes the first, `:row KEY` one of them\n");
        }
        Ok(Reply::said(text))
    }
}

pub(super) fn word(side: Database) -> &'static str {
    match side {
        Database::Source => "source",
        Database::Target => "target",
    }
}
