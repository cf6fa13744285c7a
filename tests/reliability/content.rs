//! What rows and rules may hold: bytes that are no text, numbers that fit nowhere, code, loops.

use std::time::Duration;

use crate::support::{Engine, Project, canonical_dump, quarantine_dump};

/// A rule that copies `body` past the script.
fn copying(columns: &str) -> String {
    format!(
        "//! The same again.\nconst RULE = #{{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", copy: #{{ {columns} }}, \
         stop: #{{ faults: 1000, share: 1.0 }} }};\nfn transform(row) {{ #{{}} }}\n"
    )
}

#[test]
fn fault_15_bytes_that_are_no_text_end_in_quarantine_and_the_rest_of_the_chunk_loads() {
    let project = Project::between(
        Engine::Sqlite,
        "create table old(id integer primary key, body text, doc json);
         insert into old values (1, 'good', '{}'), (2, cast(x'410042' as text), '{}'), (3, cast(x'41ff42' as text), '{}'),
            (4, 'good', '\"\\ud800\"'), (5, 'good', '\"\\u0000\"'), (6, 'gut 🦷', '\"\\u00fc\"')",
        Engine::Postgres,
        "create table new(id uuid primary key, legacy_id integer unique, body text, doc jsonb)",
    );
    project.rule("new", &copying("body: \"body\", doc: \"doc\""));
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project
            .target
            .lines("select legacy_id, body, doc from new order by 1"),
        ["1|good|{}", "6|gut 🦷|\"ü\""]
    );
    let refused = quarantine_dump(&project.target);
    let keys: Vec<&str> = refused
        .iter()
        .filter_map(|line| line.split('|').nth(1))
        .collect();
    assert_eq!(keys, ["2", "3", "4", "5"], "{refused:?}");
}

#[test]
fn fault_16_numbers_and_times_at_their_edges_are_carried_exactly_or_quarantined() {
    let project = Project::pg(
        "create table old(id integer primary key, n numeric, i bigint, t timestamp, d date, c time);
         insert into old values (1, 1.25, 1, '2020-01-01', '2020-01-01', '24:00:00'),
            (2, 'NaN', 1, '2020-01-01', '2020-01-01', '12:00'), (3, 1.005, 1, '2020-01-01', '2020-01-01', '12:00'),
            (4, 1e15, 1, '2020-01-01', '2020-01-01', '12:00'), (5, 1, 2147483648, '2020-01-01', '2020-01-01', '12:00'),
            (6, -0.5, -2147483648, 'infinity', '-infinity', '00:00'), (7, 0.10, 0, '294276-12-31 23:59:59.999999', '5874897-12-31', '12:00'),
            (8, 7, 8, '4713-01-01 00:00 BC', '4713-01-01 BC', '12:00')",
        "create table new(id uuid primary key, legacy_id integer unique, n numeric(12,2), i integer, t timestamp, d date, c time)",
    );
    project.rule(
        "new",
        &copying("n: \"n\", i: \"i\", t: \"t\", d: \"d\", c: \"c\""),
    );
    project.runner(&["run"]).ends_with(3);
    let good = "select id, trim_scale(n), i, t, d, c from old where id in (1, 6, 7, 8) order by 1";
    assert_eq!(
        project
            .target
            .lines("select legacy_id, trim_scale(n), i, t, d, c from new order by 1"),
        project.source.lines(good)
    );
    let refused = quarantine_dump(&project.target);
    let keys: Vec<&str> = refused
        .iter()
        .filter_map(|line| line.split('|').nth(1))
        .collect();
    assert_eq!(keys, ["2", "3", "4", "5"], "{refused:?}");
}

/// Texts that something on the way may take for something else.
const TEXTS: &[&str] = &[
    "''",
    "'NULL'",
    "E'\\\\N'",
    "E'\\\\.'",
    "E'a\\\\.\\n\\\\.\\nb'",
    "E'tab\\there'",
    "E'cr\\r\\nlf\\n'",
    "'  both  '",
    "U&'\\FEFFbom'",
    "U&'e\\0301 is not \\00E9'",
    "U&'\\202Ertl\\202C'",
    "'👨‍👩‍👧‍👦'",
    "E'\\x01\\x1b[31m'",
    "'back\\slash\\\\'",
    "'\"quoted\"'",
    "'comma,semi;pipe|'",
];

