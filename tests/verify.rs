//! `verify` derives every row again: nothing is found where nothing is wrong, and whatever is wrong is found, with
//! its key and its column.

use std::process::Command;

use serde_json::Value;

use crate::support::{Db, Engine, Output, Project, server_tool};

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
        if ["kept", "refused", "pending", "not-re-derived"].contains(&class.as_str()) {
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

    project.target.exec("vacuum full");
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

fn tool(name: &str, arguments: &[&str]) {
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

/// A corruption: its name, the statement, and what `verify` has to say when somebody else made it.
struct Corruption(&'static str, &'static str, &'static [&'static str]);

const CORRUPTIONS: &[Corruption] = &[
    Corruption(
        "one byte",
        "update people set name = 'Person 1x' where legacy_person_id = 16",
        &["target-edited 16 name"],
    ),
    Corruption(
        "one case",
        "update people set name = 'person 17' where legacy_person_id = 17",
        &["target-edited 17 name"],
    ),
    Corruption(
        "a space becomes U+00A0",
        "update people set name = replace(name, ' ', U&'\\00A0') where legacy_person_id = 18",
        &["target-edited 18 name"],
    ),
    Corruption(
        "text is cut",
        "update people set notes = left(notes, 12) where legacy_person_id = 19",
        &["target-edited 19 notes"],
    ),
    Corruption(
        "the decimal point moves",
        "update people set balance = balance / 10 where legacy_person_id = 24",
        &["target-edited 24 balance"],
    ),
    Corruption(
        "0.01 on a sum",
        "update people set balance = balance + 0.01 where legacy_person_id = 21",
        &["target-edited 21 balance"],
    ),
    Corruption(
        "a microsecond",
        "update people set joined = joined + interval '1 microsecond' where legacy_person_id = 22",
        &["target-edited 22 joined"],
    ),
    Corruption(
        "an hour",
        "update people set joined = joined + interval '1 hour' where legacy_person_id = 23",
        &["target-edited 23 joined"],
    ),
    Corruption(
        "NULL becomes ''",
        "update people set mood = '' where legacy_person_id = 25",
        &["target-edited 25 mood"],
    ),
    Corruption(
        "'' becomes NULL",
        "update people set mood = null where legacy_person_id = 26",
        &["target-edited 26 mood"],
    ),
    Corruption(
        "values of two rows swapped",
        "update people a set name = b.name from people b where (a.legacy_person_id, b.legacy_person_id) in ((27, 28), (28, 27))",
        &["target-edited 27 name", "target-edited 28 name"],
    ),
    Corruption(
        "two columns swapped",
        "update people set name = email, email = name where legacy_person_id = 29",
        &["target-edited 29 name,email"],
    ),
    Corruption(
        "another valid parent",
        "update people set kind_id = (select id from kinds where id <> kind_id) where legacy_person_id = 31",
        &["target-edited 31 kind_id"],
    ),
    Corruption(
        "metadata emptied",
        "update people set metadata = '{}' where legacy_person_id = 32",
        &["target-edited 32 metadata"],
    ),
    Corruption(
        "row deleted",
        "delete from people where legacy_person_id = 33",
        &["missing 33 "],
    ),
    Corruption(
        "row added",
        "insert into people (id, name, kind_id, balance, legacy_person_id) select gen_random_uuid(), 'x', id, 1, 9999 from kinds limit 1",
        &["extraneous 9999 legacy_person_id"],
    ),
    Corruption(
        "legacy id changed",
        "update people set legacy_person_id = 5000 where legacy_person_id = 34",
        &["target-edited 34 legacy_person_id"],
    ),
    Corruption(
        "legacy ids swapped",
        "set constraints all deferred; update people set legacy_person_id = -1 where legacy_person_id = 36; \
         update people set legacy_person_id = 36 where legacy_person_id = 37; update people set legacy_person_id = 37 where legacy_person_id = -1",
        &[
            "target-edited 36 legacy_person_id",
            "target-edited 37 legacy_person_id",
        ],
    ),
    Corruption(
        "the id changed",
        "update people set id = gen_random_uuid() where legacy_person_id = 38",
        &["target-edited 38 id"],
    ),
];

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
fn each_corruption_by_another_role_is_found_with_its_key_and_its_column() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    assert_eq!(verify(&project, 0)["differences"], 0);
    let somebody = somebody(&project);
    project.target.exec("create table saved as table people");
    for Corruption(name, statement, wanted) in CORRUPTIONS {
        somebody.exec(statement);
        let found = verify(&project, 4);
        let wanted: Vec<String> = wanted.iter().map(|line| format!("people {line}")).collect();
        assert_eq!(differences(&found), wanted, "{name}");
        project.target.exec(
            "delete from people p where not exists (select 1 from saved s where s = p);
             insert into people select * from saved s where not exists (select 1 from people p where p.id = s.id)",
        );
        assert_eq!(
            differences(&verify(&project, 0)),
            [""; 0],
            "after {name} was mended"
        );
    }
}

#[test]
fn each_corruption_by_a_faulty_build_of_our_own_writer_is_called_corrupt() {
    let project = people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let statements: Vec<&str> = CORRUPTIONS.iter().map(|corruption| corruption.1).collect();
    let mut command = project.command(&["exec", "people"]);
    command
        .env("RUNNER_FAILPOINT", "mutant.sql:1:error")
        .env("RUNNER_FAILPOINT_SQL", statements.join(";"));
    let run = crate::support::run_limited(&mut command, std::time::Duration::from_mins(1));
    assert!([1, 3].contains(&run.code), "{run}");
    let found = differences(&verify(&project, 4));
    for Corruption(name, _, wanted) in CORRUPTIONS {
        for line in *wanted {
            let line = line
                .replace("target-edited", "corrupt")
                .replace("extraneous", "corrupt");
            assert!(
                found.contains(&format!("people {line}")),
                "{name}: {line} is not in {found:#?}"
            );
        }
    }
    let all: usize = CORRUPTIONS
        .iter()
        .map(|corruption| corruption.2.len())
        .sum();
    assert_eq!(found.len(), all, "{found:#?}");
}

/// What a faulty build of the writer does: found by a gate of the run, and by `verify`.
#[test]
fn mutants_of_the_writer_are_caught() {
    let caught = |mutant: &str, gate: Option<&str>, lines: &[&str]| {
        let project = people();
        project
            .target
            .exec("alter table people drop constraint people_legacy_person_id_key");
        project.runner(&["exec", "kinds"]).ends_with(0);
        let run = project.runner_failing(
            &format!("{mutant}:1:error"),
            &["exec", "people", "--batch-rows", "50", "--writers", "1"],
        );
        if let Some(gate) = gate {
            run.ends_with(1).tells(&format!("gate `{gate}` failed"));
        }
        let found = verify(&project, 4);
        let mut all = differences(&found);
        all.truncate(lines.len());
        assert_eq!(all, lines, "{mutant}");
    };
    caught(
        "mutant.drop_last",
        Some("legacy_ids"),
        &["people missing 49 "],
    );
    caught(
        "mutant.twice",
        Some("duplicate_legacy_ids"),
        &["people corrupt 1 legacy_person_id"],
    );
    caught(
        "mutant.ignore_column",
        None,
        &["people corrupt 1 email", "people corrupt 2 email"],
    );
}

#[test]
fn a_comparison_that_does_not_compare_proves_nothing() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    for mutant in ["mutant.skip_compare:0:error", "mutant.only_count:0:error"] {
        let output: Output = project.runner_failing(mutant, &["verify"]);
        output.ends_with(1).says("the comparison does not work");
    }
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
