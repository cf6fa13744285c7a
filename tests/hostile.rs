//! What nobody expects in a database and somebody has: the widest table, bytes that are no text, values of a
//! hundred megabytes, and content that is a program for whoever reads it carelessly.

use crate::memory::{MIB, peak};
use crate::support::{Db, Project};

mod inert;

/// Columns of the target besides its id and its legacy key; Postgres takes 1,600 in all.
const WIDTH: usize = 1_598;

#[test]
fn the_widest_table_is_copied_scripted_synced_and_verified() {
    for script in [false, true] {
        let list = |kind: &str| -> String {
            (1..=WIDTH)
                .map(|n| format!("c{n} {kind}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let values: Vec<String> = (1..=WIDTH)
            .map(|n| format!("case when x <> {n} then x * {n} end"))
            .collect();
        let project = Project::pg(
            &format!(
                "create table old(id integer primary key, {}); insert into old select x, {} from generate_series(1, 5) x",
                list("integer"),
                values.join(", ")
            ),
            &format!(
                "create table new(id uuid primary key, legacy_id integer unique, {})",
                list("integer")
            ),
        );
        let pairs: Vec<String> = (1..=WIDTH)
            .map(|n| {
                if script {
                    format!("c{n}: row.c{n}")
                } else {
                    format!("c{n}: \"c{n}\"")
                }
            })
            .collect();
        let pairs = pairs.join(", ");
        let (copy, map) = if script {
            (String::new(), pairs)
        } else {
            (format!(", copy: #{{ {pairs} }}"), String::new())
        };
        project.rule(
            "new",
            &format!(
                "const RULE = #{{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\"{copy} }};\nfn transform(row) {{ #{{ {map} }} }}\n"
            ),
        );
        let clock = std::time::Instant::now();
        let timed = |arguments: &[&str]| {
            project.runner(arguments).ends_with(0);
            eprintln!(
                "hostile: 1,600 columns, {}: {:.1} s",
                arguments[0],
                clock.elapsed().as_secs_f64()
            );
        };
        timed(&["check"]);
        timed(&["run"]);
        let names: Vec<String> = (1..=WIDTH).map(|n| format!("c{n}")).collect();
        let same = |id: &str, table: &str, db: &Db| {
            let sum = names
                .iter()
                .map(|name| format!("coalesce({name}::text, 'NULL')"))
                .collect::<Vec<_>>()
                .join(" || ',' || ");
            db.lines(&format!("select {id}, md5({sum}) from {table} order by 1"))
        };
        assert_eq!(
            same("legacy_id", "new", &project.target),
            same("id", "old", &project.source)
        );
        timed(&["verify"]);
        project.source.exec("update old set c1598 = 7 where id = 3");
        timed(&["sync"]);
        assert_eq!(
            project
                .target
                .count("select c1598 from new where legacy_id = 3"),
            7
        );
    }
}

/// A source whose texts are whatever bytes came, three of five rows of them no UTF-8.
fn any_bytes(rule: &str) -> Project {
    let source = Db::postgres_of_any_bytes();
    source.exec(
        "create table old(id integer primary key, name text, note text);
         insert into old values (1, 'plain', 'n'), (2, E'caf\\xe9', 'n'), (3, 'gr' || E'\\xc3\\xbc' || 'n', 'n'),
            (4, 'fine', E'\\xff\\xfe'), (5, 'cut', E'\\xf0\\x9f')",
    );
    let project = Project::over(&source, Db::postgres());
    std::fs::remove_dir_all(project.path("rules")).expect("rules");
    project.target.exec(
        "create table new(id uuid primary key, name text, note text, legacy_id integer unique)",
    );
    project.rule("new", rule);
    project
}

#[test]
fn bytes_that_are_no_text_are_quarantined_by_name_and_everything_else_arrives() {
    for (how, rule) in [
        (
            "copied",
            "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", copy: #{ name: \"name\", note: \"note\" } };\nfn transform(row) { #{} }\n",
        ),
        (
            "scripted",
            "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\" };\nfn transform(row) { #{ name: row.name, note: row.note } }\n",
        ),
    ] {
        let project = any_bytes(rule);
        project.runner(&["run"]).ends_with(3);
        assert_eq!(
            project
                .target
                .lines("select legacy_id, name from new order by 1"),
            ["1|plain", "3|grün"],
            "{how}"
        );
        assert_eq!(
            project
                .target
                .lines("select key, code, message from runner.quarantine order by 1"),
            [
                "2|not_utf8|column `name` holds bytes that are not UTF-8",
                "4|not_utf8|column `note` holds bytes that are not UTF-8",
                "5|not_utf8|column `note` holds bytes that are not UTF-8",
            ],
            "{how}"
        );
        // the bytes are kept, marked as such
        let kept = project
            .target
            .one("select data from runner.quarantine where key = '2'");
        assert!(kept.contains("\"base64\":\"Y2Fm6Q==\""), "{kept}");
        project
            .runner(&["quarantine", "show", "new", "2"])
            .ends_with(0);
        project.runner(&["verify"]).ends_with(0);
        // mended at the source, it moves
        project
            .source
            .exec("update old set name = 'cafe' where id = 2");
        project.runner(&["retry"]).ends_with(3);
        assert_eq!(project.target.count("select count(*) from new"), 3);
        project.source.drop_database();
    }
}

#[test]
fn a_rule_that_says_something_else_the_second_time_is_an_error_that_names_the_column() {
    // the third row that is derived twice: the first one of the third chunk
    let project = Project::people();
    let arguments = ["run", "--batch-rows", "20", "--writers", "1"];
    project
        .runner_failing("mutant.unsteady:3:error", &arguments)
        .ends_with(1)
        .tells("the rule `people` is not deterministic")
        .tells("column `legacy_person_id` came out differently")
        .tells("row: person id=")
        .never_says("Person 2");
    assert!(project.target.count("select count(*) from people") < 104);
    // every chunk was asked about, and a rule that is one says the same
    project.runner(&arguments).ends_with(3);
    assert_eq!(project.target.count("select count(*) from people"), 104);
}

/// Where a rule that exceeded a limit was is asked of its first rows only, and never where that would take long. The
/// second opinion, which sees fewer rows, may know a place that the first does not: the same verdict all the same.
#[test]
fn a_limit_whose_place_only_one_of_the_two_knows_is_the_same_verdict() {
    let project = Project::pg(
        "create table old(id integer primary key); insert into old select x from generate_series(1, 1000) x",
        "create table new(id uuid primary key, legacy_id integer unique)",
    );
    project.rule(
        "new",
        "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\",
    stop: #{ faults: 1000, share: 1.0 } };

fn deeper(n) { deeper(n + 1) + 1 }

fn transform(row) {
    if row.id <= 40 || row.id == 500 { deeper(0); }
    #{}
}
",
    );
    project
        .runner(&["run"])
        .ends_with(3)
        .never_says("deterministic");
    assert_eq!(project.target.count("select count(*) from new"), 959);
}

/// A hundred megabytes among small rows.
const LARGE: &str = "create table old(id integer primary key, body text);
    insert into old select x, 'small ' || x from generate_series(1, 200) x;
    alter table old alter body set storage external;
    update old set body = repeat('0123456789', 10 * 1024 * 1024) where id = 100";
const LARGE_MIB: u64 = 100;

#[test]
fn a_hundred_megabytes_are_copied_in_four_times_their_memory() {
    let project = Project::pg(
        LARGE,
        "create table new(id uuid primary key, legacy_id integer unique, body text)",
    );
    project.rule(
        "new",
        "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\", copy: #{ body: \"body\" } };\nfn transform(row) { #{} }\n",
    );
    let peak = peak(&project, &["run"], 0) / MIB;
    eprintln!("hostile: a text of {LARGE_MIB} MiB past the script: {peak} MiB");
    let same = "select count(*) || ' ' || md5(string_agg(md5(body), ',' order by";
    assert_eq!(
        project.target.one(&format!("{same} legacy_id)) from new")),
        project.source.one(&format!("{same} id)) from old"))
    );
    assert!(peak <= 4 * LARGE_MIB, "{peak} MiB");
}

#[test]
fn a_script_that_touches_a_hundred_megabytes_rejects_the_row() {
    let project = Project::pg(
        LARGE,
        "create table new(id uuid primary key, legacy_id integer unique, body text)",
    );
    project.rule(
        "new",
        "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\" };\nfn transform(row) { #{ body: row.body } }\n",
    );
    let peak = peak(&project, &["run"], 3) / MIB;
    eprintln!("hostile: a text of {LARGE_MIB} MiB that a script touches: {peak} MiB");
    assert!(peak <= 4 * LARGE_MIB, "{peak} MiB");
    assert_eq!(
        project
            .target
            .lines("select key, code, message from runner.quarantine"),
        [
            "100|too_large_for_script|column `body` holds more than 1 MiB; copy it instead of reading it in the script"
        ]
    );
    let kept = project
        .target
        .count("select length(data) from runner.quarantine");
    assert!(kept < 20_000, "{kept} characters of it are in quarantine");
    assert_eq!(project.target.count("select count(*) from new"), 199);
}
