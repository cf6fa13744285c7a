//! Lines that a person types.

use std::sync::Arc;

use super::host::{Host, HostCall, HostReply};
use super::{Declared, Session, SourceText, is_incomplete};
use crate::row::{Answers, Rows};
use crate::value::Logical;

struct Nobody;

impl Host for Nobody {
    fn call(&mut self, _: HostCall) -> Result<HostReply, String> {
        Err("no database here".to_owned())
    }
}

fn session(rule: &str) -> Session {
    let rule = SourceText {
        path: "rules/x.rhai".to_owned(),
        text: rule.into(),
    };
    Session::new(&rule, &[], Declared::default(), Box::new(Nobody)).expect("the rule compiles")
}

fn say(session: &mut Session, line: &str) -> String {
    session.eval(line).unwrap_or_else(|problem| problem.line())
}

#[test]
fn variables_and_functions_stay() {
    let mut talk = session("const K = 2;\nfn dbl(x) { x * global::K }");
    assert_eq!(say(&mut talk, "let x = dbl(4)"), "");
    assert_eq!(say(&mut talk, "x + 1"), "9");
    assert_eq!(say(&mut talk, "fn tri(x) { x * 3 }"), "");
    assert_eq!(
        say(&mut talk, "#{ a: tri(x), b: \"é\" }"),
        "#{ a: 24, b: \"é\" }"
    );
    assert_eq!(talk.variables(), ["x"]);
}

#[test]
fn the_row_is_shown_as_lines_and_masked() {
    let columns = ["id".to_owned(), "email".to_owned()];
    let mut rows = Rows::new(Arc::from(columns));
    assert!(rows.push_line(b"7\ta@example.org"));
    let (rows, types) = (
        Arc::new(rows),
        Arc::from([Logical::Text(None), Logical::Text(None)]),
    );
    let mut talk = session("");
    talk.set_row(&rows, &types, 0, &Arc::new(Answers::default()));
    assert_eq!(
        say(&mut talk, "[row]"),
        "id  email\n7   a@example.org\n(1 row)"
    );
    talk.mask(Some(vec!["id".to_owned()]), "***");
    assert_eq!(say(&mut talk, "row"), "  id     7\n  email  ***");
    assert_eq!(
        say(&mut talk, "#{ r: row }"),
        "#{ r: #{ email: \"***\", id: \"7\" } }"
    );
}

#[test]
fn what_is_made_of_a_private_column_is_masked() {
    let columns = ["id".to_owned(), "email".to_owned(), "kind".to_owned()];
    let mut rows = Rows::new(Arc::from(columns));
    assert!(rows.push_line(b"7\ta@example.org\tpaid"));
    let text = Logical::Text(None);
    let (rows, types) = (
        Arc::new(rows),
        Arc::from([text.clone(), text.clone(), text]),
    );
    let mut talk = session(
        "fn f(row) { #{ id: row.id, to: row.email, kind: row.kind, n: () } }\nconst K = \"paid\";",
    );
    talk.set_row(&rows, &types, 0, &Arc::new(Answers::default()));
    talk.mask(Some(vec!["id".to_owned()]), "***");
    let masked = "***  (`:show on` shows it)";
    for (line, shown) in [
        ("row.id", "\"7\""),
        ("row.email", masked),
        ("row[\"email\"]", masked),
        ("`to ${row.email}`", masked),
        ("row.email.len()", masked),
        // the rule spells it, so it tells nothing of the row
        ("row.kind", "\"paid\""),
        ("row.email == ()", "false"),
        (
            "f(row)",
            "#{ id: \"7\", kind: \"paid\", n: (), to: \"***\" }",
        ),
        ("let x = row.email", ""),
        ("x", masked),
        ("let y = x + 1", ""),
        ("[y]", "[\"***\"]"),
        ("let free = 1", ""),
        ("free", "1"),
    ] {
        assert_eq!(say(&mut talk, line), shown, "{line}");
    }
    assert_eq!(say(&mut talk, "print(row.email); print(\"paid\")"), "");
    assert_eq!(talk.take_printed(), ["***", "paid"]);
    talk.mask(None, "***");
    assert_eq!(say(&mut talk, "x"), "\"a@example.org\"");
    talk.mask(Some(vec![]), "***");
    assert_eq!(say(&mut talk, "x"), masked);
}

#[test]
fn an_error_ends_nothing() {
    let mut talk = session("");
    assert_eq!(
        say(&mut talk, "nope"),
        "input:1:1: error: there is no variable `nope`"
    );
    assert_eq!(
        say(&mut talk, "source.query(\"select 1\")"),
        "input:1:8: error: no database here"
    );
    assert_eq!(say(&mut talk, "skip(\"x\")"), "skip: x");
    assert_eq!(say(&mut talk, "1 + 1"), "2");
}

#[test]
fn unfinished_lines_want_more() {
    let more = [
        "let x = ",
        "fn f(x) {",
        "#{ a: 1,",
        "`abc\n",
        "foo(1,",
        "x.",
        "fn",
        "switch x { 1 =>",
        "1 + ",
        "if x {\n  1",
        "let a = [1,\n 2",
        "/* abc",
    ];
    for text in more {
        assert!(is_incomplete(text), "{text}");
    }
    for text in [
        "\"abc",
        "let x = 5 5",
        "} ",
        "let x = 1",
        "x )",
        "foo(1\nbar",
        "/* a */ 1",
        "",
    ] {
        assert!(!is_incomplete(text), "{text}");
    }
}
