//! Rows through whole rules: every trap once, with the exact words a user sees.

use std::sync::Arc;

use uuid::Uuid;

use super::{Bound, Library, Rule};
use crate::catalog::{Column, DefaultValue, Rights, Table};
use crate::db::TableName;
use crate::row::{Answers, IdAnswer, Judged, Key, LookupAnswer, Reject, Rows, Stage, Verdict};
use crate::script::SourceText;
use crate::value::Logical;

pub(super) const HEAD: &str = "const RULE = #{ base: \"t\", key: \"id\", target: \"goal\", legacy: \"legacy_id\",
    ids: #{ orders: #{ from: [\"order_id\"] }, profiles: #{ from: [\"order_id\"] } },
    lookups: #{ items: #{ from: \"item\", by: \"t_id\", keys: [\"id\"], take: [\"name\", \"price\"] } },
    copy: #{ made: \"made\" } };\n";

pub(super) fn source() -> Arc<[(String, Logical)]> {
    [
        ("id", Logical::Int4),
        ("order_id", Logical::Int4),
        ("price", Logical::Numeric(None)),
        ("name", Logical::Text(None)),
        ("paid", Logical::Bool),
        ("made", Logical::TimestampTz),
        ("weight", Logical::Float8),
    ]
    .map(|(name, logical)| (name.to_owned(), logical))
    .into()
}

pub(super) fn target() -> Arc<Table> {
    let column = |name: &str, logical: Logical, not_null: bool, default: Option<&str>| Column {
        name: name.to_owned(),
        type_name: logical.to_string(),
        logical,
        not_null,
        default: default.map(|d| DefaultValue {
            expression: d.to_owned(),
            immutable: true,
        }),
        generated: false,
        identity: None,
    };
    let columns = vec![
        column("id", Logical::Uuid, true, None),
        column("legacy_id", Logical::Int4, true, None),
        column("total", Logical::Numeric(Some((12, 2))), false, None),
        column("label", Logical::Text(Some(20)), false, None),
        column("order_id", Logical::Uuid, false, None),
        column("made", Logical::TimestampTz, true, None),
        column("trail", Logical::Jsonb, false, None),
        column("state", Logical::Text(None), true, Some("'new'")),
    ];
    Arc::new(Table {
        name: TableName::parse("goal"),
        columns,
        primary_key: vec!["id".to_owned()],
        uniques: vec![],
        foreign_keys: vec![],
        checks: vec![],
        triggers: vec![],
        row_security: false,
        rights: Rights::default(),
        rows_estimate: 0,
        is_view: false,
    })
}

pub(super) fn rule(text: &str) -> Arc<Rule> {
    let source = SourceText {
        path: "rules/goal.rhai".to_owned(),
        text: text.into(),
    };
    let library = Library {
        files: vec![
            SourceText {
                path: "rules/lib/money.rhai".to_owned(),
                text: "const PLACES = 2;\nfn cents(x) { round_half_up(x, global::PLACES) }\nfn bad(x) {\n  x * 2\n}\n".into(),
            },
            SourceText { path: "rules/lib/tax.rhai".to_owned(), text: "fn of(x) { money::cents(x * 0.1) }".into() },
        ],
    };
    Arc::new(Rule::parse(source, &library).expect("the rule is sound"))
}

fn rows(line: &str) -> Arc<Rows> {
    let mut rows = Rows::new(source().iter().map(|(name, _)| name.clone()).collect());
    assert!(
        rows.push_line(line.as_bytes()),
        "the line has as many cells as columns"
    );
    Arc::new(rows)
}

fn answers() -> Arc<Answers> {
    let mut answers = Answers::default();
    let known = [
        ("7".to_owned(), IdAnswer::One(Uuid::from_u128(7))),
        ("8".to_owned(), IdAnswer::None),
        ("9".to_owned(), IdAnswer::Many),
    ];
    answers
        .ids
        .insert("orders".to_owned(), Arc::new(known.clone().into()));
    answers
        .ids
        .insert("profiles".to_owned(), Arc::new(known.into()));
    let mut items = Rows::new(["name".to_owned(), "price".to_owned()].into());
    assert!(items.push_line(b"a\t1.10") && items.push_line(b"b\t2.20"));
    answers.lookups.insert(
        "items".to_owned(),
        LookupAnswer {
            rows: Arc::new(items),
            types: [Logical::Text(None), Logical::Numeric(None)].into(),
            groups: [("1".to_owned(), 0..2)].into(),
        },
    );
    Arc::new(answers)
}

