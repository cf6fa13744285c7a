//! What the network does: it ends in the middle of a byte stream, it goes silent without a word, it loses a reply.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::{Left, TABLES};
use crate::support::{Fault, Output, Project, Proxy, Random, Wire, postgres};

/// Seconds that a statement may take here; ten minutes where nobody says so. Every wait is this long or a part of it.
const PATIENCE: u64 = 2;

/// After the wire has gone mute, one after another, a command waits at most for: the statement under way, the tries to
/// connect again (half of the patience, and one more that begins before that is over), the run's own last words on
/// two connections, and a goodbye.
const WAITS: u64 = 6;

/// What a loaded machine may need besides.
const SLACK: Duration = Duration::from_secs(15);

const RUN: &[&str] = &["run", "--batch-rows", "40", "--writers", "2"];
const VERIFY: &[&str] = &["verify"];
const CHECK: &[&str] = &["check"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// The people, each database behind a wire of its own.
struct Wired {
    project: Project,
    source: Proxy,
    target: Proxy,
}

impl Wired {
    fn new() -> Self {
        let project = Project::people();
        let port = postgres().port;
        let (source, target) = (Proxy::to(port), Proxy::to(port));
        let text = format!(
            "SOURCE_DATABASE_URL={}\nTARGET_DATABASE_URL={}\nRUNNER_NAMESPACE={}\nSTATEMENT_TIMEOUT={PATIENCE}\n",
            source.url(&project.source.url()),
            target.url(&project.target.url()),
            crate::support::NAMESPACE
        );
        project.write(".env", &text);
        Self {
            project,
            source,
            target,
        }
    }

    fn wire(&self, side: Side) -> &Proxy {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// Runs the program with a fault on one of the wires, which works again afterwards. `None` when the program
    /// never came to it.
    fn struck(&self, side: Side, fault: Fault, arguments: &[&str]) -> Option<Output> {
        let wire = self.wire(side);
        wire.set(fault);
        let output = self.project.runner(arguments);
        let struck = wire.struck();
        wire.heal();
        self.project.target.wait_until_alone();
        self.project.source.wait_until_alone();
        struck.then_some(output)
    }
}

/// What a run, a verification and a check come to when nobody disturbs them, and what goes over the wires meanwhile.
struct Calm {
    left: Left,
    run: Output,
    verified: Output,
    checked: Output,
    /// By command and side.
    questions: [[u64; 2]; 3],
    /// Of the run, by side: to the server, to the client.
    bytes: [[u64; 2]; 2],
    commits: u64,
}

fn calm() -> &'static Calm {
    static CALM: OnceLock<Calm> = OnceLock::new();
    CALM.get_or_init(|| {
        let wired = Wired::new();
        let both = [&wired.source, &wired.target];
        let run = wired.project.runner(RUN);
        run.ends_with(3);
        let bytes = both.map(|wire| [wire.bytes(Wire::ToServer), wire.bytes(Wire::ToClient)]);
        let run_questions = both.map(Proxy::questions);
        let commits = wired.target.commits();
        for wire in both {
            wire.heal();
        }
        let verified = wired.project.runner(VERIFY);
        verified.ends_with(0);
        let verify_questions = both.map(Proxy::questions);
        for wire in both {
            wire.heal();
        }
        let checked = wired.project.runner(CHECK);
        checked.ends_with(0);
        Calm {
            left: Left::of(&wired.project, TABLES),
            run,
            verified,
            checked,
            questions: [run_questions, verify_questions, both.map(Proxy::questions)],
            bytes,
            commits,
        }
    })
}

/// So many of the cases, evenly; all of them with `RUNNER_TEST_ALL_FAULTS`.
fn some<T>(cases: Vec<T>, most: usize) -> Vec<T> {
    let all = std::env::var_os("RUNNER_TEST_ALL_FAULTS").is_some();
    let (count, mut taken) = (cases.len(), 0);
    cases
        .into_iter()
        .enumerate()
        .filter(|(at, _)| {
            let wanted = all || count <= most || at * most / count >= taken;
            taken += usize::from(wanted);
            wanted
        })
        .map(|(_, case)| case)
        .collect()
}

/// Does the cases side by side: they mostly wait.
fn side_by_side<T: Sync>(cases: &[T], act: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    act(case);
                }
            });
        }
    });
}

