//! Values as an author would write them in a script.

use std::fmt::Write;

use rhai::{Array, Dynamic, Map};

use super::row::Row;
use super::typed::Typed;
use crate::value::Logical;

/// Deeper nesting is not shown.
const DEPTH_MAX: usize = 32;

/// A text between quotes.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || c == '\u{2028}' || c == '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A value as it could stand in a script, as far as it can be spelled there.
pub(super) fn spelled(value: &Dynamic) -> String {
    let mut out = String::new();
    write(value, &mut out, 0);
    out
}

fn write(value: &Dynamic, out: &mut String, depth: usize) {
    if depth > DEPTH_MAX {
        out.push('…');
    } else if value.is_unit() {
        out.push_str("()");
    } else if let Ok(text) = value.as_immutable_string_ref() {
        out.push_str(&quoted(&text));
    } else if let Ok(letter) = value.as_char() {
        out.push_str(&quoted(letter.encode_utf8(&mut [0; 4])));
    } else if let Ok(number) = value.as_decimal() {
        let text = number.to_string();
        if text.contains('.') {
            out.push_str(&text);
        } else {
            let _ = write!(out, "dec(\"{text}\")");
        }
    } else if let Some(typed) = value.read_lock::<Typed>() {
        let text = quoted(&typed.text);
        if typed.logical == Logical::Uuid {
            let _ = write!(out, "uuid({text})");
        } else {
            out.push_str(&text);
        }
    } else if let Some(items) = value.read_lock::<Array>() {
        list(out, "[", "]", items.len(), |out, at| {
            write(&items[at], out, depth + 1);
        });
    } else if let Some(map) = value.read_lock::<Map>() {
        let entries: Vec<_> = map.iter().collect();
        let (open, close) = if entries.is_empty() {
            ("#{", "}")
        } else {
            ("#{ ", " }")
        };
        list(out, open, close, entries.len(), |out, at| {
            let (name, item) = entries[at];
            let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            out.push_str(&if is_name {
                name.to_string()
            } else {
                quoted(name)
            });
            out.push_str(": ");
            write(item, out, depth + 1);
        });
    } else if value.read_lock::<Row>().is_some() {
        out.push_str("(a row)");
    } else {
        out.push_str(&value.to_string());
    }
}

fn list(
    out: &mut String,
    open: &str,
    close: &str,
    length: usize,
    mut item: impl FnMut(&mut String, usize),
) {
    out.push_str(open);
    for at in 0..length {
        if at > 0 {
            out.push_str(", ");
        }
        item(out, at);
    }
    out.push_str(close);
}

#[cfg(test)]
mod tests {
    use rhai::Engine;

    use super::*;

    #[test]
    fn what_is_spelled_reads_back() {
        let engine = Engine::new();
        for text in [
            "()",
            "[1, -2, true, \"a\\\"b\\\\c\\n\\u0007é\"]",
            "#{ a: 1.50, \"b c\": #{}, d: [] }",
        ] {
            let value: Dynamic = engine.eval(text).expect("a literal");
            assert_eq!(spelled(&value), text);
        }
    }
}
