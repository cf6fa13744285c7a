//! `runner demo`: the whole story on two small databases, no server needed.

mod rules;

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::check;
use crate::cli::exit::{Exit, Failure};
use crate::cli::migrate::{self, How};
use crate::cli::screen::{self, Answer, count, thousands};
use crate::cli::setup::{self, Global};
use crate::cli::verify::{self, VerifyArgs};
use crate::config::{Config, Flags};
use crate::demo::{self, Plan, Summary};
use crate::diagnostic::{Diagnostic, Severity};
use crate::pipeline::Outcome;
use crate::report::{self, Format};
use crate::verify::Verification;

/// Marks a folder as ours, so that a second demo may replace what the first one made.
const MARKER: &str = ".runner-demo";
/// Ids of the demo are the same everywhere, so that two people can compare theirs.
const NAMESPACE: uuid::Uuid = uuid::uuid!("7d0f6a3e-52c1-4b1c-9a56-3f0e8f6f2d10");

/// Try it: a dirty legacy database, a migration, a report; no server needed
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DemoArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// Size of the databases; 1 is the size of the real system
    #[arg(long, default_value_t = 0.1, value_name = "N", value_parser = scale)]
    scale: f64,
    /// Where the demo puts its files
    #[arg(long, default_value = "demo", value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Only make the databases, in --source and --target
    Seed(SeedArgs),
}

#[derive(Debug, Args)]
struct SeedArgs {
    /// Size of the databases; 1 is the size of the real system
    #[arg(long, default_value_t = 1.0, value_name = "N", value_parser = scale)]
    scale: f64,
    /// Another seed gives other names and texts, with the same counts
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// As many source rows as this for one rule, with the parents they need
    #[arg(long, value_name = "RULE=N", value_parser = rows)]
    rows: Option<(String, u64)>,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.001..=100.0).contains(&scale) => Ok(scale),
        _ => Err("a number between 0.001 and 100".into()),
    }
}

fn rows(text: &str) -> Result<(String, u64), String> {
    let (rule, number) = text
        .split_once('=')
        .ok_or("RULE=N, as `purchases=500000`")?;
    match number.parse() {
        Ok(number) if number > 0 => Ok((setup::rule_name(rule).to_owned(), number)),
        _ => Err(format!("`{number}` is no number of rows")),
    }
}

pub(super) async fn run(global: &Global, args: &DemoArgs) -> Result<Answer, Failure> {
    match &args.what {
        Some(What::Seed(seed)) => seed_only(global, seed).await,
        None => whole(global, args).await,
    }
}

async fn seed_only(global: &Global, args: &SeedArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let plan = Plan {
        scale: args.scale,
        seed: args.seed,
        rows: args.rows.clone(),
    };
    let made = seed(global, &config, &plan).await?;
    let lines = made
        .tables
        .iter()
        .map(|(name, rows)| vec![name.clone(), thousands(*rows as i64)]);
    let text = screen::table(&["table", "rows"], &[1], lines);
    Ok(Answer::done(
        text,
        json!({ "rows": made.rows, "tables": made.tables, "scale": args.scale, "seed": args.seed }),
    ))
}

/// Makes the databases and says on a terminal which table it is at.
async fn seed(global: &Global, config: &Config, plan: &Plan) -> Result<Summary, Failure> {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    if global.json || !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let made = demo::seed(
        config.source()?,
        config.target()?,
        plan,
        &mut |table, rows| {
            bar.set_message(format!("{table}: {}", count(rows as i64, "row")));
            bar.tick();
        },
    )
    .await;
    bar.finish_and_clear();
    Ok(made?)
}

async fn whole(global: &Global, args: &DemoArgs) -> Result<Answer, Failure> {
    let say = |text: &str| {
        if !global.json {
            screen::aside(text);
        }
    };
    prepare(&args.dir)?;
    let config = settings(global, &args.dir)?;
    let plan = Plan {
        scale: args.scale,
        ..Plan::default()
    };
    say(&format!(
        "making a legacy database and a target at scale {} …",
        args.scale
    ));
    let made = seed(global, &config, &plan).await?;
    say(&format!(
        "  {} in {}",
        count(made.rows as i64, "row"),
        count(made.tables.len() as i64, "table")
    ));
    say("checking the rules against both databases …");
    let known = checked(&config).await?;
    say(&format!(
        "  no errors; warnings and hazards, which `check` lists: {known}"
    ));
    say("moving rows …");
    let outcome = migrate::migrate(global, &config, "run", &[], &How::default()).await?;
    say("deriving every row again and comparing it …");
    let verified = verify::verified(global, &config, &VerifyArgs::recorded()).await?;
    let report = write_report(&config, &args.dir).await?;
    Ok(answer(global, &config, args, &outcome, &verified, &report))
}

/// An empty folder, or one that an earlier demo filled.
fn prepare(dir: &Path) -> Result<(), Diagnostic> {
    let cannot = |what: &str, error: &std::io::Error| {
        Diagnostic::error(format!("cannot {what} {}: {error}", dir.display()))
    };
    if dir.join(MARKER).is_file() {
        for name in ["legacy.db", "target.db"] {
            for end in ["", "-wal", "-shm", "-journal"] {
                let file = dir.join(format!("{name}{end}"));
                if file.exists() {
                    fs::remove_file(&file).map_err(|error| cannot("replace a file in", &error))?;
                }
            }
        }
        return Ok(());
    }
    if dir.exists()
        && fs::read_dir(dir)
            .map_err(|error| cannot("look into", &error))?
            .next()
            .is_some()
    {
        return Err(Diagnostic::error(format!(
            "{} holds files that are not an earlier demo's",
            dir.display()
        ))
        .hint("name an empty folder with --dir; nothing was touched"));
    }
    fs::create_dir_all(dir).map_err(|error| cannot("make", &error))?;
    fs::write(
        dir.join(MARKER),
        "The databases in this folder are made by `runner demo` and replaced by the next one.\n",
    )
    .map_err(|error| cannot("write into", &error))
}

