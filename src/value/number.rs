//! Integers and decimals as text, exactly.

use std::borrow::Cow;

use super::{Logical, Misfit};

/// Digits that Postgres' `numeric` holds before and after the point.
const INTEGER_DIGITS_MAX: usize = 131_072;
const PLACES_MAX: usize = 16_383;
/// An exponent beyond this cannot end within the limits above, whatever the digits.
const EXPONENT_MAX: i64 = 200_000;

/// A plain decimal: no exponent, no leading zeros before the point.
struct Plain<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
}

/// Appends the decimal as Postgres prints it in `numeric` or `numeric(precision, scale)`. Accepts
/// `[+-]digits[.digits][e[+-]digits]`; pads with zeros, never rounds.
pub(super) fn put_numeric(
    text: &str,
    limits: Option<(u16, i16)>,
    out: &mut Vec<u8>,
) -> Result<(), Misfit> {
    if is_special(text) {
        return Err(Misfit::new(
            "not_finite",
            "NaN and Infinity are not carried into numeric columns",
        ));
    }
    let expanded = expand(text)?;
    let number = split(&expanded).ok_or_else(not_a_number)?;
    match limits {
        None => put_unlimited(&number, out),
        Some((precision, scale)) => put_limited(&number, precision, scale, out),
    }
}

/// NaN or an infinity in one of the spellings that Postgres reads.
pub(super) fn is_special(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["nan", "infinity", "inf"]
        .iter()
        .any(|name| unsigned.eq_ignore_ascii_case(name))
}

fn put_unlimited(number: &Plain<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    if number.integer.len() > INTEGER_DIGITS_MAX || number.fraction.len() > PLACES_MAX {
        return Err(Misfit::new(
            "out_of_range",
            "has more digits than numeric holds",
        ));
    }
    put(number, number.fraction.len(), out);
    Ok(())
}

fn put_limited(
    number: &Plain<'_>,
    precision: u16,
    scale: i16,
    out: &mut Vec<u8>,
) -> Result<(), Misfit> {
    let name = || Logical::Numeric(Some((precision, scale)));
    let significant = number.fraction.trim_end_matches('0');
    let places = usize::from(scale.unsigned_abs());
    let (digits, exact) = if scale >= 0 {
        let digits = if number.integer.is_empty() {
            places.saturating_sub(significant.len() - significant.trim_start_matches('0').len())
        } else {
            number.integer.len() + places
        };
        (
            if number.is_zero() { 0 } else { digits },
            significant.len() <= places,
        )
    } else {
        let kept = number.integer.len().saturating_sub(places);
        let cut_is_zero = number.integer[kept..].bytes().all(|digit| digit == b'0');
        (kept, significant.is_empty() && cut_is_zero)
    };
    if !exact {
        return Err(Misfit::new(
            "would_round",
            format!("has more decimal places than {} keeps", name()),
        ));
    }
    if digits > usize::from(precision) {
        return Err(Misfit::new(
            "out_of_range",
            format!("has more digits than {} holds", name()),
        ));
    }
    put(number, if scale > 0 { places } else { 0 }, out);
    Ok(())
}

/// Writes sign, integer part and exactly `places` digits behind the point.
fn put(number: &Plain<'_>, places: usize, out: &mut Vec<u8>) {
    if number.negative && !number.is_zero() {
        out.push(b'-');
    }
    out.extend_from_slice(if number.integer.is_empty() {
        b"0"
    } else {
        number.integer.as_bytes()
    });
    if places > 0 {
        out.push(b'.');
        let known = number.fraction.len().min(places);
        out.extend_from_slice(&number.fraction.as_bytes()[..known]);
        out.resize(out.len() + places - known, b'0');
    }
}

