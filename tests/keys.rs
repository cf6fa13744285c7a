//! Keys of every shape: chunks end and begin at them, quarantine names them, ids are made of them.

use std::collections::BTreeSet;

use crate::support::{Engine, Project};

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Migrates rows that are nothing but keys, in chunks of three, kills the run midway, resumes, and
/// compares; every row whose `n` is odd is rejected.
fn migrate(engine: Engine, columns: &[(&str, &str)], keys: &[Vec<String>]) {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let types: Vec<String> = columns
        .iter()
        .map(|(name, kind)| format!("{name} {kind} not null"))
        .collect();
    let rows: Vec<String> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| format!("({}, {n})", key.join(", ")))
        .collect();
    let key: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let copy: Vec<String> = names
        .iter()
        .map(|name| format!("{name}: \"{name}\""))
        .collect();
    let project = Project::between(
        engine,
        &format!(
            "create table old({}, n integer not null, primary key ({})); insert into old values {}",
            types.join(", "),
            names.join(", "),
            rows.join(", ")
        ),
        Engine::Postgres,
        &format!(
            "create table new(id uuid primary key, {}, n integer not null)",
            types.join(", ")
        ),
    );
    project.rule(
        "new",
        &format!(
            "const RULE = #{{ base: \"old\", key: [{}], target: \"new\", copy: #{{ {} }}, stop: #{{ faults: 1000, share: 1.0 }} }};\n\
             fn transform(row) {{\n    if row.n % 2 == 1 {{ reject(\"odd\", \"an odd one\"); }}\n    #{{ n: row.n }}\n}}\n",
            key.join(", "),
            copy.join(", ")
        ),
    );
    let arguments = ["run", "--batch-rows", "3", "--writers", "1"];
    let struck = project.runner_failing("chunk.after_commit:2:kill", &arguments);
    assert_eq!(struck.code, 128 + 9, "{columns:?}\n{struck}");
    project.target.wait_until_alone();
    let output = project.runner(&arguments);
    output.ends_with(3);

    let even = keys.len().div_ceil(2);
    let cells: Vec<String> = names
        .iter()
        .map(|name| format!("cast({name} as text)"))
        .collect();
    let select = |table: &str| {
        format!(
            "select n, {} from {table} where n % 2 = 0 order by n",
            cells.join(", ")
        )
    };
    let written = project.target.rows(&select("new"));
    assert_eq!(written.len(), even, "{columns:?}\n{output}");
    assert_eq!(written, project.source.rows(&select("old")), "{columns:?}");
    let refused: BTreeSet<String> = project
        .target
        .lines("select key from runner.quarantine")
        .into_iter()
        .collect();
    assert_eq!(
        refused.len(),
        keys.len() - even,
        "two keys look the same in quarantine: {refused:?}"
    );
    let ids: BTreeSet<String> = project
        .target
        .lines("select id from new")
        .into_iter()
        .collect();
    assert_eq!(ids.len(), even, "two keys have the same id");

    // Each refused key can be named on a command line.
    for key in refused.iter().take(3) {
        project
            .runner(&["quarantine", "show", "new", key])
            .ends_with(0)
            .prints("odd");
    }
    // Nothing is left to find, and nothing is found twice.
    project
        .runner(&arguments)
        .ends_with(3)
        .tells("already done");
}

const ENGINES: [Engine; 2] = [Engine::Postgres, Engine::Sqlite];

#[test]
fn whole_numbers_with_gaps_and_signs_and_every_change_of_length() {
    let numbers: [i64; 20] = [
        i64::MIN,
        -1_000_000_000_001,
        -10_000,
        -9_999,
        -10,
        -9,
        -1,
        0,
        1,
        8,
        9,
        10,
        11,
        9_998,
        9_999,
        10_000,
        10_001,
        1_000_010_000,
        2_000_010_000,
        i64::MAX,
    ];
    let keys: Vec<Vec<String>> = numbers
        .iter()
        .map(|number| vec![number.to_string()])
        .collect();
    for engine in ENGINES {
        migrate(engine, &[("k", "bigint")], &keys);
    }
}

#[test]
fn texts_with_quotes_backslashes_blanks_and_a_kilobyte_of_emoji() {
    let emoji = "🦷".repeat(256);
    let texts = [
        "'",
        "''",
        "\\",
        "\\\\",
        "\\'",
        "\");--",
        "'); drop table new; --",
        "a",
        "a ",
        "a  ",
        " a",
        "A",
        "ä",
        "a\u{308}",
        "\t",
        "\n",
        "\\N",
        "\\.",
        "%",
        "_",
        "\"",
        "{}",
        "[1]",
        "1",
        "01",
        "1.0",
        "null",
        "NULL",
        "",
        " ",
        &emoji,
        "מפתח",
    ];
    let keys: Vec<Vec<String>> = texts.iter().map(|text| vec![quoted(text)]).collect();
    for engine in ENGINES {
        migrate(engine, &[("k", "text")], &keys);
    }
}

#[test]
fn uuids() {
    let keys: Vec<Vec<String>> = (0..20_u128)
        .map(|n| {
            vec![quoted(
                &uuid::Uuid::from_u128(n << 120 | n << 64 | n).to_string(),
            )]
        })
        .collect();
    migrate(Engine::Postgres, &[("k", "uuid")], &keys);
    migrate(Engine::Sqlite, &[("k", "uuid")], &keys);
}

#[test]
fn composite_keys_that_differ_only_in_where_they_are_cut() {
    let mut keys = Vec::new();
    for (number, text) in [
        (1, "ab"),
        (1, "a"),
        (1, "b"),
        (11, "b"),
        (2, ""),
        (2, "'"),
        (-2, "'"),
        (9, "x"),
        (10, "x"),
        (10, "x "),
        (10, "X"),
        (12, "|"),
        (12, ","),
        (12, "\",\""),
    ] {
        keys.push(vec![number.to_string(), quoted(text)]);
    }
    for engine in ENGINES {
        migrate(engine, &[("a", "integer"), ("b", "text")], &keys);
    }
    let pairs = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc", ""),
        ("", "abc"),
        ("a,b", "c"),
        ("a", "b,c"),
        ("a\"", ",\"b"),
        ("a|b", "c"),
        ("a", "b|c"),
    ];
    let keys: Vec<Vec<String>> = pairs
        .iter()
        .map(|(a, b)| vec![quoted(a), quoted(b)])
        .collect();
    for engine in ENGINES {
        migrate(engine, &[("a", "text"), ("b", "text")], &keys);
    }
}
