//! What servers do: they restart, crash, run out of room, turn read-only.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{COPYING, LIMIT, Left, RUN, SLOW, people_on, until};
use crate::support::{OwnServer, PEOPLE_SOURCE, Project};

#[test]
fn fault_02_a_writer_that_is_terminated_in_the_middle_of_a_copy_sends_its_chunk_again() {
    let project = Project::people();
    project.target.exec(SLOW);
    let running = project.start(RUN);
    for _ in 0..3 {
        until(&project.target, COPYING);
        project.target.exec(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
             and state = 'active' and query ilike 'copy%people%from stdin'",
        );
    }
    running.finish(LIMIT).ends_with(3);
    Left::assert_calm(&project, "terminated");
}

#[test]
fn fault_02_a_target_that_restarts_or_crashes_in_the_middle_of_a_copy_leaves_no_half_chunk() {
    for mode in ["fast", "immediate"] {
        let server = OwnServer::start(&[]);
        let project = people_on(&server, "postgres");
        project.target.exec(SLOW);
        let running = project.start(RUN);
        until(&project.target, "select exists (select 1 from people)");
        until(&project.target, COPYING);
        server.down(mode);
        std::thread::sleep(Duration::from_millis(500));
        server.up();
        let output = running.finish(LIMIT);
        // sessions that only read are not opened again: the same command is
        assert!([1, 3].contains(&output.code), "{mode}\n{output}");
        let whole = "select count(*) = (select coalesce(sum(target_rows), 0) from runner.chunk where rule = 'people') from people";
        assert_eq!(project.target.one(whole), "t", "{mode}: half a chunk");
        project.runner(RUN).ends_with(3);
        Left::assert_calm(&project, mode);
    }
}

#[test]
fn fault_02_a_source_that_restarts_ends_the_run_and_the_same_command_goes_on() {
    let server = OwnServer::start(&[]);
    let mut project = Project::people();
    project.source.drop_database();
    project.source = server.db("postgres");
    project.source.exec(PEOPLE_SOURCE);
    project.write_env(&[]);
    project.target.exec(SLOW);
    let running = project.start(RUN);
    until(&project.target, "select exists (select 1 from people)");
    server.down("fast");
    let output = running.finish(LIMIT);
    output
        .ends_with(1)
        .says("source")
        .says("run the same command again");
    // while it is away nothing is written, and it is said which side
    project
        .runner(RUN)
        .ends_with(1)
        .says("nothing listens at that address");
    server.up();
    project.runner(RUN).ends_with(3);
    Left::assert_calm(&project, "source");
}

/// A file system of its own, of a few megabytes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(folder: &Path) -> Self {
        let owner = std::fs::metadata(folder).expect("a folder");
        let owner = std::os::unix::fs::MetadataExt::uid(&owner);
        let options = format!("size=1m,mode=700,uid={owner}");
        mount(&[
            "-t",
            "tmpfs",
            "-o",
            &options,
            "tmpfs",
            folder.to_str().expect("a path"),
        ]);
        Self(folder.to_owned())
    }

    /// Somebody has enlarged it.
    fn enlarge(&self) {
        mount(&["-o", "remount,size=64m", self.0.to_str().expect("a path")]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        as_root("umount").arg("-l").arg(&self.0).status().ok();
    }
}

fn as_root(program: &str) -> Command {
    if nix::unistd::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn mount(arguments: &[&str]) {
    let done = as_root("mount").args(arguments).status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "a disk that is full has to be mounted, which needs root or sudo"
    );
}

/// People whose table lies on a small disk, with so much text that they do not fit.
fn on_a_small_disk(server: &OwnServer, more: &[(&str, &str)]) -> (Project, SmallDisk) {
    let folder = server.folder("small");
    let disk = SmallDisk::at(&folder);
    let project = people_on(server, "postgres");
    project.write_env(more);
    project.target.exec(&format!(
        "create tablespace small location '{}'",
        folder.display()
    ));
    project.target.exec("alter table people set tablespace small; alter table people alter notes set storage external");
    project
        .source
        .exec("update person set notes = repeat('n', 20000)");
    (project, disk)
}

/// What they leave where there is room.
fn with_room() -> Left {
    let project = Project::people();
    project
        .source
        .exec("update person set notes = repeat('n', 20000)");
    project.runner(RUN).ends_with(3);
    Left::of(&project, super::TABLES)
}

#[cfg(target_os = "linux")]
#[test]
fn fault_07_a_full_disk_of_the_target_is_waited_for_and_then_ends_the_run_with_whole_chunks() {
    let expected = with_room();
    let server = OwnServer::start(&[]);
    // given up soon
    let (project, disk) = on_a_small_disk(&server, &[("STATEMENT_TIMEOUT", "6")]);
    let began = Instant::now();
    project
        .runner(RUN)
        .ends_with(1)
        .says("53100")
        .says("goes on from the checkpoint");
    assert!(
        began.elapsed() > Duration::from_secs(3),
        "it was not waited for"
    );
    let there = project.target.count("select count(*) from people");
    assert!(there > 0 && there < 104, "{there}");
    assert_eq!(
        project
            .target
            .count("select sum(target_rows) from runner.chunk where rule = 'people'"),
        there
    );
    disk.enlarge();
    project.runner(RUN).ends_with(3);
    Left::of(&project, super::TABLES).assert_same(&expected, "enlarged afterwards");
}

