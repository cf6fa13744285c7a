//! Moments: timestamps with and without zone, their order, and the date on the wall somewhere.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND};
use super::{Logical, Misfit};

/// The ends of Postgres' timestamps, in microseconds from 2000-01-01: the first is held, the second is not.
const STAMP_MIN: i128 = -2_451_545 * MICROS_PER_DAY as i128;
const STAMP_END: i128 = 106_751_983 * MICROS_PER_DAY as i128;
/// Zone rules repeat with the calendar; years from here on are looked up 400-year steps earlier,
/// because the zone library ends at the year 9999.
const YEAR_FAR: i64 = 9000;
/// Seconds from 1970 to 2000.
const UNIX_SHIFT: i64 = 946_684_800;
const SECONDS_PER_ERA: i64 = 146_097 * 86_400;

/// A point on a line of time, ordered, with both infinities. Points read from different types lie on
/// different lines: comparing a timestamp with a timestamptz means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i128);

impl Moment {
    /// Reads canonical text of a date, time, timestamp (with or without zone); `None` for other types and texts.
    pub fn parse(text: &str, logical: &Logical) -> Option<Self> {
        Self::read(text, logical.plain().as_ref()).ok().flatten()
    }

    /// Earlier than every other moment.
    const PAST: Self = Self(i128::MIN);
    /// Later than every other moment.
    const FUTURE: Self = Self(i128::MAX);

    /// `Ok(None)` when the type is not one of time.
    pub(super) fn read(text: &str, logical: &Logical) -> Result<Option<Self>, Misfit> {
        match logical {
            Logical::Date | Logical::Timestamp | Logical::TimestampTz => {
                if text.eq_ignore_ascii_case("infinity") {
                    return Ok(Some(Self::FUTURE));
                }
                if text.eq_ignore_ascii_case("-infinity") {
                    return Ok(Some(Self::PAST));
                }
                let (text, bc) = text
                    .strip_suffix(" BC")
                    .map_or((text, false), |rest| (rest, true));
                let micros = match logical {
                    Logical::Date => {
                        i128::from(calendar::read_day(text, bc)?) * i128::from(MICROS_PER_DAY)
                    }
                    Logical::Timestamp => read_local(text, bc)?,
                    _ => read_zoned(text, bc)?,
                };
                if *logical != Logical::Date && !(STAMP_MIN..STAMP_END).contains(&micros) {
                    return Err(Misfit::new(
                        "out_of_range",
                        format!("lies outside {logical}"),
                    ));
                }
                Ok(Some(Self(micros)))
            }
            Logical::Time => Ok(Some(Self(i128::from(calendar::read_clock(text)?)))),
            Logical::TimeTz => {
                let (micros, east) = read_time_tz(text)?;
                // Postgres orders by the moment in UTC, then by the zone, west last.
                let utc = i128::from(micros - east * MICROS_PER_SECOND);
                Ok(Some(Self(
                    utc * i128::from(MICROS_PER_SECOND) - i128::from(east),
                )))
            }
            _ => Ok(None),
        }
    }

    /// As Postgres prints it in a column of this type, in UTC.
    pub(super) fn text(self, logical: &Logical) -> String {
        if self == Self::FUTURE || self == Self::PAST {
            return if self == Self::FUTURE {
                "infinity"
            } else {
                "-infinity"
            }
            .to_owned();
        }
        let (days, micros) = self.split();
        let (mut text, bc) = calendar::day_text(days);
        if *logical != Logical::Date {
            text.push(' ');
            text.push_str(&calendar::clock_text(micros));
        }
        if *logical == Logical::TimestampTz {
            text.push_str("+00");
        }
        if bc {
            text.push_str(" BC");
        }
        text
    }

    fn is_infinite(self) -> bool {
        self == Self::FUTURE || self == Self::PAST
    }

    /// Days from 2000-01-01 and microseconds since midnight.
    fn split(self) -> (i64, i64) {
        let day = i128::from(MICROS_PER_DAY);
        (self.0.div_euclid(day) as i64, self.0.rem_euclid(day) as i64)
    }

