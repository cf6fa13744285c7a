//! Promise 5: a value is carried exactly, or its row is in quarantine with the reason. Through the copy
//! path, which never looks at a value, and through the script path, which turns it into a script's own.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Db, Engine, Project};

mod edges;

/// How a column travels.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Path {
    Copy,
    Script,
}

/// A type of the user's own.
const MOOD: &str = "create type mood as enum ('sad', 'ok', 'very \"happy\"')";

/// A migration of one table whose columns have the same types on both sides.
fn project(columns: &[(&str, &str)], path: Path, from: Engine, to: Engine) -> Project {
    let types = |engine| if engine == Engine::Postgres { MOOD } else { "" };
    let project = Project::between(from, types(from), to, types(to));
    add_table(&project, "", columns, path);
    project
}

/// Adds the tables `old…` and `new…` and the rule between them.
fn add_table(project: &Project, suffix: &str, columns: &[(&str, &str)], path: Path) {
    let list: Vec<String> = columns
        .iter()
        .map(|(name, kind)| format!("{name} {kind}"))
        .collect();
    let list = list.join(", ");
    project.source.exec(&format!(
        "create table old{suffix}(id integer primary key, {list})"
    ));
    project.target.exec(&format!(
        "create table new{suffix}(id uuid primary key, legacy_id integer unique not null, {list})"
    ));
    let names = columns.iter().map(|(name, _)| *name);
    let (copy, map): (Vec<String>, Vec<String>) = match path {
        Path::Copy => (
            names.map(|name| format!("{name}: \"{name}\"")).collect(),
            vec![],
        ),
        Path::Script => (
            vec![],
            names.map(|name| format!("{name}: row.{name}")).collect(),
        ),
    };
    project.rule(
        &format!("new{suffix}"),
        &format!(
            "//! The same again.\n\nconst RULE = #{{\n    base: \"old{suffix}\", key: \"id\", target: \"new{suffix}\", legacy: \"legacy_id\",\n    \
             copy: #{{ {} }},\n    stop: #{{ faults: 100000, share: 1.0 }},\n}};\n\nfn transform(row) {{\n    #{{ {} }}\n}}\n",
            copy.join(", "),
            map.join(", ")
        ),
    );
}

/// Each source row is in the target with the same text in every column, or in quarantine with a code.
/// Returns how many were written and how many refused, by code.
#[track_caller]
fn assert_carried(
    project: &Project,
    suffix: &str,
    columns: &[(&str, &str)],
) -> (usize, BTreeMap<String, usize>) {
    let texts: Vec<String> = columns
        .iter()
        .map(|(name, _)| format!("cast({name} as text)"))
        .collect();
    let rows = |db: &Db, key: &str, table: &str| -> BTreeMap<String, Vec<Option<String>>> {
        let rows = db.rows(&format!(
            "select cast({key} as text), {} from {table}",
            texts.join(", ")
        ));
        rows.into_iter()
            .map(|mut row| (row.remove(0).unwrap(), row))
            .collect()
    };
    let source = rows(&project.source, "id", &format!("old{suffix}"));
    let target = rows(&project.target, "legacy_id", &format!("new{suffix}"));
    let quarantine = project.target.table("runner.quarantine");
    let refused: BTreeMap<String, String> = project
        .target
        .rows(&format!(
            "select cast(key as text), code from {quarantine} where rule = 'new{suffix}'"
        ))
        .into_iter()
        .map(|row| (row[0].clone().unwrap(), row[1].clone().unwrap()))
        .collect();
    let mut codes = BTreeMap::new();
    for (key, cells) in &source {
        match (target.get(key), refused.get(key)) {
            (Some(new), None) => {
                for ((name, kind), (old, new)) in columns.iter().zip(cells.iter().zip(new)) {
                    assert_eq!(old, new, "row {key}, column {name} {kind}");
                }
            }
            (None, Some(code)) => {
                assert!(!code.is_empty(), "row {key} is refused without a code");
                *codes.entry(code.clone()).or_default() += 1;
            }
            (None, None) => panic!("row {key} is nowhere: {cells:?}"),
            (Some(_), Some(code)) => panic!("row {key} is written and refused as {code}"),
        }
    }
    assert_eq!(
        target.len() + refused.len(),
        source.len(),
        "rows from nowhere"
    );
    (target.len(), codes)
}

/// A text as a literal of either engine.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Everything that has ever broken a copy of text.
const HORRORS: &[&str] = &[
    "",
    " ",
    "  trailing  ",
    "\\.",
    "\\N",
    "\\n",
    "\\",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "\r",
    "\n",
    "NULL",
    "null",
    "'",
    "\"",
    "''",
    "\");--",
    "'; drop table new; --",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\u{1b}[31mred\u{1b}[0m",
    "مرحبا بالعالم",
    "שלום",
    "e\u{301}",
    "é",
    "👩‍👩‍👧‍👦",
    "🦷",
    "\u{feff}bom",
    "\u{200b}",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{10ffff}",
    "{\"a\": 1}",
    "${row}",
    "`x`",
    "0012",
    "1e5",
    "ﬀ",
    "İ",
    "\\\\.",
    "\\x41",
    "a\\",
    "\u{0b}\u{0c}",
];

fn horror() -> impl Strategy<Value = String> {
    let fixed = proptest::sample::select(HORRORS).prop_map(str::to_owned);
    let any = proptest::collection::vec(
        any::<char>().prop_filter("PostgreSQL has no NUL", |letter| *letter != '\0'),
        0..40,
    )
    .prop_map(|letters| letters.into_iter().collect::<String>());
    let mixed = proptest::collection::vec(proptest::sample::select(HORRORS), 1..5)
        .prop_map(|parts| parts.concat());
    prop_oneof![3 => fixed, 2 => any, 2 => mixed]
}

/// Random cases from a fixed seed: a failure here is a failure everywhere.
fn runner(cases: u32) -> TestRunner {
    let cases = std::env::var("PROPTEST_CASES")
        .map_or(cases, |text| text.parse::<u32>().unwrap() / 10 + cases);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 30,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]))
}

