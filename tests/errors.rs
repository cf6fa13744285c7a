//! Bad input: a clear sentence that says what to do, the right exit code, and nothing lost.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::{Db, Engine, NAMESPACE, PASSWORD_USER, Project};

fn with_env(source: &str, target: &str) -> Project {
    let project = Project::people();
    project.write(".env", &format!("SOURCE_DATABASE_URL=\"{source}\"\nTARGET_DATABASE_URL=\"{target}\"\nRUNNER_NAMESPACE={NAMESPACE}\n"));
    project
}

#[test]
fn without_an_env_file_the_names_to_set_are_said() {
    let project = Project::people();
    std::fs::remove_file(project.path(".env")).unwrap();
    project
        .runner(&["run"])
        .ends_with(1)
        .says("SOURCE_DATABASE_URL")
        .says("hint: ");
    project
        .runner(&["run", "--source", &project.source.url()])
        .ends_with(1)
        .says("TARGET_DATABASE_URL");
    // What is named has to be there; what is not named may be missing.
    project
        .runner(&["run", "--env-file", "other.env"])
        .ends_with(1)
        .says("other.env");
}

#[test]
fn a_url_that_is_none_is_shown_without_its_password() {
    for url in [
        "postgres//me:hunter2@host/db",
        "mssql://me:hunter2@host/db",
        "postgres://me:hunter2@host:port/db",
        "hunter2",
        "",
    ] {
        let project = Project::people();
        let target = project.target.url();
        let project = with_env(url, &target);
        project
            .runner(&["run"])
            .ends_with(1)
            .says("SOURCE_DATABASE_URL")
            .never_says("hunter2");
    }
}

#[test]
fn a_wrong_password_fails_at_once_and_is_never_shown() {
    let project = Project::people();
    project
        .target
        .try_rows(&format!(
            "create role {PASSWORD_USER} login password 'right'"
        ))
        .ok();
    let wrong = project.target.as_user(PASSWORD_USER, Some("wr0ng-secret"));
    project.write(
        ".env",
        &format!(
            "SOURCE_DATABASE_URL=\"{}\"\nTARGET_DATABASE_URL=\"{}\"\n",
            project.source.url(),
            wrong.url()
        ),
    );
    let output = project.runner(&["run"]);
    output
        .ends_with(1)
        .says("password")
        .says(PASSWORD_USER)
        .never_says("wr0ng-secret");
    assert!(
        output.took < Duration::from_secs(8),
        "an authentication error was tried again\n{output}"
    );
}

#[test]
fn a_host_that_refuses_or_never_answers_is_given_up_within_the_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for port in [1, port] {
        let project = Project::people();
        let source = project.source.url();
        let project = with_env(
            &source,
            &format!("postgres://postgres:hunter2@127.0.0.1:{port}/db?sslmode=disable"),
        );
        let output = project.runner(&["run"]);
        output
            .ends_with(1)
            .says("127.0.0.1")
            .says("target")
            .never_says("hunter2");
        assert!(output.took < Duration::from_secs(40), "{output}");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_for_hosts_that_are_not_this_one() {
    let project = Project::people();
    let output = project.runner(&[
        "run",
        "--target",
        "postgres://postgres:hunter2@db.example.supabase.co:5432/postgres",
    ]);
    assert!([1, 2].contains(&output.code), "{output}");
    output.says("--target").never_says("hunter2");
}

#[test]
fn a_missing_database_is_named() {
    let project = Project::people();
    let (source, target) = (project.source.url(), Db::on_server("not_there").url());
    with_env(&source, &target)
        .runner(&["run"])
        .ends_with(1)
        .says("not_there");
    let file = Project::sqlite("create table t(id integer)", "create table t(id integer)");
    file.write(
        ".env",
        "SOURCE_DATABASE_URL=sqlite://nowhere/legacy.db\nTARGET_DATABASE_URL=sqlite://target.db\n",
    );
    file.rule(
        "kinds",
        "const RULE = #{ base: \"t\", key: \"id\", target: \"t\" };\nfn transform(row) { #{} }\n",
    );
    file.runner(&["run"]).ends_with(1).says("nowhere/legacy.db");
    assert!(
        !file.path("nowhere").exists() && !file.path("nowhere/legacy.db").exists(),
        "a source is never made"
    );
}

#[test]
fn a_missing_table_is_refused_with_its_place_before_anything_is_written() {
    let project = Project::people();
    project.source.exec("alter table person rename to persons");
    project
        .runner(&["run"])
        .ends_with(5)
        .says("rules/people.rhai:")
        .says("person")
        .says("persons");
    assert_eq!(
        project.target.count("select count(*) from kinds"),
        0,
        "refused means nothing is written"
    );
    project.source.exec("alter table persons rename to person");
    project.target.exec("alter table people rename to folk");
    project
        .runner(&["run"])
        .ends_with(5)
        .says("rules/people.rhai:")
        .says("people");
}

#[test]
fn an_empty_or_missing_folder_of_rules_is_said() {
    let project = Project::empty(Engine::Postgres, Engine::Postgres);
    let output = project.runner(&["run"]);
    assert!([1, 2, 5].contains(&output.code), "{output}");
    output.says("rules");
    std::fs::remove_dir(project.path("rules")).unwrap();
    let output = project.runner(&["run"]);
    assert!([1, 2, 5].contains(&output.code), "{output}");
    output.says("rules");
}

#[test]
fn an_unknown_rule_is_refused_with_a_suggestion() {
    let project = Project::people();
    let output = project.runner(&["exec", "peple"]);
    assert!([1, 2].contains(&output.code), "{output}");
    output.says("peple").says("people");
    assert_eq!(project.runner(&["exec"]).code, 2);
    assert_eq!(project.runner(&["run", "--writers", "none"]).code, 2);
    assert_eq!(project.runner(&["walk"]).code, 2);
}

#[test]
fn a_state_of_a_newer_version_is_refused_and_left_alone() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project
        .target
        .exec("update runner.meta set value = '999' where key = 'version'");
    let dump = |table: &str| {
        project
            .target
            .lines(&format!("select * from {table} order by 1"))
    };
    let before = (dump("runner.chunk"), dump("people"));
    for arguments in [
        &["run"][..],
        &["run", "--restart"],
        &["status"],
        &["exec", "people"],
    ] {
        project
            .runner(arguments)
            .ends_with(1)
            .says("999")
            .says("newer");
    }
    assert_eq!((dump("runner.chunk"), dump("people")), before);
}

