//! Dates and times of day: read strictly, printed as Postgres prints them (`DateStyle` ISO).

use super::Misfit;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days are counted from 2000-01-01, as Postgres does; these are the ends of its `date`.
const DAY_MIN: i64 = -2_451_545;
const YEAR_MAX: i64 = 5_874_897;
/// Days from 0000-03-01 to 2000-01-01, for the arithmetic below.
const EPOCH_SHIFT: i64 = 730_425;
/// Days in 400 years: the calendar repeats.
const ERA: i64 = 146_097;

/// A day that exists, in days from 2000-01-01.
pub(super) type Day = i64;

/// The day of an astronomical year (0 is 1 BC), or `None` if there is no such day.
pub(super) fn day_of(year: i64, month: i64, day: i64) -> Option<Day> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let in_year = (153 * month + 2) / 5 + day - 1;
    Some(year.div_euclid(400) * ERA + days_into_era(year.rem_euclid(400)) + in_year - EPOCH_SHIFT)
}

fn days_into_era(year_of_era: i64) -> i64 {
    year_of_era * 365 + year_of_era / 4 - year_of_era / 100
}

/// Astronomical year, month and day of a day.
pub(super) fn civil_of(day: Day) -> (i64, i64, i64) {
    let shifted = day + EPOCH_SHIFT;
    let (era, of_era) = (shifted.div_euclid(ERA), shifted.rem_euclid(ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let in_year = of_era - days_into_era(year);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (year + era * 400, month, day)
}

/// Reads `YYYY-MM-DD` (the year has four digits or more); `bc` counts the year backwards.
pub(super) fn read_day(text: &str, bc: bool) -> Result<Day, Misfit> {
    let malformed = || Misfit::new("bad_value", "is not a date of the form YYYY-MM-DD");
    let (rest, day) = text.rsplit_once('-').ok_or_else(malformed)?;
    let (year, month) = rest.rsplit_once('-').ok_or_else(malformed)?;
    if !(4..=7).contains(&year.len()) {
        return Err(malformed());
    }
    let (year, month, day) = (
        digits(year, 4).ok_or_else(malformed)?,
        two_digits(month).ok_or_else(malformed)?,
        two_digits(day).ok_or_else(malformed)?,
    );
    if year == 0 {
        return Err(Misfit::new(
            "bad_value",
            "has the year 0, which does not exist",
        ));
    }
    let year = if bc { 1 - year } else { year };
    let found = day_of(year, month, day)
        .ok_or_else(|| Misfit::new("bad_value", "is a day that does not exist"))?;
    if found < DAY_MIN || year > YEAR_MAX {
        return Err(Misfit::new(
            "out_of_range",
            "lies outside the dates that Postgres holds",
        ));
    }
    Ok(found)
}

/// Reads `HH:MM[:SS[.ffffff]]` as microseconds since midnight; 24:00:00 is the end of the day.
pub(super) fn read_clock(text: &str) -> Result<i64, Misfit> {
    let malformed = || Misfit::new("bad_value", "is not a time of the form HH:MM:SS");
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let hours = parts.next().and_then(two_digits).ok_or_else(malformed)?;
    let minutes = parts.next().and_then(two_digits).ok_or_else(malformed)?;
    let seconds = match parts.next() {
        Some(seconds) => two_digits(seconds).ok_or_else(malformed)?,
        None if text.len() == clock.len() => 0,
        None => return Err(malformed()),
    };
    if parts.next().is_some() || (text.len() != clock.len() && fraction.is_empty()) {
        return Err(malformed());
    }
    if seconds == 60 {
        return Err(Misfit::new(
            "bad_value",
            "is a leap second, which Postgres would move to the next minute",
        ));
    }
    let micros = read_fraction(fraction)?;
    let since_midnight = ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND + micros;
    if minutes > 59 || seconds > 59 || since_midnight > MICROS_PER_DAY {
        return Err(Misfit::new(
            "bad_value",
            "is a time of day that does not exist",
        ));
    }
    Ok(since_midnight)
}

fn read_fraction(fraction: &str) -> Result<i64, Misfit> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Misfit::new(
            "bad_value",
            "is not a time of the form HH:MM:SS",
        ));
    }
    let significant = fraction.trim_end_matches('0');
    if significant.len() > 6 {
        return Err(Misfit::new(
            "would_round",
            "has more than six decimal places of a second",
        ));
    }
    Ok(format!("{significant:0<6}").parse().unwrap_or(0))
}

/// Reads `±HH[:MM[:SS]]`, `±HHMM` or `Z` as seconds east of UTC.
pub(super) fn read_offset(text: &str) -> Result<i64, Misfit> {
    if text == "Z" || text == "z" {
        return Ok(0);
    }
    let malformed = || Misfit::new("bad_value", "has an offset that is not of the form +HH:MM");
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return Err(malformed()),
    };
    let parts: Vec<&str> = match rest.len() {
        4 if rest.is_ascii() => vec![&rest[..2], &rest[2..]],
        _ => rest.split(':').collect(),
    };
    let numbers: Option<Vec<i64>> = parts.into_iter().map(two_digits).collect();
    let (hours, minutes, seconds) = match numbers.as_deref() {
        Some([hours]) => (*hours, 0, 0),
        Some([hours, minutes]) => (*hours, *minutes, 0),
        Some([hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return Err(malformed()),
    };
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Misfit::new(
            "bad_value",
            "has an offset that does not exist",
        ));
    }
    Ok(sign * ((hours * 60 + minutes) * 60 + seconds))
}

/// `2024-01-02`, the year of a BC date counted backwards; the caller adds ` BC` at the very end.
pub(super) fn day_text(day: Day) -> (String, bool) {
    let (year, month, day) = civil_of(day);
    let bc = year < 1;
    let year = if bc { 1 - year } else { year };
    (format!("{year:04}-{month:02}-{day:02}"), bc)
}

/// `12:34:56.7`, without the zeros that end a fraction.
pub(super) fn clock_text(micros: i64) -> String {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let mut text = format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if fraction != 0 {
        text.push_str(format!(".{fraction:06}").trim_end_matches('0'));
    }
    text
}

/// `+05:30`, as short as Postgres makes it.
pub(super) fn offset_text(east: i64) -> String {
    let sign = if east < 0 { '-' } else { '+' };
    let all = east.abs();
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    match (minutes, seconds) {
        (0, 0) => format!("{sign}{hours:02}"),
        (_, 0) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2).then(|| digits(text, 2)).flatten()
}

fn digits(text: &str, least: usize) -> Option<i64> {
    let all = text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
