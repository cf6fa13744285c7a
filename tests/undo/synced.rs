//! A sync taken back: what it inserted goes, what it changed is as before, what it removed comes back to the letter,
//! and the next sync finds the state that it found.

use super::{accounts, dump, same};
use crate::support::{Engine, Project, quarantine_dump};
use crate::sync::found;

const RUN: &[&str] = &["run", "--batch-rows", "37", "--writers", "2"];
const SYNC: &[&str] = &[
    "sync",
    "--deletes",
    "--batch-rows",
    "37",
    "--writers",
    "2",
    "--json",
];

/// Inserts, updates and deletes on both tables; a kind goes with all its people, one person moves to a new kind.
const MOVED_ON: &str = "
    insert into kind values (3, 'nurse');
    update person set kind_id = 3, name = 'moved' where id in (1, 3, 5);
    update kind set name = 'physician' where id = 2;
    delete from person where kind_id = 1 and id > 5;
    update person set kind_id = 3 where kind_id = 1;
    delete from kind where id = 1;
    update person set name = 'changed', balance = balance + 0.25 where id in (17, 19);
    update person set active = false where id = 21;
    update person set name = null where id = 23;
    update person set name = 'now with a name' where id = 45;
    insert into person(id, name, email, active, balance, kind_id) values
        (-5, 'low', 'a@b', true, 1, 3), (500, 'high', 'a@b', true, 1.5, 2), (501, null, 'a@b', true, 1, 2);
";

/// Everything that a later command could tell a difference by.
fn state(project: &Project) -> Vec<String> {
    let standing = format!(
        "select rule, key, target_id, why, mark, run_id, at from {} order by 1, 3",
        project.target.table("runner.standing")
    );
    let mut all = dump(&project.target, &[]);
    all.extend(quarantine_dump(&project.target));
    all.extend(accounts(project));
    all.extend(project.target.lines(&standing));
    all
}

fn last_run(project: &Project) -> String {
    project.status("people");
    project.runner(&["status", "--json"]).json()["run"].to_string()
}

/// What verification says of the tables, without times.
fn verified(project: &Project) -> Vec<String> {
    let json = project.runner(&["verify", "--json"]).json();
    let tables = json["tables"].as_array().expect("tables");
    tables
        .iter()
        .map(|table| format!("{} {}", table["rule"], table["classes"]))
        .collect()
}

#[test]
fn the_target_the_accounts_and_the_next_sync_are_as_before() {
    let project = Project::people();
    let empty = dump(&project.target, &[]);
    // a second parent's column that a removed row must come back with
    project.target.exec(
        "alter table people add column number int generated always as identity;
         create function touch() returns trigger language plpgsql as
           'begin new.notes := coalesce(new.notes, ''-'') || ''!''; return new; end';
         create table migration_mappings(entity_type varchar(100) not null, legacy_id integer not null, new_id uuid not null unique,
            migrated_at timestamptz, migration_batch varchar(100), primary key (entity_type, legacy_id))",
    );
    project.runner(RUN).ends_with(3);
    project
        .source
        .exec("delete from person where id = 2; update person set active = false where id = 4");
    // one sync lists two rows that stand
    project.runner(&["sync", "--json"]).ends_with(3);
    // which a trigger on new and changed rows would not leave alone
    project.target.exec("create trigger touch before insert or update on people for each row execute function touch()");
    project.source.exec(MOVED_ON);
    project
        .target
        .exec("alter table people disable trigger touch");
    let before = state(&project);
    let views = project
        .target
        .lines("select rule, legacy_key, id, run_id from runner.ids order by 1, 2, 3");
    let classes = verified(&project);
    let preview = project.runner(&[SYNC, &["--dry-run"]].concat()).json();
    let first = project.runner(SYNC);
    first.ends_with(3);
    assert_eq!(found(&first, "people")[1..], [5, 0, 50, 49], "{first}");
    assert_eq!(found(&first, "kinds"), [1, 1, 0, 1, 1], "{first}");
    let synced = state(&project).len();
    let people = "select id, name, kind_id, balance, legacy_person_id from people order by id";
    let people_synced = project.target.lines(people);
    let run = last_run(&project);
    project
        .target
        .exec("alter table people enable trigger touch");
    let dry = project
        .runner(&["undo", &run, "--dry-run", "--json"])
        .ends_with(0)
        .json();
    let undone = project
        .runner(&["undo", &run, "--json"])
        .ends_with(0)
        .json();
    assert_eq!(undone["rules"], dry["rules"], "the preview and the undo");
    let of = |name: &str| {
        let rules = undone["rules"].as_array().expect("rules").clone();
        let rule = rules.into_iter().find(|rule| rule["name"] == name);
        let rule = rule.expect("the rule");
        ["removed", "restored", "returned", "gone"].map(|what| rule[what].as_i64().expect("rows"))
    };
    assert_eq!(of("people")[1..], [5, 49, 0], "{undone:#}");
    assert_eq!(of("kinds"), [1, 1, 1, 0], "{undone:#}");
    project
        .target
        .exec("alter table people disable trigger touch");
    same(&state(&project), &before, "sync, undo");
    assert_eq!(
        project
            .target
            .lines("select rule, legacy_key, id, run_id from runner.ids order by 1, 2, 3"),
        views
    );
    assert_eq!(verified(&project), classes);
    let again = project.runner(&[SYNC, &["--dry-run"]].concat()).json();
    for rule in ["kinds", "people"] {
        let of = |json: &serde_json::Value| {
            let rules = json["rules"].as_array().expect("rules").clone();
            let mut rule = rules.into_iter().find(|r| r["name"] == rule).expect("it");
            for time in ["seconds", "profile"] {
                rule[time] = serde_json::Value::Null;
            }
            rule
        };
        assert_eq!(of(&again), of(&preview), "{rule}");
    }

    // The second one does it all again, under the same ids.
    project.runner(SYNC).ends_with(3);
    assert_eq!(project.target.lines(people), people_synced);
    assert_eq!(state(&project).len(), synced);
    let last = last_run(&project);
    project.runner(&["undo", &last]).ends_with(0);
    same(&state(&project), &before, "sync, undo, sync, undo");

    // An older run lies under them; undone one by one, nothing is left.
    let refused = project.runner(&["undo", "1"]);
    refused
        .ends_with(1)
        .tells("run 2 worked on `people` after run 1")
        .tells("runner undo 2 people");
    project.runner(&["undo", "2"]).ends_with(0);
    project.runner(&["undo", "1"]).ends_with(0);
    same(&dump(&project.target, &[]), &empty, "all undone");
}

