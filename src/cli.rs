//! Arguments, one file per command, exit codes. The only module that prints.
//!
//! A command returns an answer (text for people, JSON for programs, an exit code) and this file prints
//! it; only progress, the REPL and `--watch` write while they run.

mod check;
mod demo;
mod diff;
mod exit;
mod init;
mod migrate;
mod plan;
mod print;
mod profile;
mod progress;
mod quarantine;
mod repl;
mod report;
mod retry;
mod screen;
mod setup;
mod signals;
mod sink;
mod state;
mod status;
mod sync;
mod test;
mod undo;
mod verify;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::diagnostic::Diagnostic;
use exit::{Exit, Failure};
use screen::Answer;
use setup::Global;

/// Move an old database into Supabase Postgres with small scripts: every row accounted for, and proved.
#[derive(Debug, Parser)]
#[command(
    name = "runner",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Test(test::TestArgs),
    Diff(diff::DiffArgs),
    Repl(repl::ReplArgs),
    Plan(plan::PlanArgs),
    Exec(migrate::ExecArgs),
    Run(migrate::RunArgs),
    Retry(retry::RetryArgs),
    Undo(undo::UndoArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Verify(verify::VerifyArgs),
    Quarantine(quarantine::QuarantineArgs),
    Why(why::WhyArgs),
    Report(report::ReportArgs),
    Print(print::PrintArgs),
    State(state::StateArgs),
}

/// The commands by what one does with them; a test holds this against the real list.
const GROUPS: &[(&str, &[&str])] = &[
    ("Try", &["demo"]),
    ("Write rules", &["init", "check", "test", "diff", "repl"]),
    (
        "Move rows",
        &["plan", "exec", "run", "retry", "sync", "undo"],
    ),
    (
        "Prove it",
        &[
            "status",
            "verify",
            "quarantine",
            "why",
            "report",
            "print",
            "state",
        ],
    ),
];

/// Runs the program: parses `args`, does the command, prints its answer.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let json = args.iter().any(|arg| arg == "--json");
    let parsed = command()
        .try_get_matches_from(&args)
        .and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error, json),
    };
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::from(Diagnostic::error(format!("cannot start: {error}"))))
        .and_then(|runtime| {
            let result = runtime.block_on(Box::pin(dispatch(cli)));
            // a blocked read of a terminal or a script that was given up must not keep the process alive
            runtime.shutdown_background();
            result
        });
    ExitCode::from(screen::finish(result, json))
}

async fn dispatch(cli: Cli) -> Result<Answer, Failure> {
    let names_commands = matches!(
        cli.command,
        Command::Exec(_)
            | Command::Run(_)
            | Command::Retry(_)
            | Command::Undo(_)
            | Command::Sync(_)
            | Command::Status(_)
            | Command::Quarantine(_)
            | Command::Why(_)
            | Command::Verify(_)
            | Command::State(_)
    );
    let mut answer = Box::pin(answer(&cli.global, cli.command)).await?;
    if names_commands {
        answer.text = screen::pasteable(&answer.text, &cli.global.again());
    }
    Ok(answer)
}

async fn answer(global: &Global, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Demo(args) => Box::pin(demo::run(global, &args)).await,
        Command::Init(args) => init::run(global, &args).await,
        Command::Check(args) => check::run(global, &args).await,
        Command::Test(args) => test::run(global, &args),
        Command::Diff(args) => diff::run(global, &args).await,
        Command::Repl(args) => repl::run(global, args).await,
        Command::Plan(args) => plan::run(global, &args).await,
        Command::Exec(args) => migrate::exec(global, args).await,
        Command::Run(args) => migrate::run(global, args).await,
        Command::Retry(args) => retry::run(global, &args).await,
        Command::Undo(args) => undo::run(global, &args).await,
        Command::Sync(args) => sync::run(global, &args).await,
        Command::Status(args) => status::run(global, &args).await,
        Command::Verify(args) => verify::run(global, &args).await,
        Command::Quarantine(args) => quarantine::run(global, &args).await,
        Command::Why(args) => why::run(global, &args).await,
        Command::Report(args) => report::run(global, &args).await,
        Command::Print(args) => print::run(global, &args),
        Command::State(args) => state::run(global, &args).await,
    }
}

/// The command line with its overview by group.
fn command() -> clap::Command {
    let command = Cli::command();
    let overview = overview(&command);
    command
        .help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{overview}\nOptions:\n{{options}}\n\n{}\n", exit::EXIT_CODES))
        .subcommand_required(true)
        .arg_required_else_help(true)
}

fn overview(command: &clap::Command) -> String {
    let mut out = String::new();
    for (group, names) in GROUPS {
        out.push_str(&format!("{group}:\n"));
        for name in *names {
            let about = command
                .find_subcommand(name)
                .and_then(clap::Command::get_about);
            out.push_str(&format!(
                "  {name:<11} {}\n",
                about.map(ToString::to_string).unwrap_or_default()
            ));
        }
    }
    out
}

/// clap's own answers: help and version go to stdout and succeed, mistakes to stderr with code 2.
fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() {
        screen::out(&error.render().to_string());
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        let message = text
            .lines()
            .next()
            .unwrap_or("wrong usage")
            .trim_start_matches("error: ")
            .to_owned();
        return ExitCode::from(screen::finish(
            Err(Failure::usage(Diagnostic::error(message))),
            true,
        ));
    }
    let _ = error.print();
    ExitCode::from(Exit::Usage.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let found = command().try_get_matches_from(line.split_whitespace())?;
        Cli::from_arg_matches(&found)
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_overview_lists_each_command_once() {
        let mut listed: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| names.iter().copied())
            .collect();
        listed.sort_unstable();
        let command = Cli::command();
        let mut real: Vec<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        real.sort_unstable();
        assert_eq!(listed, real);
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        let cli = parse("runner status --json --target a.db").expect("parses");
        assert!(cli.global.json);
        assert_eq!(cli.global.target.as_deref(), Some("a.db"));
        assert!(parse("runner --json status").expect("parses").global.json);
    }

    #[test]
    fn wrong_usage_is_an_error() {
        for line in [
            "runner",
            "runner frobnicate",
            "runner exec",
            "runner run --writers 0",
            "runner exec a --row 1 --restart",
            "runner demo --scale 0",
        ] {
            assert!(parse(line).is_err(), "{line} should not parse");
        }
    }

    #[test]
    fn moves_take_their_options() {
        let Command::Run(args) =
            parse("runner run purchases rules/b.rhai --writers 4 --batch-rows 37 --restart")
                .expect("parses")
                .command
        else {
            panic!("not a run")
        };
        assert_eq!(args.rules, ["purchases", "rules/b.rhai"]);
        assert_eq!(
            (args.how.writers, args.how.batch_rows, args.how.restart),
            (Some(4), Some(37), true)
        );
    }
}
