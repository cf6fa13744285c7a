//! Writes rows as COPY text, the form both engines are loaded from.

use uuid::Uuid;

use crate::row::escape_into;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Lines of COPY text under construction.
#[derive(Debug, Default)]
pub(super) struct Cells {
    out: Vec<u8>,
}

impl Cells {
    /// What was written so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Forgets the lines, keeps the room.
    pub(super) fn clear(&mut self) {
        self.out.clear();
    }

    /// Ends the line.
    pub(super) fn end(&mut self) {
        if let Some(last) = self.out.last_mut() {
            *last = b'\n';
        }
    }

    /// NULL.
    pub(super) fn null(&mut self) -> &mut Self {
        self.raw("\\N")
    }

    /// Text that needs no escaping.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\t');
        self
    }

    /// Any text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape_into(text.as_bytes(), &mut self.out);
        self.out.push(b'\t');
        self
    }

    /// Any text, or NULL.
    pub(super) fn maybe_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// An integer.
    pub(super) fn int(&mut self, number: u64) -> &mut Self {
        self.digits(number, 1);
        self.out.push(b'\t');
        self
    }

    /// An integer, or NULL.
    pub(super) fn maybe_int(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.int(number),
            None => self.null(),
        }
    }

    /// A short word and a number, such as `O-000042`.
    pub(super) fn label(&mut self, word: &str, number: u64) -> &mut Self {
        self.out.extend_from_slice(word.as_bytes());
        self.digits(number, 6);
        self.out.push(b'\t');
        self
    }

    /// A boolean.
    pub(super) fn bool(&mut self, yes: bool) -> &mut Self {
        self.raw(if yes { "t" } else { "f" })
    }

    /// An amount in cents, with two places.
    pub(super) fn cents(&mut self, cents: i64) -> &mut Self {
        if cents < 0 {
            self.out.push(b'-');
        }
        let cents = cents.unsigned_abs();
        self.digits(cents / 100, 1);
        self.out.push(b'.');
        self.digits(cents % 100, 2);
        self.out.push(b'\t');
        self
    }

    /// A uuid.
    pub(super) fn uuid(&mut self, id: Uuid) -> &mut Self {
        let mut room = Uuid::encode_buffer();
        self.out
            .extend_from_slice(id.hyphenated().encode_lower(&mut room).as_bytes());
        self.out.push(b'\t');
        self
    }

    /// A moment in microseconds since 1970, as a timestamptz in UTC.
    pub(super) fn moment(&mut self, micros: i64) -> &mut Self {
        self.clock(micros);
        self.raw("+00")
    }

    /// A moment in microseconds since 1970, or NULL.
    pub(super) fn maybe_moment(&mut self, micros: Option<i64>) -> &mut Self {
        match micros {
            Some(micros) => self.moment(micros),
            None => self.null(),
        }
    }

    /// The same digits without a zone.
    pub(super) fn local(&mut self, micros: i64) -> &mut Self {
        self.clock(micros);
        self.out.push(b'\t');
        self
    }

    /// The day of a moment.
    pub(super) fn date(&mut self, micros: i64) -> &mut Self {
        self.day(micros.div_euclid(MICROS * DAY));
        self.out.push(b'\t');
        self
    }

    fn clock(&mut self, micros: i64) {
        let seconds = micros.div_euclid(MICROS);
        self.day(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY) as u64;
        self.out.push(b' ');
        self.digits(second / 3600, 2);
        self.out.push(b':');
        self.digits(second / 60 % 60, 2);
        self.out.push(b':');
        self.digits(second % 60, 2);
        let mut fraction = micros.rem_euclid(MICROS) as u64;
        if fraction > 0 {
            // Postgres prints no trailing zeros
            let mut width = 6;
            while fraction % 10 == 0 {
                fraction /= 10;
                width -= 1;
            }
            self.out.push(b'.');
            self.digits(fraction, width);
        }
    }

    /// Civil date of a day number since 1970 (Howard Hinnant's algorithm), years 1 to 9999.
    fn day(&mut self, days: i64) {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        self.digits(year as u64, 4);
        self.out.push(b'-');
        self.digits(month as u64, 2);
        self.out.push(b'-');
        self.digits(day as u64, 2);
    }

    /// Decimal digits, padded with zeros to `width`.
    fn digits(&mut self, mut number: u64, width: usize) {
        let mut room = [b'0'; 20];
        let mut at = room.len();
        while number > 0 || room.len() - at < width {
            at -= 1;
            room[at] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.out.extend_from_slice(&room[at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_as_postgres_prints_them() {
        let mut cells = Cells::default();
        cells.int(0).cents(-1205).bool(true).null().text("a\tb\\N");
        cells.moment(0).moment(1_709_210_096_500_000).label("O-", 7);
        cells.end();
        let line = String::from_utf8_lossy(cells.bytes()).into_owned();
        assert_eq!(
            line,
            "0\t-12.05\tt\t\\N\ta\\tb\\\\N\t1970-01-01 00:00:00+00\t2024-02-29 12:34:56.5+00\tO-000007\n"
        );
    }
}
