//! `runner report`: what the owner hands over.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::screen::Answer;
use crate::cli::setup::{self, Global};
use crate::cli::signals;
use crate::cli::sink::Sink;
use crate::cli::verify::Watch;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::pipeline::Stop;
use crate::recheck;
use crate::report::{self, Format};
use crate::rule::RuleSet;
use crate::verify::VerifyError;

/// Write the final report
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The form it takes [default: by the name of the file, else html]
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// Use this template instead of the built-in one
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Write here instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hold this report against the databases: derive its data again, render it again, compare
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "format"])]
    recheck: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Html,
    Md,
    Json,
    Txt,
}

impl ReportArgs {
    fn format(&self, json: bool) -> Format {
        match self.format {
            Some(FormatArg::Html) => Format::Html,
            Some(FormatArg::Md) => Format::Markdown,
            Some(FormatArg::Json) => Format::Json,
            Some(FormatArg::Txt) => Format::Text,
            None => match self.output.as_ref().and_then(|file| Format::of_file(file)) {
                Some(format) => format,
                None if json => Format::Json,
                None => Format::Html,
            },
        }
    }
}

pub(super) async fn run(global: &Global, args: &ReportArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let rules = setup::all_rules(&config)?;
    if let Some(file) = &args.recheck {
        return recheck(global, &config, &rules, file, args.template.as_deref()).await;
    }
    let (mut session, state) = setup::existing_state(&config).await?;
    let report = report::gather(&mut session, state, &rules).await?;
    session.close().await;
    let (format, template) = (args.format(global.json), args.template.as_deref());
    let text = if template.is_some() && args.output.is_none() {
        report::render(&report, format, template)?
    } else {
        report::page(&report, format, template)?
    };
    let Some(file) = &args.output else {
        let json = serde_json::to_value(&report).unwrap_or_default();
        return Ok(Answer::done(text, json));
    };
    let mut out = Sink::shared(file)?;
    out.write(&text)?;
    out.finish(Some(file))?;
    let shown = file.display().to_string();
    Ok(Answer::done(
        format!("wrote {shown}"),
        json!({ "written": shown }),
    ))
}

async fn recheck(
    global: &Global,
    config: &Config,
    rules: &RuleSet,
    file: &Path,
    template: Option<&Path>,
) -> Result<Answer, Failure> {
    let shown = file.display().to_string();
    let page = std::fs::read_to_string(file)
        .map_err(|error| Diagnostic::error(format!("cannot read {shown}: {error}")))?;
    let progress = Progress::new(global.json);
    let stop = Stop::new();
    let watch = Watch {
        progress: &progress,
        stop: &stop,
    };
    let found = tokio::select! {
        found = recheck::recheck(config, rules, &page, template, &watch) => found?,
        () = signals::insisted(&stop, &progress) => return Err(VerifyError::Interrupted.into()),
    };
    let moved = found
        .iter()
        .all(|objection| objection.kind == recheck::MOVED);
    let verdict = match (found.is_empty(), moved) {
        (true, _) => "holds",
        (false, true) => recheck::MOVED,
        (false, false) => recheck::FORGED,
    };
    let mut text = match verdict {
        "holds" => {
            format!("{shown} holds: every number, every ledger line and every row is as it says\n")
        }
        recheck::MOVED => format!(
            "{shown}: the source moved since the snapshot; the report and the target are as they were\n"
        ),
        _ => format!("{shown} is forged or stale\n"),
    };
    for objection in &found {
        text.push_str(&format!(
            "\n{}: {}\n  {}\n",
            objection.kind, objection.place, objection.text
        ));
    }
    Ok(Answer {
        exit: if found.is_empty() {
            Exit::Done
        } else {
            Exit::Differences
        },
        text,
        json: json!({ "report": shown, "verdict": verdict, "objections": found }),
    })
}