/// A calm project whose source moved on, and a copy of it to strike.
fn moved_on() -> Project {
    let project = Project::people();
    project.runner(RUN).ends_with(3);
    project.source.exec(MOVED_ON);
    project.runner(SYNC).ends_with(3);
    project
}

fn copy(first: &Project) -> Project {
    first.towards(first.target.copy())
}

#[test]
fn a_killed_undo_of_a_sync_goes_on_to_the_same_end() {
    let first = moved_on();
    let undo = ["undo", "2", "--batch-rows", "7"];
    let calm = copy(&first);
    calm.runner(&undo).ends_with(0);
    let undisturbed = state(&calm);
    let mut struck_midway = 0;
    for (failpoint, code) in [
        ("segment.open:1:kill", 137),
        ("segment.open:2:kill", 137),
        ("chunk.begin:2:kill", 137),
        ("chunk.rows:1:kill", 137),
        ("chunk.rows:3:kill", 137),
        ("chunk.before_commit:2:kill", 137),
        ("chunk.after_commit:1:kill", 137),
        ("chunk.after_commit:2:kill", 137),
        ("chunk.after_commit:5:kill", 137),
        ("chunk.marker:4:kill", 137),
        ("gate.after:1:kill", 137),
        ("gate.after:2:kill", 137),
        ("run.finish:1:kill", 137),
        ("chunk.commit:2:error", 0),
        ("chunk.commit:2:lose-reply-committed", 0),
        ("chunk.commit:2:lose-reply-rolled-back", 0),
    ] {
        let project = copy(&first);
        let struck = project.runner_failing(failpoint, &undo);
        assert_eq!(struck.code, code, "{failpoint}\n{struck}");
        project.target.wait_until_alone();
        let refused = project.runner(&["sync", "--dry-run"]);
        if refused.code == 5 {
            struck_midway += 1;
            refused.tells("run 2 is half taken back");
        }
        project.runner(&undo).ends_with(0);
        same(&state(&project), &undisturbed, failpoint);
        project.runner(SYNC).ends_with(3);
    }
    assert!(struck_midway > 5, "{struck_midway}");
}

#[test]
fn edited_and_referenced_rows_stay_and_so_does_what_has_no_place_any_more() {
    let project = moved_on();
    project.target.exec(
        "create table visits(n int primary key, person uuid references people(id) on delete cascade);
         insert into visits select 1, id from people where legacy_person_id = 500;
         update people set notes = 'by hand' where legacy_person_id in (-5, 17);
         insert into people (id, name, kind_id, balance, legacy_person_id)
           select gen_random_uuid(), 'taken', id, 0, 8 from kinds where legacy_kind_id = 2",
    );
    let undone = project.runner(&["undo", "2"]);
    undone
        .ends_with(0)
        .prints("people: 1 row kept, `visits` refers to them: 500")
        .prints("people: 2 rows kept, edited since: -5 17")
        .prints("people: 1 row kept, `people_legacy_person_id_key` refuses them as they were: 8")
        .prints("kinds: 1 row kept, `people` refers to them: 3");
    assert_eq!(
        project
            .target
            .lines("select name from people where legacy_person_id in (8, 17, -5, 500) order by 1"),
        ["changed", "high", "low", "taken"]
    );
    // the row that the sync removed and nobody replaced is there again
    assert_eq!(
        project
            .target
            .one("select name from people where legacy_person_id = 12"),
        "Person 12"
    );
}

