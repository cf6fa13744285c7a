//! Each finding of the checks, with its words and its place.

use super::judge_tests::{HEAD, rule, source, target};
use super::{Library, Rule, Shapes};
use crate::script::SourceText;

fn findings(text: &str) -> Vec<String> {
    let table = target();
    let items = [
        ("name", crate::value::Logical::Text(None)),
        ("t_id", crate::value::Logical::Int4),
    ];
    let shapes = Shapes {
        source: Some(source().to_vec()),
        target: Some(&table),
        lookups: [(
            "items".to_owned(),
            items.map(|(n, l)| (n.to_owned(), l)).to_vec(),
        )]
        .into(),
    };
    rule(text)
        .lint(&shapes)
        .iter()
        .map(crate::diagnostic::Diagnostic::line)
        // most of these rules declare more than they need
        .filter(|line| !line.contains("is fetched and never used"))
        .collect()
}

fn of_body(body: &str) -> Vec<String> {
    let head = HEAD.replace(", \"price\"]", "]");
    findings(&format!("{head}fn transform(row) {{\n{body}\n}}"))
}

fn problems(text: &str) -> Vec<String> {
    let source = SourceText {
        path: "rules/x.rhai".to_owned(),
        text: text.into(),
    };
    match Rule::parse(&source, &Library::default()) {
        Ok(_) => vec![],
        Err(problems) => problems
            .iter()
            .map(crate::diagnostic::Diagnostic::line)
            .collect(),
    }
}

#[test]
fn a_sound_rule_has_no_findings() {
    assert_eq!(
        of_body("  if row.paid { skip(\"paid\"); }\n  #{ label: row.name }"),
        [""; 0]
    );
}

#[test]
fn functions_that_are_not_there() {
    assert_eq!(
        of_body("  #{ label: lowr(row.name) }"),
        ["rules/goal.rhai:6:13: error: there is no function `lowr`"]
    );
    assert_eq!(
        of_body("  skip(\"a\", \"b\", 3);\n  #{}"),
        ["rules/goal.rhai:6:3: error: `skip` takes 1 argument, not 3"]
    );
    assert_eq!(
        of_body("  #{ total: money::cnts(row.price) }"),
        ["rules/goal.rhai:6:20: error: there is no function `money::cnts`"]
    );
    assert_eq!(
        of_body("  #{ label: row.name.uper() }"),
        ["rules/goal.rhai:6:22: error: there is no function `uper`"]
    );
}

#[test]
fn columns_that_are_not_there() {
    assert_eq!(
        of_body("  #{ label: row.nmae }"),
        ["rules/goal.rhai:6:17: error: column `nmae` is not in the row"]
    );
    assert_eq!(
        of_body("  #{ lable: row.name }"),
        ["rules/goal.rhai:6:6: error: `lable` is not a column of `goal`"]
    );
    assert_eq!(
        of_body("  let out = #{ label: row.name };\n  out.totl = 1;\n  out"),
        ["rules/goal.rhai:7:7: error: `totl` is not a column of `goal`"]
    );
    assert_eq!(
        of_body("  #{ id: row.id }"),
        ["rules/goal.rhai:6:6: error: `id` is computed and cannot be set by the rule"]
    );
}

#[test]
fn ids_of_another_table_than_the_column_references() {
    let mut parent = target().name.clone();
    "orders".clone_into(&mut parent.name);
    let table = crate::catalog::Table {
        foreign_keys: vec![crate::catalog::ForeignKey {
            name: "goal_order_id_fkey".to_owned(),
            columns: vec!["order_id".to_owned()],
            table: parent,
            ref_columns: vec!["id".to_owned()],
            deferrable: false,
            on_delete: "NO ACTION".to_owned(),
        }],
        ..(*target()).clone()
    };
    let found = |body: &str| -> Vec<String> {
        let shapes = Shapes {
            target: Some(&table),
            ..Shapes::default()
        };
        rule(&format!("{HEAD}fn transform(row) {{\n{body}\n}}"))
            .lint(&shapes)
            .iter()
            .map(crate::diagnostic::Diagnostic::line)
            .filter(|line| !line.contains("is fetched and never used"))
            .collect()
    };
    let wrong = "error: `order_id` references `orders`, the rule gives it an id of `profiles`";
    assert_eq!(
        found("  #{ order_id: id_of(\"profiles\", row.order_id) }"),
        [format!("rules/goal.rhai:6:6: {wrong}")]
    );
    assert_eq!(
        found("  let p = id_of_or_null(\"profiles\", row.order_id);\n  #{ order_id: p }"),
        [format!("rules/goal.rhai:7:6: {wrong}")]
    );
    assert_eq!(
        found("  #{ order_id: id_of(\"orders\", row.order_id) }"),
        [""; 0]
    );
}