/// The demo's settings never come from the user's `.env`: it must not meet a real database by accident.
fn settings(global: &Global, dir: &Path) -> Result<Config, Failure> {
    let path = |name: &str| dir.join(name).display().to_string();
    let target = global.target.clone().unwrap_or_else(|| path("target.db"));
    let env = format!(
        "SOURCE_DATABASE_URL={}\nTARGET_DATABASE_URL={target}\nRUNNER_NAMESPACE={NAMESPACE}\n",
        path("legacy.db")
    );
    write_private(&dir.join(".env"), &env)?;
    let rules = match &global.rules_dir {
        Some(dir) => dir.clone(),
        None if Path::new("rules").is_dir() => PathBuf::from("rules"),
        None => rules::unpack(dir)?,
    };
    // as flags, because they win over an environment that names real databases
    let flags = Flags {
        source: Some(path("legacy.db")),
        target: Some(target),
        rules: Some(rules),
    };
    let mut config = Config::load(Some(&dir.join(".env")), flags)?;
    config.namespace = Some(NAMESPACE);
    Ok(config)
}

/// Only the user may read a file that can hold a password.
fn write_private(file: &Path, text: &str) -> Result<(), Diagnostic> {
    let cannot = |error: std::io::Error| {
        Diagnostic::error(format!("cannot write {}: {error}", file.display()))
    };
    fs::write(file, text).map_err(cannot)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).map_err(cannot)?;
    }
    Ok(())
}

/// Refuses on errors; how many warnings and hazards there are otherwise.
async fn checked(config: &Config) -> Result<i64, Failure> {
    let rules = setup::sound_rules(config, &[])?;
    let found = check::check(config, &rules, &rules.rules).await?;
    let (errors, rest): (Vec<_>, Vec<_>) = found
        .findings
        .into_iter()
        .partition(|d| d.severity() == Severity::Error);
    if errors.is_empty() {
        Ok(rest.len() as i64)
    } else {
        Err(Failure::refused(errors))
    }
}

async fn write_report(config: &Config, dir: &Path) -> Result<PathBuf, Failure> {
    let rules = setup::all_rules(config)?;
    let (mut session, state) = setup::existing_state(config).await?;
    let report = report::gather(&mut session, state, &rules).await?;
    session.close().await;
    let file = dir.join("report.html");
    fs::write(&file, report::page(&report, Format::Html, None)?)
        .map_err(|error| Diagnostic::error(format!("cannot write {}: {error}", file.display())))?;
    Ok(file)
}

fn answer(
    global: &Global,
    config: &Config,
    args: &DemoArgs,
    outcome: &Outcome,
    verified: &Verification,
    report: &Path,
) -> Answer {
    // rows to decide are the point of a demo, so only what went wrong counts
    let exit = match migrate::ending(outcome) {
        Exit::Undecided | Exit::Done => verify::answer(verified).exit,
        worse => worse,
    };
    let program = std::env::args().next().unwrap_or_else(|| "runner".into());
    let mut with = format!("--env-file {}", args.dir.join(".env").display());
    if global.rules_dir.is_some() || config.rules != Path::new("rules") {
        with.push_str(&format!(" --rules {}", config.rules.display()));
    }
    let undecided: i64 = outcome
        .rules
        .iter()
        .map(|rule| rule.account.undecided)
        .sum();
    let written: i64 = outcome
        .rules
        .iter()
        .map(|r| r.account.counts)
        .map(|c| c.inserted + c.updated + c.unchanged)
        .sum();
    let mut text = migrate::summary(&outcome.rules);
    for rule in &outcome.rules {
        for problem in &rule.problems {
            text.push_str(&format!("{problem}\n"));
        }
    }
    text.push_str(&format!(
        "
{} source rows written, {} rejected for a reason; {} target rows compared with what the source makes of them, {}. Look at it:

  {report}
  {program} quarantine list {with}
  {program} status {with}
  {program} run {with}        again: everything is done, nothing is written
",
        thousands(written),
        thousands(undecided),
        thousands(verified.tables.iter().map(|t| t.compared).sum::<u64>() as i64),
        count(verified.differences() as i64, "difference"),
        report = report.display(),
    ));
    Answer {
        exit,
        text,
        json: json_of(outcome, verified, report, written, undecided),
    }
}

fn json_of(
    outcome: &Outcome,
    verified: &Verification,
    report: &Path,
    written: i64,
    undecided: i64,
) -> Value {
    json!({
        "differences": verified.differences(),
        "run": outcome.run,
        "report": report.display().to_string(),
        "written": written,
        "undecided": undecided,
        "rules": outcome.rules.iter().map(|rule| rule.rule.as_str()).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let dir = std::env::temp_dir().join(format!("runner-demo-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("makes a folder");
        fs::write(dir.join("mine.txt"), "x").expect("writes");
        assert!(prepare(&dir).is_err());
        fs::remove_file(dir.join("mine.txt")).expect("removes");
        assert!(prepare(&dir).is_ok() && prepare(&dir).is_ok());
        fs::remove_dir_all(&dir).expect("cleans up");
    }

    #[test]
    fn sizes_are_checked() {
        assert!(scale("0").is_err() && scale("0.1").is_ok());
        assert_eq!(
            rows("rules/purchases.rhai=5"),
            Ok(("purchases".to_owned(), 5))
        );
        assert!(rows("purchases").is_err() && rows("purchases=0").is_err());
    }
}
