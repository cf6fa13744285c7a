//! `before`, `after` and `run`: scripts that may ask the databases.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rhai::{Dynamic, Engine, Map, NativeCallContext};

use super::context::{Context, Declared, Fallible, HostFault, RaisedVerdict};
use super::host::{Answer, Database, Host, HostCall, HostReply};
use super::program::Program;
use super::row::Row;
use super::stream::{Stream, rows_of};
use super::verdicts::{check_code, id_value, kept, key_text};
use super::{SourceText, json, made};
use crate::diagnostic::Diagnostic;
use crate::row::{Key, Stage};

/// A rule whose functions may call the databases through a [`Host`].
pub struct Procedure {
    program: Program,
    desk: Rc<Desk>,
}

impl Procedure {
    /// Compiles the rule; `host` answers from now on.
    pub fn new(
        rule: &SourceText,
        libs: &[SourceText],
        declared: Declared,
        host: Box<dyn Host>,
    ) -> Result<Self, Diagnostic> {
        let desk = Rc::new(Desk::new(host));
        let shared = Rc::clone(&desk);
        let special =
            |engine: &mut Engine, context: &Rc<Context>| register(engine, &shared, context);
        let program = Program::build(rule, libs, declared, &[], vec![], special)?;
        program.keep_to_its_words()?;
        Ok(Self { program, desk })
    }

    /// Calls `before`, `after` or `run`. A row that was streamed and neither written, skipped nor
    /// rejected is an error.
    pub fn call(&mut self, name: &str) -> Result<(), Diagnostic> {
        // a whole table may pass through one call, so its steps are not counted
        self.program.engine.set_max_operations(0);
        self.program.context.begin();
        let result = self.program.call(name, None);
        let raised = self.program.context.raised.borrow_mut().take();
        let rule = &self.program.files[0];
        if let Some(raised) = raised {
            let (line, column) = super::literal::line_column(raised.position);
            if let RaisedVerdict::Reject {
                stage: Stage::Read,
                why,
                ..
            } = &raised.verdict
            {
                return Err(Diagnostic::error(format!(
                    "`{name}` read a value that it cannot be given: {why}"
                ))
                .at(rule.place(line, column))
                .hint("select it as text, or leave the row out and say so"));
            }
            return Err(Diagnostic::error(format!("`{}` has no row to speak of in `{name}`", raised.verdict.code()))
                .at(rule.place(line, column))
                .hint("a procedural rule says `target.skip(key, code)` or `target.reject(key, code, why)`"));
        }
        if let Err(error) = result {
            return Err(self.program.problem(&error));
        }
        let place = super::literal::function_place(rule, name);
        if let Some(problem) = self.desk.open_rows() {
            return Err(Diagnostic::error(problem).at(place));
        }
        if self.desk.uncommitted.get() {
            return Err(Diagnostic::error(format!(
                "`{name}` ended with rows that were not committed"
            ))
            .at(place)
            .hint("end it with `checkpoint.commit(name, value)`"));
        }
        Ok(())
    }

    /// Ends a call that is under way, from another thread, as soon as this is true.
    pub fn end_when(&mut self, asked: Arc<AtomicBool>) {
        let ended = move |_| asked.load(Ordering::Relaxed).then_some(Dynamic::UNIT);
        self.program.engine.on_progress(ended);
    }

    /// What `print` and `debug` said since it was last asked.
    pub fn take_printed(&mut self) -> Vec<String> {
        self.program.take_printed()
    }
}

/// The host, and which streamed rows still need a verdict.
pub(super) struct Desk {
    host: RefCell<Box<dyn Host>>,
    open: RefCell<BTreeSet<Key>>,
    /// Rows streamed since the last commit.
    streamed: Cell<u64>,
    uncommitted: Cell<bool>,
}

impl Desk {
    pub(super) fn new(host: Box<dyn Host>) -> Self {
        Self {
            host: RefCell::new(host),
            open: RefCell::default(),
            streamed: Cell::new(0),
            uncommitted: Cell::new(false),
        }
    }

    fn ask(&self, request: HostCall) -> Fallible<HostReply> {
        let Ok(mut host) = self.host.try_borrow_mut() else {
            return HostFault::fail("the database is already being asked");
        };
        host.call(request).or_else(HostFault::fail)
    }

