//! What happens to the program itself: killed, stopped, asked to end, told a wrong time, a full disk of its own.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{LIMIT, Left, RUN, until};
use crate::support::{Project, Running, Session};

fn signal(running: &Running, name: &str) {
    let pid = running.child.id().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid])
        .status();
    assert!(sent.unwrap().success(), "kill -{name} {pid}");
}

/// A run that waits in the middle of `people`, because somebody holds the table.
fn stuck(project: &Project, arguments: &[&str]) -> (Session, Running) {
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut holder = project.target.session();
    holder.exec("begin; lock table people in share mode");
    let running = project.start(arguments);
    until(
        &project.target,
        "select exists (select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and state = 'active')",
    );
    (holder, running)
}

/// A name in the project's folder behind which there is no room.
fn full_disk(project: &Project) {
    std::os::unix::fs::symlink("/dev/full", project.path("full")).unwrap();
}

#[test]
fn fault_01_killed_at_any_point_the_same_command_ends_in_the_same_target() {
    // the steps of a run, from before its first write to behind its last
    for point in [
        "gate.before:1",
        "segment.open:2",
        "page.read:4",
        "script.judged:3",
        "chunk.begin:3",
        "chunk.fenced:3",
        "chunk.rows:3",
        "chunk.before_commit:3",
        "chunk.commit:3",
        "chunk.after_commit:3",
        "gate.after:2",
        "run.finish:1",
    ] {
        let project = Project::people();
        let struck = project.runner_failing(&format!("{point}:kill"), RUN);
        assert_eq!(struck.code, 128 + 9, "{point}\n{struck}");
        project.target.wait_until_alone();
        project.runner(RUN).ends_with(3);
        Left::assert_calm(&project, point);
    }
    // in the middle of a verification and of a report
    let project = Project::people();
    project.runner(RUN).ends_with(3);
    let verify = ["verify", "--batch-rows", "20"];
    let struck = project.runner_failing("verify.compared:4:kill", &verify);
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.runner(&verify).ends_with(0).tells("going on");
    let report = ["report", "--format", "json", "-o", "report.json"];
    for millis in [0, 20, 60, 120] {
        let running = project.start(&report);
        std::thread::sleep(Duration::from_millis(millis));
        signal(&running, "KILL");
        let killed = running.finish(LIMIT);
        if killed.code == 128 + 9 {
            // nothing that could be taken for a report
            assert!(!project.path("report.json").exists(), "after {millis} ms");
        }
    }
    project.runner(&report).ends_with(0);
    project
        .runner(&["report", "--recheck", "report.json"])
        .ends_with(0);
    Left::assert_calm(&project, "verified and reported");
}

#[test]
fn fault_09_a_process_stopped_beyond_its_fence_and_woken_writes_nothing() {
    let project = Project::people();
    let (holder, running) = stuck(&project, RUN);
    signal(&running, "STOP");
    // As a server does with a client that is silent for too long: its connections, lock included, are gone.
    project.target.exec(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
         and application_name like 'runner%'",
    );
    drop(holder);
    project.target.wait_until_alone();
    project.runner(RUN).ends_with(3);
    Left::assert_calm(&project, "woken");
    let ledger = "select id, xid, committed_at from runner.chunk order by id";
    let lines = project.target.lines(ledger);
    signal(&running, "CONT");
    let woken = running.finish(LIMIT);
    assert_eq!(woken.code, 1, "{woken}");
    woken.says("taken over by another run");
    assert_eq!(project.target.lines(ledger), lines);
    Left::assert_calm(&project, "woken");
    assert_eq!(
        project
            .target
            .lines("select status from runner.run order by id"),
        ["finished", "abandoned", "finished"]
    );
}

#[test]
fn fault_09_a_second_run_is_refused_while_the_first_one_lives() {
    let project = Project::people();
    let (holder, first) = stuck(&project, RUN);
    let pid = first.child.id().to_string();
    let second = project.runner(RUN);
    second.ends_with(1).says("another run is active").says(&pid);
    assert!(second.took < Duration::from_secs(30), "{second}");
    drop(holder);
    first.finish(LIMIT).ends_with(3);
    Left::assert_calm(&project, "two at once");
}

#[test]
fn fault_26_a_second_signal_ends_at_once_and_the_run_goes_on_from_there() {
    for name in ["INT", "TERM"] {
        let project = Project::people();
        let (holder, mut running) = stuck(&project, RUN);
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
        Left::assert_calm(&project, name);
    }
}

#[test]
fn fault_27_a_full_disk_while_writing_a_report_is_a_failure() {
    let project = Project::people();
    full_disk(&project);
    project.runner(RUN).ends_with(3);
    for arguments in [
        &["report", "-o", "full"][..],
        &["report", "--format", "json", "-o", "full"],
        &["report", "--format", "txt", "-o", "full"],
    ] {
        project
            .runner(arguments)
            .ends_with(1)
            .says("cannot write full")
            .says("No space left on device")
            .never_says("wrote full");
    }
    // no file was claimed, and the next one is whole
    project
        .runner(&["report", "-o", "report.json"])
        .ends_with(0);
    project
        .runner(&["report", "--recheck", "report.json"])
        .ends_with(0);
}

