//! `runner run` and `runner exec`: moving rows.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure, problem_json};
use crate::cli::profile;
use crate::cli::progress::Progress;
use crate::cli::screen::{self, Answer, count, table, thousands};
use crate::cli::setup::{self, Global};
use crate::cli::signals;
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity};
use crate::pipeline::{self, Ending, Options, Outcome, RuleOutcome, Stop, What};

/// While one writer's server process is busy with indexes, another's chunk is on the way.
const WRITERS_MIN: usize = 2;
/// More writers than this only wait for one another.
const WRITERS_MAX: usize = 4;

/// Run one rule, parents excluded
#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// The rule, by name or file
    #[arg(value_name = "RULE")]
    rule: String,
    #[command(flatten)]
    pub(super) how: How,
}

/// Run all rules, parents first; continues where it stopped
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Rules to run, by name or file; all when none is given
    #[arg(value_name = "RULE")]
    pub(super) rules: Vec<String>,
    #[command(flatten)]
    pub(super) how: How,
}

/// How rows are moved.
#[derive(Debug, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct How {
    /// Do everything except the commit
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Only the first N source rows of each rule, outside the table's account
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) limit: Option<u64>,
    /// Only the source row with this key, outside the table's account
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, conflicts_with_all = ["limit", "restart"])]
    pub(super) row: Option<String>,
    /// Forget the checkpoints and read everything again
    #[arg(long, conflicts_with = "limit")]
    pub(super) restart: bool,
    /// Go on although a rule that is half done was edited
    #[arg(long)]
    pub(super) accept_rule_change: bool,
    /// Connections that write at the same time [default: one per core, 2 to 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) writers: Option<u16>,
    /// Connections to the target, at most [default: as many as there is room for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(4..=256))]
    pub(super) connections: Option<u16>,
    /// Source rows per chunk [default: 10000, into SQLite 20000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(super) batch_rows: Option<u64>,
    /// Show where the time goes
    #[arg(long)]
    pub(super) profile: bool,
    /// Only what is in quarantine: set by `runner retry`
    #[arg(skip)]
    pub(super) retry: bool,
    /// Compare with what was written, and whether to remove what is withdrawn: set by `runner sync`
    #[arg(skip)]
    pub(super) sync: Option<bool>,
}

pub(super) async fn exec(global: &Global, args: ExecArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    global.warn(&config);
    let outcome = migrate(global, &config, "exec", &[args.rule], &args.how).await?;
    Ok(answer(&outcome, &args.how))
}

pub(super) async fn run(global: &Global, args: RunArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    global.warn(&config);
    let outcome = migrate(global, &config, "run", &args.rules, &args.how).await?;
    Ok(answer(&outcome, &args.how))
}

/// Runs the named rules (all when there is no name) and tells about it on stderr.
pub(super) async fn migrate(
    global: &Global,
    config: &Config,
    command: &'static str,
    names: &[String],
    how: &How,
) -> Result<Outcome, Failure> {
    let asked = setup::sound_rules(config, names)?;
    if how.limit.is_some() || how.row.is_some() {
        let procedural = asked.rules.iter().find(|rule| rule.has.run);
        if let Some(rule) = procedural {
            return Err(Failure::usage(pipeline::no_trial(rule)));
        }
    }
    let all = setup::all_rules(config)?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = Options {
        command,
        dry_run: how.dry_run,
        limit: how.limit,
        row: how.row.clone(),
        restart: how.restart,
        accept_rule_change: how.accept_rule_change,
        writers: how
            .writers
            .map_or(cores.clamp(WRITERS_MIN, WRITERS_MAX), usize::from),
        connections: how.connections.map(i64::from),
        batch_rows: how.batch_rows.or(config.batch_rows),
        profile: how.profile,
        retry: how
            .retry
            .then(|| asked.rules.iter().map(|rule| rule.name.clone()).collect()),
        sync: how.sync.map(|deletes| pipeline::Syncing {
            rules: asked.rules.iter().map(|rule| rule.name.clone()).collect(),
            deletes,
        }),
    };
    let progress = Progress::new(global.json);
    let stop = Stop::new();
    let outcome = tokio::select! {
        outcome = pipeline::run(config, asked.rules, &all, &options, &progress, &stop) => outcome?,
        () = signals::insisted(&stop, &progress) => return Err(interrupted()),
    };
    if let Some(namespace) = outcome.namespace_made
        && !global.json
    {
        screen::aside(&format!(
            "ids are computed in a new namespace; to get the same ids should the target be rebuilt, keep this line in .env:\nRUNNER_NAMESPACE={namespace}"
        ));
    }
    Ok(outcome)
}

pub(super) fn interrupted() -> Failure {
    let problem = Diagnostic::new(
        Severity::Note,
        "interrupted, run the same command again to go on",
    );
    Failure {
        exit: Exit::Interrupted,
        problems: vec![problem],
    }
}

/// How a run ends: failed gates before undecided rows before an interruption.
pub(super) fn ending(outcome: &Outcome) -> Exit {
    outcome.ending().into()
}