/// Every question that a command asks on one side, with the question lost, and with its answer lost.
fn questions(command: usize, side: Side) -> Vec<(Side, u64, bool)> {
    let count = calm().questions[command][side as usize];
    (0..count)
        .flat_map(|question| [(side, question, false), (side, question, true)])
        .collect()
}

fn in_time(output: &Output, undisturbed: &Output, what: &str) {
    let bound = Duration::from_secs(PATIENCE * WAITS) + undisturbed.took + SLACK;
    assert!(
        output.took < bound,
        "{what}: {:?}, more than {bound:?}\n{output}",
        output.took
    );
}

fn says_why(output: &Output) -> bool {
    output.stderr.contains("no answer within") || output.stderr.contains("the connection was lost")
}

/// A fault that leaves most commands undisturbed struck nothing.
#[track_caller]
fn assert_mostly(failed: usize, cases: usize) {
    assert!(failed * 10 >= cases * 7, "{failed} of {cases}");
}

#[test]
fn fault_03_a_connection_that_goes_mute_at_any_question_of_a_run_ends_it_in_time() {
    let calm = calm();
    let mut cases = questions(0, Side::Source);
    cases.extend(questions(0, Side::Target));
    let (count, cases) = (cases.len(), some(cases, 36));
    let slowest = Mutex::new(Duration::ZERO);
    let failed = AtomicUsize::new(0);
    side_by_side(&cases, |&(side, question, arrives)| {
        let what = format!("{side:?}, question {question}, arrives: {arrives}");
        let wired = Wired::new();
        let Some(output) = wired.struck(side, Fault::Mute { question, arrives }, RUN) else {
            return;
        };
        in_time(&output, &calm.run, &what);
        let mut slowest = slowest.lock().unwrap();
        *slowest = output.took.max(*slowest);
        drop(slowest);
        if output.code == 1 {
            failed.fetch_add(1, Ordering::SeqCst);
            assert!(says_why(&output), "{what}\n{output}");
        } else {
            // only a goodbye got no answer
            output.ends_with(calm.run.code);
            Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
        }
        wired.project.runner(RUN).ends_with(calm.run.code);
        Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
    });
    let (failed, slowest) = (failed.into_inner(), slowest.into_inner().unwrap());
    eprintln!(
        "reliability: mute run: {} of {count} points, {failed} ended with 1, the slowest after {slowest:?}",
        cases.len()
    );
    assert_mostly(failed, cases.len());
}

#[test]
fn fault_03_a_connection_that_goes_mute_at_any_question_of_a_check_or_a_verification_ends_it_in_time()
 {
    let calm = calm();
    for (command, arguments, undisturbed, most) in [
        (1, VERIFY, &calm.verified, 24),
        (2, CHECK, &calm.checked, 12),
    ] {
        let mut cases = questions(command, Side::Source);
        cases.extend(questions(command, Side::Target));
        let (count, cases) = (cases.len(), some(cases, most));
        let failed = AtomicUsize::new(0);
        side_by_side(&cases, |&(side, question, arrives)| {
            let what = format!("{arguments:?}: {side:?}, question {question}, arrives: {arrives}");
            let wired = Wired::new();
            wired.project.runner(RUN).ends_with(calm.run.code);
            let fault = Fault::Mute { question, arrives };
            let Some(output) = wired.struck(side, fault, arguments) else {
                return;
            };
            in_time(&output, undisturbed, &what);
            if output.code == undisturbed.code {
                // only a goodbye got no answer
                assert_eq!(
                    output.stdout.lines().last(),
                    undisturbed.stdout.lines().last()
                );
            } else {
                failed.fetch_add(1, Ordering::SeqCst);
                output.ends_with(1);
                assert!(says_why(&output), "{what}\n{output}");
            }
            wired.project.runner(arguments).ends_with(undisturbed.code);
            Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
        });
        let failed = failed.into_inner();
        eprintln!(
            "reliability: mute {arguments:?}: {} of {count} points, {failed} ended with 1",
            cases.len()
        );
        assert_mostly(failed, cases.len());
    }
}

