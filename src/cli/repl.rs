//! `runner repl`: the loop around a conversation.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use serde_json::json;
use tokio::runtime::Handle;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{self, Answer};
use crate::cli::setup::{self, Global};
use crate::cli::signals;
use crate::config;
use crate::diagnostic::Diagnostic;
use crate::repl::{Event, Line, Reply, Talk, Terminal, read_pipe};
use crate::script::STACK_BYTES;

/// Try expressions, rows and rules by hand; writes nothing until told to
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
        let answer = Talk::new(config, runtime.clone(), rule)
            .map_err(Failure::from)
            .map(|talk| {
                if args.eval.is_empty() {
                    converse(talk, &runtime)
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
fn converse(mut talk: Talk, runtime: &Handle) -> Answer {
    if std::io::stdin().is_terminal() {
        // while a line is being typed the editor sees Ctrl-C as a key; otherwise it ends what is under way
        let interrupt = talk.interrupt();
        signals::at_ctrl_c(runtime, move || interrupt.raise());
    }
    match Terminal::open(talk.watched()) {
        Some(terminal) => at_terminal(&mut talk, terminal),
        None => piped(&mut talk),
    }
    Answer::done("", json!({}))
}

fn piped(talk: &mut Talk) {
    while let Line::Text(text) = read_pipe() {
        if let Some(reply) = talk.refreshed() {
            show(&reply);
        }
        let reply = talk.answer(&text);
        show(&reply);
        if reply.quit {
            return;
        }
    }
}

fn at_terminal(talk: &mut Talk, mut terminal: Terminal) {
    talk.set_interactive();
    screen::aside("`:help` lists the commands, Tab completes, Ctrl-D leaves");
    loop {
        talk.set_width(screen::width());
        terminal.ask(talk.prompt());
        talk.learn(&terminal.words);
        let text = loop {
            match terminal.next() {
                Event::Line(Line::Text(text)) => break text,
                Event::Line(Line::Cancelled) => break String::new(),
                Event::Line(Line::End) => return,
                Event::Saved => {
                    if let Some(reply) = talk.refreshed() {
                        let text = screen::printable(reply.text.trim_end());
                        if !terminal.interject(&text) {
                            show(&reply);
                        }
                    }
                }
            }
        };
        let reply = talk.answer(&text);
        show(&reply);
        if let Some((file, line)) = &reply.edit {
            edit(file, *line);
            if let Some(reply) = talk.refreshed() {
                show(&reply);
            }
        }
        if reply.quit {
            return;
        }
    }
}

fn show(reply: &Reply) {
    let text = screen::printable(reply.text.trim_end());
    if text.is_empty() {
    } else if reply.problem {
        screen::aside(&text);
    } else {
        screen::out(&format!("{text}\n"));
    }
}

/// Opens the user's editor and waits for it.
fn edit(file: &Path, line: usize) {
    let editor = config::editor();
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let mut command = std::process::Command::new(program);
    command.args(words);
    // the usual editors understand +LINE; another one would open a file of that name
    let is_usual = [
        "vi",
        "vim",
        "nvim",
        "nano",
        "emacs",
        "emacsclient",
        "micro",
        "kak",
        "joe",
    ];
    let name = Path::new(program)
        .file_name()
        .and_then(|name| name.to_str());
    if name.is_some_and(|name| is_usual.contains(&name)) {
        command.arg(format!("+{line}"));
    }
    if let Err(error) = command.arg(file).status() {
        screen::aside(&format!(
            "cannot start `{program}`: {error}; set VISUAL or EDITOR"
        ));
    }
}
