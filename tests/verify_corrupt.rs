//! Whatever is wrong is found: each kind of corruption by somebody else, by a faulty build of our own writer, and
//! by a comparison that does not compare.

use crate::support::Output;
use crate::verify::{differences, people, somebody, verify};

/// A corruption: its name, the statement, and what `verify` has to say when somebody else made it.
struct Corruption(&'static str, &'static str, &'static [&'static str]);

const CORRUPTIONS: &[Corruption] = &[
    Corruption(
        "one byte",
        "update people set name = 'Person 1x' where legacy_person_id = 16",
        &["target-edited 16 name"],
    ),
    Corruption(
        "one case",
        "update people set name = 'person 17' where legacy_person_id = 17",
        &["target-edited 17 name"],
    ),
    Corruption(
        "a space becomes U+00A0",
        "update people set name = replace(name, ' ', U&'\\00A0') where legacy_person_id = 18",
        &["target-edited 18 name"],
    ),
    Corruption(
        "text is cut",
        "update people set notes = left(notes, 12) where legacy_person_id = 19",
        &["target-edited 19 notes"],
    ),
    Corruption(
        "the decimal point moves",
        "update people set balance = balance / 10 where legacy_person_id = 24",
        &["target-edited 24 balance"],
    ),
    Corruption(
        "0.01 on a sum",
        "update people set balance = balance + 0.01 where legacy_person_id = 21",
        &["target-edited 21 balance"],
    ),
    Corruption(
        "a microsecond",
        "update people set joined = joined + interval '1 microsecond' where legacy_person_id = 22",
        &["target-edited 22 joined"],
    ),
    Corruption(
        "an hour",
        "update people set joined = joined + interval '1 hour' where legacy_person_id = 23",
        &["target-edited 23 joined"],
    ),
    Corruption(
        "NULL becomes ''",
        "update people set mood = '' where legacy_person_id = 25",
        &["target-edited 25 mood"],
    ),
    Corruption(
        "'' becomes NULL",
        "update people set mood = null where legacy_person_id = 26",
        &["target-edited 26 mood"],
    ),
    Corruption(
        "values of two rows swapped",
        "update people a set name = b.name from people b where (a.legacy_person_id, b.legacy_person_id) in ((27, 28), (28, 27))",
        &["target-edited 27 name", "target-edited 28 name"],
    ),
    Corruption(
        "two columns swapped",
        "update people set name = email, email = name where legacy_person_id = 29",
        &["target-edited 29 name,email"],
    ),
    Corruption(
        "another valid parent",
        "update people set kind_id = (select id from kinds where id <> kind_id) where legacy_person_id = 31",
        &["target-edited 31 kind_id"],
    ),
    Corruption(
        "metadata emptied",
        "update people set metadata = '{}' where legacy_person_id = 32",
        &["target-edited 32 metadata"],
    ),
    Corruption(
        "row deleted",
        "delete from people where legacy_person_id = 33",
        &["missing 33 "],
    ),
    Corruption(
        "row added",
        "insert into people (id, name, kind_id, balance, legacy_person_id) select gen_random_uuid(), 'x', id, 1, 9999 from kinds limit 1",
        &["extraneous 9999 legacy_person_id"],
    ),
    Corruption(
        "legacy id changed",
        "update people set legacy_person_id = 5000 where legacy_person_id = 34",
        &["target-edited 34 legacy_person_id"],
    ),
    Corruption(
        "legacy ids swapped",
        "set constraints all deferred; update people set legacy_person_id = -1 where legacy_person_id = 36; \
         update people set legacy_person_id = 36 where legacy_person_id = 37; update people set legacy_person_id = 37 where legacy_person_id = -1",
        &[
            "target-edited 36 legacy_person_id",
            "target-edited 37 legacy_person_id",
        ],
    ),
    Corruption(
        "the id changed",
        "update people set id = gen_random_uuid() where legacy_person_id = 38",
        &["target-edited 38 id"],
    ),
];

#[test]
fn each_corruption_by_another_role_is_found_with_its_key_and_its_column() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    assert_eq!(verify(&project, 0)["differences"], 0);
    let somebody = somebody(&project);
    project.target.exec("create table saved as table people");
    for Corruption(name, statement, wanted) in CORRUPTIONS {
        somebody.exec(statement);
        let found = verify(&project, 4);
        let wanted: Vec<String> = wanted.iter().map(|line| format!("people {line}")).collect();
        assert_eq!(differences(&found), wanted, "{name}");
        project.target.exec(
            "delete from people p where not exists (select 1 from saved s where s = p);
             insert into people select * from saved s where not exists (select 1 from people p where p.id = s.id)",
        );
        assert_eq!(
            differences(&verify(&project, 0)),
            [""; 0],
            "after {name} was mended"
        );
    }
}

#[test]
fn each_corruption_by_a_faulty_build_of_our_own_writer_is_called_corrupt() {
    let project = people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let statements: Vec<&str> = CORRUPTIONS.iter().map(|corruption| corruption.1).collect();
    let mut command = project.command(&["exec", "people"]);
    command
        .env("RUNNER_FAILPOINT", "mutant.sql:1:error")
        .env("RUNNER_FAILPOINT_SQL", statements.join(";"));
    let run = crate::support::run_limited(&mut command, std::time::Duration::from_mins(1));
    assert!([1, 3].contains(&run.code), "{run}");
    let found = differences(&verify(&project, 4));
    for Corruption(name, _, wanted) in CORRUPTIONS {
        for line in *wanted {
            let line = line
                .replace("target-edited", "corrupt")
                .replace("extraneous", "corrupt");
            assert!(
                found.contains(&format!("people {line}")),
                "{name}: {line} is not in {found:#?}"
            );
        }
    }
    let all: usize = CORRUPTIONS
        .iter()
        .map(|corruption| corruption.2.len())
        .sum();
    assert_eq!(found.len(), all, "{found:#?}");
}

/// What a faulty build of the writer does: found by a gate of the run, and by `verify`.
#[test]
fn mutants_of_the_writer_are_caught() {
    let caught = |mutant: &str, gate: Option<&str>, lines: &[&str]| {
        let project = people();
        project
            .target
            .exec("alter table people drop constraint people_legacy_person_id_key");
        project.runner(&["exec", "kinds"]).ends_with(0);
        let run = project.runner_failing(
            &format!("{mutant}:1:error"),
            &["exec", "people", "--batch-rows", "50", "--writers", "1"],
        );
        if let Some(gate) = gate {
            run.ends_with(1).tells(&format!("gate `{gate}` failed"));
        }
        let found = verify(&project, 4);
        let mut all = differences(&found);
        all.truncate(lines.len());
        assert_eq!(all, lines, "{mutant}");
    };
    caught(
        "mutant.drop_last",
        Some("legacy_ids"),
        &["people missing 49 "],
    );
    caught(
        "mutant.twice",
        Some("duplicate_legacy_ids"),
        &["people corrupt 1 legacy_person_id"],
    );
    caught(
        "mutant.ignore_column",
        None,
        &["people corrupt 1 email", "people corrupt 2 email"],
    );
}

#[test]
fn a_comparison_that_does_not_compare_proves_nothing() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    for mutant in ["mutant.skip_compare:0:error", "mutant.only_count:0:error"] {
        let output: Output = project.runner_failing(mutant, &["verify"]);
        output.ends_with(1).says("the comparison does not work");
    }
}
