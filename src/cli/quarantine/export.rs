//! `runner quarantine export`: rejected rows with the values that were stored of them, for people and
//! programs elsewhere. JSON lines are exact; CSV is safe to open in a spreadsheet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::cli::exit::Failure;
use crate::cli::screen::{Answer, count};
use crate::cli::setup::{self, Global};
use crate::cli::sink::Sink;
use crate::db::Session;
use crate::state::{Quarantined, State};

/// Rows read at once.
const PAGE: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Only these rules
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// The form it takes [default: by the name of the file, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write here, readable by you alone, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// A line of names, then one a row; what a spreadsheet would take for a formula begins with '
    Csv,
}

pub(super) async fn run(global: &Global, args: &ExportArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let by_name = args.output.as_ref().and_then(|file| file.extension());
    let format = match args.format {
        Some(format) => format,
        None if by_name.is_some_and(|e| e.eq_ignore_ascii_case("csv")) => Format::Csv,
        None => Format::Jsonl,
    };
    let rules = setup::all_rules(&config)?;
    let (mut session, state) = setup::existing_state(&config).await?;
    let mut names = Vec::new();
    for name in args.rules.iter().map(|name| setup::rule_name(name)) {
        let known = rules.get(name).is_some()
            || !state
                .quarantined_codes(&mut session, name)
                .await?
                .is_empty();
        if !known {
            return Err(super::unknown_rule(name, &rules).into());
        }
        names.push(name.to_owned());
    }
    if args.output.is_none() && global.json {
        let mut rows = Vec::new();
        let mut pages = Pages::new(state, names);
        while let Some(page) = pages.next(&mut session).await? {
            rows.extend(page.iter().map(object));
        }
        session.close().await;
        return Ok(Answer::done("", json!({ "rows": rows })));
    }
    let mut out = match &args.output {
        Some(file) => Sink::file(file)?,
        None => Sink::Stdout,
    };
    let rows = match format {
        Format::Jsonl => json_lines(&mut session, Pages::new(state, names), &mut out).await?,
        Format::Csv => csv(&mut session, state, names, &mut out).await?,
    };
    session.close().await;
    out.finish(args.output.as_deref())?;
    let Some(file) = &args.output else {
        return Ok(Answer::done("", Value::Null));
    };
    let shown = file.display().to_string();
    Ok(Answer::done(
        format!(
            "wrote {} to {shown}, with the values of all columns that the rules read: keep it as safe as the databases",
            count(rows as i64, "row")
        ),
        json!({ "written": shown, "rows": rows }),
    ))
}

/// The rows by rule and key, a page at a time.
struct Pages {
    state: State,
    rules: Vec<String>,
    after: Option<(String, String)>,
}

impl Pages {
    fn new(state: State, rules: Vec<String>) -> Self {
        Self {
            state,
            rules,
            after: None,
        }
    }

    async fn next(&mut self, session: &mut Session) -> Result<Option<Vec<Quarantined>>, Failure> {
        let page = self
            .state
            .quarantine_page(session, &self.rules, self.after.as_ref(), PAGE)
            .await?;
        self.after = page.last().map(|row| (row.rule.clone(), row.key.clone()));
        Ok((!page.is_empty()).then_some(page))
    }
}

async fn json_lines(
    session: &mut Session,
    mut pages: Pages,
    out: &mut Sink,
) -> Result<usize, Failure> {
    let mut rows = 0;
    while let Some(page) = pages.next(session).await? {
        rows += page.len();
        let mut lines = String::new();
        for row in &page {
            lines.push_str(&object(row).to_string());
            lines.push('\n');
        }
        out.write(&lines)?;
    }
    Ok(rows)
}

/// A row with its values as `data`.
fn object(row: &Quarantined) -> Value {
    let mut out = serde_json::to_value(row).unwrap_or_default();
    out["data"] = Value::Object(values(row));
    out
}

fn values(row: &Quarantined) -> Map<String, Value> {
    serde_json::from_str(&row.data).unwrap_or_default()
}

async fn csv(
    session: &mut Session,
    state: State,
    rules: Vec<String>,
    out: &mut Sink,
) -> Result<usize, Failure> {
    // rules read different columns: a first reading finds them all
    let mut columns = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pages = Pages::new(state, rules.clone());
    while let Some(page) = pages.next(session).await? {
        for name in page.iter().flat_map(|row| values(row).into_iter()) {
            if seen.insert(name.0.clone()) {
                columns.push(name.0);
            }
        }
    }
    let fixed = [
        "rule",
        "key",
        "code",
        "stage",
        "message",
        "sqlstate",
        "constraint",
        "path",
        "line",
        "col",
        "waiting_for",
        "status",
    ];
    let mut head: Vec<String> = fixed.iter().map(|name| field(Some(name))).collect();
    head.extend(
        columns
            .iter()
            .map(|name| field(Some(&format!("data.{name}")))),
    );
    out.write(&format!("{}\r\n", head.join(",")))?;
    let mut rows = 0;
    let mut pages = Pages::new(state, rules);
    while let Some(page) = pages.next(session).await? {
        rows += page.len();
        let mut lines = String::new();
        for row in &page {
            let known = serde_json::to_value(row).unwrap_or_default();
            let data = values(row);
            let cells = fixed.iter().map(|name| known.get(name));
            let cells = cells.chain(columns.iter().map(|name| data.get(name)));
            let cells: Vec<String> = cells.map(cell).collect();
            lines.push_str(&cells.join(","));
            lines.push_str("\r\n");
        }
        out.write(&lines)?;
    }
    Ok(rows)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => field(None),
        Some(Value::String(text)) => field(Some(text)),
        Some(other) => field(Some(&other.to_string())),
    }
}

/// A field by RFC 4180: NULL is empty, an empty text `""`. A text that a spreadsheet would calculate gets
/// a `'` in front.
fn field(text: Option<&str>) -> String {
    let Some(text) = text else {
        return String::new();
    };
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let safe = if formula { "'" } else { "" };
    if formula || text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        return format!("\"{safe}{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn no_field_is_a_formula_and_every_text_reads_back() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            assert_eq!(field(Some(text)), format!("\"'{text}\""));
        }
        assert_eq!(field(Some("a \"b\", c\r\nd")), "\"a \"\"b\"\", c\r\nd\"");
        assert_eq!(field(Some("plain = 1")), "plain = 1");
        assert_eq!(
            (field(None), field(Some(""))),
            (String::new(), "\"\"".into())
        );
    }
}
