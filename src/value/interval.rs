//! Intervals in Postgres' own style: `1 year 2 mons -3 days +04:05:06.7`.

use super::Misfit;
use super::calendar::{self, MICROS_PER_SECOND};

const MICROS_PER_HOUR: i64 = 3600 * MICROS_PER_SECOND;

/// Reads Postgres' output style and prints it the way Postgres would.
pub(super) fn canonical(text: &str) -> Result<String, Misfit> {
    let malformed = || {
        Misfit::new(
            "bad_value",
            "is not an interval of the form `1 year 2 mons 3 days 04:05:06`",
        )
    };
    let (mut months, mut days, mut micros) = (0i64, 0i64, 0i64);
    let mut words = text.split(' ').peekable();
    if text.is_empty() {
        return Err(malformed());
    }
    let mut rank = 0;
    while let Some(word) = words.next() {
        if word.contains(':') {
            micros = clock(word).ok_or_else(malformed)?;
            if words.peek().is_some() {
                return Err(malformed());
            }
            break;
        }
        let count: i64 = word.parse::<i32>().map_err(|_| malformed())?.into();
        let next = match words.next() {
            Some("year" | "years") => {
                months += count * 12;
                1
            }
            Some("mon" | "mons" | "month" | "months") => {
                months += count;
                2
            }
            Some("day" | "days") => {
                days += count;
                3
            }
            _ => return Err(malformed()),
        };
        if next <= rank {
            return Err(malformed());
        }
        rank = next;
    }
    if i32::try_from(months).is_err() {
        return Err(Misfit::new("out_of_range", "lies outside interval"));
    }
    Ok(print(months, days, micros))
}

fn clock(word: &str) -> Option<i64> {
    let (sign, rest) = match word.as_bytes().first()? {
        b'-' => (-1, &word[1..]),
        b'+' => (1, &word[1..]),
        _ => (1, word),
    };
    let (hours, below) = rest.split_once(':')?;
    if hours.len() < 2 || !hours.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let below = calendar::read_clock(&format!("00:{below}")).ok()?;
    let hours = hours.parse::<i64>().ok()?.checked_mul(MICROS_PER_HOUR)?;
    Some(sign * hours.checked_add(below)?)
}

fn print(months: i64, days: i64, micros: i64) -> String {
    let mut parts = Vec::new();
    // A positive part after a negative one carries its sign.
    let mut after_negative = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count == 0 {
            continue;
        }
        let plus = if after_negative && count > 0 { "+" } else { "" };
        let plural = if count == 1 { "" } else { "s" };
        parts.push(format!("{plus}{count} {unit}{plural}"));
        after_negative = count < 0;
    }
    if parts.is_empty() || micros != 0 {
        let sign = if micros < 0 {
            "-"
        } else if after_negative {
            "+"
        } else {
            ""
        };
        let size = micros.abs();
        let below = calendar::clock_text(size % MICROS_PER_HOUR);
        parts.push(format!(
            "{sign}{:02}{}",
            size / MICROS_PER_HOUR,
            &below[2..]
        ));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_printed_as_postgres_prints_them() {
        for (text, printed) in [
            (
                "1 year 2 mons -3 days +04:05:06.7",
                "1 year 2 mons -3 days +04:05:06.7",
            ),
            ("14 mons", "1 year 2 mons"),
            ("-1 day", "-1 days"),
            ("00:00:00", "00:00:00"),
            ("1 day", "1 day"),
            ("100:00:00", "100:00:00"),
            ("-00:00:01.500", "-00:00:01.5"),
            ("-1 days 00:00:00", "-1 days"),
            ("0 days", "00:00:00"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(printed), "{text}");
        }
    }

    #[test]
    fn other_styles_are_refused() {
        for text in [
            "",
            "P1Y",
            "1 day ago",
            "3",
            "1 week",
            "1 day 1 year",
            "1:00:00",
            "00:60:00",
            "1 day 2 day",
            "@ 1 day",
            "00:00:00 1 day",
        ] {
            assert!(canonical(text).is_err(), "{text}");
        }
    }
}
