//! The engine's errors in a migration author's words.

use rhai::ParseError;

use super::SourceText;
use super::literal::line_column;
use crate::diagnostic::Diagnostic;

/// A file that does not compile.
pub(super) fn compile_problem(error: &ParseError, source: &SourceText) -> Diagnostic {
    let (line, column) = line_column(error.position());
    Diagnostic::error(error.err_type().to_string()).at(source.place(line, column))
}
