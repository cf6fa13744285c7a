//! A SQLite value as the text Postgres would print for it.

use std::borrow::Cow;

use super::{Logical, Misfit, float, literal, number};

/// SQLite's storage class of one value; NULL never comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 64-bit integer, handed over as decimal digits.
    Integer,
    /// 64-bit float, handed over as text that parses back to the same double.
    Real,
    /// Text as stored.
    Text,
    /// Raw bytes as stored.
    Blob,
}

/// A SQLite value (its storage class and its text, or the raw bytes of a blob) as the canonical
/// Postgres text of its column's declared type, or why it does not fit.
pub fn canonical<'a>(
    storage: Storage,
    text: &'a [u8],
    logical: &Logical,
) -> Result<Cow<'a, [u8]>, Misfit> {
    if storage == Storage::Blob {
        return match logical {
            Logical::Bytes | Logical::Untyped => Ok(Cow::Owned(hex(text))),
            _ => Err(Misfit::new(
                "bad_value",
                format!("is a blob in a {logical} column"),
            )),
        };
    }
    let text =
        std::str::from_utf8(text).map_err(|_| Misfit::new("not_utf8", "is not UTF-8 text"))?;
    match storage {
        Storage::Integer => integer(text, logical),
        Storage::Real => real(text, logical),
        _ if *logical == Logical::Bool && matches!(text, "0" | "1") => integer(text, logical),
        _ => literal::read(text, logical),
    }
    .map(|text| match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// Whether a SQLite column of this declared type gives the canonical text back after storing it: numeric
/// affinity, which unknown type names have too, keeps decimals as doubles.
pub fn sqlite_keeps(text: &str, logical: &Logical) -> bool {
    if text
        .parse::<i64>()
        .is_ok_and(|whole| whole.to_string() == text)
    {
        return true;
    }
    match logical {
        Logical::Numeric(_) => {}
        Logical::Json | Logical::Jsonb | Logical::Other(_) => {
            let looks_numeric = text
                .trim_start_matches(['+', '-', '.', ' '])
                .starts_with(|first: char| first.is_ascii_digit());
            return !(looks_numeric && text.trim().parse::<f64>().is_ok());
        }
        _ => return true,
    }
    let Ok(double) = text.parse::<f64>() else {
        return false;
    };
    // A whole double is stored as an integer, which forgets its places unless the type declares them.
    let whole = double.fract() == 0.0 && double.abs() < 9.2e18;
    let digits = if whole {
        format!("{double:.0}")
    } else {
        double.to_string()
    };
    let stored = if whole {
        integer(&digits, logical)
    } else {
        real(&digits, logical)
    };
    stored.is_ok_and(|stored| stored == text)
}

fn integer<'a>(text: &'a str, logical: &Logical) -> Result<Cow<'a, str>, Misfit> {
    match logical {
        Logical::Bool => match text {
            "0" => Ok(Cow::Borrowed("f")),
            "1" => Ok(Cow::Borrowed("t")),
            _ => Err(Misfit::new(
                "bad_value",
                "is a number other than 0 and 1 in a boolean column",
            )),
        },
        Logical::Int2
        | Logical::Int4
        | Logical::Int8
        | Logical::Numeric(_)
        | Logical::Float4
        | Logical::Float8
        | Logical::Text(_)
        | Logical::Char(_)
        | Logical::Json
        | Logical::Jsonb
        | Logical::Untyped => literal::read(text, logical),
        _ => Err(stored_as("an integer", logical)),
    }
}

fn real<'a>(text: &'a str, logical: &Logical) -> Result<Cow<'a, str>, Misfit> {
    let value: f64 = text
        .parse()
        .map_err(|_| Misfit::new("bad_value", "is not a number"))?;
    match logical {
        Logical::Float8 | Logical::Untyped => Ok(Cow::Owned(float::double_text(value))),
        Logical::Float4 => {
            let single = value as f32;
            if value.is_nan() || f64::from(single).to_bits() == value.to_bits() {
                Ok(Cow::Owned(float::single_text(single)))
            } else {
                Err(Misfit::new(
                    "would_round",
                    "has more digits than real keeps",
                ))
            }
        }
        Logical::Int2 | Logical::Int4 | Logical::Int8 => {
            let mut out = Vec::new();
            number::put_integer(&float::double_decimal(value), logical, &mut out)?;
            Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
        }
        // The shortest decimal reads back to the same double; if it has more places than declared, it is refused.
        Logical::Numeric(limits) => {
            let mut out = Vec::new();
            number::put_numeric(&float::double_decimal(value), *limits, &mut out)?;
            Ok(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
        }
        _ => Err(stored_as("a float", logical)),
    }
}