fn insert(db: &Db, table: &str, rows: &[Vec<String>]) {
    let lines: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(index, cells)| format!("({index}, {})", cells.join(", ")))
        .collect();
    for some in lines.chunks(400) {
        db.exec(&format!("insert into {table} values {}", some.join(",\n")));
    }
}

/// Fills, runs and compares, over and over in the same databases.
fn check_random(
    columns: &[(&str, &str)],
    path: Path,
    engines: (Engine, Engine),
    row: BoxedStrategy<Vec<String>>,
    cases: u32,
) -> usize {
    let written = std::cell::Cell::new(0);
    runner(cases)
        .run(&proptest::collection::vec(row, 1..60), |rows| {
            let project = project(columns, path, engines.0, engines.1);
            insert(&project.source, "old", &rows);
            let output = project.runner(&["run", "--batch-rows", "17"]);
            prop_assert!([0, 3].contains(&output.code), "{}", output);
            written.set(written.get() + assert_carried(&project, "", columns).0);
            Ok(())
        })
        .unwrap();
    written.get()
}

fn text_row() -> BoxedStrategy<Vec<String>> {
    let cell =
        prop_oneof![1 => Just("NULL".to_owned()), 6 => horror().prop_map(|text| quoted(&text))];
    proptest::collection::vec(cell, 2..=2).boxed()
}

const ENGINES: &[(Engine, Engine)] = &[
    (Engine::Postgres, Engine::Postgres),
    (Engine::Sqlite, Engine::Sqlite),
    (Engine::Sqlite, Engine::Postgres),
    (Engine::Postgres, Engine::Sqlite),
];

#[test]
fn text_of_every_kind_is_carried_by_copy() {
    for engines in ENGINES {
        assert!(
            check_random(
                &[("a", "text"), ("b", "text")],
                Path::Copy,
                *engines,
                text_row(),
                6
            ) > 0
        );
    }
}

#[test]
fn text_of_every_kind_is_carried_through_a_script() {
    for engines in ENGINES {
        assert!(
            check_random(
                &[("a", "text"), ("b", "text")],
                Path::Script,
                *engines,
                text_row(),
                6
            ) > 0
        );
    }
}

/// Digits, a point somewhere or nowhere, a sign: up to 40 digits.
fn number() -> impl Strategy<Value = String> {
    ("-?[1-9][0-9]{0,39}", 0_usize..=40).prop_map(|(digits, places)| {
        let (sign, digits) = digits
            .strip_prefix('-')
            .map_or(("", digits.as_str()), |rest| ("-", rest));
        if places == 0 {
            return format!("{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = places + 1);
        let (whole, part) = padded.split_at(padded.len() - places);
        format!("{sign}{whole}.{part}")
    })
}

#[test]
fn numbers_of_forty_digits_are_carried_or_refused_never_rounded() {
    let columns = [("a", "numeric"), ("b", "numeric(30,10)")];
    let small =
        "-?[0-9]{1,20}\\.[0-9]{0,10}".prop_map(|text| text.trim_end_matches('.').to_owned());
    let row = (number(), small).prop_map(|(a, b)| vec![a, b]).boxed();
    let pair = (Engine::Postgres, Engine::Postgres);
    assert!(check_random(&columns, Path::Copy, pair, row.clone(), 8) > 100);
    assert!(check_random(&columns, Path::Script, pair, row, 8) > 0);
}

#[test]
fn a_number_that_does_not_fit_is_refused_by_name() {
    let project = Project::pg(
        "create table old(id integer primary key, a numeric);
         insert into old values (1, 12.34), (2, 12.345), (3, 12.340), (4, 'NaN'), (5, 99999999999), (6, 0.1234567890123456789012345678901234567891),
            (7, '-Infinity'), (8, -9999999999.99), (9, null)",
        "create table new(id uuid primary key, legacy_id integer unique not null, a numeric(12,2))",
    );
    let rule = |body: &str| {
        format!(
            "const RULE = #{{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", {body}\n"
        )
    };
    for body in [
        "copy: #{ a: \"a\" } };\nfn transform(row) { #{} }",
        "};\nfn transform(row) { #{ a: row.a } }",
    ] {
        project.rule("new", &rule(body));
        project.runner(&["run", "--restart"]).ends_with(3);
        let rows = project
            .target
            .lines("select legacy_id, a from new order by 1");
        assert_eq!(
            rows,
            ["1|12.34", "3|12.34", "8|-9999999999.99", "9|NULL"],
            "{body}"
        );
        let refused = project
            .target
            .lines("select key from runner.quarantine order by 1");
        assert_eq!(refused, ["2", "4", "5", "6", "7"], "{body}");
    }
}

#[test]
fn not_a_number_and_the_infinities_are_refused_by_any_numeric_column() {
    for path in [Path::Copy, Path::Script] {
        let columns = [("a", "numeric")];
        let project = project(&columns, path, Engine::Postgres, Engine::Postgres);
        let values = ["'NaN'", "'Infinity'", "'-Infinity'", "1.5", "null"];
        let rows: Vec<Vec<String>> = values
            .iter()
            .map(|value| vec![(*value).to_owned()])
            .collect();
        insert(&project.source, "old", &rows);
        project.runner(&["run"]).ends_with(3);
        let (written, refused) = assert_carried(&project, "", &columns);
        assert_eq!(
            (written, refused.values().sum::<usize>()),
            (2, 3),
            "{path:?}: {refused:?}"
        );
    }
}
