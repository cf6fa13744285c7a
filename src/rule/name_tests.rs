//! Functions of one name in a rule and in its libraries: none is taken for another.

use std::sync::Arc;

use uuid::Uuid;

use super::judge_tests::{HEAD, ROW, answers, line_of, rows, source, target};
use super::{Bound, Library, Rule};
use crate::diagnostic::Diagnostic;
use crate::row::{Judged, Key};
use crate::script::SourceText;

fn load(lib: &str, rule: &str) -> Result<Rule, Vec<Diagnostic>> {
    let file = |path: &str, text: String| SourceText {
        path: path.to_owned(),
        text: text.into(),
    };
    let library = Library {
        files: vec![file("rules/lib/one.rhai", lib.to_owned())],
    };
    Rule::parse(&file("rules/goal.rhai", format!("{HEAD}{rule}")), &library)
}

/// The same row several times: what was found for the first must hold for the others.
fn judge(lib: &str, rule: &str) -> Vec<Judged> {
    let rule = Arc::new(load(lib, rule).expect("the rule is sound"));
    let bound = Bound::new(rule, source(), target(), Uuid::from_u128(1)).expect("the rule binds");
    let mut judge = bound.judge().expect("the rule compiles");
    let mut again = || judge.judge(&rows(ROW), 0, &Key::single("1"), &answers());
    (0..5).map(|_| again()).collect()
}

fn refused(lib: &str, rule: &str) -> Vec<String> {
    let problems = load(lib, rule).expect_err("the names are refused");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_of_a_library_that_the_rule_uses_is_refused() {
    let lib = "fn who(x) { \"library\" }\nfn ask(x) { who(x) }";
    for rule in [
        "fn who(x) { \"rule\" }\nfn transform(row) { #{ label: who(1) + one::ask(1) } }",
        "fn who(y) { \"rule\" }\nfn transform(row) { #{ label: one::ask(1) } }",
    ] {
        let problems = refused(lib, rule);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains(
                "`who` is a function in rules/lib/one.rhai too, and would be taken for this one"
            ),
            "{problems:?}"
        );
    }
}

#[test]
fn a_name_of_the_host_that_another_file_calls_is_refused() {
    let rule = "fn transform(row) { #{ label: lower(one::name(row.name)) } }";
    let problems = refused("fn lower(x) { \"library\" } fn name(x) { x }", rule);
    assert!(
        problems[0].contains("rules/lib/one.rhai:1:") && problems[0].contains("is called in"),
        "{problems:?}"
    );
    let rule = "fn lower(x) { \"rule\" } fn transform(row) { #{ label: one::name(row.name) } }";
    let problems = refused("fn name(x) { lower(x) }", rule);
    assert!(problems[0].contains("is called in rules/lib/one.rhai too"));
}

#[test]
fn another_number_of_parameters_is_another_function() {
    let lib = "fn who(x, y) { \"two\" } fn ask(x) { who(x, x) }";
    let rule = "fn who(x) { \"one\" }
        fn transform(row) { #{ label: who(1) + one::ask(1) + who(1) } }";
    for judged in judge(lib, rule) {
        let line = line_of(&judged);
        assert_eq!(line.split('\t').nth(1), Some("onetwoone"), "{line}");
    }
}

#[test]
fn a_name_that_the_rule_only_calls_by_its_module_is_free() {
    let lib = "fn kind(x) { \"library\" } fn ask(x) { kind(x) }";
    let rule = "fn transform(row) { #{ label: one::kind(1) + one::ask(1) } }";
    for judged in judge(lib, rule) {
        let line = line_of(&judged);
        assert_eq!(line.split('\t').nth(1), Some("librarylibrary"), "{line}");
    }
}
