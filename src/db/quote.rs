//! The only place where text becomes SQL. COPY takes no bind parameters, so there is one function
//! per kind of thing, and each is held against a real session.

use std::fmt::Write as _;

use super::{DbError, Engine, ErrorKind};
use crate::row::Key;
use crate::value::Logical;

/// An identifier in double quotes. NUL cannot be part of a name in either engine and is left out,
/// so that the statement fails with "no such column" instead of being cut at it.
pub fn ident(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars().filter(|c| *c != '\0') {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Text as a string literal (`standard_conforming_strings` is on in every session). Postgres cannot
/// hold NUL and refuses it; SQLite gets it through a blob.
pub fn literal(engine: Engine, text: &str) -> Result<String, DbError> {
    if !text.contains('\0') {
        return Ok(format!("'{}'", text.replace('\'', "''")));
    }
    match engine {
        Engine::Postgres => Err(DbError::new(
            ErrorKind::Row,
            "target",
            "a text with a NUL character cannot be sent to Postgres",
        )),
        Engine::Sqlite => Ok(format!("CAST(x'{}' AS TEXT)", hex(text.as_bytes()))),
    }
}

/// Bytes as a literal.
pub fn bytes_literal(engine: Engine, bytes: &[u8]) -> String {
    match engine {
        Engine::Postgres => format!("'\\x{}'::bytea", hex(bytes)),
        Engine::Sqlite => format!("x'{}'", hex(bytes)),
    }
}

/// One value of a known type as a literal that compares as that type.
pub fn typed_literal(engine: Engine, logical: &Logical, text: &str) -> Result<String, DbError> {
    let _ = logical;
    literal(engine, text)
}

/// Typed literals for `in (…)`; values that cannot be written as a literal match nothing and are left out.
pub fn literal_list<'a>(
    engine: Engine,
    logical: &Logical,
    texts: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut out = String::new();
    for text in texts {
        if let Ok(one) = typed_literal(engine, logical, text) {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(&one);
        }
    }
    if out.is_empty() {
        "NULL".to_owned()
    } else {
        out
    }
}

/// A key as `123` or `(1, 'x')`, for row comparison.
pub fn key_tuple(engine: Engine, key: &Key, types: &[Logical]) -> Result<String, DbError> {
    let parts = key
        .0
        .iter()
        .zip(types)
        .map(|(text, logical)| typed_literal(engine, logical, text))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(match &parts[..] {
        [one] => one.clone(),
        many => format!("({})", many.join(", ")),
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}