#[test]
fn maps_that_helpers_return_are_no_target_rows() {
    // several, because functions of a script come in no order
    let helpers = "fn a(row) { #{ nested: row.name } }\nfn b(row) { let x = #{}; x.deep = row.name; x }\n\
                   fn c() { #{ other: 1 } }\nfn d() { #{ more: 1 } }\n";
    let head = HEAD.replace(", \"price\"]", "]");
    let text = format!("{head}fn transform(row) {{\n  #{{ label: row.name }}\n}}\n{helpers}");
    for _ in 0..20 {
        assert_eq!(findings(&text), [""; 0]);
    }
}

#[test]
fn declarations_that_are_missing() {
    assert_eq!(
        of_body("  #{ order_id: id_of(\"ordrs\", row.order_id) }"),
        ["rules/goal.rhai:6:16: error: `ordrs` is not declared in `RULE.ids`"]
    );
    assert_eq!(
        of_body("  rows_of(\"itms\", 1);\n  #{}"),
        ["rules/goal.rhai:6:3: error: `itms` is not declared in `RULE.lookups`"]
    );
}

#[test]
fn arithmetic_that_loses() {
    assert_eq!(
        of_body("  #{ total: row.weight * 2 }"),
        [
            "rules/goal.rhai:6:24: error: column `weight` (double precision) in `*`: a float is not exact"
        ]
    );
    assert_eq!(
        of_body("  #{ total: row.id / 2 }"),
        ["rules/goal.rhai:6:20: warning: a whole number divided by a whole number drops the rest"]
    );
}

/// Functions come in no order, so each case is checked under several names of the helper.
fn of_functions(functions: &str) -> Vec<String> {
    let head = HEAD.replace(", \"price\"]", "]");
    let check = |name: &str| findings(&format!("{head}{}", functions.replace("helper", name)));
    let all = ["helper", "a", "zz", "metadata", "trail", "x1", "x2", "x3"].map(check);
    assert!(all.iter().all(|one| one.len() == all[0].len()), "{all:?}");
    all[0].clone()
}

#[test]
fn maps_that_transform_does_not_return_have_any_keys() {
    let sound = [
        "fn transform(row) { #{ trail: helper(row) } }\nfn helper(row) { let kept = #{ ext: 1, type: row.id }; kept.status = 2; if row.paid { return #{ other: 3 }; } kept }",
        "fn transform(row) { let kept = #{ ext: 1 }; kept.more = 2; #{ trail: kept } }\nfn helper() { #{ ext: 1 } }",
        "fn transform(row) { let list = []; list.push(#{ ext: 1 }); #{ trail: list } }\nfn helper() { [#{ ext: 1 }] }",
        "fn transform(row) { let all = [1].map(|x| { return #{ ext: x }; }); #{ trail: all } }\nfn helper() { }",
        "fn transform(row) { let out = #{ label: #{ ext: 1 }.len().to_string() }; out }\nfn helper() { }",
        "fn transform(row) { let out = helper(); out }\nfn helper() { #{ ext: 1 } }",
        "fn transform(row) { for out in [#{ ext: 1 }] { if out.ext == 1 { } } let out = #{}; out }\nfn helper() { }",
        "fn transform(row) { #{} }\nfn transform(row, helper) { #{ ext: 1 } }\nfn helper() { 1 }",
    ];
    for functions in sound {
        assert_eq!(of_functions(functions), [""; 0], "{functions}");
    }
}