const ROW: &str = "1\t7\t10.50\thello\tt\t2020-01-01 00:00:00+00\t1.5";

fn judge_of(text: &str, line: &str) -> Judged {
    let bound =
        Bound::new(rule(text), source(), target(), Uuid::from_u128(1)).expect("the rule binds");
    let judge = move |line: String| {
        let mut judge = bound.judge().expect("the rule compiles");
        judge.judge(&rows(&line), 0, &Key::single("1"), &answers())
    };
    let line = line.to_owned();
    std::thread::Builder::new()
        .stack_size(crate::script::STACK_BYTES)
        .spawn(move || judge(line))
        .expect("a thread starts")
        .join()
        .expect("the judge does not panic")
}

fn transform(body: &str, line: &str) -> Judged {
    judge_of(&format!("{HEAD}fn transform(row) {{ {body} }}"), line)
}

fn line_of(judged: &Judged) -> String {
    match &judged.verdict {
        Verdict::Write(rows) => rows
            .iter()
            .map(|r| String::from_utf8_lossy(&r.line).into_owned())
            .collect::<Vec<_>>()
            .join("\n"),
        other => format!("{other:?}"),
    }
}

fn rejected(judged: Judged) -> Reject {
    match judged.verdict {
        Verdict::Reject(reject) => *reject,
        other => panic!("not rejected: {other:?}"),
    }
}

fn fault(body: &str) -> String {
    let reject = rejected(transform(body, ROW));
    assert!(reject.fault, "{}: {}", reject.code, reject.why);
    reject.why
}

#[test]
fn a_row_is_computed_copied_and_keyed() {
    let judged = transform(
        "#{ total: row.price * 2, label: row.name, order_id: id_of(\"orders\", row.order_id) }",
        ROW,
    );
    let made = "1\t21.00\thello\t00000000-0000-0000-0000-000000000007\t2020-01-01 00:00:00+00";
    assert_eq!(line_of(&judged), made);
    let Verdict::Write(rows) = &judged.verdict else {
        return;
    };
    assert_eq!(&*rows[0].set, &[1, 2, 3, 4, 5]);
    let id = crate::ids::id_for(
        Uuid::from_u128(1),
        "goal",
        &Key::single("1"),
        &[],
        crate::ids::IdKind::V5,
    );
    assert_eq!(rows[0].id, id);
}

#[test]
fn null_in_an_operator_names_the_column() {
    let null_price = "1\t7\t\\N\thello\tt\t2020-01-01 00:00:00+00\t1.5";
    for op in ["<", ">", "<=", ">="] {
        let reject = rejected(transform(
            &format!("if row.price {op} 0 {{ }} #{{}}"),
            null_price,
        ));
        assert_eq!(
            reject.why,
            format!("NULL in `{op}`: column `price` is empty in this row")
        );
        let reject = rejected(transform(
            &format!("if 0 {op} row.price {{ }} #{{}}"),
            null_price,
        ));
        assert_eq!(
            reject.why,
            format!("NULL in `{op}`: column `price` is empty in this row")
        );
    }
    let reject = rejected(transform("#{ total: row.price * 2 }", null_price));
    assert_eq!(
        reject.why,
        "NULL in `*`: column `price` is empty in this row"
    );
    assert!(reject.fault);
    assert_eq!(reject.place.map(|p| (p.line, p.column)), Some((5, 41)));
    let reject = rejected(transform("#{ label: \"a\" + row.price }", null_price));
    assert_eq!(
        reject.why,
        "NULL in `+`: column `price` is empty in this row"
    );
    let null_name = "1\t7\t1\t\\N\t\\N\t2020-01-01 00:00:00+00\t1.5";
    let reject = rejected(transform("#{ label: row.name.lower() }", null_name));
    assert_eq!(
        reject.why,
        "`lower` was called with NULL: column `name` is empty in this row"
    );
    let reject = rejected(transform("if row.paid { note(\"x\"); } #{}", null_name));
    assert_eq!(
        reject.why,
        "true or false was wanted, column `paid` is empty in this row"
    );
    assert_eq!(
        line_of(&transform(
            "if row.name == () { note(\"no_name\") } #{}",
            null_name
        )),
        "1\t2020-01-01 00:00:00+00"
    );
}

