//! A run taken back: what it did is undone to the letter, what others did since stays, and a later run brings
//! everything again under the same ids.

use crate::support::{Db, Engine, Project, canonical_dump, quarantine_dump};

mod kept;
mod kills;
mod kinds;
mod synced;

/// Small chunks, so that there is something to split.
const RUN: &[&str] = &["run", "--batch-rows", "37", "--writers", "2"];
/// What the shipped rules leave to the target: filled anew by every run.
const VOLATILE: &[&str] = &[
    "updated_at",
    "brackets.created_at",
    "template_view_groups.created_at",
    "template_view_roles.created_at",
    "migrated_at",
    "migration_batch",
    "started_at",
    "completed_at",
    "migration_control.id",
    "migration_control.phase",
    "migration_control.batch_size",
];

/// Every table of the target but the state's own.
fn tables(target: &Db) -> Vec<String> {
    let sql = match target.engine() {
        Engine::Postgres => {
            "select case schemaname when 'public' then '' else schemaname || '.' end || tablename from pg_tables \
             where schemaname not in ('pg_catalog', 'information_schema', 'runner') order by 1"
        }
        Engine::Sqlite => {
            "select name from sqlite_master where type = 'table' and name not like 'runner%' and name not like 'sqlite%' order by 1"
        }
    };
    target.lines(sql)
}

/// All rows of all tables, all columns but these.
fn dump(target: &Db, volatile: &[&str]) -> Vec<String> {
    let tables = tables(target);
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    canonical_dump(target, &names, volatile)
}

#[track_caller]
fn same(ours: &[String], theirs: &[String], what: &str) {
    let only = |a: &[String], b: &[String]| -> Vec<String> {
        let b: std::collections::HashSet<&String> = b.iter().collect();
        a.iter()
            .filter(|line| !b.contains(line))
            .take(3)
            .cloned()
            .collect()
    };
    let (more, less) = (only(ours, theirs), only(theirs, ours));
    assert!(
        more.is_empty() && less.is_empty() && ours.len() == theirs.len(),
        "{what}: {} and {} lines\nonly here: {more:#?}\nonly there: {less:#?}",
        ours.len(),
        theirs.len()
    );
}

/// What all rules' accounts say.
fn accounts(project: &Project) -> Vec<String> {
    let status = project.runner(&["status", "--json"]).ends_with(0).json();
    let rules = status["rules"].as_array().expect("rules").clone();
    let mut lines: Vec<String> = rules
        .iter()
        .map(|rule| {
            format!(
                "{} {} {} {} {} {} {} {} {} {} {} {}",
                rule["name"],
                rule["base"],
                rule["filtered"],
                rule["read"],
                rule["inserted"],
                rule["updated"],
                rule["unchanged"],
                rule["skipped"],
                rule["rejected"],
                rule["undecided"],
                rule["done"],
                rule["codes"]
            )
        })
        .collect();
    lines.sort();
    lines
}

fn nine(engine: Engine) {
    let project = Project::demo("0.01", engine);
    let before = dump(&project.target, &[]);
    project.runner(RUN).ends_with(3);
    let migrated = dump(&project.target, VOLATILE);
    let quarantine = quarantine_dump(&project.target);
    let account = accounts(&project);
    assert!(migrated.len() > before.len() && !quarantine.is_empty());

    let preview = project
        .runner(&["undo", "1", "--dry-run", "--json"])
        .ends_with(0)
        .json();
    same(
        &dump(&project.target, VOLATILE),
        &migrated,
        "a preview writes nothing",
    );
    let undone = project
        .runner(&["undo", "1", "--json", "--batch-rows", "20"])
        .ends_with(0)
        .json();
    assert_eq!(
        undone["rules"], preview["rules"],
        "the preview and the undo"
    );
    let removed: i64 = undone["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .map(|rule| rule["removed"].as_i64().expect("a number"))
        .sum();
    assert!(removed > 100, "{undone:#}");
    same(&dump(&project.target, &[]), &before, "run, undo");
    assert_eq!(quarantine_dump(&project.target), Vec::<String>::new());
    for rule in project.rules() {
        assert_eq!(project.accounts(&rule), [0; 8], "{rule}");
        assert_eq!(project.status(&rule)["done"], false, "{rule}");
    }
    let ledger = project.target.table("runner.chunk");
    let open = format!(
        "select rule from {ledger} group by rule having sum(base) <> 0 or sum(read) <> 0 or sum(inserted) <> 0 or sum(updated) <> 0 \
         or sum(unchanged) <> 0 or sum(skipped) <> 0 or sum(rejected) <> 0 or sum(target_rows) <> 0"
    );
    assert_eq!(project.target.lines(&open), Vec::<String>::new());
    project
        .runner(&["undo", "1"])
        .ends_with(0)
        .tells("taken back already");

    project.runner(RUN).ends_with(3);
    same(
        &dump(&project.target, VOLATILE),
        &migrated,
        "run, undo, run",
    );
    assert_eq!(quarantine_dump(&project.target), quarantine);
    assert_eq!(accounts(&project), account);
    project.runner(&["verify"]).ends_with(0);
    let report = project.path("report.json");
    let report = report.to_str().expect("a path");
    project
        .runner(&["report", "--format", "json", "-o", report])
        .ends_with(0);
    project
        .runner(&["report", "--recheck", report])
        .ends_with(0);
}

#[test]
fn a_run_taken_back_leaves_the_target_as_it_was_and_can_be_run_again() {
    nine(Engine::Postgres);
}

#[test]
fn on_sqlite_as_well() {
    nine(Engine::Sqlite);
}

#[test]
fn what_cannot_be_taken_back_is_refused_in_words() {
    let project = Project::people();
    project.runner(&["undo", "1"]).ends_with(1);
    project.runner(&["run", "--dry-run"]).ends_with(3);
    project.runner(&["exec", "kinds"]).ends_with(0);
    project
        .runner(&["undo", "7"])
        .ends_with(1)
        .tells("there is no run 7");
    project
        .runner(&["undo", "1", "people"])
        .ends_with(1)
        .tells("did nothing to the table of a rule `people`");
    project.runner(&["undo", "1"]).ends_with(0);
    project
        .runner(&["undo", "2"])
        .ends_with(1)
        .tells("run 2 is itself an undo");
    project.runner(&["undo"]).ends_with(2);
    project.runner(&["undo", "x"]).ends_with(2);
    // another run on the same table has to go first
    project.runner(&["run"]).ends_with(3);
    project.source.exec(
        "insert into person(id, name, active, balance, kind_id) values (500, 'new', true, 1, 1)",
    );
    project.runner(&["run"]).ends_with(3);
    let marks = dump(&project.target, &[]);
    project
        .runner(&["undo", "3"])
        .ends_with(1)
        .tells("run 4 worked on `people` after run 3")
        .tells("runner undo 4 people");
    same(
        &dump(&project.target, &[]),
        &marks,
        "a refusal writes nothing",
    );
    // which does not hold up a table that it did nothing to, nor what comes after it
    project.runner(&["undo", "4"]).ends_with(0);
    project.runner(&["undo", "3"]).ends_with(0);
    assert_eq!(project.target.count("select count(*) from people"), 0);
}
