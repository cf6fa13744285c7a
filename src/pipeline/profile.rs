//! Which lines of a rule cost most: now and then a row is judged a second time, by a judge of its own whose
//! engine has a clock on every line. A rule is pure, so the second verdict is the first one, and is dropped.

use std::time::{Duration, Instant};

use super::judge::Asked;
use crate::diagnostic::{Diagnostic, Place};
use crate::rule::{Bound, Judge};

/// One row in so many; a prime, so that it does not keep step with patterns in the data.
const EVERY: usize = 17;
/// Judging rows a second time may take this part of all judging, in percent; a few rows are always taken.
const SHARE_MAX: u32 = 10;
const ROWS_MIN: u64 = 50;

/// What the lines of a rule came to.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Rows that were judged a second time.
    pub rows: u64,
    /// How long that took; in no other figure.
    pub took: Duration,
    /// Lines, dearest first, each with its part of the script's time.
    pub dearest: Vec<(Place, f64)>,
}

/// Takes rows out of the stream.
pub(super) struct Sampler {
    judge: Judge,
    rows: u64,
    took: Duration,
    /// How long all rows of the chunks before took.
    judging: Duration,
}

impl Sampler {
    pub(super) fn new(bound: &Bound) -> Result<Self, Diagnostic> {
        let mut judge = bound.judge()?;
        judge.time_lines();
        Ok(Self {
            judge,
            rows: 0,
            took: Duration::ZERO,
            judging: Duration::ZERO,
        })
    }

    /// How long the second verdicts took so far.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// A chunk is judged, and took so long.
    pub(super) fn add(&mut self, chunk: Duration) {
        self.judging += chunk;
    }

    /// Whether this row is taken; `chunk` is how long the rows of its chunk took so far.
    pub(super) fn wants(&self, row: usize, chunk: Duration) -> bool {
        let judging = self.judging + chunk;
        row.is_multiple_of(EVERY) && (self.rows < ROWS_MIN || self.took * 100 < judging * SHARE_MAX)
    }

    /// Judges a row a second time.
    pub(super) fn take(&mut self, asked: &Asked, row: usize) {
        let began = Instant::now();
        let _ = self
            .judge
            .judge(&asked.rows, row, &asked.keys[row], &asked.answers);
        self.took += began.elapsed();
        self.rows += 1;
    }

    /// The lines with their parts of the script's time.
    pub(super) fn lines(&self) -> Lines {
        let times = self.judge.line_times();
        let all: f64 = times.iter().map(|line| line.time.as_secs_f64()).sum();
        let mut dearest: Vec<(Place, f64)> = times
            .into_iter()
            .map(|line| {
                let share = line.time.as_secs_f64() / all.max(f64::MIN_POSITIVE);
                (line.place, share)
            })
            .collect();
        dearest.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.line.cmp(&b.line)));
        Lines {
            rows: self.rows,
            took: self.took,
            dearest,
        }
    }
}
