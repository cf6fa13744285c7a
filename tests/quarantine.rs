//! Deciding: rows are accepted as missing with a reason, taken back, exported; and an acceptance does not
//! outlive what was accepted.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Engine, Project, quarantine_dump};

const NOTE: &str = "the owner said so on the phone, 3 May";
const ACCEPT: &[&str] = &[
    "quarantine",
    "accept",
    "people",
    "--reason",
    "no_name",
    "--note",
    NOTE,
];
const REVOKE: &[&str] = &[
    "quarantine",
    "accept",
    "people",
    "--reason",
    "no_name",
    "--revoke",
];

/// open and accepted, as `status --json` counts them
fn standing(project: &Project) -> (i64, i64) {
    let status = project.status("people");
    let number = |name: &str| status[name].as_i64().unwrap();
    (number("undecided"), number("accepted"))
}

#[test]
fn accepting_decides_and_revoking_opens_again() {
    let project = Project::people();
    // not one may be missing: the expectation is missed until all that are missing are accepted
    project.edit("rules/people.rhai", "min_success: 0.9", "min_success: 1.0");
    project.runner(&["run"]).ends_with(3);
    assert_eq!(standing(&project), (4, 0));

    let some = [
        "quarantine",
        "accept",
        "rules/people.rhai",
        "--reason",
        "no_name",
        "--key",
        "15",
        "45",
        "--note",
        NOTE,
    ];
    project.runner(&some).ends_with(0).prints("2 rows");
    assert_eq!(standing(&project), (2, 2));
    project.runner(&["run"]).ends_with(3);
    project.runner(&["exec", "people"]).ends_with(3);

    let all = project.runner(ACCEPT).ends_with(0).clone();
    all.prints("0 rows to decide, 4 accepted");
    assert_eq!(standing(&project), (0, 4));
    project.runner(&["run"]).ends_with(0);
    project.runner(&["exec", "people"]).ends_with(0);
    project
        .runner(ACCEPT)
        .ends_with(0)
        .prints("nothing changed");
    // Who, when, why; and nothing else of the account has moved.
    let kept = "select count(*) from runner.accepted where rule = 'people' and code = 'no_name' and who <> '' \
                and at > now() - interval '1 hour' and revoked_at is null and note = ";
    assert_eq!(project.target.count(&format!("{kept}'{NOTE}'")), 4);
    assert_eq!(project.status("people")["rejected"], 4);
    project
        .runner(&["quarantine", "list"])
        .ends_with(0)
        .prints("accepted");
    project
        .runner(&["quarantine", "show", "people", "15"])
        .ends_with(0)
        .prints(NOTE);

    let mut one = REVOKE.to_vec();
    one.extend(["--key", "45"]);
    project.runner(&one).ends_with(0);
    assert_eq!(standing(&project), (1, 3));
    project.runner(&["run"]).ends_with(3);
    project.runner(REVOKE).ends_with(0);
    assert_eq!(standing(&project), (4, 0));
    project.runner(&["run"]).ends_with(3);
    project.runner(REVOKE).ends_with(1).says("is accepted");
    assert_eq!(
        project
            .target
            .count("select count(*) from runner.accepted where revoked_at is null"),
        0
    );
}

#[test]
fn what_is_not_there_cannot_be_decided_on() {
    let project = Project::people();
    project.runner(ACCEPT).ends_with(1);
    project.runner(&["run"]).ends_with(3);
    let accept = |rule: &'static str, more: &[&'static str]| {
        let mut arguments = vec!["quarantine", "accept", rule];
        arguments.extend(more);
        project.runner(&arguments)
    };
    let note = ["--note", "why"];
    accept("peple", &["--reason", "no_name", note[0], note[1]])
        .ends_with(1)
        .says("did you mean `people`?");
    accept("people", &["--reason", "no_nam", note[0], note[1]])
        .ends_with(1)
        .says("no_name (4 open, 0 accepted)");
    accept(
        "people",
        &["--reason", "no_name", "--key", "15", "16", note[0], note[1]],
    )
    .ends_with(1)
    .says("16 (not in quarantine)");
    // a decision without a reason is none
    accept("people", &["--reason", "no_name"]).ends_with(2);
    accept("people", &["--reason", "no_name", "--note", "  "]).ends_with(2);
    accept("people", note.as_slice()).ends_with(2);
    assert_eq!(standing(&project), (4, 0), "nothing was changed");
}

