//! JSON for scripts: numbers stay exact, and what is written is Postgres' canonical jsonb text.

use std::fmt::Write as _;

use rhai::{Array, Dynamic, ImmutableString, Map};
use rust_decimal::Decimal;

use super::row::Row;
use super::typed::Typed;
use crate::value::{Logical, Misfit, put_json_string};

/// Deeper nesting is refused, so that no input can exhaust the stack.
const DEPTH_MAX: usize = 128;

/// Reads JSON as Postgres' jsonb would: duplicates, last wins; `\u0000` refused. The error says at
/// which byte it stops being JSON.
pub(super) fn parse(text: &str) -> Result<Dynamic, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    if reader.at == text.len() {
        Ok(value)
    } else {
        Err(reader.problem("text after the end of the value"))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Dynamic, String> {
        if depth > DEPTH_MAX {
            return Err(self.problem("nested too deeply"));
        }
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Dynamic::from(ImmutableString::from(self.string()?))),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Dynamic, String> {
        let mut map = Map::new();
        self.at += 1;
        self.blanks();
        if self.take(b'}') {
            return Ok(Dynamic::from_map(map));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.problem("a key in double quotes is missing"));
            }
            let key = self.string()?;
            self.blanks();
            if !self.take(b':') {
                return Err(self.problem("`:` is missing"));
            }
            let value = self.value(depth + 1)?;
            map.insert(key.into(), value);
            self.blanks();
            if self.take(b'}') {
                return Ok(Dynamic::from_map(map));
            }
            if !self.take(b',') {
                return Err(self.problem("`,` or `}` is missing"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Dynamic, String> {
        let mut items = Array::new();
        self.at += 1;
        self.blanks();
        if self.take(b']') {
            return Ok(Dynamic::from_array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Dynamic::from_array(items));
            }
            if !self.take(b',') {
                return Err(self.problem("`,` or `]` is missing"));
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            // runs end only before ASCII, so they are whole characters
            let run = rest
                .bytes()
                .position(|byte| byte < b' ' || byte == b'"' || byte == b'\\');
            let Some(run) = run else {
                self.at = self.text.len();
                return Err(self.problem("a text does not end"));
            };
            out.push_str(&rest[..run]);
            self.at += run + 1;
            match rest.as_bytes()[run] {
                b'"' => return Ok(out),
                b'\\' => out.push(self.escape()?),
                _ => return Err(self.problem("a control character in a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let mut code = self.hex()?;
                if (0xd800..0xdc00).contains(&code) && self.text[self.at..].starts_with("\\u") {
                    self.at += 2;
                    let low = self.hex()?;
                    if !(0xdc00..0xe000).contains(&low) {
                        return Err(self.problem("half of a surrogate pair"));
                    }
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                }
                match char::from_u32(code) {
                    Some('\0') => {
                        return Err(self.problem("`\\u0000`, which the target cannot hold"));
                    }
                    Some(c) => c,
                    None => return Err(self.problem("half of a surrogate pair")),
                }
            }
            _ => {
                self.at -= 1;
                return Err(self.problem("an unknown escape"));
            }
        })
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
        self.at += if code.is_some() { 4 } else { 0 };
        code.ok_or_else(|| self.problem("four hexadecimal digits are missing"))
    }

    fn number(&mut self) -> Result<Dynamic, String> {
        let start = self.at;
        self.take(b'-');
        let whole = self.digits();
        if whole == 0 || (whole > 1 && self.text.as_bytes()[self.at - whole] == b'0') {
            return Err(self.problem("a number is malformed"));
        }
        let mut is_whole = true;
        if self.take(b'.') {
            is_whole = false;
            if self.digits() == 0 {
                return Err(self.problem("a number is malformed"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            is_whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(self.problem("a number is malformed"));
            }
        }
        let text = &self.text[start..self.at];
        if is_whole && let Ok(number) = text.parse::<i64>() {
            return Ok(Dynamic::from_int(number));
        }
        Ok(match Decimal::from_str_exact(text) {
            Ok(number) => Dynamic::from_decimal(number),
            // not computed with, but carried as it is written
            Err(_) => Dynamic::from(Typed::new(Logical::Numeric(None), text)),
        })
    }

    fn digits(&mut self) -> usize {
        let count = self.text.as_bytes()[self.at..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        self.at += count;
        count
    }

    fn word(&mut self) -> Result<Dynamic, String> {
        for (word, value) in [
            ("true", Dynamic::TRUE),
            ("false", Dynamic::FALSE),
            ("null", Dynamic::UNIT),
        ] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.problem("not a JSON value"))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn problem(&self, what: &str) -> String {
        format!("not JSON: {what}, at byte {}", self.at)
    }
}

/// Appends a script value in Postgres' canonical jsonb form.
pub(super) fn write(value: &Dynamic, out: &mut String) -> Result<(), Misfit> {
    write_at(value, out, 0)
}

fn write_at(value: &Dynamic, out: &mut String, depth: usize) -> Result<(), Misfit> {
    let misfit = |why: String| Misfit {
        code: "bad_value",
        why,
    };
    if depth > DEPTH_MAX {
        return Err(misfit(format!(
            "lists and maps are nested more than {DEPTH_MAX} levels deep"
        )));
    }
    if value.is_unit() {
        out.push_str("null");
    } else if let Some(text) = value.read_lock::<ImmutableString>() {
        write_text(&text, out)?;
    } else if let Some(typed) = value.read_lock::<Typed>() {
        write_typed(&typed, out)?;
    } else if let Ok(number) = value.as_int() {
        let _ = write!(out, "{number}");
    } else if let Ok(flag) = value.as_bool() {
        out.push_str(if flag { "true" } else { "false" });
    } else if let Ok(number) = value.as_decimal() {
        let _ = write!(out, "{number}");
    } else if let Ok(letter) = value.as_char() {
        write_text(letter.encode_utf8(&mut [0; 4]), out)?;
    } else if let Some(map) = value.read_lock::<Map>() {
        // jsonb orders keys by length, then by bytes
        let mut entries: Vec<(&str, &Dynamic)> = map.iter().map(|(k, v)| (k.as_str(), v)).collect();
        entries.sort_unstable_by_key(|(key, _)| (key.len(), *key));
        out.push('{');
        for (at, (key, item)) in entries.into_iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            write_text(key, out)?;
            out.push_str(": ");
            write_at(item, out, depth + 1)?;
        }
        out.push('}');
    } else if let Some(items) = value.read_lock::<Array>() {
        out.push('[');
        for (at, item) in items.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            write_at(item, out, depth + 1)?;
        }
        out.push(']');
    } else if value.is::<Row>() {
        return Err(misfit(
            "a whole row cannot be stored; name its columns".to_owned(),
        ));
    } else {
        return Err(misfit(format!(
            "a {} cannot be stored in JSON",
            value.type_name()
        )));
    }
    Ok(())
}

fn write_typed(typed: &Typed, out: &mut String) -> Result<(), Misfit> {
    match typed.logical {
        Logical::Json | Logical::Jsonb => {
            out.push_str(&crate::value::canonical_jsonb(&typed.text)?);
        }
        Logical::Numeric(_) | Logical::Float4 | Logical::Float8 => {
            let text = typed.text.as_str();
            if text
                .bytes()
                .any(|b| b.is_ascii_alphabetic() && !matches!(b, b'e' | b'E'))
            {
                return Err(Misfit {
                    code: "not_finite",
                    why: "JSON has no NaN and no infinity; store it as text with `to_string()`"
                        .to_owned(),
                });
            }
            out.push_str(&crate::value::canonical_jsonb(text)?);
        }
        _ => write_text(&typed.text, out)?,
    }
    Ok(())
}

fn write_text(text: &str, out: &mut String) -> Result<(), Misfit> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(Misfit {
            code: "nul_byte",
            why: "a text holds a NUL, which the target cannot hold".to_owned(),
        });
    }
    put_json_string(text, out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> Result<String, String> {
        let mut out = String::new();
        write(&parse(text)?, &mut out).map_err(|m| m.why)?;
        Ok(out)
    }

    #[test]
    fn numbers_stay_exact() {
        assert_eq!(
            again("[12345678901234567890, 1.10, -0.5, 7]"),
            Ok("[12345678901234567890, 1.10, -0.5, 7]".into())
        );
    }

    #[test]
    fn keys_are_ordered_as_jsonb_does_and_the_last_duplicate_wins() {
        assert_eq!(
            again(r#"{"bb":1,"a":2,"c":3,"a":4}"#),
            Ok(r#"{"a": 4, "c": 3, "bb": 1}"#.into())
        );
    }

    #[test]
    fn texts_survive() {
        assert_eq!(
            again(r#""a\"\\\n\u0001\ud83d\ude00é""#),
            Ok(r#""a\"\\\n\u0001😀é""#.into())
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{'a': 1}",
            "{\"a\": 1",
            "NaN",
            "[1,]",
            "01",
            "1.",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "1 2",
            "\"\n\"",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
