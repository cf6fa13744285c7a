//! How the program ends: exit codes, and failures on their way to them.

use serde_json::{Value, json};

use crate::db::{DbError, ErrorKind};
use crate::diagnostic::Diagnostic;
use crate::pipeline::RunError;
use crate::state::StateError;

/// What `--help` says about exit codes.
pub(super) const EXIT_CODES: &str = "\
Exit codes, the highest that applies:
    1  failed (a failed `runner test` too)
    2  wrong usage
    5  refused by check, nothing was written
    4  differences found
    3  rows are undecided, or an expectation was missed
  130  interrupted; run the same command again to go on
    0  done";

/// The ways to end, best first: `max` of two is the one to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// The command did its own work.
    Done,
    /// Ctrl-C or a signal; resumable.
    Interrupted,
    /// Rows to decide, or an expectation missed.
    Undecided,
    /// Something is other than it should be.
    Differences,
    /// Refused before the first write.
    Refused,
    /// The command line makes no sense.
    Usage,
    /// Anything else.
    Failed,
}

impl Exit {
    /// The process's exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Undecided => 3,
            Self::Differences => 4,
            Self::Refused => 5,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) struct Failure {
    /// The code to end with.
    pub(super) exit: Exit,
    /// What to tell, worst first.
    pub(super) problems: Vec<Diagnostic>,
}

impl Failure {
    /// Wrong usage that clap cannot see.
    pub(super) fn usage(problem: Diagnostic) -> Self {
        Self {
            exit: Exit::Usage,
            problems: vec![problem],
        }
    }

    /// Refused before anything was written.
    pub(super) fn refused(problems: Vec<Diagnostic>) -> Self {
        Self {
            exit: Exit::Refused,
            problems,
        }
    }

    /// A failure with several problems; a refusal if each of them is one.
    pub(super) fn failed(problems: Vec<Diagnostic>) -> Self {
        let refused = !problems.is_empty() && problems.iter().all(Diagnostic::is_refusal);
        Self {
            exit: if refused { Exit::Refused } else { Exit::Failed },
            problems,
        }
    }

    /// The document that `--json` prints instead of an answer.
    pub(super) fn to_json(&self) -> Value {
        let first = self.problems.first();
        json!({ "error": {
            "exit": self.exit.code(),
            "message": first.map_or("failed", |p| p.message()),
            "problems": self.problems.iter().map(problem_json).collect::<Vec<_>>(),
        }})
    }
}

/// A problem as JSON: `severity`, `message`, and where it is known `file`, `line`, `column`.
pub(super) fn problem_json(problem: &Diagnostic) -> Value {
    let mut out = json!({
        "severity": problem.severity().word(),
        "message": problem.message(),
        "notes": problem.notes(),
        "hints": problem.hints(),
    });
    if let Some(place) = problem.place() {
        out["file"] = json!(place.path);
        out["line"] = json!(place.line);
        out["column"] = json!(place.column);
    }
    out
}

impl From<Diagnostic> for Failure {
    fn from(problem: Diagnostic) -> Self {
        Self::failed(vec![problem])
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Diagnostic::from(error).into()
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Db(error) if error.kind == ErrorKind::Permission => {
                Diagnostic::from(error).hint("this command reads the schema `runner`: `runner print grants` shows what the role needs").into()
            }
            StateError::Db(error) => error.into(),
            other => Diagnostic::error(other.to_string()).into(),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Refused(problems) => Self::refused(problems),
            RunError::Failed(problems) => Self::failed(problems),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_of_two_endings_is_reported() {
        let ranked = [
            Exit::Failed,
            Exit::Usage,
            Exit::Refused,
            Exit::Differences,
            Exit::Undecided,
            Exit::Interrupted,
            Exit::Done,
        ];
        assert!(ranked.windows(2).all(|pair| pair[0] > pair[1]));
        assert_eq!(ranked.map(Exit::code), [1, 2, 5, 4, 3, 130, 0]);
    }

    #[test]
    fn an_error_document_keeps_the_code_and_the_place() {
        let place = crate::diagnostic::Place::in_text("rules/a.rhai", "x", 1, 1);
        let failure = Failure::refused(vec![
            Diagnostic::error("no such column").at(place).hint("look"),
        ]);
        let json = failure.to_json();
        assert_eq!(json["error"]["exit"], 5);
        assert_eq!(json["error"]["message"], "no such column");
        assert_eq!(json["error"]["problems"][0]["file"], "rules/a.rhai");
    }
}
