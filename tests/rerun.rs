//! Running again: a finished run has nothing to do, `--restart` reads everything again and writes
//! nothing that is right already, and new rows are found wherever their keys lie.

use crate::support::{Db, Engine, PEOPLE_ACCOUNTS, Project, quarantine_dump};

/// Where each row of a table lies and who wrote it: any write, even of the same values, shows.
fn marks(target: &Db, table: &str) -> Vec<String> {
    target.lines(&format!("select id, xmin, ctid from {table} order by id"))
}

/// Everything a second run could have added to the state.
fn state(target: &Db) -> Vec<String> {
    ["segment", "chunk", "manifest", "quarantine", "before_image"]
        .iter()
        .map(|table| {
            format!(
                "{table} {}",
                target.one(&format!("select count(*) from runner.{table}"))
            )
        })
        .collect()
}

#[test]
fn a_second_run_says_done_and_writes_nothing() {
    let project = Project::people();
    project.runner(&["run", "--batch-rows", "37"]).ends_with(3);
    assert_eq!(project.accounts("people"), PEOPLE_ACCOUNTS);
    assert_eq!(project.accounts("kinds"), [2, 0, 2, 2, 0, 0, 0, 0]);
    let rejected: Vec<String> = [15, 45, 75, 105]
        .iter()
        .map(|key| format!("people|{key}|no_name"))
        .collect();
    let mut expected = rejected;
    expected.sort();
    assert_eq!(quarantine_dump(&project.target), expected);
    let (rows, kept) = (marks(&project.target, "people"), state(&project.target));
    assert_eq!(rows.len(), 104);

    project
        .runner(&["run", "--batch-rows", "37"])
        .ends_with(3)
        .tells("already done");
    project
        .runner(&["exec", "rules/people.rhai"])
        .ends_with(3)
        .tells("already done");
    assert_eq!(marks(&project.target, "people"), rows);
    assert_eq!(state(&project.target), kept);
    assert_eq!(project.accounts("people"), PEOPLE_ACCOUNTS);
    let status = project.status("people");
    assert_eq!(
        (&status["done"], &status["undecided"]),
        (&true.into(), &4.into()),
        "{status:#}"
    );
}

#[test]
fn restart_reads_everything_again_and_touches_no_row_that_is_right() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let rows = marks(&project.target, "people");
    for batch in ["37", "1000"] {
        project
            .runner(&["run", "--restart", "--batch-rows", batch])
            .ends_with(3);
        assert_eq!(marks(&project.target, "people"), rows, "chunks of {batch}");
        assert_eq!(project.accounts("people"), [120, 0, 120, 0, 0, 104, 12, 4]);
    }
    let status = project.status("people");
    assert_eq!(status["codes"]["reject"]["no_name"], 4, "{status:#}");
    assert_eq!(status["codes"]["skip"]["inactive"], 12, "{status:#}");
}

#[test]
fn restart_of_the_shipped_rules_touches_no_row() {
    let project = Project::demo("0.02", Engine::Postgres);
    project.runner(&["run"]).ends_with(3);
    let rules = project.rules();
    assert!(rules.len() >= 4, "{rules:?}");
    let before: Vec<_> = rules
        .iter()
        .map(|table| marks(&project.target, table))
        .collect();
    let accounts: Vec<_> = rules.iter().map(|table| project.accounts(table)).collect();
    project.runner(&["run", "--restart"]).ends_with(3);
    for (index, table) in rules.iter().enumerate() {
        assert!(!before[index].is_empty(), "{table} is empty");
        assert_eq!(marks(&project.target, table), before[index], "{table}");
        let [
            base,
            filtered,
            read,
            inserted,
            updated,
            unchanged,
            skipped,
            rejected,
        ] = accounts[index];
        let again = [
            base,
            filtered,
            read,
            0,
            0,
            inserted + updated + unchanged,
            skipped,
            rejected,
        ];
        assert_eq!(project.accounts(table), again, "{table}");
    }
}

