//! `verify` derives every row again: nothing is found where nothing is wrong, and the table as a whole is asked.

use std::process::Command;

use serde_json::Value;

use crate::support::{Db, Engine, Project, server_tool};

/// Rows of a class in `verify --json`.
#[track_caller]
pub fn rows<'a>(found: &'a Value, rule: &str, class: &str) -> &'a [Value] {
    let tables = found["tables"].as_array().unwrap();
    let table = tables.iter().find(|t| t["rule"] == rule);
    let table = table.unwrap_or_else(|| panic!("no {rule} in {found:#}"));
    table["classes"][class]["rows"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// How many rows every class has, those without rows left out.
pub fn counts(found: &Value) -> Vec<(String, String, u64)> {
    let mut counts = Vec::new();
    for table in found["tables"].as_array().unwrap() {
        for (class, tally) in table["classes"].as_object().unwrap() {
            let count = tally["count"].as_u64().unwrap();
            if count > 0 {
                counts.push((
                    table["rule"].as_str().unwrap().to_owned(),
                    class.clone(),
                    count,
                ));
            }
        }
    }
    counts
}

/// The differences, as `rule class key column,column`.
pub fn differences(found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (rule, class, _) in counts(found) {
        if [
            "kept",
            "refused",
            "pending",
            "file-absent",
            "not-re-derived",
        ]
        .contains(&class.as_str())
        {
            continue;
        }
        for row in rows(found, &rule, &class) {
            let columns: Vec<&str> = row["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c.as_str().unwrap())
                .collect();
            lines.push(format!(
                "{rule} {class} {} {}",
                row["key"].as_str().unwrap(),
                columns.join(",")
            ));
        }
    }
    lines
}

#[track_caller]
pub fn verify(project: &Project, code: i32) -> Value {
    project.runner(&["verify", "--json"]).ends_with(code).json()
}

/// Another role, with the rights of an ordinary administrator.
pub fn somebody(project: &Project) -> Db {
    let name = format!("somebody_{}", project.target.name());
    project.target.exec(&format!(
        "do $$ begin create role {name} login; exception when duplicate_object then null; end $$;
         grant all on all tables in schema public to {name}"
    ));
    project.target.as_user(&name, None)
}

#[test]
fn its_sessions_see_the_target_at_one_moment() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project.target.record_statements();
    project.runner(&["verify"]).ends_with(0);
    let statements = project.target.statements();
    let begun = statements
        .iter()
        .filter(|s| s.starts_with("begin isolation level repeatable read"));
    let (shared, lent): (Vec<_>, Vec<_>) =
        begun.partition(|s| s.contains("set transaction snapshot"));
    assert_eq!((lent.len(), shared.len()), (1, 1), "{statements:#?}");
}

#[test]
fn nine_untouched_tables_raise_no_alarm_also_after_a_full_vacuum_and_after_dump_and_restore() {
    let project = Project::demo("0.1", Engine::Postgres);
    project.runner(&["run"]).ends_with(3);
    let found = verify(&project, 0);
    assert_eq!(found["differences"], 0);
    let compared: u64 = found["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["compared"].as_u64().unwrap())
        .sum();
    let written: i64 = project
        .rules()
        .iter()
        .map(|rule| {
            project
                .target
                .count(&format!("select count(*) from {rule}"))
        })
        .sum();
    assert_eq!(
        compared, written as u64,
        "every row of the nine tables was compared"
    );
    let alarm = |what: &str, found: &Value| assert_eq!(differences(found), [""; 0], "{what}");
    alarm("untouched", &found);

    project.target.vacuum_full();
    alarm("after vacuum full", &verify(&project, 0));
    project.target.exec("vacuum freeze");
    alarm("after vacuum freeze", &verify(&project, 0));

    // Every row gets another transaction: nothing can be called ours, and nothing needs to be.
    let restored = Db::postgres();
    let dump = project.path("dump.sql");
    tool(
        "pg_dump",
        &["--file", dump.to_str().unwrap(), &project.target.url()],
    );
    tool(
        "psql",
        &[
            "--quiet",
            "--set",
            "ON_ERROR_STOP=1",
            "--file",
            dump.to_str().unwrap(),
            &restored.url(),
        ],
    );
    let copy = Project::over(&project.source, restored);
    let found = verify(&copy, 0);
    alarm("after dump and restore", &found);
    assert!(
        found.to_string().contains("restored from a dump"),
        "{found:#}"
    );
    copy.target.exec("update purchases set quantity = 7 where legacy_purchase_id = (select min(legacy_purchase_id) from purchases)");
    let found = verify(&copy, 4);
    assert_eq!(
        counts(&found)
            .iter()
            .filter(|(_, class, _)| class == "corrupt")
            .count(),
        0
    );
    assert_eq!(rows(&found, "purchases", "target-edited").len(), 1);
}

pub fn tool(name: &str, arguments: &[&str]) {
    let output = Command::new(server_tool(name))
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_sqlite_target_raises_no_alarm_and_says_what_it_cannot_prove() {
    let project = Project::demo("0.05", Engine::Sqlite);
    project.runner(&["run"]).ends_with(3);
    let output = project.runner(&["verify"]);
    output
        .ends_with(0)
        .prints("SQLite does not say who wrote a row last");
    let last = "(select max(legacy_bracket_id) from brackets)";
    let key = project.target.count(&format!("select {last}"));
    project.target.exec(&format!(
        "update brackets set name = name || '!' where legacy_bracket_id = {last}"
    ));
    let output = project.runner(&["verify", "brackets"]);
    output
        .ends_with(4)
        .prints("target-edited")
        .prints(&format!("key {key}  name"));
}

/// People with a column that is NULL for some and empty for others.
pub fn people() -> Project {
    let project = Project::people();
    project
        .source
        .exec("alter table person add mood text; update person set mood = '' where id % 2 = 0");
    project.target.exec("alter table people add mood text");
    project.edit(
        "rules/people.rhai",
        "notes: \"notes\" }",
        "notes: \"notes\", mood: \"mood\" }",
    );
    project
}

#[test]
fn it_works_under_a_role_that_may_only_read_and_leaves_no_trace() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    let name = format!("looks_{}", project.target.name());
    project.target.exec(&format!(
        "create role {name} login bypassrls; alter role {name} set default_transaction_read_only = on;
         grant usage on schema runner to {name}; grant select on all tables in schema runner, public to {name}"
    ));
    let env = project.read(".env").replace(
        &project.target.url(),
        &project.target.as_user(&name, None).url(),
    );
    project.write(".env", &env);
    let state = || {
        project.target.lines("select (select count(*) from runner.finding), (select count(*) from runner.run), (select count(*) from runner.chunk)")
    };
    let before = state();
    verify(&project, 0);
    project
        .runner(&["verify", "people", "--sample", "10"])
        .ends_with(0)
        .prints("people");
    assert_eq!(state(), before);
}

#[test]
fn a_key_that_is_no_number_is_looked_for_in_the_target_too() {
    let project = Project::pg(
        "create table old(code text primary key, a text); insert into old values ('b', 'x'), ('a', 'y'), ('ä', 'z')",
        "create table new(id uuid primary key, legacy_code text unique, a text)",
    );
    project.rule("new", "const RULE = #{ base: \"old\", key: \"code\", target: \"new\", legacy: \"legacy_code\", copy: #{ a: \"a\" } };\nfn transform(row) { if row.code == \"b\" { skip(\"b\"); } #{} }\n");
    project.runner(&["run"]).ends_with(0);
    assert_eq!(verify(&project, 0)["differences"], 0);
    project.target.exec("insert into new values (gen_random_uuid(), 'nobody', 'x'), (gen_random_uuid(), 'b', 'x'); delete from new where legacy_code = 'ä'");
    project.source.exec("delete from old where code = 'a'");
    let mut found = differences(&verify(&project, 4));
    found.sort();
    assert_eq!(
        found,
        [
            "new extraneous b legacy_code",
            "new extraneous nobody legacy_code",
            "new missing ä ",
            "new withdrawn a legacy_code"
        ]
    );
}

#[test]
fn a_sequence_that_would_give_numbers_that_are_taken_is_found() {
    let project = people();
    project.target.exec(
        "alter table people add number integer generated by default as identity; create sequence tickets;
         alter table people add ticket integer default nextval('tickets'); alter sequence tickets owned by people.ticket",
    );
    project.edit(
        "rules/people.rhai",
        "mood: \"mood\" }",
        "mood: \"mood\", number: \"id\", ticket: \"id\" }",
    );
    project.runner(&["run"]).ends_with(3);
    let failed = |found: &Value| -> Vec<String> {
        let table = &found["tables"][1];
        let checks = table["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["ok"] == false)
            .map(|check| check["text"].as_str().unwrap().to_owned())
            .collect()
    };
    let taken =
        |column: &str| format!("the sequence of {column} would give numbers that are taken");
    assert_eq!(
        failed(&verify(&project, 4)),
        [taken("number"), taken("ticket")]
    );
    project
        .runner(&["verify", "people"])
        .ends_with(4)
        .prints("people: sequence failed: the sequence of number would give");
    project.target.exec("select setval(pg_get_serial_sequence('people', 'number'), (select max(number) from people))");
    assert_eq!(failed(&verify(&project, 4)), [taken("ticket")]);
    // one that was never asked begins with its start
    project
        .target
        .exec("alter sequence tickets restart with 500");
    assert_eq!(failed(&verify(&project, 0)), [""; 0]);
}