#[test]
fn numbers_and_texts_are_not_mixed() {
    assert_eq!(
        fault("if row.id == \"1\" { } #{}"),
        "`==` between a number and a text is never what was meant"
    );
    assert_eq!(
        fault("if row.price < row.name { } #{}"),
        "`<` between a number and a text is never what was meant"
    );
}

#[test]
fn unknown_columns_are_named_with_what_was_meant() {
    assert_eq!(
        fault("#{ label: row.nmae }"),
        "column `nmae` is not in the row"
    );
    assert_eq!(
        fault("#{ lable: row.name }"),
        "`lable` is not a column of `goal`"
    );
    assert_eq!(fault("row.name = 1; #{}"), "a row cannot be changed");
}

#[test]
fn parents_that_are_not_there_reject() {
    let with = |order: &str| format!("1\t{order}\t10.50\thello\tt\t2020-01-01 00:00:00+00\t1.5");
    let body = "#{ order_id: id_of(\"orders\", row.order_id) }";
    let reject = rejected(transform(body, &with("8")));
    assert_eq!((reject.code.as_str(), reject.fault), ("orphan", false));
    assert_eq!(
        reject.waiting_for,
        Some(("orders".to_owned(), "8".to_owned()))
    );
    assert_eq!(
        rejected(transform(body, &with("9"))).code,
        "ambiguous_parent"
    );
    assert_eq!(
        line_of(&transform(body, &with("\\N"))),
        "1\t\\N\t2020-01-01 00:00:00+00"
    );
    let undeclared = rejected(transform("#{ order_id: id_of(\"oders\", 7) }", ROW));
    assert_eq!(undeclared.why, "`oders` is not declared in `RULE.ids`");
    let unasked = rejected(transform("#{ order_id: id_of(\"orders\", 12345) }", ROW));
    assert_eq!(
        unasked.why,
        "`id_of(\"orders\", …)` was asked for a key that no column of `ids.orders.from` holds"
    );
    let or_null = transform(
        "#{ order_id: id_of_or_null(\"orders\", row.order_id) }",
        &with("8"),
    );
    assert_eq!(line_of(&or_null), "1\t\\N\t2020-01-01 00:00:00+00");
}

#[test]
fn a_missing_profile_has_its_own_code() {
    let head = HEAD.replace("copy:", "missing_profile: \"reject\", copy:");
    let text =
        format!("{head}fn transform(row) {{ #{{ order_id: id_of(\"profiles\", row.order_id) }} }}");
    let reject = rejected(judge_of(&text, &ROW.replace("\t7\t", "\t8\t")));
    assert_eq!(reject.code, "missing_profile");
}

#[test]
fn a_catch_cannot_swallow_a_verdict() {
    let reject = rejected(transform(
        "try { reject(\"bad\", \"because\") } catch { } #{}",
        ROW,
    ));
    assert_eq!(
        (reject.code.as_str(), reject.why.as_str(), reject.fault),
        ("bad", "because", false)
    );
    let judged = transform(
        "try { skip(\"gone\") } catch (e) { reject(\"bad\") } #{}",
        ROW,
    );
    assert_eq!(judged.verdict, Verdict::Skip("gone".to_owned()));
}

#[test]
fn verdicts_point_at_their_line() {
    let text = format!(
        "{HEAD}fn check(row) {{\n  reject(\"bad\");\n}}\nfn transform(row) {{ check(row); #{{}} }}"
    );
    let place = rejected(judge_of(&text, ROW))
        .place
        .expect("a rule's verdict has a place");
    assert_eq!(
        (place.path.as_str(), place.line, place.column),
        ("rules/goal.rhai", 6, 3)
    );
}

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
        "a value grew beyond the limit (length of string)"
    );
    assert_eq!(
        fault("42"),
        "`transform` must return a map of target columns, it returned int"
    );
    assert_eq!(
        fault("[#{}, #{}]"),
        "`transform` returned an array; a rule that makes many rows of one says `rows: \"many\"`"
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
    let problems = Rule::parse(source, &Library::default()).expect_err("eval is off");
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
