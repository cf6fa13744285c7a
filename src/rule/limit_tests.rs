//! More rows through whole rules: libraries, limits, exactness, what does not fit.

use std::sync::Arc;

use uuid::Uuid;

use super::judge_tests::{
    HEAD, ROW, answers, fault, judge_of, line_of, rejected, rule, source, target, transform,
};
use super::{Bound, Library, Rule};
use crate::row::{Key, Rows, Stage, Verdict};
use crate::script::SourceText;

#[test]
fn lookups_are_rows() {
    let body =
        "let items = rows_of(\"items\", row.id); let sum = 0.00; for i in items { sum += i.price; }
        #{ total: sum, label: items[0].name + items.len(), trail: items.map(|r| r.name) }";
    assert_eq!(
        line_of(&transform(body, ROW)),
        "1\t3.30\ta2\t2020-01-01 00:00:00+00\t[\"a\", \"b\"]"
    );
    assert_eq!(
        fault("let r = rows_of(\"items\", 1)[0]; #{ label: r.nam }"),
        "column `nam` is not in lookup `items`"
    );
    assert_eq!(
        fault("rows_of(\"items\", 2); #{}"),
        "`rows_of(\"items\", …)` was asked for a key that no column of `lookups.items.keys` holds"
    );
}

#[test]
fn libraries_have_constants_and_one_another() {
    assert_eq!(
        line_of(&transform("#{ total: tax::of(row.price) }", ROW)),
        "1\t1.05\t2020-01-01 00:00:00+00"
    );
    let reject = rejected(transform("#{ total: money::bad(\"x\") }", ROW));
    let place = reject.place.expect("a fault has a place");
    assert_eq!(
        (place.path.as_str(), place.line, place.column),
        ("rules/lib/money.rhai", 4, 5)
    );
    assert_eq!(reject.why, "`*` does not work on text and int");
}

#[test]
fn constants_are_seen_in_functions() {
    let text = format!(
        "const SIGN = \"#\";\n{HEAD}fn mark(x) {{ global::SIGN + x }}\nfn transform(row) {{ #{{ label: mark(row.name) }} }}"
    );
    assert_eq!(
        line_of(&judge_of(&text, ROW)),
        "1\t#hello\t2020-01-01 00:00:00+00"
    );
}

#[test]
fn what_never_ends_is_one_clear_fault() {
    assert_eq!(
        fault("loop { } #{}"),
        "the script does not end: more than 100000 steps for one call"
    );
    let text = format!("{HEAD}fn f(x) {{ f(x + 1) }} fn transform(row) {{ f(1); #{{}} }}");
    assert_eq!(
        rejected(judge_of(&text, ROW)).why,
        "functions call one another more than 32 levels deep"
    );
    assert_eq!(
        fault("let s = \"x\"; s.pad(1000000000, 'x'); #{}"),
        "a text grew beyond 1024 KiB"
    );
    assert_eq!(
        fault("42"),
        "`transform` must return a map of target columns, it returned int"
    );
    assert_eq!(
        fault("[#{}, #{}]"),
        "`transform` must return a map of target columns, it returned an array"
    );
    assert_eq!(
        fault("9223372036854775807 + row.id; #{}"),
        "arithmetic: addition overflow"
    );
    assert_eq!(fault("throw \"oh\"; #{}"), "the script threw: oh");
}

#[test]
fn there_is_no_clock_no_sleep_and_no_eval() {
    assert_eq!(fault("sleep(1); #{}"), "a rule cannot sleep");
    assert_eq!(
        fault("timestamp(); #{}"),
        "there is no function `timestamp()`"
    );
    assert_eq!(fault("rand(); #{}"), "there is no function `rand()`");
    let source = SourceText {
        path: "rules/goal.rhai".to_owned(),
        text: format!("{HEAD}fn transform(row) {{ eval(\"1\") }}").into(),
    };
    let problems = Rule::parse(&source, &Library::default()).expect_err("eval is off");
    assert_eq!(problems[0].message(), "`eval` is switched off in rules");
}