#[test]
fn nothing_is_decided_while_a_run_is_active() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let mut run = project.target.session();
    run.exec(&format!(
        "select pg_advisory_lock({})",
        0x7275_6e6e_6572_i64
    ));
    project
        .runner(ACCEPT)
        .ends_with(1)
        .says("another run is active");
    assert_eq!(standing(&project), (4, 0));
}

#[test]
fn an_acceptance_holds_while_rule_and_row_are_what_they_were() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let (source, target) = (
            "create table shop(id integer primary key, name text, town text);
             insert into shop values (1, 'One', 'Bern'), (2, null, 'Basel'), (3, null, 'Chur')",
            "create table shops(id uuid primary key, legacy_shop_id integer unique, name text, town text)",
        );
        let project = Project::between(engine, source, engine, target);
        project.rule(
            "people",
            r#"const RULE = #{
    base: "shop", key: "id", target: "shops", legacy: "legacy_shop_id", stop: #{ faults: 10, share: 1.0 },
};
fn transform(row) {
    if row.name == () { reject("no_name", "a shop has a name"); }
    #{ name: row.name, town: row.town }
}
"#,
        );
        project.runner(&["run"]).ends_with(3);
        project.runner(ACCEPT).ends_with(0);
        project.runner(&["run"]).ends_with(0);
        // The same rows, judged again by the same rule.
        project.runner(&["run", "--restart"]).ends_with(0);
        assert_eq!(standing(&project), (0, 2), "{engine:?}");
        // A comment decides nothing.
        let text = project.read("rules/people.rhai");
        project.rule("people", &format!("// shops\n{text}"));
        project.runner(&["run", "--restart"]).ends_with(0);
        // The row changed: it is another row that was accepted.
        project
            .source
            .exec("update shop set town = 'Biel' where id = 3");
        project.runner(&["run", "--restart"]).ends_with(3);
        assert_eq!(standing(&project), (1, 1), "{engine:?}");
        project.runner(ACCEPT).ends_with(0);
        project.runner(&["run"]).ends_with(0);
        // The rule changed: at once, and after it was applied.
        project.edit(
            "rules/people.rhai",
            "a shop has a name",
            "every shop has a name",
        );
        project.runner(&["run"]).ends_with(3).tells("--restart");
        assert_eq!(standing(&project), (2, 0), "{engine:?}");
        project.runner(&["run", "--restart"]).ends_with(3);
        assert_eq!(standing(&project), (2, 0), "{engine:?}");
        // Mended rows need no decision any more.
        project.runner(ACCEPT).ends_with(0);
        project
            .source
            .exec("update shop set name = 'Named' where id = 2");
        project.runner(&["run", "--restart"]).ends_with(0);
        assert_eq!(standing(&project), (0, 1), "{engine:?}");
    }
}

/// Texts that break careless files and dangerous spreadsheets.
const HOSTILE: &[&str] = &[
    "=1+1",
    "+1",
    "-1",
    "@sum(a1)",
    "\tx",
    "\rx",
    "a \"quoted\", text",
    "line\r\nline\nline",
    "",
    " blanks ",
    "\u{1f600}\u{5d0}e\u{301}",
    "\\. \\N",
    "null",
    "'already",
];

fn hostile(engine: Engine) -> Project {
    let values: Vec<String> = HOSTILE
        .iter()
        .enumerate()
        .map(|(n, text)| format!("({n}, '{}', null)", text.replace('\'', "''")))
        .collect();
    let project = Project::between(
        engine,
        &format!(
            "create table t(id integer primary key, text text, none text); insert into t values {}",
            values.join(",")
        ),
        engine,
        "create table ts(id uuid primary key, legacy_id integer unique)",
    );
    project.rule(
        "people",
        r#"const RULE = #{ base: "t", key: "id", target: "ts", legacy: "legacy_id", stop: #{ faults: 1, share: 1.0 } };
fn transform(row) {
    if row.none == () { reject("no_name", "=cmd|' /C calc'!A0 " + row.text); }
    #{}
}
"#,
    );
    project.runner(&["run"]).ends_with(3);
    project
}

