//! Whoever doubts a number can ask for it again.

use serde_json::Value;

use super::{migrated, pages, report};
use crate::support::{Db, Engine, Project};

/// The value of a one-row query, its cells parted by `|`.
fn asked(db: &Db, query: &str) -> String {
    let lines = db.lines(query);
    assert_eq!(lines.len(), 1, "{query}");
    lines[0].clone()
}

#[test]
fn every_number_comes_again_from_its_query() {
    let (postgres, _) = migrated();
    let sqlite = Project::demo("0.005", Engine::Sqlite);
    sqlite.runner(&["run"]).ends_with(3);
    for project in [postgres, &sqlite] {
        let report = report(project);
        let proofs = report["proofs"].as_array().unwrap();
        assert!(proofs.len() > 80, "{} proofs", proofs.len());
        for proof in proofs {
            let db = if proof["side"] == "source" {
                &project.source
            } else {
                &project.target
            };
            let value = asked(db, proof["query"].as_str().unwrap());
            assert_eq!(value, proof["value"].as_str().unwrap(), "{proof:#}");
        }
        let proven = |of: &Value, what: &str| {
            proofs
                .iter()
                .any(|p| &p["of"] == of && p["what"].as_str().unwrap().starts_with(what))
        };
        for table in report["tables"].as_array().unwrap() {
            assert!(proven(&table["name"], "base|filtered|read"), "{table:#}");
            assert!(proven(&table["name"], "base"), "{table:#}");
        }
        for issue in report["issues"].as_array().unwrap() {
            let what = format!(
                "{} {}",
                issue["verdict"].as_str().unwrap(),
                issue["code"].as_str().unwrap()
            );
            assert!(proven(&issue["rule"], &what), "{what}");
        }
    }
}

#[test]
fn the_report_names_the_moment_before_the_first_write() {
    let (project, report) = migrated();
    let point = report["restore_point"].as_str().unwrap();
    let (time, position) = point.split_once(" UTC, log position ").unwrap();
    let before = "select min(committed_at) > '{time}+00' and pg_current_wal_lsn() > '{lsn}'::pg_lsn from runner.chunk";
    let before = before.replace("{time}", time).replace("{lsn}", position);
    assert_eq!(project.target.one(&before), "t");
    for page in pages(project) {
        assert!(page.contains(position), "{}", &page[..20]);
    }
    // Who ran what with which rules: as the state keeps it.
    let runs = project
        .target
        .lines("select id, command, os_user, host from runner.run order by id");
    let told: Vec<String> = report["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            format!(
                "{}|{}|{}|{}",
                r["id"],
                r["command"].as_str().unwrap(),
                r["os_user"].as_str().unwrap(),
                r["host"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(told, runs);
    let versions = project.target.lines(
        "select rule, transform_fp, gate_fp from runner.segment where accounted = 1 order by id",
    );
    let readings = report["runs"][0]["readings"].as_array().unwrap().iter();
    let read: Vec<String> = readings
        .map(|r| {
            ["rule", "transform_fp", "gate_fp"]
                .map(|name| r[name].as_str().unwrap())
                .join("|")
        })
        .collect();
    assert_eq!(read, versions);
    for page in pages(project) {
        for line in &versions {
            let version = line.split('|').nth(1).unwrap();
            assert!(page.contains(&version[..12]), "{version}");
        }
    }
}