#[test]
fn numbers_are_exact_or_opaque() {
    let forty =
        "1\t7\t0.1234567890123456789012345678901234567890\thello\tt\t2020-01-01 00:00:00+00\t1.5";
    let body = "#{ trail: #{ rate: row.price.to_string(), also: row.price } }";
    let trail = r#"{"also": 0.1234567890123456789012345678901234567890, "rate": "0.1234567890123456789012345678901234567890"}"#;
    assert_eq!(
        line_of(&transform(body, forty)),
        format!("1\t2020-01-01 00:00:00+00\t{trail}")
    );
    let reject = rejected(transform("#{ total: row.price * 2 }", forty));
    assert_eq!(
        reject.why,
        "a numeric value has too many digits for arithmetic with `*`, or is NaN or infinite"
    );
    assert_eq!(
        fault("#{ total: row.weight * 2 }"),
        "a double precision column in `*`: a float is not exact"
    );
    assert_eq!(
        line_of(&transform("#{ total: row.weight.to_decimal() * 2 }", ROW)),
        "1\t3.00\t2020-01-01 00:00:00+00"
    );
}

#[test]
fn what_does_not_fit_is_refused_by_column() {
    let reject = rejected(transform("#{ label: \"123456789012345678901\" }", ROW));
    assert_eq!(
        (reject.stage, reject.code.as_str()),
        (Stage::Fit, "too_long")
    );
    assert!(reject.why.starts_with("column `label`: "), "{}", reject.why);
    let reject = rejected(transform("#{ state: () }", ROW));
    assert_eq!(
        (reject.stage, reject.code.as_str()),
        (Stage::Fit, "null_not_allowed")
    );
    let reject = rejected(transform(
        "#{}",
        &ROW.replace("2020-01-01 00:00:00+00", "\\N"),
    ));
    assert_eq!(reject.why, "column `made` cannot be NULL, and `made` is");
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let mut rows = Rows::new(source().iter().map(|(name, _)| name.clone()).collect());
    assert!(rows.push_line(b"1\t7\t1\t\xff\tt\t2020-01-01 00:00:00+00\t1"));
    assert!(rows.push_line(b"1\t7\t1\ta\0b\tt\t2020-01-01 00:00:00+00\t1"));
    let rows = Arc::new(rows);
    let text = format!("{HEAD}fn transform(row) {{ #{{ label: row.name }} }}");
    let bound = Bound::new(rule(&text), source(), target(), Uuid::nil()).expect("the rule binds");
    let mut judge = bound.judge().expect("the rule compiles");
    let reject = rejected(judge.judge(&rows, 0, &Key::single("1"), &answers()));
    assert_eq!(
        (reject.stage, reject.code.as_str()),
        (Stage::Read, "not_utf8")
    );
    let reject = rejected(judge.judge(&rows, 1, &Key::single("1"), &answers()));
    assert_eq!(
        (reject.stage, reject.code.as_str()),
        (Stage::Read, "nul_byte")
    );
}

#[test]
fn a_large_value_is_copied_not_read() {
    let large = ROW.replace("hello", &"x".repeat((1 << 20) + 1));
    let reject = rejected(transform("#{ label: row.name }", &large));
    assert_eq!(
        reject.why,
        "column `name` holds more than 1 MiB; copy it instead of reading it in the script"
    );
    assert!(!reject.fault);
}

#[test]
fn many_rows_are_told_apart_by_match() {
    let head = HEAD.replace("copy:", "rows: \"many\", match: [\"label\"], copy:");
    let text = |body: &str| format!("{head}fn transform(row) {{ {body} }}");
    let judged = judge_of(&text("[#{ label: \"a\" }, #{ label: \"b\" }]"), ROW);
    let Verdict::Write(rows) = &judged.verdict else {
        panic!("{judged:?}")
    };
    let id = |label| {
        crate::ids::id_for(
            Uuid::from_u128(1),
            "goal",
            &Key::single("1"),
            &[label],
            crate::ids::IdKind::V5,
        )
    };
    assert_eq!((rows[0].id, rows[1].id), (id("a"), id("b")));
    let reject = rejected(judge_of(
        &text("[#{ label: \"a\" }, #{ label: \"a\" }]"),
        ROW,
    ));
    assert_eq!(reject.code, "duplicate_match");
    assert!(rejected(judge_of(&text("[]"), ROW)).fault);
}

