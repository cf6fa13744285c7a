//! Rows through whole rules: every trap once, with the exact words a user sees.

use std::sync::Arc;

use uuid::Uuid;

use super::{Bound, Library, Rule};
use crate::catalog::{Column, DefaultValue, Rights, Table};
use crate::db::TableName;
use crate::row::{Answers, IdAnswer, Judged, Key, LookupAnswer, Reject, Rows, Verdict};
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
    Arc::new(Rule::parse(&source, &library).expect("the rule is sound"))
}

pub(super) fn rows(line: &str) -> Arc<Rows> {
    let mut rows = Rows::new(source().iter().map(|(name, _)| name.clone()).collect());
    assert!(
        rows.push_line(line.as_bytes()),
        "the line has as many cells as columns"
    );
    Arc::new(rows)
}

pub(super) fn answers() -> Arc<Answers> {
    let mut answers = Answers::default();
    let known = [
        ("7".to_owned(), IdAnswer::One(Uuid::from_u128(7))),
        ("8".to_owned(), IdAnswer::None),
        ("9".to_owned(), IdAnswer::Many),
    ];
    answers.ids.insert(
        "orders".to_owned(),
        Arc::new(known.clone().into_iter().collect()),
    );
    answers
        .ids
        .insert("profiles".to_owned(), Arc::new(known.into_iter().collect()));
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

pub(super) const ROW: &str = "1\t7\t10.50\thello\tt\t2020-01-01 00:00:00+00\t1.5";

pub(super) fn judge_of(text: &str, line: &str) -> Judged {
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

pub(super) fn transform(body: &str, line: &str) -> Judged {
    judge_of(&format!("{HEAD}fn transform(row) {{ {body} }}"), line)
}

pub(super) fn line_of(judged: &Judged) -> String {
    match &judged.verdict {
        Verdict::Write(rows) => rows
            .iter()
            .map(|r| String::from_utf8_lossy(&r.line).into_owned())
            .collect::<Vec<_>>()
            .join("\n"),
        other => format!("{other:?}"),
    }
}

pub(super) fn rejected(judged: Judged) -> Reject {
    match judged.verdict {
        Verdict::Reject(reject) => *reject,
        other => panic!("not rejected: {other:?}"),
    }
}

pub(super) fn fault(body: &str) -> String {
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
fn nothing_of_the_row_passes_into_codes_and_messages() {
    // the row's name is `hello`
    for body in [
        "throw \"about \" + row.name; #{}",
        "throw row.name; #{}",
        "throw #{ name: row.name }; #{}",
        "try { throw row.name; } catch (e) { throw e; } #{}",
        "reject(row.name, \"x\"); #{}",
        "reject(row.name); #{}",
        "skip(row.name); #{}",
        "reject(\"odd\", \"about \" + row.name); #{}",
        "reject(\"odd\", `${row.name}`); #{}",
        "let why = row.name; reject(\"odd\", why); #{}",
        "Fn(\"reject\").call(\"odd\", row.name); #{}",
        "[row.name].for_each(|x| reject(\"odd\", x)); #{}",
        "\"odd\".reject(row.name); #{}",
        "money::bad(row.name); #{}",
        "parse_int(row.name); #{}",
        "parse_decimal(row.name); #{}",
        "row[row.name]; #{}",
        "let m = #{ a: 1 }; m[row.name]; #{}",
        "let m = #{}; m[row.name] = 1; m",
        "id_of(row.name, 1); #{}",
        "rows_of(row.name, 1); #{}",
        "Fn(row.name).call(); #{}",
        "rows_of(\"items\", row.id)[0][row.name]; #{}",
        "[1][row.name]; #{}",
        "row.name * 2; #{}",
        "#{ label: row.name + row.name + row.name + row.name + row.name }",
        "#{ total: row.name }",
        "#{ made: row.name }",
    ] {
        let verdict = transform(body, ROW).verdict;
        assert!(!matches!(verdict, Verdict::Write(_)), "{body}");
        let shown = format!("{verdict:?}");
        assert!(!shown.contains("hello"), "{body}: {shown}");
    }
    let noted = transform("note(\"odd\", \"about \" + row.name); #{}", ROW);
    assert_eq!(noted.notes[0].why, "about …");
}
