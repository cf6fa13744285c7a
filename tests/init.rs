//! Beginning: settings and a first rule, made from two tables, that `check` accepts and that moves rows.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use runner::rule::{Library, Rule};

use crate::support::{Engine, Project};

/// The nine pairs, parents first.
const PAIRS: [(&str, &str); 9] = [
    ("dispatch_bracket", "brackets"),
    ("dispatch_template_view_groups", "template_view_groups"),
    ("dispatch_template_view_roles", "template_view_roles"),
    ("auth_user", "technicians"),
    ("dispatch_role", "technician_roles"),
    ("dispatch_instruction", "order_cases"),
    ("dispatch_comment", "treatment_discussions"),
    ("dispatch_file", "message_attachments"),
    ("dispatch_payment", "purchases"),
];

#[test]
fn a_first_rule_of_each_pair_passes_its_checks_and_moves_its_copied_columns() {
    each_pair(Engine::Postgres);
}

#[test]
fn a_first_rule_of_each_pair_moves_its_copied_columns_between_embedded_databases() {
    each_pair(Engine::Sqlite);
}

fn each_pair(engine: Engine) {
    let project = Project::empty(engine, engine);
    project.seed(&["--scale", "0.003"]);
    for (base, target) in PAIRS {
        project
            .runner(&["init", base, target])
            .ends_with(0)
            .prints(&format!("wrote rules/{target}.rhai"));
        project.runner(&["check", target]).ends_with(0);
        project
            .runner(&["test", target])
            .ends_with(0)
            .prints(" passed, 0 failed");
        let run = project.runner(&["exec", target]);
        assert!([0, 3].contains(&run.code), "{run}");
        let [.., read, written, _, _, _, _] = project.accounts(target);
        eprintln!("{target}: {written} of {read} rows");
        assert!(written > 0, "{target}: nothing was written\n{run}");
        copied(&project, base, target);
    }
}

/// Every copied column of every row that went over holds what the source holds.
fn copied(project: &Project, base: &str, target: &str) {
    let path = format!("rules/{target}.rhai");
    let rule = Rule::load(&project.path(&path), &Library::default()).expect("a sound rule");
    let Some(legacy) = &rule.header.legacy else {
        // rows of a rule without a legacy column are known by what they refer to
        assert!(!rule.header.match_.is_empty(), "{target}");
        return;
    };
    assert!(
        !rule.header.copy.is_empty() || target.starts_with("template_view"),
        "{target} copies nothing"
    );
    for pair in &rule.header.copy {
        let source = project.source.lines(&format!(
            "select {}, cast({} as text) from {base} order by 1",
            rule.header.key[0], pair.source
        ));
        let arrived = project.target.lines(&format!(
            "select {legacy}, cast({} as text) from {target} where {legacy} is not null order by 1",
            pair.target
        ));
        let known: std::collections::HashSet<&String> = source.iter().collect();
        let lost: Vec<&String> = arrived
            .iter()
            .filter(|line| !known.contains(line))
            .take(3)
            .collect();
        // a row that an earlier script left keeps what that set
        let kept = usize::from(target == "message_attachments");
        assert!(
            lost.len() <= kept,
            "{target}.{} is not {}: {lost:?}",
            pair.target,
            pair.source
        );
    }
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let project = Project::people();
    let (env, rule) = (project.read(".env"), project.read("rules/people.rhai"));
    project
        .runner(&["init", "person", "people"])
        .ends_with(1)
        .says("rules/people.rhai is there already; nothing was changed in it")
        .says("--name NAME");
    project
        .runner(&["init", "person", "people", "--name", "folk"])
        .ends_with(0)
        .prints("wrote rules/folk.rhai");
    assert_eq!(
        (project.read(".env"), project.read("rules/people.rhai")),
        (env, rule)
    );
    project
        .runner(&["init", "persons", "people", "--name", "other"])
        .ends_with(1)
        .says("the source has no table `persons`")
        .says("did you mean `person`?");
    assert!(!project.path("rules/other.rhai").exists());
    project.runner(&["init", "person"]).ends_with(2);
}

#[test]
fn settings_are_written_once_and_for_their_owner_alone() {
    let project = Project::people();
    std::fs::remove_file(project.path(".env")).unwrap();
    let (source, target) = (project.source.url(), project.target.url());
    let arguments = ["init", "--source", &source, "--target", &target];
    project.runner(&arguments).ends_with(0).prints("wrote .env");
    let mode = std::fs::metadata(project.path(".env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = project.read(".env");
    let namespace = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("RUNNER_NAMESPACE="));
        line.expect("a namespace").to_owned()
    };
    project
        .runner(&arguments)
        .ends_with(0)
        .prints("stays as it is");
    assert_eq!(project.read(".env"), first);
    project.runner(&["run"]).ends_with(3);

    // in another folder: the target knows in which namespace its ids were made
    std::fs::remove_file(project.path(".env")).unwrap();
    project.runner(&arguments).ends_with(0);
    assert_eq!(namespace(&project.read(".env")), namespace(&first));

    // a settings file without a namespace gets one, and keeps its lines
    project.write(".env", "# mine\nSOURCE_DATABASE_URL=x.db");
    let empty = Path::new("elsewhere.db").display().to_string();
    project
        .runner(&["init", "--target", &empty])
        .ends_with(0)
        .prints("added RUNNER_NAMESPACE to .env");
    assert!(
        project
            .read(".env")
            .starts_with("# mine\nSOURCE_DATABASE_URL=x.db\nRUNNER_NAMESPACE=")
    );
}
