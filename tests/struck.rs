//! Every command, struck at every point: killed, its connection broken, the reply to a commit lost. The same command
//! again ends it, and leaves exactly what it leaves when nobody disturbs it: rows, quarantine, accounts, the old
//! scripts' tables, findings. And none of these processes hangs.
//!
//! The points are those of `src/db/points.rs`. Three of them are the doors that every wait on a database comes by; a
//! trace of the undisturbed command says which statements there are, and each of them is one to strike at. A change
//! is held against a few dozen strikes, `tests/long` against all of them.

mod cases;
mod coverage;
mod left;
mod points;
mod random;
mod stage;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use self::cases::Case;
use self::coverage::Coverage;
use self::stage::{Stage, stages};

/// No process may take longer, whatever happened to it; a command that nobody disturbs takes seconds.
const LIMIT: Duration = Duration::from_secs(90);

/// Strikes that once left something else: held in every run of the tests.
const FOUND: &[(&str, &str, &str)] = &[
    // the newest line of `migration_control` said `interrupted` for good
    ("sweep", "segment.close", "kill"),
];

/// How one strike ended.
struct Blow {
    hit: bool,
    /// Of the struck process and the one that went on.
    slowest: Duration,
}

/// Strikes, goes on, compares.
fn strike(stage: &Stage, case: &Case) -> Blow {
    let what = format!("{}: {case}", stage.name);
    let project = stage.fresh();
    let struck = case.run(stage, &project);
    struck.output.never_says("panicked at");
    let mut slowest = struck.output.took;
    let killed = case.action == "kill" && struck.hit;
    let expected = if killed {
        vec![128 + 9]
    } else {
        vec![1, stage.code]
    };
    assert!(
        expected.contains(&struck.output.code),
        "{what}\n{}",
        struck.output
    );
    project.target.wait_until_alone();
    stage.holds_meanwhile(&project, &what);
    let mut output = struck.output;
    if output.code != stage.code {
        output = stage.again(&project);
        slowest = slowest.max(output.took);
        assert_eq!(
            output.code,
            stage.code_after(&output),
            "{what}, then the same command\n{output}"
        );
    }
    stage
        .left(&project, &output)
        .assert_same(&stage.undisturbed, &what);
    Blow {
        hit: struck.hit,
        slowest,
    }
}

/// All of these on two threads; what failed is told at the end, so that one failure does not hide another.
fn strike_all(cases: &[(&'static Stage, Case)]) -> Coverage {
    let next = AtomicUsize::new(0);
    let coverage = Mutex::new(Coverage::default());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((stage, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let blow = std::panic::catch_unwind(|| strike(stage, case));
                    let mut coverage = coverage.lock().unwrap();
                    match blow {
                        Ok(blow) => coverage.add(stage, case, &blow),
                        Err(_) => coverage.failed.push(format!("{}: {case}", stage.name)),
                    }
                }
            });
        }
    });
    coverage.into_inner().unwrap()
}

#[test]
fn a_command_that_is_struck_anywhere_ends_as_if_nobody_had_disturbed_it() {
    let doors = std::env::var("RUNNER_TEST_STRIKES").ok();
    let mut cases = match doors.map(|text| text.parse().unwrap()) {
        Some(doors) => cases::many(stages(), doors),
        None => cases::few(stages()),
    };
    cases.extend(FOUND.iter().map(|found| cases::one(stages(), *found)));
    let coverage = strike_all(&cases);
    coverage.print(stages());
    assert_eq!(coverage.failed, Vec::<String>::new());
    assert!(
        coverage.missed * 10 <= cases.len(),
        "{} of {} strikes hit nothing",
        coverage.missed,
        cases.len()
    );
}