/// Appends an integer's digits if it lies within the type. Accepts decimals without a fraction, too.
pub(super) fn put_integer(text: &str, target: &Logical, out: &mut Vec<u8>) -> Result<(), Misfit> {
    let value = match text.parse::<i64>() {
        Ok(value) => value,
        Err(_) => integral(text, target)?,
    };
    let fits = match target {
        Logical::Int2 => i16::try_from(value).is_ok(),
        Logical::Int4 => i32::try_from(value).is_ok(),
        _ => true,
    };
    if !fits {
        return Err(out_of_range(target));
    }
    out.extend_from_slice(value.to_string().as_bytes());
    Ok(())
}

fn integral(text: &str, target: &Logical) -> Result<i64, Misfit> {
    if is_special(text) {
        return Err(Misfit::new(
            "not_finite",
            format!("NaN and Infinity do not fit {target}"),
        ));
    }
    let expanded = expand(text)?;
    let number = split(&expanded).ok_or_else(not_a_number)?;
    if number.fraction.bytes().any(|digit| digit != b'0') {
        return Err(Misfit::new(
            "would_round",
            format!("has a fraction, which {target} would round"),
        ));
    }
    let sign = if number.negative { "-" } else { "" };
    let digits = if number.integer.is_empty() {
        "0"
    } else {
        number.integer
    };
    format!("{sign}{digits}")
        .parse()
        .map_err(|_| out_of_range(target))
}

fn out_of_range(target: &Logical) -> Misfit {
    Misfit::new("out_of_range", format!("lies outside {target}"))
}

fn not_a_number() -> Misfit {
    Misfit::new("bad_value", "is not a number")
}

/// The same number without an exponent; unchanged text when it has none.
fn expand(text: &str) -> Result<Cow<'_, str>, Misfit> {
    let Some(at) = text.find(['e', 'E']) else {
        return Ok(Cow::Borrowed(text));
    };
    let number = split(&text[..at]).ok_or_else(not_a_number)?;
    let power = &text[at + 1..];
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let exponent: i64 = match power.parse() {
        Ok(exponent) if (-EXPONENT_MAX..=EXPONENT_MAX).contains(&exponent) => exponent,
        _ => {
            return Err(Misfit::new(
                "out_of_range",
                "has an exponent beyond numeric",
            ));
        }
    };
    let all = format!("{}{}", number.integer, number.fraction);
    let point = number.integer.len() as i64 + exponent;
    let sign = if number.negative { "-" } else { "" };
    let shift = usize::try_from(point.unsigned_abs()).unwrap_or(usize::MAX);
    Ok(Cow::Owned(if number.is_zero() {
        // A zero keeps the places it was written with: 0.0e-3 is 0.0000, 0e2 is 0.
        let places = number.fraction.len() as i64 - exponent;
        format!("0.{}", "0".repeat(usize::try_from(places).unwrap_or(0)))
    } else if point <= 0 {
        format!("{sign}0.{}{all}", "0".repeat(shift))
    } else if shift >= all.len() {
        format!("{sign}{all}{}", "0".repeat(shift - all.len()))
    } else {
        format!("{sign}{}.{}", &all[..shift], &all[shift..])
    }))
}

fn split(text: &str) -> Option<Plain<'_>> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let any = !integer.is_empty() || !fraction.is_empty();
    (any && digits(integer) && digits(fraction)).then(|| Plain {
        negative,
        integer: integer.trim_start_matches('0'),
        fraction,
    })
}

impl Plain<'_> {
    fn is_zero(&self) -> bool {
        self.integer.is_empty() && self.fraction.bytes().all(|digit| digit == b'0')
    }
}

/// Same number, whatever zeros and exponents they are written with.
pub(super) fn same_number(one: &str, other: &str) -> bool {
    let bare = |text: &str| -> Option<String> {
        let expanded = expand(text).ok()?;
        let number = split(&expanded)?;
        let sign = if number.negative && !number.is_zero() {
            "-"
        } else {
            ""
        };
        Some(format!(
            "{sign}{}.{}",
            number.integer,
            number.fraction.trim_end_matches('0')
        ))
    };
    matches!((bare(one), bare(other)), (Some(one), Some(other)) if one == other)
}

#[cfg(test)]
mod tests;
