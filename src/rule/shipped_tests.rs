//! The rules that are shipped: they load, and their own tests pass.

use std::path::Path;

use super::{RuleSet, run_tests};

#[test]
fn shipped_rules_pass_their_tests() {
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
        for result in run_tests(rule, None) {
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
