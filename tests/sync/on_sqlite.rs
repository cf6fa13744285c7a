//! A target that is a file: what was written is remembered, for it cannot be asked who wrote it.

use super::found;
use crate::support::{Engine, Project};

/// Kinds and people on SQLite, where nobody says who wrote a row last.
fn on_sqlite() -> Project {
    let project = Project::between(
        Engine::Sqlite,
        "create table person(id integer primary key, name text, note text, amount numeric(12,2));
         insert into person values (1, 'one', 'n', 1.5), (2, 'two', 'n', 2), (3, 'three', null, 3.25), (4, 'four', 'n', 4), (5, 'five', 'n', 5)",
        Engine::Sqlite,
        "create table people(id uuid primary key, name text not null, note text, amount numeric(12,2), comment text, rank integer default 7,
            legacy_person_id integer unique not null)",
    );
    project.rule(
        "people",
        r#"const RULE = #{ base: "person", key: "id", target: "people", legacy: "legacy_person_id", copy: #{ note: "note" },
    reconcile: #{ amount: #{ source: "amount", target: "amount" } } };
fn transform(row) { #{ name: row.name, amount: row.amount } }
"#,
    );
    project
}

#[test]
fn on_sqlite_what_was_written_is_remembered_and_an_edit_is_never_overwritten() {
    let project = on_sqlite();
    project.runner(&["run"]).ends_with(0);
    project.source.exec(
        "update person set name = 'changed', amount = 9.75 where id in (1, 2); delete from person where id in (3, 4, 5)",
    );
    project.target.exec(
        "update people set note = 'edited' where legacy_person_id = 2;
         update people set comment = 'mine' where legacy_person_id = 4",
    );
    for _ in 0..2 {
        project.runner(&["sync", "--json"]).ends_with(3);
    }
    let output = project.runner(&["sync", "--deletes", "--json"]);
    output.ends_with(3).never_says("edited by");
    assert_eq!(found(&output, "people"), [0, 0, 1, 3, 2], "{output}");
    assert_eq!(
        project
            .target
            .lines("select legacy_person_id, name, note, amount, comment from people order by 1"),
        [
            "1|changed|n|9.75|NULL",
            "2|two|edited|2|NULL",
            "4|four|n|4|mine"
        ]
    );
    let again = project.runner(&["sync", "--deletes", "--json"]);
    assert_eq!(found(&again, "people"), [0, 0, 1, 1, 0], "{again}");
    // What sync wrote is known as well.
    project
        .source
        .exec("update person set name = 'once more' where id = 1");
    let more = project.runner(&["sync", "--json"]);
    assert_eq!(found(&more, "people"), [0, 1, 1, 1, 0], "{more}");
}
