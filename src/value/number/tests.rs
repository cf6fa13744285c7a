use proptest::prelude::*;

use super::*;

fn numeric(text: &str, limits: Option<(u16, i16)>) -> Result<String, &'static str> {
    let mut out = Vec::new();
    put_numeric(text, limits, &mut out).map_err(|misfit| misfit.code)?;
    Ok(String::from_utf8(out).expect("digits are UTF-8"))
}

#[test]
fn decimals_are_printed_as_postgres_prints_them() {
    for (text, printed) in [
        ("1.10", "1.10"),
        ("+1", "1"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0", "0"),
        ("-0.00", "0.00"),
        ("1e3", "1000"),
        ("1.50e1", "15.0"),
        ("1.5e-3", "0.0015"),
        ("0e2", "0"),
        ("0.0e-3", "0.0000"),
        ("100e-2", "1.00"),
        ("12e-1", "1.2"),
        ("1.0E+2", "100"),
        ("-1.20e1", "-12.0"),
        (
            "0.1234567890123456789012345678901234567890",
            "0.1234567890123456789012345678901234567890",
        ),
    ] {
        assert_eq!(numeric(text, None).as_deref(), Ok(printed), "{text}");
    }
}

#[test]
fn a_limited_decimal_is_padded_or_refused() {
    let money = Some((12, 2));
    assert_eq!(numeric("5", money).as_deref(), Ok("5.00"));
    assert_eq!(numeric("-0.10000", money).as_deref(), Ok("-0.10"));
    assert_eq!(numeric("1.005", money), Err("would_round"));
    assert_eq!(
        numeric("9999999999.99", money).as_deref(),
        Ok("9999999999.99")
    );
    assert_eq!(numeric("10000000000", money), Err("out_of_range"));
    assert_eq!(numeric("NaN", money), Err("not_finite"));
    assert_eq!(numeric("-infinity", None), Err("not_finite"));
    assert_eq!(numeric("1200", Some((2, -2))).as_deref(), Ok("1200"));
    assert_eq!(numeric("1250", Some((2, -2))), Err("would_round"));
    assert_eq!(numeric("10000", Some((2, -2))), Err("out_of_range"));
    assert_eq!(numeric("0.00123", Some((3, 5))).as_deref(), Ok("0.00123"));
    assert_eq!(numeric("0.0123", Some((3, 5))), Err("out_of_range"));
    assert_eq!(numeric("0", Some((2, 2))).as_deref(), Ok("0.00"));
    assert_eq!(numeric("1", Some((2, 2))), Err("out_of_range"));
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "", "-", ".", "1,5", " 1", "1 ", "0x10", "1_000", "1e", "1e+", "e5", "--1", "1.2.3", "١",
    ] {
        assert_eq!(numeric(text, None), Err("bad_value"), "{text}");
    }
    assert_eq!(numeric("1e131072", None), Err("out_of_range"));
    assert_eq!(numeric("1e-16384", None), Err("out_of_range"));
    assert_eq!(numeric("1e99999999999999999999", None), Err("out_of_range"));
    assert_eq!(
        numeric("1e131071", None).map(|text| text.len()),
        Ok(131_072)
    );
}

#[test]
fn integers_keep_to_their_type() {
    let integer = |text: &str, target: Logical| {
        let mut out = Vec::new();
        put_integer(text, &target, &mut out)
            .map(|()| String::from_utf8_lossy(&out).into_owned())
            .map_err(|m| m.code)
    };
    assert_eq!(integer("32767", Logical::Int2).as_deref(), Ok("32767"));
    assert_eq!(integer("32768", Logical::Int2), Err("out_of_range"));
    assert_eq!(integer("-2147483649", Logical::Int4), Err("out_of_range"));
    assert_eq!(
        integer("-9223372036854775808", Logical::Int8).as_deref(),
        Ok("-9223372036854775808")
    );
    assert_eq!(
        integer("9223372036854775808", Logical::Int8),
        Err("out_of_range")
    );
    assert_eq!(integer("5.00", Logical::Int4).as_deref(), Ok("5"));
    assert_eq!(integer("5.01", Logical::Int4), Err("would_round"));
    assert_eq!(integer("NaN", Logical::Int4), Err("not_finite"));
    assert_eq!(integer("five", Logical::Int4), Err("bad_value"));
}

proptest! {
    #[test]
    fn a_decimal_that_is_accepted_is_the_same_number(
        text in "[-+]?[0-9]{1,14}(\\.[0-9]{0,6})?(e-?[0-9])?", precision in 1u16..20, scale in -3i16..8,
    ) {
        let mut out = Vec::new();
        match put_numeric(&text, Some((precision, scale)), &mut out) {
            Ok(()) => {
                let printed = std::str::from_utf8(&out).expect("digits are UTF-8");
                prop_assert!(same_number(&text, printed), "{text} became {printed}");
                prop_assert_eq!(printed.split_once('.').map_or(0, |(_, places)| places.len()), usize::try_from(scale).unwrap_or(0));
            }
            Err(misfit) => prop_assert!(matches!(misfit.code, "would_round" | "out_of_range")),
        }
    }
}
