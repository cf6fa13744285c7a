//! Faults of a long night, each named after what happens.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Project, Running, canonical_dump, quarantine_dump};

const TABLES: &[&str] = &["kinds", "people"];
const RUN: &[&str] = &["run", "--batch-rows", "5", "--writers", "1"];
const LIMIT: Duration = Duration::from_mins(3);

fn signal(running: &Running, name: &str) {
    let pid = running.child.id().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
    assert!(sent.unwrap().success(), "kill -{name} {pid}");
}

/// Waits until a question about the target is answered with `true`.
#[track_caller]
fn until(project: &Project, question: &str) {
    let begun = Instant::now();
    while project.target.one(question) != "t" {
        assert!(begun.elapsed() < LIMIT, "never: {question}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Rows and quarantine of a run that nobody disturbed.
fn undisturbed() -> (Vec<String>, Vec<String>) {
    let project = Project::people();
    project.runner(RUN).ends_with(3);
    left(&project)
}

fn left(project: &Project) -> (Vec<String>, Vec<String>) {
    (
        canonical_dump(&project.target, TABLES, &["created_at"]),
        quarantine_dump(&project.target),
    )
}

/// A run that waits in the middle of `people`, because somebody holds the row that its next chunk refers to.
fn stuck(project: &Project) -> (crate::support::Session, Running) {
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut holder = project.target.session();
    holder.exec("begin; lock table people in share mode");
    let running = project.start(RUN);
    until(
        project,
        "select exists (select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and state = 'active')",
    );
    (holder, running)
}

#[test]
fn a_process_stopped_beyond_its_fence_and_woken_writes_nothing() {
    let expected = undisturbed();
    let project = Project::people();
    let (holder, running) = stuck(&project);
    signal(&running, "STOP");
    // As a server does with a client that is silent for too long: its connections, lock included, are gone.
    project.target.exec(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
         and application_name like 'runner%'",
    );
    drop(holder);
    project.target.wait_until_alone();
    project.runner(RUN).ends_with(3);
    assert_eq!(left(&project), expected);
    let ledger = "select id, xid, committed_at from runner.chunk order by id";
    let lines = project.target.lines(ledger);
    signal(&running, "CONT");
    let woken = running.finish(LIMIT);
    assert_eq!(woken.code, 1, "{woken}");
    woken.says("taken over by another run");
    assert_eq!(project.target.lines(ledger), lines);
    assert_eq!(left(&project), expected);
    assert_eq!(
        project
            .target
            .lines("select status from runner.run order by id"),
        ["finished", "abandoned", "finished"]
    );
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_the_run_goes_on_from_there() {
    let expected = undisturbed();
    for name in ["INT", "TERM"] {
        let project = Project::people();
        let (holder, mut running) = stuck(&project);
        signal(&running, name);
        std::thread::sleep(Duration::from_secs(1));
        // the chunk in flight waits for somebody else: the first one only asks
        assert!(running.child.try_wait().unwrap().is_none());
        let begun = Instant::now();
        signal(&running, name);
        let output = running.finish(LIMIT);
        assert_eq!(output.code, 130, "{output}");
        output.says("once more to stop at once");
        assert!(begun.elapsed() < Duration::from_secs(5), "{output}");
        drop(holder);
        project.target.wait_until_alone();
        project.runner(RUN).ends_with(3);
        assert_eq!(left(&project), expected, "{name}");
    }
}

#[test]
fn a_full_disk_while_writing_a_report_is_a_failure() {
    let project = Project::people();
    project.runner(RUN).ends_with(3);
    for arguments in [
        &["report", "-o", "/dev/full"][..],
        &["report", "--format", "json", "-o", "/dev/full"],
        &["report", "--format", "txt", "-o", "/dev/full"],
    ] {
        project
            .runner(arguments)
            .ends_with(1)
            .says("cannot write /dev/full")
            .says("No space left on device")
            .never_says("wrote /dev/full");
    }
    // no file was claimed, and the next one is whole
    project
        .runner(&["report", "-o", "report.json"])
        .ends_with(0);
    project
        .runner(&["report", "--recheck", "report.json"])
        .ends_with(0);
}
