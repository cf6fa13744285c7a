//! The state handed over, and removed.

use std::time::Duration;

use crate::support::{Engine, Project, canonical_dump};

#[test]
fn the_state_is_handed_over_without_a_value() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.003", engine);
        project.runner(&["run"]).ends_with(3);
        project
            .runner(&[
                "quarantine",
                "accept",
                "purchases",
                "--reason",
                "orphan",
                "--note",
                "known",
            ])
            .ends_with(0);
        let file = project.path("state.jsonl");
        project
            .runner(&["state", "export", "-o", file.to_str().unwrap()])
            .ends_with(0)
            .prints("nothing of what it holds");
        let text = project.read("state.jsonl");
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["document"], "runner state");
        assert_eq!(lines[0]["version"], 1);
        let of = |table: &str| lines.iter().filter(|line| line["table"] == table).count() as i64;
        for table in [
            "run",
            "segment",
            "chunk",
            "manifest",
            "quarantine",
            "accepted",
            "rule",
            "finding",
        ] {
            let there = project.target.count(&format!(
                "select count(*) from {}",
                project.target.table(&format!("runner.{table}"))
            ));
            assert!(there > 0, "{engine:?} {table}");
            assert_eq!(of(table), there, "{engine:?} {table}");
        }
        let entries: usize = lines
            .iter()
            .filter_map(|line| line["entries"].as_array())
            .map(Vec::len)
            .sum();
        let read = format!(
            "select sum(read) from {}",
            project.target.table("runner.chunk")
        );
        assert_eq!(entries as i64, project.target.count(&read));
        assert!(!text.contains(crate::support::NAMESPACE), "the namespace");
        // what quarantine stored of a row, and what it says about it, stays in the database
        for line in &lines {
            let private = ["data", "message", "image"].map(|name| line.get(name));
            assert_eq!(private, [None, None, None], "{line}");
        }
        assert_eq!(
            project.runner(&["state", "export"]).ends_with(0).stdout,
            text
        );
        let json = project
            .runner(&["state", "export", "--json"])
            .ends_with(0)
            .json();
        assert_eq!(json["lines"].as_array().map(Vec::len), Some(lines.len()));
    }
}

#[test]
fn the_state_goes_only_when_told_to_and_the_rows_stay() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.003", engine);
        project.runner(&["run"]).ends_with(3);
        let rows = canonical_dump(
            &project.target,
            &["purchases", "technicians", "brackets"],
            &[],
        );
        project
            .runner(&["state", "purge"])
            .ends_with(2)
            .tells("nothing was changed")
            .tells("lost would be: 1 run with")
            .tells("--yes");
        project
            .runner(&["status"])
            .ends_with(0)
            .prints("last run: 1");
        project
            .runner(&["state", "purge", "--yes"])
            .ends_with(0)
            .prints("removed: 1 run with")
            .tells("RUNNER_NAMESPACE=");
        let left = match engine {
            Engine::Postgres => "select count(*) from pg_namespace where nspname = 'runner'",
            Engine::Sqlite => "select count(*) from sqlite_master where name like 'runner%'",
        };
        assert_eq!(project.target.count(left), 0);
        assert_eq!(
            canonical_dump(
                &project.target,
                &["purchases", "technicians", "brackets"],
                &[]
            ),
            rows
        );
        project.runner(&["state", "purge", "--yes"]).ends_with(1);
        // a later run finds every row again
        project.runner(&["exec", "purchases"]).ends_with(3);
        let [.., inserted, updated, unchanged, _, _] = project.accounts("purchases");
        assert_eq!((inserted, updated), (0, 0));
        assert!(unchanged > 10);
    }
}

#[test]
fn a_living_run_keeps_its_state_and_so_does_what_others_hung_on_it() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project
        .target
        .exec("create view mine as select * from runner.ids");
    project
        .runner(&["state", "purge", "--yes"])
        .ends_with(1)
        .tells("something of yours depends on the schema `runner`")
        .tells("nothing was changed");
    project.runner(&["status"]).ends_with(0);
    project.target.exec("drop view mine");
    let mut holder = project.target.session();
    holder.exec("select pg_advisory_lock(x'72756e6e6572'::bigint)");
    let started = std::time::Instant::now();
    project
        .runner(&["state", "purge", "--yes"])
        .ends_with(1)
        .tells("another run is active");
    assert!(started.elapsed() < Duration::from_mins(1));
    drop(holder);
    project.runner(&["state", "purge", "--yes"]).ends_with(0);
}
