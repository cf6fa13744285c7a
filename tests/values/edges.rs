//! Every Postgres type, with NULL and the values at its edges.

use super::{MOOD, Path, add_table, assert_carried, insert, project};
use crate::support::{Engine, Project};

/// A type, and values at its edges as literals.
const EDGES: &[(&str, &[&str])] = &[
    ("smallint", &["-32768", "32767", "0"]),
    ("integer", &["-2147483648", "2147483647", "-1"]),
    (
        "bigint",
        &["-9223372036854775808", "9223372036854775807", "10000"],
    ),
    (
        "numeric",
        &[
            "0.000",
            "-0.0",
            "1e100",
            "1234567890123456789012345678901234567890.5",
        ],
    ),
    ("numeric(12,2)", &["0", "-9999999999.99", "9999999999.99"]),
    (
        "real",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "0.1",
            "-0.0",
            "3.4028235e38",
            "1e-45",
        ],
    ),
    (
        "double precision",
        &[
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "0.1",
            "-0.0",
            "1.7976931348623157e308",
            "5e-324",
        ],
    ),
    ("boolean", &["true", "false"]),
    ("text", &["''", "'NULL'", "E'\\\\N'"]),
    ("varchar(5)", &["''", "'12345'", "'🦷🦷🦷🦷🦷'"]),
    ("char(3)", &["''", "'a'", "'abc'"]),
    ("bytea", &["''", "'\\x00ff'", "'\\x5c4e'"]),
    (
        "date",
        &[
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 BC'",
            "'0001-01-01'",
            "'5874897-12-31'",
            "'2024-02-29'",
        ],
    ),
    (
        "timestamp",
        &[
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 00:00 BC'",
            "'0001-01-01 00:00:00.000001'",
            "'294276-12-31 23:59:59.999999'",
        ],
    ),
    (
        "timestamptz",
        &[
            "'infinity'",
            "'-infinity'",
            "'4713-01-01 00:00+00 BC'",
            "'2024-03-31 02:30+00'",
            "'294276-12-31 23:59:59.999999+00'",
        ],
    ),
    ("time", &["'00:00'", "'24:00'", "'23:59:59.999999'"]),
    ("timetz", &["'00:00+15:59'", "'24:00-15:59'"]),
    (
        "interval",
        &[
            "'0'",
            "'-178000000 years'",
            "'178000000 years'",
            "'1 mon -1 day +00:00:00.000001'",
        ],
    ),
    (
        "uuid",
        &[
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
        ],
    ),
    (
        "json",
        &[
            "'{}'",
            "'{\"b\":1,  \"a\":1.10, \"a\":2}'",
            "'null'",
            "'\"\\u0000\"'",
        ],
    ),
    (
        "jsonb",
        &[
            "'{}'",
            "'{\"bb\":1, \"a\":1.10, \"c\":[1e400, null]}'",
            "'null'",
            "'12345678901234567890.123'",
        ],
    ),
    (
        "text[]",
        &[
            "'{}'",
            "'{NULL,\"NULL\",\"\",\"a,b\",\"\\\\\\\\\",\"\\\"\"}'",
            "'[0:1]={a,b}'",
        ],
    ),
    ("integer[]", &["'{}'", "'{{1,2},{3,NULL}}'"]),
    ("inet", &["'0.0.0.0/0'", "'::1'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("bit(3)", &["B'000'", "B'101'"]),
    ("bit varying", &["B''", "B'1'"]),
    ("point", &["'(1.5,-2)'"]),
    ("int4range", &["'empty'", "'[1,5)'", "'(,)'"]),
    ("tstzrange", &["'empty'", "'[-infinity,infinity]'"]),
    ("tsvector", &["''", "'a:1A fat:2B,4C'"]),
    ("xml", &["'<a>&lt;</a>'"]),
    ("mood", &["'sad'", "'very \"happy\"'"]),
    ("\"char\"", &["'a'", "''"]),
    ("name", &["'pg_class'"]),
    ("oid", &["0", "4294967295"]),
];

/// One column per type; each row holds one edge in every column, the first one NULL everywhere.
fn edges() -> (Vec<(String, &'static str)>, Vec<Vec<String>>) {
    let columns = EDGES
        .iter()
        .enumerate()
        .map(|(index, (kind, _))| (format!("c{index}"), *kind))
        .collect();
    let longest = EDGES
        .iter()
        .map(|(_, values)| values.len())
        .max()
        .unwrap_or(0);
    let mut rows = vec![vec!["NULL".to_owned(); EDGES.len()]];
    for index in 0..longest {
        let cell = |(kind, values): &(&str, &[&str])| {
            values.get(index).map_or("NULL".to_owned(), |value| {
                format!("cast({value} as {kind})")
            })
        };
        rows.push(EDGES.iter().map(cell).collect());
    }
    (columns, rows)
}

#[test]
fn every_type_is_copied_with_null_minimum_maximum_nan_infinity_and_empty() {
    let (columns, rows) = edges();
    let columns: Vec<(&str, &str)> = columns
        .iter()
        .map(|(name, kind)| (name.as_str(), *kind))
        .collect();
    let project = project(&columns, Path::Copy, Engine::Postgres, Engine::Postgres);
    insert(&project.source, "old", &rows);
    let output = project.runner(&["run"]);
    let (written, refused) = assert_carried(&project, "", &columns);
    let reasons = project
        .target
        .lines("select key, code, message from runner.quarantine");
    assert_eq!(
        (written, refused.len()),
        (rows.len(), 0),
        "{reasons:#?}\n{output}"
    );
    output.ends_with(0);
}

#[test]
fn every_type_goes_through_a_script_exactly_or_is_refused() {
    let project = Project::pg(MOOD, MOOD);
    for (index, (kind, values)) in EDGES.iter().enumerate() {
        let (suffix, columns) = (format!("_{index}"), [("a", *kind)]);
        add_table(&project, &suffix, &columns, Path::Script);
        let mut rows = vec![vec!["NULL".to_owned()]];
        rows.extend(
            values
                .iter()
                .map(|value| vec![format!("cast({value} as {kind})")]),
        );
        insert(&project.source, &format!("old{suffix}"), &rows);
        let output = project.runner(&["exec", &format!("new{suffix}")]);
        if output.code == 5 {
            // Refused as a whole, by name, before the first row.
            let named = output.stderr.contains("rules/new") && output.stderr.contains("`a`");
            assert!(named, "{kind}\n{output}");
            continue;
        }
        assert!([0, 3].contains(&output.code), "{kind}\n{output}");
        let (written, _) = assert_carried(&project, &suffix, &columns);
        assert!(
            written > 0,
            "{kind}: not even NULL goes through a script\n{output}"
        );
    }
}
