//! Taking rows back under few rights: what `print grants --deletes` adds, and what it leaves to the owner.

use crate::support::{Project, Standin, Way};

use super::granted;

/// Rows of the nine tables.
fn rows(standin: &Standin) -> i64 {
    let counts: Vec<String> = super::TABLES
        .iter()
        .map(|table| format!("(select count(*) from {table})"))
        .collect();
    standin
        .admin()
        .count(&format!("select {}", counts.join(" + ")))
}

fn migrated(more: &[&str]) -> (Standin, Project) {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    standin.admin().exec(super::EMPTIED);
    let _ = granted(&project, &standin, more);
    standin.take(&project, Way::Direct, "mover");
    project.runner(&["run"]).ends_with(3);
    assert!(rows(&standin) > 100);
    (standin, project)
}

#[test]
fn with_the_right_to_delete_a_mover_syncs_and_undoes_and_without_it_is_told() {
    let withdrawn = "delete from dispatch_bracket where id = (select max(id) from dispatch_bracket where btrim(name) <> '')";
    let (standin, project) = migrated(&[]);
    project.source.exec(withdrawn);
    let brackets = standin.admin().count("select count(*) from brackets");
    project
        .runner(&["sync", "brackets", "--deletes"])
        .ends_with(1)
        .prints("grant delete on brackets to it, then the same command again");
    assert_eq!(
        standin.admin().count("select count(*) from brackets"),
        brackets
    );

    let (standin, project) = migrated(&["--deletes"]);
    let admin = standin.admin();
    for (table, may) in [
        ("brackets", true),
        ("migration_mappings", true),
        ("migration_control", true),
        ("profiles", false),
        ("patients", false),
        ("orders", false),
    ] {
        let has = format!("select has_table_privilege('mover', '{table}', 'delete')");
        assert_eq!(admin.one(&has), if may { "t" } else { "f" }, "{table}");
    }
    // every run can be taken back, and nothing of it stays
    let run = project.status("brackets")["run"].clone();
    assert!(run.is_null(), "the last run is told at the top");
    project.runner(&["undo", "1"]).ends_with(0);
    assert_eq!(rows(&standin), 0);
    let mapped = "select count(*) from migration_mappings where entity_type in ('brackets', 'purchases', 'technicians')";
    assert_eq!(admin.count(mapped), 0);
    project.runner(&["run"]).ends_with(3);
    project.source.exec(withdrawn);
    project
        .runner(&["sync", "brackets", "--deletes"])
        .ends_with(3);
    let gone = project
        .source
        .count("select count(*) from dispatch_bracket where btrim(name) <> ''");
    assert_eq!(admin.count("select count(*) from brackets"), gone);
    project.runner(&["verify"]).ends_with(0);
}
