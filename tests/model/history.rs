//! Random histories: what people and machines do to a migration, drawn so that it may happen.

use super::machine::{End, Machine, POINTS, Row, Strike, TABLES};
use crate::support::Random;

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The source moves on, then a run.
    Run(Option<Strike>),
    /// The source is mended, then a retry.
    Retry(Option<Strike>),
    /// A run is taken back.
    Undo { run: i64, strike: Option<Strike> },
    /// A run that never learns what became of a COMMIT.
    Lose { nth: u64, committed: bool },
    /// A run is stopped at its nth chunk; another takes over and ends; the first one wakes up.
    Fenced { nth: u64 },
}

/// Draws steps.
pub(super) struct History(Random);

impl History {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.0
    }

    fn strike(&mut self) -> Option<Strike> {
        let random = &mut self.0;
        (random.below(2) == 0).then(|| Strike {
            point: POINTS[random.below(POINTS.len() as u64) as usize],
            nth: 1 + random.below(4),
        })
    }

    pub(super) fn next(&mut self, machine: &Machine) -> Step {
        let undo = machine.to_undo();
        // what is half taken back mostly goes on; now and then somebody tries something else
        let half = machine.half_undone() && self.0.below(4) > 0;
        match (self.0.below(10), undo) {
            (_, Some(run)) if half => Step::Undo {
                run,
                strike: self.strike(),
            },
            (0..=1, Some(run)) => Step::Undo {
                run,
                strike: self.strike(),
            },
            (2..=3, _) if machine.runs > 0 => Step::Retry(self.strike()),
            (4, _) => Step::Lose {
                nth: 1 + self.0.below(3),
                committed: self.0.below(2) == 0,
            },
            (5, _) => Step::Fenced {
                nth: 1 + self.0.below(2),
            },
            _ => Step::Run(self.strike()),
        }
    }
}

impl Step {
    /// What the model makes of it.
    pub(super) fn foretold(&self, machine: &mut Machine) -> End {
        match self {
            Self::Run(strike) => machine.run(*strike),
            Self::Retry(strike) => machine.retry(*strike),
            Self::Undo { run, strike } => machine.undo(*run, *strike),
            Self::Lose { .. } => machine.run(None),
            Self::Fenced { nth } => {
                let stopped = machine.run(Some(Strike {
                    point: "chunk.begin",
                    nth: *nth,
                }));
                if stopped == End::Killed {
                    machine.run(None)
                } else {
                    stopped
                }
            }
        }
    }
}

fn row(random: &mut Random) -> Row {
    Row {
        parent: (random.below(5) > 0).then(|| 1 + random.below(40) as i64),
        v: random.below(12) as i64 - 2,
        bad: random.below(5) == 0,
    }
}

/// A source before anything is moved.
pub(super) fn fill(machine: &mut Machine, random: &mut Random) {
    for (table, rows) in [(0, 10), (1, 16)] {
        for _ in 0..rows {
            let key = 1 + random.below(40) as i64;
            machine.source[table].insert(key, row(random));
        }
    }
}

/// What happens to the source before a step: new rows anywhere, and rows that change. Says what changed.
pub(super) fn change(machine: &mut Machine, step: &Step, random: &mut Random) -> Vec<(usize, i64)> {
    let mut changed = Vec::new();
    if matches!(step, Step::Undo { .. }) {
        return changed;
    }
    for (table, _) in TABLES.iter().enumerate() {
        for _ in 0..random.below(3) {
            let key = 1 + random.below(60) as i64;
            machine.source[table].insert(key, row(random));
            changed.push((table, key));
        }
        if matches!(step, Step::Retry(_)) {
            let held: Vec<i64> = machine.held(table).into_keys().collect();
            for key in held {
                if random.below(2) == 0 {
                    let row = machine.source[table].get_mut(&key).expect("it was read");
                    row.bad = false;
                    changed.push((table, key));
                }
            }
        }
    }
    changed
}