#[test]
fn a_run_adds_new_rows_below_and_above_the_checkpoint_and_never_updates() {
    let project = Project::people();
    project
        .source
        .exec("delete from person where id in (33, 77)");
    project.runner(&["run"]).ends_with(3);
    let rows = marks(&project.target, "people");
    project.source.exec(
        "insert into person(id, name, email, active, balance, kind_id) values
            (33, 'late', 'a@b', true, 1, 1), (-7, 'low', 'a@b', true, 1, 1), (500, 'high', 'a@b', true, 1, 2),
            (501, null, 'a@b', true, 1, 2), (502, 'gone', 'a@b', false, 1, 2);
         update person set name = 'renamed' where id = 1",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project
            .target
            .lines("select name from people where legacy_person_id in (33, -7, 500, 1) order by 1"),
        ["Person 1", "high", "late", "low"]
    );
    assert!(
        rows.iter()
            .all(|row| marks(&project.target, "people").contains(row)),
        "a row was written again"
    );
    // 118 and the five new ones.
    assert_eq!(project.accounts("people"), [123, 0, 123, 105, 0, 0, 13, 5]);
}

#[test]
fn restart_updates_what_is_ours_and_leaves_what_somebody_edited() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project
        .source
        .exec("update person set name = 'changed' where id in (1, 2)");
    project
        .target
        .exec("update people set name = 'edited by hand' where legacy_person_id = 2");
    project.runner(&["run", "--restart"]).ends_with(3);
    let names =
        "select name from people where legacy_person_id in (1, 2) order by legacy_person_id";
    assert_eq!(project.target.lines(names), ["changed", "edited by hand"]);
    let [.., updated, unchanged, _, rejected] = project.accounts("people");
    assert_eq!(
        (updated, unchanged, rejected),
        (1, 102, 5),
        "the edited row is a conflict"
    );
    assert!(quarantine_dump(&project.target).contains(&"people|2|conflict".to_owned()));
}

#[test]
fn limit_and_row_are_runs_of_their_own_that_advance_no_checkpoint() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    project
        .runner(&["exec", "people", "--limit", "5"])
        .ends_with(0);
    assert_eq!(
        project
            .target
            .lines("select legacy_person_id from people order by 1"),
        ["1", "2", "3", "4", "5"]
    );
    project
        .runner(&["exec", "people", "--row", "99"])
        .ends_with(0);
    assert_eq!(project.target.count("select count(*) from people"), 6);
    let [.., read, inserted, _, _, _, _] = project.accounts("people");
    assert_eq!(
        (read, inserted),
        (0, 0),
        "the table's own account has not begun"
    );
    let rows = marks(&project.target, "people");
    project.runner(&["run"]).ends_with(3);
    assert_eq!(project.accounts("people"), [120, 0, 120, 98, 0, 6, 12, 4]);
    assert!(
        rows.iter()
            .all(|row| marks(&project.target, "people").contains(row))
    );
}

#[test]
fn a_dry_run_uses_would_be_ids_and_leaves_no_trace() {
    let project = Project::people();
    let output = project.runner(&["run", "--dry-run", "--json"]);
    output.ends_with(3);
    assert_eq!(
        project.target.one("select to_regnamespace('runner')"),
        "NULL",
        "{output}"
    );
    assert_eq!(project.target.count("select count(*) from people"), 0);
    assert_eq!(project.target.count("select count(*) from kinds"), 0);
    // Children found their would-be parents: nobody is an orphan.
    output.never_says("orphan");
}

#[test]
fn another_order_of_runs_gives_the_same_ids() {
    let ids = |project: &Project| {
        project
            .target
            .lines("select legacy_person_id, id from people order by 1")
    };
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let other = Project::people();
    other.runner(&["exec", "kinds"]).ends_with(0);
    other
        .runner(&["exec", "people", "--limit", "50"])
        .ends_with(3);
    other
        .runner(&["run", "people", "--batch-rows", "7", "--writers", "4"])
        .ends_with(3);
    assert_eq!(ids(&project).len(), 104);
    assert_eq!(ids(&project), ids(&other));
}

#[test]
fn new_rows_are_held_against_the_tables_checks_too() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project.source.exec(
        "insert into person select n, 'Late ' || n, null, true, null, null, 1, 1, null from generate_series(301, 303) n",
    );
    // a faulty build that loses a row of what it adds
    project
        .runner_failing("mutant.drop_last:1:error", &["run"])
        .ends_with(1)
        .tells("people");
    // the finding stays, whatever is said afterwards
    let failed = "select count(*) from runner.finding where rule = 'people' and status = 'failed'";
    assert!(project.target.count(failed) > 0);
}
