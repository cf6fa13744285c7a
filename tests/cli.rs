//! The program as other programs see it: streams, documents, exit codes.

use std::process::Stdio;

use crate::support::Project;

#[test]
fn help_and_version_go_to_stdout_and_succeed() {
    let project = Project::people();
    let help = project.runner(&["--help"]);
    help.ends_with(0).prints("Exit codes");
    for command in [
        "demo",
        "init",
        "check",
        "test",
        "diff",
        "repl",
        "plan",
        "exec",
        "run",
        "retry",
        "sync",
        "status",
        "quarantine",
        "report",
    ] {
        help.prints(command);
        project
            .runner(&[command, "--help"])
            .ends_with(0)
            .prints("Usage");
    }
    project
        .runner(&["--version"])
        .ends_with(0)
        .prints(env!("CARGO_PKG_VERSION"));
    assert_eq!(help.stderr, "");
}

#[test]
fn every_command_gives_one_document_with_json() {
    let project = Project::people();
    let commands: &[(&[&str], i32)] = &[
        (&["check"], 0),
        (&["plan"], 0),
        (&["test"], 0),
        (&["run", "--dry-run"], 3),
        (&["exec", "kinds"], 0),
        (&["run"], 3),
        (&["run"], 3),
        (&["sync", "--dry-run"], 3),
        (&["sync"], 3),
        (&["status"], 0),
        (&["quarantine", "list"], 0),
        (&["quarantine", "show", "people", "15"], 0),
    ];
    for (arguments, code) in commands {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = project.runner(&arguments);
        output.ends_with(*code);
        assert!(
            output.json().is_object() || output.json().is_array(),
            "{output}"
        );
    }
    let status = project.runner(&["status", "--json"]).json();
    assert!(
        status["run"].is_i64() && status["rules"].is_array(),
        "{status:#}"
    );
    // Failures too.
    std::fs::remove_file(project.path(".env")).unwrap();
    let failed = project.runner(&["run", "--json"]);
    failed.ends_with(1);
    assert_eq!(failed.json()["error"]["exit"], 1, "{failed}");
}

#[test]
fn data_goes_to_stdout_everything_else_to_stderr_without_colours() {
    let project = Project::people();
    let run = project.runner(&["run"]);
    run.ends_with(3).never_says("\u{1b}[");
    let status = project.runner(&["status"]);
    status.ends_with(0).prints("people").never_says("\u{1b}[");
    let check = project.runner(&["check"]);
    check.ends_with(0).never_says("\u{1b}[");
}

#[test]
fn findings_of_check_are_lines_an_editor_can_jump_to() {
    let project = Project::people();
    project.edit("rules/people.rhai", "name: row.name,", "name: row.nmae,");
    let check = project.runner(&["check"]);
    check.ends_with(5);
    let parts: Vec<&str> = check
        .stdout
        .lines()
        .find(|line| line.contains("nmae"))
        .expect("a finding")
        .splitn(5, ':')
        .collect();
    assert_eq!(
        (parts[0], parts[3]),
        ("rules/people.rhai", " error"),
        "{check}"
    );
    assert!(
        parts[1].parse::<u32>().is_ok() && parts[2].parse::<u32>().is_ok(),
        "{check}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let mut command = project.command(&["quarantine", "list"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_rule_is_named_by_name_or_by_file() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.runner(&["exec", "rules/people.rhai"]).ends_with(3);
    project.runner(&["check", "people"]).ends_with(0);
    project.runner(&["check", "rules/people.rhai"]).ends_with(0);
    project
        .runner(&["test", "people"])
        .ends_with(0)
        .prints("1 passed, 0 failed");
    let other = Project::people();
    other
        .runner(&["run", "rules/people.rhai", "kinds"])
        .ends_with(3);
    assert_eq!(other.target.count("select count(*) from people"), 104);
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let project = Project::people();
    let source = project.source.url();
    project.write(
        ".env",
        &format!(
            "SOURCE_DATABASE_URL={source}\nTARGET_DATABASE_URL=postgres://nobody@127.0.0.1:1/none\n"
        ),
    );
    let with_flag = project.runner(&["plan", "--target", &project.target.url()]);
    with_flag.ends_with(0).prints("people");
    let mut command = project.command(&["plan"]);
    let output = crate::support::run_limited(
        command.env("TARGET_DATABASE_URL", project.target.url()),
        std::time::Duration::from_mins(1),
    );
    output.ends_with(0).prints("people");
}

#[test]
fn urls_in_parts_and_supabases_own_names_are_understood() {
    let project = Project::people();
    let port = crate::support::postgres().port;
    let (source, target) = (project.source.name(), project.target.name());
    let parts = |side: &str, name: &str| {
        format!(
            "{side}_DB_HOST=127.0.0.1\n{side}_DB_PORT={port}\n{side}_DB_USER=postgres\n{side}_DB_PASSWORD=\"with @ and / and '\"\n{side}_DB_NAME={name}\n"
        )
    };
    project.write(
        ".env",
        &format!("{}{}", parts("SOURCE", source), parts("TARGET", target)),
    );
    project.runner(&["plan"]).ends_with(0).prints("people");
    for name in ["DATABASE_URL", "DIRECT_URL", "SUPABASE_DB_URL"] {
        project.write(
            ".env",
            &format!(
                "{}{name}={}\n",
                parts("SOURCE", source),
                project.target.url()
            ),
        );
        project.runner(&["plan"]).ends_with(0).prints("people");
    }
    // A service key alone cannot load anything: said, with where the dashboard shows the URL.
    project.write(
        ".env",
        &format!(
            "{}SUPABASE_URL=https://abc.supabase.co\nSUPABASE_SERVICE_ROLE_KEY=eyJhbGciOi\n",
            parts("SOURCE", source)
        ),
    );
    project
        .runner(&["run"])
        .ends_with(1)
        .says("SUPABASE_URL")
        .never_says("eyJhbGciOi");
}