/// Doors that moved from room to room, within a chunk and over its edges, and a row that took another's door.
#[test]
fn values_that_moved_from_row_to_row_move_back() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let numbers = "with recursive n(n) as (select 1 union all select n + 1 from n where n < 20) select n, 'door ' || n from n";
        let project = Project::between(
            engine,
            &format!(
                "create table room(id integer primary key, door text); insert into room {numbers}"
            ),
            engine,
            "create table rooms(id uuid primary key, door text unique, legacy_room_id integer unique not null)",
        );
        project.rule(
            "rooms",
            "const RULE = #{ base: \"room\", key: \"id\", target: \"rooms\", legacy: \"legacy_room_id\", copy: #{ door: \"door\" } };\nfn transform(row) { #{} }\n",
        );
        project.runner(&["run", "--batch-rows", "3"]).ends_with(0);
        let before = dump(&project.target, &[]);
        for change in [
            "delete from room where id = 20; update room set door = 'door ' || (id + 1); insert into room values (30, 'door 1')",
            "delete from room where id = 1; update room set door = 'door ' || (id - 1); insert into room values (30, 'door 20')",
        ] {
            project.source.exec(change);
            project
                .runner(&["sync", "--deletes", "--batch-rows", "3"])
                .ends_with(0);
            let run = project.runner(&["status", "--json"]).json()["run"].to_string();
            let undone = project.runner(&["undo", &run, "--batch-rows", "2"]);
            undone.ends_with(0).never_says("kept,");
            same(&dump(&project.target, &[]), &before, change);
            project
                .source
                .exec(&format!("delete from room; insert into room {numbers}"));
        }
    }
}

fn nine(engine: Engine) {
    let project = Project::demo("0.01", engine);
    project.runner(&["run"]).ends_with(3);
    if engine == Engine::Sqlite {
        // as one row in ten has it by itself: what is put back has each letter that was there
        for table in ["brackets", "purchases", "treatment_discussions"] {
            let trigger = format!("{table}_set_updated_at");
            let made = project.target.one(&format!(
                "select sql from sqlite_master where type = 'trigger' and name = '{trigger}'"
            ));
            project.target.exec(&format!(
                "drop trigger {trigger}; update {table} set updated_at = '2026-11-23 02:19:25.250+00'; {made}"
            ));
        }
    }
    let before = state(&project);
    let moved: &[&str] = &[
        "update dispatch_payment set total_price = total_price + 1, subtotal_price = subtotal_price + 1 where id % 5 = 0",
        "update auth_user set first_name = 'Moved' where id % 4 = 0",
        "delete from dispatch_payment where id % 9 = 1",
        "delete from dispatch_comment where id % 7 = 1",
        "update dispatch_bracket set name = name || ' II' where id % 3 = 0",
        "update dispatch_instruction set deleted = not deleted where id % 6 = 0",
    ];
    for sql in moved {
        project.source.exec(sql);
    }
    let sync = project.runner(&["sync", "--deletes", "--json"]);
    sync.ends_with(3);
    assert!(sync.json()["changed"].as_i64() > Some(30), "{sync}");
    let run = project.runner(&["status", "--json"]).json()["run"].to_string();
    project
        .runner(&["undo", &run, "--batch-rows", "20"])
        .ends_with(0)
        .never_says("kept,");
    same(&state(&project), &before, "sync, undo");
}

#[test]
fn the_nine_tables_are_as_before_the_sync() {
    nine(Engine::Postgres);
}

#[test]
fn on_sqlite_as_well() {
    nine(Engine::Sqlite);
}

/// The rows of a table that refers to itself come back, whoever refers to whom.
#[test]
fn rows_that_refer_to_one_another_come_back_together() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = super::kinds::nodes(engine);
        project.source.exec("update node set bad = 0");
        project.runner(&["run", "--batch-rows", "2"]).ends_with(0);
        let before = dump(&project.target, &[]);
        project.source.exec(
            "delete from node where id in (4, 6, 7, 8); update node set parent_id = 3 where id = 2; insert into node values (9, 2, 0), (10, 9, 0)",
        );
        project
            .runner(&["sync", "--deletes", "--batch-rows", "2"])
            .ends_with(0);
        assert_eq!(project.target.count("select count(*) from nodes"), 6);
        project
            .runner(&["undo", "2", "--batch-rows", "1"])
            .ends_with(0)
            .never_says("kept,");
        same(&dump(&project.target, &[]), &before, "sync, undo");
        project.runner(&["sync", "--deletes"]).ends_with(0);
        assert_eq!(project.target.count("select count(*) from nodes"), 6);
    }
}
