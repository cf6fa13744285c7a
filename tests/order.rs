//! The order of files does not matter, a rule may be missing, and a table may be complete already: parents
//! come first, and the result is the same.

use crate::support::{Db, Engine, Project, Random, canonical_dump, quarantine_dump};

/// The nine tables, and what the database fills in by itself.
const TABLES: &[&str] = &[
    "brackets",
    "message_attachments",
    "order_cases",
    "purchases",
    "technician_roles",
    "technicians",
    "template_view_groups",
    "template_view_roles",
    "treatment_discussions",
];
const VOLATILE: &[&str] = &[
    "updated_at",
    "brackets.created_at",
    "template_view_groups.created_at",
    "template_view_roles.created_at",
];

/// Everything a run left: the tables, and what it refused by rule and key.
pub fn result(db: &Db) -> (Vec<String>, Vec<String>) {
    (canonical_dump(db, TABLES, VOLATILE), quarantine_dump(db))
}

#[track_caller]
pub fn assert_same(result: &(Vec<String>, Vec<String>), plain: &(Vec<String>, Vec<String>)) {
    assert_eq!(result.1, plain.1, "quarantine");
    assert_eq!(result.0.len(), plain.0.len(), "rows");
    let wrong: Vec<_> = result
        .0
        .iter()
        .zip(&plain.0)
        .filter(|(a, b)| a != b)
        .take(3)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names of the rules in the order in which the run finished them.
fn finished(stderr: &str) -> Vec<String> {
    let names = stderr
        .lines()
        .filter_map(|line| line.strip_suffix(": done"));
    names.map(str::to_owned).collect()
}

#[test]
fn neither_names_of_files_nor_missing_rules_nor_older_runs_change_the_result() {
    let project = Project::demo("0.005", Engine::Postgres);
    let fresh = project.target.copy();
    let plain_run = project.runner(&["run"]);
    plain_run.ends_with(3);
    let plain = result(&project.target);
    assert_eq!(project.rules(), TABLES);

    // Files in a random order: a rule is named after its file, and everything else stays.
    let renamed = Project::over(&project.source, fresh.copy());
    let mut random = Random::new(20_260_613);
    let mut places: Vec<usize> = (0..TABLES.len()).collect();
    for last in (1..places.len()).rev() {
        places.swap(last, random.below(last as u64 + 1) as usize);
    }
    // A child before its parent, whatever the numbers were.
    let [roles, technicians] = ["technician_roles", "technicians"]
        .map(|name| TABLES.iter().position(|table| *table == name).unwrap());
    if places[roles] > places[technicians] {
        places.swap(roles, technicians);
    }
    let named: Vec<String> = TABLES
        .iter()
        .zip(&places)
        .map(|(table, place)| format!("r{place}_{table}"))
        .collect();
    for (table, name) in TABLES.iter().zip(&named) {
        let [old, new] = [*table, name].map(|name| renamed.path(&format!("rules/{name}.rhai")));
        std::fs::rename(old, new).unwrap();
    }
    let run = renamed.runner(&["run"]);
    run.ends_with(3);
    let order = finished(&run.stderr);
    let place = |name: &String| order.iter().position(|other| other == name).unwrap();
    assert!(
        place(&named[technicians]) < place(&named[roles]),
        "the child came first: {order:?}"
    );
    assert_eq!(order.len(), TABLES.len(), "{order:?}");
    let (rows, quarantine) = result(&renamed.target);
    let quarantine = quarantine.iter().map(|line| line[3..].to_owned());
    let mut quarantine: Vec<String> = quarantine.collect();
    quarantine.sort();
    assert_same(&(rows, quarantine), &plain);

    // Two tables complete from an earlier run: they are done, the others follow.
    let earlier = Project::over(&project.source, fresh.copy());
    earlier
        .runner(&["run", "purchases", "technicians"])
        .ends_with(3);
    let before = earlier.target.lines("select xmin::text from technicians");
    let run = earlier.runner(&["run"]);
    run.ends_with(3);
    assert_eq!(run.stdout.matches("already done").count(), 2, "{run}");
    assert_eq!(
        earlier.target.lines("select xmin::text from technicians"),
        before,
        "written again"
    );
    assert_same(&result(&earlier.target), &plain);

    // One rule missing: it is said which table nobody fills, and the others run.
    let missing = Project::over(&project.source, fresh);
    std::fs::remove_file(missing.path("rules/technicians.rhai")).unwrap();
    let said = "`technicians` is empty, and no rule fills it";
    missing.runner(&["check"]).ends_with(0).prints(said);
    let run = missing.runner(&["run"]);
    run.ends_with(3).says(said);
    assert_eq!(missing.accounts("technician_roles")[3..], [0, 0, 0, 0, 32]);
    for table in TABLES.iter().filter(|name| !name.starts_with("tech")) {
        assert_eq!(missing.accounts(table), project.accounts(table), "{table}");
    }
    // It comes back, and what waited for it is written.
    missing.use_shipped_rules();
    missing
        .runner(&["run", "technician_roles"])
        .ends_with(3)
        .says("`technicians` is empty, and rule technicians that fills it is not part of this run");
    missing.runner(&["run"]).ends_with(3);
    missing
        .runner(&["run", "technician_roles", "--restart"])
        .ends_with(3);
    assert_same(&result(&missing.target), &plain);
}
