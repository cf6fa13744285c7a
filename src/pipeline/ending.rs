//! How a run ends: the same word for whoever started it and for the state.

use super::{Outcome, RuleOutcome, What};

/// The ways to end, best first: `max` of two is the one to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Every row is decided.
    Done,
    /// Asked to stop; resumable.
    Interrupted,
    /// Rows to decide, or an expectation missed.
    Undecided,
    /// A check of the result failed.
    Failed,
}

impl Ending {
    /// The program's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Undecided => 3,
            Self::Interrupted => 130,
        }
    }

    fn of(rules: &[&RuleOutcome], interrupted: bool) -> Self {
        let mut ending = if interrupted {
            Self::Interrupted
        } else {
            Self::Done
        };
        for rule in rules {
            // a table that was interrupted is judged when it is complete
            let undecided = rule.account.done && rule.account.undecided > 0;
            let missed = rule.missed.is_some() && !interrupted;
            if undecided || missed || rule.trial_rejected() > 0 {
                ending = ending.max(Self::Undecided);
            }
            if !rule.problems.is_empty() {
                ending = ending.max(Self::Failed);
            }
        }
        ending
    }
}

impl RuleOutcome {
    /// Rows that a dry run or a trial would have put into quarantine.
    pub fn trial_rejected(&self) -> i64 {
        match self.what {
            What::DryRun if self.retried.is_some() => {
                self.retried.as_ref().map_or(0, |r| r.refused() as i64)
            }
            What::DryRun | What::Trial => self.this_run.rejected,
            What::Done | What::Ran | What::Changed => 0,
        }
    }
}

impl Outcome {
    /// Failed gates before undecided rows before an interruption.
    pub fn ending(&self) -> Ending {
        let rules: Vec<&RuleOutcome> = self.rules.iter().collect();
        Ending::of(&rules, self.interrupted)
    }

    /// The same of a retry: undecided rows count in the rules that were asked for, and so does a table that was
    /// left half-way; a failed check counts anywhere.
    pub fn ending_of_retry(&self, asked: &[String]) -> Ending {
        let (mine, others): (Vec<_>, Vec<_>) = self
            .rules
            .iter()
            .partition(|rule| asked.contains(&rule.rule));
        let half_done = mine
            .iter()
            .any(|rule| rule.account.pass > 0 && !rule.account.done);
        let mut ending = Ending::of(&mine, self.interrupted);
        if half_done {
            ending = ending.max(Ending::Undecided);
        }
        match Ending::of(&others, self.interrupted) {
            Ending::Failed => Ending::Failed,
            _ => ending,
        }
    }
}
