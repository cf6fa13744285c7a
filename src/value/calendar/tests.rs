use proptest::prelude::*;

use super::*;

#[test]
fn days_that_do_not_exist_are_refused() {
    for text in [
        "2023-02-29",
        "2024-13-01",
        "2024-00-10",
        "2024-04-31",
        "0000-01-01",
        "0000-00-00",
        "1900-02-29",
    ] {
        assert_eq!(
            read_day(text, false).map_err(|misfit| misfit.code),
            Err("bad_value"),
            "{text}"
        );
    }
    for text in [
        "24-01-01",
        "2024-1-1",
        "2024/01/01",
        "01.02.2024",
        "20240101",
        "",
        "2024-01-01 ",
        "+2024-01-01",
    ] {
        assert_eq!(
            read_day(text, false).map_err(|misfit| misfit.code),
            Err("bad_value"),
            "{text}"
        );
    }
    assert!(read_day("2000-02-29", false).is_ok());
    assert_eq!(read_day("4714-11-24", true), Ok(DAY_MIN));
    assert_eq!(
        read_day("4714-11-23", true).map_err(|misfit| misfit.code),
        Err("out_of_range")
    );
    assert!(read_day("5874897-12-31", false).is_ok());
    assert!(read_day("5874898-01-01", false).is_err());
}

#[test]
fn the_first_day_is_day_zero() {
    assert_eq!(day_of(2000, 1, 1), Some(0));
    assert_eq!(day_text(-1).0, "1999-12-31");
    assert_eq!(
        day_text(read_day("0044-03-15", true).unwrap_or(0)),
        ("0044-03-15".into(), true)
    );
}

#[test]
fn times_of_day() {
    let clock = |text: &str| {
        read_clock(text)
            .map(clock_text)
            .map_err(|misfit| misfit.code)
    };
    assert_eq!(clock("24:00:00").as_deref(), Ok("24:00:00"));
    assert_eq!(clock("24:00").as_deref(), Ok("24:00:00"));
    assert_eq!(clock("23:59:59.999999").as_deref(), Ok("23:59:59.999999"));
    assert_eq!(clock("12:34:56.700").as_deref(), Ok("12:34:56.7"));
    assert_eq!(clock("12:34:56.7000000").as_deref(), Ok("12:34:56.7"));
    assert_eq!(clock("12:34:56.7000001"), Err("would_round"));
    for text in [
        "24:00:01",
        "23:59:60",
        "25:00",
        "12",
        "1:2",
        "12:34:56.",
        "12:34.5",
        "12:60",
        "12:34:56:00",
        "-1:00",
        "12:34:5６",
    ] {
        assert_eq!(clock(text), Err("bad_value"), "{text}");
    }
}

#[test]
fn offsets() {
    let offset = |text: &str| {
        read_offset(text)
            .map(offset_text)
            .map_err(|misfit| misfit.code)
    };
    assert_eq!(offset("Z").as_deref(), Ok("+00"));
    assert_eq!(offset("+0530").as_deref(), Ok("+05:30"));
    assert_eq!(offset("-03").as_deref(), Ok("-03"));
    assert_eq!(offset("+00:19:32").as_deref(), Ok("+00:19:32"));
    for text in ["", "+5", "05:30", "+16", "+05:60", "UTC", "+05:30:00:00"] {
        assert_eq!(offset(text), Err("bad_value"), "{text}");
    }
}

proptest! {
    #[test]
    fn every_day_reads_back(day in DAY_MIN..2_145_031_949i64) {
        let (text, bc) = day_text(day);
        prop_assert_eq!(read_day(&text, bc), Ok(day));
    }
}
