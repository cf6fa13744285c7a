use super::*;
use crate::value::literal;

/// Values that strain each type.
fn samples(logical: &Logical) -> &'static [&'static str] {
    use Logical as L;
    match logical {
        L::Bool => &["t", "f"],
        L::Int2 => &["-32768", "0", "32767"],
        L::Int4 => &["-2147483648", "2147483647", "1000000"],
        L::Int8 => &[
            "-9223372036854775808",
            "9223372036854775807",
            "1000000000000000",
        ],
        L::Numeric(None) => &[
            "0.00",
            "1000",
            "-1.10",
            "0.1234567890123456789012345678901234567890",
        ],
        L::Numeric(_) => &["-9999999999.99", "0.00", "0.10"],
        L::Float4 | L::Float8 => &["0.1", "1e+20", "-0", "NaN", "-Infinity"],
        L::Text(_) => &["", "\\N", "\\.", "ä😀", "a  "],
        L::Char(_) => &["a  ", "abc", "   "],
        L::Bytes => &["\\x", "\\x00ff"],
        L::Date => &["0044-03-15 BC", "infinity", "5874897-12-31"],
        L::Time => &["24:00:00", "00:00:00.000001"],
        L::TimeTz => &["24:00:00-15:59:59", "12:34:56.7+05:30"],
        L::Timestamp => &[
            "-infinity",
            "4714-11-24 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
        ],
        L::TimestampTz => &["infinity", "0001-01-01 00:00:00+00"],
        L::Interval => &["1 year 2 mons -3 days +04:05:06.7"],
        L::Uuid => &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
        L::Json => &["{\"b\":1, \"b\":2}", "[1.10]"],
        L::Jsonb => &["{\"b\": 2}", "null"],
        L::Enum(..) => &["open", "shut"],
        L::Array(element) if **element == L::Text(None) => {
            &["{}", "{\"a b\",NULL,\"\"}", "{{a,b},{c,d}}"]
        }
        L::Array(_) => &["{}", "{1,NULL}"],
        L::Other(name) if name.starts_with("timestamp") => &["2024-01-01 00:00:00.123", "infinity"],
        L::Other(_) => &["10.0.0.1"],
        L::Untyped => &["1", "x", "7.5", "\\xab", "2024-01-01"],
    }
}

#[test]
fn every_pair_is_decided_and_copy_means_identity() {
    for source in &kinds() {
        for target in &kinds() {
            match pair(source, target, Some(ZONE)) {
                Pair::Copy => {
                    for text in samples(source) {
                        assert_eq!(
                            literal::read(text, target).as_deref(),
                            Ok(*text),
                            "{source} to {target}"
                        );
                    }
                }
                Pair::Convert(conversion) => {
                    assert!(!conversion.name().is_empty());
                    for text in samples(source) {
                        let mut out = Vec::new();
                        if let Err(misfit) = conversion.apply(text, &mut out) {
                            assert!(
                                !misfit.why.contains(text) || text.len() < 3,
                                "{source} to {target}: {misfit}"
                            );
                            continue;
                        }
                        let printed = String::from_utf8(out).expect("UTF-8");
                        if !matches!(target, Logical::Float4 | Logical::Float8) {
                            assert_eq!(
                                literal::read(&printed, target).as_deref(),
                                Ok(printed.as_str()),
                                "{source} to {target}"
                            );
                        }
                    }
                }
                Pair::Refuse(why) => assert!(why.contains(": "), "{why}"),
            }
        }
    }
}

fn decision(source: &str, target: &str) -> String {
    let found = pair_table()
        .into_iter()
        .find(|(from, to, _)| from == source && to == target);
    found.expect("both are in the table").2
}

