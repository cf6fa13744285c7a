//! A retry that is killed anywhere, also between a parent and its children, is the same command away from
//! the result of one that nobody disturbed.

use super::{ENGINES, Left, MENDED, assert_same, family};
use crate::support::{Engine, Project};

const RETRY: &[&str] = &["retry", "makers", "--batch-rows", "2"];

/// What happens, and whether the command survives it.
const FAULTS: &[(&str, bool)] = &[
    ("segment.open:1:kill", false),
    ("segment.open:3:kill", false),
    ("chunk.rows:2:kill", false),
    ("chunk.before_commit:5:kill", false),
    ("chunk.after_commit:1:kill", false),
    ("chunk.after_commit:4:kill", false),
    ("chunk.after_commit:6:kill", false),
    ("chunk.marker:8:kill", false),
    ("gate.after:1:kill", false),
    ("gate.after:2:kill", false),
    ("run.finish:1:kill", false),
    ("chunk.commit:2:lose-reply-committed", true),
    ("chunk.commit:2:lose-reply-rolled-back", true),
];

/// Migrated, then mended at the source; a copy of its own for each fault.
fn mended(engine: Engine, first: &Project) -> Project {
    if engine == Engine::Sqlite {
        let project = family(engine);
        project.runner(&["run"]).ends_with(3);
        project.source.exec(MENDED);
        return project;
    }
    first.towards(first.target.copy())
}

#[test]
fn a_retry_that_is_killed_at_its_very_end_is_ended_by_the_next_command() {
    let first = Project::people();
    first.runner(&["run"]).ends_with(3);
    first
        .source
        .exec("update person set name = 'Mended' where name is null");
    for again in [&["retry"][..], &["run"]] {
        let project = first.towards(first.target.copy());
        let struck = project.runner_failing("segment.close:1:kill", &["retry"]);
        assert_eq!(struck.code, 128 + 9, "{struck}");
        project.target.wait_until_alone();
        project.runner(again).ends_with(0);
        // nothing was left to judge, but the table's checks and its end were
        let newest =
            "select complete from runner.segment where rule = 'people' order by id desc limit 1";
        assert_eq!(project.target.one(newest), "1", "{again:?}");
        project.runner(again).ends_with(0);
        assert_eq!(
            project
                .target
                .count("select count(*) from runner.segment where rule = 'people'"),
            3,
            "{again:?}"
        );
    }
}

#[test]
fn a_killed_retry_goes_on_to_the_result_of_an_undisturbed_one() {
    for engine in ENGINES {
        let first = family(engine);
        first.runner(&["run"]).ends_with(3);
        first.source.exec(MENDED);
        let calm = mended(engine, &first);
        calm.runner(RETRY).ends_with(3);
        let undisturbed = Left::of(&calm);
        for (number, (failpoint, survives)) in FAULTS.iter().enumerate() {
            // On a file the transaction is the same, and only the engine differs.
            if engine == Engine::Sqlite && (*survives || number % 2 == 0) {
                continue;
            }
            let project = mended(engine, &first);
            let struck = project.runner_failing(failpoint, RETRY);
            let expected = if *survives { 3 } else { 128 + 9 };
            assert_eq!(struck.code, expected, "{failpoint}\n{struck}");
            if engine == Engine::Postgres {
                project.target.wait_until_alone();
            }
            project.runner(RETRY).ends_with(3);
            let what = format!("{engine:?} {failpoint}");
            assert_same(&Left::of(&project), &undisturbed, &what);
        }
    }
}
