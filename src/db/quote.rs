//! The only place where text becomes SQL. COPY takes no bind parameters, so there is one function
//! per kind of thing, and each is held against a real session.

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

/// One value of a known type as a literal that compares as that type. In Postgres a bare string
/// takes the type of what it is compared with; in SQLite, where an expression has no type, the
/// literal's own storage class decides.
pub fn typed_literal(engine: Engine, logical: &Logical, text: &str) -> Result<String, DbError> {
    match logical {
        Logical::Int2 | Logical::Int4 | Logical::Int8 => match text.parse::<i64>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) if engine == Engine::Sqlite => literal(engine, text),
            Err(_) => Err(DbError::new(
                ErrorKind::Row,
                "source",
                format!("a value that is not a number stands where {logical} is compared"),
            )),
        },
        _ if engine == Engine::Postgres => literal(engine, text),
        Logical::Bool => Ok(match text {
            "t" | "true" => "1".to_owned(),
            "f" | "false" => "0".to_owned(),
            _ => literal(engine, text)?,
        }),
        Logical::Numeric(_) | Logical::Float4 | Logical::Float8 if is_decimal(text) => {
            Ok(text.to_owned())
        }
        Logical::Bytes => match text.strip_prefix("\\x") {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(format!("x'{digits}'"))
            }
            _ => literal(engine, text),
        },
        _ => literal(engine, text),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.bytes().any(|b| b.is_ascii_digit())
}

/// Typed literals for `in (…)`; a value that the engine cannot hold matches nothing and is left out.
/// An untyped SQLite column may hold 5 or '5', so both are listed.
pub fn literal_list<'a>(
    engine: Engine,
    logical: &Logical,
    texts: impl IntoIterator<Item = &'a str>,
) -> String {
    let mut parts = Vec::new();
    for text in texts {
        parts.extend(typed_literal(engine, logical, text));
        let number = text.parse::<i64>().is_ok_and(|n| n.to_string() == text);
        if engine == Engine::Sqlite && *logical == Logical::Untyped && number {
            parts.push(text.to_owned());
        }
    }
    if parts.is_empty() {
        "NULL".to_owned()
    } else {
        parts.join(",")
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

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    // by table: a chunk's manifest is half a megabyte, and formatting each byte showed in profiles
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

/// The bytes of hexadecimal digits, of either case.
pub(super) fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |b: u8| char::from(b).to_digit(16);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| Some((value(pair[0])? * 16 + value(pair[1])?) as u8))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::DatabaseUrl;
    use crate::db::{Role, Session};

    fn sqlite() -> (tokio::runtime::Runtime, Session) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let url = DatabaseUrl::parse("sqlite://:memory:", "X").expect("a path");
        let session = runtime
            .block_on(Session::open(&url, Role::TargetWriter))
            .expect("a database");
        (runtime, session)
    }

    #[test]
    fn any_text_survives_as_a_literal() {
        let (runtime, session) = sqlite();
        let session = std::cell::RefCell::new(session);
        proptest!(|(text in r#".{0,40}|[\x00-\x7f]{0,40}|['"\\\\]{0,9}"#)| {
            let value = literal(Engine::Sqlite, &text).expect("SQLite holds any text");
            let name = ident(&format!("a{text}"));
            let sql = format!("select {value} as {name}, typeof({value})");
            let rows = runtime.block_on(session.borrow_mut().query(&sql)).expect("good SQL");
            let cells = [rows.cell(0, 0), rows.cell(0, 1)];
            prop_assert_eq!(cells[0].as_deref(), Some(text.as_bytes()));
            prop_assert_eq!(cells[1].as_deref(), Some(&b"text"[..]));
            prop_assert_eq!(&rows.columns()[0], &format!("a{}", text.replace('\0', "")));
        });
    }

    #[test]
    fn bytes_survive_as_a_literal() {
        let (runtime, mut session) = sqlite();
        let sql = format!(
            "select hex({})",
            bytes_literal(Engine::Sqlite, &[0, 39, 255])
        );
        let rows = runtime.block_on(session.query(&sql)).expect("good SQL");
        assert_eq!(rows.cell(0, 0).as_deref(), Some(&b"0027FF"[..]));
    }

    #[test]
    fn literals_have_types() {
        let list = |e, l: &Logical, t: &[&str]| literal_list(e, l, t.iter().copied());
        assert_eq!(
            list(Engine::Postgres, &Logical::Int8, &["1", "x", "-2"]),
            "1,-2"
        );
        assert_eq!(
            list(Engine::Postgres, &Logical::Text(None), &["o'k", "\0"]),
            "'o''k'"
        );
        assert_eq!(list(Engine::Sqlite, &Logical::Untyped, &["5"]), "'5',5");
        assert_eq!(list(Engine::Sqlite, &Logical::Int8, &[]), "NULL");
        let key = Key(vec!["1".into(), "x'y".into()]);
        let types = [Logical::Int4, Logical::Text(None)];
        let tuple = key_tuple(Engine::Postgres, &key, &types).expect("good values");
        assert_eq!(tuple, "(1, 'x''y')");
        assert!(literal(Engine::Postgres, "a\0").is_err());
    }
}
