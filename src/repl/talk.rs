//! The conversation: a line goes in, a text comes out. Nothing here prints or ends the program.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::databases::{Databases, Desk, Found};
use super::input::{COMMANDS, Command, Input, parse};
use super::interrupt::Interrupt;
use super::replay::Replay;
use super::reply::Reply;
use super::shown::place_of_verdict;
use super::watch::{Stamp, Watched};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::rule::{Rule, RuleSet};
use crate::script::{FUNCTIONS, Session};

/// What stands for a value that is not public.
pub(super) const MASK: &str = "••••";

/// One conversation. Belongs to a thread with [`crate::script::STACK_BYTES`] of stack.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each named after the command that turns it"
)]
pub struct Talk {
    pub(super) config: Config,
    pub(super) databases: Rc<RefCell<Databases>>,
    pub(super) session: Session,
    pub(super) rule: Option<Arc<Rule>>,
    pub(super) current: Option<Found>,
    /// The verdict on the current row is on screen, and is shown anew after an edit.
    pub(super) is_tried: bool,
    /// Keys that `:next` and `:prev` go through: the last list, then what was seen.
    pub(super) keys: Vec<String>,
    pub(super) show: bool,
    pub(super) write: bool,
    pub(super) width: Option<usize>,
    /// Somebody types.
    pub(super) is_interactive: bool,
    pub(super) replay: Option<Replay>,
    pub(super) interrupt: Interrupt,
    pub(super) runtime: Handle,
    seen: Stamp,
}

impl Talk {
    /// Begins, about one rule or about none.
    pub fn new(
        config: Config,
        runtime: Handle,
        rule: Option<Arc<Rule>>,
    ) -> Result<Self, Diagnostic> {
        let databases = Rc::new(RefCell::new(Databases::new(
            config.clone(),
            runtime.clone(),
        )));
        let desk = Box::new(Desk(Rc::clone(&databases)));
        let session = Rule::session(rule.as_deref(), desk)?;
        let interrupt = Interrupt::of(session.interrupt());
        databases.borrow_mut().heed(interrupt.clone());
        let mut talk = Self {
            config,
            databases,
            session,
            rule,
            current: None,
            is_tried: false,
            keys: vec![],
            show: false,
            write: false,
            width: None,
            is_interactive: false,
            replay: None,
            interrupt,
            runtime,
            seen: Stamp::default(),
        };
        talk.seen = talk
            .watched()
            .map(|files| files.stamp())
            .unwrap_or_default();
        talk.mask();
        Ok(talk)
    }

    /// Ends what is under way, from another thread.
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Somebody types at a terminal.
    pub fn set_interactive(&mut self) {
        self.is_interactive = true;
    }

    /// Characters that fit on a line.
    pub fn set_width(&mut self, width: Option<usize>) {
        self.width = width;
        self.session.set_width(width);
    }

    /// The files whose change reads the rule again.
    pub fn watched(&self) -> Option<Watched> {
        let rule = self.rule.as_ref()?;
        Some(Watched::new(&rule.path, &self.config.rules))
    }

    /// What a person reads before typing: the rule, the row on screen, and `!` where `:retry` may write.
    pub fn prompt(&self) -> String {
        if let Some(replay) = &self.replay {
            return replay.prompt();
        }
        let name = self.rule.as_ref().map_or("", |rule| &rule.name);
        let row = self.current.as_ref().map_or_else(String::new, |found| {
            let key: String = found.key.to_string().chars().take(24).collect();
            format!(" {key}")
        });
        let end = if self.write { '!' } else { '>' };
        format!("{name}{row}{end} ")
    }

    /// Answers a line; a problem is an answer too.
    pub fn answer(&mut self, line: &str) -> Reply {
        self.interrupt.calm();
        if let Some(reply) = self.replayed(line) {
            return reply;
        }
        let answered = match parse(line) {
            Input::Empty => Ok(Reply::default()),
            Input::Unknown(what) => Ok(Reply::problem(what)),
            Input::Script(text) => self.eval(&text),
            Input::Command(command) => self.command(command),
        };
        answered.unwrap_or_else(|problem| problem)
    }