    /// Asks for rows.
    pub(super) fn rows(&self, request: HostCall) -> Fallible<Answer> {
        match self.ask(request)? {
            HostReply::Rows(answer) => Ok(answer),
            _ => HostFault::fail("the database gave no rows"),
        }
    }

    fn open_rows(&self) -> Option<String> {
        let open = self.open.borrow();
        let first = open.first()?;
        let count = open.len();
        let rows = if count == 1 {
            "row was".to_owned()
        } else {
            "rows were".to_owned()
        };
        Some(format!(
            "{count} streamed {rows} neither written, skipped nor rejected, the first with key {first}"
        ))
    }

    /// A row was streamed; it now needs a verdict.
    pub(super) fn opened(&self, key: Key) {
        self.open.borrow_mut().insert(key);
        self.streamed.set(self.streamed.get() + 1);
    }

    fn decided(&self, key: &Key) {
        self.open.borrow_mut().remove(key);
        self.uncommitted.set(true);
    }
}

/// `source` or `target` in a script.
#[derive(Clone)]
struct Handle {
    desk: Rc<Desk>,
    side: Database,
}

/// `ids` in a script.
#[derive(Clone)]
struct IdsHandle(Rc<Desk>);

/// `checkpoint` in a script.
#[derive(Clone)]
struct CheckpointHandle(Rc<Desk>);

pub(super) fn register(engine: &mut Engine, desk: &Rc<Desk>, context: &Rc<Context>) {
    engine.register_type_with_name::<Handle>("database");
    let source = Handle {
        desk: Rc::clone(desk),
        side: Database::Source,
    };
    let target = Handle {
        desk: Rc::clone(desk),
        side: Database::Target,
    };
    let (ids, checkpoint) = (
        IdsHandle(Rc::clone(desk)),
        CheckpointHandle(Rc::clone(desk)),
    );
    #[expect(
        deprecated,
        reason = "volatile by its documentation; the engine's version is pinned"
    )]
    engine.on_var(move |name, _, _| {
        Ok(match name {
            "source" => Some(Dynamic::from(source.clone())),
            "target" => Some(Dynamic::from(target.clone())),
            "ids" => Some(Dynamic::from(ids.clone())),
            "checkpoint" => Some(Dynamic::from(checkpoint.clone())),
            _ => None,
        })
    });
    engine.register_fn(
        "query",
        |handle: &mut Handle, sql: &str| -> Fallible<rhai::Array> {
            let answer = handle.desk.rows(HostCall::Query {
                side: handle.side,
                sql: sql.to_owned(),
            })?;
            Ok(rows_of(&answer))
        },
    );
    engine.register_fn("rows", |handle: &mut Handle, sql: &str| {
        stream(handle, sql, vec!["id".to_owned()])
    });
    engine.register_fn("rows", |handle: &mut Handle, sql: &str, key: &str| {
        stream(handle, sql, vec![key.to_owned()])
    });
    engine.register_fn(
        "rows",
        |handle: &mut Handle, sql: &str, key: rhai::Array| {
            stream(handle, sql, key.iter().map(ToString::to_string).collect())
        },
    );
    engine.register_iterator_result::<Stream, Row>();
    register_writing(engine, context);
    register_ids(engine);
}

