//! The conversation: a line goes in, a text comes out. Nothing here prints or ends the program.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::databases::{Databases, Desk, Found};
use super::input::{COMMANDS, Command, Input, parse};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::row::{Judged, OutRow, Verdict, unescape};
use crate::rule::{Rule, RuleSet};
use crate::script::Session;

/// Rows that `:bad` lists.
const BAD_MAX: u64 = 20;
/// What stands for a value that is not public.
const MASK: &str = "••••";

/// What a line came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What to show.
    pub text: String,
    /// It is a problem, for stderr.
    pub problem: bool,
    /// The conversation is over.
    pub quit: bool,
}

impl Reply {
    fn said(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn problem(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            problem: true,
            quit: false,
        }
    }
}

impl From<Diagnostic> for Reply {
    fn from(problem: Diagnostic) -> Self {
        Self::problem(problem.to_string())
    }
}

impl From<Vec<Diagnostic>> for Reply {
    fn from(problems: Vec<Diagnostic>) -> Self {
        Self::problem(
            problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n"),
        )
    }
}

/// One conversation. Belongs to a thread with [`crate::script::STACK_BYTES`] of stack.
pub struct Talk {
    config: Config,
    databases: Rc<RefCell<Databases>>,
    session: Session,
    rule: Option<Arc<Rule>>,
    current: Option<Found>,
    show: bool,
}

impl Talk {
    /// Begins, about one rule or about none.
    pub fn new(
        config: Config,
        runtime: Handle,
        rule: Option<Arc<Rule>>,
    ) -> Result<Self, Diagnostic> {
        let databases = Rc::new(RefCell::new(Databases::new(config.clone(), runtime)));
        let desk = Box::new(Desk(Rc::clone(&databases)));
        let session = Rule::session(rule.as_deref(), desk)?;
        Ok(Self {
            config,
            databases,
            session,
            rule,
            current: None,
            show: false,
        })
    }

    /// Answers a line; a problem is an answer too.
    pub fn answer(&mut self, line: &str) -> Reply {
        let answered = match parse(line) {
            Input::Empty => Ok(Reply::default()),
            Input::Unknown(what) => Ok(Reply::problem(what)),
            Input::Script(text) => self.eval(&text),
            Input::Command(command) => self.command(command),
        };
        answered.unwrap_or_else(|problem| problem)
    }

    fn eval(&mut self, text: &str) -> Result<Reply, Reply> {
        let value = self.session.eval(text);
        let mut lines = self.session.take_printed();
        match value {
            Ok(value) => lines.push(value),
            Err(problem)
                if self.current.is_none() && problem.message().contains("variable `row`") =>
            {
                return Err(problem.hint("`:row KEY` puts a row there").into());
            }
            Err(problem) if lines.is_empty() => return Err(problem.into()),
            Err(problem) => return Err(Reply::problem(format!("{}\n{problem}", lines.join("\n")))),
        }
        lines.retain(|line| !line.is_empty());
        Ok(Reply::said(lines.join("\n")))
    }

    fn command(&mut self, command: Command) -> Result<Reply, Reply> {
        match command {
            Command::Help => Ok(Reply::said(help())),
            Command::Quit => Ok(Reply {
                quit: true,
                ..Reply::default()
            }),
            Command::Show(on) => {
                self.show = on;
                self.mask();
                Ok(Reply::said(if on {
                    "values are shown"
                } else {
                    "values are masked"
                }))
            }
            Command::Reload => self.reload(),
            Command::Tables => self.tables(),
            Command::Bad(code) => self.bad(code.as_deref()),
            Command::Row(key) => {
                self.take(&key)?;
                Ok(Reply::said(self.shown_row()))
            }
            Command::Try(key) => {
                if let Some(key) = key {
                    self.take(&key)?;
                }
                self.judge()
            }
        }
    }

    fn rule(&self) -> Result<&Arc<Rule>, Reply> {
        self.rule
            .as_ref()
            .ok_or_else(|| Reply::problem("no rule was named: start with `runner repl RULE`"))
    }

    fn reload(&mut self) -> Result<Reply, Reply> {
        self.read_again().map_err(|reply| {
            Reply::problem(format!("{}\nthe earlier version stays in use", reply.text))
        })
    }

    fn read_again(&mut self) -> Result<Reply, Reply> {
        let name = self.rule()?.name.clone();
        let path = self.rule()?.path.display().to_string();
        let set = RuleSet::named(&self.config.rules, &[path])?;
        let Some(rule) = set.rules.into_iter().next() else {
            return Err(set.problems.into());
        };
        // first everything that can fail, so that a broken edit leaves the earlier version in use
        let key = self.current.as_ref().map(|found| found.key.to_string());
        let found = match &key {
            Some(key) => self.databases.borrow_mut().row(&rule, key)?,
            None => None,
        };
        rule.reload_into(&mut self.session)?;
        self.rule = Some(rule);
        let gone = key.is_some() && found.is_none();
        self.current = None;
        if let Some(found) = found {
            self.put(found);
        }
        Ok(Reply::said(if gone {
            format!("`{name}` was read again; it does not read the row any more")
        } else {
            format!("`{name}` was read again")
        }))
    }