#[cfg(target_os = "linux")]
#[test]
fn fault_07_a_disk_that_is_enlarged_in_time_is_no_failure() {
    let expected = with_room();
    let server = OwnServer::start(&[]);
    let (project, disk) = on_a_small_disk(&server, &[]);
    let running = project.start(RUN);
    let began = Instant::now();
    while !server.log().contains("No space left on device") {
        assert!(began.elapsed() < LIMIT, "{}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    disk.enlarge();
    running.finish(LIMIT).ends_with(3);
    Left::of(&project, super::TABLES).assert_same(&expected, "enlarged meanwhile");
}

#[test]
fn fault_07_no_connection_left_is_said_or_waited_for() {
    let project = Project::people();
    let (name, other) = (project.target.name().to_owned(), "connections_mover");
    let server = crate::support::Db::on_server("postgres");
    server.exec(&format!(
        "drop role if exists {other}; create role {other} login"
    ));
    server.exec(&format!("alter database {name} owner to {other}"));
    project.target.exec(&format!("alter table people owner to {other}; alter table kinds owner to {other}; grant all on schema public to {other}"));
    let mut mover = Project::people();
    mover.source.drop_database();
    mover.target.drop_database();
    mover.source = project.source.clone();
    mover.target = project.target.as_user(other, None);
    mover.write_env(&[]);
    // a run needs three connections besides its writers: here one is missing
    server.exec(&format!("alter database {name} connection limit 2"));
    mover
        .runner(RUN)
        .ends_with(5)
        .says("there is room for 2")
        .says("close other clients");
    assert_eq!(project.target.count("select count(*) from people"), 0);
    // there is none for the writers, until somebody goes
    server.exec(&format!("alter database {name} connection limit 3"));
    project.target.exec(SLOW);
    let running = mover.start(RUN);
    until(
        &project.target,
        "select coalesce((select true from pg_stat_activity where datname = current_database() and application_name = 'runner' limit 1), false)",
    );
    std::thread::sleep(Duration::from_secs(2));
    server.exec(&format!("alter database {name} connection limit -1"));
    let output = running.finish(LIMIT);
    output.ends_with(3);
    Left::assert_calm(&project, "connections");
    server.exec(&format!("alter database {name} owner to postgres"));
    drop(mover);
    drop(project);
    server.exec(&format!("drop role {other}"));
}

#[test]
fn fault_08_a_target_that_is_read_only_from_the_start_or_turns_so_loses_nothing() {
    let server = OwnServer::start(&[]);
    let project = people_on(&server, "postgres");
    let read_only = |value: &str| {
        let sql = format!(
            "set default_transaction_read_only = off; alter system set default_transaction_read_only = {value}"
        );
        let mut admin = project.target.session();
        for statement in sql.split("; ") {
            admin.exec(statement);
        }
        admin.exec("select pg_reload_conf()");
        drop(admin);
        until(
            &project.target,
            &format!("select current_setting('default_transaction_read_only') = '{value}'"),
        );
    };
    read_only("on");
    project
        .runner(RUN)
        .ends_with(1)
        .says("25006")
        .says("a run must write to the target");
    assert_eq!(
        project.target.one("select to_regnamespace('runner')"),
        "NULL"
    );
    read_only("off");

    project.target.exec(SLOW);
    let running = project.start(RUN);
    until(&project.target, "select exists (select 1 from people)");
    read_only("on");
    running
        .finish(LIMIT)
        .ends_with(1)
        .says("25006")
        .says("enlarge it, then run the same command again");
    let there = project.target.count("select count(*) from people");
    assert!(there > 0 && there < 104, "{there}");
    read_only("off");
    project.runner(RUN).ends_with(3);
    Left::assert_calm(&project, "read-only");
}

#[test]
fn fault_28_what_was_committed_survives_a_crash_though_the_role_does_not_wait_for_the_disk() {
    // a server that would write its log ten seconds later, for a role that does not ask it to hurry
    let server = OwnServer::start(&["wal_writer_delay = 10s", "fsync = on"]);
    let project = people_on(&server, "postgres");
    project.target.exec(
        "alter role postgres set synchronous_commit = off;
         create table seen(mode text);
         create function look() returns trigger language plpgsql as $$ begin
           insert into seen values (current_setting('synchronous_commit')); return null; end $$;
         create trigger look after insert on people for each statement execute function look()",
    );
    assert_eq!(project.target.one("show synchronous_commit"), "off");
    project.runner(RUN).ends_with(3);
    server.down("immediate");
    server.up();
    assert_eq!(
        project.target.lines("select distinct mode from seen"),
        ["on"]
    );
    Left::assert_calm(&project, "crashed");
    project.runner(RUN).ends_with(3).tells("already done");
    // what the same crash does to a client that leaves it to the role
    project.target.exec("create table lost(n integer)");
    server.down("immediate");
    server.up();
    assert_eq!(project.target.one("select to_regclass('lost')"), "NULL");
}
