//! Text as a literal of a type: checked strictly, and printed as Postgres prints the value.

use std::borrow::Cow;

use super::array::{self, Item};
use super::time::{self, Moment};
use super::{Logical, Misfit, calendar, float, interval, json, number};

/// The canonical text of a literal of this type. Nothing is trimmed, guessed or relative (`now`,
/// `today`); borrowed when the text is canonical already.
pub(super) fn read<'a>(text: &'a str, logical: &Logical) -> Result<Cow<'a, str>, Misfit> {
    if let Some((plain, places)) = logical.limited() {
        let text = read(text, &plain)?;
        check_places(&text, places, logical)?;
        return Ok(text);
    }
    let mut out = Vec::new();
    let printed = match logical {
        Logical::Bool => return boolean(text).map(Cow::Borrowed),
        Logical::Int2 | Logical::Int4 | Logical::Int8 => {
            number::put_integer(text, logical, &mut out)?;
            digits(out)
        }
        Logical::Numeric(limits) => {
            number::put_numeric(text, *limits, &mut out)?;
            digits(out)
        }
        Logical::Float4 | Logical::Float8 => float::float_literal(text, logical)?,
        Logical::Text(_) | Logical::Untyped | Logical::Other(_) => {
            check_text(text, logical)?;
            return Ok(Cow::Borrowed(text));
        }
        Logical::Char(length) => {
            check_text(text, logical)?;
            pad(text, *length)?
        }
        Logical::Bytes => bytes(text)?,
        Logical::Date | Logical::Timestamp | Logical::TimestampTz => {
            match Moment::read(text, logical)? {
                Some(moment) => moment.text(logical),
                None => return Err(Misfit::new("bad_value", format!("is no {logical}"))),
            }
        }
        Logical::Time => calendar::clock_text(calendar::read_clock(text)?),
        Logical::TimeTz => {
            let (micros, east) = time::read_time_tz(text)?;
            format!(
                "{}{}",
                calendar::clock_text(micros),
                calendar::offset_text(east)
            )
        }
        Logical::Interval => interval::canonical(text)?,
        Logical::Uuid => uuid(text)?,
        Logical::Json => {
            json::check_json(text)?;
            return Ok(Cow::Borrowed(text));
        }
        Logical::Jsonb => json::canonical_jsonb(text)?,
        Logical::Enum(name, labels) => {
            check_label(text, name, labels)?;
            return Ok(Cow::Borrowed(text));
        }
        Logical::Array(element) => {
            elements(array::read(text)?, element)?.put(&mut out)?;
            digits(out)
        }
    };
    Ok(if printed == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(printed)
    })
}

/// Refuses NUL, and text longer (in characters) than its column. Postgres would cut trailing blanks
/// without a word; here they count.
pub(super) fn check_text(text: &str, target: &Logical) -> Result<(), Misfit> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(Misfit::new(
            "nul_byte",
            "holds a NUL character, which Postgres cannot store",
        ));
    }
    let limit = match target {
        Logical::Text(Some(limit)) | Logical::Char(limit) => *limit as usize,
        _ => return Ok(()),
    };
    if text.len() > limit {
        let length = text.chars().count();
        if length > limit {
            return Err(Misfit::new(
                "too_long",
                format!("has {length} characters, {target} holds {limit}"),
            ));
        }
    }
    Ok(())
}

/// Text as char(n) prints it: filled with blanks. Refuses text whose own trailing blanks would be lost among them.
pub(super) fn pad(text: &str, length: u32) -> Result<String, Misfit> {
    let missing = (length as usize).saturating_sub(text.chars().count());
    if missing > 0 && text.ends_with(' ') {
        return Err(Misfit::new(
            "bad_value",
            format!("ends with blanks, which character({length}) would lose"),
        ));
    }
    Ok(format!("{text}{}", " ".repeat(missing)))
}

/// Refuses what is no label of the enum.
pub(super) fn check_label(text: &str, name: &str, labels: &[String]) -> Result<(), Misfit> {
    if labels.iter().any(|label| label == text) {
        Ok(())
    } else {
        Err(Misfit::new("not_a_label", format!("is no label of {name}")))
    }
}

/// Refuses more decimal places of a second than the column keeps.
pub(super) fn check_places(text: &str, places: u8, target: &Logical) -> Result<(), Misfit> {
    let fraction = text.split_once('.').map_or("", |(_, rest)| rest);
    let known = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if known > usize::from(places) {
        return Err(Misfit::new(
            "would_round",
            format!("has more decimal places of a second than {target} keeps"),
        ));
    }
    Ok(())
}