#[test]
fn maps_that_transform_returns_have_the_target_s_keys() {
    let wrong = [
        "fn helper() { 1 }\nfn transform(row) { #{ nope: 1 } }\nfn test_one() { assert_eq(1, 1); }",
        "fn helper() { 1 }\nfn transform(row) { if row.paid { return #{ nope: 1 }; } #{} }",
        "fn helper() { 1 }\nfn transform(row) { if row.paid { #{ nope: 1 } } else { #{} } }",
        "fn helper() { 1 }\nfn transform(row) { let out = #{}; out.nope = 1; out }",
        "fn helper() { 1 }\nfn transform(row) { let out = #{}; out[\"nope\"] = 1; out }",
        "fn helper() { 1 }\nfn transform(row) { let out = (); if row.paid { out = #{ nope: 1 }; } out }",
        "fn helper() { 1 }\nfn transform(row) { let out = #{}; out += #{ nope: 1 }; return out; }",
    ];
    for functions in wrong {
        let found = of_functions(functions);
        assert_eq!(found.len(), 1, "{functions}: {found:?}");
        assert!(
            found[0].ends_with("`nope` is not a column of `goal`"),
            "{found:?}"
        );
    }
}

#[test]
fn many_rows_are_followed_into_their_list() {
    let head = HEAD
        .replace(", \"price\"]", "]")
        .replace("key:", "rows: \"many\", match: [\"label\"], key:");
    for body in [
        "[#{ nope: 1 }]",
        "let out = []; out.push(#{ nope: 1 }); out",
        "let out = []; let one = #{}; one.nope = 1; out.push(one); out",
        "if row.paid { return [#{ nope: 1 }]; } []",
    ] {
        let found = findings(&format!("{head}fn transform(row) {{\n{body}\n}}"));
        assert_eq!(found.len(), 1, "{body}: {found:?}");
        assert!(
            found[0].ends_with("`nope` is not a column of `goal`"),
            "{found:?}"
        );
    }
}

#[test]
fn what_is_no_map_is_named_at_its_place() {
    for (body, place, what) in [
        ("  if row.paid { return 42; }\n  #{}", "6:24", "a number"),
        ("  if row.paid { return; }\n  #{}", "6:17", "nothing"),
        ("  if row.paid { return (); }\n  #{}", "6:24", "nothing"),
        ("  if row.paid { return [#{}]; }\n  #{}", "6:24", "an array"),
        ("  \"text\"", "6:3", "a text"),
        (
            "  if row.paid { `${row.id}` } else { #{} }",
            "6:17",
            "a text",
        ),
    ] {
        assert_eq!(
            of_body(body),
            [format!(
                "rules/goal.rhai:{place}: error: `transform` must return a map of target columns, this is {what}"
            )],
            "{body}"
        );
    }
}

#[test]
fn a_required_column_that_is_never_set() {
    let head = HEAD
        .replace("copy: #{ made: \"made\" }", "copy: #{}")
        .replace(", \"price\"]", "]");
    assert_eq!(
        findings(&format!(
            "{head}fn transform(row) {{\n  #{{ label: row.name }}\n}}"
        )),
        [
            "rules/goal.rhai:5:1: error: column `made` of `goal` is never set: it has no default and cannot be NULL"
        ]
    );
}

#[test]
fn header_columns_and_remedies() {
    let head = HEAD.replace(", \"price\"]", "]").replace(
        "copy: #{ made: \"made\" }",
        "copy: #{ made: \"mde\" }, fix: #{ gone: \"x\", orphan: \"y\" }",
    );
    let text = format!("{head}fn transform(row) {{ #{{ }} }}");
    assert_eq!(
        findings(&text),
        [
            "rules/goal.rhai:4:14: error: `mde` is not a column of the rule's rows",
            "rules/goal.rhai:4:37: warning: `fix.gone`: the rule never uses this code",
        ]
    );
    let lookup = format!("{HEAD}fn transform(row) {{ #{{ }} }}");
    assert_eq!(
        findings(&lookup),
        ["rules/goal.rhai:3:67: error: `price` is not a column of lookup `items`"]
    );
}

