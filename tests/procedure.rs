//! Rules with `run()` instead of `transform`, and hooks: the same commits, the same accounts, the same
//! answer to a kill as any other rule.

mod hooks;
mod stopped;

use crate::support::{Engine, Project, canonical_dump, quarantine_dump};

const SOURCE: &str =
    "create table person(id integer primary key, name text, age integer, kind_id integer);";
const TARGET: &str = "
    create table kinds(id uuid primary key, name text not null, legacy_kind_id integer unique);
    create table people(id uuid primary key, name varchar(20) not null, age smallint, kind_id uuid,
        legacy_person_id integer unique, tags text, seen_by text);";

/// 25 people: 5, 15, 25 have no name, 10 has a name that is too long, 20 has no age.
fn people() -> String {
    let rows: Vec<String> = (1..=25)
        .map(|n| {
            let name = match n {
                5 | 15 | 25 => "null".to_owned(),
                10 => format!("'{}'", "long".repeat(10)),
                _ => format!("'Person {n}'"),
            };
            let age = if n == 20 {
                "null".to_owned()
            } else {
                (n + 20).to_string()
            };
            format!("({n}, {name}, {age}, {})", 1 + n % 2)
        })
        .collect();
    format!("{SOURCE} insert into person values {}", rows.join(", "))
}

const RULE: &str = r#"//! People, four at a time.

const RULE = #{
    base: "person", key: "id", target: "people", legacy: "legacy_person_id",
    public: ["age"], fix: #{ no_name: "name them" },
};

fn run() {
    let last = checkpoint.get("people") ?? 0;
    let waiting = 0;
    for row in source.rows(`select id, name, age from person where id > ${last} order by id`) {
        last = row.id;
        if row.name == () { target.reject(row.id, "no_name", "a person has to have a name"); }
        else if row.age == () { target.skip(row.id, "no_age"); }
        else { target.write("people", #{ name: row.name, age: row.age }, row.id); }
        waiting += 1;
        if waiting == 4 { checkpoint.commit("people", last); waiting = 0; }
    }
    checkpoint.commit("people", last);
}
"#;

/// base filtered read inserted updated unchanged skipped rejected
const ACCOUNTS: [i64; 8] = [25, 0, 25, 20, 0, 0, 1, 4];

const REJECTED: [&str; 4] = [
    "people|10|too_long",
    "people|15|no_name",
    "people|25|no_name",
    "people|5|no_name",
];

fn project(engine: Engine, rule: &str) -> Project {
    let project = Project::between(engine, &people(), engine, TARGET);
    project.rule("people", rule);
    project
}

fn dump(project: &Project) -> Vec<String> {
    canonical_dump(&project.target, &["people"], &[])
}

/// `RULE` with another `run`.
fn with_run(body: &str) -> String {
    let head = RULE.split("fn run()").next().unwrap();
    format!("{head}fn run() {{\n{body}\n}}\n")
}

#[test]
fn a_procedural_rule_accounts_for_every_row_on_both_engines() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = project(engine, RULE);
        project.runner(&["check"]).ends_with(0);
        project.runner(&["run"]).ends_with(3);
        assert_eq!(project.accounts("people"), ACCOUNTS);
        assert_eq!(quarantine_dump(&project.target), REJECTED);
        assert_eq!(dump(&project).len(), 20);
        let chunk = project.target.table("runner.chunk");
        let chunks = format!("select kind, lo, hi from {chunk} order by id desc limit 1");
        assert_eq!(
            project.target.lines(&chunks),
            [r#"procedure|["people"]|["25"]"#]
        );
        // nothing is left to do, and nothing is counted twice
        project.runner(&["run"]).ends_with(3).tells("already done");
        assert_eq!(project.accounts("people"), ACCOUNTS);
        // a row that came since is behind the checkpoint
        project
            .source
            .exec("insert into person values (26, 'Late', 30, 1)");
        project.runner(&["run"]).ends_with(3);
        assert_eq!(project.accounts("people"), [26, 0, 26, 21, 0, 0, 1, 4]);
        // from the start again: all of it is there
        project.runner(&["run", "--restart"]).ends_with(3);
        assert_eq!(project.accounts("people"), [26, 0, 26, 0, 0, 21, 1, 4]);
        assert_eq!(quarantine_dump(&project.target), REJECTED);
    }
}

#[test]
fn a_killed_procedure_goes_on_behind_its_checkpoint() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let calm = project(engine, RULE);
        calm.runner(&["run"]).ends_with(3);
        let points = [
            "chunk.begin:1",
            "chunk.rows:2",
            "chunk.state:3",
            "chunk.before_commit:2",
            "chunk.commit:4",
            "chunk.after_commit:2",
            "chunk.marker:7",
            "run.finish:1",
        ];
        for point in points {
            let project = project(engine, RULE);
            let killed = project.runner_failing(&format!("{point}:kill"), &["run"]);
            assert_eq!(killed.code, 128 + 9, "{point} was never reached\n{killed}");
            project.target.wait_until_alone();
            project.runner(&["run"]).ends_with(3);
            assert_eq!(dump(&project), dump(&calm), "{point}");
            assert_eq!(project.accounts("people"), ACCOUNTS, "{point}");
            assert_eq!(quarantine_dump(&project.target), REJECTED, "{point}");
        }
        for reply in ["committed", "rolled-back"] {
            let project = project(engine, RULE);
            let failpoint = format!("chunk.commit:3:lose-reply-{reply}");
            assert_eq!(project.runner_failing(&failpoint, &["run"]).code, 3);
            assert_eq!(dump(&project), dump(&calm), "{failpoint}");
            assert_eq!(project.accounts("people"), ACCOUNTS, "{failpoint}");
        }
    }
}

