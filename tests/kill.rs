//! Promise 1: kill it anywhere, run the same command again, and the target is that of a run nobody
//! disturbed: rows, quarantine, accounts. With one, two and four writers, and for a procedural rule.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use crate::support::{
    Db, Engine, Output, Project, Random, Running, canonical_dump, quarantine_dump,
};

/// Small chunks, so that a small database has many places to be killed at.
const BATCH_ROWS: i64 = 37;
const SCALE: &str = "0.05";
const TABLES: &[&str] = &[
    "technicians",
    "technician_roles",
    "order_cases",
    "purchases",
];
/// Left to the target's default or to its trigger by the rules.
const VOLATILE: &[&str] = &["updated_at"];
const LIMIT: Duration = Duration::from_secs(120);

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
    "chunk.after_commit",
    "chunk.marker",
    "gate.after",
    "run.finish",
];

/// The demo's databases: a source that nobody writes, and a target to copy.
fn seeded() -> &'static (Db, Db) {
    static SEEDED: OnceLock<(Db, Db)> = OnceLock::new();
    SEEDED.get_or_init(|| Project::demo(SCALE, Engine::Postgres).into_databases())
}

fn fresh() -> Project {
    let (source, target) = seeded();
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    Project::over(source, target.copy())
}

/// What a run left behind: all that has to be the same after any number of kills.
#[derive(Debug, PartialEq)]
struct Outcome {
    code: i32,
    rows: Vec<String>,
    quarantine: Vec<String>,
    accounts: Vec<String>,
}

impl Outcome {
    fn of(project: &Project, code: i32, tables: &[&str]) -> Self {
        let sums = "sum(base), sum(filtered), sum(read), sum(inserted), sum(updated), sum(unchanged), \
                    sum(skipped), sum(rejected)";
        Self {
            code,
            rows: canonical_dump(&project.target, tables, VOLATILE),
            quarantine: quarantine_dump(&project.target),
            accounts: project.target.lines(&format!(
                "select rule, {sums} from runner.chunk group by rule order by rule"
            )),
        }
    }

    /// Compares with the first difference of each kind in sight, instead of two whole databases.
    #[track_caller]
    fn assert_same(&self, other: &Self, what: &str) {
        assert_eq!(self.code, other.code, "{what}: exit code");
        for (name, ours, theirs) in [
            ("rows", &self.rows, &other.rows),
            ("quarantine", &self.quarantine, &other.quarantine),
            ("accounts", &self.accounts, &other.accounts),
        ] {
            let ours_only: Vec<_> = ours
                .iter()
                .filter(|line| !theirs.contains(line))
                .take(3)
                .collect();
            let theirs_only: Vec<_> = theirs
                .iter()
                .filter(|line| !ours.contains(line))
                .take(3)
                .collect();
            assert!(
                ours_only.is_empty() && theirs_only.is_empty() && ours.len() == theirs.len(),
                "{what}: {name} differ ({} and {} lines)\nonly here: {ours_only:#?}\nonly undisturbed: {theirs_only:#?}",
                ours.len(),
                theirs.len()
            );
        }
    }
}

/// How far a run has come, by its own ledger.
#[derive(Clone, Debug, Default, PartialEq)]
struct Progress {
    chunks: i64,
    base: i64,
    read: i64,
    last: String,
}

fn progress(target: &Db) -> Progress {
    if target.one("select to_regclass('runner.chunk')") == "NULL" {
        return Progress::default();
    }
    let sql = "select count(*), coalesce(sum(base), 0), coalesce(sum(read), 0), \
               (select rule || ' chunk ' || no from runner.chunk order by id desc limit 1) from runner.chunk";
    let row = target.rows(sql).remove(0);
    let number = |index: usize| row[index].as_ref().unwrap().parse().unwrap();
    Progress {
        chunks: number(0),
        base: number(1),
        read: number(2),
        last: row[3].clone().unwrap_or_default(),
    }
}

