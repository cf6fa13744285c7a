//! `runner undo`: a run taken back.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::migrate;
use crate::cli::progress::Progress;
use crate::cli::screen::{Answer, count, printable, table, thousands};
use crate::cli::setup::{self, Global};
use crate::cli::signals;
use crate::pipeline::{self, Stop, Undo, Undone, UndoneRule};

/// Keys that a line names.
const KEYS_SHOWN: usize = 10;

/// Take a run back: rows it inserted go, rows it changed or removed are restored; what others touched since stays
#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// The run to take back: its number, as `runner status` and `runner report` show it
    #[arg(value_name = "RUN", value_parser = clap::value_parser!(i64).range(1..))]
    run: i64,
    /// Only what it did to these rules' tables, by name or file [default: all]
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Show what would go, be restored and stay, and why; write nothing
    #[arg(long)]
    dry_run: bool,
    /// Source rows per transaction [default: 8000, in SQLite 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    batch_rows: Option<u64>,
}

pub(super) async fn run(global: &Global, args: &UndoArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    global.warn(&config);
    let (session, _) = setup::existing_state(&config).await?;
    session.close().await;
    let asked = Undo {
        run: args.run,
        rules: args
            .rules
            .iter()
            .map(|rule| setup::rule_name(rule).to_owned())
            .collect(),
        dry_run: args.dry_run,
        batch_rows: args.batch_rows.or(config.batch_rows),
    };
    let progress = Progress::new(global.json);
    let stop = Stop::new();
    let undone = tokio::select! {
        undone = pipeline::undo(&config, &asked, &progress, &stop) => undone?,
        () = signals::insisted(&stop, &progress) => return Err(migrate::interrupted()),
    };
    let exit = if undone.interrupted {
        Exit::Interrupted
    } else {
        Exit::Done
    };
    let mut json = json!(undone);
    json["dry_run"] = json!(args.dry_run);
    json["exit"] = json!(exit.code());
    Ok(Answer {
        exit,
        text: text(&undone, args.dry_run),
        json,
    })
}

fn text(undone: &Undone, dry_run: bool) -> String {
    let head = [
        "rule",
        "removed",
        "restored",
        "put back",
        "kept",
        "gone before",
    ];
    let lines = undone.rules.iter().map(|rule| {
        let mut cells = vec![rule.rule.clone()];
        let kept = rule.kept.len() as u64;
        cells.extend(
            [rule.removed, rule.restored, rule.returned, kept, rule.gone]
                .map(|rows| thousands(rows as i64)),
        );
        cells
    });
    let mut out = String::new();
    if !undone.rules.is_empty() {
        out = table(&head, &[1, 2, 3, 4, 5], lines);
    }
    for rule in &undone.rules {
        if rule.people > 0 {
            let rows = count(rule.people as i64, "row");
            let name = &rule.rule;
            out.push_str(&format!(
                "{name}: {rows} of profiles and accounts made for them removed\n"
            ));
        }
        out.push_str(&kept(rule));
    }
    out.push_str(&format!("\n{}\n", closing(undone, dry_run)));
    out
}

/// The rows that stay, by reason.
fn kept(rule: &UndoneRule) -> String {
    let mut reasons: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for row in &rule.kept {
        let why = match (row.why, &row.by) {
            ("refused", Some(by)) => format!("`{by}` refuses them as they were"),
            ("refused", None) => "the target refuses them as they were".to_owned(),
            (_, Some(by)) => format!("`{by}` refers to them"),
            (_, None) => "edited since".to_owned(),
        };
        let of = row.table.as_ref().map(|table| format!(" of {table}"));
        let reason = (of.unwrap_or_default(), why);
        reasons.entry(reason).or_default().push(&row.key);
    }
    let mut out = String::new();
    for ((of, why), mut keys) in reasons {
        let rows = count(keys.len() as i64, "row");
        keys.dedup();
        let more = keys.len().saturating_sub(KEYS_SHOWN);
        keys.truncate(KEYS_SHOWN);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        out.push_str(&format!(
            "{}: {rows}{of} kept, {why}: {}{more}\n",
            rule.rule,
            printable(&keys.join(" "))
        ));
    }
    out
}

/// One sentence that says where things stand.
fn closing(undone: &Undone, dry_run: bool) -> String {
    let run = undone.undone;
    let by = undone.rules.iter().find_map(|rule| rule.undone_by);
    if undone.interrupted {
        format!("interrupted: `runner undo {run}` goes on")
    } else if undone.rules.is_empty() {
        format!("run {run} wrote nothing, so there is nothing to take back")
    } else if let (Some(by), None) = (by, undone.run) {
        format!("run {run} was taken back already, by run {by}; nothing was written")
    } else if dry_run {
        format!("dry run: nothing was written; `runner undo {run}` does it")
    } else {
        format!("run {run} is taken back: `runner run` brings its rows again, under the same ids")
    }
}