#[test]
fn a_dry_run_shows_what_would_be_and_writes_nothing() {
    let project = project(Engine::Postgres, RULE);
    let output = project.runner(&["exec", "people", "--dry-run", "--json"]);
    let rule = &output.ends_with(3).json()["rules"][0];
    assert_eq!(
        (&rule["inserted"], &rule["skipped"], &rule["rejected"]),
        (&20.into(), &1.into(), &4.into())
    );
    assert_eq!(dump(&project).len(), 0);
    assert_eq!(
        project.target.one("select to_regclass('runner.chunk')"),
        "NULL"
    );
}

#[test]
fn rows_cannot_be_picked_for_a_procedure() {
    let project = project(Engine::Sqlite, RULE);
    for options in [["--limit", "2"], ["--row", "7"]] {
        project
            .runner(&["exec", "people", options[0], options[1]])
            .ends_with(2)
            .says("`people` is procedural");
    }
}

#[test]
fn a_row_without_a_verdict_stops_the_commit() {
    let rule = with_run(
        r#"    for row in source.rows("select id, name from person order by id") {
        if row.id == 3 { continue; }
        target.skip(row.id, "later");
        if row.id == 4 { checkpoint.commit("people", row.id); }
    }"#,
    );
    let project = project(Engine::Postgres, &rule);
    let output = project.runner(&["run"]);
    output
        .ends_with(1)
        .says("1 streamed row was neither written, skipped nor rejected, the first with key 3")
        .says("rules/people.rhai:12:");
    assert_eq!(project.accounts("people"), [0; 8]);
}

