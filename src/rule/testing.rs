//! A rule's own `test_*` functions.

use std::collections::BTreeSet;
use std::time::Instant;

use super::Rule;
use crate::diagnostic::Diagnostic;
use crate::script::{self, Program, STACK_BYTES};

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

/// Runs the rule's tests with the engine's optimizer off: it must not change what a rule says.
#[cfg(test)]
pub(super) fn run_tests_unoptimised(rule: &Rule) -> Vec<TestResult> {
    run(rule, None, false)
}

/// Runs the rule's tests whose name contains `filter`, in order of name, on a thread with the stack
/// that scripts need.
pub fn run_tests(rule: &Rule, filter: Option<&str>) -> Vec<TestResult> {
    run(rule, filter, true)
}

fn run(rule: &Rule, filter: Option<&str>, is_optimised: bool) -> Vec<TestResult> {
    let names: Vec<String> = rule
        .has
        .tests
        .iter()
        .filter(|name| filter.is_none_or(|f| name.contains(f)))
        .cloned()
        .collect();
    let failed = |problem: Diagnostic| {
        let one = |name: &String| TestResult {
            name: name.clone(),
            outcome: Err(problem.clone()),
            ms: 0,
        };
        names.iter().map(one).collect::<Vec<_>>()
    };
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("tests".to_owned())
            .stack_size(STACK_BYTES);
        thread
            .spawn_scoped(scope, || run_all(rule, &names, is_optimised))
            .map(std::thread::ScopedJoinHandle::join)
    });
    match outcome {
        Ok(Ok(Ok(results))) => results,
        Ok(Ok(Err(problem))) => failed(problem),
        Ok(Err(_)) => failed(Diagnostic::error("the script engine failed")),
        Err(error) => failed(Diagnostic::error(format!(
            "cannot start a thread for the tests: {error}"
        ))),
    }
}

fn run_all(
    rule: &Rule,
    names: &[String],
    is_optimised: bool,
) -> Result<Vec<TestResult>, Diagnostic> {
    if names.is_empty() {
        return Ok(vec![]);
    }
    let known = rule.columns_named()?.into_iter().collect();
    let mut program = Program::for_tests(
        &rule.source(),
        &rule.lib_sources(),
        rule.declared(),
        known,
        is_optimised,
    )?;
    let run = |name: &String| {
        let start = Instant::now();
        let outcome = program.test(name);
        let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        TestResult {
            name: name.clone(),
            outcome,
            ms,
        }
    };
    Ok(names.iter().map(run).collect())
}

/// What a function of a test's making returns: keys, and values as an author would write them. To be
/// called on a thread with the stack that scripts need.
pub(super) fn value_of(rule: &Rule, function: &str) -> Result<Vec<(String, String)>, Diagnostic> {
    let known = rule.columns_named()?.into_iter().collect();
    let (source, libs) = (rule.source(), rule.lib_sources());
    Program::for_tests(&source, &libs, rule.declared(), known, true)?.spelled_map(function)
}

impl Rule {
    /// Names of columns that the rule uses, sorted.
    pub fn columns_used(&self) -> Vec<String> {
        self.columns_named()
            .unwrap_or_default()
            .into_iter()
            .collect()
    }

    /// Names of columns that the header and the scripts use, not all of them columns of the row.
    pub(super) fn columns_named(&self) -> Result<BTreeSet<String>, Diagnostic> {
        let mut files = self.lib_sources();
        files.push(self.source());
        let mut names = script::touched(&files)?.names;
        names.extend(self.header_columns());
        Ok(names)
    }

    /// Row columns that the header names.
    pub(super) fn header_columns(&self) -> BTreeSet<String> {
        let header = &self.header;
        let asked = header
            .ids
            .iter()
            .flat_map(|d| &d.from)
            .chain(header.lookups.iter().flat_map(|d| &d.keys));
        let mut names: BTreeSet<String> =
            asked.filter(|name| !name.contains('.')).cloned().collect();
        names.extend(header.key.iter().cloned());
        names.extend(header.copy.iter().map(|pair| pair.source.clone()));
        names.extend(header.reconcile.iter().map(|sums| sums.source.clone()));
        names.extend(self.person_columns().iter().map(|&name| name.to_owned()));
        names
    }
}
