//! A compiled rule on its thread: calls its functions, turns what they do into neutral answers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, EvalAltResult, Identifier, Map};

use super::calls::Calls;
use super::context::{Context, Declared, HostFault, RaisedVerdict};
use super::engine::Compiled;
use super::lines::Clock;
use super::made::Made;
use super::prepared::Prepared;
use super::row::{Row, Shape, decode_text};
use super::trace::{Lost, Watch, is_limit};
use super::wording::Wording;
use super::{SourceText, calls, engine, fault, literal, prepare};
use crate::diagnostic::{Diagnostic, Place};
use crate::row::{Answers, Note, Reject, Rows, Stage};
use crate::value::Logical;

/// What a script said about a row.
#[derive(Debug)]
pub enum Said {
    /// The map that `transform` returned.
    Made(Made),
    /// The array of maps that `transform` returned.
    Many(Vec<Made>),
    /// Left behind, with a code.
    Skip(String),
    /// Refused, by the rule or by a fault in it.
    Reject(Box<Reject>),
}

/// A rule with an engine of its own. Stays on the thread that made it.
pub struct Program {
    pub(super) engine: Engine,
    pub(super) ast: AST,
    pub(super) context: Rc<Context>,
    pub(super) files: Vec<SourceText>,
    shape: Rc<Shape>,
    calls: Option<Calls>,
    prepared: Option<Rc<Prepared>>,
    last_fault: Option<Diagnostic>,
    lost: Lost,
    gave_up: Option<Diagnostic>,
    /// A debugger sees every step.
    pub(super) is_followed: bool,
    /// See [`Program::time_lines`].
    pub(super) clock: Option<Rc<Clock>>,
}

impl Program {
    /// Compiles `rule` with its libraries; `columns` are those of the rows it will see.
    pub fn new(
        rule: &SourceText,
        libs: &[SourceText],
        declared: Declared,
        columns: &[(String, Logical)],
    ) -> Result<Self, Diagnostic> {
        let special = |engine: &mut Engine, context: &Rc<Context>| {
            Watch::limit_time(&context.watch, engine);
        };
        let program = Self::build(rule, libs, declared, columns, vec![], special)?;
        program.keep_to_its_words()?;
        Ok(program)
    }

    /// The same with functions of a special purpose; `known_columns` are what a made-up row may lack.
    pub(super) fn build(
        rule: &SourceText,
        libs: &[SourceText],
        declared: Declared,
        columns: &[(String, Logical)],
        known_columns: Vec<String>,
        special: impl FnOnce(&mut Engine, &Rc<Context>),
    ) -> Result<Self, Diagnostic> {
        let mut slots: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        for name in declared.lookups.iter().flat_map(|(_, take)| take) {
            if !slots.contains(name) {
                slots.push(name.clone());
            }
        }
        let names: Arc<[String]> = columns.iter().map(|(name, _)| name.clone()).collect();
        let types: Arc<[Logical]> = columns.iter().map(|(_, logical)| logical.clone()).collect();
        let shape = Rc::new(Shape::new("the row".to_owned(), &names, &types, &slots));
        let context = Rc::new(Context {
            declared,
            slots,
            known_columns,
            ..Context::default()
        });
        let mut engine = engine::bare(&context);
        engine.set_max_call_levels(engine::CALL_LEVELS_MAX + calls::LEVELS);
        special(&mut engine, &context);
        let Compiled {
            rule: ast,
            libs: modules,
        } = engine::compile(&mut engine, rule, libs)?;
        let prepared = prepare::prepare(&mut engine, &context, &ast, &modules);
        let files = std::iter::once(rule.clone())
            .chain(libs.iter().cloned())
            .collect();
        Ok(Self {
            engine,
            ast,
            context,
            files,
            shape,
            calls: None,
            prepared,
            last_fault: None,
            lost: Lost::default(),
            gave_up: None,
            is_followed: false,
            clock: None,
        })
    }

    /// From now on nothing that comes from a row passes into codes and messages.
    pub(super) fn keep_to_its_words(&self) -> Result<(), Diagnostic> {
        let wording = Wording::of(&self.files)?;
        self.context.wording.replace(wording);
        Ok(())
    }

    /// Nothing is done directly any more.
    #[cfg(test)]
    pub(super) fn leave_to_engine(&mut self) {
        self.prepared = None;
    }

