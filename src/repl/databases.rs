//! Both databases as the REPL sees them: read-only, opened when first asked for, opened again when lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use super::interrupt::Interrupt;
use crate::catalog::{self, Table};
use crate::config::Config;
use crate::db::{Canceller, DbError, Role, Session, TableName};
use crate::diagnostic::Diagnostic;
use crate::plan::{Known, Step};
use crate::row::{Answers, Key, Rows};
use crate::rule::Rule;
use crate::script::{Answer, Database, Host, HostCall, HostReply};
use crate::source::{PageError, Source};
use crate::state::{Quarantined, State, StateError};
use crate::value::Logical;

/// A source row with everything that its rule may ask for.
pub(super) struct Found {
    pub(super) step: Step,
    pub(super) key: Key,
    pub(super) rows: Arc<Rows>,
    pub(super) types: Arc<[Logical]>,
    pub(super) answers: Arc<Answers>,
}

/// The open ones.
#[derive(Default)]
struct Open {
    source: Option<(Source, Canceller)>,
    target: Option<(Session, Canceller)>,
}

impl Open {
    fn session(&mut self, side: Database) -> Result<&mut Session, Diagnostic> {
        let session = match side {
            Database::Source => self.source.as_mut().map(|(source, _)| source.session()),
            Database::Target => self.target.as_mut().map(|(session, _)| session),
        };
        session.ok_or_else(|| Diagnostic::error("the database is not open"))
    }

    fn both(&mut self) -> Result<(&mut Source, &mut Session), Diagnostic> {
        match (&mut self.source, &mut self.target) {
            (Some((source, _)), Some((target, _))) => Ok((source, target)),
            _ => Err(Diagnostic::error("the databases are not open")),
        }
    }

    /// Lets go of what cannot be asked any more; true when there was one.
    fn drop_lost(&mut self) -> bool {
        let source = self
            .source
            .take_if(|(source, _)| source.session().is_broken());
        let target = self.target.take_if(|(session, _)| session.is_broken());
        source.is_some() || target.is_some()
    }

    fn cancellers(&self) -> Vec<Canceller> {
        let source = self.source.iter().map(|(_, canceller)| canceller);
        let target = self.target.iter().map(|(_, canceller)| canceller);
        source.chain(target).cloned().collect()
    }
}

/// Lives on the script thread and blocks there; the runtime does the waiting.
pub(super) struct Databases {
    config: Config,
    runtime: Handle,
    interrupt: Interrupt,
    open: Open,
}

impl Databases {
    pub(super) fn new(config: Config, runtime: Handle) -> Self {
        Self {
            config,
            runtime,
            interrupt: Interrupt::default(),
            open: Open::default(),
        }
    }

    /// What ends a wait from now on.
    pub(super) fn heed(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    /// The sides that are set.
    pub(super) fn sides(&self) -> Vec<Database> {
        let set = [
            (Database::Source, self.config.source.is_some()),
            (Database::Target, self.config.target.is_some()),
        ];
        set.into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(side, _)| side)
            .collect()
    }

    /// Does `work` on open databases. One that was lost meanwhile is opened again, and asked again: all
    /// that is done here is reading.
    fn ask<T>(
        &mut self,
        sides: &[Database],
        mut work: impl AsyncFnMut(&mut Open) -> Result<T, Vec<Diagnostic>>,
    ) -> Result<T, Vec<Diagnostic>> {
        // either of the two may be found lost, one after the other
        let mut again = 2;
        loop {
            let (config, open) = (&self.config, &mut self.open);
            open.drop_lost();
            self.interrupt.wait(&self.runtime, &[], async {
                for side in sides {
                    connect(config, open, *side).await?;
                }
                Ok::<_, Diagnostic>(())
            })?;
            let cancellers = open.cancellers();
            let done = self.interrupt.wait(&self.runtime, &cancellers, work(open));
            if done.is_ok() || !self.open.drop_lost() || self.interrupt.is_raised() || again == 0 {
                return done;
            }
            again -= 1;
        }
    }

    /// Tables of one side.
    pub(super) fn tables(&mut self, side: Database) -> Result<Vec<String>, Vec<Diagnostic>> {
        self.ask(&[side], async |open| {
            let names = catalog::table_names(open.session(side)?).await;
            let names = names.map_err(Diagnostic::from)?;
            Ok(names.iter().map(ToString::to_string).collect())
        })
    }

    /// The shape of a table of one side.
    pub(super) fn table(
        &mut self,
        side: Database,
        name: &str,
    ) -> Result<Option<Table>, Vec<Diagnostic>> {
        let name = TableName::parse(name);
        self.ask(&[side], async |open| {
            let found = catalog::table(open.session(side)?, &name).await;
            Ok(found.map_err(Diagnostic::from)?)
        })
    }

