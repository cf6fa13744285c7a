//! A real row as a test: what it looked like, what the rule was told about it, and what the rule said.

use std::fmt::Write;

use rust_decimal::Decimal;

use super::masking::Masking;
use super::testing::value_of;
use super::{Library, Rule, run_tests};
use crate::diagnostic::Diagnostic;
use crate::row::{Answers, IdAnswer, Judged, Key, Rows, Stage, Verdict};
use crate::script::{SourceText, quoted};
use crate::value::Logical;

/// Amounts are multiplied by one of so many factors until sums round as before.
const TRIES: u32 = 40;

/// A row with everything that a test needs of it.
pub struct Pinned<'a> {
    /// The row's columns with their types.
    pub columns: &'a [(String, Logical)],
    /// The row, the only one.
    pub rows: &'a Rows,
    /// Its key.
    pub key: &'a Key,
    /// Its parents and lookups.
    pub answers: &'a Answers,
    /// What the rule makes of it.
    pub judged: &'a Judged,
    /// Values are kept as they are.
    pub show: bool,
}

/// The text of a function `name` that tests what `rule` makes of a row. It was run: it passes.
pub fn pin(rule: &Rule, library: &Library, name: &str, row: &Pinned) -> Result<String, Diagnostic> {
    if rule.has.tests.iter().any(|test| test == name) {
        return Err(
            Diagnostic::error(format!("the rule already has a test `{name}`"))
                .hint("give this one another name"),
        );
    }
    check_reject(row)?;
    let known = rule.columns_named()?;
    // a factor that nobody can guess, written down nowhere
    let seed = uuid::Uuid::new_v4().as_u128();
    let mut last = None;
    for attempt in 0..if row.show { 1 } else { TRIES } {
        let thousandths = 300 + (seed.rotate_right(attempt * 3) % 2_400) as i64;
        let mut masking = Masking::new(rule, row.show, Decimal::new(thousandths, 3));
        let stage = stage(rule, row, &mut masking, |column| known.contains(column));
        let head = head(rule, row);
        let text = |wanted: &str| format!("fn {name}() {{\n{head}{stage}{wanted}}}\n");
        let verdict = verdict(row.judged);
        match passes(rule, library, name, &text(&verdict)) {
            Ok(()) => {
                let values = values(rule, library, name, row.judged, &head, &stage);
                let all = text(&format!("{verdict}{values}"));
                let is_sound = passes(rule, library, name, &all).is_ok();
                return Ok(if is_sound { all } else { text(&verdict) });
            }
            Err(problem) => last = Some(problem),
        }
    }
    let problem = Diagnostic::error(if row.show {
        "a test with this row does not give the verdict that the row gets"
    } else {
        "with masked values the row gets another verdict, so it cannot be pinned like this"
    });
    let problem = match last {
        Some(last) => problem.note(format!("with the values masked: {}", last.message())),
        None => problem,
    };
    Err(problem.hint("name the columns that decide in `public` if they may be shown, or `:show on` and pin the row as it is"))
}

/// Only what `transform` says can be said by a test of it.
fn check_reject(row: &Pinned) -> Result<(), Diagnostic> {
    let Verdict::Reject(reject) = &row.judged.verdict else {
        return Ok(());
    };
    if reject.fault {
        return Err(
            Diagnostic::error("the rule fails on this row, and a test of that would fail")
                .hint("repair the rule until `:try` shows a verdict, then pin it"),
        );
    }
    if reject.stage == Stage::Rule && reject.code != "ambiguous_parent" {
        return Ok(());
    }
    let why = format!(
        "`{}` is not decided by the rule, so no test of the rule can show it",
        reject.code
    );
    Err(Diagnostic::error(why)
        .hint("decide it in `transform`, with `reject(code, why)`, and pin the row then"))
}

fn head(rule: &Rule, row: &Pinned) -> String {
    let how = if row.show {
        "as it is"
    } else {
        "its private values masked"
    };
    let header = &rule.header;
    format!(
        "    // {} {}={}, {how}\n",
        header.base,
        header.key.join(","),
        row.key
    )
}

