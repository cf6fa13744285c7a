//! The demo: the whole story without a server, ending well.

use serde_json::Value;

use crate::support::{Engine, Output, Project, quarantine_dump};

fn demo(arguments: &[&str]) -> (Project, Output) {
    let project = Project::empty(Engine::Sqlite, Engine::Sqlite);
    std::fs::remove_file(project.path(".env")).unwrap();
    project.use_shipped_rules();
    let output = project.runner(arguments);
    (project, output)
}

#[test]
fn the_demo_ends_with_0_and_a_report() {
    let (project, output) = demo(&["demo", "--scale", "0.02"]);
    output.ends_with(0);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(
        said.contains("report.html"),
        "the report's path is not said\n{output}"
    );
    for file in ["demo/legacy.db", "demo/target.db", "demo/report.html"] {
        assert!(project.path(file).is_file(), "{file}\n{output}");
    }
    let report = project.read("demo/report.html");
    assert!(
        report.contains("<html") && report.contains("purchases"),
        "{}",
        &report[..report.len().min(500)]
    );
    assert!(
        !report.contains("http://") && !report.contains("https://"),
        "a report that needs the network"
    );
    assert!(
        !report.contains("pbkdf2_sha256$"),
        "a password hash is in the report"
    );

    let target = crate::support::Db::sqlite(&project.path("demo/target.db"));
    for table in [
        "technicians",
        "technician_roles",
        "order_cases",
        "purchases",
    ] {
        assert!(
            target.count(&format!("select count(*) from {table}")) > 0,
            "{table} is empty"
        );
        let account = "sum(base) - sum(filtered) - sum(read) + sum(read) - sum(inserted) - sum(updated) - sum(unchanged) - sum(skipped) - sum(rejected)";
        let account = account.replace("- sum(read) + sum(read) ", "");
        let open = target.count(&format!(
            "select {account} from runner_chunk where accounted = 1 and rule = '{table}'"
        ));
        assert_eq!(open, 0, "{table} does not balance");
    }
    let codes: std::collections::BTreeSet<String> = quarantine_dump(&target)
        .iter()
        .map(|line| {
            format!(
                "{} {}",
                line.split('|').next().unwrap(),
                line.rsplit('|').next().unwrap()
            )
        })
        .collect();
    // Every rejected class of the four rules, however small the scale.
    for class in [
        "technicians missing_profile",
        "technicians duplicate_email",
        "technician_roles no_technician",
        "technician_roles orphan",
        "order_cases orphan",
        "order_cases no_case",
        "purchases orphan",
        "purchases negative_total",
    ] {
        assert!(codes.contains(class), "{class} is not among {codes:#?}");
    }
}

#[test]
fn the_demo_can_be_run_again_into_the_same_folder() {
    let (project, output) = demo(&["demo", "--scale", "0.01", "--dir", "here"]);
    output.ends_with(0);
    let first = quarantine_dump(&crate::support::Db::sqlite(&project.path("here/target.db")));
    project
        .runner(&["demo", "--scale", "0.01", "--dir", "here"])
        .ends_with(0);
    assert_eq!(
        quarantine_dump(&crate::support::Db::sqlite(&project.path("here/target.db"))),
        first
    );
}

#[test]
fn both_engines_are_seeded_with_the_same_rows_and_end_with_the_same_accounts() {
    let [sqlite, postgres] = [Engine::Sqlite, Engine::Postgres].map(|engine| {
        let project = Project::demo("0.02", engine);
        project.runner(&["run"]).ends_with(3);
        let account = |rule: &String| -> (String, [i64; 8], Value) {
            let codes = project.status(rule)["codes"].clone();
            (rule.clone(), project.accounts(rule), codes)
        };
        let accounts: Vec<_> = project.rules().iter().map(account).collect();
        (accounts, quarantine_dump(&project.target))
    });
    assert_eq!(sqlite, postgres);
}

#[test]
fn a_seed_makes_the_same_databases_twice_and_another_seed_others() {
    let dump = |seed: &str| {
        let project = Project::empty(Engine::Sqlite, Engine::Sqlite);
        project.seed(&["--scale", "0.01", "--seed", seed]);
        let names = project
            .source
            .lines("select name from sqlite_master where type = 'table' order by 1");
        assert!(names.len() > 8, "{names:?}");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        crate::support::canonical_dump(&project.source, &names, &[])
    };
    let first = dump("1");
    assert!(first == dump("1"), "one seed, two databases");
    assert!(first != dump("2"), "two seeds, one database");
}