#[test]
fn fault_03_a_half_open_connection_among_others_is_replaced_or_ends_the_run_in_time() {
    let calm = calm();
    let cases = some(questions(0, Side::Target), 18);
    let healed = AtomicUsize::new(0);
    side_by_side(&cases, |&(side, question, arrives)| {
        let what = format!("half open: question {question}, arrives: {arrives}");
        let wired = Wired::new();
        let Some(output) = wired.struck(side, Fault::HalfOpen { question, arrives }, RUN) else {
            return;
        };
        in_time(&output, &calm.run, &what);
        if output.code == calm.run.code {
            healed.fetch_add(1, Ordering::SeqCst);
            Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
        } else {
            output.ends_with(1);
        }
        wired.project.runner(RUN).ends_with(calm.run.code);
        Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
    });
    eprintln!(
        "reliability: half open: {} of {} runs came through by themselves",
        healed.into_inner(),
        cases.len()
    );
}

#[test]
fn fault_03_a_connection_cut_or_muted_at_any_byte_leaves_the_target_of_an_undisturbed_run() {
    let calm = calm();
    let mut random = Random::new(8);
    let mut cases = Vec::new();
    for side in [Side::Source, Side::Target] {
        for way in [Wire::ToServer, Wire::ToClient] {
            for at in 0..8 {
                let byte = random.below(calm.bytes[side as usize][way as usize]);
                let fault = match at {
                    0 | 4 => Fault::MuteAtByte { way, byte },
                    _ => Fault::Cut { way, byte },
                };
                cases.push((side, fault));
            }
        }
    }
    let (struck, healed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    side_by_side(&cases, |&(side, fault)| {
        let what = format!("{side:?}, {fault:?}");
        let wired = Wired::new();
        let Some(output) = wired.struck(side, fault, RUN) else {
            return;
        };
        struck.fetch_add(1, Ordering::SeqCst);
        in_time(&output, &calm.run, &what);
        if output.code == calm.run.code {
            healed.fetch_add(1, Ordering::SeqCst);
        } else {
            output.ends_with(1);
        }
        wired.project.runner(RUN).ends_with(calm.run.code);
        Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
    });
    let (struck, healed) = (struck.into_inner(), healed.into_inner());
    eprintln!(
        "reliability: {struck} cuts and mutes at a byte, {healed} runs came through by themselves"
    );
    // the number of bytes differs a little from run to run, so the last ones may not be reached
    assert!(struck >= 28, "{struck}");
    assert!(healed >= 1);
}

#[test]
fn fault_04_a_lost_reply_to_commit_is_resolved_by_the_ledger_whatever_became_of_it() {
    let calm = calm();
    assert!(calm.commits >= 4, "{}", calm.commits);
    let cases: Vec<_> = (0..calm.commits)
        .flat_map(|nth| [(nth, true), (nth, false)])
        .collect();
    side_by_side(&cases, |&(nth, arrives)| {
        let what = format!("commit {nth}, arrives: {arrives}");
        let wired = Wired::new();
        let output = wired.struck(Side::Target, Fault::LoseCommit { nth, arrives }, RUN);
        // nobody has to run anything again
        output.expect(&what).ends_with(calm.run.code);
        Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
        wired
            .project
            .runner(RUN)
            .ends_with(calm.run.code)
            .tells("already done");
    });
}

#[test]
fn fault_24_a_commit_that_the_server_answers_with_rollback_is_found_by_reading_back() {
    let calm = calm();
    let cases: Vec<u64> = (0..calm.commits).collect();
    side_by_side(&cases, |&nth| {
        let what = format!("commit {nth}");
        let wired = Wired::new();
        let output = wired.struck(Side::Target, Fault::SwallowCommit { nth }, RUN);
        output.expect(&what).ends_with(calm.run.code);
        Left::of(&wired.project, TABLES).assert_same(&calm.left, &what);
    });
}

#[test]
fn fault_03_a_slow_network_changes_nothing_but_the_time() {
    let calm = calm();
    let wired = Wired::new();
    let slow = Fault::Slow { millis: 5 };
    wired.source.set(slow);
    let output = wired.struck(Side::Target, slow, RUN);
    output.expect("slow").ends_with(calm.run.code);
    Left::of(&wired.project, TABLES).assert_same(&calm.left, "slow");
}