fn boolean(text: &str) -> Result<&'static str, Misfit> {
    match text {
        "t" | "true" | "T" | "TRUE" | "True" => Ok("t"),
        "f" | "false" | "F" | "FALSE" | "False" => Ok("f"),
        _ => Err(Misfit::new("bad_value", "is neither true nor false")),
    }
}

fn bytes(text: &str) -> Result<String, Misfit> {
    match text.strip_prefix("\\x") {
        Some(hex) if hex.len() % 2 == 0 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(Misfit::new("bad_value", "is not bytes of the form \\x0a1b")),
    }
}

fn uuid(text: &str) -> Result<String, Misfit> {
    // Only the spelling with hyphens: 32 bare digits may be anything.
    let hyphenated = text.len() == 36;
    match uuid::Uuid::try_parse(text) {
        Ok(found) if hyphenated => Ok(found.hyphenated().to_string()),
        _ => Err(Misfit::new(
            "bad_value",
            "is not a uuid of the form 00000000-0000-0000-0000-000000000000",
        )),
    }
}

fn elements(item: Item, element: &Logical) -> Result<Item, Misfit> {
    Ok(match item {
        Item::Null => Item::Null,
        Item::Value(text) => Item::Value(read(&text, element)?.into_owned()),
        Item::List(items) => Item::List(
            items
                .into_iter()
                .map(|item| elements(item, element))
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn digits(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("made of UTF-8 pieces")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str, logical: &Logical) -> Result<String, &'static str> {
        read(text, logical)
            .map(Cow::into_owned)
            .map_err(|misfit| misfit.code)
    }

    #[test]
    fn literals_of_every_type() {
        let labels: std::sync::Arc<[String]> = ["open".to_owned(), "shut".to_owned()].into();
        let status = Logical::Enum("status".into(), labels);
        for (text, logical, printed) in [
            ("true", Logical::Bool, Ok("t")),
            ("1", Logical::Bool, Err("bad_value")),
            ("+12", Logical::Int4, Ok("12")),
            ("1.5", Logical::Numeric(Some((12, 2))), Ok("1.50")),
            ("1e2", Logical::Float8, Ok("100")),
            ("\\xAB", Logical::Bytes, Ok("\\xab")),
            ("ab", Logical::Bytes, Err("bad_value")),
            ("2024-01-01", Logical::Date, Ok("2024-01-01")),
            ("2024-01-01 00:00:00", Logical::Date, Err("bad_value")),
            ("24:00", Logical::Time, Ok("24:00:00")),
            ("12:00+0530", Logical::TimeTz, Ok("12:00:00+05:30")),
            ("12:00", Logical::TimeTz, Err("bad_value")),
            ("1 day", Logical::Interval, Ok("1 day")),
            (
                "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
                Logical::Uuid,
                Ok("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ),
            (
                "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                Logical::Uuid,
                Err("bad_value"),
            ),
            ("{\"b\":1,\"b\":2}", Logical::Json, Ok("{\"b\":1,\"b\":2}")),
            ("{\"b\":1,\"b\":2}", Logical::Jsonb, Ok("{\"b\": 2}")),
            ("open", status.clone(), Ok("open")),
            ("Open", status, Err("not_a_label")),
            (
                "{1, 2}",
                Logical::Array(Box::new(Logical::Int4)),
                Err("bad_value"),
            ),
            (
                "{1,NULL,+2}",
                Logical::Array(Box::new(Logical::Int4)),
                Ok("{1,NULL,2}"),
            ),
            ("a", Logical::Char(3), Ok("a  ")),
            ("a ", Logical::Char(3), Err("bad_value")),
            ("a  ", Logical::Char(3), Ok("a  ")),
            ("äöü", Logical::Text(Some(3)), Ok("äöü")),
            ("äöü ", Logical::Text(Some(3)), Err("too_long")),
            ("a\0", Logical::Text(None), Err("nul_byte")),
        ] {
            assert_eq!(
                literal(text, &logical).as_deref(),
                printed.as_ref().copied(),
                "{logical}"
            );
        }
    }

    #[test]
    fn a_timestamp_with_fewer_places_is_not_rounded() {
        let logical = Logical::from_pg("timestamp(3) with time zone", None);
        assert_eq!(
            literal("2024-01-01 00:00:00.123Z", &logical).as_deref(),
            Ok("2024-01-01 00:00:00.123+00")
        );
        assert_eq!(
            literal("2024-01-01 00:00:00.1234Z", &logical),
            Err("would_round")
        );
    }
}
