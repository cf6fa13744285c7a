//! What a line came to.

use crate::diagnostic::Diagnostic;

/// An answer, also when it is a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// What to show.
    pub text: String,
    /// It is a problem, for stderr.
    pub problem: bool,
    /// The conversation is over.
    pub quit: bool,
    /// A file to open in the user's editor, at a line, before anything else.
    pub edit: Option<(std::path::PathBuf, usize)>,
}

impl Reply {
    pub(super) fn said(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(super) fn problem(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            problem: true,
            ..Self::default()
        }
    }
}

impl From<Diagnostic> for Reply {
    fn from(problem: Diagnostic) -> Self {
        Self::problem(problem.to_string())
    }
}

impl From<Vec<Diagnostic>> for Reply {
    fn from(problems: Vec<Diagnostic>) -> Self {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Self::problem(texts.join("\n"))
    }
}