#[test]
fn fault_17_texts_are_the_same_byte_for_byte_when_they_arrive() {
    let values: Vec<String> = TEXTS
        .iter()
        .enumerate()
        .map(|(id, text)| format!("({id}, {text}, {text})"))
        .collect();
    let project = Project::pg(
        &format!(
            "create table old(id integer primary key, body text, fixed char(40)); insert into old values {}; insert into old values (99, null, null)",
            values.join(", ")
        ),
        "create table new(id uuid primary key, legacy_id integer unique, body text, fixed char(40), again text)",
    );
    project.rule(
        "new",
        &copying("body: \"body\", fixed: \"fixed\"")
            .replace("#{}\n", "#{}")
            .replace("{ #{} }", "{ #{ again: row.body } }"),
    );
    project.runner(&["run"]).ends_with(0);
    let bytes = |body: &str| format!("convert_to({body}, 'UTF8')");
    let there = project.target.lines(&format!(
        "select legacy_id, {}, {}, {} from new order by 1",
        bytes("body"),
        bytes("fixed::text"),
        bytes("again")
    ));
    let here = project.source.lines(&format!(
        "select id, {}, {}, {} from old order by 1",
        bytes("body"),
        bytes("fixed::text"),
        bytes("body")
    ));
    assert_eq!(there, here);
    assert_eq!(there.len(), TEXTS.len() + 1);
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn fault_18_a_row_of_thirty_megabytes_and_a_table_of_a_thousand_columns_arrive() {
    let project = Project::pg(
        "create table old(id integer primary key, body text); insert into old values (1, repeat('x', 30000000)), (2, 'y')",
        "create table new(id uuid primary key, legacy_id integer unique, body text)",
    );
    project.rule("new", &copying("body: \"body\""));
    project.runner(&["run"]).ends_with(0);
    assert_eq!(
        project
            .target
            .lines("select legacy_id, length(body) from new order by 1"),
        ["1|30000000", "2|1"]
    );
    let columns: Vec<String> = (0..1000).map(|n| format!("c{n} integer")).collect();
    let names: Vec<String> = (0..1000).map(|n| format!("c{n}: \"c{n}\"")).collect();
    let numbers: Vec<String> = (0..1000).map(|n| format!("g + {n}")).collect();
    let wide = Project::pg(
        &format!(
            "create table old(id integer primary key, {}); insert into old select g, {} from generate_series(1, 20) g",
            columns.join(", "),
            numbers.join(", ")
        ),
        &format!(
            "create table new(id uuid primary key, legacy_id integer unique, {})",
            columns.join(", ")
        ),
    );
    wide.rule("new", &copying(&names.join(", ")));
    wide.runner(&["run"]).ends_with(0);
    assert_eq!(
        wide.target
            .one("select sum(c0) || ' ' || sum(c999) from new"),
        "210 20190"
    );
}

#[test]
fn fault_19_rows_that_exclude_one_another_or_refer_to_nothing_have_one_winner_and_a_class() {
    let mut first = None;
    for writers in ["1", "4"] {
        let project = Project::people();
        project.target.exec(
            "create unique index on people (lower(email)); alter table people add unique (email)",
        );
        project.source.exec(
            "update person set email = 'TWIN@example.org' where id in (2, 44, 91); update person set email = 'twin@example.org' where id = 17;
             update person set kind_id = 99 where id in (5, 61)",
        );
        project
            .runner(&["run", "--batch-rows", "20", "--writers", writers])
            .ends_with(3);
        let refused = quarantine_dump(&project.target);
        for expected in [
            "people|17|duplicate_of",
            "people|44|duplicate_of",
            "people|91|duplicate_of",
            "people|5|orphan",
            "people|61|orphan",
        ] {
            assert!(
                refused.iter().any(|line| line == expected),
                "{expected}: {refused:?}"
            );
        }
        assert_eq!(
            project
                .target
                .one("select legacy_person_id from people where email = 'twin@example.org'"),
            "2"
        );
        let left = (
            canonical_dump(&project.target, &["people"], &["created_at"]),
            refused,
        );
        assert_eq!(
            first.get_or_insert_with(|| left.clone()),
            &left,
            "{writers} writers"
        );
    }
}

/// What somebody typed into a form long ago.
const HOSTILE: &[&str] = &[
    "'; drop table new; --",
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "\u{1b}]0;gone\u{7}\u{1b}[2J",
    "a\n[ERROR] all is lost",
    "${row} #{} fn x() {}",
    "../../../../etc/passwd",
    "{{ 7 * 7 }} {% raw %}",
    "%s%n %d",
    "$(reboot) `reboot`",
];

#[test]
fn fault_20_code_of_any_language_in_a_row_is_a_text_like_others() {
    let project = Project::pg(
        "create table old(id text primary key, body text)",
        "create table new(id uuid primary key, legacy_id text unique, body text)",
    );
    let values: Vec<String> = HOSTILE
        .iter()
        .map(|text| {
            format!(
                "('{0}', '{0}'), ('no {0}', '{0}')",
                text.replace('\'', "''")
            )
        })
        .collect();
    project
        .source
        .exec(&format!("insert into old values {}", values.join(", ")));
    project.rule(
        "new",
        "//! As it is.\nconst RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", public: [\"body\"],
            stop: #{ faults: 1000, share: 1.0 } };
         fn transform(row) { if row.id.starts_with(\"no \") { reject(\"no\", \"it says \" + row.body); } #{ body: row.body } }\n",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project
            .target
            .lines("select legacy_id, body from new order by legacy_id collate \"C\""),
        project
            .source
            .lines("select id, body from old where id not like 'no %' order by id collate \"C\"")
    );
    assert_eq!(quarantine_dump(&project.target).len(), HOSTILE.len());
    project
        .runner(&["verify"])
        .ends_with(0)
        .never_says("\u{1b}");
    for arguments in [
        &["quarantine", "list"][..],
        &["status"],
        &["report", "--format", "txt"],
        &["quarantine", "show", "new", "no <script>alert(1)</script>"],
    ] {
        project
            .runner(arguments)
            .ends_with(0)
            .never_says("\u{1b}")
            .never_says("\n[ERROR]");
    }
    project
        .runner(&["report", "-o", "report.html"])
        .ends_with(0);
    let page = project.read("report.html");
    assert!(
        !page.contains("<script>alert(1)") && !page.contains('\u{1b}'),
        "not inert"
    );
    assert!(page.contains("&lt;script&gt;"), "the key is shown");
}

#[test]
fn fault_21_a_script_that_loops_swells_or_answers_nonsense_fails_its_row_and_no_other() {
    let project = Project::pg(
        "create table old(id integer primary key, body text); insert into old select n, 'text' from generate_series(1, 12) n",
        "create table new(id uuid primary key, legacy_id integer unique, body text)",
    );
    project.rule(
        "new",
        "//! Nonsense.\nconst RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", stop: #{ faults: 1000, share: 1.0 } };
         fn deeper(n) { deeper(n + 1) + 1 }
         fn transform(row) {
             if row.id == 3 { loop { } }
             if row.id == 6 { deeper(0); }
             if row.id == 7 { let many = [row.body]; return many; }
             if row.id == 8 { throw #{ a: 1 }; }
             #{ body: row.body }
         }\n",
    );
    let output = project.runner(&["run"]);
    output.ends_with(3);
    assert!(output.took < Duration::from_mins(1), "{output}");
    let expected: Vec<String> = [3, 6, 7, 8]
        .iter()
        .map(|key| format!("new|{key}|fault"))
        .collect();
    assert_eq!(quarantine_dump(&project.target), expected);
    assert_eq!(project.target.count("select count(*) from new"), 8);
    // what does so on every row is the rule's fault, and is not waited for a thousand times
    for body in [
        "loop { }",
        "let t = \"x\"; loop { t += t; }",
        "let l = []; loop { l.push(1); }",
    ] {
        // as nobody has said how many faults are too many
        let rule = copying("").replace(", stop: #{ faults: 1000, share: 1.0 }", "");
        project.rule("new", &rule.replace("{ #{} }", &format!("{{ {body} }}")));
        let output = project.runner(&["run", "--restart"]);
        output.ends_with(1).says("rules/new.rhai");
        assert!(output.took < Duration::from_mins(1), "{output}");
    }
    // nothing to be undetermined by: no clock, no chance
    for call in ["timestamp()", "now()", "rand()", "random()"] {
        project.rule(
            "new",
            &copying("")
                .replace("#{}\n", "#{}")
                .replace("{ #{} }", &format!("{{ let x = {call}; #{{}} }}")),
        );
        project.runner(&["check"]).ends_with(5);
    }
}