#[test]
fn a_state_of_another_namespace_is_refused_and_left_alone() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let other = "11111111-2222-4333-8444-555555555555";
    let env = project.read(".env").replace(NAMESPACE, other);
    project.write(".env", &env);
    let before = project
        .target
        .lines("select id, xmin from people order by 1");
    for arguments in [&["run"][..], &["run", "--restart"]] {
        let output = project.runner(arguments);
        assert!([1, 5].contains(&output.code), "{output}");
        output.says("RUNNER_NAMESPACE");
    }
    assert_eq!(
        project
            .target
            .lines("select id, xmin from people order by 1"),
        before
    );
    // Unset, the state's own namespace holds.
    project.write(
        ".env",
        &env.replace(&format!("RUNNER_NAMESPACE={other}\n"), ""),
    );
    project.runner(&["run"]).ends_with(3).tells("already done");
}

#[test]
fn without_a_namespace_one_is_made_kept_and_shown() {
    let project = Project::people();
    let env = project
        .read(".env")
        .replace(&format!("RUNNER_NAMESPACE={NAMESPACE}\n"), "");
    project.write(".env", &env);
    let output = project.runner(&["run"]);
    output.ends_with(3);
    let said = format!("{}{}", output.stdout, output.stderr);
    let line = said
        .lines()
        .find(|line| line.contains("RUNNER_NAMESPACE="))
        .unwrap_or_else(|| panic!("{output}"));
    let namespace = &line.split_once("RUNNER_NAMESPACE=").unwrap().1[..36];
    let ids = |project: &Project| {
        project
            .target
            .lines("select legacy_person_id, id from people order by 1")
    };
    // The same line in another project, with an empty target, makes the same ids.
    let rebuilt = Project::people();
    rebuilt.write(".env", &rebuilt.read(".env").replace(NAMESPACE, namespace));
    rebuilt.runner(&["run"]).ends_with(3);
    assert_eq!(ids(&project), ids(&rebuilt));
    assert_eq!(ids(&project).len(), 104);
}

#[test]
fn a_connection_that_breaks_while_rules_are_prepared_is_no_fault_of_theirs() {
    for door in ["source", "reader"] {
        let project = Project::people();
        let state = || {
            project
                .target
                .one("select count(*) from information_schema.tables where table_schema = 'runner'")
        };
        let mut broken = 0;
        for nth in 1.. {
            let output = project.runner_failing(&format!("{door}.answered:{nth}:error"), &["run"]);
            // prepared: the run was about to write
            if state() != "0" {
                break;
            }
            output
                .ends_with(1)
                .never_says("given up half-way")
                .says("test: it broke");
            broken += 1;
        }
        assert!(broken > 2, "{door}: {broken}");
    }
}
