//! What changes between two commands, or under one: the source, the rule, the target's shape, the state, rows.

use super::{LIMIT, Left, RUN, TABLES, until};
use crate::support::Project;

/// People of whom some chunks are committed, the run having been killed after the third.
fn half_done() -> Project {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let struck = project.runner_failing("chunk.after_commit:3:kill", RUN);
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.target.wait_until_alone();
    let there = project.target.count("select count(*) from people");
    assert!(there > 0 && there < 104, "{there}");
    project
}

fn marks(project: &Project) -> Vec<String> {
    project
        .target
        .lines("select id, xmin, ctid from people order by id")
}

#[test]
fn fault_11_a_source_that_changes_under_a_run_is_seen_at_one_moment_and_the_rest_is_named() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut holder = project.target.session();
    holder.exec("begin; lock table people in share mode");
    let running = project.start(RUN);
    until(
        &project.target,
        "select exists (select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')",
    );
    // in chunks that are read and in chunks that are not
    project.source.exec(
        "update person set name = 'changed' where id in (2, 101); delete from person where id in (3, 99);
         insert into person(id, name, email, active, balance, kind_id) values (-1, 'low', 'a@b', true, 1, 1), (500, 'high', 'a@b', true, 1, 2)",
    );
    drop(holder);
    running.finish(LIMIT).ends_with(3);
    // nothing of both moments: this is the source as it was when the run began
    Left::assert_calm(&project, "one moment");
    let found = project.runner(&["verify"]).ends_with(4).stdout.clone();
    assert!(
        found.contains("source-changed") && found.contains("withdrawn"),
        "{found}"
    );
    project.runner(&["sync", "--deletes"]).ends_with(3);
    project.runner(&["verify"]).ends_with(0);
    let rows = project.target.lines("select legacy_person_id, name from people where legacy_person_id in (-1, 2, 3, 99, 101, 500) order by 1");
    assert_eq!(rows, ["-1|low", "2|changed", "101|changed", "500|high"]);
}

#[test]
fn fault_12_what_changed_between_a_run_and_its_resume_is_refused_by_name() {
    let project = half_done();
    let before = marks(&project);
    let refused = |what: &str| {
        let output = project.runner(RUN);
        output.ends_with(5).tells(what);
        assert_eq!(marks(&project), before);
    };
    // the rule
    let rule = project.read("rules/people.rhai");
    project.edit(
        "rules/people.rhai",
        "        name: row.name,",
        "        name: row.name + \"!\",",
    );
    refused("--accept-rule-change");
    project.write("rules/people.rhai", &rule);
    // the target's shape
    project
        .target
        .exec("alter table people rename column notes to remarks");
    refused("notes");
    project
        .target
        .exec("alter table people rename column remarks to notes");
    project.target.exec("alter table people add column must text not null default 'x'; alter table people alter must drop default");
    refused("must");
    project.target.exec("alter table people drop column must");
    // the source's shape
    project
        .source
        .exec("alter table person rename column notes to remarks");
    refused("notes");
    project
        .source
        .exec("alter table person rename column remarks to notes");
    project.runner(RUN).ends_with(3);
    Left::assert_calm(&project, "as it was");
}

