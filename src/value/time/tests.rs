use proptest::prelude::*;

use super::*;

fn printed(text: &str, logical: &Logical) -> Result<String, &'static str> {
    match Moment::read(text, logical) {
        Ok(moment) => Ok(moment.expect("a type of time").text(logical)),
        Err(misfit) => Err(misfit.code),
    }
}

#[test]
fn timestamps_are_printed_in_utc() {
    let tz = |text: &str| printed(text, &Logical::TimestampTz);
    assert_eq!(
        tz("2024-01-02T03:04:05.678Z").as_deref(),
        Ok("2024-01-02 03:04:05.678+00")
    );
    assert_eq!(
        tz("2024-01-02 03:04:05.678000+05:30").as_deref(),
        Ok("2024-01-01 21:34:05.678+00")
    );
    assert_eq!(
        tz("2024-01-02 03:04 -0300").as_deref(),
        Ok("2024-01-02 06:04:00+00")
    );
    assert_eq!(
        tz("0044-03-15 00:00:00+00 BC").as_deref(),
        Ok("0044-03-15 00:00:00+00 BC")
    );
    assert_eq!(
        tz("0001-01-01 00:00:00+01").as_deref(),
        Ok("0001-12-31 23:00:00+00 BC")
    );
    assert_eq!(tz("infinity").as_deref(), Ok("infinity"));
    assert_eq!(tz("2024-01-02 03:04:05"), Err("bad_value"));
    assert_eq!(tz("2024-01-02"), Err("bad_value"));
    assert_eq!(tz("now"), Err("bad_value"));
    assert_eq!(
        tz("294276-12-31 23:59:59.999999+00").as_deref(),
        Ok("294276-12-31 23:59:59.999999+00")
    );
    assert_eq!(tz("294276-12-31 23:59:59.999999-01"), Err("out_of_range"));
}

#[test]
fn timestamps_without_zone_keep_their_clock() {
    let local = |text: &str| printed(text, &Logical::Timestamp);
    assert_eq!(
        local("2024-02-29 24:00:00").as_deref(),
        Ok("2024-03-01 00:00:00")
    );
    assert_eq!(
        local("12024-01-01T00:00").as_deref(),
        Ok("12024-01-01 00:00:00")
    );
    assert_eq!(local("2024-01-01").as_deref(), Ok("2024-01-01 00:00:00"));
    assert_eq!(
        local("4714-11-24 00:00:00 BC").as_deref(),
        Ok("4714-11-24 00:00:00 BC")
    );
    assert_eq!(local("2024-01-01 00:00:00.1234567"), Err("would_round"));
    assert_eq!(local("2024-01-01 00:00:00Z"), Err("bad_value"));
    assert_eq!(local("2024-01-01 00:00:00+02"), Err("bad_value"));
    assert_eq!(local("294277-01-01 00:00:00"), Err("out_of_range"));
    assert_eq!(local("0000-00-00 00:00:00"), Err("bad_value"));
    assert_eq!(local("2024-01-01  00:00:00"), Err("bad_value"));
}

#[test]
fn gaps_and_folds_are_named() {
    let zone = zone_named("Europe/Berlin").expect("a zone");
    let moment = |text: &str| {
        let local = Moment::parse(text, &Logical::Timestamp).expect("a timestamp");
        local
            .in_zone(&zone, "Europe/Berlin")
            .map(|moment| moment.text(&Logical::TimestampTz))
            .map_err(|misfit| misfit.why)
    };
    assert_eq!(
        moment("2024-07-01 12:00:00.5").as_deref(),
        Ok("2024-07-01 10:00:00.5+00")
    );
    assert!(moment("2024-03-31 02:30:00").is_err_and(|why| why.contains("gap")));
    assert!(moment("2024-10-27 02:30:00").is_err_and(|why| why.contains("fold")));
    assert_eq!(moment("-infinity").as_deref(), Ok("-infinity"));
    assert_eq!(
        moment("12024-07-01 12:00:00").as_deref(),
        Ok("12024-07-01 10:00:00+00")
    );
    assert_eq!(
        moment("294276-12-31 12:00:00").as_deref(),
        Ok("294276-12-31 11:00:00+00")
    );
    assert_eq!(
        moment("0044-03-15 00:00:00 BC").as_deref(),
        Ok("0044-03-14 23:06:32+00 BC")
    );
}

#[test]
fn the_date_depends_on_the_zone() {
    assert_eq!(
        date_in("2024-01-01 01:30:00+00", "America/Sao_Paulo").as_deref(),
        Ok("2023-12-31")
    );
    assert_eq!(
        date_in("2024-01-01 01:30:00+00", "Asia/Tokyo").as_deref(),
        Ok("2024-01-01")
    );
    assert_eq!(
        date_in("2024-01-01 23:30:00", "Asia/Tokyo").as_deref(),
        Ok("2024-01-01")
    );
    assert_eq!(
        date_in("9999-12-31 23:30:00+00", "Asia/Tokyo").as_deref(),
        Ok("10000-01-01")
    );
    assert_eq!(date_in("infinity", "UTC").as_deref(), Ok("infinity"));
    assert!(date_in("2024-01-01 01:30:00+00", "Mars/Olympus").is_err());
    assert!(date_in("yesterday", "UTC").is_err());
}

#[test]
fn moments_are_ordered() {
    let at = |text: &str| Moment::parse(text, &Logical::TimestampTz);
    assert!(at("-infinity") < at("4713-01-01 00:00:00+00 BC"));
    assert!(at("2024-01-01 00:00:00+01") < at("2024-01-01 00:00:00+00"));
    assert!(at("294276-12-31 00:00:00+00") < at("infinity"));
    assert!(Moment::parse("23:00:00", &Logical::Time) < Moment::parse("24:00:00", &Logical::Time));
    assert_eq!(Moment::parse("1", &Logical::Int4), None);
}

proptest! {
    #[test]
    fn timestamps_read_back(micros in STAMP_MIN..STAMP_END) {
        for logical in [Logical::Timestamp, Logical::TimestampTz] {
            let text = Moment(micros).text(&logical);
            prop_assert_eq!(Moment::parse(&text, &logical), Some(Moment(micros)));
        }
    }

    #[test]
    fn a_local_time_and_its_moment_agree(seconds in -63_000_000_000i64..4_000_000_000_000) {
        let zone = zone_named("America/Sao_Paulo").expect("a zone");
        let local = Moment(i128::from(seconds) * i128::from(MICROS_PER_SECOND));
        if let Ok(moment) = local.in_zone(&zone, "America/Sao_Paulo") {
            prop_assert_eq!(moment.local(&zone), Ok(local));
        }
    }
}