fn register_writing(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_fn(
        "write",
        |handle: &mut Handle, table: &str, columns: Map, key: Dynamic| -> Fallible<()> {
            only_target(handle, "write")?;
            let of = key_of(&key)?;
            let mut values = Vec::with_capacity(columns.len());
            for (name, value) in columns {
                match made::scalar(&value, true) {
                    Ok(scalar) => values.push((name.to_string(), scalar)),
                    Err(misfit) => {
                        return HostFault::fail(format!("column `{name}`: {}", misfit.why));
                    }
                }
            }
            handle.desk.ask(HostCall::Write {
                table: table.to_owned(),
                columns: values,
                of: of.clone(),
            })?;
            handle.desk.decided(&of);
            Ok(())
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "skip",
        move |handle: &mut Handle, key: Dynamic, code: &str| -> Fallible<()> {
            only_target(handle, "skip")?;
            check_code(&shared, "skip", code)?;
            let of = key_of(&key)?;
            handle.desk.ask(HostCall::Skip {
                of: of.clone(),
                code: code.to_owned(),
            })?;
            handle.desk.decided(&of);
            Ok(())
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "reject",
        move |call: NativeCallContext,
              handle: &mut Handle,
              key: Dynamic,
              code: &str,
              why: &str|
              -> Fallible<()> {
            only_target(handle, "reject")?;
            check_code(&shared, "reject", code)?;
            let of = key_of(&key)?;
            handle.desk.ask(HostCall::Reject {
                of: of.clone(),
                code: code.to_owned(),
                why: kept(&shared, &call, why),
            })?;
            handle.desk.decided(&of);
            Ok(())
        },
    );
}

fn register_ids(engine: &mut Engine) {
    engine.register_fn(
        "get",
        |ids: &mut IdsHandle, table: &str, key: Dynamic| -> Fallible<Dynamic> {
            if key.is_unit() {
                return Ok(Dynamic::UNIT);
            }
            match ids.0.ask(HostCall::IdGet {
                table: table.to_owned(),
                key: key_of(&key)?,
            })? {
                HostReply::Id(Some(id)) => Ok(id_value(id)),
                _ => Ok(Dynamic::UNIT),
            }
        },
    );
    engine.register_fn(
        "put",
        |ids: &mut IdsHandle, table: &str, key: Dynamic, id: Dynamic| -> Fallible<()> {
            let Ok(id) = uuid::Uuid::parse_str(&key_text(&id)?) else {
                return HostFault::fail("`ids.put` got an id that is not a uuid");
            };
            ids.0.ask(HostCall::IdPut {
                table: table.to_owned(),
                key: key_of(&key)?,
                id,
            })?;
            Ok(())
        },
    );
    engine.register_fn(
        "get",
        |checkpoint: &mut CheckpointHandle, name: &str| -> Fallible<Dynamic> {
            match checkpoint.0.ask(HostCall::CheckpointGet {
                name: name.to_owned(),
            })? {
                HostReply::Value(Some(text)) => json::parse(&text).or_else(HostFault::fail),
                _ => Ok(Dynamic::UNIT),
            }
        },
    );
    engine.register_fn(
        "commit",
        |checkpoint: &mut CheckpointHandle, name: &str, value: Dynamic| -> Fallible<()> {
            let desk = &checkpoint.0;
            if let Some(problem) = desk.open_rows() {
                return HostFault::with_hint(
                    problem,
                    "each row ends in `target.write`, `target.skip` or `target.reject`",
                );
            }
            let mut text = String::new();
            if let Err(misfit) = json::write(&value, &mut text) {
                return HostFault::fail(format!("`checkpoint.commit`: {}", misfit.why));
            }
            let rows = desk.streamed.replace(0);
            desk.ask(HostCall::CheckpointCommit {
                name: name.to_owned(),
                value: text,
                rows,
            })?;
            desk.uncommitted.set(false);
            Ok(())
        },
    );
}

fn only_target(handle: &Handle, function: &str) -> Fallible<()> {
    match handle.side {
        Database::Target => Ok(()),
        Database::Source => HostFault::fail(format!(
            "`source.{function}`: the legacy database is never changed"
        )),
    }
}

/// A key as a value, or an array of values for a composite one.
fn key_of(key: &Dynamic) -> Fallible<Key> {
    match key.read_lock::<rhai::Array>() {
        Some(parts) => parts.iter().map(key_text).collect::<Fallible<_>>().map(Key),
        None => key_text(key).map(Key::single),
    }
}

fn stream(handle: &Handle, sql: &str, key: Vec<String>) -> Fallible<Stream> {
    if handle.side == Database::Target {
        return HostFault::with_hint("`target.rows` does not exist", "use `target.query(sql)`");
    }
    match handle.desk.ask(HostCall::OpenRows {
        sql: sql.to_owned(),
        key: key.clone(),
    })? {
        HostReply::Stream(number) => Ok(Stream {
            desk: Rc::clone(&handle.desk),
            number,
            key: key.into(),
        }),
        _ => HostFault::fail("the database gave no rows"),
    }
}