#[test]
fn decisions_that_must_not_change() {
    for (source, target, expected) in [
        ("integer", "bigint", "copy"),
        ("bigint", "integer", "check that it is within integer"),
        ("numeric(12,2)", "numeric(12,2)", "check that it is finite"),
        ("numeric(12,2)", "numeric(14,2)", "check that it is finite"),
        (
            "numeric(14,2)",
            "numeric(12,2)",
            "check digits and places, pad with zeros",
        ),
        (
            "numeric",
            "numeric(12,2)",
            "check digits and places, pad with zeros",
        ),
        ("character varying(50)", "text", "copy"),
        (
            "text",
            "character varying(50)",
            "check that it fits character varying(50)",
        ),
        ("uuid", "text", "copy"),
        ("json", "jsonb", "canonical jsonb"),
        ("jsonb", "jsonb", "copy"),
        (
            "timestamp without time zone",
            "timestamp with time zone",
            "local time in the rule's `zone`",
        ),
        ("inet", "inet", "copy"),
        ("integer[]", "text[]", "copy"),
        ("text", "status (an enum)", "check labels"),
    ] {
        assert_eq!(decision(source, target), expected, "{source} to {target}");
    }
    for (source, target) in [
        ("boolean", "text"),
        ("timestamp without time zone", "text"),
        ("text", "integer"),
        ("text", "date"),
        ("text", "boolean"),
        ("timestamp with time zone", "date"),
        ("timestamp without time zone", "date"),
        ("timestamp with time zone", "timestamp without time zone"),
        ("double precision", "numeric"),
        ("numeric", "double precision"),
        ("integer", "boolean"),
        ("inet", "text"),
        ("text", "inet"),
        ("text[]", "integer[]"),
        ("integer[]", "jsonb"),
        ("bytea", "text"),
        ("integer", "untyped"),
        ("text", "jsonb"),
    ] {
        assert!(
            decision(source, target).starts_with("refused: "),
            "{source} to {target}"
        );
    }
    assert!(
        matches!(pair(&Logical::Timestamp, &Logical::TimestampTz, None), Pair::Refuse(why) if why.contains("`zone`"))
    );
    assert!(
        matches!(pair(&Logical::Timestamp, &Logical::TimestampTz, Some("Mars/Olympus")), Pair::Refuse(why) if why.contains("no time zone"))
    );
    assert!(decision("timestamp with time zone", "date").contains("date_in(ts, zone)"));
}

#[test]
fn enums_are_compared_by_their_labels() {
    let of = |name: &str, labels: &[&str]| {
        Logical::Enum(
            name.into(),
            labels.iter().map(|label| (*label).to_owned()).collect(),
        )
    };
    assert!(matches!(
        pair(&of("a", &["x"]), &of("a", &["y", "x"]), None),
        Pair::Copy
    ));
    let Pair::Convert(check) = pair(&of("a", &["x", "z"]), &of("a", &["y", "x"]), None) else {
        panic!("a label is missing in the target");
    };
    assert!(check.apply("x", &mut Vec::new()).is_ok());
    assert_eq!(
        check
            .apply("z", &mut Vec::new())
            .map_err(|misfit| misfit.code),
        Err("not_a_label")
    );
}

#[test]
fn the_documents_tell_the_truth() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/types.md");
    let page = types_markdown();
    if std::fs::read_to_string(path).ok().as_deref() != Some(&page) {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs"))
            .expect("docs can be made");
        std::fs::write(path, &page).expect("docs can be written");
        panic!(
            "docs/types.md was out of date and has been written again: look at it and commit it"
        );
    }
}

#[test]
fn char_columns_of_other_lengths_are_filled_again() {
    use Logical::{Char, Text};
    let converted = |source: Logical, target: Logical, text: &str| {
        let Pair::Convert(conversion) = pair(&source, &target, None) else {
            panic!("{source} to {target} needs a check");
        };
        let mut out = Vec::new();
        let done = conversion.apply(text, &mut out);
        done.map(|()| String::from_utf8_lossy(&out).into_owned())
            .map_err(|misfit| misfit.code)
    };
    assert_eq!(converted(Char(3), Char(5), "a  ").as_deref(), Ok("a    "));
    assert_eq!(converted(Char(5), Char(3), "a    ").as_deref(), Ok("a  "));
    assert_eq!(converted(Char(5), Char(3), "abcd "), Err("too_long"));
    assert_eq!(converted(Text(None), Char(3), "a "), Err("bad_value"));
    assert_eq!(converted(Text(None), Char(3), "ab").as_deref(), Ok("ab "));
}