    /// Calls `transform` on one row.
    pub fn transform(&mut self, rows: &Arc<Rows>, row: usize, answers: &Arc<Answers>) -> Said {
        self.context.begin();
        self.context.set_answers(answers);
        self.lost.begin();
        let transform = |program: &mut Self| {
            let row = Row::Read {
                rows: Arc::clone(rows),
                shape: Rc::clone(&program.shape),
                row,
            };
            program.call("transform", Some(Dynamic::from(row)))
        };
        match self.settle("transform", transform) {
            Ok(value) => self.returned(value),
            Err(said) => said,
        }
    }

    /// Calls `profile` on a row that `transform` was called on just before.
    pub fn profile(&mut self, rows: &Arc<Rows>, row: usize) -> Result<Made, Said> {
        let profile = |program: &mut Self| {
            let row = Row::Read {
                rows: Arc::clone(rows),
                shape: Rc::clone(&program.shape),
                row,
            };
            program.call("profile", Some(Dynamic::from(row)))
        };
        let value = self.settle("profile", profile)?.flatten();
        let what = fault::kind(value.type_name());
        value.try_cast::<Map>().map(Made).ok_or_else(|| {
            let message =
                format!("`profile` must return a map of columns of profiles, it returned {what}");
            let place = literal::function_place(&self.files[0], "profile");
            self.fault(Diagnostic::error(message).at(place))
        })
    }

    /// Calls `validate` with what `transform` made and what is copied beside it. `None`: no objection.
    pub fn validate(
        &mut self,
        made: &Made,
        copied: &[(&str, Option<&str>, &Logical)],
    ) -> Option<Said> {
        let validate = |program: &mut Self| {
            let mut out = match program.reads_only("validate") {
                Some(names) => {
                    let set = |name: &Identifier| Some((name.clone(), made.0.get(name)?.clone()));
                    names.iter().filter_map(set).collect()
                }
                None => made.0.clone(),
            };
            for (name, text, logical) in copied {
                let value = match text {
                    None => Dynamic::UNIT,
                    Some(text) => decode_text(text, logical)
                        .unwrap_or_else(|| Dynamic::from((*text).to_owned())),
                };
                out.insert((*name).into(), value);
            }
            program.call("validate", Some(Dynamic::from_map(out)))
        };
        self.settle("validate", validate).err()
    }

    /// Whether `validate` looks at a column.
    pub fn validates(&self, column: &str) -> bool {
        self.reads_only("validate")
            .is_none_or(|names| names.iter().any(|name| name == column))
    }

    /// What a function reads of the map that it is given, where it does nothing else with it.
    fn reads_only(&self, function: &str) -> Option<&[Identifier]> {
        let prepared = self.prepared.as_deref()?;
        let at = prepared.find(function, 1)?;
        prepared.functions[at].reads.as_deref()
    }

