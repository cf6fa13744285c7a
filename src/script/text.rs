//! Text, numbers and JSON for scripts. Every function returns; none changes its argument, and none
//! can cut a character in two.

use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, ImmutableString};
use rust_decimal::{Decimal, RoundingStrategy};

use super::context::{Context, Fallible, HostFault};
use super::json;
use super::typed::Typed;
use crate::value::{self, Logical};

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_fn("lower", |text: &str| text.to_lowercase());
    engine.register_fn("upper", |text: &str| text.to_uppercase());
    // shadows the language's own, which changes the text in place and returns nothing
    engine.register_fn("trim", |text: ImmutableString| {
        ImmutableString::from(text.trim())
    });
    engine.register_fn("is_blank", |text: &str| text.trim().is_empty());
    engine.register_fn("is_blank", |(): ()| true);
    engine.register_fn("first", first);
    engine.register_fn("last", last);
    engine.register_fn("text_before", |text: &str, mark: &str| {
        text.split_once(mark).map_or(text, |(a, _)| a).to_owned()
    });
    engine.register_fn("text_after", |text: &str, mark: &str| {
        text.split_once(mark).map_or("", |(_, b)| b).to_owned()
    });
    engine.register_fn("parts", parts);
    engine.register_fn("words", |text: &str| -> Array {
        text.split_whitespace().map(Into::into).collect()
    });
    engine.register_fn("digits_only", |text: &str| {
        text.chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
    });
    engine.register_fn("is_number", |text: &str| {
        Decimal::from_str_exact(text.trim()).is_ok()
    });
    engine.register_fn("dec", dec);
    engine.register_fn("dec", |number: i64| Decimal::from(number));
    engine.register_fn("dec", |number: Decimal| number);
    engine.register_fn("round_half_up", round_half_up);
    engine.register_fn("round_half_up", |number: i64, _: i64| Decimal::from(number));
    engine.register_fn("uuid", uuid);
    engine.register_fn("uuid", |value: Typed| uuid(&value.text));
    register_json(engine, context);
    engine.register_fn("parse_json", |value: Typed| {
        json_or_fault(json::parse(&value.text))
    });
    engine.register_fn("try_json", |value: Typed| {
        json::parse(&value.text).unwrap_or(Dynamic::UNIT)
    });
    engine.register_fn("try_json", |(): ()| Dynamic::UNIT);
    engine.register_fn("date_in", |value: Typed, zone: &str| {
        date_in(&value.text, zone)
    });
    engine.register_fn("date_in", |text: &str, zone: &str| date_in(text, zone));
    engine.register_fn("date_in", |(): (), _: &str| Dynamic::UNIT);
}

/// A text is read once where a rule asks `is_json` and then takes what it holds.
fn register_json(engine: &mut Engine, context: &Rc<Context>) {
    let shared = Rc::clone(context);
    engine.register_fn("is_json", move |text: ImmutableString| {
        is_json(&shared, text)
    });
    let shared = Rc::clone(context);
    engine.register_fn("try_json", move |text: ImmutableString| {
        read_json(&shared, &text).unwrap_or(Dynamic::UNIT)
    });
    let shared = Rc::clone(context);
    engine.register_fn("parse_json", move |text: ImmutableString| {
        json_or_fault(read_json(&shared, &text))
    });
}

/// A text, and what it holds.
pub(super) type Read = (ImmutableString, Result<Dynamic, String>);

/// Whether a text is JSON. What it holds is kept for [`read_json`].
pub(super) fn is_json(context: &Context, text: ImmutableString) -> bool {
    let read = json::parse(&text);
    let is_json = read.is_ok();
    context.json.replace(Some((text, read)));
    is_json
}

/// What a text holds.
pub(super) fn read_json(context: &Context, text: &ImmutableString) -> Result<Dynamic, String> {
    let known = context.json.borrow_mut().take();
    match known.filter(|(of, _)| of.ptr_eq(text)) {
        Some((_, read)) => read,
        None => json::parse(text),
    }
}

/// What `is_blank` says; `None` when it is not for such a value.
pub(super) fn is_blank(value: &Dynamic) -> Option<bool> {
    if value.is_unit() {
        return Some(true);
    }
    let text = value.read_lock::<ImmutableString>()?;
    Some(text.trim().is_empty())
}

fn first(text: &str, count: i64) -> String {
    text.chars()
        .take(usize::try_from(count).unwrap_or(0))
        .collect()
}

fn last(text: &str, count: i64) -> String {
    let skip = text
        .chars()
        .count()
        .saturating_sub(usize::try_from(count).unwrap_or(0));
    text.chars().skip(skip).collect()
}

fn parts(text: &str, mark: &str) -> Fallible<Array> {
    if mark.is_empty() {
        return HostFault::fail("`parts` needs a text to cut at, not an empty one");
    }
    Ok(text.split(mark).map(Into::into).collect())
}

fn dec(text: &str) -> Fallible<Decimal> {
    match Decimal::from_str_exact(text.trim()) {
        Ok(number) => Ok(number),
        Err(_) => HostFault::with_hint(
            "`dec` got a text that is not a decimal number, or has more than 28 digits",
            "test it first with `is_number()`",
        ),
    }
}

fn round_half_up(number: Decimal, places: i64) -> Fallible<Decimal> {
    match u32::try_from(places) {
        Ok(places) if places <= 28 => {
            Ok(number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero))
        }
        _ => HostFault::fail("`round_half_up` rounds to 0 to 28 places"),
    }
}

fn uuid(text: &str) -> Fallible<Typed> {
    match uuid::Uuid::parse_str(text) {
        Ok(id) => Ok(Typed::new(Logical::Uuid, id.to_string())),
        Err(_) => HostFault::fail("`uuid` got a text that is not a uuid"),
    }
}

fn json_or_fault(read: Result<Dynamic, String>) -> Fallible<Dynamic> {
    match read {
        Ok(value) => Ok(value),
        Err(why) => HostFault::with_hint(
            why,
            "`try_json(text)` gives `()` instead, `is_json(text)` tells",
        ),
    }
}

fn date_in(moment: &str, zone: &str) -> Fallible<Dynamic> {
    match value::date_in(moment, zone) {
        Ok(date) => Ok(Dynamic::from(Typed::new(Logical::Date, date))),
        Err(misfit) => HostFault::fail(format!("`date_in`: {}", misfit.why)),
    }
}