impl From<Ending> for Exit {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::Done,
            Ending::Interrupted => Self::Interrupted,
            Ending::Undecided => Self::Undecided,
            Ending::Failed => Self::Failed,
        }
    }
}

fn answer(outcome: &Outcome, how: &How) -> Answer {
    let mut text = summary(&outcome.rules);
    for rule in &outcome.rules {
        if let Some(missed) = &rule.missed {
            text.push_str(&format!("expected more: {}\n", screen::printable(missed)));
        }
        for problem in &rule.problems {
            text.push_str(&format!("{}\n", screen::printable(&problem.to_string())));
        }
    }
    if how.profile {
        text.push_str(&format!("\n{}", profile::text(&outcome.rules)));
    }
    text.push_str(&format!("\n{}\n", closing(outcome, how)));
    Answer {
        exit: ending(outcome),
        text,
        json: to_json(outcome),
    }
}

/// A line per rule: what this run did with its rows.
pub(super) fn summary(rules: &[RuleOutcome]) -> String {
    let head = [
        "rule", "", "base", "filtered", "read", "written", "skipped", "rejected", "rows/s",
    ];
    let lines = rules.iter().map(|rule| {
        let shown = if matches!(rule.what, What::Done | What::Changed) {
            rule.account.counts
        } else {
            rule.this_run
        };
        let written = shown.inserted + shown.updated + shown.unchanged;
        let speed = if rule.seconds > 0.0 && rule.this_run.base > 0 {
            thousands((rule.this_run.base as f64 / rule.seconds) as i64)
        } else {
            String::new()
        };
        let mut cells = vec![rule.rule.clone(), word(rule).to_owned()];
        cells.extend(
            [
                shown.base,
                shown.filtered,
                shown.read,
                written,
                shown.skipped,
                shown.rejected,
            ]
            .map(thousands),
        );
        cells.push(speed);
        cells
    });
    table(&head, &[2, 3, 4, 5, 6, 7, 8], lines)
}

pub(super) fn word(rule: &RuleOutcome) -> &'static str {
    match rule.what {
        What::Done => "already done",
        What::Ran if rule.account.done => "done",
        What::Ran => "part",
        What::DryRun => "dry run",
        What::Trial => "trial",
        What::Changed => "rule changed",
    }
}

/// One sentence that says what to do next.
pub(super) fn closing(outcome: &Outcome, how: &How) -> String {
    let total = |f: fn(&RuleOutcome) -> i64| outcome.rules.iter().map(f).sum::<i64>();
    let undecided = total(|r| r.account.undecided);
    if outcome.interrupted {
        return "interrupted, run the same command again to go on".into();
    }
    if outcome.rules.iter().any(|r| !r.problems.is_empty()) {
        return "a check of the result failed: see above, then `runner report`".into();
    }
    if how.dry_run {
        let rejected = total(RuleOutcome::trial_rejected);
        return format!(
            "dry run: nothing was written; {} would be rejected; what only the database can refuse is not seen here",
            count(rejected, "row")
        );
    }
    if let Some(changed) = outcome
        .rules
        .iter()
        .find(|r| matches!(r.what, What::Changed))
    {
        return format!(
            "`{}` was edited since it was run and nothing was written: `runner exec {} --restart` applies the edit",
            changed.rule, changed.rule
        );
    }
    if undecided > 0 {
        return format!(
            "{} to decide: `runner quarantine list`",
            count(undecided, "row")
        );
    }
    if outcome.rules.iter().any(|r| r.missed.is_some()) {
        return "an expectation was missed: `runner report` shows which and why".into();
    }
    if outcome.rules.iter().any(|r| matches!(r.what, What::Trial)) {
        return "trial: these rows stand outside the table's account; `runner run` takes all"
            .into();
    }
    if outcome.rules.iter().all(|r| matches!(r.what, What::Done)) {
        return "everything was done already, nothing was written: `runner report`".into();
    }
    "done, every row is decided: `runner report`".into()
}

pub(super) fn to_json(outcome: &Outcome) -> Value {
    let rules: Vec<Value> = outcome
        .rules
        .iter()
        .map(|rule| {
            let c = &rule.this_run;
            json!({
                "name": rule.rule,
                "target": rule.target,
                "what": word(rule),
                "base": c.base,
                "filtered": c.filtered,
                "read": c.read,
                "inserted": c.inserted,
                "updated": c.updated,
                "unchanged": c.unchanged,
                "skipped": c.skipped,
                "rejected": c.rejected,
                "target_rows": c.target_rows,
                "kept": c.kept,
                "undecided": rule.account.undecided,
                "done": rule.account.done,
                "codes": rule.codes,
                "missed": rule.missed,
                "problems": rule.problems.iter().map(problem_json).collect::<Vec<_>>(),
                "seconds": rule.seconds,
                "profile": profile::json(rule),
            })
        })
        .collect();
    json!({
        "run": outcome.run,
        "interrupted": outcome.interrupted,
        "exit": ending(outcome).code(),
        "rules": rules,
    })
}

#[cfg(test)]
mod tests;
