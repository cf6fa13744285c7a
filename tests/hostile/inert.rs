//! Content that is SQL, HTML, a formula, a path, an escape of the terminal or a script of ours: carried as it is,
//! and nothing but text wherever it is shown.

use std::collections::BTreeSet;

use crate::support::{Engine, Project};

/// Each would do something to somebody.
const HOSTILE: &[&str] = &[
    "'; drop table new; --",
    "\"); drop table old cascade; --",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include 'x' %}",
    "=cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}",
    "\u{9b}2J",
    "line\nerror: forged: everything is lost\r\nhint: rm -rf",
    "${row.secret} reject(\"x\", \"y\")",
    "`${1 + 1}` } fn transform(row) { #{} }",
    "../../../../tmp/evil",
    "\u{202e}txt.exe",
    "\\.",
    "\\N",
    "a\tb",
];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The hostile texts are keys and values; half of the rows are rejected with their own text as the reason.
fn project(engine: Engine) -> Project {
    let rows: Vec<String> = HOSTILE
        .iter()
        .enumerate()
        .map(|(at, text)| format!("({0}, {0}, {1})", quoted(text), at % 2))
        .collect();
    let project = Project::between(
        engine,
        &format!(
            "create table old(code text primary key, name text, bad integer); insert into old values {}",
            rows.join(", ")
        ),
        engine,
        "create table new(id uuid primary key, code text unique, name text, twice text)",
    );
    project.rule(
        "new",
        r#"const RULE = #{
    base: "old", key: "code", target: "new", legacy: "code", copy: #{ name: "name" }, public: ["code", "name"],
    stop: #{ faults: 1000, share: 1.0 },
};
fn transform(row) {
    if row.bad == 1 { reject("hostile", "the name is " + row.name); }
    note("seen", row.name);
    #{ twice: row.name }
}
"#,
    );
    project
}

/// A terminal does nothing but show it: no escape, no bell, no turned direction, no line that looks like ours.
fn is_plain(text: &str, what: &str) {
    for evil in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r', '\0'] {
        assert!(!text.contains(evil), "{what} holds {evil:?}:\n{text:?}");
    }
    for line in text.lines() {
        assert!(
            !line.starts_with("error: forged") && !line.starts_with("hint: rm"),
            "{what}: a value made a line of its own:\n{text}"
        );
    }
}

fn files(project: &Project) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut folders = vec![project.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|kind| {
                let kind = kind.to_string_lossy();
                // SQLite's own
                !kind.ends_with("-wal") && !kind.ends_with("-shm")
            }) {
                all.insert(path.display().to_string());
            }
        }
    }
    all
}

