//! Both databases as the REPL sees them: read-only, opened when first asked for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::Handle;
use uuid::Uuid;

use crate::catalog;
use crate::config::Config;
use crate::db::{Role, Session};
use crate::diagnostic::Diagnostic;
use crate::plan::Known;
use crate::plan::Step;
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

/// Lives on the script thread and blocks there; the runtime does the waiting.
pub(super) struct Databases {
    config: Config,
    runtime: Handle,
    source: Option<Source>,
    target: Option<Session>,
}

impl Databases {
    pub(super) fn new(config: Config, runtime: Handle) -> Self {
        Self {
            config,
            runtime,
            source: None,
            target: None,
        }
    }

    fn source(&mut self) -> Result<&mut Source, Diagnostic> {
        if self.source.is_none() {
            self.source = Some(self.runtime.block_on(Source::open(self.config.source()?))?);
        }
        self.source
            .as_mut()
            .ok_or_else(|| Diagnostic::error("the source is not open"))
    }

    fn target(&mut self) -> Result<&mut Session, Diagnostic> {
        if self.target.is_none() {
            let opened = self
                .runtime
                .block_on(Session::open(self.config.target()?, Role::TargetReader))?;
            self.target = Some(opened);
        }
        self.target
            .as_mut()
            .ok_or_else(|| Diagnostic::error("the target is not open"))
    }

    /// Tables of the source, then of the target; none of a database that is not set.
    pub(super) fn tables(&mut self) -> Result<[Vec<String>; 2], Diagnostic> {
        let runtime = self.runtime.clone();
        let mut found = [vec![], vec![]];
        if self.config.source.is_some() {
            let names = runtime.block_on(catalog::table_names(self.source()?.session()))?;
            found[0] = names.iter().map(ToString::to_string).collect();
        }
        if self.config.target.is_some() {
            let names = runtime.block_on(catalog::table_names(self.target()?))?;
            found[1] = names.iter().map(ToString::to_string).collect();
        }
        Ok(found)
    }

    /// Rows in quarantine, at most `most`.
    pub(super) fn bad(
        &mut self,
        rule: Option<&str>,
        code: Option<&str>,
        most: u64,
    ) -> Result<Vec<Quarantined>, Diagnostic> {
        let runtime = self.runtime.clone();
        let target = self.target()?;
        let state = State::new(target.engine());
        let rules: Vec<String> = rule.map(ToOwned::to_owned).into_iter().collect();
        let read = async {
            if state.exists(target).await? {
                state.check_version(target).await?;
                state.quarantined(target, &rules, code, most).await
            } else {
                Ok(vec![])
            }
        };
        runtime
            .block_on(read)
            .map_err(|error: StateError| Diagnostic::error(error.to_string()))
    }

    /// The source row with this key; `None` when there is none, or the rule's `where` leaves it out.
    pub(super) fn row(
        &mut self,
        rule: &Arc<Rule>,
        key: &str,
    ) -> Result<Option<Found>, Vec<Diagnostic>> {
        let one = |problem: Diagnostic| vec![problem];
        let width = rule.header.key.len();
        let Some(key) = Key::parse(key, width) else {
            let problem = format!(
                "the key of `{}` has {width} parts: write them as a JSON array",
                rule.name
            );
            return Err(one(Diagnostic::error(problem)));
        };
        self.source().map_err(one)?;
        self.target().map_err(one)?;
        let runtime = self.runtime.clone();
        let namespace = self.config.namespace.unwrap_or(Uuid::nil());
        let (Some(source), Some(target)) = (self.source.as_mut(), self.target.as_mut()) else {
            return Ok(None);
        };
        runtime.block_on(async {
            let mut step =
                Step::prepare(Arc::clone(rule), source.session(), target, namespace).await?;
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

    fn query(&mut self, side: Database, sql: &str) -> Result<Answer, Diagnostic> {
        let runtime = self.runtime.clone();
        let session = match side {
            Database::Source => self.source()?.session(),
            Database::Target => self.target()?,
        };
        let asked = async {
            let columns = catalog::describe(session, sql).await?;
            let rows = session.copy_out_typed(sql, &columns).await?;
            Ok::<_, crate::db::DbError>((columns, rows))
        };
        let (columns, rows) = runtime.block_on(asked)?;
        Ok(Answer {
            rows: Arc::new(rows),
            types: columns.into_iter().map(|(_, logical)| logical).collect(),
        })
    }
}

/// Answers a script's questions; nothing is written from here.
pub(super) struct Desk(pub(super) Rc<RefCell<Databases>>);

impl Host for Desk {
    fn call(&mut self, request: HostCall) -> Result<HostReply, String> {
        let HostCall::Query { side, sql } = request else {
            return Err(
                "only `source.query` and `target.query` work here: the REPL writes nothing".into(),
            );
        };
        let answer = self.0.borrow_mut().query(side, &sql);
        answer
            .map(HostReply::Rows)
            .map_err(|problem| problem.message().to_owned())
    }
}
