//! What a script hands out, held against the target's column.

use std::borrow::Cow;

use super::array::Item;
use super::pair::{Pair, pair};
use super::{Logical, Misfit, Scalar, float, json, literal, number};

/// Appends the unescaped text that the target column stores, as Postgres prints it. `Ok(false)` is NULL;
/// then, and on an error, `out` is as before.
pub fn fit(value: &Scalar, target: &Logical, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    let start = out.len();
    let done = write(value, target, out);
    if done.is_err() {
        out.truncate(start);
    }
    done
}

/// The text that a target column stores when a script hands out `text` for it.
pub fn fit_text<'t>(text: &'t str, target: &Logical) -> Result<Cow<'t, str>, Misfit> {
    literal::read(text, target)
}

/// Whether the canonical text of any value of this type is what a column of the same type stores.
pub fn same_text(logical: &Logical) -> bool {
    matches!(pair(logical, logical, None), Pair::Copy)
}

fn write(value: &Scalar, target: &Logical, out: &mut Vec<u8>) -> Result<bool, Misfit> {
    match value {
        Scalar::Null => return Ok(false),
        Scalar::Bool(truth) => {
            let text: &[u8] = match (target, truth) {
                (Logical::Bool, true) => b"t",
                (Logical::Bool, false) => b"f",
                (Logical::Json | Logical::Jsonb, true) => b"true",
                (Logical::Json | Logical::Jsonb, false) => b"false",
                _ => return Err(mismatch("true or false", target)),
            };
            out.extend_from_slice(text);
        }
        Scalar::Int(number) => put_number(&number.to_string(), "an integer", target, out)?,
        Scalar::Decimal(number) => put_number(&number.to_string(), "a decimal", target, out)?,
        Scalar::Text(text) => put_text(text, target, out)?,
        Scalar::Typed(source, text) => put_typed(source, text, target, out)?,
        Scalar::Json(text) => match target {
            Logical::Json | Logical::Jsonb => out.extend_from_slice(text.as_bytes()),
            _ => return Err(mismatch("a map or an array", target)),
        },
        Scalar::List(items) => match target {
            Logical::Array(element) => list(items, element)?.put(out)?,
            Logical::Json | Logical::Jsonb => {
                let mut text = String::new();
                put_json(value, &mut text)?;
                out.extend_from_slice(text.as_bytes());
            }
            _ => return Err(mismatch("an array", target)),
        },
    }
    Ok(true)
}

fn put_number(text: &str, what: &str, target: &Logical, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match target {
        Logical::Int2 | Logical::Int4 | Logical::Int8 => number::put_integer(text, target, out),
        Logical::Numeric(limits) => number::put_numeric(text, *limits, out),
        Logical::Json | Logical::Jsonb => number::put_numeric(text, None, out),
        Logical::Float4 | Logical::Float8 => {
            out.extend_from_slice(float::float_literal(text, target)?.as_bytes());
            Ok(())
        }
        Logical::Text(_) | Logical::Char(_) | Logical::Untyped => put_text(text, target, out),
        _ => Err(mismatch(what, target)),
    }
}

/// Text is taken as a literal of the target's type. A type that is not known here judges its text in the database.
fn put_text(text: &str, target: &Logical, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let text: Cow<'_, str> = literal::read(text, target)?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_typed(
    source: &Logical,
    text: &str,
    target: &Logical,
    out: &mut Vec<u8>,
) -> Result<(), Misfit> {
    literal::check_text(text, &Logical::Text(None))?;
    match pair(source, target, None) {
        Pair::Copy => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        Pair::Convert(conversion) => conversion.apply(text, out),
        Pair::Refuse(why) => Err(Misfit::new("bad_value", why)),
    }
}

fn list(items: &[Scalar], element: &Logical) -> Result<Item, Misfit> {
    let items = items.iter().map(|item| match item {
        Scalar::List(inner) => list(inner, element),
        item => {
            let mut text = Vec::new();
            if !write(item, element, &mut text)? {
                return Ok(Item::Null);
            }
            String::from_utf8(text)
                .map(Item::Value)
                .map_err(|_| Misfit::new("not_utf8", "is not UTF-8 text"))
        }
    });
    Ok(Item::List(items.collect::<Result<_, _>>()?))
}

/// Appends one value of a script as jsonb text: numbers stay numbers, times and uuids become strings.
fn put_json(value: &Scalar, out: &mut String) -> Result<(), Misfit> {
    match value {
        Scalar::Null => out.push_str("null"),
        Scalar::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Scalar::Int(number) => out.push_str(&number.to_string()),
        Scalar::Decimal(number) => out.push_str(&canonical_number(&number.to_string())?),
        Scalar::Typed(
            Logical::Int2 | Logical::Int4 | Logical::Int8 | Logical::Numeric(_),
            text,
        ) => out.push_str(&canonical_number(text)?),
        Scalar::Typed(Logical::Json | Logical::Jsonb, text) | Scalar::Json(text) => {
            out.push_str(&super::canonical_jsonb(text)?);
        }
        Scalar::Text(text) | Scalar::Typed(_, text) => {
            literal::check_text(text, &Logical::Text(None))?;
            json::put_string(text, out);
        }
        Scalar::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                put_json(item, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

fn canonical_number(text: &str) -> Result<String, Misfit> {
    let mut out = Vec::new();
    number::put_numeric(text, None, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn mismatch(what: &str, target: &Logical) -> Misfit {
    Misfit::new(
        "bad_value",
        format!("{what} does not go into a {target} column: convert it in the script"),
    )
}

#[cfg(test)]
mod tests;
