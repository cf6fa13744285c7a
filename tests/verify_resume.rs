//! A verification that is killed goes on: with the same findings as one that nobody disturbed, fewer rows read, and
//! never without saying so.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Engine, Project};
use crate::verify::{counts, differences, people, somebody};

const SMALL: [&str; 4] = ["verify", "--json", "--batch-rows", "10"];

/// 120 people in 12 chunks, with differences in the second, the tenth, and behind the last.
fn damaged() -> Project {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    somebody(&project).exec(
        "update people set name = 'edited' where legacy_person_id in (16, 97);
         insert into people (id, name, kind_id, balance, legacy_person_id) select gen_random_uuid(), 'x', id, 1, 9999 from kinds limit 1",
    );
    settled(&project, 107);
    project
}

/// Waits until the server has counted so many writes to `people`.
fn settled(project: &Project, writes: i64) {
    let asked = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_all_tables where relid = 'people'::regclass";
    let began = Instant::now();
    while project.target.count(asked) < writes {
        assert!(began.elapsed() < Duration::from_mins(1), "{asked}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What a killed verification leaves behind.
fn left_behind(project: &Project) -> Vec<PathBuf> {
    let folder = project.path(".local/state/runner/verify");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[track_caller]
fn killed(project: &Project, point: &str, arguments: &[&str]) {
    let output = project.runner_failing(point, arguments);
    assert!(![0, 1, 4].contains(&output.code), "{output}");
    assert_eq!(left_behind(project).len(), 1);
}

fn table<'a>(found: &'a Value, rule: &str) -> &'a Value {
    let mut tables = found["tables"].as_array().unwrap().iter();
    tables.find(|table| table["rule"] == rule).unwrap()
}

/// Everything that a table was proved by, but for when.
fn proved(found: &Value) -> Vec<Value> {
    let mut tables = found["tables"].as_array().unwrap().clone();
    for table in &mut tables {
        for moving in ["seconds", "resumed", "notes"] {
            table.as_object_mut().unwrap().remove(moving);
        }
    }
    tables
}

#[test]
fn a_killed_verification_goes_on_to_the_findings_of_an_undisturbed_one() {
    let project = damaged();
    let calm = project.runner(&SMALL).ends_with(4).json();
    assert_eq!(differences(&calm).len(), 3);
    assert!(left_behind(&project).is_empty());

    // one chunk of kinds, six of people
    killed(&project, "verify.compared:7", &SMALL);
    let kept = std::fs::read_to_string(&left_behind(&project)[0]).unwrap();
    for private in ["Person", "example.org", "edited", "line one"] {
        assert!(!kept.contains(private), "{kept}");
    }
    let again = project.runner(&SMALL).ends_with(4).json();
    assert_eq!(proved(&again), proved(&calm));
    assert_eq!(table(&again, "people")["resumed"]["rows"], 50);
    assert_eq!(table(&again, "people")["resumed"]["after"], "10");
    assert!(
        table(&again, "people")["notes"]
            .to_string()
            .contains("the others now"),
        "{again:#}"
    );
    assert!(left_behind(&project).is_empty());

    // Killed twice, and then it has 7 chunks to look at instead of 13: an eighth never comes.
    killed(&project, "verify.compared:4", &SMALL);
    killed(&project, "verify.compared:4", &SMALL);
    let output = project.runner_failing("verify.compared:8", &SMALL);
    output.ends_with(4);
    let found = output.json();
    assert_eq!(proved(&found), proved(&calm));
    let moments = &table(&found, "people")["resumed"]["moments"];
    assert_eq!(moments.as_array().unwrap().len(), 2);

    killed(&project, "verify.compared:7", &SMALL);
    project
        .runner(&["verify", "--batch-rows", "10"])
        .ends_with(4)
        .tells("people: going on, 50 rows were compared before");

    // and what is asked for anew begins anew
    killed(&project, "verify.compared:7", &SMALL);
    let output = project.runner(&[&SMALL[..], &["--restart"]].concat());
    let again = output.ends_with(4).json();
    assert_eq!(table(&again, "people")["resumed"], Value::Null);
}

#[test]
fn whatever_changed_since_it_was_killed_is_looked_at_from_the_first_row() {
    let project = damaged();
    killed(&project, "verify.compared:7", &SMALL);
    somebody(&project).exec("update people set name = 'later' where legacy_person_id = 3");
    settled(&project, 108);
    let found = project.runner(&SMALL).ends_with(4).json();
    assert_eq!(table(&found, "people")["resumed"], Value::Null);
    assert_eq!(table(&found, "kinds")["resumed"]["rows"], 2);
    assert!(differences(&found).contains(&"people target-edited 3 name".to_owned()));

    killed(&project, "verify.compared:7", &SMALL);
    project
        .runner(&["exec", "people", "--restart"])
        .ends_with(3);
    let found = project.runner(&SMALL).json();
    assert_eq!(table(&found, "people")["resumed"], Value::Null);
}

#[test]
fn a_record_of_a_verification_that_went_on_names_both_moments() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    settled(&project, 104);
    let record = ["verify", "--record", "--batch-rows", "10"];
    killed(&project, "verify.compared:7", &record);
    project
        .runner(&record)
        .ends_with(0)
        .prints("60 source rows were compared before");
    let snapshot = project.target.one(
        "select detail::jsonb->>'snapshot' from runner.finding where rule = 'people' and name = 'every_row'",
    );
    assert!(snapshot.contains("; 60 rows before: source "), "{snapshot}");
    // a recheck sees everything at one moment, whatever was left behind
    project.runner(&["report", "-o", "r.html"]).ends_with(0);
    killed(&project, "verify.compared:7", &record);
    project
        .runner(&["report", "--recheck", "r.html"])
        .ends_with(0)
        .never_says("going on");
}

#[test]
fn from_one_file_to_another_it_goes_on_too() {
    let project = Project::demo("0.02", Engine::Sqlite);
    project.runner(&["run"]).ends_with(3);
    let calm = project.runner(&SMALL).ends_with(0).json();
    killed(&project, "verify.compared:9", &SMALL);
    let output = project.runner(&SMALL);
    let again = output.ends_with(0).json();
    assert_eq!(proved(&again), proved(&calm));
    assert_eq!(counts(&again), counts(&calm));
    let resumed = again["tables"].as_array().unwrap().iter();
    assert!(
        resumed.filter(|t| !t["resumed"].is_null()).count() > 0,
        "{again:#}"
    );
}