    /// Rows in quarantine, at most `most`.
    pub(super) fn bad(
        &mut self,
        rule: Option<&str>,
        code: Option<&str>,
        most: u64,
    ) -> Result<Vec<Quarantined>, Vec<Diagnostic>> {
        let rules: Vec<String> = rule.map(ToOwned::to_owned).into_iter().collect();
        self.ask(&[Database::Target], async |open| {
            let target = open.session(Database::Target)?;
            let state = State::new(target.engine());
            let read = async {
                if state.exists(target).await? {
                    state.check_version(target).await?;
                    state.quarantined(target, &rules, code, most).await
                } else {
                    Ok(vec![])
                }
            };
            let rows: Result<_, StateError> = read.await;
            Ok(rows.map_err(|error| Diagnostic::error(error.to_string()))?)
        })
    }

    /// The source row with this key; `None` when there is none, or the rule's `where` leaves it out.
    pub(super) fn row(
        &mut self,
        rule: &Arc<Rule>,
        key: &str,
    ) -> Result<Option<Found>, Vec<Diagnostic>> {
        let width = rule.header.key.len();
        let Some(key) = Key::parse(key, width) else {
            let problem = format!(
                "the key of `{}` has {width} parts: write them as a JSON array",
                rule.name
            );
            return Err(vec![Diagnostic::error(problem)]);
        };
        self.found(rule, async |_, _| Ok(Some(key.clone())))
    }

    /// The row that follows `after` in key order; the first one when there is no `after`.
    pub(super) fn row_after(
        &mut self,
        rule: &Arc<Rule>,
        after: Option<&Key>,
    ) -> Result<Option<Found>, Vec<Diagnostic>> {
        self.found(rule, async |source, step| {
            let keys = source.keys_between(&step.query, after, None, 1).await;
            Ok(keys.map_err(Diagnostic::from)?.into_iter().next())
        })
    }

    fn found(
        &mut self,
        rule: &Arc<Rule>,
        mut which: impl AsyncFnMut(&mut Source, &Step) -> Result<Option<Key>, Vec<Diagnostic>>,
    ) -> Result<Option<Found>, Vec<Diagnostic>> {
        let one = |problem: Diagnostic| vec![problem];
        let namespace = self.config.namespace.unwrap_or(Uuid::nil());
        self.ask(&[Database::Source, Database::Target], async |open| {
            let (source, target) = open.both()?;
            let mut step =
                Step::prepare(Arc::clone(rule), source.session(), target, namespace).await?;
            let Some(key) = which(source, &step).await? else {
                return Ok(None);
            };
            let page = source
                .page_of_keys(&step.query, std::slice::from_ref(&key))
                .await;
            let (rows, keys) = page.map_err(|error| {
                one(match error {
                    PageError::Db(error) => error.into(),
                    PageError::Unbalanced { .. } => {
                        Diagnostic::error("`from` repeats or loses this row")
                            .hint("`runner check` says more")
                    }
                })
            })?;
            let Some(key) = keys.into_iter().next() else {
                return Ok(None);
            };
            let fetched = step
                .wants
                .fetch(&rows, source.session(), target, &Known::default())
                .await;
            let answers = fetched.map_err(|error| one(error.into()))?;
            let types = step
                .query
                .columns
                .iter()
                .map(|(_, logical)| logical.clone())
                .collect();
            Ok(Some(Found {
                step,
                key,
                rows: Arc::new(rows),
                types,
                answers: Arc::new(answers),
            }))
        })
    }

    /// One read-only statement.
    pub(super) fn query(
        &mut self,
        side: Database,
        sql: &str,
    ) -> Result<(Vec<String>, Answer), Vec<Diagnostic>> {
        self.ask(&[side], async |open| {
            let session = open.session(side)?;
            let asked = async {
                let columns = catalog::describe(session, sql).await?;
                let rows = session.copy_out_typed(sql, &columns).await?;
                Ok::<_, DbError>((columns, rows))
            };
            let (columns, rows) = asked.await.map_err(Diagnostic::from)?;
            let (names, types): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
            let answer = Answer {
                rows: Arc::new(rows),
                types: types.into(),
            };
            Ok((names, answer))
        })
    }
}

async fn connect(config: &Config, open: &mut Open, side: Database) -> Result<(), Diagnostic> {
    match side {
        Database::Source if open.source.is_none() => {
            let mut source = Source::open(config.source()?).await?;
            let canceller = source.session().canceller(config.source()?).await?;
            open.source = Some((source, canceller));
        }
        Database::Target if open.target.is_none() => {
            let mut session = Session::open(config.target()?, Role::TargetReader).await?;
            let canceller = session.canceller(config.target()?).await?;
            open.target = Some((session, canceller));
        }
        _ => {}
    }
    Ok(())
}

/// Answers a script's questions; nothing is written from here.
pub(super) struct Desk(pub(super) Rc<RefCell<Databases>>);

impl Host for Desk {
    fn call(&mut self, request: HostCall) -> Result<HostReply, String> {
        let HostCall::Query { side, sql } = request else {
            return Err(
                "only `source.query` and `target.query` work here: rows go over by `:retry`, `runner exec` and `runner run`".into(),
            );
        };
        let answer = self.0.borrow_mut().query(side, &sql);
        answer
            .map(|(_, answer)| HostReply::Rows(answer))
            .map_err(|problems| {
                problems
                    .first()
                    .map_or_else(String::new, |problem| problem.message().to_owned())
            })
    }
}