#[test]
fn fault_26_a_first_signal_ends_the_run_after_the_commit_with_130() {
    for name in ["INT", "TERM"] {
        let project = Project::people();
        // undecided rows would weigh more than the interruption
        project
            .source
            .exec("update person set name = 'x' where name is null");
        let (holder, running) = stuck(&project, RUN);
        signal(&running, name);
        std::thread::sleep(Duration::from_millis(100));
        drop(holder);
        let output = running.finish(LIMIT);
        output
            .ends_with(130)
            .says("stopping after the chunks in flight");
        // the chunk in flight is there, and no half of one
        let there = project.target.count("select count(*) from people");
        assert!(there > 0 && there < 108, "{there}");
        project.runner(RUN).ends_with(0);
        assert_eq!(project.accounts("people"), [120, 0, 120, 108, 0, 0, 12, 0]);
    }
}

#[test]
fn fault_27_what_cannot_be_written_down_locally_never_counts_as_done() {
    let project = Project::people();
    full_disk(&project);
    // where this user's small files would lie, there is a file
    project.write(".local", "in the way");
    project.runner(RUN).ends_with(3);
    Left::assert_calm(&project, "no place of its own");
    let verify = ["verify", "--batch-rows", "20"];
    project.runner(&verify).ends_with(0);
    for arguments in [
        &["report", "-o", ".local/report.html"][..],
        &["quarantine", "export", "-o", ".local/rows.jsonl"],
        &["state", "export", "-o", ".local/state.jsonl"],
        &["quarantine", "export", "-o", "full"],
        &["state", "export", "-o", "full"],
    ] {
        let output = project.runner(arguments);
        output.ends_with(1).says("cannot write").never_says("wrote");
    }
    // what is no file is written to, and stays what it is
    assert!(project.path("full").is_symlink());
}

/// A clock that jumps: a day forth and a day back, again and again. Steady clocks, by which waits are measured, go on.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
static int asked = 0;
static long jump(void) { return (__sync_fetch_and_add(&asked, 1) % 3 - 1) * 86400L; }
int clock_gettime(clockid_t id, struct timespec *t) {
    long r = syscall(SYS_clock_gettime, id, t);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += jump();
    return (int)r;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now; (void)zone;
    clock_gettime(CLOCK_REALTIME, &now); t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000; return 0;
}
time_t time(time_t *to) { struct timespec now; clock_gettime(CLOCK_REALTIME, &now); if (to) *to = now.tv_sec; return now.tv_sec; }
__attribute__((destructor)) static void told(void) {
    FILE *f = fopen("asked.txt", "w"); if (f) { fprintf(f, "%d\n", asked); fclose(f); }
}
"#;

#[cfg(target_os = "linux")]
#[test]
fn fault_10_a_clock_that_jumps_by_days_and_a_foreign_time_zone_change_nothing() {
    let project = Project::people();
    project.write("clock.c", CLOCK);
    let (c, library) = (project.path("clock.c"), project.path("clock.so"));
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&c)
        .status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "cc, which Rust links with"
    );
    let jumping = |arguments: &[&str]| {
        std::fs::remove_file(project.path("asked.txt")).ok();
        let mut command = project.command(arguments);
        command
            .env("LD_PRELOAD", &library)
            .env("TZ", "Pacific/Apia");
        let output = crate::support::run_limited(&mut command, LIMIT);
        assert!(
            project.path("asked.txt").exists(),
            "the clock is not the program's"
        );
        output
    };
    for db in [&project.source, &project.target] {
        // a zone with a daylight saving of its own, and one that is no whole hour
        let zone = if db.name() == project.source.name() {
            "America/New_York"
        } else {
            "Asia/Kathmandu"
        };
        db.exec(&format!(
            "alter database {} set timezone = '{zone}'",
            db.name()
        ));
        // the tests' own sessions ask for UTC
        let set = "select setconfig[1] from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = current_database())";
        assert_eq!(db.one(set), format!("TimeZone={zone}"));
    }
    let mut killed = project.command(RUN);
    killed
        .env("LD_PRELOAD", &library)
        .env("TZ", "Pacific/Kiritimati")
        .env("RUNNER_FAILPOINT", "chunk.after_commit:3:kill");
    assert_eq!(
        crate::support::run_limited(&mut killed, LIMIT).code,
        128 + 9
    );
    project.target.wait_until_alone();
    jumping(RUN).ends_with(3);
    jumping(&["verify"]).ends_with(0);
    jumping(RUN).ends_with(3).tells("already done");
    for db in [&project.source, &project.target] {
        db.exec(&format!("alter database {} reset timezone", db.name()));
    }
    Left::assert_calm(&project, "jumping");
    // what is written down as a time is the server's
    let late = "select count(*) from runner.run where started_at not between now() - interval '1 hour' and now()
        or finished_at not between now() - interval '1 hour' and now()";
    assert_eq!(project.target.count(late), 0);
}
