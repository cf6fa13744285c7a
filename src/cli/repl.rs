//! `runner repl`: the loop around a conversation.

use clap::Args;
use serde_json::json;
use tokio::runtime::Handle;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{self, Answer};
use crate::cli::setup::{self, Global};
use crate::diagnostic::Diagnostic;
use crate::repl::{Line, Lines, Talk};
use crate::script::STACK_BYTES;

/// Try expressions, rows and rules by hand; writes nothing
#[derive(Debug, Args)]
pub(super) struct ReplArgs {
    /// The rule to try, by name or file
    #[arg(value_name = "RULE")]
    rule: Option<String>,
    /// Evaluate this and end; may be given several times
    #[arg(short, long, value_name = "EXPR", allow_hyphen_values = true)]
    eval: Vec<String>,
}

pub(super) async fn run(global: &Global, args: ReplArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let rule = match &args.rule {
        Some(name) => setup::sound_rules(&config, std::slice::from_ref(name))?
            .rules
            .into_iter()
            .next(),
        None => None,
    };
    let runtime = Handle::current();
    let json = global.json;
    let (done, finished) = tokio::sync::oneshot::channel();
    // scripts get a stack of their own, and a blocked read of the terminal blocks nobody else
    let talking = move || {
        let answer = Talk::new(config, runtime, rule)
            .map_err(Failure::from)
            .map(|talk| {
                if args.eval.is_empty() {
                    converse(talk)
                } else {
                    evaluate(talk, &args.eval, json)
                }
            });
        let _ = done.send(answer);
    };
    std::thread::Builder::new()
        .name("repl".into())
        .stack_size(STACK_BYTES)
        .spawn(talking)
        .map_err(|error| Diagnostic::error(format!("cannot start: {error}")))?;
    finished
        .await
        .map_err(|_| Diagnostic::error("the conversation ended in the middle of a line"))?
}

/// `-e`: a problem ends it, as in any script.
fn evaluate(mut talk: Talk, lines: &[String], json: bool) -> Answer {
    let mut said = Vec::new();
    for line in lines {
        let reply = talk.answer(line);
        let text = screen::printable(&reply.text);
        if reply.problem {
            let message = text.strip_prefix("error: ").unwrap_or(&text);
            let first = message.lines().next().unwrap_or_default();
            if !json {
                screen::aside(&text);
            }
            return Answer {
                exit: Exit::Failed,
                text: said.join("\n"),
                json: json!({ "error": { "exit": Exit::Failed.code(), "message": first, "text": message } }),
            };
        }
        said.push(text.trim_end().to_owned());
        if reply.quit {
            break;
        }
    }
    Answer::done(said.join("\n"), json!({ "values": said }))
}

/// Reads lines until the end; a problem is shown and the conversation goes on.
fn converse(mut talk: Talk) -> Answer {
    let mut lines = Lines::stdin();
    if lines.is_terminal() {
        screen::aside("`:help` lists the commands, Ctrl-D leaves");
    }
    loop {
        let text = match lines.next("> ") {
            Line::Text(text) => text,
            Line::Cancelled => continue,
            Line::End => break,
        };
        let reply = talk.answer(&text);
        let shown = screen::printable(reply.text.trim_end());
        if reply.problem {
            screen::aside(&shown);
        } else if !shown.is_empty() {
            screen::out(&format!("{shown}\n"));
        }
        if reply.quit {
            break;
        }
    }
    Answer::done("", json!({}))
}
