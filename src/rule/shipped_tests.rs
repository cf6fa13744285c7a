//! The rules that are shipped: they load, and their own tests pass.

use std::path::Path;

use super::testing::run_tests_unoptimised;
use super::{RuleSet, run_tests};

#[test]
fn shipped_rules_pass_their_tests_with_the_optimizer_and_without() {
    let set = RuleSet::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rules")))
        .expect("the folder is there");
    assert_eq!(
        set.problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [""; 0]
    );
    for rule in &set.rules {
        assert!(!rule.has.tests.is_empty(), "{} has no tests", rule.name);
        let results = run_tests(rule, None);
        let unoptimised = run_tests_unoptimised(rule);
        assert_eq!(results.len(), unoptimised.len());
        for result in results.into_iter().chain(unoptimised) {
            assert!(
                result.outcome.is_ok(),
                "{}: {}: {}",
                rule.name,
                result.name,
                result.outcome.expect_err("failed")
            );
        }
    }
}

#[test]
fn the_example_is_a_procedural_rule() {
    let rules = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"));
    let set = RuleSet::named(rules, &["rules/examples/bracket_names.rhai".to_owned()])
        .expect("the example is there");
    assert_eq!(set.problems, []);
    assert!(set.rules[0].has.run && !set.rules[0].has.transform);
}
