//! Kills at random, two on each command before it may end: at a point that was drawn, or at any time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use runner::db::POINTS;

use super::LIMIT;
use super::cases::Case;
use super::stage::{Stage, stages};
use crate::support::{Output, Project, Random};

/// Commands that are killed here; `kill::nine` does so with a first run.
const KILLED: [&str; 5] = ["retry", "sync", "undo", "verify", "record"];

/// Starts the command and kills it, or lets it end if it is faster.
fn kill(stage: &Stage, project: &Project, random: &mut Random) -> (String, Output) {
    if random.below(3) == 0 {
        let after = Duration::from_micros(random.below(stage.took.as_micros() as u64));
        let mut running = project.start(&stage.arguments);
        std::thread::sleep(after);
        running.child.kill().ok();
        return (format!("after {after:?}"), running.finish(LIMIT));
    }
    let is_point = |point: &str| POINTS.iter().any(|(name, _)| *name == point);
    let passes = || {
        stage
            .passes
            .iter()
            .filter(|((point, _), _)| is_point(point))
    };
    let mut at = random.below(passes().map(|(_, times)| times).sum());
    for ((point, words), times) in passes() {
        if at < *times {
            let case = Case {
                point: point.clone(),
                statement: Some(words.clone()).filter(|words| !words.is_empty()),
                nth: 1 + at,
                action: "kill",
            };
            return (case.to_string(), case.run(stage, project).output);
        }
        at -= times;
    }
    unreachable!("a pass was drawn that there is not");
}

/// Kills until two kills have struck or the command came through; says how many.
fn harass(stage: &Stage, random: &mut Random) -> usize {
    let project = stage.fresh();
    let mut done = String::new();
    let mut kills = 0;
    while kills < 2 {
        let (how, output) = kill(stage, &project, random);
        done.push_str(&format!("; {how}: {}", output.code));
        let what = format!("{}{done}", stage.name);
        output.never_says("panicked at");
        project.target.wait_until_alone();
        stage.holds_meanwhile(&project, &what);
        if output.code != 128 + 9 {
            assert_eq!(output.code, stage.code, "{what}\n{output}");
            stage
                .left(&project, &output)
                .assert_same(&stage.undisturbed, &what);
            return kills;
        }
        kills += 1;
    }
    let output = stage.again(&project);
    let what = format!("{}{done}", stage.name);
    assert_eq!(output.code, stage.code, "{what}\n{output}");
    stage
        .left(&project, &output)
        .assert_same(&stage.undisturbed, &what);
    kills
}

#[test]
fn a_command_killed_twice_in_a_row_at_random_ends_as_if_nobody_had_disturbed_it() {
    let wanted: usize =
        std::env::var("RUNNER_TEST_KILLS_EACH").map_or(1, |text| text.parse().unwrap());
    let killed: Vec<&Stage> = stages()
        .iter()
        .filter(|s| KILLED.contains(&s.name))
        .collect();
    assert_eq!(killed.len(), KILLED.len());
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(stage) = killed.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let mut random = Random::new(20_261_122 + stage.name.len() as u64);
                    let (mut kills, mut commands) = (0, 0);
                    let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        while kills < wanted {
                            kills += harass(stage, &mut random);
                            commands += 1;
                        }
                    }));
                    eprintln!(
                        "struck: {kills} random kills of {commands} times `{}`, {:.0} s: {}",
                        stage.arguments.join(" "),
                        began.elapsed().as_secs_f64(),
                        if end.is_ok() {
                            "as undisturbed"
                        } else {
                            "SOMETHING ELSE"
                        }
                    );
                    if end.is_err() {
                        failed.lock().unwrap().push(stage.name);
                    }
                }
            });
        }
    });
    assert_eq!(*failed.lock().unwrap(), Vec::<&str>::new());
}