#[test]
fn hostile_content_is_carried_as_it_is_and_inert_wherever_it_is_shown() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = project(engine);
        let run = project.runner(&["run", "-v"]);
        run.ends_with(3);
        is_plain(&run.stdout, "run");
        is_plain(&run.stderr, "run");
        let sorted = |mut rows: Vec<Vec<Option<String>>>| {
            rows.sort();
            rows
        };
        assert_eq!(
            sorted(project.target.rows("select code, name, twice from new")),
            sorted(
                project
                    .source
                    .rows("select code, name, name from old where bad = 0")
            )
        );
        // nothing was dropped, added or opened
        assert_eq!(
            project.source.count("select count(*) from old"),
            HOSTILE.len() as i64
        );
        let known = files(&project);
        for command in [
            &["status"][..],
            &["quarantine"],
            &["quarantine", "list"],
            &["verify"],
            &["plan"],
            &["sync", "--dry-run"],
            &["report", "--format", "txt"],
            &["report", "--format", "md"],
        ] {
            let output = project.runner(command);
            is_plain(&output.stdout, &command.join(" "));
            is_plain(&output.stderr, &command.join(" "));
        }
        for text in HOSTILE {
            for command in [&["why", "new"][..], &["quarantine", "show", "new"]] {
                let arguments: Vec<&str> = command.iter().copied().chain(["--", text]).collect();
                let output = project.runner(&arguments);
                assert_ne!(output.code, 2, "{text:?}\n{output}");
                is_plain(&output.stdout, text);
                is_plain(&output.stderr, text);
            }
        }
        assert_eq!(files(&project), known, "a path of a value was written to");

        let html = project.runner(&["report", "--format", "html"]).stdout;
        for tag in ["<script>alert", "<img src=x", "onerror=alert(1)>\""] {
            assert!(!html.contains(tag), "{tag} is in the page");
        }
        let json = project.runner(&["report", "--format", "json"]);
        let _ = json.json();

        // every rejected row is there, exact for programs and safe for a spreadsheet
        let lines = project
            .runner(&["quarantine", "export"])
            .ends_with(0)
            .stdout
            .clone();
        let keys: BTreeSet<String> = lines
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).expect("one object");
                row["data"]["name"].as_str().expect("a name").to_owned()
            })
            .collect();
        let rejected: BTreeSet<String> = HOSTILE
            .iter()
            .skip(1)
            .step_by(2)
            .map(|text| (*text).to_owned())
            .collect();
        assert_eq!(keys, rejected);
        let csv = project
            .runner(&["quarantine", "export", "--format", "csv"])
            .ends_with(0)
            .stdout
            .clone();
        for cell in csv.split(['\n', ',']) {
            let cell = cell.trim_start_matches('"');
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "a spreadsheet would run {cell:?}"
            );
        }
    }
}

/// What JSON may hold and a column of it may not.
#[test]
fn nul_and_lone_surrogates_reject_their_row_and_no_other() {
    let rule = "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", copy: #{ body: \"body\" } };\nfn transform(row) { #{} }\n";
    let project = Project::pg(
        r#"create table old(id integer primary key, body json);
           insert into old values (1, '{"a": "\u0000"}'), (2, '{"a": "\ud800"}'), (3, '["\udc00\ud800"]'), (4, '{"a": "\ud83e\uddb7"}'),
             (5, '{"\u0000": 1}'), (6, null)"#,
        "create table new(id uuid primary key, legacy_id integer unique, body jsonb)",
    );
    project.rule("new", rule);
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project
            .target
            .lines("select legacy_id, body from new order by 1"),
        ["4|{\"a\": \"🦷\"}", "6|NULL"]
    );
    let refused = project
        .target
        .lines("select key, code, message from runner.quarantine order by 1");
    assert_eq!(refused.len(), 4, "{refused:#?}");
    let nul =
        "nul_byte|column `body` from `body`: holds \\u0000, which Postgres cannot store in jsonb";
    for (line, (key, why)) in refused.iter().zip([
        ("1", nul),
        (
            "2",
            "bad_value|column `body` from `body`: is not JSON: it has half of a surrogate pair",
        ),
        (
            "3",
            "bad_value|column `body` from `body`: is not JSON: it has half of a surrogate pair",
        ),
        ("5", nul),
    ]) {
        assert!(line.starts_with(&format!("{key}|{why}")), "{refused:#?}");
    }

    // A NUL within a text, which SQLite takes.
    let project = Project::between(
        Engine::Sqlite,
        "create table old(id integer primary key, body text);
         insert into old values (1, 'a' || char(0) || 'b'), (2, 'ab'), (3, cast(x'ff41' as text))",
        Engine::Postgres,
        "create table new(id uuid primary key, legacy_id integer unique, body text)",
    );
    project.rule("new", rule);
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project.target.lines("select legacy_id, body from new"),
        ["2|ab"]
    );
    assert_eq!(
        project
            .target
            .lines("select key, code, message from runner.quarantine order by 1"),
        [
            "1|bad_value|column `body`: holds a NUL character, which Postgres cannot store",
            "3|bad_value|column `body`: is not UTF-8 text"
        ]
    );
}
