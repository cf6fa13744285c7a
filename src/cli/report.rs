//! `runner report`: what the owner hands over.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::Answer;
use crate::cli::setup::{self, Global};
use crate::diagnostic::Diagnostic;
use crate::report::{self, Format};

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
    let (mut session, state) = setup::existing_state(&config).await?;
    let report = report::gather(&mut session, state, &rules).await?;
    session.close().await;
    let text = report::render(&report, args.format(global.json), args.template.as_deref())?;
    let Some(file) = &args.output else {
        let json = serde_json::to_value(&report).unwrap_or_default();
        return Ok(Answer::done(text, json));
    };
    std::fs::write(file, text)
        .map_err(|error| Diagnostic::error(format!("cannot write {}: {error}", file.display())))?;
    let shown = file.display().to_string();
    Ok(Answer::done(
        format!("wrote {shown}"),
        json!({ "written": shown }),
    ))
}