#[test]
fn validate_sees_copied_columns() {
    let text = format!(
        "{HEAD}fn transform(row) {{ note(\"seen\"); #{{ label: \"a\" }} }}
        fn validate(out) {{ if out.made != () && out.label == \"a\" && out.legacy_id == 1 {{ reject(\"no\", \"not like this\"); }} }}"
    );
    let judged = judge_of(&text, ROW);
    assert!(judged.notes.is_empty());
    assert_eq!(rejected(judged).code, "no");
}

#[test]
fn trim_returns() {
    assert_eq!(
        line_of(&transform(
            "#{ label: \"  é😀x \".trim().first(2).upper() }",
            ROW
        )),
        "1\tÉ😀\t2020-01-01 00:00:00+00"
    );
}

#[test]
fn limits_have_their_place_and_no_catch_sees_them() {
    for (functions, body, why) in [
        ("", "loop { }", "the script does not end"),
        (
            "",
            "let x = 0; loop { try { x += 1; } catch { } }",
            "the script does not end",
        ),
        (
            "fn f(x) { [x].map(|y| f(y)) }",
            "f(1)",
            "functions call one another",
        ),
        (
            "fn f(g) { g.call(g) }",
            "f(Fn(\"f\"))",
            "functions call one another",
        ),
        (
            "fn f(x) { try { f(x) } catch { f(x) } }",
            "f(1)",
            "functions call one another",
        ),
        (
            "fn f(x) { [x, 1].sort(|a, b| f(a)) }",
            "f(1)",
            "functions call one another",
        ),
        (
            "",
            "let s = \"x\"; loop { s = `${s}${s}`; }",
            "a text grew beyond 1024 KiB",
        ),
        (
            "",
            "let a = [1]; loop { a += a; }",
            "a list grew beyond 10000 elements",
        ),
        (
            "",
            "let a = [1]; loop { a = [a, a]; }",
            "a list grew beyond 10000 elements",
        ),
        (
            "",
            "let m = #{}; loop { m = #{ a: m, b: m }; }",
            "a map grew beyond 2000 keys",
        ),
    ] {
        let text = format!("{HEAD}{functions}\nfn transform(row) {{\n{body}; #{{}}\n}}");
        let reject = rejected(judge_of(&text, ROW));
        assert!(
            reject.fault && reject.why.starts_with(why),
            "{body}: {}",
            reject.why
        );
        let place = reject.place.expect("a fault has a place");
        assert!(place.line >= 5, "{body}: {place:?}");
    }
}

#[test]
fn what_is_nested_too_deeply_is_no_json() {
    let reject = rejected(transform(
        "let list = []; for i in 0..200 { list = [list]; } #{ trail: list }",
        ROW,
    ));
    assert_eq!(
        reject.why,
        "column `trail`: lists and maps are nested more than 128 levels deep"
    );
}

#[test]
fn a_comparison_of_sort_may_fail_and_contradict_itself() {
    assert_eq!(
        fault("[3, 1, 2].sort(|a, b| a.nope); #{}"),
        "there is no property `nope` here"
    );
    assert_eq!(
        fault("[3, 1].sort(|a, b| \"x\"); #{}"),
        "the comparison of `sort` must return a number, or true or false"
    );
    for (compare, sorted) in [
        ("a - b", "[1, 2, 2, 3]"),
        ("a < b", "[1, 2, 2, 3]"),
        ("b <= a", "[3, 2, 2, 1]"),
        ("1", "[3, 1, 2, 2]"),
    ] {
        let body = format!("let l = [3, 1, 2, 2]; l.sort(|a, b| {compare}); #{{ trail: l }}");
        assert!(
            line_of(&transform(&body, ROW)).ends_with(sorted),
            "{compare}"
        );
    }
}

#[test]
fn functions_of_the_host_keep_their_names() {
    let source = SourceText {
        path: "rules/goal.rhai".to_owned(),
        text: format!("{HEAD}fn skip(code) {{ }}\nfn transform(row) {{ skip(\"a\"); #{{}} }}")
            .into(),
    };
    let problems = Rule::parse(&source, &Library::default()).expect_err("it is taken");
    assert_eq!(
        problems[0].line(),
        "rules/goal.rhai:5:1: error: `skip` is a function of the host"
    );
}
