//! Ways in that cannot be trusted, and doors that stay shut: said in a sentence, before the first write.

use std::time::Duration;

use crate::support::{Output, Project, Standin, Way};

/// Nothing was written.
#[track_caller]
fn untouched(standin: &Standin) {
    let state = standin.admin().one("select to_regnamespace('runner')");
    assert_eq!(state, "NULL");
}

/// How often somebody stood at the door with a wrong password.
fn turned_away(standin: &Standin) -> usize {
    standin
        .log()
        .matches("password authentication failed")
        .count()
}

#[track_caller]
fn quickly(output: &Output) -> &Output {
    assert!(output.took < Duration::from_secs(25), "{output}");
    output
}

#[test]
fn a_transaction_pooler_is_refused_by_every_command() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    for way in [Way::TransactionPooler, Way::SinglePooler] {
        standin.take(&project, way, "postgres");
        let sentence = "this is a transaction pooler, where locks, snapshots and settings get lost between two statements: take the database's own address, or the pooler's port for session mode";
        project.runner(&["check"]).ends_with(5).prints(sentence);
        for command in [
            &["run"][..],
            &["run", "--dry-run"],
            &["exec", "brackets"],
            &["retry"],
            &["sync"],
            &["undo", "1"],
            &["status"],
            &["verify"],
            &["report"],
            &["why", "brackets", "1"],
            &["diff", "brackets"],
            &["quarantine"],
            &["state", "export", "-o", "state.json"],
        ] {
            project.runner(command).ends_with(5).says(sentence);
        }
        untouched(&standin);
    }
}

#[test]
fn what_is_wrong_with_a_connection_is_said_and_nothing_is_tried_twice() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    let direct = standin.url(Way::Direct, "postgres");
    let run = |url: &str, authority: &str| {
        standin.settings(&project, url, authority);
        let output = project.runner(&["run"]);
        quickly(output.ends_with(1));
        untouched(&standin);
        output
    };
    run(&direct, "other-ca")
        .says("no trusted encrypted connection: an authority that is not trusted has signed its certificate")
        .says("TARGET_SSLROOTCERT");
    run(&standin.url(Way::ExpiredPooler, "postgres"), "ca")
        .says("no trusted encrypted connection: its certificate has expired");

    // the certificate is for the address, not for this name of it
    run(&direct.replace("127.0.0.1", "localhost"), "ca")
        .says("no trusted encrypted connection: its certificate is for another host");

    let plain = project.target.url();
    run(
        &plain.replace("sslmode=disable", "sslmode=verify-full"),
        "ca",
    )
    .says("the server does not offer TLS");

    // one knock, and no second with the same key
    assert_eq!(turned_away(&standin), 0);
    run(&direct.replace("word%2F1", "hunter2"), "ca")
        .says("28P01")
        .says("check user and password")
        .never_says("hunter2");
    assert_eq!(turned_away(&standin), 1);
    let pooled = standin.url(Way::SessionPooler, "postgres");
    run(&pooled.replace("word%2F1", "hunter2"), "ca")
        .says("authentication failed")
        .never_says("hunter2");

    // nobody is at home
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let away = project
        .target
        .url()
        .split_once("@127.0.0.1:")
        .map(|(who, rest)| {
            let (_, name) = rest.split_once('/').unwrap();
            format!("{who}@127.0.0.1:{port}/{name}")
        })
        .unwrap();
    run(&away, "ca")
        .says("nothing listens at that address")
        .says("check host, port and firewall");
    // the same of the source
    standin.take(&project, Way::Direct, "postgres");
    project.edit(
        ".env",
        &format!("SOURCE_DATABASE_URL='{}'", project.source.url()),
        &format!("SOURCE_DATABASE_URL='{away}'"),
    );
    let output = project.runner(&["run"]);
    quickly(output.ends_with(1)).says("nothing listens at that address (the source ");
    untouched(&standin);
}

const NEEDS: &str = "a run needs 4 connections to the target at a time (one reads, one holds the lock, one keeps the account, one writes)";

/// The same command, where there is room.
#[track_caller]
fn goes_with_room(standin: &Standin, project: &Project) {
    standin.take(project, Way::Direct, "postgres");
    project.runner(&["run"]).ends_with(3);
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn a_pool_of_one_connection_is_told_what_a_run_needs_at_once() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    // one makes a second client wait, the other turns it away
    for way in [Way::PoolOfOne, Way::OneClient] {
        standin.take(&project, way, "postgres");
        for command in [&["run"][..], &["exec", "brackets"], &["sync"]] {
            quickly(project.runner(command).ends_with(5))
                .says(NEEDS)
                .says("and there is room for 1");
            untouched(&standin);
        }
        quickly(project.runner(&["check"]).ends_with(5)).prints(NEEDS);
        // one is enough to look
        quickly(project.runner(&["plan"]).ends_with(0));
        // and two are what a comparison takes
        quickly(project.runner(&["verify"]).ends_with(1));
    }
    goes_with_room(&standin, &project);
    standin.take(&project, Way::PoolOfOne, "postgres");
    quickly(project.runner(&["report"]).ends_with(0));
    quickly(project.runner(&["verify"]).ends_with(1))
        .says("this command has 1 open already, so the role, the database or the pool most likely allows no more");
}

#[test]
fn a_role_with_few_connections_is_told_what_a_run_needs_and_gets_along_with_four() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    let admin = standin.admin();
    standin.take(&project, Way::Direct, "postgres");
    for limit in [1, 3] {
        admin.exec(&format!("alter role postgres connection limit {limit}"));
        quickly(project.runner(&["run"]).ends_with(5))
            .says(NEEDS)
            .says(&format!("and there is room for {limit}"))
            .says("alter role");
        quickly(project.runner(&["check"]).ends_with(5)).prints(NEEDS);
        untouched(&standin);
    }
    admin.exec("alter role postgres connection limit 4");
    project
        .runner(&["run", "--writers", "3"])
        .ends_with(3)
        .says("1 instead of 3 writers");
    admin.exec("alter role postgres connection limit -1");
    goes_with_room(&standin, &project);
}
