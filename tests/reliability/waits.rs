//! What a target answers when others are at work: conflicts of transactions, deadlocks, limits of time.

use std::time::Duration;

use super::{LIMIT, Left, RUN, SLOW, TABLES, until};
use crate::support::{Project, postgres};

/// Somebody waits for a lock.
const WAITS: &str = "select exists (select 1 from pg_stat_activity where datname = current_database() and application_name = 'runner'
    and wait_event_type = 'Lock' and state = 'active')";

/// How often the server has said so of this database.
fn told(project: &Project, what: &str) -> usize {
    let prefix = format!("{}|", project.target.name());
    let log = postgres().log();
    let lines = log.lines().filter(|line| line.starts_with(&prefix));
    lines.filter(|line| line.contains(what)).count()
}

/// The people, one of whom is in the target already, with nothing in a column that the rule fills.
fn with_one_there() -> Project {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.target.exec(
        "insert into people(id, name, kind_id, balance, legacy_person_id)
         select '99999999-0000-4000-8000-000000000001', 'Person 1', id, 1.25, 1 from kinds where legacy_kind_id = 2",
    );
    project
}

#[test]
fn fault_05_a_transaction_that_cannot_be_serialized_is_sent_again() {
    let calm = with_one_there();
    calm.runner(RUN).ends_with(3);
    let project = with_one_there();
    let name = project.target.name();
    project.target.exec(&format!(
        "alter database {name} set default_transaction_isolation = 'repeatable read'"
    ));
    let mut holder = project.target.session();
    holder.exec("begin; update people set created_at = created_at where legacy_person_id = 1");
    let running = project.start(RUN);
    until(&project.target, WAITS);
    holder.exec("commit");
    running.finish(LIMIT).ends_with(3);
    assert_eq!(
        told(&project, "could not serialize access"),
        1,
        "40001 never came"
    );
    let expected = Left::of(&calm, TABLES);
    Left::of(&project, TABLES).assert_same(&expected, "40001");
}

#[test]
fn fault_05_a_deadlock_with_somebody_else_is_got_over() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let name = project.target.name();
    // the program is the one that looks first, and gives way
    project.target.exec(&format!(
        "alter database {name} set deadlock_timeout = '4s'"
    ));
    let mut holder = project.target.session();
    holder.exec("set deadlock_timeout = '2min'");
    holder.exec("begin; select 1 from kinds where legacy_kind_id = 2 for update");
    let running = project.start(RUN);
    until(&project.target, WAITS);
    // its rows are in the index, and it waits for their parent
    holder.exec(
        "insert into people(id, name, kind_id, balance, legacy_person_id)
         select gen_random_uuid(), 'Person 2', id, 1.25, 2 from kinds where legacy_kind_id = 2",
    );
    assert_eq!(told(&project, "deadlock detected"), 1, "40P01 never came");
    holder.exec("rollback");
    running.finish(LIMIT).ends_with(3);
    Left::assert_calm(&project, "40P01");
}

#[test]
fn fault_05_a_lock_that_somebody_holds_is_waited_for_and_given_up_in_time() {
    let project = Project::people();
    project.write_env(&[("STATEMENT_TIMEOUT", "10")]);
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut holder = project.target.session();
    // for good: tried again for half of what a statement may take
    holder.exec("begin; lock table people in share mode");
    let output = project.runner(RUN);
    output
        .ends_with(1)
        .says("55P03")
        .says("goes on from the checkpoint");
    assert!(
        output.took > Duration::from_secs(5) && output.took < Duration::from_secs(40),
        "{output}"
    );
    assert!(
        told(&project, "canceling statement due to lock timeout") >= 2,
        "it was not tried again"
    );
    assert_eq!(project.target.count("select count(*) from people"), 0);
    // for a while
    let before = told(&project, "canceling statement due to lock timeout");
    let running = project.start(RUN);
    while told(&project, "canceling statement due to lock timeout") == before {
        std::thread::sleep(Duration::from_millis(20));
    }
    holder.exec("rollback");
    running.finish(LIMIT).ends_with(3);
    Left::assert_calm(&project, "55P03");
}

