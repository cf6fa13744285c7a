//! `runner sync`: what changed at the source since, carried over.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::Failure;
use crate::cli::migrate::{self, How};
use crate::cli::screen::{self, Answer, count, table, thousands};
use crate::cli::setup::Global;
use crate::pipeline::{Left, Outcome, RuleOutcome, Synced, Withdrawn};

/// Rows listed per rule and kind; `--json` has all.
const SHOWN_MAX: usize = 20;

/// Carry over what changed at the source since; never over somebody's edit
#[derive(Debug, Args)]
pub(super) struct SyncArgs {
    /// Rules to compare, by name or file; all when none is given
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Remove the rows that the source withdrew, unless somebody edited them or refers to them
    #[arg(long)]
    deletes: bool,
    /// Do everything except the commit
    #[arg(long)]
    dry_run: bool,
    /// Go on although a rule was edited in the middle of its sync
    #[arg(long)]
    accept_rule_change: bool,
    /// Connections that write at the same time [default: one per core, 2 to 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    writers: Option<u16>,
    /// Source rows per chunk [default: 10000, into SQLite 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    batch_rows: Option<u64>,
}

pub(super) async fn run(global: &Global, args: &SyncArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    global.warn(&config);
    let how = How {
        dry_run: args.dry_run,
        accept_rule_change: args.accept_rule_change,
        writers: args.writers,
        batch_rows: args.batch_rows,
        sync: Some(args.deletes),
        ..How::default()
    };
    let outcome = migrate::migrate(global, &config, "sync", &args.rules, &how).await?;
    let mut json = migrate::to_json(&outcome);
    for (at, rule) in outcome.rules.iter().enumerate() {
        json["rules"][at]["sync"] = json!(rule.synced);
        json["rules"][at]["retried"] = json!(rule.retried);
    }
    json["changed"] = Value::from(changed(&outcome));
    Ok(Answer {
        exit: migrate::ending(&outcome),
        text: text(&outcome, &how, args.deletes),
        json,
    })
}

fn compared(outcome: &Outcome) -> impl Iterator<Item = (&RuleOutcome, &Synced)> {
    let rules = outcome.rules.iter();
    rules.filter_map(|rule| Some((rule, rule.synced.as_ref()?)))
}

/// Rows of the target that were written or removed.
fn changed(outcome: &Outcome) -> i64 {
    let rules = outcome.rules.iter().map(|rule| {
        let removed = rule.synced.as_ref().map_or(0, Synced::removed);
        rule.this_run.inserted + rule.this_run.updated + removed as i64
    });
    rules.sum()
}

fn text(outcome: &Outcome, how: &How, deletes: bool) -> String {
    let head = [
        "rule",
        "",
        "read",
        "inserted",
        "updated",
        "unchanged",
        "conflicts",
        "withdrawn",
        "removed",
        "rejected",
    ];
    let lines = outcome.rules.iter().map(|rule| {
        let c = &rule.this_run;
        let none = Synced::default();
        let synced = rule.synced.as_ref().unwrap_or(&none);
        let conflicts = synced.conflicts.len() as i64;
        let mut cells = vec![rule.rule.clone(), migrate::word(rule).to_owned()];
        let numbers = [
            c.read,
            c.inserted,
            c.updated,
            c.unchanged,
            conflicts,
            synced.withdrawn.len() as i64,
            synced.removed() as i64,
            (c.rejected - conflicts).max(0),
        ];
        cells.extend(numbers.map(thousands));
        cells
    });
    let mut out = table(&head, &[2, 3, 4, 5, 6, 7, 8, 9], lines);
    for (rule, synced) in compared(outcome) {
        out.push_str(&conflicts(rule, synced));
        out.push_str(&withdrawn(rule, synced));
    }
    for rule in &outcome.rules {
        if let Some(missed) = &rule.missed {
            out.push_str(&format!("expected more: {}\n", screen::printable(missed)));
        }
        for problem in &rule.problems {
            out.push_str(&format!("{}\n", screen::printable(&problem.to_string())));
        }
    }
    out.push_str(&format!("\n{}\n", closing(outcome, how, deletes)));
    out
}

fn conflicts(rule: &RuleOutcome, synced: &Synced) -> String {
    let mut out = String::new();
    for row in synced.conflicts.iter().take(SHOWN_MAX) {
        out.push_str(&format!(
            "{} {}: {}\n",
            rule.rule,
            screen::printable(&row.key),
            screen::printable(&row.why)
        ));
    }
    let more = synced.conflicts.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        out.push_str(&format!(
            "{0}: {1} more: `runner quarantine list {0}`\n",
            rule.rule,
            thousands(more as i64)
        ));
    }
    out
}

fn withdrawn(rule: &RuleOutcome, synced: &Synced) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&Withdrawn>> = BTreeMap::new();
    for row in &synced.withdrawn {
        let left = match &row.left {
            Left::There => "still in the target",
            Left::Removed => "removed",
            Left::Kept(why) => why,
        };
        groups.entry((row.why.word(), left)).or_default().push(row);
    }
    let mut out = String::new();
    for ((why, left), rows) in groups {
        let keys: Vec<&str> = rows
            .iter()
            .take(SHOWN_MAX)
            .map(|r| r.key.as_str())
            .collect();
        let more = if rows.len() > SHOWN_MAX { " …" } else { "" };
        out.push_str(&format!(
            "{}: {} {}, {left}: {}{more}\n",
            rule.rule,
            count(rows.len() as i64, "row"),
            at_the_source(why),
            screen::printable(&keys.join(" ")),
        ));
    }
    out
}

fn at_the_source(why: &str) -> &'static str {
    match why {
        "gone" => "no longer in the source",
        "filtered" => "outside the rule's `where` now",
        "skipped" => "skipped by the rule now",
        "dropped" => "no longer made of its source row",
        _ => "rejected by the rule now",
    }
}

/// One sentence that says what to do next.
fn closing(outcome: &Outcome, how: &How, deletes: bool) -> String {
    let total = |f: fn(&RuleOutcome) -> i64| outcome.rules.iter().map(f).sum::<i64>();
    let stopped = outcome.interrupted || outcome.rules.iter().any(|r| !r.problems.is_empty());
    if stopped || how.dry_run {
        return migrate::closing(outcome, how);
    }
    let there = compared(outcome)
        .flat_map(|(_, synced)| &synced.withdrawn)
        .filter(|row| row.left == Left::There)
        .count() as i64;
    let mut said = if changed(outcome) == 0 {
        "nothing to do: no row was written".to_owned()
    } else {
        format!(
            "{} of the target written or removed",
            count(changed(outcome), "row")
        )
    };
    if there > 0 && !deletes {
        let rows = count(there, "row");
        said.push_str(&format!(
            "; {rows} withdrawn at the source: --deletes removes them"
        ));
    }
    let undecided = total(|rule| rule.account.undecided);
    if undecided > 0 {
        let rows = count(undecided, "row");
        said.push_str(&format!("; {rows} to decide: `runner quarantine list`"));
    }
    if outcome
        .rules
        .iter()
        .any(|r| r.what == crate::pipeline::What::Changed)
    {
        said.push_str("; a rule was edited since it was run: `runner run --restart` applies it");
    }
    said
}