fn stored_as(class: &str, logical: &Logical) -> Misfit {
    Misfit::new(
        "bad_value",
        format!(
            "is stored as {class} in a {logical} column: say in the rule's `from` what it means"
        ),
    )
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = Vec::with_capacity(2 + bytes.len() * 2);
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(storage: Storage, value: &str, declared: &str) -> Result<String, &'static str> {
        canonical(storage, value.as_bytes(), &Logical::from_sqlite(declared))
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .map_err(|misfit| misfit.code)
    }

    #[test]
    fn values_of_every_storage_class() {
        use Storage::{Blob, Integer, Real, Text};
        for (storage, value, declared, printed) in [
            (Integer, "1", "BOOLEAN", Ok("t")),
            (Text, "0", "BOOLEAN", Ok("f")),
            (Text, "true", "bool", Ok("t")),
            (Integer, "2", "BOOLEAN", Err("bad_value")),
            (Integer, "5", "NUMERIC(12,2)", Ok("5.00")),
            (Real, "1.1", "DECIMAL(12, 2)", Ok("1.10")),
            (Real, "1.005", "NUMERIC(12,2)", Err("would_round")),
            (
                Real,
                "0.30000000000000004",
                "NUMERIC(12,2)",
                Err("would_round"),
            ),
            (Real, "1e20", "NUMERIC", Ok("100000000000000000000")),
            (Real, "NaN", "NUMERIC", Err("not_finite")),
            (
                Text,
                "12345678901234567890.12",
                "NUMERIC(30,2)",
                Ok("12345678901234567890.12"),
            ),
            (Text, "abc", "NUMERIC(30,2)", Err("bad_value")),
            (Integer, "40000", "SMALLINT", Err("out_of_range")),
            (Real, "3.0", "INTEGER", Ok("3")),
            (Real, "3.5", "INTEGER", Err("would_round")),
            (Text, "3", "BIGINT", Ok("3")),
            (Real, "1e20", "REAL", Ok("1e+20")),
            (Real, "inf", "DOUBLE PRECISION", Ok("Infinity")),
            (Real, "-inf", "double", Ok("-Infinity")),
            (Integer, "7", "REAL", Ok("7")),
            (
                Text,
                "2024-01-02T03:04:05.678Z",
                "TIMESTAMPTZ",
                Ok("2024-01-02 03:04:05.678+00"),
            ),
            (Text, "2024-01-02 03:04:05", "TIMESTAMPTZ", Err("bad_value")),
            (
                Text,
                "2024-01-02 03:04:05.678000",
                "DATETIME",
                Ok("2024-01-02 03:04:05.678"),
            ),
            (
                Text,
                "2024-01-02 03:04:05.1234567",
                "TIMESTAMP",
                Err("would_round"),
            ),
            (Text, "infinity", "TIMESTAMP", Ok("infinity")),
            (Integer, "1704164645", "DATETIME", Err("bad_value")),
            (Text, "2023-02-29", "DATE", Err("bad_value")),
            (Text, "24:00:00", "TIME", Ok("24:00:00")),
            (
                Text,
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                "UUID",
                Ok("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ),
            (
                Text,
                "{\"a\": 1, \"a\":2}",
                "JSON",
                Ok("{\"a\": 1, \"a\":2}"),
            ),
            (Text, "{\"a\": 1, \"a\":2}", "JSONB", Ok("{\"a\": 2}")),
            (Text, "{'a': 1}", "JSON", Err("bad_value")),
            (Text, "abc", "VARCHAR(2)", Err("too_long")),
            (Text, "ab", "CHAR(3)", Ok("ab")),
            (Integer, "7", "TEXT", Ok("7")),
            (Real, "7.5", "TEXT", Err("bad_value")),
            (Blob, "ab", "BLOB", Ok("\\x6162")),
            (Blob, "ab", "TEXT", Err("bad_value")),
            (Text, "ab", "BYTEA", Err("bad_value")),
            (Integer, "7", "", Ok("7")),
            (Real, "7.5", "", Ok("7.5")),
            (Blob, "ab", "", Ok("\\x6162")),
        ] {
            assert_eq!(
                text(storage, value, declared).as_deref(),
                printed.as_ref().copied(),
                "{storage:?} {value} {declared}"
            );
        }
        assert_eq!(
            canonical(Storage::Text, b"\xff", &Logical::Text(None)).map_err(|misfit| misfit.code),
            Err("not_utf8")
        );
    }

    #[test]
    fn sqlite_forgets_long_decimals() {
        let money = Logical::Numeric(Some((12, 2)));
        assert!(sqlite_keeps("1.10", &money));
        assert!(sqlite_keeps("5.00", &money));
        assert!(sqlite_keeps("9999999999.99", &money));
        assert!(sqlite_keeps("12", &Logical::Numeric(None)));
        assert!(!sqlite_keeps("1.10", &Logical::Numeric(None)));
        assert!(!sqlite_keeps("5.00", &Logical::Numeric(None)));
        assert!(!sqlite_keeps(
            "0.1234567890123456789012345678901234567890",
            &Logical::Numeric(None)
        ));
        assert!(!sqlite_keeps(
            "12345678901234567890.12",
            &Logical::Numeric(Some((30, 2)))
        ));
        assert!(sqlite_keeps("anything", &Logical::Text(None)));
        assert!(sqlite_keeps("{\"a\": 1.50}", &Logical::Jsonb));
        assert!(sqlite_keeps("7", &Logical::Jsonb));
        assert!(!sqlite_keeps("1.50", &Logical::Jsonb));
    }
}
