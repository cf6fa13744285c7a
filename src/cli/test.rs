//! `runner test`: the rules' own `test_*` functions.

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, Failure, problem_json};
use crate::cli::screen::{self, Answer};
use crate::cli::setup::{self, Global};
use crate::rule::run_tests;

/// Run the rules' `test_*` functions; needs no database
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Rules to test, by name or file; all when none is given
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

pub(super) fn run(global: &Global, args: &TestArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let set = setup::some_rules(&config, &args.rules)?;
    let (mut passed, mut failed) = (0u64, 0u64);
    let (mut text, mut tests) = (String::new(), Vec::new());
    for problem in &set.problems {
        failed += 1;
        text.push_str(&format!("{problem}\n\n"));
        tests.push(json!({ "name": null, "passed": false, "problem": problem_json(problem) }));
    }
    for rule in &set.rules {
        for test in run_tests(rule, args.filter.as_deref()) {
            let name = format!("{}::{}", rule.name, test.name);
            match &test.outcome {
                Ok(()) => {
                    passed += 1;
                    text.push_str(&format!("ok      {name}\n"));
                }
                Err(problem) => {
                    failed += 1;
                    text.push_str(&format!("FAILED  {name}\n{problem}\n\n"));
                }
            }
            tests.push(json!({
                "name": name,
                "passed": test.outcome.is_ok(),
                "ms": test.ms,
                "problem": test.outcome.as_ref().err().map(problem_json),
            }));
        }
    }
    text.push_str(&format!("{passed} passed, {failed} failed\n"));
    Ok(Answer {
        exit: if failed > 0 { Exit::Failed } else { Exit::Done },
        text: screen::printable(&text),
        json: json!({ "passed": passed, "failed": failed, "tests": tests }),
    })
}
