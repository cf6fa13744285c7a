//! What a script says about its row, and whom it asks about others.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, NativeCallContext};

use super::context::{Context, Fallible, HostFault, RaisedVerdict};
use super::row::Row;
use super::typed::Typed;
use crate::diagnostic::did_you_mean;
use crate::row::{IdAnswer, Note, Stage};
use crate::value::Logical;

/// Longer sentences are cut: they are stored with every row.
pub(super) const WHY_CHARS_MAX: usize = 500;

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    register_verdicts(engine, context);
    let shared = Rc::clone(context);
    engine.register_fn(
        "id_of",
        move |call: NativeCallContext, entity: &str, key: Dynamic| -> Fallible<Dynamic> {
            id_of(&shared, &call, entity, &key)
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "id_of_or_null",
        move |entity: &str, key: Dynamic| -> Fallible<Dynamic> {
            Ok(match ask(&shared, entity, &key)? {
                Some((_, IdAnswer::One(id))) => id_value(id),
                _ => Dynamic::UNIT,
            })
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn("rows_of", move |lookup: &str, key: Dynamic| {
        rows_of(&shared, lookup, &key)
    });
}

fn register_verdicts(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn(
        "skip",
        move |call: NativeCallContext, code: &str| -> Fallible<()> {
            check_code(&shared, "skip", code)?;
            shared.raise(&call, RaisedVerdict::Skip(code.to_owned()))
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "reject",
        move |call: NativeCallContext, code: &str, why: &str| -> Fallible<()> {
            check_code(&shared, "reject", code)?;
            let why = kept(&shared, &call, why);
            shared.raise(&call, RaisedVerdict::rule(code, why))
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "reject",
        move |call: NativeCallContext, code: &str| -> Fallible<()> {
            check_code(&shared, "reject", code)?;
            shared.raise(&call, RaisedVerdict::rule(code, code))
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn(
        "note",
        move |call: NativeCallContext, code: &str, why: &str| -> Fallible<()> {
            check_code(&shared, "note", code)?;
            note(&shared, code, kept(&shared, &call, why));
            Ok(())
        },
    );
    let shared = Rc::clone(context);
    engine.register_fn("note", move |code: &str| -> Fallible<()> {
        check_code(&shared, "note", code)?;
        note(&shared, code, code.to_owned());
        Ok(())
    });
}

fn note(context: &Context, code: &str, why: String) {
    context.notes.borrow_mut().push(Note {
        code: code.to_owned(),
        why,
    });
}

/// Codes are counted and typed by people: short lower-case words.
pub(super) fn check_code(context: &Context, function: &str, code: &str) -> Fallible<()> {
    let fits = !code.is_empty()
        && code.len() <= 60
        && code
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if fits && context.wording.borrow().has_code(code) {
        return Ok(());
    }
    if fits {
        return HostFault::with_hint(
            format!("`{function}` got a code that is not written in the rule"),
            "codes are shown to everybody, so they cannot be made of a row's values; write each one out",
        );
    }
    HostFault::with_hint(
        format!("`{function}` needs a code of lower-case letters, digits and `_`"),
        "the code is counted, so it names the kind of problem; say the rest in the second argument",
    )
}

/// A message as far as it may be kept: nothing of the row, and not too long.
pub(super) fn kept(context: &Context, call: &NativeCallContext, why: &str) -> String {
    let wording = context.wording.borrow();
    let why = wording.message(call.call_source(), call.call_position(), why);
    why.chars().take(WHY_CHARS_MAX).collect()
}

fn id_of(
    context: &Context,
    call: &NativeCallContext,
    entity: &str,
    key: &Dynamic,
) -> Fallible<Dynamic> {
    let Some((key, answer)) = ask(context, entity, key)? else {
        return Ok(Dynamic::UNIT);
    };
    let (code, why) = match answer {
        IdAnswer::One(id) => return Ok(id_value(id)),
        IdAnswer::Many => (
            "ambiguous_parent",
            format!("`{entity}` has two rows with this legacy key"),
        ),
        IdAnswer::None if context.declared.missing_profile && entity == "profiles" => (
            "missing_profile",
            "the person has no profile in the target".to_owned(),
        ),
        IdAnswer::None => ("orphan", format!("its parent is not in `{entity}`")),
    };
    let waiting_for = (answer == IdAnswer::None).then(|| (entity.to_owned(), key));
    let verdict = RaisedVerdict::Reject {
        stage: Stage::Rule,
        code: code.to_owned(),
        why,
        waiting_for,
    };
    context.raise(call, verdict)
}

/// What `id_of` answers when the parent is there, or the key NULL.
pub(super) fn known_id(context: &Context, entity: &str, key: &Dynamic) -> Option<Dynamic> {
    if context.testing.get() || !context.declared.entities.iter().any(|e| e == entity) {
        return None;
    }
    if key.is_unit() {
        return Some(Dynamic::UNIT);
    }
    let answers = context.answers.borrow();
    let known = answers.ids.get(entity)?;
    let answer = match key.as_int() {
        Ok(number) => known.of(number),
        Err(_) => known.get(&key_text(key).ok()?),
    };
    match answer? {
        IdAnswer::One(id) => Some(id_value(*id)),
        IdAnswer::Many | IdAnswer::None => None,
    }
}

/// The legacy key as text, and what the target says about it; `None` for a NULL key.
fn ask(context: &Context, entity: &str, key: &Dynamic) -> Fallible<Option<(String, IdAnswer)>> {
    if !context.declared.entities.iter().any(|e| e == entity) {
        let known = context.declared.entities.iter().map(String::as_str);
        return undeclared(
            context,
            "ids",
            entity,
            known,
            &format!(
                "{}: #{{ from: [\"column\"] }}",
                context.wording.borrow().name(entity)
            ),
        );
    }
    if key.is_unit() {
        return Ok(None);
    }
    let text = key_text(key)?;
    if context.testing.get() {
        let name = (entity.to_owned(), text);
        let answer = context
            .fake_ids
            .borrow()
            .get(&name)
            .map_or(IdAnswer::None, |id| IdAnswer::One(*id));
        return Ok(Some((name.1, answer)));
    }
    let answers = context.answers.borrow();
    match answers.ids.get(entity).and_then(|known| known.get(&text)) {
        Some(answer) => Ok(Some((text, answer.clone()))),
        None => HostFault::with_hint(
            format!(
                "`id_of(\"{entity}\", …)` was asked for a key that no column of `ids.{entity}.from` holds"
            ),
            format!("name the column it comes from in `RULE.ids.{entity}.from`"),
        ),
    }
}

fn rows_of(context: &Context, lookup: &str, key: &Dynamic) -> Fallible<Array> {
    if !context
        .declared
        .lookups
        .iter()
        .any(|(name, _)| name == lookup)
    {
        let known = context
            .declared
            .lookups
            .iter()
            .map(|(name, _)| name.as_str());
        let example = format!(
            "{}: #{{ from: \"table\", by: \"column\", keys: [\"column\"], take: [\"column\"] }}",
            context.wording.borrow().name(lookup)
        );
        return undeclared(context, "lookups", lookup, known, &example);
    }
    if key.is_unit() {
        return Ok(Array::new());
    }
    let text = key_text(key)?;
    if context.testing.get() {
        let rows = context
            .fake_rows
            .borrow()
            .get(&(lookup.to_owned(), text))
            .cloned();
        return Ok(rows.unwrap_or_default());
    }
    let answers = context.answers.borrow();
    let shapes = context.shapes.borrow();
    let found = answers.lookups.get(lookup).zip(shapes.get(lookup));
    let Some((answer, shape)) = found else {
        return HostFault::fail(format!("lookup `{lookup}` was not fetched"));
    };
    let Some(range) = answer.groups.get(&text) else {
        return HostFault::with_hint(
            format!(
                "`rows_of(\"{lookup}\", …)` was asked for a key that no column of `lookups.{lookup}.keys` holds"
            ),
            format!("name the column it comes from in `RULE.lookups.{lookup}.keys`"),
        );
    };
    let row = |row| {
        Dynamic::from(Row::Read {
            rows: answer.rows.clone(),
            shape: Rc::clone(shape),
            row,
        })
    };
    Ok(range.clone().map(row).collect())
}

fn undeclared<'a, T>(
    context: &Context,
    key: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
    example: &str,
) -> Fallible<T> {
    let hint = match did_you_mean(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add `{example}` to `RULE.{key}`"),
    };
    let wording = context.wording.borrow();
    HostFault::with_hint(
        format!("`{}` is not declared in `RULE.{key}`", wording.name(name)),
        hint,
    )
}

/// A key as the text that both databases print.
pub(super) fn key_text(key: &Dynamic) -> Fallible<String> {
    if let Ok(number) = key.as_int() {
        return Ok(number.to_string());
    }
    if let Ok(text) = key.as_immutable_string_ref() {
        return Ok(text.to_string());
    }
    if let Some(typed) = key.read_lock::<Typed>() {
        return Ok(typed.text.to_string());
    }
    if let Ok(number) = key.as_decimal() {
        return Ok(number.normalize().to_string());
    }
    HostFault::fail(format!(
        "a key must be a number, a text or a uuid, not a {}",
        key.type_name()
    ))
}

pub(super) fn id_value(id: uuid::Uuid) -> Dynamic {
    Dynamic::from(Typed::new(Logical::Uuid, id.to_string()))
}