#[test]
fn an_export_as_json_lines_is_exact_and_for_one_pair_of_eyes() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = hostile(engine);
        let printed = project
            .runner(&["quarantine", "export", "people"])
            .ends_with(0)
            .stdout
            .clone();
        let mut texts = vec![String::new(); HOSTILE.len()];
        for line in printed.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&row["rule"], &row["code"]),
                (&"people".into(), &"no_name".into())
            );
            let key: usize = row["key"].as_str().unwrap().parse().unwrap();
            assert_eq!(row["data"]["none"], serde_json::Value::Null);
            row["data"]["text"]
                .as_str()
                .unwrap()
                .clone_into(&mut texts[key]);
        }
        assert_eq!(texts, HOSTILE, "{engine:?}");

        project.write("rows.jsonl", "of an earlier export");
        let output = project.runner(&["quarantine", "export", "-o", "rows.jsonl"]);
        output.ends_with(0).prints("14 rows").never_says("=1+1");
        assert_eq!(project.read("rows.jsonl"), printed);
        let mode = project
            .path("rows.jsonl")
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let left = std::fs::read_dir(project.path(".")).unwrap();
        let partial =
            left.filter(|f| f.as_ref().unwrap().path().extension() == Some("part".as_ref()));
        assert_eq!(partial.count(), 0);

        let document = project.runner(&["quarantine", "export", "--json"]).json();
        assert_eq!(document["rows"].as_array().unwrap().len(), HOSTILE.len());
        project
            .runner(&["quarantine", "export", "nobody"])
            .ends_with(1);
    }
}

#[test]
fn an_export_as_csv_has_no_formula_and_reads_back() {
    let project = hostile(Engine::Postgres);
    project
        .runner(&["quarantine", "export", "-o", "rows.csv"])
        .ends_with(0);
    let text = project.read("rows.csv");
    let printed = project.runner(&["quarantine", "export", "--format", "csv"]);
    assert_eq!(printed.ends_with(0).stdout, text);
    let table = parsed(&text);
    let column = |name: &str| table[0].iter().position(|head| head == name).unwrap();
    let (key, value, message) = (column("key"), column("data.text"), column("message"));
    assert_eq!(table.len(), HOSTILE.len() + 1);
    for row in &table[1..] {
        let original = HOSTILE[row[key].parse::<usize>().unwrap()];
        let dangerous = original.starts_with(['=', '+', '-', '@', '\t', '\r']);
        let quote = if dangerous { "'" } else { "" };
        assert_eq!(row[value], format!("{quote}{original}"));
        assert!(row[message].starts_with("'=cmd"), "{}", row[message]);
        assert!(
            row.iter()
                .all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r']))
        );
    }
}

/// RFC 4180, read by the book.
fn parsed(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (vec![], vec![], String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ => cell.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty());
    rows
}

#[test]
fn accepting_writes_nothing_but_the_decision() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let before = quarantine_dump(&project.target);
    let last = project.runner(&["status", "--json"]).json()["run"].clone();
    project.runner(ACCEPT).ends_with(0);
    assert_eq!(quarantine_dump(&project.target), before);
    assert_eq!(
        project.runner(&["status", "--json"]).json()["run"],
        last,
        "it is no run"
    );
}

#[test]
fn a_trial_leaves_open_and_accepted_rows_as_they_are() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let mut accept = ACCEPT.to_vec();
    accept.extend(["--key", "45"]);
    project.runner(&accept).ends_with(0);
    for key in ["15", "45"] {
        project
            .runner(&["exec", "people", "--row", key])
            .ends_with(3);
    }
    assert_eq!(standing(&project), (3, 1));
    // Nor does a trial that writes the row decide anything: the table's account does not know of it.
    project
        .source
        .exec("update person set name = 'Named' where id = 75");
    project
        .runner(&["exec", "people", "--row", "75"])
        .ends_with(3);
    assert_eq!(standing(&project), (3, 1));
    project.runner(&["run", "--restart"]).ends_with(3);
    assert_eq!(standing(&project), (2, 1));
}
