//! How a run ends early.

use crate::db::DbError;
use crate::diagnostic::Diagnostic;
use crate::state::StateError;

/// Why a run ended early. What was committed stays; the same command goes on.
#[derive(Clone, Debug)]
pub enum RunError {
    /// The check found errors; nothing was written.
    Refused(Vec<Diagnostic>),
    /// It broke.
    Failed(Vec<Diagnostic>),
}

impl RunError {
    /// All that is known of it.
    pub fn problems(&self) -> &[Diagnostic] {
        let (Self::Refused(problems) | Self::Failed(problems)) = self;
        problems
    }

    /// Says one thing more.
    pub(super) fn add(&mut self, problem: Diagnostic) {
        let (Self::Refused(problems) | Self::Failed(problems)) = self;
        problems.push(problem);
    }
}

impl From<Diagnostic> for RunError {
    fn from(problem: Diagnostic) -> Self {
        Self::Failed(vec![problem])
    }
}

impl From<DbError> for RunError {
    fn from(error: DbError) -> Self {
        Self::Failed(vec![error.into()])
    }
}

impl From<StateError> for RunError {
    fn from(error: StateError) -> Self {
        let problem = Diagnostic::error(error.to_string());
        Self::Failed(vec![match error {
            StateError::Db(error) => error.into(),
            StateError::Fenced { .. } => {
                problem.hint("run `runner status`, then the same command again")
            }
            _ => problem,
        }])
    }
}
