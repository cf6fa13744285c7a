//! Promise 1: kill it anywhere, run the same command again, and the target is that of a run nobody
//! disturbed: rows, quarantine, accounts. With one, two and four writers, and for a procedural rule.

use std::path::Path;

use self::driver::{Outcome, Tally, fresh, migrate, progress, random_fault};
use crate::support::{Random, canonical_dump, quarantine_dump};

mod driver;
pub(crate) mod nine;

/// Small chunks, so that a small database has many places to be killed at.
const BATCH_ROWS: i64 = 37;
const SCALE: &str = "0.05";
/// The rules, named after the tables they fill.
const TABLES: &[&str] = &[
    "technicians",
    "technician_roles",
    "order_cases",
    "purchases",
];
/// Left to the target's default or to its trigger by the rules.
const VOLATILE: &[&str] = &["updated_at"];

/// Every named step of a run, from its first segment to its last statement.
const STEPS: &[&str] = &[
    "gate.before",
    "segment.open",
    "page.read",
    "page.lookups",
    "script.judged",
    "chunk.begin",
    "chunk.fenced",
    "chunk.rows",
    "chunk.state",
    "chunk.before_commit",
    "chunk.commit",
    "chunk.after_commit",
    "chunk.marker",
    "gate.after",
    "run.finish",
];

/// The command that is killed and run again.
fn run(writers: &str) -> Vec<&str> {
    let mut arguments = vec!["run", "--batch-rows", "37", "--writers", writers];
    arguments.extend(TABLES);
    arguments
}

#[test]
fn a_killed_run_resumes_to_the_target_of_an_undisturbed_one() {
    let kills_wanted: usize =
        std::env::var("RUNNER_TEST_KILLS").map_or(102, |text| text.parse().unwrap());
    let mut tally = Tally::default();
    for writers in ["1", "2", "4"] {
        let arguments = run(writers);
        let calm = fresh();
        let output = calm.runner(&arguments);
        output.ends_with(3);
        let undisturbed = Outcome::of(&calm, output.code, TABLES);
        let all = progress(&calm.target);
        for table in TABLES {
            assert!(
                undisturbed
                    .rows
                    .iter()
                    .any(|row| row.starts_with(&format!("{table}:"))),
                "{table} is empty\n{output}"
            );
        }
        assert!(
            !undisturbed.quarantine.is_empty() && all.chunks > 30,
            "{all:?}\n{output}"
        );

        let goal = tally.kills + kills_wanted / 3;
        let mut seed = 1;
        while tally.kills < goal {
            let project = fresh();
            let mut random = Random::new(seed);
            let kills = tally.kills;
            migrate(
                &project,
                &arguments,
                &undisturbed,
                &all,
                &mut tally,
                |attempt| random_fault(&mut random, attempt),
            );
            let what = format!(
                "{writers} writers, seed {seed}, {} kills",
                tally.kills - kills
            );
            Outcome::of(&project, undisturbed.code, TABLES).assert_same(&undisturbed, &what);
            // A checkpoint never moves back: what was committed before a kill is not read again.
            let reread = progress(&project.target).read - all.read;
            let most =
                (tally.kills - kills) as i64 * BATCH_ROWS * (1 + writers.parse::<i64>().unwrap());
            assert!(
                (0..=most).contains(&reread),
                "{what}: {reread} rows read twice, at most {most}"
            );
            tally.reread += reread;
            project
                .runner(&arguments)
                .ends_with(undisturbed.code)
                .tells("already done");
            seed += 1;
        }
    }
    eprintln!(
        "kill: {} kills, {} midway, {} distinct points, {} rows read twice",
        tally.kills,
        tally.midway,
        tally.points.len(),
        tally.reread
    );
    assert!(
        tally.midway * 10 >= tally.kills * 8,
        "{} of {} kills hit a run midway",
        tally.midway,
        tally.kills
    );
    assert!(tally.points.len() >= 30, "{:#?}", tally.points);
}

