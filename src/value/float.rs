//! Floats as Postgres prints them: the shortest text that reads back to the same bits.

use super::number::{is_special, same_number};
use super::{Logical, Misfit};

/// From this power of ten on Postgres prints an exponent.
const DOUBLE_EXPONENT: i32 = 15;
const SINGLE_EXPONENT: i32 = 6;

/// A double as `double precision` prints it.
pub(super) fn double_text(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let digits = shortest(
            &format!("{value:e}"),
            54,
            |places| format!("{value:.places$e}"),
            |text| text.parse() == Ok(value),
        );
        layout(&digits, DOUBLE_EXPONENT)
    })
}

/// A single as `real` prints it.
pub(super) fn single_text(value: f32) -> String {
    special(f64::from(value)).unwrap_or_else(|| {
        let digits = shortest(
            &format!("{value:e}"),
            25,
            |places| format!("{value:.places$e}"),
            |text| text.parse() == Ok(value),
        );
        layout(&digits, SINGLE_EXPONENT)
    })
}

/// The decimal with the fewest digits that reads back to this double, without an exponent.
pub(super) fn double_decimal(value: f64) -> String {
    format!("{value}")
}

/// Text as a float column prints it, if the float is the very number that is written.
pub(super) fn float_literal(text: &str, target: &Logical) -> Result<String, Misfit> {
    let not_a_number = || Misfit::new("bad_value", format!("is not a number that {target} reads"));
    let special = is_special(text);
    if !special && !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return Err(not_a_number());
    }
    let (printed, finite) = if *target == Logical::Float4 {
        let value: f32 = text.parse().map_err(|_| not_a_number())?;
        (single_text(value), value.is_finite())
    } else {
        let value: f64 = text.parse().map_err(|_| not_a_number())?;
        (double_text(value), value.is_finite())
    };
    if special {
        return Ok(printed);
    }
    if !finite {
        return Err(Misfit::new(
            "out_of_range",
            format!("lies outside {target}"),
        ));
    }
    if !same_number(text, &printed) {
        return Err(Misfit::new(
            "would_round",
            format!("has more digits than {target} keeps"),
        ));
    }
    Ok(printed)
}

/// A single widened to a double keeps its bits' value, as Postgres' own cast does.
pub(super) fn widen(text: &str) -> Result<String, Misfit> {
    let value: f32 = text
        .parse()
        .map_err(|_| Misfit::new("bad_value", "is not a number that real reads"))?;
    Ok(double_text(f64::from(value)))
}

fn special(value: f64) -> Option<String> {
    let text = if value.is_nan() {
        "NaN"
    } else if value == f64::INFINITY {
        "Infinity"
    } else if value == f64::NEG_INFINITY {
        "-Infinity"
    } else {
        return None;
    };
    Some(text.to_owned())
}

/// Postgres does not trust readers to round half to even, so it never prints a decimal that lies
/// exactly between two floats; Rust does. Such a decimal gets more digits here.
fn shortest(
    scientific: &str,
    midpoint_bits: u32,
    with_places: impl Fn(usize) -> String,
    same: impl Fn(&str) -> bool,
) -> String {
    let mut places = scientific.split_once('e').map_or(0, |(digits, _)| {
        digits.trim_start_matches('-').len().saturating_sub(2)
    });
    // Of two decimals equally near, Postgres takes the even one, as rounding to a number of places does.
    let even = with_places(places);
    let mut text = if same(&even) {
        even
    } else {
        scientific.to_owned()
    };
    while is_midpoint(&text, midpoint_bits) || !same(&text) {
        places += 1;
        text = with_places(places);
    }
    text
}

/// Whether `d.ddde±x` is an integer whose odd part has one bit more than the float's mantissa.
fn is_midpoint(scientific: &str, bits: u32) -> bool {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return false;
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let places = digits.len() as i32 - 1;
    let (Ok(exponent), Ok(mut whole)) = (exponent.parse::<i32>(), digits.parse::<u128>()) else {
        return false;
    };
    // 10^k is 5^k times a power of two; beyond 5^30 the odd part is too long for any midpoint.
    let Some(power) = u32::try_from(exponent - places)
        .ok()
        .filter(|power| *power <= 30)
    else {
        return false;
    };
    whole = whole.saturating_mul(5u128.pow(power));
    whole > 0 && u128::BITS - whole.leading_zeros() - whole.trailing_zeros() == bits
}

/// From `-1.2345e3` to `-1234.5`, or to `-1.2345e+20` beyond the threshold.
fn layout(scientific: &str, threshold: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |rest| ("-", rest));
    let mantissa = if mantissa.contains('.') {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    if !(-4..threshold).contains(&exponent) {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.abs());
    }
    let digits = mantissa.replace('.', "");
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    if digits.len() <= whole {
        format!("{sign}{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_are_printed_as_postgres_prints_them() {
        for (value, printed) in [
            (1e20, "1e+20"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-0.0, "-0"),
            (5e-324, "5e-324"),
            (1.5e300, "1.5e+300"),
            (0.1, "0.1"),
            (1234.5, "1234.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (1e23, "9.999999999999999e+22"),
            (-943_238_624_648_691.2, "-943238624648691.2"),
        ] {
            assert_eq!(double_text(value), printed);
        }
    }

    #[test]
    fn singles_have_their_own_threshold() {
        for (value, printed) in [
            (0.1f32, "0.1"),
            (1e6, "1e+06"),
            (123_456.7, "123456.7"),
            (999_999.0, "999999"),
        ] {
            assert_eq!(single_text(value), printed);
        }
        assert_eq!(widen("0.1").as_deref(), Ok("0.10000000149011612"));
    }

    #[test]
    fn a_literal_that_a_float_would_round_is_refused() {
        let double =
            |text: &str| float_literal(text, &Logical::Float8).map_err(|misfit| misfit.code);
        assert_eq!(double("0.10").as_deref(), Ok("0.1"));
        assert_eq!(double("0.1000000000000000055"), Err("would_round"));
        assert_eq!(double("9007199254740993"), Err("would_round"));
        assert_eq!(double("1e400"), Err("out_of_range"));
        assert_eq!(double("inf").as_deref(), Ok("Infinity"));
        assert_eq!(double("nonsense"), Err("bad_value"));
    }

    proptest! {
        #[test]
        fn every_double_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let text = double_text(value);
            prop_assert_eq!(text.replace("Infinity", "inf").parse::<f64>().map(f64::to_bits), Ok(bits));
        }
    }
}