#[test]
fn what_a_script_gets_wrong_is_told_with_its_place() {
    let one = |body: &str| {
        let all = format!(
            "for row in source.rows(\"select id, name from person order by id\") {{ {body} }} checkpoint.commit(\"x\", 1);"
        );
        let project = project(Engine::Sqlite, &with_run(&all));
        let output = project.runner(&["run"]);
        output.ends_with(1).says("rules/people.rhai:9:");
        output
    };
    one(r#"target.write("kinds", #{ name: row.name }, row.id);"#).says("this rule fills `people`");
    one(r#"target.write("people", #{ nam: row.name }, row.id);"#)
        .says("`nam` is not a column of `people`; did you mean `name`?");
    one(r#"target.skip(1, "x");"#).says("the row with key 1 already has a verdict in this commit");
    one(r#"source.query("select nothing from person");"#).says("the source refuses");
    one(r#"checkpoint.commit("y", 1);"#).says("neither written, skipped nor rejected");
    one(r#"target.skip(row.id, "x"); checkpoint.commit("y", 1); target.skip(1, "x");"#)
        .says("the row with key 1 was committed before");
}

#[test]
fn a_base_that_is_not_read_to_its_end_fails_the_gate() {
    let rule = with_run(
        r#"    for row in source.rows("select id from person where id < 9") { target.skip(row.id, "x"); }
    checkpoint.commit("people", 9);"#,
    );
    let project = project(Engine::Sqlite, &rule);
    project
        .runner(&["run"])
        .ends_with(1)
        .tells("the source counts base 25 and read 25")
        .tells("stream every row of `base`");
}

#[test]
fn the_target_and_its_ids_can_be_asked_and_stated() {
    let rule = r#"
const RULE = #{
    base: "person", key: "id", target: "people", legacy: "legacy_person_id", existing: "update",
    ids: #{ kinds: #{ legacy: "legacy_kind_id", from: [] } },
};
fn run() {
    let there = target.query("select id from people where tags = 'known'");
    ids.put("people", 7, there[0].id);
    if ids.get("people", 7) != there[0].id { throw "stated"; }
    if ids.get("kinds", 3) != () { throw "no kind 3"; }
    for row in source.rows("select id, name, kind_id from person where id in (7, 8) order by id") {
        target.write("people", #{ name: row.name, kind_id: ids.get("kinds", row.kind_id) }, row.id);
    }
    for row in source.query("select id from person where id not in (7, 8)") { target.skip(row.id, "other"); }
    checkpoint.commit("all", #{ done: true });
    if ids.get("people", 7) != there[0].id { throw "kept"; }
    if checkpoint.get("all").done != true { throw "checkpoint"; }
}
"#;
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = project(engine, rule);
        let known = "10000000-0000-4000-8000-000000000007";
        project.target.exec(&format!(
            "insert into kinds values ('20000000-0000-4000-8000-000000000001', 'a', 1), ('20000000-0000-4000-8000-000000000002', 'b', 2);
             insert into people(id, name, tags) values ('{known}', 'Old name', 'known')"
        ));
        project.runner(&["run"]).ends_with(0);
        assert_eq!(project.accounts("people"), [25, 0, 25, 1, 1, 0, 23, 0]);
        let people = "select name, legacy_person_id, kind_id from people order by legacy_person_id";
        assert_eq!(
            project.target.lines(people),
            [
                "Person 7|7|20000000-0000-4000-8000-000000000002",
                "Person 8|8|20000000-0000-4000-8000-000000000001"
            ]
        );
        let one = project.target.lines(&format!(
            "select legacy_person_id from people where id = '{known}'"
        ));
        assert_eq!(one, ["7"]);
    }
}

#[test]
fn the_shipped_example_runs_only_when_it_is_named() {
    let example = "rules/examples/bracket_names.rhai";
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.02", engine);
        project.runner(&["check", example]).ends_with(0);
        let rehearsed = project.runner(&["exec", example, "--dry-run", "--json"]);
        let output = project.runner(&["exec", example, "--json"]);
        assert!([0, 3].contains(&output.code), "{output}");
        assert_eq!(rehearsed.code, output.code, "{rehearsed}");
        let (would, did) = (&rehearsed.json()["rules"][0], &output.json()["rules"][0]);
        assert!(did["inserted"].as_i64() > Some(0), "{output}");
        for number in [
            "base",
            "inserted",
            "updated",
            "unchanged",
            "skipped",
            "rejected",
        ] {
            assert_eq!(would[number], did[number], "{number}");
        }
        project
            .runner(&["plan"])
            .ends_with(0)
            .never_says("bracket_names");
    }
}

/// Streams of more than one page, one inside the other, with commits in the middle of a page.
#[test]
fn long_streams_are_read_page_by_page() {
    let rule = with_run(
        r#"    let last = checkpoint.get("people") ?? 0;
    let waiting = 0;
    for row in source.rows(`select id from person where id % 2 = 1 and id > ${last} order by id`) {
        for next in source.rows(`select id, name from person where id = ${row.id + 1};`) {
            target.write("people", #{ name: next.name }, next.id);
        }
        target.skip(row.id, "odd");
        last = row.id;
        waiting += 1;
        if waiting == 700 { checkpoint.commit("people", last); waiting = 0; }
    }
    checkpoint.commit("people", last);"#,
    );
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let source = format!(
            "{SOURCE} insert into person(id, name) with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) \
             select i, 'n' || i from n"
        );
        let project = Project::between(engine, &source, engine, TARGET);
        project.rule("people", &rule);
        let killed = project.runner_failing("chunk.before_commit:3:kill", &["run"]);
        assert_eq!(killed.code, 128 + 9, "{killed}");
        project.target.wait_until_alone();
        project.runner(&["run"]).ends_with(0);
        assert_eq!(
            project.accounts("people"),
            [5000, 0, 5000, 2500, 0, 0, 2500, 0]
        );
        let names = "select count(*) from people where name = 'n' || legacy_person_id";
        assert_eq!(project.target.count(names), 2500);
    }
}

#[test]
fn a_row_with_a_value_that_is_not_of_its_type_is_quarantined() {
    let rule = with_run(
        r#"    for row in source.rows("select id, name, age from person") { target.write("people", #{ name: "x" }, row.id); }
    checkpoint.commit("people", 1);"#,
    );
    let project = project(Engine::Sqlite, &rule);
    project
        .source
        .exec("update person set age = 'old' where id = 3");
    project.runner(&["run"]).ends_with(3);
    assert_eq!(quarantine_dump(&project.target), ["people|3|bad_value"]);
    assert_eq!(project.accounts("people"), [25, 0, 25, 24, 0, 0, 0, 1]);
    project.rule(
        "people",
        &rule.replace("name: \"x\"", "name: \"x\", age: row.age"),
    );
    project
        .runner(&["run", "--restart"])
        .ends_with(1)
        .says("column `age`")
        .says("rules/people.rhai:9:")
        .never_says("old'");
}

#[test]
fn check_finds_a_procedure_without_its_table() {
    let project = project(
        Engine::Sqlite,
        &RULE.replace("target: \"people\"", "target: \"peopel\""),
    );
    project
        .runner(&["check"])
        .ends_with(5)
        .tells("rules/people.rhai:4:")
        .tells("did you mean `people`?");
    project.rule(
        "people",
        &RULE.replace("base: \"person\"", "base: \"persons\""),
    );
    project
        .runner(&["run"])
        .ends_with(5)
        .tells("the source has no table `persons`");
}