/// Parents, lookups and the row.
fn stage(rule: &Rule, row: &Pinned, masking: &mut Masking, known: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    let mut tables = Vec::new();
    for ids in &rule.header.ids {
        let Some(answers) = row.answers.ids.get(&ids.entity) else {
            continue;
        };
        let mut found: Vec<(String, String)> = answers
            .iter()
            .filter_map(|(key, answer)| match answer {
                IdAnswer::One(id) => Some((key, id.to_string())),
                IdAnswer::None | IdAnswer::Many => None,
            })
            .collect();
        found.sort();
        let pairs: Vec<String> = found
            .into_iter()
            .map(|(key, id)| format!("{}: \"{}\"", quoted(&masking.key(&key)), masking.uuid(&id)))
            .collect();
        if !pairs.is_empty() {
            tables.push(format!(
                "{}: #{{ {} }}",
                map_key(&ids.entity),
                pairs.join(", ")
            ));
        }
    }
    if !tables.is_empty() {
        let _ = writeln!(out, "    ids(#{{ {} }});", tables.join(", "));
    }
    for lookup in &rule.header.lookups {
        let Some(answer) = row.answers.lookups.get(&lookup.name) else {
            continue;
        };
        let mut groups: Vec<_> = answer
            .groups
            .iter()
            .filter(|(_, range)| !range.is_empty())
            .collect();
        groups.sort_by_key(|(key, _)| key.as_str());
        for (key, range) in groups {
            let rows: Vec<String> = range
                .clone()
                .map(|at| {
                    let cells = lookup.take.iter().enumerate().filter_map(|(place, name)| {
                        // the first column of a lookup's rows is its key
                        let logical = answer.types.get(place + 1)?;
                        let text = answer.rows.text(at, place + 1);
                        let column = format!("{}.{name}", lookup.name);
                        Some(format!(
                            "{}: {}",
                            map_key(name),
                            value(masking, &column, logical, text)
                        ))
                    });
                    format!("#{{ {} }}", cells.collect::<Vec<_>>().join(", "))
                })
                .collect();
            let _ = writeln!(
                out,
                "    lookup({}, {}, [{}]);",
                quoted(&lookup.name),
                quoted(&masking.key(key)),
                rows.join(", ")
            );
        }
    }
    out.push_str("    let row = sample(#{\n");
    for (at, (name, logical)) in row
        .columns
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| known(name))
    {
        let _ = writeln!(
            out,
            "        {}: {},",
            map_key(name),
            value(masking, name, logical, row.rows.text(0, at))
        );
    }
    out.push_str("    });\n");
    out
}

type Cell<'a> = Option<Result<std::borrow::Cow<'a, str>, crate::row::NotUtf8>>;

fn value(masking: &mut Masking, column: &str, logical: &Logical, cell: Cell) -> String {
    let Some(Ok(text)) = cell else {
        return "()".to_owned();
    };
    let text = masking.cell(column, logical, &text);
    match logical {
        Logical::Bool => matches!(text.as_str(), "t" | "true" | "1").to_string(),
        Logical::Int2 | Logical::Int4 | Logical::Int8 => text,
        Logical::Numeric(_) if Decimal::from_str_exact(&text).is_ok() => {
            let is_short = text.len() < 20 && text.contains('.');
            if is_short {
                text
            } else {
                format!("dec(\"{text}\")")
            }
        }
        _ => quoted(&text),
    }
}

fn verdict(judged: &Judged) -> String {
    match &judged.verdict {
        Verdict::Skip(code) => format!("    assert_skip({}, || transform(row));\n", quoted(code)),
        Verdict::Reject(reject) => {
            format!(
                "    assert_reject({}, || transform(row));\n",
                quoted(&reject.code)
            )
        }
        Verdict::Write(rows) => {
            let mut out = String::new();
            let mut codes: Vec<&str> = judged.notes.iter().map(|note| note.code.as_str()).collect();
            codes.dedup();
            for code in &codes {
                let _ = writeln!(out, "    assert_note({}, || transform(row));", quoted(code));
            }
            out.push_str("    let out = assert_ok(|| transform(row));\n");
            if rows.len() > 1 {
                let _ = writeln!(out, "    assert_eq(out.len(), {});", rows.len());
            }
            out
        }
    }
}

/// What the rule makes of the masked row, column by column.
fn values(
    rule: &Rule,
    library: &Library,
    name: &str,
    judged: &Judged,
    head: &str,
    stage: &str,
) -> String {
    if !matches!(judged.verdict, Verdict::Write(_)) || rule.header.many {
        return String::new();
    }
    let maker = format!("fn {name}() {{\n{head}{stage}    transform(row)\n}}\n");
    let made = with(rule, library, &maker).and_then(|rule| value_of(&rule, name));
    let lines = made
        .unwrap_or_default()
        .into_iter()
        .map(|(column, literal)| {
            let column = if is_name(&column) {
                format!("out.{column}")
            } else {
                format!("out[{}]", quoted(&column))
            };
            format!("    assert_eq({column}, {literal});\n")
        });
    lines.collect()
}

fn with(rule: &Rule, library: &Library, function: &str) -> Result<Rule, Diagnostic> {
    let source = SourceText {
        path: rule.path.display().to_string(),
        text: format!("{}\n{function}", rule.text).into(),
    };
    Rule::parse(&source, library).map_err(|mut problems| problems.remove(0))
}

fn passes(rule: &Rule, library: &Library, name: &str, function: &str) -> Result<(), Diagnostic> {
    let rule = with(rule, library, function)?;
    let results = run_tests(&rule, Some(name));
    let result = results.into_iter().find(|result| result.name == name);
    result.map_or_else(
        || Err(Diagnostic::error(format!("`{name}` is no name of a test"))),
        |r| r.outcome,
    )
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn map_key(name: &str) -> String {
    if is_name(name) {
        name.to_owned()
    } else {
        quoted(name)
    }
}