#[test]
fn every_step_can_be_killed_or_fail_and_a_lost_commit_is_found_out() {
    let arguments = run("2");
    let calm = fresh();
    let output = calm.runner(&arguments);
    let undisturbed = Outcome::of(&calm, output.code, TABLES);
    let mut failpoints: Vec<String> = Vec::new();
    for step in STEPS {
        let nth = if step.starts_with("chunk")
            || step.starts_with("page")
            || step.starts_with("script")
        {
            7
        } else {
            1
        };
        failpoints.push(format!("{step}:{nth}:kill"));
        failpoints.push(format!("{step}:{nth}:error"));
    }
    for nth in [1, 7] {
        failpoints.push(format!("chunk.commit:{nth}:lose-reply-committed"));
        failpoints.push(format!("chunk.commit:{nth}:lose-reply-rolled-back"));
    }
    for failpoint in &failpoints {
        let project = fresh();
        let struck = project.runner_failing(failpoint, &arguments);
        if failpoint.ends_with("kill") {
            assert_eq!(
                struck.code,
                128 + 9,
                "{failpoint} was never reached\n{struck}"
            );
        } else if failpoint.contains("lose-reply") {
            // The marker says what became of it; nobody has to run anything again.
            assert_eq!(struck.code, undisturbed.code, "{failpoint}\n{struck}");
        } else {
            assert!(
                struck.code == 1 || struck.code == undisturbed.code,
                "{failpoint}\n{struck}"
            );
        }
        project.target.wait_until_alone();
        project.runner(&arguments).ends_with(undisturbed.code);
        Outcome::of(&project, undisturbed.code, TABLES).assert_same(&undisturbed, failpoint);
    }
}

#[test]
fn the_number_of_writers_and_the_size_of_chunks_leave_no_trace() {
    let mut first: Option<Outcome> = None;
    for (writers, rows) in [("1", "37"), ("2", "100"), ("4", "5000")] {
        let project = fresh();
        let output = project
            .runner(&[&["run", "--writers", writers, "--batch-rows", rows], TABLES].concat());
        let outcome = Outcome::of(&project, output.code, TABLES);
        match &first {
            None => first = Some(outcome),
            Some(first) => {
                outcome.assert_same(first, &format!("{writers} writers, chunks of {rows}"));
            }
        }
    }
}

#[test]
fn a_killed_procedural_rule_resumes_like_the_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples: Vec<String> = std::fs::read_dir(root.join("rules/examples"))
        .expect("rules/examples")
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("rules/examples/{name}"))
        .filter(|path| {
            std::fs::read_to_string(root.join(path))
                .unwrap()
                .contains("fn run(")
        })
        .collect();
    examples.sort();
    assert!(!examples.is_empty(), "no procedural rule in rules/examples");
    for example in &examples {
        let calm = fresh();
        let table = header_text(&calm.read(example), "target");
        let volatile = ["created_at", "updated_at"];
        let output = calm.runner(&["exec", example]);
        assert!([0, 3].contains(&output.code), "{example}\n{output}");
        let undisturbed = canonical_dump(&calm.target, &[&table], &volatile);
        let rejected = quarantine_dump(&calm.target);
        assert!(!undisturbed.is_empty(), "{example} wrote nothing\n{output}");
        let mut killed = 0;
        for step in STEPS
            .iter()
            .filter(|step| step.starts_with("chunk") || step.starts_with("run"))
        {
            for nth in [1, 2] {
                let project = fresh();
                let struck =
                    project.runner_failing(&format!("{step}:{nth}:kill"), &["exec", example]);
                killed += usize::from(struck.code == 128 + 9);
                project.target.wait_until_alone();
                project.runner(&["exec", example]).ends_with(output.code);
                assert_eq!(
                    canonical_dump(&project.target, &[&table], &volatile),
                    undisturbed,
                    "{example} {step}:{nth}"
                );
                assert_eq!(
                    quarantine_dump(&project.target),
                    rejected,
                    "{example} {step}:{nth}"
                );
            }
        }
        assert!(killed >= 8, "{example}: only {killed} kills");
    }
}

/// The text of a header entry like `target: "purchases"`.
fn header_text(rule: &str, name: &str) -> String {
    let after = rule
        .split_once(&format!("{name}:"))
        .unwrap_or_else(|| panic!("no {name}"))
        .1;
    after.split('"').nth(1).expect("a text").to_owned()
}
