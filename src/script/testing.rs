//! What `test_*` functions have besides: made-up rows and parents, and assertions.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, FnPtr, Map, NativeCallContext, OptimizationLevel};

use super::context::{Context, Declared, Fallible, HostFault, Raised, RaisedVerdict};
use super::program::Program;
use super::row::Row;
use super::spell::spelled;
use super::trace::Watch;
use super::verdicts::key_text;
use super::{SourceText, compared};
use crate::diagnostic::{Diagnostic, did_you_mean};

impl Program {
    /// The rule with the functions of tests. `known_columns` are what a sample may set or leave out;
    /// the engine's optimizer may be left off, to see that it changes nothing.
    pub fn for_tests(
        rule: &SourceText,
        libs: &[SourceText],
        declared: Declared,
        known_columns: Vec<String>,
        is_optimised: bool,
    ) -> Result<Self, Diagnostic> {
        let special = |engine: &mut Engine, context: &Rc<Context>| {
            if !is_optimised {
                engine.set_optimization_level(OptimizationLevel::None);
            }
            register(engine, context);
            Watch::limit_time(&context.watch, engine);
        };
        let program = Self::build(rule, libs, declared, &[], known_columns, special)?;
        program.context.testing.set(true);
        Ok(program)
    }

    /// Runs one test function. Fakes of the test before are gone.
    pub fn test(&mut self, name: &str) -> Result<(), Diagnostic> {
        self.context.begin();
        self.context.fake_ids.borrow_mut().clear();
        self.context.fake_rows.borrow_mut().clear();
        let result = self.call(name, None);
        if let Some(raised) = self.context.raised.borrow_mut().take() {
            let (line, column) = super::literal::line_column(raised.position);
            let file = self
                .files
                .iter()
                .find(|f| Some(&f.path) == raised.file.as_ref())
                .unwrap_or(&self.files[0]);
            return Err(Diagnostic::error(describe(&raised))
                .at(file.place(line, column))
                .hint("`assert_reject` and `assert_skip` say that this is wanted"));
        }
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(self.problem_of(&error, name, |program| program.call(name, None))),
        }
    }
}

impl Program {
    /// Calls a function without arguments that returns a map; its keys, and its values as an author would
    /// write them. Values that cannot be written are left out.
    pub fn spelled_map(&mut self, name: &str) -> Result<Vec<(String, String)>, Diagnostic> {
        self.context.begin();
        let value = self
            .call(name, None)
            .map_err(|error| self.problem(&error))?;
        let map = value.try_cast::<Map>().unwrap_or_default();
        let entries = map
            .iter()
            .map(|(name, value)| (name.to_string(), spelled(value)));
        Ok(entries.collect())
    }
}

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    register_fakes(engine, context);
    engine.register_fn("assert", |condition: bool| assert(condition, ""));
    engine.register_fn("assert", |condition: bool, why: &str| {
        assert(condition, why)
    });
    engine.register_fn(
        "assert_eq",
        |call: NativeCallContext, got: Dynamic, wanted: Dynamic| assert_eq(&call, &got, &wanted),
    );
    let shared = Rc::clone(context);
    engine.register_fn("assert_ok", move |call: NativeCallContext, body: FnPtr| {
        let (raised, value) = run(&shared, &call, &body)?;
        match raised {
            None => Ok(value),
            Some(raised) => HostFault::fail(format!("{}, it should be written", describe(&raised))),
        }
    });
    let shared = Rc::clone(context);
    engine.register_fn(
        "assert_note",
        move |call: NativeCallContext, code: &str, body: FnPtr| {
            let (raised, value) = run(&shared, &call, &body)?;
            if let Some(raised) = raised {
                return HostFault::fail(format!(
                    "{}, it should be written with note `{code}`",
                    describe(&raised)
                ));
            }
            let notes = shared.notes.borrow();
            if notes.iter().any(|n| n.code == code) {
                return Ok(value);
            }
            let got: Vec<String> = notes.iter().map(|n| format!("`{}`", n.code)).collect();
            let got = if got.is_empty() {
                "none".to_owned()
            } else {
                got.join(", ")
            };
            HostFault::fail(format!("note `{code}` was wanted, the notes are: {got}"))
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "assert_no_note",
        move |call: NativeCallContext, body: FnPtr| {
            let (raised, value) = run(&shared, &call, &body)?;
            if let Some(raised) = raised {
                return HostFault::fail(format!("{}, it should be written", describe(&raised)));
            }
            let notes = shared.notes.borrow();
            if notes.is_empty() {
                return Ok(value);
            }
            let got: Vec<String> = notes.iter().map(|n| format!("`{}`", n.code)).collect();
            HostFault::fail(format!(
                "the row should be written without a note, the notes are: {}",
                got.join(", ")
            ))
        },
    );
    for is_skip in [true, false] {
        let shared = Rc::clone(context);
        let name = if is_skip {
            "assert_skip"
        } else {
            "assert_reject"
        };
        let done = if is_skip { "skipped" } else { "rejected" };
        engine.register_fn(
            name,
            move |call: NativeCallContext, code: &str, body: FnPtr| -> Fallible<()> {
                let (raised, _) = run(&shared, &call, &body)?;
                let Some(raised) = raised else {
                    return HostFault::fail(format!(
                        "the row is written, it should be {done} as `{code}`"
                    ));
                };
                let same_kind = matches!(raised.verdict, RaisedVerdict::Skip(_)) == is_skip;
                if same_kind && raised.verdict.code() == code {
                    return Ok(());
                }
                HostFault::fail(format!(
                    "{}, it should be {done} as `{code}`",
                    describe(&raised)
                ))
            },
        );
    }
}