    /// The moment at which clocks in `zone` show this local time.
    pub(super) fn in_zone(self, zone: &TimeZone, name: &str) -> Result<Self, Misfit> {
        if self.is_infinite() {
            return Ok(self);
        }
        let (days, micros) = self.split();
        let (year, month, day) = calendar::civil_of(days);
        let seconds = micros / MICROS_PER_SECOND;
        let local = DateTime::new(
            near(year) as i16,
            month as i8,
            day as i8,
            (seconds / 3600) as i8,
            (seconds / 60 % 60) as i8,
            (seconds % 60) as i8,
            0,
        )
        .map_err(|_| {
            Misfit::new(
                "out_of_range",
                "lies outside the years whose zone rules are known",
            )
        })?;
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { .. } => {
                return Err(Misfit::new(
                    "bad_value",
                    format!(
                        "is a local time that never was in {name}: it lies in the gap when clocks went forward"
                    ),
                ));
            }
            AmbiguousOffset::Fold { .. } => {
                return Err(Misfit::new(
                    "bad_value",
                    format!(
                        "is a local time that was twice in {name}: it lies in the fold when clocks went back"
                    ),
                ));
            }
        };
        let utc = self.0 - i128::from(offset.seconds()) * i128::from(MICROS_PER_SECOND);
        if !(STAMP_MIN..STAMP_END).contains(&utc) {
            return Err(Misfit::new(
                "out_of_range",
                "lies outside timestamp with time zone",
            ));
        }
        Ok(Self(utc))
    }

    /// The same moment as the time that clocks in `zone` show.
    fn local(self, zone: &TimeZone) -> Result<Self, Misfit> {
        if self.is_infinite() {
            return Ok(self);
        }
        let seconds = self.0.div_euclid(i128::from(MICROS_PER_SECOND)) as i64 + UNIX_SHIFT;
        let far = calendar::civil_of(self.split().0).0;
        let seconds = seconds - (far - near(far)) / 400 * SECONDS_PER_ERA;
        let moment = Timestamp::from_second(seconds).map_err(|_| {
            Misfit::new(
                "out_of_range",
                "lies outside the years whose zone rules are known",
            )
        })?;
        let east = zone.to_offset(moment).seconds();
        Ok(Self(
            self.0 + i128::from(east) * i128::from(MICROS_PER_SECOND),
        ))
    }
}

/// The date on the wall in `zone` at a moment (canonical text of a timestamptz). A timestamp without
/// zone is taken as what clocks in `zone` showed, so its date stands as it is.
pub fn date_in(moment: &str, zone: &str) -> Result<String, Misfit> {
    let rules = zone_named(zone)?;
    if let Ok(Some(local)) = Moment::read(moment, &Logical::Timestamp) {
        return Ok(local.text(&Logical::Date));
    }
    match Moment::read(moment, &Logical::TimestampTz)? {
        Some(moment) => Ok(moment.local(&rules)?.text(&Logical::Date)),
        None => Err(Misfit::new("bad_value", "is not a moment")),
    }
}

/// The rules of a time zone such as `America/Sao_Paulo`, from the tables inside the program.
pub(super) fn zone_named(name: &str) -> Result<TimeZone, Misfit> {
    TimeZone::get(name).map_err(|_| {
        Misfit::new(
            "bad_value",
            format!("there is no time zone `{name}`: write it as in `America/Sao_Paulo` or `UTC`"),
        )
    })
}

/// Reads a time of day with its offset: microseconds since midnight and seconds east.
pub(super) fn read_time_tz(text: &str) -> Result<(i64, i64), Misfit> {
    let (clock, offset) = cut_offset(text);
    let offset = offset.ok_or_else(|| Misfit::new("bad_value", "has no offset from UTC"))?;
    Ok((calendar::read_clock(clock)?, calendar::read_offset(offset)?))
}

/// Microseconds from 2000-01-01 of `YYYY-MM-DD[( |T)HH:MM[:SS[.ffffff]]]`.
fn read_local(text: &str, bc: bool) -> Result<i128, Misfit> {
    let (day, clock) = match text.find([' ', 'T']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let day = i128::from(calendar::read_day(day, bc)?);
    let clock = match clock {
        Some(clock) if cut_offset(clock).1.is_some() => {
            return Err(Misfit::new(
                "bad_value",
                "has an offset from UTC, which a timestamp without time zone would drop",
            ));
        }
        Some(clock) => i128::from(calendar::read_clock(clock)?),
        None => 0,
    };
    Ok(day * i128::from(MICROS_PER_DAY) + clock)
}

fn read_zoned(text: &str, bc: bool) -> Result<i128, Misfit> {
    let without = || Misfit::new("bad_value", "has no offset from UTC, so it names no moment");
    let at = text.find([' ', 'T']).ok_or_else(without)?;
    let (clock, offset) = cut_offset(&text[at + 1..]);
    let east = calendar::read_offset(offset.ok_or_else(without)?)?;
    let local = read_local(&text[..at], bc)? + i128::from(calendar::read_clock(clock)?);
    Ok(local - i128::from(east) * i128::from(MICROS_PER_SECOND))
}

/// Cuts the offset from a time of day; one space may stand between them.
fn cut_offset(text: &str) -> (&str, Option<&str>) {
    match text.find(['+', '-', 'Z', 'z']) {
        Some(at) => (
            text[..at].strip_suffix(' ').unwrap_or(&text[..at]),
            Some(&text[at..]),
        ),
        None => (text, None),
    }
}

/// A year with the same calendar and zone rules that the zone library knows.
fn near(year: i64) -> i64 {
    if year < YEAR_FAR {
        year
    } else {
        YEAR_FAR - 400 + (year - YEAR_FAR) % 400
    }
}

#[cfg(test)]
mod tests;