    fn tables(&mut self) -> Result<Reply, Reply> {
        let [source, target] = self.databases.borrow_mut().tables()?;
        let mut text = String::new();
        for (side, names) in [("source", source), ("target", target)] {
            for name in names {
                let _ = writeln!(text, "{side}  {name}");
            }
        }
        Ok(Reply::said(if text.is_empty() {
            "no database is set".into()
        } else {
            text
        }))
    }

    fn bad(&mut self, code: Option<&str>) -> Result<Reply, Reply> {
        let rule = self.rule.as_ref().map(|rule| rule.name.clone());
        let rows = self
            .databases
            .borrow_mut()
            .bad(rule.as_deref(), code, BAD_MAX)?;
        if rows.is_empty() {
            let code = code.map_or_else(String::new, |code| format!(" with the code `{code}`"));
            let of = rule.map_or_else(String::new, |rule| format!(" of `{rule}`"));
            return Ok(Reply::said(format!("no row{of} is in quarantine{code}")));
        }
        let mut text = String::new();
        for row in &rows {
            let _ = writeln!(
                text,
                "{} {}  {}: {}",
                row.rule, row.key, row.code, row.message
            );
        }
        if rows.len() as u64 == BAD_MAX {
            text.push_str("…\n");
        }
        Ok(Reply::said(text))
    }

    fn take(&mut self, key: &str) -> Result<(), Reply> {
        let rule = Arc::clone(self.rule()?);
        let found = self.databases.borrow_mut().row(&rule, key)?;
        let Some(found) = found else {
            return Err(Reply::problem(format!(
                "`{}` has no row with this key, or the rule's `where` leaves it out",
                rule.header.base
            )));
        };
        self.put(found);
        Ok(())
    }

    fn put(&mut self, found: Found) {
        self.session
            .set_row(&found.rows, &found.types, 0, &found.answers);
        self.current = Some(found);
        self.mask();
    }

    /// `row` as a value shows what `:row` shows; `row.column` is asked for by name and shown.
    fn mask(&mut self) {
        let hidden = self.current.as_ref().filter(|_| !self.show);
        let mask = hidden.map(|found| {
            let header = &found.step.rule.header;
            let visible = [&header.public[..], &header.key[..]].concat();
            (Arc::clone(&found.rows), visible)
        });
        self.session
            .mask(mask.as_ref().map(|(rows, v)| (rows, v.clone(), MASK)));
    }

    fn shown_row(&self) -> String {
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

    /// Keys are shown everywhere, other columns when the rule or the user says so.
    fn visible(&self, rule: &Rule, column: &str) -> bool {
        let header = &rule.header;
        self.show
            || header
                .public
                .iter()
                .chain(&header.key)
                .any(|name| name == column)
    }

    fn judge(&mut self) -> Result<Reply, Reply> {
        let Some(found) = &self.current else {
            return Err(Reply::problem("no row: `:try KEY`, or `:row KEY` first"));
        };
        let mut judge = found.step.bound.judge()?;
        let judged = judge.judge(&found.rows, 0, &found.key, &found.answers);
        let mut text = self.shown_verdict(found, &judged);
        if let Some(fault) = judge.last_fault() {
            let _ = write!(text, "\n{fault}");
        }
        Ok(Reply::said(text))
    }

    fn shown_verdict(&self, found: &Found, judged: &Judged) -> String {
        let mut text = match &judged.verdict {
            Verdict::Skip(code) => format!("skip {code}\n"),
            Verdict::Reject(reject) => {
                let place = reject
                    .place
                    .as_ref()
                    .map(|p| format!("  at {}:{}:{}\n", p.path, p.line, p.column));
                format!(
                    "reject {}: {}\n{}",
                    reject.code,
                    reject.why,
                    place.unwrap_or_default()
                )
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
                Some(_) if !self.visible(&found.step.rule, name) => MASK.to_owned(),
                Some(cell) => String::from_utf8_lossy(&unescape(cell)).into_owned(),
            };
            Some((name.clone(), value))
        });
        format!("write {} {}\n{}", table.name, row.id, columns(cells))
    }
}

/// `name  value` lines, the values below one another.
fn columns(cells: impl Iterator<Item = (String, String)>) -> String {
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

fn help() -> String {
    let mut text = String::from("an expression is evaluated; commands:\n");
    for (name, argument, what) in COMMANDS {
        let _ = writeln!(text, "  {:<16}{what}", format!("{name} {argument}"));
    }
    text
}
