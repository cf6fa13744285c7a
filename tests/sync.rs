//! `runner sync`: what changed at the source is carried over, what somebody edited stays, what was withdrawn is
//! listed or goes, and a second one has nothing to do.

use serde_json::Value;

use crate::support::{Db, Output, Project, canonical_dump, quarantine_dump};

pub(crate) mod nine;
mod on_sqlite;
mod withdrawn;

/// Where each row of a table lies and who wrote it: any write, even of the same values, shows.
fn marks(target: &Db, table: &str) -> Vec<String> {
    target.lines(&format!("select id, xmin, ctid from {table} order by id"))
}

/// What `sync --json` says of a rule.
#[track_caller]
pub(super) fn said(output: &Output, rule: &str) -> Value {
    let json = output.json();
    let rules = json["rules"].as_array().unwrap();
    rules.iter().find(|r| r["name"] == rule).unwrap().clone()
}

/// inserted, updated, conflicts, withdrawn, removed.
#[track_caller]
pub(super) fn found(output: &Output, rule: &str) -> [usize; 5] {
    let of = said(output, rule);
    let number = |name: &str| usize::try_from(of[name].as_i64().unwrap()).unwrap();
    let list = |name: &str| of["sync"][name].as_array().map_or(0, Vec::len);
    let withdrawn = of["sync"]["withdrawn"].as_array();
    let removed = withdrawn.map_or(0, |rows| {
        rows.iter().filter(|row| row["left"] == "removed").count()
    });
    [
        number("inserted"),
        number("updated"),
        list("conflicts"),
        list("withdrawn"),
        removed,
    ]
}

const CHANGED: &str = "
    update person set name = 'changed', balance = balance + 0.25 where id in (1, 2, 16);
    update person set email = null where id = 4;
    delete from person where id in (7, 8);
    update person set active = false where id = 11;
    update person set name = null where id = 13;
    update person set name = 'now with a name' where id = 15;
    insert into person(id, name, email, active, balance, kind_id) values
        (-5, 'low', 'a@b', true, 1, 1), (500, 'high', 'a@b', true, 1.5, 2), (501, null, 'a@b', true, 1, 2);
";

#[test]
fn changes_are_carried_over_and_a_second_sync_writes_nothing() {
    let project = Project::people();
    let clean = project.target.copy();
    project.runner(&["run", "--batch-rows", "37"]).ends_with(3);
    project.source.exec(CHANGED);
    let first = project.runner(&["sync", "--deletes", "--batch-rows", "37", "--json"]);
    first.ends_with(3);
    // 7, 8 gone, 11 skipped, 13 rejected: a rejected row waits for a decision.
    assert_eq!(found(&first, "people"), [3, 4, 0, 4, 3], "{first}");
    assert_eq!(first.json()["changed"], 10);
    let left = |key: &str| {
        let rows = said(&first, "people")["sync"]["withdrawn"].clone();
        let row = rows.as_array().unwrap().iter().find(|r| r["key"] == key);
        row.map(|row| (row["why"].clone(), row["left"].clone()))
            .unwrap()
    };
    assert_eq!(left("7"), ("gone".into(), "removed".into()));
    assert_eq!(left("11"), ("skipped".into(), "removed".into()));
    assert_eq!(left("13").0, "rejected");

    let rows = marks(&project.target, "people");
    for options in [&["sync", "--json"][..], &["sync", "--deletes", "--json"]] {
        let again = project.runner(options);
        again.ends_with(3);
        assert_eq!(found(&again, "people"), [0, 0, 0, 1, 0], "{again}");
        assert_eq!(again.json()["changed"], 0);
        assert_eq!(
            marks(&project.target, "people"),
            rows,
            "a row was written again"
        );
    }
    project
        .runner(&["sync"])
        .ends_with(3)
        .prints("nothing to do: no row was written");
    let [
        base,
        filtered,
        read,
        inserted,
        updated,
        unchanged,
        skipped,
        rejected,
    ] = project.accounts("people");
    assert_eq!((base, filtered, inserted, updated), (121, 0, 0, 0));
    assert_eq!(read, unchanged + skipped + rejected);

    // But for the row that waits for a decision, the target is that of a fresh migration.
    let (waits, fresh) = (["people"], fresh(&project, clean));
    project
        .target
        .exec("delete from people where legacy_person_id = 13");
    assert_eq!(dump(&project.target, &waits), dump(&fresh.target, &waits));
    assert_eq!(
        quarantine_dump(&project.target),
        quarantine_dump(&fresh.target)
    );
}

