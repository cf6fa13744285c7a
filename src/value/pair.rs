//! Which source type may meet which target type.

use std::borrow::Cow;

use super::convert::Step;
use super::time::zone_named;
use super::{Conversion, Logical};

/// What happens to values of a source column that goes to a target column.
#[derive(Clone, Debug)]
pub enum Pair {
    /// Every value fits and its text stays as it is.
    Copy,
    /// Each value is checked or converted.
    Convert(Conversion),
    /// Never; the sentence says what to do instead.
    Refuse(String),
}

/// Decides a pair. `zone` is the rule's time zone, for `timestamp` to `timestamp with time zone`.
pub fn pair(source: &Logical, target: &Logical, zone: Option<&str>) -> Pair {
    // The same type with the same limit. Of decimals, NaN must still be kept out.
    if source == target && !matches!(source, Logical::Numeric(_) | Logical::Array(_)) {
        return Pair::Copy;
    }
    let from = source.plain();
    let Some((to, places)) = target.limited() else {
        return decide(&from, target, zone);
    };
    let step = match decide(&from, &to, zone) {
        Pair::Copy if source.limited().is_some_and(|(_, known)| known <= places) => {
            return Pair::Copy;
        }
        Pair::Copy => Step::Keep,
        Pair::Convert(conversion) => conversion.step,
        Pair::Refuse(_) => return refuse(source, target, "convert it in the script"),
    };
    Pair::Convert(Conversion {
        step,
        places: Some((places, target.clone())),
    })
}

#[expect(
    clippy::match_same_arms,
    reason = "the arms are in the order of a table that people check against the documents"
)]
fn decide(source: &Logical, target: &Logical, zone: Option<&str>) -> Pair {
    use Logical as L;
    match (source, target) {
        (L::Numeric(from), L::Numeric(to)) => numeric(*from, *to),
        (L::Array(from), L::Array(to)) => array(source, target, from, to),
        (L::Enum(_, labels), L::Enum(name, known)) => {
            if labels.iter().all(|label| known.contains(label)) {
                Pair::Copy
            } else {
                convert(Step::Label(name.clone(), known.clone()))
            }
        }
        _ if source == target => Pair::Copy,
        (L::Untyped, L::Other(_) | L::Array(_)) => refuse(
            source,
            target,
            "declare the source column's type, or convert it in the script",
        ),
        (L::Untyped, _) => convert(Step::Literal(target.clone())),
        (L::Text(_) | L::Char(_), L::Untyped) => Pair::Copy,
        (_, L::Untyped) => refuse(source, target, "declare the target column's type"),

        (L::Int2 | L::Int4 | L::Int8, L::Int2 | L::Int4 | L::Int8) => {
            if integer_digits(source) <= integer_digits(target) {
                Pair::Copy
            } else {
                convert(Step::Integer(target.clone()))
            }
        }
        (L::Int2 | L::Int4 | L::Int8, L::Numeric(None)) => Pair::Copy,
        (L::Int2 | L::Int4 | L::Int8, L::Numeric(Some((precision, 0))))
            if integer_digits(source) <= u32::from(*precision) =>
        {
            Pair::Copy
        }
        (L::Int2 | L::Int4 | L::Int8, L::Numeric(limits)) => convert(Step::Numeric(*limits)),
        // Below the size at which Postgres prints floats with an exponent, the digits are the same.
        (L::Int2, L::Float4 | L::Float8) | (L::Int4, L::Float8) => Pair::Copy,
        (L::Int4 | L::Int8, L::Float4) | (L::Int8, L::Float8) => {
            convert(Step::Float(target.clone()))
        }
        (L::Numeric(_), L::Int2 | L::Int4 | L::Int8) => convert(Step::Integer(target.clone())),
        (L::Float4, L::Float8) => convert(Step::Widen),

        (_, L::Text(_) | L::Char(_)) => into_text(source, target),
        (L::Text(_) | L::Char(_), L::Enum(name, labels)) => {
            convert(Step::Label(name.clone(), labels.clone()))
        }
        (L::Json, L::Jsonb) => convert(Step::Jsonb),
        (L::Jsonb, L::Json) => Pair::Copy,

        (L::Date, L::Timestamp) => convert(Step::Midnight),
        (L::Timestamp | L::Date, L::TimestampTz) => match zone.map(|name| (name, zone_named(name)))
        {
            Some((name, Ok(rules))) => convert(Step::Zone {
                from: source.clone(),
                rules,
                name: name.into(),
            }),
            Some((_, Err(misfit))) => Pair::Refuse(misfit.why),
            None => refuse(
                source,
                target,
                "say with `zone` in the rule which zone its clock stood in",
            ),
        },
        _ => refuse(source, target, advice(source, target)),
    }
}

