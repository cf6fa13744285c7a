//! An undo that is killed anywhere is the same command away from the end of one that nobody disturbed; until
//! then nobody else may touch the table.

use super::{dump, same};
use crate::support::{Engine, Project, quarantine_dump};

const RUN: &[&str] = &["run", "--batch-rows", "20"];
/// Smaller than the run's chunks, so that one chunk takes several transactions.
const UNDO: &[&str] = &["undo", "1", "--batch-rows", "7"];

/// What happens, and whether the command survives it.
const FAULTS: &[(&str, bool)] = &[
    ("segment.open:1:kill", false),
    ("segment.open:2:kill", false),
    ("chunk.begin:3:kill", false),
    ("chunk.fenced:2:kill", false),
    ("chunk.rows:4:kill", false),
    ("chunk.state:1:kill", false),
    ("chunk.before_commit:5:kill", false),
    ("chunk.after_commit:1:kill", false),
    ("chunk.after_commit:4:kill", false),
    ("chunk.after_commit:16:kill", false),
    ("chunk.marker:9:kill", false),
    ("gate.after:1:kill", false),
    ("gate.after:2:kill", false),
    ("run.finish:1:kill", false),
    ("chunk.commit:2:error", true),
    ("chunk.commit:2:lose-reply-committed", true),
    ("chunk.commit:2:lose-reply-rolled-back", true),
];

/// One row edited, one referred to: what stays must stay whatever happens.
fn migrated() -> Project {
    let project = Project::people();
    project.target.exec(
        "create table visits(n int primary key, person uuid references people(id) on delete cascade)",
    );
    project.runner(RUN).ends_with(3);
    project.target.exec(
        "update people set notes = 'by hand' where legacy_person_id = 44;
         insert into visits select 1, id from people where legacy_person_id = 17",
    );
    project
}

#[test]
fn a_killed_undo_goes_on_to_the_end_of_an_undisturbed_one() {
    let first = migrated();
    let copy = || first.towards(first.target.copy());
    let calm = copy();
    calm.runner(UNDO).ends_with(0);
    let undisturbed = dump(&calm.target, &[]);
    assert_eq!(calm.target.count("select count(*) from people"), 2);
    calm.runner(RUN).ends_with(3);
    let again = dump(&calm.target, &["created_at"]);
    let mut half = 0;
    for (failpoint, survives) in FAULTS {
        let project = copy();
        let struck = project.runner_failing(failpoint, UNDO);
        let expected = if *survives { 0 } else { 128 + 9 };
        assert_eq!(struck.code, expected, "{failpoint}\n{struck}");
        project.target.wait_until_alone();
        let left = project.target.count("select count(*) from people");
        if left > 2 && left < 104 {
            half += 1;
            let refused = project.runner(&["run", "people"]);
            refused
                .ends_with(5)
                .tells("run 1 is half taken back from the table of `people`")
                .tells("runner undo 1");
            assert_eq!(project.status("people")["done"], false);
        }
        project.runner(UNDO).ends_with(0);
        same(&dump(&project.target, &[]), &undisturbed, failpoint);
        assert_eq!(quarantine_dump(&project.target), Vec::<String>::new());
        for rule in ["kinds", "people"] {
            assert_eq!(project.accounts(rule), [0; 8], "{failpoint} {rule}");
        }
        project.runner(RUN).ends_with(3);
        same(&dump(&project.target, &["created_at"]), &again, failpoint);
    }
    assert!(half > 5, "{half} undos were struck midway");
}

#[test]
fn on_a_file_as_well() {
    for failpoint in [
        "chunk.rows:4:kill",
        "chunk.after_commit:2:kill",
        "gate.after:1:kill",
    ] {
        let project = Project::demo("0.002", Engine::Sqlite);
        let before = dump(&project.target, &[]);
        project.runner(&["run", "--batch-rows", "30"]).ends_with(3);
        let undo = ["undo", "1", "--batch-rows", "11"];
        let struck = project.runner_failing(failpoint, &undo);
        assert_eq!(struck.code, 128 + 9, "{failpoint}\n{struck}");
        project.runner(&undo).ends_with(0);
        same(&dump(&project.target, &[]), &before, failpoint);
    }
}