fn register_fakes(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("sample", move |columns: Map| {
        made_row(&shared, columns, "sample")
    });
    let shared = Rc::clone(context);
    engine.register_fn("ids", move |tables: Map| -> Fallible<()> {
        for (table, keys) in tables {
            known(
                &table,
                "ids",
                shared.declared.entities.iter().map(String::as_str),
            )?;
            let Some(keys) = keys.try_cast::<Map>() else {
                return HostFault::fail(format!(
                    "`ids` needs a map of keys and uuids for `{table}`"
                ));
            };
            for (key, id) in keys {
                let Ok(id) = uuid::Uuid::parse_str(&id.to_string()) else {
                    return HostFault::fail(format!(
                        "`ids`: what `{table}` has for one of its keys is not a uuid"
                    ));
                };
                shared
                    .fake_ids
                    .borrow_mut()
                    .insert((table.to_string(), key.to_string()), id);
            }
        }
        Ok(())
    });
    let shared = Rc::clone(context);
    engine.register_fn(
        "lookup",
        move |name: &str, key: Dynamic, rows: Array| -> Fallible<()> {
            known(
                name,
                "lookups",
                shared.declared.lookups.iter().map(|(n, _)| n.as_str()),
            )?;
            let take = shared
                .declared
                .lookups
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, take)| take);
            let mut made = Array::with_capacity(rows.len());
            for row in rows {
                let Some(columns) = row.try_cast::<Map>() else {
                    return HostFault::fail("`lookup` needs an array of maps, one map per row");
                };
                for column in columns.keys() {
                    known(
                        column,
                        &format!("lookups.{name}.take"),
                        take.into_iter().flatten().map(String::as_str),
                    )?;
                }
                made.push(Dynamic::from(Row::Made(Rc::new(columns))));
            }
            shared
                .fake_rows
                .borrow_mut()
                .insert((name.to_owned(), key_text(&key)?), made);
            Ok(())
        },
    );
}

fn made_row(context: &Context, columns: Map, function: &str) -> Fallible<Row> {
    for name in columns.keys() {
        if !context.known_columns.iter().any(|c| c == name.as_str()) {
            let hint = match did_you_mean(name, context.known_columns.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "leave it out".to_owned(),
            };
            return HostFault::with_hint(
                format!("`{function}` sets column `{name}`, which the rule never reads"),
                hint,
            );
        }
    }
    Ok(Row::Made(Rc::new(columns)))
}

fn known<'a>(name: &str, list: &str, names: impl Iterator<Item = &'a str> + Clone) -> Fallible<()> {
    if names.clone().any(|n| n == name) {
        return Ok(());
    }
    let hint = match did_you_mean(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it in `RULE.{list}`"),
    };
    HostFault::with_hint(format!("`{name}` is not in `RULE.{list}`"), hint)
}

/// Calls the closure as one row. A fault of the script goes on as an error.
fn run(
    context: &Context,
    call: &NativeCallContext,
    body: &FnPtr,
) -> Fallible<(Option<Raised>, Dynamic)> {
    context.begin();
    let result = body.call_within_context::<Dynamic>(call, ());
    let raised = context.raised.borrow_mut().take();
    match (raised, result) {
        (Some(raised), _) => Ok((Some(raised), Dynamic::UNIT)),
        (None, Ok(value)) => Ok((None, value)),
        (None, Err(error)) => Err(error),
    }
}

fn describe(raised: &Raised) -> String {
    match &raised.verdict {
        RaisedVerdict::Skip(code) => format!("the row is skipped as `{code}`"),
        RaisedVerdict::Reject { code, why, .. } if code == why => {
            format!("the row is rejected as `{code}`")
        }
        RaisedVerdict::Reject { code, why, .. } => {
            format!("the row is rejected as `{code}` ({why})")
        }
    }
}

fn assert(condition: bool, why: &str) -> Fallible<()> {
    match (condition, why) {
        (true, _) => Ok(()),
        (false, "") => HostFault::fail("the condition is false"),
        (false, why) => HostFault::fail(format!("the condition is false: {why}")),
    }
}

fn assert_eq(call: &NativeCallContext, got: &Dynamic, wanted: &Dynamic) -> Fallible<()> {
    let same = call
        .engine()
        .eval_binary_op::<bool>("==", got.clone(), wanted.clone())
        .unwrap_or(false);
    if same {
        return Ok(());
    }
    // values of a test are its author's own, so they may be shown
    match compared::differences(call.engine(), got, wanted) {
        Some((summary, details)) => HostFault::with_details(summary, details),
        None => HostFault::fail(format!("got {}, wanted {}", show(got), show(wanted))),
    }
}

/// A value as the author would write it.
pub(super) fn show(value: &Dynamic) -> String {
    spelled(value)
}
