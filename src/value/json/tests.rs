use proptest::prelude::*;

use super::*;

#[test]
fn jsonb_is_printed_as_postgres_prints_it() {
    for (text, printed) in [
        (
            r#"{"b":1,"a":2,"aa":3,"b":4, "é":1, "":0}"#,
            r#"{"": 0, "a": 2, "b": 4, "aa": 3, "é": 1}"#,
        ),
        (
            "[1.0E+2, 1.5e-3, -0.0e5, 0e10, 1.20e1, 12e-1,100e-2,0.0e-3, 0e-3,0E2]",
            "[100, 0.0015, 0, 0, 12.0, 1.2, 1.00, 0.0000, 0.000, 0]",
        ),
        ("-0", "0"),
        ("-0.0", "0.0"),
        ("[ ]", "[]"),
        (" { } ", "{}"),
        ("null", "null"),
        (
            r#""\u00e9\ud83d\ude00\/\b\f\n\r\t\u001f\u007f\\\"""#,
            "\"é😀/\\b\\f\\n\\r\\t\\u001f\u{7f}\\\\\\\"\"",
        ),
        (
            r#"[[true,false],{"k":[{}]}]"#,
            r#"[[true, false], {"k": [{}]}]"#,
        ),
        (
            "123456789012345678901234567890.123456789012345678901234567890",
            "123456789012345678901234567890.123456789012345678901234567890",
        ),
    ] {
        assert_eq!(canonical_jsonb(text).as_deref(), Ok(printed), "{text}");
    }
}

#[test]
fn what_postgres_refuses_is_refused() {
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{'a':1}",
        "{a:1}",
        "NaN",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "\"\t\"",
        "\"\\x\"",
        "\"abc",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\u12\"",
        "tru",
        "1 2",
        "[1 2]",
        "{\"a\" 1}",
        "1a",
        "-",
        "nulls",
        "\"\\",
    ] {
        assert_eq!(
            canonical_jsonb(text).map_err(|misfit| misfit.code),
            Err("bad_value"),
            "{text}"
        );
    }
    assert_eq!(
        canonical_jsonb("\"\\u0000\"").map_err(|misfit| misfit.code),
        Err("nul_byte")
    );
    assert_eq!(
        canonical_jsonb("1e200000").map_err(|misfit| misfit.code),
        Err("out_of_range")
    );
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(canonical_jsonb(&nested(512)).is_ok());
    assert!(canonical_jsonb(&nested(513)).is_err());
}

#[test]
fn plain_json_keeps_what_jsonb_cannot() {
    assert!(check_json("{\"a\": \"\\u0000 \\ud800\"}").is_ok());
    assert!(check_json("{\"a\": }").is_err());
    assert!(check_json("1e999999").is_ok());
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        "[^\\x00]{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::vec(("[^\\x00]{0,6}", inner), 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_is_its_own_canonical_text_and_means_the_same(value in any_json()) {
        let printed = canonical_jsonb(&value.to_string()).expect("serde writes JSON");
        let again = canonical_jsonb(&printed);
        prop_assert_eq!(again.as_ref(), Ok(&printed));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).expect("JSON"), value);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"\\\\u0-9a-f.eE+ -]{0,40}") {
        if let Ok(printed) = canonical_jsonb(&text) {
            prop_assert_eq!(canonical_jsonb(&printed), Ok(printed));
        }
    }
}
