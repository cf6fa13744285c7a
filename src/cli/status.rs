//! `runner status`: where each table stands.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::{self, Answer, count, span, table, thousands};
use crate::cli::setup::{self, Global};
use crate::report::{Standing, last_run, standings};

/// How often `--watch` asks.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Show where each table stands
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Show it again every two seconds, until everything is done
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

pub(super) async fn run(global: &Global, args: &StatusArgs) -> Result<Answer, Failure> {
    loop {
        let (standings, answer) = once(global).await?;
        if !args.watch || standings.iter().all(|s| s.done) {
            return Ok(answer);
        }
        if std::io::stdout().is_terminal() {
            screen::out("\x1b[H\x1b[2J");
        }
        screen::out(&format!("{}\n", answer.text));
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn once(global: &Global) -> Result<(Vec<Standing>, Answer), Failure> {
    let config = global.config()?;
    let rules = setup::all_rules(&config)?;
    let (mut session, state) = setup::target_state(&config).await?;
    let standings = standings(&mut session, state, &rules).await?;
    let run = match state {
        Some(state) => last_run(&mut session, state).await?,
        None => None,
    };
    session.close().await;
    let run_id = run.as_ref().map(|run| run.id);
    let answer = Answer::done(
        text(&standings, run.as_ref()),
        json!({ "run": run_id, "rules": standings }),
    );
    Ok((standings, answer))
}

fn text(standings: &[Standing], run: Option<&crate::report::Run>) -> String {
    let Some(run) = run else {
        return "nothing has run yet: `runner check`, then `runner run`\n".into();
    };
    let head = [
        "rule",
        "done",
        "base",
        "read",
        "written",
        "skipped",
        "rejected",
        "undecided",
        "checkpoint",
        "left",
    ];
    let lines = standings.iter().map(|s| {
        let percent = if s.done {
            "done".into()
        } else if s.base_now == 0 {
            "-".into()
        } else {
            format!("{} %", (s.base * 100 / s.base_now).min(99))
        };
        let left = match (s.done, s.rate) {
            (false, Some(rate)) if rate > 0.0 => span((s.base_now - s.base).max(0) as f64 / rate),
            _ => String::new(),
        };
        let mut cells = vec![s.name.clone(), percent];
        cells.extend(
            [
                s.base,
                s.read,
                s.written(),
                s.skipped,
                s.rejected,
                s.undecided,
            ]
            .map(thousands),
        );
        cells.extend([s.checkpoint.clone().unwrap_or_default(), left]);
        cells
    });
    let mut text = table(&head, &[1, 2, 3, 4, 5, 6, 7], lines);
    text.push_str(&format!(
        "\nlast run: {} ({}, {})",
        run.id, run.command, run.status
    ));
    let undecided: i64 = standings.iter().map(|s| s.undecided).sum();
    if undecided > 0 {
        text.push_str(&format!(
            "; {} to decide: `runner quarantine list`",
            count(undecided, "row")
        ));
    } else if standings.iter().any(|s| !s.done) {
        text.push_str("; to go on: `runner run`");
    }
    text.push('\n');
    text
}