/// One way to die.
#[derive(Clone, Debug)]
enum Fault {
    /// The program kills itself at a named step, the nth time it comes there.
    Step(&'static str, u64),
    /// Killed from outside: after so many more chunks, and then some.
    Time { chunks: i64, micros: u64 },
}

/// How a struck run ended.
enum End {
    Killed { step: &'static str },
    Finished(Output),
}

fn strike(project: &Project, arguments: &[&str], fault: &Fault) -> End {
    match *fault {
        Fault::Step(step, nth) => {
            let output = project.runner_failing(&format!("{step}:{nth}:kill"), arguments);
            if output.code == 128 + 9 {
                End::Killed { step }
            } else {
                End::Finished(output)
            }
        }
        Fault::Time { chunks, micros } => {
            let goal = progress(&project.target).chunks + chunks;
            let mut running: Running = project.start(arguments);
            while running.child.try_wait().unwrap().is_none() {
                if progress(&project.target).chunks >= goal {
                    std::thread::sleep(Duration::from_micros(micros));
                    running.child.kill().ok();
                    break;
                }
            }
            let output = running.finish(LIMIT);
            if output.code == 128 + 9 {
                End::Killed { step: "any time" }
            } else {
                End::Finished(output)
            }
        }
    }
}

/// What the kills of a test add up to.
#[derive(Default)]
struct Tally {
    kills: usize,
    midway: usize,
    points: BTreeSet<String>,
    reread: i64,
}

/// Runs `arguments` again and again, killed by what `faults` says each time, until a run comes through.
fn migrate(
    project: &Project,
    arguments: &[&str],
    undisturbed: &Outcome,
    all: &Progress,
    tally: &mut Tally,
    mut faults: impl FnMut(usize) -> Fault,
) -> Output {
    for attempt in 0..60 {
        let fault = faults(attempt);
        let end = strike(project, arguments, &fault);
        project.target.wait_until_alone();
        match end {
            End::Killed { step } => {
                let now = progress(&project.target);
                tally.kills += 1;
                if now.base > 0 && now.base < all.base {
                    tally.midway += 1;
                    tally.points.insert(format!("{} {step}", now.last));
                }
            }
            End::Finished(output) => {
                assert_eq!(
                    output.code, undisturbed.code,
                    "resumed after {attempt} kills, then {fault:?}\n{output}"
                );
                return output;
            }
        }
    }
    project.runner(arguments).ends_with(undisturbed.code)
}

fn random_fault(random: &mut Random, attempt: usize) -> Fault {
    // The first one lands in the middle; later ones may hit anything, a resume's first steps included.
    if attempt == 0 || random.below(3) == 0 {
        return Fault::Time {
            chunks: 1 + random.below(6) as i64,
            micros: random.below(20_000),
        };
    }
    Fault::Step(STEPS[random.below(STEPS.len() as u64) as usize], 1 + random.below(5))
}

#[test]
fn a_killed_run_resumes_to_the_target_of_an_undisturbed_one() {
    let kills_wanted: usize =
        std::env::var("RUNNER_TEST_KILLS").map_or(102, |text| text.parse().unwrap());
    let mut tally = Tally::default();
    for writers in ["1", "2", "4"] {
        let arguments = ["run", "--batch-rows", "37", "--writers", writers];
        let calm = fresh();
        let output = calm.runner(&arguments);
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
            let _: Output = project
                .runner(&arguments)
                .ends_with(undisturbed.code)
                .says("done");
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
    let arguments = ["run", "--batch-rows", "37", "--writers", "2"];
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
        failpoints.push(format!("chunk.before_commit:{nth}:lose-reply-committed"));
        failpoints.push(format!("chunk.before_commit:{nth}:lose-reply-rolled-back"));
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
        let _: Output = project.runner(&arguments).ends_with(undisturbed.code);
        Outcome::of(&project, undisturbed.code, TABLES).assert_same(&undisturbed, failpoint);
    }
}

#[test]
fn the_number_of_writers_and_the_size_of_chunks_leave_no_trace() {
    let mut first: Option<Outcome> = None;
    for (writers, rows) in [("1", "37"), ("2", "100"), ("4", "5000")] {
        let project = fresh();
        let output = project.runner(&["run", "--writers", writers, "--batch-rows", rows]);
        let outcome = Outcome::of(&project, output.code, TABLES);
        match &first {
            None => first = Some(outcome),
            Some(first) => {
                outcome.assert_same(first, &format!("{writers} writers, chunks of {rows}"))
            }
        }
    }
}

#[test]
fn a_killed_procedural_rule_resumes_like_the_others() {
    let (source, target) = seeded();
    let shipped = Project::over(source, target.clone());
    let mut examples: Vec<String> = std::fs::read_dir(shipped.path("rules/examples"))
        .expect("rules/examples")
        .map(|entry| {
            format!(
                "rules/examples/{}",
                entry.unwrap().file_name().into_string().unwrap()
            )
        })
        .filter(|path| shipped.read(path).contains("fn run("))
        .collect();
    let _ = shipped.into_databases();
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
                let _: Output = project.runner(&["exec", example]).ends_with(output.code);
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
