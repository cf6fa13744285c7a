//! Values that a script carries without looking inside: times, uuids, floats, bytes, JSON.

use std::cmp::Ordering;

use rhai::{Engine, ImmutableString, NativeCallContext};
use rust_decimal::Decimal;

use super::context::{Fallible, HostFault};
use crate::value::{Logical, Moment};

/// A value by its type and its canonical text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Typed {
    pub(super) logical: Logical,
    pub(super) text: ImmutableString,
}

impl Typed {
    pub(super) fn new(logical: Logical, text: impl Into<ImmutableString>) -> Self {
        Self {
            logical,
            text: text.into(),
        }
    }

    fn is_time(&self) -> bool {
        matches!(
            self.logical,
            Logical::Date
                | Logical::Time
                | Logical::TimeTz
                | Logical::Timestamp
                | Logical::TimestampTz
        )
    }

    fn compare(&self, other: &Self) -> Fallible<Ordering> {
        if self.is_time() && self.logical == other.logical {
            let both = Moment::parse(&self.text, &self.logical)
                .zip(Moment::parse(&other.text, &other.logical));
            if let Some(order) = both.and_then(|(a, b)| a.partial_cmp(&b)) {
                return Ok(order);
            }
        }
        HostFault::with_hint(
            format!("{} and {} cannot be ordered", self.logical, other.logical),
            "only two dates, or two times of the same type, can be compared with < and >",
        )
    }

    fn equals(&self, other: &Self) -> bool {
        if self.is_time() && self.logical == other.logical {
            let both = Moment::parse(&self.text, &self.logical)
                .zip(Moment::parse(&other.text, &other.logical));
            if let Some((a, b)) = both {
                return a == b;
            }
        }
        self.text == other.text
    }

    /// Times are compared as times, so that two spellings of one instant are equal.
    fn equals_text(&self, text: &str) -> bool {
        self.equals(&Self::new(self.logical.clone(), text))
    }

    fn to_decimal(&self) -> Fallible<Decimal> {
        let text = self.text.as_str();
        let exact = match self.logical {
            Logical::Float4 | Logical::Float8 | Logical::Numeric(_) => {
                Decimal::from_str_exact(text)
                    .or_else(|_| scientific(text).ok_or(rust_decimal::Error::Underflow))
            }
            _ => return HostFault::fail(format!("{} is not a number", self.logical)),
        };
        match exact {
            Ok(number) => Ok(number),
            Err(_) => HostFault::with_hint(
                format!(
                    "a {} value has too many digits for arithmetic, or is NaN or infinite",
                    self.logical
                ),
                "copy the column instead, or keep it as text with `to_string()`",
            ),
        }
    }
}

/// `1.5e-7` as the decimal it spells, when that is exact.
fn scientific(text: &str) -> Option<Decimal> {
    let (digits, exponent) = text.split_once(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    let negative = digits.starts_with('-');
    let digits = digits.trim_start_matches(['-', '+']);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let point = i32::try_from(whole.len()).ok()? + exponent;
    if !(-28..=29).contains(&point) {
        return None;
    }
    let all = format!("{whole}{part}");
    let plain = if point <= 0 {
        format!("0.{}{all}", "0".repeat(point.unsigned_abs() as usize))
    } else if point.unsigned_abs() as usize >= all.len() {
        format!(
            "{all}{}",
            "0".repeat(point.unsigned_abs() as usize - all.len())
        )
    } else {
        let (a, b) = all.split_at(point.unsigned_abs() as usize);
        format!("{a}.{b}")
    };
    Decimal::from_str_exact(&format!("{}{plain}", if negative { "-" } else { "" })).ok()
}

pub(super) fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Typed>("value");
    engine.register_fn("to_string", |v: &mut Typed| v.text.clone());
    engine.register_fn("to_debug", |v: &mut Typed| {
        format!("{}({:?})", v.logical, v.text.as_str())
    });
    engine.register_fn("==", |a: Typed, b: Typed| a.equals(&b));
    engine.register_fn("!=", |a: Typed, b: Typed| !a.equals(&b));
    engine.register_fn("==", |a: Typed, b: &str| a.equals_text(b));
    engine.register_fn("!=", |a: Typed, b: &str| !a.equals_text(b));
    engine.register_fn("==", |a: &str, b: Typed| b.equals_text(a));
    engine.register_fn("!=", |a: &str, b: Typed| !b.equals_text(a));
    engine.register_fn("<", |a: Typed, b: Typed| a.compare(&b).map(Ordering::is_lt));
    engine.register_fn("<=", |a: Typed, b: Typed| {
        a.compare(&b).map(Ordering::is_le)
    });
    engine.register_fn(">", |a: Typed, b: Typed| a.compare(&b).map(Ordering::is_gt));
    engine.register_fn(">=", |a: Typed, b: Typed| {
        a.compare(&b).map(Ordering::is_ge)
    });
    engine.register_fn("to_decimal", |v: &mut Typed| v.to_decimal());
    engine.register_fn("type_name", |v: &mut Typed| v.logical.to_string());
    for op in ["+", "-", "*", "/", "%"] {
        engine.register_fn(op, move |_: NativeCallContext, a: Typed, _: i64| {
            no_arithmetic(&a, op)
        });
        engine.register_fn(op, move |_: NativeCallContext, a: Typed, _: Decimal| {
            no_arithmetic(&a, op)
        });
        engine.register_fn(op, move |_: NativeCallContext, _: i64, b: Typed| {
            no_arithmetic(&b, op)
        });
        engine.register_fn(op, move |_: NativeCallContext, _: Decimal, b: Typed| {
            no_arithmetic(&b, op)
        });
        engine.register_fn(op, move |_: NativeCallContext, a: Typed, _: Typed| {
            no_arithmetic(&a, op)
        });
    }
    for op in ["<", ">", "<=", ">="] {
        engine.register_fn(op, move |a: Typed, _: i64| no_order(&a, op));
        engine.register_fn(op, move |a: Typed, _: Decimal| no_order(&a, op));
        engine.register_fn(op, move |_: i64, b: Typed| no_order(&b, op));
        engine.register_fn(op, move |_: Decimal, b: Typed| no_order(&b, op));
    }
}

fn no_arithmetic(value: &Typed, op: &str) -> Fallible<Decimal> {
    match value.logical {
        Logical::Float4 | Logical::Float8 => HostFault::with_hint(
            format!("a {} column in `{op}`: a float is not exact", value.logical),
            "say so with `.to_decimal()`, or copy the column",
        ),
        Logical::Numeric(_) => HostFault::with_hint(
            format!(
                "a numeric value has too many digits for arithmetic with `{op}`, or is NaN or infinite"
            ),
            "copy the column instead, or keep it as text with `to_string()`",
        ),
        _ => HostFault::fail(format!("`{op}` does not work on {}", value.logical)),
    }
}

fn no_order(value: &Typed, op: &str) -> Fallible<bool> {
    match value.logical {
        Logical::Float4 | Logical::Float8 | Logical::Numeric(_) => {
            no_arithmetic(value, op).map(|_| false)
        }
        _ => HostFault::fail(format!(
            "{} cannot be compared with a number by `{op}`",
            value.logical
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::scientific;

    #[test]
    fn exponents_are_spelled_out() {
        let text = |s: &str| scientific(s).map(|d| d.to_string());
        assert_eq!(text("1.5e-7").as_deref(), Some("0.00000015"));
        assert_eq!(text("-1.25e+3").as_deref(), Some("-1250"));
        assert_eq!(text("1e400"), None);
    }
}