/// The same source into a target that nobody has written to.
fn fresh(project: &Project, target: Db) -> Project {
    let fresh = project.towards(target);
    fresh.runner(&["run"]).ends_with(3);
    fresh
}

fn dump(target: &Db, tables: &[&str]) -> Vec<String> {
    canonical_dump(target, tables, &["created_at"])
}

#[test]
fn edited_rows_are_conflicts_with_both_sides_and_stay_as_they_are() {
    let project = Project::people();
    project.edit(
        "rules/people.rhai",
        "public: [\"active\"]",
        "public: [\"active\", \"balance\"]",
    );
    project.runner(&["run"]).ends_with(3);
    project
        .source
        .exec("update person set name = 'Changed There', balance = 77.5 where id in (1, 2, 3)");
    project.target.exec(
        "update people set balance = 99 where legacy_person_id = 2;
         update people set notes = 'Edited Here' where legacy_person_id = 4;
         update people set balance = 77.5, name = 'Changed There' where legacy_person_id = 3;
         delete from people where legacy_person_id in (5, 6)",
    );
    project
        .source
        .exec("update person set balance = 1 where id = 5; delete from person where id = 6");
    let before = dump(&project.target, &["people"]);
    let output = project.runner(&["sync", "--deletes", "--json"]);
    output.ends_with(3);
    // 2 and 4 are edited, 5 is deleted here; 6 is gone on both sides, 3 is the same on both.
    assert_eq!(found(&output, "people"), [0, 1, 3, 0, 0], "{output}");
    let now = dump(&project.target, &["people"]);
    let changed: Vec<_> = now.iter().filter(|row| !before.contains(row)).collect();
    assert_eq!((now.len(), changed.len()), (before.len(), 1), "{changed:?}");
    let why = |key: &str| {
        let conflicts = said(&output, "people")["sync"]["conflicts"].clone();
        let row = conflicts
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["key"] == key)
            .cloned();
        row.unwrap()["why"].as_str().unwrap().to_owned()
    };
    assert!(
        why("2").contains("balance (target \"99.00\", source \"77.50\")"),
        "{}",
        why("2")
    );
    assert!(
        why("2").contains("name (target ••••, source ••••)"),
        "{}",
        why("2")
    );
    assert!(why("4").contains("notes"), "{}", why("4"));
    assert!(why("5").contains("deleted"), "{}", why("5"));
    for private in ["Changed There", "Edited Here"] {
        output.never_says(private);
        project.runner(&["sync"]).ends_with(3).never_says(private);
    }
    assert_eq!(dump(&project.target, &["people"]), now);

    // Accepted as they are, they are decided, until their source row changes.
    let accept = [
        "quarantine",
        "accept",
        "people",
        "--reason",
        "conflict",
        "--note",
        "ours",
    ];
    project.runner(&accept).ends_with(0);
    let accepted = project.runner(&["sync", "--json"]);
    accepted.ends_with(3);
    assert_eq!(
        said(&accepted, "people")["undecided"],
        4,
        "the nameless ones"
    );
    project
        .source
        .exec("update person set notes = 'again' where id = 4");
    let reopened = project.runner(&["sync", "--json"]);
    assert_eq!(said(&reopened, "people")["undecided"], 5, "{reopened}");
    // Verification finds nothing but what was listed.
    let verify = project.runner(&["verify", "--json"]);
    verify.ends_with(4);
    let tables = verify.json()["tables"].clone();
    let people = tables
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["rule"] == "people")
        .unwrap()
        .clone();
    let mut keys: Vec<String> = people["classes"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|tally| tally["rows"].as_array().unwrap().clone())
        .map(|row| row["key"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    keys.dedup();
    assert!(
        keys.iter()
            .all(|key| ["2", "4", "5"].contains(&key.as_str())),
        "{keys:?}\n{people:#}"
    );
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project.source.exec(CHANGED);
    project
        .target
        .exec("update people set name = 'edited' where legacy_person_id = 2");
    let (rows, chunks) = (
        marks(&project.target, "people"),
        project.target.lines("select count(*) from runner.chunk union all select count(*) from runner.segment
            union all select count(*) from runner.run union all select count(*) from runner.standing"),
    );
    let dry = project.runner(&["sync", "--deletes", "--dry-run", "--json"]);
    dry.ends_with(3);
    assert_eq!(marks(&project.target, "people"), rows);
    assert_eq!(
        project.target.lines("select count(*) from runner.chunk union all select count(*) from runner.segment
            union all select count(*) from runner.run union all select count(*) from runner.standing"),
        chunks
    );
    let real = project.runner(&["sync", "--json"]);
    assert_eq!(
        found(&dry, "people"),
        found(&real, "people"),
        "{dry}\n{real}"
    );
    assert_eq!(
        said(&dry, "people")["sync"]["conflicts"],
        said(&real, "people")["sync"]["conflicts"]
    );
}

#[test]
fn a_parent_that_is_new_releases_the_children_of_rules_that_were_not_named() {
    let project = Project::people();
    project.source.exec("delete from kind where id = 2");
    project.runner(&["run"]).ends_with(3);
    let orphans = quarantine_dump(&project.target);
    assert!(
        orphans
            .iter()
            .filter(|line| line.ends_with("|orphan"))
            .count()
            > 40,
        "{orphans:?}"
    );
    project.source.exec("insert into kind values (2, 'doctor')");
    project.runner(&["sync", "kinds"]).ends_with(3);
    assert_eq!(project.target.count("select count(*) from people"), 104);
    assert_eq!(project.accounts("people")[7], 4);
    // The parent's row changes and keeps its id, so its children need nothing.
    let rows = marks(&project.target, "people");
    project
        .source
        .exec("update kind set name = 'physician' where id = 2");
    let output = project.runner(&["sync", "--json"]);
    assert_eq!(found(&output, "kinds")[..2], [0, 1], "{output}");
    assert_eq!(marks(&project.target, "people"), rows);
}

#[test]
fn an_edited_rule_is_left_to_restart_and_an_unfinished_table_is_finished() {
    let project = Project::people();
    // Never begun: as `run`.
    project.runner(&["sync", "--batch-rows", "37"]).ends_with(3);
    assert_eq!(project.target.count("select count(*) from people"), 104);
    project.edit(
        "rules/people.rhai",
        "name: row.name,",
        "name: row.name + \"!\",",
    );
    project
        .source
        .exec("update person set name = 'changed' where id = 1");
    let rows = marks(&project.target, "people");
    project.runner(&["sync"]).ends_with(3).tells("--restart");
    assert_eq!(marks(&project.target, "people"), rows);

    let other = Project::people();
    other
        .runner_failing("chunk.after_commit:3:kill", &["run", "--batch-rows", "37"])
        .ends_with(137);
    other.target.wait_until_alone();
    other
        .source
        .exec("update person set name = 'changed' where id = 1");
    other.runner(&["sync"]).ends_with(3);
    assert_eq!(
        other
            .target
            .one("select name from people where legacy_person_id = 1"),
        "changed"
    );
    assert_eq!(other.target.count("select count(*) from people"), 104);
}

#[test]
fn a_value_that_moves_from_row_to_row_arrives_in_one_sync() {
    let project = Project::pg(
        "create table room(id integer primary key, door text); insert into room select n, 'door ' || n from generate_series(1, 20) n",
        "create table rooms(id uuid primary key, door text unique, legacy_room_id integer unique not null)",
    );
    project.rule(
        "rooms",
        "const RULE = #{ base: \"room\", key: \"id\", target: \"rooms\", legacy: \"legacy_room_id\", copy: #{ door: \"door\" } };\nfn transform(row) { #{} }\n",
    );
    project.runner(&["run", "--batch-rows", "3"]).ends_with(0);
    // 1 takes what 2 had, 2 what 3 had …; the last one is gone, and a new row has its door.
    project.source.exec("delete from room where id = 20; update room set door = 'door ' || id + 1; insert into room values (30, 'door 1')");
    project
        .runner(&["sync", "--deletes", "--batch-rows", "3"])
        .ends_with(0);
    assert_eq!(
        project
            .target
            .lines("select legacy_room_id, door from rooms order by 1"),
        project.source.lines("select id, door from room order by 1")
    );
    let again = project.runner(&["sync", "--deletes", "--json"]);
    again.ends_with(0);
    assert_eq!(found(&again, "rooms"), [0; 5], "{again}");
}
