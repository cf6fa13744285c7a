//! What `--profile` tells: where the time of each rule went.

use serde_json::{Value, json};

use super::screen::{self, count, table};
use crate::pipeline::{Lines, RuleOutcome};

/// Lines of a rule that are shown.
const DEAREST: usize = 8;

/// `--profile`: where the time of each rule's chunks went. The stages work side by side, so the largest
/// one sets the pace.
pub(super) fn text(rules: &[RuleOutcome]) -> String {
    let head = [
        "rule",
        "read",
        "ids and lookups",
        "script",
        "encode",
        "write",
        "wait",
        "script µs/row",
    ];
    let lines = rules
        .iter()
        .filter(|rule| rule.this_run.read > 0)
        .map(|rule| {
            let s = rule.spent;
            let mut cells = vec![rule.rule.clone()];
            cells.extend(
                [s.read, s.ask, s.script, s.encode, s.write, s.wait]
                    .map(|d| format!("{:.2} s", d.as_secs_f64())),
            );
            cells.push(format!(
                "{:.1}",
                s.script.as_secs_f64() * 1e6 / rule.this_run.read as f64
            ));
            cells
        });
    let mut text = table(&head, &[1, 2, 3, 4, 5, 6, 7], lines);
    for rule in rules {
        if let Some(lines) = rule.lines.as_ref().filter(|lines| lines.rows > 0) {
            text.push_str(&dearest(rule, lines));
        }
    }
    text
}

/// The lines of a rule on which its time goes.
fn dearest(rule: &RuleOutcome, lines: &Lines) -> String {
    let mut text = format!(
        "\n{}: dearest lines, from {} judged a second time for it ({:.2} s, in none of the times above)\n",
        rule.rule,
        count(lines.rows as i64, "row"),
        lines.took.as_secs_f64(),
    );
    let shown = lines.dearest.iter().take(DEAREST).map(|(place, share)| {
        vec![
            format!("{:.0} %", share * 100.0),
            format!("{}:{}", place.path, place.line),
            screen::printable(place.excerpt.trim()),
        ]
    });
    text.push_str(&table(&["script", "line", ""], &[0], shown));
    text
}

/// The same for a program.
pub(super) fn json(rule: &RuleOutcome) -> Value {
    json!({
        "read": rule.spent.read.as_secs_f64(),
        "ids_and_lookups": rule.spent.ask.as_secs_f64(),
        "script": rule.spent.script.as_secs_f64(),
        "encode": rule.spent.encode.as_secs_f64(),
        "wait": rule.spent.wait.as_secs_f64(),
        "lines": rule.lines.as_ref().map(lines_json),
        "write": rule.spent.write.as_secs_f64(),
    })
}

fn lines_json(lines: &Lines) -> Value {
    let dearest = lines.dearest.iter().take(DEAREST);
    json!({
        "rows": lines.rows,
        "seconds": lines.took.as_secs_f64(),
        "dearest": dearest.map(|(place, share)| json!({
            "file": place.path, "line": place.line, "share": share,
        })).collect::<Vec<_>>(),
    })
}
