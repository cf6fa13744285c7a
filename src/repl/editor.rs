//! Where lines come from: a terminal with history, completion and colours, or a pipe.

use std::borrow::Cow;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Editor, ExternalPrinter, Helper, Hinter};

use super::colour::coloured;
use super::watch::{LOOK_EVERY, Watched};
use super::words::Words;
use crate::config;
use crate::script::is_incomplete;

/// Lines kept between sessions.
const HISTORY_MAX: usize = 1_000;

/// An expression that is not complete goes on in the next line; the tab key completes a word.
#[derive(Helper, Hinter)]
struct Typing {
    words: Words,
}

impl Validator for Typing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let command = text.trim_start().starts_with([':', '\\']);
        Ok(if !command && is_incomplete(text) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = self.words.complete(line, at);
        let pair = |word: super::words::Word| Pair {
            display: word.shown,
            replacement: word.text,
        };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

impl Highlighter for Typing {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if config::no_color() {
            Cow::Borrowed(line)
        } else {
            Cow::Owned(coloured(line))
        }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor && !config::no_color()
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// One input, possibly of several lines.
    Text(String),
    /// Ctrl-C: nothing.
    Cancelled,
    /// Ctrl-D or the end of the pipe.
    End,
}

/// What happens while a conversation waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line was typed.
    Line(Line),
    /// A rule file was saved, or may have been.
    Saved,
}

/// Somebody at a terminal. The editor waits for keys on a thread of its own, so that a saved file can be
/// answered while nobody types.
pub struct Terminal {
    prompts: Sender<String>,
    events: Receiver<Event>,
    printer: Box<dyn ExternalPrinter + Send>,
    /// Completions; the conversation fills them.
    pub words: Words,
}

impl Terminal {
    /// The terminal that standard input is; `None` when it is a file or a pipe.
    pub fn open(watched: Option<Watched>) -> Option<Self> {
        if !std::io::stdin().is_terminal() {
            return None;
        }
        let words = Words::default();
        let (mut editor, history) = editor(words.clone()).ok()?;
        let printer = editor.create_external_printer().ok()?;
        let (prompts, asked) = channel::<String>();
        let (tell, events) = channel();
        let typed = tell.clone();
        std::thread::Builder::new()
            .name("keys".into())
            .spawn(move || {
                for prompt in asked {
                    let line = read(&mut editor, &prompt);
                    if let (Some(file), Line::Text(_)) = (&history, &line) {
                        // a history that cannot be kept is not worth a message
                        let _ = editor.append_history(file);
                    }
                    if typed.send(Event::Line(line)).is_err() {
                        return;
                    }
                }
            })
            .ok()?;
        if let Some(watched) = watched {
            std::thread::Builder::new()
                .name("files".into())
                .spawn(move || watch(&watched, &tell))
                .ok()?;
        }
        Some(Self {
            prompts,
            events,
            printer: Box::new(printer),
            words,
        })
    }

    /// Asks for a line; it comes as an [`Event`].
    pub fn ask(&self, prompt: String) {
        let _ = self.prompts.send(prompt);
    }

    /// What happens next.
    pub fn next(&self) -> Event {
        self.events.recv().unwrap_or(Event::Line(Line::End))
    }

    /// Shows a text above the line that is being typed. `false` when that is not possible.
    pub fn interject(&mut self, text: &str) -> bool {
        self.printer.print(format!("{text}\n")).is_ok()
    }
}

fn editor(words: Words) -> rustyline::Result<(Editor<Typing, FileHistory>, Option<PathBuf>)> {
    let settings = rustyline::Config::builder()
        .max_history_size(HISTORY_MAX)?
        .completion_type(CompletionType::List)
        .auto_add_history(true)
        .build();
    let mut editor = Editor::with_config(settings)?;
    editor.set_helper(Some(Typing { words }));
    let history = config::state_dir().and_then(|folder| {
        std::fs::create_dir_all(&folder).ok()?;
        Some(folder.join("history"))
    });
    if let Some(file) = &history {
        // no history yet is no problem
        let _ = editor.load_history(file);
    }
    Ok((editor, history))
}

fn read(editor: &mut Editor<Typing, FileHistory>, prompt: &str) -> Line {
    match editor.readline(prompt) {
        Ok(text) => Line::Text(text),
        Err(ReadlineError::Interrupted) => Line::Cancelled,
        Err(_) => Line::End,
    }
}

fn watch(watched: &Watched, tell: &Sender<Event>) {
    let mut seen = watched.stamp();
    loop {
        std::thread::sleep(LOOK_EVERY);
        let now = watched.stamp();
        if now != seen {
            seen = now;
            if tell.send(Event::Saved).is_err() {
                return;
            }
        }
    }
}

/// The next input of a pipe, possibly of several lines.
pub fn read_pipe() -> Line {
    let mut text = String::new();
    let mut stdin = std::io::stdin().lock();
    loop {
        match stdin.read_line(&mut text) {
            Ok(0) | Err(_) if text.is_empty() => return Line::End,
            Ok(0) | Err(_) => return Line::Text(text),
            Ok(_) if text.trim_start().starts_with([':', '\\']) || !is_incomplete(&text) => {
                return Line::Text(text);
            }
            Ok(_) => {}
        }
    }
}