    /// What there is to say when a file was saved: the rule is read again, and the verdict on the row on
    /// screen is shown anew. `None` when nothing changed.
    pub fn refreshed(&mut self) -> Option<Reply> {
        let stamp = self.watched()?.stamp();
        if stamp == self.seen {
            return None;
        }
        self.interrupt.calm();
        let rule = Arc::clone(self.rule.as_ref()?);
        let path = rule.path.display().to_string();
        self.seen = stamp;
        if let Ok(set) = RuleSet::named(&self.config.rules, &[path])
            && let Some(now) = set.rules.first()
            && now.text == rule.text
            && now.libs == rule.libs
        {
            return None;
        }
        Some(self.reload().unwrap_or_else(|problem| problem))
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
            Command::Help(name) => Ok(help(name.as_deref())),
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
            Command::Edit => self.edit(),
            Command::Tables => self.tables(),
            Command::Describe(table) => self.describe(&table),
            Command::Rows(table, rest) => self.rows(&table, &rest),
            Command::Sql(side, sql) => self.sql(side, &sql),
            Command::Bad(code) => self.bad(code.as_deref()),
            Command::Next => self.next(),
            Command::Prev => self.prev(),
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
            Command::Step(key) => {
                if let Some(key) = key {
                    self.take(&key)?;
                }
                self.step()
            }
            Command::Pin(name) => self.pin(&name),
            Command::Retry => self.retry(),
            Command::Write(on) => {
                self.write = on;
                Ok(Reply::said(if on {
                    "`:retry` may write; everything else goes on reading only"
                } else {
                    "nothing is written"
                }))
            }
        }
    }

    pub(super) fn rule(&self) -> Result<&Arc<Rule>, Reply> {
        self.rule
            .as_ref()
            .ok_or_else(|| Reply::problem("no rule was named: start with `runner repl RULE`"))
    }

    fn reload(&mut self) -> Result<Reply, Reply> {
        self.read_again().map_err(|reply| {
            Reply::problem(format!("{}\nthe earlier version stays in use", reply.text))
        })
    }

    pub(super) fn read_again(&mut self) -> Result<Reply, Reply> {
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
        self.seen = self
            .watched()
            .map(|files| files.stamp())
            .unwrap_or_default();
        self.replay = None;
        let gone = key.is_some() && found.is_none();
        let was_tried = self.is_tried;
        self.current = None;
        self.mask();
        if let Some(found) = found {
            self.put(found);
        }
        let mut text = if gone {
            format!("`{name}` was read again; it does not read the row any more")
        } else {
            format!("`{name}` was read again")
        };
        if was_tried && self.current.is_some() {
            let _ = write!(text, "\n{}", self.judge()?.text);
        }
        Ok(Reply::said(text))
    }

    fn edit(&mut self) -> Result<Reply, Reply> {
        let rule = self.rule()?;
        let line = self
            .current
            .as_ref()
            .and_then(place_of_verdict)
            .filter(|place| rule.path.display().to_string() == place.path)
            .map_or(1, |place| place.line);
        Ok(Reply {
            edit: Some((rule.path.clone(), line)),
            ..Reply::default()
        })
    }
}

fn help(name: Option<&str>) -> Reply {
    let Some(name) = name else {
        let mut text = String::from("an expression is evaluated; commands:\n");
        for (name, argument, what) in COMMANDS {
            let _ = writeln!(text, "  {:<32}{what}", format!("{name} {argument}"));
        }
        text.push_str("functions, each explained by `:help NAME`:\n");
        for function in FUNCTIONS {
            let _ = writeln!(text, "  {}", function.signature);
        }
        return Reply::said(text);
    };
    let name = name.trim_end_matches("()");
    let command = COMMANDS.iter().find(|(command, ..)| {
        command.trim_start_matches([':', '\\']) == name.trim_start_matches([':', '\\'])
    });
    let function = FUNCTIONS.iter().find(|function| function.name == name);
    match (function, command) {
        (Some(function), _) => Reply::said(format!(
            "{}\n  {}\n  {}",
            function.signature, function.doc, function.example
        )),
        (None, Some((name, argument, what))) => Reply::said(format!("{name} {argument}\n  {what}")),
        (None, None) => {
            let names = FUNCTIONS.iter().map(|function| function.name);
            let near = did_you_mean(name, names.chain(COMMANDS.iter().map(|(name, ..)| *name)));
            let idea = near.map_or_else(
                || "`:help` lists all".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Reply::problem(format!("there is no function or command `{name}`: {idea}"))
        }
    }
}