/// Nobody sees this deadlock but who is in it: what is read keeps somebody's ALTER TABLE waiting, and our next
/// question waits behind that.
#[test]
fn fault_05_a_verification_that_waits_for_a_lock_ends_and_does_not_call_it_a_missing_right() {
    let project = Project::people();
    project.write_env(&[("STATEMENT_TIMEOUT", "10")]);
    project.target.exec(
        "create table extras(id uuid primary key);
         alter table people add column extra_id uuid references extras",
    );
    project.runner(RUN).ends_with(3);
    let verify = ["verify"];
    project.runner(&verify).ends_with(0);
    let mut reader = project.target.session();
    reader.exec("begin; select 1 from extras");
    let output = std::thread::scope(|scope| {
        let alter = "set lock_timeout = '1min'; alter table extras add column more text";
        let alter = scope.spawn(|| project.target.try_rows(alter));
        let waits = "select exists (select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
        until(&project.target, waits);
        let output = project.runner(&verify);
        reader.exec("commit");
        alter
            .join()
            .expect("the thread")
            .expect("it had only to wait");
        output
    });
    output
        .ends_with(1)
        .says("55P03")
        .says("run the same command again");
    project.runner(&verify).ends_with(0);
}

#[test]
fn fault_06_a_statement_that_takes_too_long_leaves_no_part_of_its_chunk() {
    let project = Project::people();
    project.write_env(&[("STATEMENT_TIMEOUT", "2")]);
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.target.exec(SLOW);
    let output = project.runner(&["run", "--batch-rows", "120"]);
    output.ends_with(1).says("57014").says("--batch-rows");
    assert!(
        told(&project, "canceling statement due to statement timeout") >= 2,
        "it was not tried again"
    );
    assert_eq!(project.target.count("select count(*) from people"), 0);
    assert_eq!(
        project
            .target
            .count("select count(*) from runner.chunk where rule = 'people'"),
        0
    );
    // what it says to do
    project.runner(RUN).ends_with(3);
    Left::assert_calm(&project, "57014");
}

#[test]
fn fault_06_a_statement_that_somebody_cancels_is_sent_again() {
    let project = Project::people();
    project.target.exec(SLOW);
    let running = project.start(RUN);
    until(&project.target, "select coalesce((select bool_or(pg_cancel_backend(pid)) from pg_stat_activity
        where datname = current_database() and state = 'active' and query ilike 'copy%people%from stdin'), false)");
    running.finish(LIMIT).ends_with(3);
    assert_eq!(told(&project, "canceling statement due to user request"), 1);
    Left::assert_calm(&project, "cancelled");
}

#[test]
fn fault_06_a_transaction_that_the_server_ended_for_its_silence_is_begun_again() {
    let project = Project::people();
    project.write_env(&[("STATEMENT_TIMEOUT", "20")]);
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut holder = project.target.session();
    // a statement whose answer is whole before the program is asked for anything
    holder.exec("begin; lock table runner.chunk in share mode");
    let running = project.start(RUN);
    until(&project.target, WAITS);
    let stop = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args([&format!("-{name}"), &running.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    // in the middle of its transaction it says nothing any more, for longer than the server waits
    stop("STOP");
    holder.exec("rollback");
    while told(
        &project,
        "terminating connection due to idle-in-transaction timeout",
    ) == 0
    {
        std::thread::sleep(Duration::from_millis(100));
        assert!(project.target.one(
            "select exists (select 1 from pg_stat_activity where datname = current_database() and application_name = 'runner')") == "t");
    }
    stop("CONT");
    running.finish(LIMIT).ends_with(3);
    Left::assert_calm(&project, "25P03");
}