/// Into text go only types with one obvious spelling.
fn into_text(source: &Logical, target: &Logical) -> Pair {
    use Logical as L;
    let longest = match source {
        L::Text(limit) => *limit,
        L::Char(length) => Some(*length),
        L::Int2 => Some(6),
        L::Int4 => Some(11),
        L::Int8 => Some(20),
        L::Uuid => Some(36),
        L::Enum(_, labels) => labels
            .iter()
            .map(|label| label.chars().count() as u32)
            .max()
            .or(Some(0)),
        L::Numeric(_) | L::Json | L::Jsonb => None,
        _ => return refuse(source, target, advice(source, target)),
    };
    match target {
        L::Char(length) => convert(Step::Pad {
            length: *length,
            filled: matches!(source, L::Char(_)),
        }),
        L::Text(Some(limit)) if longest.is_none_or(|longest| longest > *limit) => {
            convert(Step::Length(target.clone()))
        }
        // json may hold anything but NUL, which Postgres does not store either.
        _ => Pair::Copy,
    }
}

fn numeric(from: Option<(u16, i16)>, to: Option<(u16, i16)>) -> Pair {
    let same_text = match (from, to) {
        (_, None) => true,
        (Some((had, scale)), Some((has, places))) => scale == places && had <= has,
        (None, Some(_)) => false,
    };
    convert(if same_text {
        Step::Finite
    } else {
        Step::Numeric(to)
    })
}

fn array(source: &Logical, target: &Logical, from: &Logical, to: &Logical) -> Pair {
    match pair(from, to, None) {
        Pair::Copy => Pair::Copy,
        Pair::Convert(Conversion {
            step: Step::Finite, ..
        }) => convert(Step::Finite),
        Pair::Convert(_) | Pair::Refuse(_) => refuse(
            source,
            target,
            "build the array in the script, element by element",
        ),
    }
}

fn integer_digits(logical: &Logical) -> u32 {
    match logical {
        Logical::Int2 => 5,
        Logical::Int4 => 10,
        _ => 19,
    }
}

/// What a person can do about a pair that is refused.
fn advice(source: &Logical, target: &Logical) -> Cow<'static, str> {
    use Logical as L;
    match (source, target) {
        (L::TimestampTz | L::Timestamp, L::Date) => "the date depends on the zone, use date_in(ts, zone) in the script".into(),
        (L::TimestampTz, L::Timestamp) => "the clock depends on the zone; give the target column a zone, or convert it in the script".into(),
        (L::Float4 | L::Float8, L::Numeric(_) | L::Int2 | L::Int4 | L::Int8) => "a float is no exact number, use .to_decimal() in the script and round it there".into(),
        (L::Float8, L::Float4) | (L::Numeric(_), L::Float4 | L::Float8) => "digits would be lost; make the target column numeric, or convert it in the script".into(),
        (L::Bool, L::Text(_) | L::Char(_)) => "say in the script which words stand for true and false".into(),
        (L::Int2 | L::Int4 | L::Int8, L::Bool) => "say in the script which numbers are true, as in `row.flag != 0`".into(),
        (L::Bool, L::Int2 | L::Int4 | L::Int8 | L::Numeric(_)) => "say in the script which numbers stand for true and false".into(),
        (L::Text(_) | L::Char(_), L::Json | L::Jsonb) => "parse it in the script, which decides what happens to text that is no JSON".into(),
        (L::Text(_) | L::Char(_), _) => "convert it in the script, which decides what happens to text that is none".into(),
        (L::Date | L::Time | L::TimeTz | L::Timestamp | L::TimestampTz | L::Interval, L::Text(_) | L::Char(_)) => "format it in the script".into(),
        (L::Other(_), _) | (_, L::Other(_)) => "this type only goes to the same type; cast it in the rule's `from`, or convert it in the script".into(),
        _ => "convert it in the script".into(),
    }
}

fn convert(step: Step) -> Pair {
    Pair::Convert(Conversion { step, places: None })
}

fn refuse(source: &Logical, target: &Logical, advice: impl AsRef<str>) -> Pair {
    Pair::Refuse(format!(
        "{source} does not become {target} by itself: {}",
        advice.as_ref()
    ))
}
