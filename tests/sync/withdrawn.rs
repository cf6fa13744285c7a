//! Rows that the source has no longer.

use super::found;
use crate::support::Project;

#[test]
fn withdrawn_rows_stay_listed_until_they_are_removed() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let count = || project.target.count("select count(*) from people");
    project.source.exec(
        "delete from person where id in (1, 2); update person set active = false where id = 3",
    );
    // Twice: a sync before does not make them forgotten.
    for _ in 0..2 {
        let listed = project.runner(&["sync", "--json"]);
        listed.ends_with(3);
        assert_eq!(found(&listed, "people"), [0, 0, 0, 3, 0], "{listed}");
        assert_eq!(count(), 104);
    }
    project
        .runner(&["sync"])
        .ends_with(3)
        .prints("--deletes removes them");
    let verify = project.runner(&["verify", "--json"]);
    let tables = verify.ends_with(4).json()["tables"].clone();
    let of = tables
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["rule"] == "people")
        .unwrap()
        .clone();
    assert_eq!(of["classes"]["withdrawn"]["count"], 3, "{of:#}");
    assert_eq!(of["classes"].as_object().unwrap().len(), 1, "{of:#}");

    // One is edited, and another one is referred to: they stay.
    project.target.exec(
        "update people set notes = 'mine' where legacy_person_id = 1;
         create table friends(id uuid primary key, person_id uuid references people(id) on delete cascade);
         insert into friends select gen_random_uuid(), id from people where legacy_person_id = 2",
    );
    let removed = project.runner(&["sync", "--deletes", "--json"]);
    assert_eq!(found(&removed, "people"), [0, 0, 0, 3, 1], "{removed}");
    let text = removed.stdout.clone();
    assert!(
        text.contains("somebody edited it") && text.contains("rows of friends refer to it"),
        "{text}"
    );
    assert_eq!(count(), 103);
    assert_eq!(project.target.count("select count(*) from friends"), 1);
    project.target.exec("drop table friends");
    let removed = project.runner(&["sync", "--deletes", "--json"]);
    assert_eq!(found(&removed, "people"), [0, 0, 0, 2, 1], "{removed}");
    let again = project.runner(&["sync", "--deletes", "--json"]);
    assert_eq!(found(&again, "people"), [0, 0, 0, 1, 0], "{again}");
    project.runner(&["why", "people", "3"]).ends_with(0);
    // What comes back is new.
    project
        .source
        .exec("update person set active = true where id = 3");
    let back = project.runner(&["sync", "--json"]);
    assert_eq!(found(&back, "people"), [1, 0, 0, 1, 0], "{back}");
}

#[test]
fn rows_that_were_there_before_the_migration_are_never_removed_nor_overwritten() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.target.exec(
        "insert into people(id, name, balance, kind_id, legacy_person_id)
         select gen_random_uuid(), 'there before', 5, id, 1 from kinds limit 1;
         insert into people(id, name, balance, kind_id, legacy_person_id)
         select gen_random_uuid(), 'there too', 5, id, 2 from kinds limit 1",
    );
    project.runner(&["run"]).ends_with(3);
    project.source.exec(
        "update person set name = 'changed', notes = 'changed' where id = 1; delete from person where id = 2",
    );
    let output = project.runner(&["sync", "--deletes", "--json"]);
    assert_eq!(found(&output, "people")[2..], [0, 1, 0], "{output}");
    assert_eq!(
        project
            .target
            .lines("select name from people where legacy_person_id in (1, 2) order by 1"),
        ["there before", "there too"]
    );
    assert!(output.stdout.contains("before the migration"), "{output}");
}
