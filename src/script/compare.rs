//! Comparisons that would silently be false become errors: NULL with anything, a number with a text.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, ImmutableString, Map};
use rust_decimal::Decimal;

use super::context::{Fallible, HostFault};
use super::row::Row;
use super::typed::Typed;

/// The message of a NULL in an operator; `fault` adds the column where it can.
pub(super) fn null_in(op: &str) -> String {
    format!("NULL in `{op}`")
}

const NULL_HINT: &str = "test for it first, `if x == () { … }`, or give a value for it, `x ?? 0`";

fn null<T>(op: &str) -> Fallible<T> {
    HostFault::with_hint(null_in(op), NULL_HINT)
}

fn mixed(op: &str) -> Fallible<bool> {
    HostFault::with_hint(
        format!("`{op}` between a number and a text is never what was meant"),
        "turn the number into text with `to_string()`, or the text into a number with `dec()` or `parse_int()`",
    )
}

macro_rules! null_with {
    ($engine:ident, $ops:expr, $result:ty, $($other:ty),+) => {
        for op in $ops {
            $(
                $engine.register_fn(op, move |_: (), _: $other| -> Fallible<$result> { null(op) });
                $engine.register_fn(op, move |_: $other, _: ()| -> Fallible<$result> { null(op) });
            )+
        }
    };
}

pub(super) fn register(engine: &mut Engine) {
    let orders = ["<", ">", "<=", ">="];
    null_with!(
        engine,
        orders,
        bool,
        i64,
        Decimal,
        bool,
        char,
        ImmutableString,
        Typed,
        Row,
        Array,
        Map
    );
    null_with!(engine, ["-", "*", "/", "%"], i64, i64, Decimal, Typed);
    null_with!(
        engine,
        ["+"],
        i64,
        i64,
        Decimal,
        Typed,
        ImmutableString,
        char
    );
    for op in orders {
        engine.register_fn(op, move |(): (), (): ()| -> Fallible<bool> { null(op) });
    }
    for op in ["-", "*", "/", "%", "+"] {
        engine.register_fn(op, move |(): (), (): ()| -> Fallible<i64> { null(op) });
    }
    for op in ["<", ">", "<=", ">=", "==", "!="] {
        engine.register_fn(op, move |_: i64, _: ImmutableString| mixed(op));
        engine.register_fn(op, move |_: ImmutableString, _: i64| mixed(op));
        engine.register_fn(op, move |_: Decimal, _: ImmutableString| mixed(op));
        engine.register_fn(op, move |_: ImmutableString, _: Decimal| mixed(op));
    }
}

/// An operator that compares.
#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The operator that is written so.
pub(super) fn find(op: &str) -> Option<Comparison> {
    Some(match op {
        "==" => Comparison::Equal,
        "!=" => Comparison::Unequal,
        "<" => Comparison::Less,
        "<=" => Comparison::AtMost,
        ">" => Comparison::More,
        ">=" => Comparison::AtLeast,
        _ => return None,
    })
}

/// Two whole numbers, two decimals, or whether two texts are the same; `None` leaves it to the engine.
pub(super) fn plain(op: Comparison, one: &Dynamic, two: &Dynamic) -> Option<bool> {
    if let (Ok(one), Ok(two)) = (one.as_int(), two.as_int()) {
        return Some(holds(op, one.cmp(&two)));
    }
    if let (Ok(one), Ok(two)) = (one.as_decimal(), two.as_decimal()) {
        return Some(holds(op, one.cmp(&two)));
    }
    let texts = one
        .read_lock::<ImmutableString>()
        .zip(two.read_lock::<ImmutableString>());
    let (one, two) = texts?;
    match op {
        Comparison::Equal => Some(*one == *two),
        Comparison::Unequal => Some(*one != *two),
        _ => None,
    }
}

fn holds(op: Comparison, order: Ordering) -> bool {
    match op {
        Comparison::Equal => order.is_eq(),
        Comparison::Unequal => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::AtMost => order.is_le(),
        Comparison::More => order.is_gt(),
        Comparison::AtLeast => order.is_ge(),
    }
}
