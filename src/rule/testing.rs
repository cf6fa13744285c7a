//! A rule's own `test_*` functions.

use super::Rule;
use crate::diagnostic::Diagnostic;

/// How one test ended.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// Name of the function.
    pub name: String,
    /// Passed, or why not.
    pub outcome: Result<(), Diagnostic>,
    /// Milliseconds it took.
    pub ms: u64,
}

/// Runs the rule's tests whose name contains `filter`, in order of name.
pub fn run_tests(_rule: &Rule, _filter: Option<&str>) -> Vec<TestResult> {
    Vec::new()
}
