//! Kills a run in a given way, and says what it left behind.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use super::{SCALE, STEPS, VOLATILE};
use crate::support::{
    Db, Engine, Output, Project, Random, Running, canonical_dump, quarantine_dump,
};

const LIMIT: Duration = Duration::from_mins(2);

/// The demo's databases: a source that nobody writes, and a target to copy.
fn seeded() -> &'static (Db, Db) {
    static SEEDED: OnceLock<(Db, Db)> = OnceLock::new();
    SEEDED.get_or_init(|| Project::demo(SCALE, Engine::Postgres).into_databases())
}

pub(super) fn fresh() -> Project {
    // A database that is being copied may have no other user, another copy included.
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let (source, target) = seeded();
    let _turn = ONE_AT_A_TIME.lock();
    Project::over(source, target.copy())
}

/// What a run left behind: all that has to be the same after any number of kills.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) code: i32,
    pub(super) rows: Vec<String>,
    pub(super) quarantine: Vec<String>,
    pub(super) accounts: Vec<String>,
}

impl Outcome {
    pub(super) fn of(project: &Project, code: i32, tables: &[&str]) -> Self {
        Self::with_volatile(project, code, tables, VOLATILE)
    }

    pub(super) fn with_volatile(
        project: &Project,
        code: i32,
        tables: &[&str],
        volatile: &[&str],
    ) -> Self {
        let sums = "sum(base), sum(filtered), sum(read), sum(inserted), sum(updated), sum(unchanged), \
                    sum(skipped), sum(rejected)";
        Self {
            code,
            rows: canonical_dump(&project.target, tables, volatile),
            quarantine: quarantine_dump(&project.target),
            accounts: project.target.lines(&format!(
                "select rule, {sums} from runner.chunk group by rule order by rule"
            )),
        }
    }

    /// Compares with the first difference of each kind in sight, instead of two whole databases.
    #[track_caller]
    pub(super) fn assert_same(&self, other: &Self, what: &str) {
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
pub(super) struct Progress {
    pub(super) chunks: i64,
    pub(super) base: i64,
    pub(super) read: i64,
    pub(super) last: String,
}

pub(super) fn progress(target: &Db) -> Progress {
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
pub(super) enum Fault {
    /// The program kills itself at a named step, the nth time it comes there.
    Step(&'static str, u64),
    /// Killed from outside: after so many more chunks, and then some.
    Time { chunks: i64, micros: u64 },
}

/// How a struck run ended.
pub(super) enum End {
    Killed { step: &'static str },
    Finished(Output),
}

pub(super) fn strike(project: &Project, arguments: &[&str], fault: &Fault) -> End {
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
pub(super) struct Tally {
    pub(super) kills: usize,
    pub(super) midway: usize,
    pub(super) points: BTreeSet<String>,
    pub(super) reread: i64,
}

/// Runs `arguments` again and again, killed by what `faults` says each time, until a run comes through.
pub(super) fn migrate(
    project: &Project,
    arguments: &[&str],
    undisturbed: &Outcome,
    all: &Progress,
    tally: &mut Tally,
    mut faults: impl FnMut(usize) -> Fault,
) {
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
                return;
            }
        }
    }
    project.runner(arguments).ends_with(undisturbed.code);
}

pub(super) fn random_fault(random: &mut Random, attempt: usize) -> Fault {
    // The first one lands in the middle; later ones may hit anything, a resume's first steps included.
    if attempt == 0 || random.below(3) == 0 {
        return Fault::Time {
            chunks: 1 + random.below(6) as i64,
            micros: random.below(20_000),
        };
    }
    Fault::Step(
        STEPS[random.below(STEPS.len() as u64) as usize],
        1 + random.below(5),
    )
}
