//! Conversions and checks between two types, value by value.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::time::Moment;
use super::{Logical, Misfit, float, literal, number};

/// What is done to every value of a pair that may not simply be copied. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub(super) step: Step,
    /// The target keeps fewer than six places of a second: how many, and its type.
    pub(super) places: Option<(u8, Logical)>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The text stands as it is; a limit on places may follow.
    Keep,
    /// Text into a limited length.
    Length(Logical),
    /// Text into char(n); what comes from char(n) sheds its filling first.
    Pad { length: u32, filled: bool },
    /// A number into an integer type.
    Integer(Logical),
    /// A number into a decimal.
    Numeric(Option<(u16, i16)>),
    /// A decimal that only has to be finite; arrays of them, too.
    Finite,
    /// An integer into a float that must hold all its digits.
    Float(Logical),
    /// real into double precision.
    Widen,
    /// json into jsonb.
    Jsonb,
    /// Text into an enum.
    Label(Arc<str>, Arc<[String]>),
    /// A date into the timestamp at its start.
    Midnight,
    /// A local time, or a date's start, into the moment it was in a zone.
    Zone {
        from: Logical,
        rules: TimeZone,
        name: Arc<str>,
    },
    /// A value without a declared type as a literal of the target's.
    Literal(Logical),
}

impl Conversion {
    /// Short name for plans and documents, such as `check length`.
    pub fn name(&self) -> String {
        let name = match &self.step {
            Step::Keep => return "check places of a second".to_owned(),
            Step::Length(target) => format!("check that it fits {target}"),
            Step::Pad { .. } => "check length, fill with blanks".to_owned(),
            Step::Integer(target) => format!("check that it is within {target}"),
            Step::Numeric(_) => "check digits and places, pad with zeros".to_owned(),
            Step::Finite => "check that it is finite".to_owned(),
            Step::Float(target) => format!("check that {target} holds every digit"),
            Step::Widen => "widen".to_owned(),
            Step::Jsonb => "canonical jsonb".to_owned(),
            Step::Label(..) => "check labels".to_owned(),
            Step::Midnight => "start of the day".to_owned(),
            Step::Zone { name, .. } => format!("local time in {name}"),
            Step::Literal(target) => format!("read as a literal of {target}"),
        };
        if self.places.is_some() {
            format!("{name}, check places of a second")
        } else {
            name
        }
    }

    /// Appends the target's text of one source value (both unescaped). On an error `out` is as before.
    pub fn apply(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let start = out.len();
        let done = self.write(text, out).and_then(|()| match &self.places {
            Some((places, target)) => {
                let written = String::from_utf8_lossy(&out[start..]);
                literal::check_places(&written, *places, target)
            }
            None => Ok(()),
        });
        if done.is_err() {
            out.truncate(start);
        }
        done
    }

    fn write(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Misfit> {
        match &self.step {
            Step::Keep => out.extend_from_slice(text.as_bytes()),
            Step::Length(target) => {
                literal::check_text(text, target)?;
                out.extend_from_slice(text.as_bytes());
            }
            Step::Pad { length, filled } => {
                let text = if *filled {
                    text.trim_end_matches(' ')
                } else {
                    text
                };
                literal::check_text(text, &Logical::Char(*length))?;
                out.extend_from_slice(literal::pad(text, *length)?.as_bytes());
            }
            Step::Integer(target) => number::put_integer(text, target, out)?,
            Step::Numeric(limits) => number::put_numeric(text, *limits, out)?,
            Step::Finite => {
                // NaN and Infinity hold one of these; digits and the NULL of an array do not.
                if memchr::memchr2(b'a', b'I', text.as_bytes()).is_some() {
                    return Err(Misfit::new(
                        "not_finite",
                        "NaN and Infinity are not carried into numeric columns",
                    ));
                }
                out.extend_from_slice(text.as_bytes());
            }
            Step::Float(target) => {
                out.extend_from_slice(float::float_literal(text, target)?.as_bytes());
            }
            Step::Widen => out.extend_from_slice(float::widen(text)?.as_bytes()),
            Step::Jsonb => out.extend_from_slice(super::canonical_jsonb(text)?.as_bytes()),
            Step::Label(name, labels) => {
                literal::check_label(text, name, labels)?;
                out.extend_from_slice(text.as_bytes());
            }
            Step::Midnight => {
                let day = moment(text, &Logical::Date)?;
                let printed = day.text(&Logical::Timestamp);
                // A date may lie where no timestamp reaches.
                moment(&printed, &Logical::Timestamp)?;
                out.extend_from_slice(printed.as_bytes());
            }
            Step::Zone { from, rules, name } => {
                let moment = moment(text, from)?.in_zone(rules, name)?;
                out.extend_from_slice(moment.text(&Logical::TimestampTz).as_bytes());
            }
            Step::Literal(target) => out.extend_from_slice(untyped(text, target)?.as_bytes()),
        }
        Ok(())
    }
}

fn moment(text: &str, logical: &Logical) -> Result<Moment, Misfit> {
    Moment::read(text, logical)?.ok_or_else(|| Misfit::new("bad_value", format!("is no {logical}")))
}

/// A value by its storage class has lost what it was meant to be, so the target's type says it.
fn untyped(text: &str, target: &Logical) -> Result<String, Misfit> {
    match target {
        Logical::Bool if text == "0" => Ok("f".to_owned()),
        Logical::Bool if text == "1" => Ok("t".to_owned()),
        // Bytes travel as \x…, which text may not silently become.
        Logical::Text(_) | Logical::Char(_) if literal::read(text, &Logical::Bytes).is_ok() => {
            Err(Misfit::new(
                "bad_value",
                "may be bytes: say in the rule's `from` what it is, with cast(… as text)",
            ))
        }
        _ => literal::read(text, target).map(std::borrow::Cow::into_owned),
    }
}
