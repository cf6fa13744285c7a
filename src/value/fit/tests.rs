use rust_decimal::Decimal;

use super::*;

fn text(value: &Scalar, target: &Logical) -> Result<String, &'static str> {
    let mut out = b"before".to_vec();
    let done = fit(value, target, &mut out);
    let written = String::from_utf8(out).expect("UTF-8");
    let written = written
        .strip_prefix("before")
        .expect("only appended")
        .to_owned();
    match done {
        Ok(true) => Ok(written),
        Ok(false) => Ok("NULL".to_owned()),
        Err(misfit) => {
            assert_eq!(written, "", "nothing is left behind");
            Err(misfit.code)
        }
    }
}

fn decimal(text: &str) -> Scalar {
    Scalar::Decimal(Decimal::from_str_exact(text).expect("a decimal"))
}

#[test]
fn scalars_fit_or_are_refused() {
    let money = Logical::Numeric(Some((12, 2)));
    let say = |text: &str| Scalar::Text(text.to_owned());
    let typed = |logical: Logical, text: &str| Scalar::Typed(logical, text.to_owned());
    for (value, target, stored) in [
        (Scalar::Null, Logical::Int4, Ok("NULL")),
        (Scalar::Bool(true), Logical::Bool, Ok("t")),
        (Scalar::Bool(true), Logical::Text(None), Err("bad_value")),
        (Scalar::Bool(false), Logical::Jsonb, Ok("false")),
        (Scalar::Int(5), money.clone(), Ok("5.00")),
        (Scalar::Int(5), Logical::Bool, Err("bad_value")),
        (Scalar::Int(70_000), Logical::Int2, Err("out_of_range")),
        (Scalar::Int(7), Logical::Text(Some(1)), Ok("7")),
        (
            Scalar::Int(9_007_199_254_740_993),
            Logical::Float8,
            Err("would_round"),
        ),
        (decimal("1.10"), money.clone(), Ok("1.10")),
        (decimal("1.105"), money.clone(), Err("would_round")),
        (decimal("1.10"), Logical::Numeric(None), Ok("1.10")),
        (decimal("3.00"), Logical::Int4, Ok("3")),
        (decimal("3.01"), Logical::Int4, Err("would_round")),
        (decimal("-0.0"), Logical::Numeric(None), Ok("0.0")),
        (decimal("0.1"), Logical::Float8, Ok("0.1")),
        (decimal("1.50"), Logical::Jsonb, Ok("1.50")),
        (say("2024-01-01"), Logical::Date, Ok("2024-01-01")),
        (say("2024-02-30"), Logical::Date, Err("bad_value")),
        (
            say("2024-01-01 00:00:00"),
            Logical::TimestampTz,
            Err("bad_value"),
        ),
        (say("yes"), Logical::Bool, Err("bad_value")),
        (say("12.5"), money.clone(), Ok("12.50")),
        (say("abc"), money.clone(), Err("bad_value")),
        (say("abc"), Logical::Text(Some(2)), Err("too_long")),
        (say("a\0c"), Logical::Text(None), Err("nul_byte")),
        (say("{\"b\":1}"), Logical::Jsonb, Ok("{\"b\": 1}")),
        (
            say("10.0.0.1"),
            Logical::Other("inet".into()),
            Ok("10.0.0.1"),
        ),
        (
            Scalar::Json("{\"b\": 1}".into()),
            Logical::Jsonb,
            Ok("{\"b\": 1}"),
        ),
        (
            Scalar::Json("{\"b\": 1}".into()),
            Logical::Text(None),
            Err("bad_value"),
        ),
        (
            typed(Logical::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            Logical::Uuid,
            Ok("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        (
            typed(Logical::Timestamp, "2024-01-01 00:00:00"),
            Logical::TimestampTz,
            Err("bad_value"),
        ),
        (
            typed(Logical::TimestampTz, "infinity"),
            Logical::TimestampTz,
            Ok("infinity"),
        ),
        (
            typed(Logical::Numeric(None), "NaN"),
            money,
            Err("not_finite"),
        ),
        (
            typed(Logical::Float8, "1.5"),
            Logical::Numeric(None),
            Err("bad_value"),
        ),
        (
            Scalar::List(vec![say("a b"), Scalar::Null, say("")]),
            Logical::Array(Box::new(Logical::Text(None))),
            Ok("{\"a b\",NULL,\"\"}"),
        ),
        (
            Scalar::List(vec![Scalar::Int(1), say("x\"")]),
            Logical::Jsonb,
            Ok("[1, \"x\\\"\"]"),
        ),
        (
            Scalar::List(vec![Scalar::Int(1)]),
            Logical::Int4,
            Err("bad_value"),
        ),
        (
            Scalar::List(vec![
                Scalar::List(vec![Scalar::Int(1)]),
                Scalar::List(vec![]),
            ]),
            Logical::Array(Box::new(Logical::Int4)),
            Err("bad_value"),
        ),
    ] {
        assert_eq!(
            text(&value, &target).as_deref(),
            stored.as_ref().copied(),
            "{value:?} into {target}"
        );
    }
}
