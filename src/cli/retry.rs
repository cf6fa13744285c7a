//! `runner retry`: quarantined rows again, after the rule or the data was mended.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure, problem_json};
use crate::cli::migrate::{self, How};
use crate::cli::screen::{self, Answer, count, table, thousands};
use crate::cli::setup::{self, Global};
use crate::db::{Role, Session};
use crate::pipeline::{Outcome, Retried, RuleOutcome, RunError};

/// Judge quarantined rows again, and release the children of rows that come through
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// Rules whose quarantined rows are judged again, by name or file; all when none is given
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Do everything except the commit
    #[arg(long)]
    dry_run: bool,
    /// Connections that write at the same time [default: one per core, 2 to 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    writers: Option<u16>,
    /// Source rows per chunk [default: 10000, into SQLite 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    batch_rows: Option<u64>,
}

pub(super) async fn run(global: &Global, args: &RetryArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    global.warn(&config);
    // an address that is refused is refused as by a run
    let session = Session::open(config.target()?, Role::TargetReader).await;
    let (session, _) = setup::existing_state_in(session.map_err(RunError::from)?).await?;
    session.close().await;
    let how = How {
        dry_run: args.dry_run,
        writers: args.writers,
        batch_rows: args.batch_rows,
        retry: true,
        ..How::default()
    };
    let outcome = migrate::migrate(global, &config, "retry", &args.rules, &how).await?;
    let asked: Vec<String> = match &args.rules[..] {
        [] => outcome.rules.iter().map(|rule| rule.rule.clone()).collect(),
        some => some
            .iter()
            .map(|rule| setup::rule_name(rule).to_owned())
            .collect(),
    };
    let exit = Exit::from(outcome.ending_of_retry(&asked));
    Ok(Answer {
        exit,
        text: text(&outcome, args.dry_run),
        json: to_json(&outcome, exit),
    })
}

/// The rules with rows that were judged again.
fn retried(outcome: &Outcome) -> impl Iterator<Item = (&RuleOutcome, &Retried)> {
    let rules = outcome.rules.iter();
    rules.filter_map(|rule| Some((rule, rule.retried.as_ref()?)))
}

fn text(outcome: &Outcome, dry_run: bool) -> String {
    let head = [
        "rule",
        "",
        "retried",
        "written",
        "skipped",
        "still bad",
        "bad in a new way",
        "gone",
    ];
    let lines = retried(outcome).map(|(rule, it)| {
        let new: u64 = it.bad_in_a_new_way.iter().map(|moved| moved.rows).sum();
        let numbers = [
            it.rows,
            it.written,
            it.skipped,
            it.refused() - new,
            new,
            it.gone.len() as u64,
        ];
        let word = if it.released { "released" } else { "" };
        let mut cells = vec![rule.rule.clone(), word.to_owned()];
        cells.extend(numbers.map(|number| thousands(number as i64)));
        cells
    });
    let mut out = String::new();
    if retried(outcome).next().is_some() {
        out = table(&head, &[2, 3, 4, 5, 6, 7], lines);
    }
    for (rule, it) in retried(outcome) {
        for (code, rows) in &it.still_bad {
            let rows = count(*rows as i64, "row");
            out.push_str(&format!("{}: {rows} still `{code}`\n", rule.rule));
        }
        for moved in &it.bad_in_a_new_way {
            out.push_str(&format!(
                "{}: {} went from `{}` to `{}`: {}\n",
                rule.rule,
                count(moved.rows as i64, "row"),
                moved.from,
                moved.to,
                screen::printable(&moved.keys.join(" ")),
            ));
        }
        if !it.gone.is_empty() {
            out.push_str(&format!(
                "{0}: {1} no longer in the source, or outside the rule's `where`: `runner exec {0} --restart`\n",
                rule.rule,
                count(it.gone.len() as i64, "row"),
            ));
        }
    }
    for rule in &outcome.rules {
        if let Some(missed) = &rule.missed {
            out.push_str(&format!("expected more: {}\n", screen::printable(missed)));
        }
        for problem in &rule.problems {
            out.push_str(&format!("{}\n", screen::printable(&problem.to_string())));
        }
    }
    out.push_str(&format!("\n{}\n", closing(outcome, dry_run)));
    out
}

/// One sentence that says what to do next.
fn closing(outcome: &Outcome, dry_run: bool) -> String {
    let undecided: i64 = outcome.rules.iter().map(|r| r.account.undecided).sum();
    if outcome.interrupted {
        "interrupted, run the same command again to go on".into()
    } else if outcome.rules.iter().any(|r| !r.problems.is_empty()) {
        "a check of the result failed: see above, then `runner report`".into()
    } else if dry_run {
        "dry run: nothing was written; what only the database can refuse is not seen here".into()
    } else if undecided > 0 {
        let rows = count(undecided, "row");
        format!("{rows} to decide: `runner quarantine list`")
    } else if retried(outcome).next().is_none() {
        "nothing is in quarantine, nothing was written".into()
    } else {
        "done, every row is decided: `runner report`".into()
    }
}

fn to_json(outcome: &Outcome, exit: Exit) -> Value {
    let rules: Vec<Value> = outcome
        .rules
        .iter()
        .map(|rule| {
            json!({
                "name": rule.rule,
                "target": rule.target,
                "retried": rule.retried,
                "undecided": rule.account.undecided,
                "done": rule.account.done,
                "missed": rule.missed,
                "problems": rule.problems.iter().map(problem_json).collect::<Vec<_>>(),
                "seconds": rule.seconds,
            })
        })
        .collect();
    json!({
        "run": outcome.run,
        "interrupted": outcome.interrupted,
        "exit": exit.code(),
        "rules": rules,
    })
}
