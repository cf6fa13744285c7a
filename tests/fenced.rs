//! A run whose lock went while it lived, as when one of its connections breaks unnoticed: another run takes over, and
//! the first one may neither write nor take the other's work for its own.

use std::time::Duration;

use crate::support::{Output, Project};

/// One chunk of kinds, two of people.
const RUN: &[&str] = &["run", "--batch-rows", "60", "--writers", "1"];
const LIMIT: Duration = Duration::from_mins(2);

/// Stops a run at a point, takes connections away from it, lets another run take over and come to its end, and wakes
/// the first one.
fn woken_late(project: &Project, point: &str, gone: &[&str]) -> Output {
    let trace = project.path("trace");
    let mut command = project.command(RUN);
    command.env("RUNNER_FAILPOINT", format!("{point}:stop"));
    command.env("RUNNER_FAILPOINT_TRACE", &trace);
    let mut first = crate::support::Running::start(&mut command);
    assert!(
        first.stops_itself(&trace, LIMIT),
        "{point} was never reached"
    );
    for which in gone {
        let ended = project.target.lines(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
                and pid <> pg_backend_pid() and {which}"
        ));
        assert_eq!(ended, ["t"], "{which}");
    }
    project.runner(RUN).ends_with(3);
    first.signal("CONT");
    first.finish(LIMIT)
}

/// The connection that holds the lock, and the one that commits chunks.
const LOCK: &str = "pid in (select pid from pg_locks where locktype = 'advisory')";
const WRITER: &str = "query like '%commit; select count(*) from runner.chunk%'";

#[test]
fn the_chunk_of_a_run_that_took_over_is_not_taken_for_ones_own() {
    let project = Project::people();
    let woken = woken_late(&project, "chunk.begin:3", &[LOCK, WRITER]);
    woken.ends_with(1).says("was taken over");
    let done =
        "select count(*) from runner.segment where run_id = 1 and rule = 'people' and complete = 1";
    assert_eq!(project.target.count(done), 0, "{woken}");
}

#[test]
fn who_was_taken_over_neither_begins_nor_ends_a_table() {
    for (point, begun) in [("gate.before:2", 0), ("gate.after:2", 1)] {
        let project = Project::people();
        let woken = woken_late(&project, point, &[LOCK]);
        woken.ends_with(1).says("was taken over");
        let mine = "from runner.segment where run_id = 1 and rule = 'people'";
        assert_eq!(
            project.target.count(&format!("select count(*) {mine}")),
            begun,
            "{point}"
        );
        assert_eq!(
            project
                .target
                .count(&format!("select count(*) {mine} and complete = 1")),
            0,
            "{point}"
        );
    }
}