#[test]
fn headers_that_are_wrong() {
    assert_eq!(
        problems(
            "const RULE = #{ bse: \"t\", key: 1, target: \"g\", id: \"x\" };\nfn transform(row) { }"
        ),
        [
            "rules/x.rhai:1:17: error: `bse` is not a key of `RULE`",
            "rules/x.rhai:1:32: error: `key` must be a text or a list of texts, not a whole number",
            "rules/x.rhai:1:52: error: `id` must be one of \"v5\", \"ordered\", not \"x\"",
            "rules/x.rhai:1:14: error: `RULE` lacks `base`",
        ]
    );
    assert_eq!(
        problems("fn transform(row) { }"),
        ["rules/x.rhai:1:1: error: the rule has no header"]
    );
    assert_eq!(
        problems("const RULE = rule();\nfn transform(row) { }"),
        ["rules/x.rhai:1:14: error: `RULE` must be a literal map, it is something computed"]
    );
    assert_eq!(
        problems("const RULE = #{ base: \"t\", key: \"id\", target: \"g\", zone: \"Mars/X\" };"),
        [
            "rules/x.rhai:1:58: error: `Mars/X` is not a time zone",
            "rules/x.rhai:1:1: error: the rule has no `transform(row)`",
        ]
    );
    assert_eq!(
        problems("fn transform(row { }"),
        [
            "rules/x.rhai:1:18: error: a `,` is missing to separate the parameters of function 'transform'"
        ]
    );
}

#[test]
fn columns_are_those_that_are_touched() {
    let all: Vec<String> = source().iter().map(|(name, _)| name.clone()).collect();
    let text = |body: &str| format!("{HEAD}fn transform(row) {{ {body} }}");
    assert_eq!(
        rule(&text("#{ label: row.name }")).columns_read(&all),
        ["id", "order_id", "price", "name", "made"]
            .map(String::from)
            .into_iter()
            .filter(|c| c != "price")
            .collect::<Vec<_>>()
    );
    assert_eq!(
        rule(&text("let c = \"name\"; #{ label: row[c] }")).columns_read(&all),
        all
    );
}

#[test]
fn fingerprints_ignore_layout_and_split_what_judges() {
    let print = |text: &str| rule(text).fingerprints.clone();
    let text = format!("{HEAD}fn transform(row) {{ #{{ total: money::cents(row.price) }} }}");
    let base = print(&text);
    let spaced = print(
        &text
            .replace("row.price", "row.price /* the price */ ")
            .replace(";\n", ";\n\n// say\n"),
    );
    assert_eq!(base, spaced);
    let gate = print(&text.replace(
        "copy:",
        "fix: #{ orphan: \"x\" }, expect: #{ min_success: 1.0 }, copy:",
    ));
    assert_eq!(base.transform, gate.transform);
    assert_ne!(base.gate, gate.gate);
    let last = print(&text.replace("\"made\" } }", "\"made\" }, fix: #{ orphan: \"x\" } }"));
    assert_eq!(base.transform, last.transform);
    let tested = print(&format!("{text}\nfn test_x() {{ if true {{ }} }}"));
    assert_eq!(base.transform, tested.transform);
    assert_ne!(base.gate, tested.gate);
    // a fixture is part of the tests, a helper is part of the rule wherever it is called from
    let fixture = "const SIZE = 3;\nfn goods() { global::SIZE }\nfn test_x() { goods(); }";
    let fixed = print(&format!("{text}\n{fixture}"));
    assert_eq!(base.transform, fixed.transform);
    assert_ne!(base.gate, fixed.gate);
    let helped = text.replace("row.price", "`${goods()}`");
    let helped = |size: &str| print(&format!("{helped}\n{}", fixture.replace('3', size)));
    assert_ne!(helped("3").transform, helped("4").transform);
    assert_ne!(
        base.transform,
        print(&text.replace("row.price", "row.price * 2")).transform
    );
    assert_ne!(
        base.transform,
        print(&text.replace("legacy_id", "other_id")).transform
    );
}
