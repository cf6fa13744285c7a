//! What is done directly means what the engine means: the same rules with and without it.

use std::sync::Arc;

use super::{Declared, Program, Said, SourceText};
use crate::row::{Answers, Rows};
use crate::value::Logical;

const LIB: &str = "
fn word(text) { switch text { \"a\" | \"b\" => \"early\", \"z\" => 26, _ => () } }
fn clean(text) { if text == () { \"\" } else { text.trim().lower() } }
fn twice(n) { n * 2 }
";

fn columns() -> Vec<(String, Logical)> {
    let column = |name: &str, logical| (name.to_owned(), logical);
    vec![
        column("id", Logical::Int4),
        column("name", Logical::Text(None)),
        column("data", Logical::Text(None)),
        column("uid", Logical::Uuid),
        column("paid", Logical::Bool),
    ]
}

fn rows() -> Arc<Rows> {
    let mut rows = Rows::new(columns().into_iter().map(|(name, _)| name).collect());
    for line in [
        "1\t a \t{\"k\": [1, 2.50, null]}\t6f1b1c1e-0000-4000-8000-000000000007\tt",
        "2\t\\N\t\\N\t\\N\t\\N",
        "3\tÄß\\tZ\t{broken\t6F1B1C1E-0000-4000-8000-000000000007\tf",
        "4\tz\tnull\t\\N\tf",
        "5\tb\t\t\\N\tt",
    ] {
        assert!(rows.push_line(line.as_bytes()), "{line}");
    }
    Arc::new(rows)
}

/// What a rule says about each row; `directly`: as it is done for a run.
fn said(body: &str, directly: bool) -> Vec<String> {
    let file = |path: &str, text: &str| SourceText {
        path: path.to_owned(),
        text: text.into(),
    };
    let rule = file("rules/x.rhai", body);
    let libs = [file("rules/lib/lib.rhai", LIB)];
    let mut program =
        Program::new(&rule, &libs, Declared::default(), &columns()).expect("the rule compiles");
    if !directly {
        program.leave_to_engine();
    }
    let (rows, answers) = (rows(), Arc::new(Answers::default()));
    let mut out = Vec::new();
    for row in 0..rows.len() {
        let said = match program.transform(&rows, row, &answers) {
            Said::Made(made) => format!("{:?}", made.entries().collect::<Vec<_>>()),
            said => format!("{said:?}"),
        };
        let fault = program.last_fault().map(ToString::to_string);
        out.push(format!("{said} {:?} {fault:?}", program.take_notes()));
    }
    out
}

#[test]
fn a_rule_means_the_same_with_shortcuts_and_without() {
    let bodies = [
        // variables, conditions, returns
        "let a = row.id; if a > 2 { return #{ a: a }; } let b = a + 1; #{ a: a, b: b }",
        "let x = 1; let x = x + row.id; if row.paid == () { let x = 9; note(\"none\"); } #{ x: x }",
        "let x = if row.paid == () { \"none\" } else if row.paid { \"yes\" } else { 0 }; #{ x: x }",
        "if row.name == () { return; } #{ x: 1 }",
        "let x = { let y = row.id; y * 2 }; #{ x: x };",
        "let x = if row.id == 1 { return #{ early: true }; } else { 2 }; #{ x: x }",
        "const X = 3; let m = #{ x: X }; m",
        // conditions that are none
        "if row.id { #{} } else { #{} }",
        "#{ x: row.name == () || row.id }",
        "#{ x: row.paid && row.id == 1 }",
        "#{ x: !row.id }",
        "#{ x: (row.id == 1 || row.id == 2) && !(row.name == ()) }",
        // maps that are filled step by step
        "let m = #{ a: row.id }; m.b = row.name; m.a = (); m",
        "let m = #{}; m.b = row; m.b = m; m",
        "let m = #{}; if row.id > 1 { m.b = lib::twice(row.id); } m.c = m.b; m",
        "let m = #{}; let f = || m.x = 1; m.y = 2; f.call(); m",
        "let m = row.id; m.x = 1; #{ x: m }",
        "let m = (); m.x = 1; #{ x: m }",
        "let m = #{ n: #{} }; m.n.k = row.id; m.n.k += 1; m[\"z\"] = 1; m",
        "let m = #{ x: 1 }; let n = m; n.x = 2; #{ m: m, n: n }",
        // functions of the host
        "#{ x: row.name.trim().lower(), y: row.name.upper() }",
        "#{ x: lib::clean(row.name), y: trim(\" q \"), z: row.uid.to_string() }",
        "#{ x: row.id.trim() }",
        "#{ x: row.id.to_string(), y: row.nothing.trim() }",
        "#{ x: row.name?.trim() }",
        "let d = row.data; if d == () || is_json(d) { #{ d: try_json(d) } } else { #{ raw: d } }",
        "#{ a: is_json(row.data) }",
        "let d = row.data; #{ a: try_json(d), b: try_json(d), c: is_blank(row.name) }",
        "let big = \"x\"; for i in 0..12 { big += big; } #{ x: upper(big).len(), y: is_json(big) }",
        // comparisons and properties
        "#{ a: row.id < 3, b: row.id >= 3, c: row.id == 3, d: row.id != 4, e: 1 > row.id, f: row.id <= 2 }",
        "#{ a: row.name == \"z\", b: row.name != \"z\", c: \"b\" == row.name, d: row.name == (), e: row.uid == row.uid }",
        "#{ a: row.name < \"b\" }",
        "#{ a: row.id == row.name }",
        "#{ a: row.id < row.name }",
        "#{ a: row.id < 2.5, b: dec(\"2.50\") == dec(\"2.5\"), c: dec(\"1\") < dec(\"1.1\"), d: row.paid == true }",
        "let m = #{ a: row.id, n: #{ k: 1 } }; let f = m.n; f.k = 2; #{ a: m.a, n: m.n, f: f }",
        "let m = #{ a: row.id }; #{ a: m.a, b: m.b }",
        "let m = #{ id: \"mine\" }; #{ a: m.id, b: row.id, c: row.gone }",
        // choices
        "#{ a: lib::word(row.name), b: lib::word(\"a\"), c: lib::word(row.id), d: lib::word(()) }",
        "switch row.id { 1 => #{ one: 1 }, 1..3 if row.name == () => #{ two: 2 }, 3..5 => #{ few: row.id }, _ => () }",
        "let w = switch row.name { \"z\" => [1, 2], _ => [] }; w.push(3); #{ w: w }",
        // loops, closures, errors, verdicts
        "let n = 0; for i in 0..row.id { if i == 2 { continue; } n += i; } #{ n: n }",
        "let n = 0; while true { let k = n; n += 1; if k > row.id { break; } } #{ n: n }",
        "let all = [3, 1, 2].map(|v| v + row.id); #{ all: all }",
        "try { let x = if row.id == 1 { throw \"no\"; } else { 1 }; #{ x: x } } catch (e) { #{ e: e } }",
        "if row.id == 1 { skip(\"first\"); } if row.id == 2 { reject(\"second\", \"why\"); } #{}",
        "try { reject(\"caught\", \"why\"); } catch { } #{ x: 1 }",
        "let x = row.id / (row.id - 1); #{ x: x }",
        "let x = row.name + 1 - 1; #{ x: x }",
        "let x = [1][row.id]; #{ x: x }",
        "own(row)",
    ];
    let more = "fn own(row) { let kept = #{ n: row.name }; row = 1; kept }\n";
    for body in bodies {
        let rule = format!("fn transform(row) {{\n    {body}\n}}\n{more}");
        let (directly, by_engine) = (said(&rule, true), said(&rule, false));
        assert_eq!(directly, by_engine, "{body}");
        assert_eq!(directly.len(), 5);
    }
}

/// What `validate` says of a made row.
fn objection(body: &str, directly: bool) -> String {
    let rule = SourceText {
        path: "rules/x.rhai".to_owned(),
        text: format!(
            "fn transform(row) {{ #{{ a: row.id, b: #{{ k: 1 }}, c: () }} }}\nfn validate(out) {{ {body} }}\nfn look(out) {{ out.d }}\n"
        )
        .into(),
    };
    let mut program =
        Program::new(&rule, &[], Declared::default(), &columns()).expect("the rule compiles");
    if !directly {
        program.leave_to_engine();
    }
    let (rows, answers) = (rows(), Arc::new(Answers::default()));
    let Said::Made(made) = program.transform(&rows, 2, &answers) else {
        panic!("a row was made");
    };
    let text = Logical::Text(None);
    let copied: Vec<_> = [("d", Some("copied"), &text), ("e", None, &text)]
        .into_iter()
        .filter(|(name, ..)| program.validates(name))
        .collect();
    format!("{:?}", program.validate(&made, &copied))
}

#[test]
fn a_hook_is_given_what_it_looks_at() {
    let bodies = [
        "if out.a < 0 { reject(\"low\", \"why\"); }",
        "if out.a > 2 { reject(\"high\", \"why\"); }",
        "if out.b.k == 1 && out.c == () && out.d == \"copied\" { reject(\"seen\"); }",
        "if out.e != () { reject(\"e\"); } if out.gone == 1 { reject(\"gone\"); }",
        "if \"d\" in out { reject(\"there\"); }",
        "if out.len() == 5 { reject(\"five\"); }",
        "if out[\"d\"] == \"copied\" { reject(\"index\"); }",
        "let f = || out.d; if f.call() == \"copied\" { reject(\"closure\"); }",
        "if look(out) == \"copied\" { reject(\"passed\"); }",
        "out.a = 7; out.z = out.a; if out.z == 7 { reject(\"set\"); }",
        "for key in out.keys() { if key == \"e\" { reject(\"keys\"); } }",
        "let m = out; if m.d == \"copied\" { reject(\"same\"); }",
        "if `${out}`.contains(\"copied\") { reject(\"text\"); }",
    ];
    for body in bodies {
        assert_eq!(objection(body, true), objection(body, false), "{body}");
    }
    let refused = bodies.iter().filter(|body| objection(body, true) != "None");
    assert_eq!(refused.count(), bodies.len() - 1);
}

#[test]
fn a_function_that_calls_itself_often_ends_as_the_engine_ends_it() {
    let rule = "fn twice(n) { if n == 0 { return 1; } twice(less(n)); twice(less(n)); twice(less(n)); twice(less(n)) }\nfn less(n) { n - 1 }\n\
                fn transform(row) { #{ x: twice(10) } }";
    for line in said(rule, true) {
        assert!(line.contains("steps"), "{line}");
    }
}