/// Damage to the state of a half-done run.
const DAMAGES: &[(&str, &str)] = &[
    ("a manifest cut short", "update runner.manifest set packed = substr(packed, 1, 40) where chunk_id = (select min(id) from runner.chunk where rule = 'people')"),
    ("a manifest of another chunk", "update runner.manifest set packed = (select packed from runner.manifest where chunk_id = (select max(id) from runner.chunk where rule = 'people'))
        where chunk_id = (select min(id) from runner.chunk where rule = 'people')"),
    ("no manifest", "delete from runner.manifest where chunk_id = (select min(id) from runner.chunk where rule = 'people')"),
    ("an edge that is no key", "update runner.chunk set hi = 'garbage' where rule = 'people' and no = 3"),
    ("codes that are no JSON", "update runner.chunk set codes = '{' where rule = 'people' and no = 1"),
    ("no version", "delete from runner.meta where key = 'version'"),
    ("a namespace that is none", "update runner.meta set value = 'x' where key = 'namespace'"),
];

#[test]
fn fault_13_a_damaged_state_is_refused_before_a_row_is_written_and_can_be_made_again() {
    for (what, damage) in DAMAGES {
        let project = half_done();
        let before = marks(&project);
        project.target.exec(damage);
        let output = project.runner(RUN);
        assert_eq!(output.code, 1, "{what}\n{output}");
        output
            .says("the state in the target is damaged")
            .says("runner state purge --yes");
        assert_eq!(marks(&project), before, "{what}");
        // what it says to do
        project.runner(&["state", "purge", "--yes"]).ends_with(0);
        project.runner(RUN).ends_with(3);
        assert_eq!(
            Left::of(&project, TABLES).rows,
            super::undisturbed().rows,
            "{what}"
        );
        project.runner(&["verify"]).ends_with(0);
    }
}

#[test]
fn fault_13_a_ledger_line_that_somebody_changed_fails_the_gate() {
    let project = half_done();
    project
        .target
        .exec("update runner.chunk set read = read + 1 where rule = 'people' and no = 2");
    project.runner(RUN).ends_with(1);
    // the rows are not what is wrong
    assert_eq!(Left::of(&project, TABLES).rows, super::undisturbed().rows);
    project
        .runner(&["report", "-o", "report.json"])
        .ends_with(0);
    project
        .runner(&["report", "--recheck", "report.json"])
        .ends_with(4)
        .tells("its line does not balance");
}

#[test]
fn fault_13_an_undo_by_a_damaged_manifest_takes_nothing_back() {
    let project = Project::people();
    project.runner(RUN).ends_with(3);
    let before = marks(&project);
    project.target.exec(DAMAGES[1].1);
    project
        .runner(&["undo", "1"])
        .ends_with(1)
        .says("the state in the target is damaged");
    let left = marks(&project);
    // chunks that are sound may have gone before it; rows of the two that are mixed up are all there
    assert!(left.len() >= 20 && left.iter().all(|row| before.contains(row)));
}

#[test]
fn fault_13_a_state_that_lost_lines_or_all_of_them_is_made_again_from_the_rows() {
    for (what, damage) in [
        ("a line", "delete from runner.manifest where chunk_id = (select id from runner.chunk where rule = 'people' and no = 2);
            delete from runner.chunk where rule = 'people' and no = 2"),
        ("all lines", "truncate runner.chunk, runner.manifest, runner.segment cascade"),
        ("everything", "drop schema runner cascade"),
    ] {
        let project = half_done();
        let before = marks(&project);
        project.target.exec(damage);
        project.runner(RUN).ends_with(3);
        let after = marks(&project);
        // rows that were there are found by their legacy keys, and not touched
        assert!(before.iter().all(|row| after.contains(row)), "{what}");
        let left = Left::of(&project, TABLES);
        assert_eq!(left.rows, super::undisturbed().rows, "{what}");
        assert_eq!(left.quarantine, super::undisturbed().quarantine, "{what}");
        project.runner(&["verify"]).ends_with(0);
    }
}

#[test]
fn fault_13_a_state_of_another_source_is_noticed_before_a_row_is_written() {
    let project = half_done();
    let before = marks(&project);
    // the same tables with other rows, as another environment has them
    project.source.exec("delete from person; insert into person select n, 'Other ' || n, 'o' || n, true, null, null, 1, 1, null from generate_series(1, 30) n");
    project
        .runner(RUN)
        .ends_with(5)
        .says("half done, and not from this source")
        .says("--restart");
    assert_eq!(marks(&project), before);
    // one that only moved on is the same
    let project = half_done();
    project.source.exec("update person set notes = 'later' where id between 41 and 55; delete from person where id between 56 and 58");
    project.runner(RUN).ends_with(3);
    // and the other one it is, when that is said
    let project = half_done();
    project.source.exec("update person set notes = 'later'");
    project.runner(RUN).ends_with(5);
    project.runner(&["run", "--restart"]).ends_with(3);
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn fault_14_a_row_that_somebody_edited_is_never_overwritten() {
    let project = half_done();
    project
        .target
        .exec("update people set name = 'by hand' where legacy_person_id = 1");
    let edited = || {
        project
            .target
            .one("select name from people where legacy_person_id = 1")
    };
    project.runner(RUN).ends_with(3);
    assert_eq!(edited(), "by hand");
    let found = project.runner(&["verify"]).ends_with(4).stdout.clone();
    assert!(found.contains("target-edited"), "{found}");
    project.runner(&["run", "--restart"]).ends_with(3);
    assert_eq!(edited(), "by hand");
    project
        .source
        .exec("update person set name = 'changed' where id = 1");
    project.runner(&["sync"]).ends_with(3).tells("conflict");
    assert_eq!(edited(), "by hand");
    project
        .runner(&["quarantine", "list"])
        .ends_with(0)
        .prints("conflict");
}
