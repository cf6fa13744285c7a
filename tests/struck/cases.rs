//! Which strikes there are, and one of them.

use std::collections::BTreeMap;
use std::fmt;

use runner::db::POINTS;

use super::LIMIT;
use super::stage::{Stage, trace_of};
use crate::support::{Output, Project, Random, run_limited};

/// One way to be disturbed.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) point: String,
    /// The statement that is under way, where the point is a door.
    pub(super) statement: Option<String>,
    /// Which time it comes by.
    pub(super) nth: u64,
    pub(super) action: &'static str,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.point, self.nth, self.action)?;
        match &self.statement {
            Some(words) => write!(f, " at `{words}`"),
            None => Ok(()),
        }
    }
}

/// How a disturbed process ended.
pub(super) struct Struck {
    pub(super) output: Output,
    pub(super) hit: bool,
}

impl Case {
    /// Runs the command with this fault in it.
    pub(super) fn run(&self, stage: &Stage, project: &Project) -> Struck {
        let mut command = project.command(&stage.arguments);
        let failpoint = format!("{}:{}:{}", self.point, self.nth, self.action);
        command.env("RUNNER_FAILPOINT", failpoint);
        command.env("RUNNER_FAILPOINT_TRACE", project.path("trace"));
        if let Some(statement) = &self.statement {
            command.env("RUNNER_FAILPOINT_STATEMENT", statement);
        }
        let output = run_limited(&mut command, LIMIT);
        let hit = trace_of(project)
            .iter()
            .any(|(point, _)| point.starts_with('!'));
        std::fs::remove_file(project.path("trace")).ok();
        Struck { output, hit }
    }
}

/// What can be done at a point. A door's answer that is lost is a commit's reply where it was a commit; killed behind
/// an answer is killed before the next question.
fn actions(point: &str) -> &'static [&'static str] {
    match point {
        "chunk.commit" => &[
            "kill",
            "error",
            "lose-reply-committed",
            "lose-reply-rolled-back",
        ],
        point if point.ends_with(".answered") => &["error"],
        _ => &["kill", "error"],
    }
}

/// Every point of every command with everything that can be done there, every COMMIT likewise, and so many strikes at
/// the doors, drawn: each statement once before one of them comes again. Which time it comes by is drawn too.
pub(super) fn many(stages: &'static [Stage], doors: usize) -> Vec<(&'static Stage, Case)> {
    let (mut at_doors, mut cases): (Vec<_>, Vec<_>) =
        all(stages).into_iter().partition(|(_, case)| {
            case.statement
                .as_deref()
                .is_some_and(|words| !is_commit(words))
        });
    let mut random = Random::new(20_261_122);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut drawn: Vec<_> = at_doors
        .drain(..)
        .map(|(stage, case)| (random.next(), stage, case))
        .collect();
    drawn.sort_by_key(|(number, ..)| *number);
    let mut ranked: Vec<_> = drawn
        .into_iter()
        .map(|(number, stage, case)| {
            let again = seen
                .entry(case.statement.clone().unwrap_or_default())
                .or_default();
            *again += 1;
            (*again, number, stage, case)
        })
        .collect();
    ranked.sort_by_key(|(again, number, ..)| (*again, *number));
    eprintln!(
        "struck: {} statements, {} strikes at doors are possible",
        seen.len(),
        ranked.len()
    );
    cases.extend(
        ranked
            .into_iter()
            .take(doors)
            .map(|(.., stage, case)| (stage, case)),
    );
    cases
}

/// Its answer may be lost while the server has done it, and while it has not: those are the strikes behind it and
/// before it.
fn is_commit(words: &str) -> bool {
    words.split(' ').any(|word| word == "commit")
}

/// A strike at a point of a command, whatever the statement.
pub(super) fn one(
    stages: &'static [Stage],
    (name, point, action): (&str, &str, &str),
) -> (&'static Stage, Case) {
    let mut all = all(stages).into_iter();
    all.find(|(stage, case)| stage.name == name && case.point == point && case.action == action)
        .unwrap_or_else(|| panic!("`{name}` does not come by {point}"))
}

fn all(stages: &'static [Stage]) -> Vec<(&'static Stage, Case)> {
    let mut random = Random::new(20_261_122);
    let mut cases = Vec::new();
    for stage in stages {
        let faults_of_machines = |point: &str| POINTS.iter().any(|(name, _)| *name == point);
        for ((point, words), times) in &stage.passes {
            if !faults_of_machines(point) {
                continue;
            }
            for action in actions(point) {
                let case = Case {
                    point: point.clone(),
                    statement: Some(words.clone()).filter(|words| !words.is_empty()),
                    nth: 1 + random.below(*times),
                    action,
                };
                cases.push((stage, case));
            }
        }
    }
    cases
}

/// Each point once or twice, in turns at one command and the other; at each command the loss of a commit's reply.
pub(super) fn few(stages: &'static [Stage]) -> Vec<(&'static Stage, Case)> {
    let mut random = Random::new(8);
    let all = all(stages);
    let mut turn = 0;
    let mut cases: Vec<(&'static Stage, Case)> = Vec::new();
    for (point, _) in POINTS {
        let there: Vec<_> = all
            .iter()
            .filter(|(_, case)| case.point == *point)
            .collect();
        // each point once, those of a chunk once for each way to be disturbed
        let wanted: &[&str] = match *point {
            "chunk.commit" => actions(point),
            point if point.ends_with(".answered") => &["error"],
            _ => {
                turn += 1;
                if turn % 2 == 0 { &["kill"] } else { &["error"] }
            }
        };
        for action in wanted {
            let fit: Vec<_> = there
                .iter()
                .filter(|(_, case)| case.action == *action)
                .collect();
            let names: std::collections::BTreeSet<&str> =
                fit.iter().map(|(stage, _)| stage.name).collect();
            let Some(name) = names
                .iter()
                .nth(random.below(names.len().max(1) as u64) as usize)
            else {
                continue;
            };
            let fit: Vec<_> = fit
                .iter()
                .filter(|(stage, _)| stage.name == *name)
                .collect();
            let (stage, case) = fit[random.below(fit.len() as u64) as usize];
            cases.push((*stage, case.clone()));
        }
    }
    cases
}
