//! `--profile` names the line of a rule on which its time goes.

use crate::support::Project;

const SOURCE: &str = "create table old(id integer primary key, n integer);
    with recursive i(x) as (select 1 union all select x + 1 from i where x < 400)
    insert into old select x, x % 10 from i";
const TARGET: &str =
    "create table new(id uuid primary key, legacy_id integer unique, a integer, b integer, c text)";
const RULE: &str = r#"const RULE = #{ base: "old", key: "id", target: "new", legacy: "legacy_id" };

fn quick(n) {
    let twice = n + n;
    twice
}

fn slow(n) {
    let sum = 0;
    for i in 0..150 {
        sum += i % 7 + n;
    }
    sum
}

fn transform(row) {
    let text = "x";
    text += "y";
    #{ a: quick(row.n), b: SLOW(row.n), c: text }
}
"#;
const LIB: &str = "fn far(n) {
    let sum = 0;
    for i in 0..150 { sum += i % 7 + n; }
    sum
}
";

fn dearest(rule: &str, asked: bool) -> serde_json::Value {
    let project = Project::sqlite(SOURCE, TARGET);
    project.rule("new", rule);
    project.rule("lib/sums", LIB);
    let mut arguments = vec!["run", "--json"];
    if asked {
        arguments.push("--profile");
    }
    let told = project.runner(&arguments);
    told.ends_with(0);
    assert_eq!(project.target.one("select count(*) from new"), "400");
    told.json()["rules"][0]["profile"]["lines"].clone()
}

fn line_of(text: &str, part: &str) -> usize {
    let at = text.lines().position(|line| line.contains(part));
    at.expect("the line is there") + 1
}

#[test]
fn the_dearest_line_is_the_slow_one() {
    let rule = RULE.replace("SLOW", "slow");
    let lines = dearest(&rule, true);
    let first = &lines["dearest"][0];
    assert_eq!(first["line"], line_of(&rule, "sum +="), "{lines}");
    assert_eq!(first["file"], "rules/new.rhai", "{lines}");
    assert!(first["share"].as_f64().unwrap() > 0.4, "{lines}");
    assert!(lines["rows"].as_u64().unwrap() >= 20, "{lines}");
}

#[test]
fn the_dearest_line_may_lie_in_a_library() {
    let rule = RULE.replace("SLOW", "sums::far");
    let lines = dearest(&rule, true);
    let first = &lines["dearest"][0];
    assert_eq!(first["file"], "rules/lib/sums.rhai", "{lines}");
    assert_eq!(first["line"], 3, "{lines}");
}

#[test]
fn nobody_who_did_not_ask_pays() {
    assert!(dearest(&RULE.replace("SLOW", "slow"), false).is_null());
}

#[test]
fn a_person_reads_the_line_itself() {
    let project = Project::sqlite(SOURCE, TARGET);
    project.rule("new", &RULE.replace("SLOW", "slow"));
    let told = project.runner(&["run", "--profile"]);
    told.ends_with(0);
    told.tells("new: dearest lines, from ");
    told.tells("sum += i % 7 + n;");
    told.tells("encode");
    told.tells("wait");
}