    /// Remarks made since the row began.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut *self.context.notes.borrow_mut())
    }

    /// What `print` and `debug` said since it was last asked.
    pub fn take_printed(&mut self) -> Vec<String> {
        std::mem::take(&mut *self.context.printed.borrow_mut())
    }

    /// The last fault with its call stack and hints.
    pub fn last_fault(&self) -> Option<&Diagnostic> {
        self.last_fault.as_ref()
    }

    /// A fault of the rule that the host found in what a function returned.
    pub fn fault(&mut self, problem: Diagnostic) -> Said {
        let mut reject = Reject::new(Stage::Rule, "fault", problem.message());
        reject.place = problem.place().cloned();
        reject.fault = true;
        self.last_fault = Some(problem);
        Said::Reject(Box::new(reject))
    }

    /// A name that a script gave, when it is written there and not made of a row's values.
    pub fn shown_name<'n>(&self, name: &'n str) -> &'n str {
        self.context.wording.borrow().name(name)
    }

    /// Where the rule writes `name` as the key of a map; else where the function begins.
    pub fn key_place(&self, function: &str, name: &str) -> Place {
        let file = &self.files[0];
        literal::key_place(file, name).unwrap_or_else(|| literal::function_place(file, function))
    }

    pub(super) fn call(
        &mut self,
        name: &str,
        argument: Option<Dynamic>,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        let (engine, ast, calls) = (&self.engine, &self.ast, &mut self.calls);
        let prepared = self.prepared.as_deref();
        let called = catch_unwind(AssertUnwindSafe(|| {
            let calls = calls.get_or_insert_with(|| Calls::new(engine, ast));
            calls.call(engine, prepared, name, argument)
        }));
        if let Some(clock) = &self.clock {
            clock.stop();
        }
        if called.is_err() || self.is_followed {
            self.calls = None;
        }
        called.unwrap_or_else(|_| HostFault::fail("the script engine failed"))
    }

    pub(super) fn problem(&self, error: &EvalAltResult) -> Diagnostic {
        let wording = self.context.wording.borrow();
        fault::runtime_problem(error, &self.files[0], &self.files, &wording)
    }

    /// Why no further row should be tried: the rule takes too long for rows that it then fails on.
    pub fn gave_up(&self) -> Option<&Diagnostic> {
        self.gave_up.as_ref()
    }

    /// What a call died of; `again` makes the call once more, to find the place of a limit.
    pub(super) fn problem_of(
        &mut self,
        error: &EvalAltResult,
        function: &str,
        again: impl Fn(&mut Self) -> Result<Dynamic, Box<EvalAltResult>>,
    ) -> Diagnostic {
        let mut problem = self.problem(error);
        if !is_limit(error) {
            return problem;
        }
        let time = self.context.watch.elapsed();
        let traced = if self.lost.may_trace(time) {
            self.trace(again)
        } else {
            None
        };
        let has_place = problem.place().is_some_and(|place| place.line > 0);
        if let Some(place) = traced {
            problem = problem.at(place);
        } else if !has_place {
            problem = problem.at(literal::function_place(&self.files[0], function));
        }
        if self.lost.add(time) {
            self.gave_up.get_or_insert_with(|| problem.clone());
        }
        problem
    }

    fn trace(
        &mut self,
        again: impl Fn(&mut Self) -> Result<Dynamic, Box<EvalAltResult>>,
    ) -> Option<Place> {
        let context = Rc::clone(&self.context);
        if !std::mem::replace(&mut self.is_followed, true) {
            Watch::follow(&context.watch, &mut self.engine);
            // it knows nothing of who follows
            self.calls = None;
        }
        let printed = context.printed.borrow().len();
        context.watch.trace();
        // it fails as before
        let _ = again(self);
        let (file, position) = context.watch.traced();
        context.raised.borrow_mut().take();
        context.printed.borrow_mut().truncate(printed);
        let (line, column) = literal::line_column(position);
        let file = self.files.iter().find(|f| Some(&f.path) == file.as_ref());
        (line > 0).then(|| file.unwrap_or(&self.files[0]).place(line, column))
    }

    /// Makes a call. A raised verdict wins over whatever the script did afterwards.
    fn settle(
        &mut self,
        function: &str,
        call: impl Fn(&mut Self) -> Result<Dynamic, Box<EvalAltResult>>,
    ) -> Result<Dynamic, Said> {
        let result = call(self);
        if let Some(raised) = self.context.raised.borrow_mut().take() {
            return Err(match raised.verdict {
                RaisedVerdict::Skip(code) => Said::Skip(code),
                RaisedVerdict::Reject {
                    stage,
                    code,
                    why,
                    waiting_for,
                } => {
                    let mut reject = Reject::new(stage, code, why);
                    let file = raised
                        .file
                        .and_then(|path| self.files.iter().find(|f| f.path == path));
                    let (line, column) = literal::line_column(raised.position);
                    reject.place = Some(file.unwrap_or(&self.files[0]).place(line, column));
                    reject.waiting_for = waiting_for;
                    Said::Reject(Box::new(reject))
                }
            });
        }
        result.map_err(|error| {
            let problem = self.problem_of(&error, function, call);
            self.fault(problem)
        })
    }

    fn returned(&mut self, value: Dynamic) -> Said {
        let value = value.flatten();
        let what = fault::kind(value.type_name());
        let mut wrong =
            format!("`transform` must return a map of target columns, it returned {what}");
        let value = match value.try_cast_result::<Map>() {
            Ok(map) => return Said::Made(Made(map)),
            Err(value) => value,
        };
        if let Ok(items) = value.into_array() {
            let count = items.len();
            let maps: Vec<Made> = items
                .into_iter()
                .filter_map(|item| item.flatten().try_cast::<Map>().map(Made))
                .collect();
            if maps.len() == count {
                return Said::Many(maps);
            }
            "`transform` must return an array of maps, something else is in it"
                .clone_into(&mut wrong);
        }
        let place = literal::function_place(&self.files[0], "transform");
        self.fault(
            Diagnostic::error(wrong)
                .at(place)
                .hint("end it with `#{ column: value, … }`, or call `skip` or `reject`"),
        )
    }
}
