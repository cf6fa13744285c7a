//! Where lines come from: a terminal with history and editing, or a pipe.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Completer, Editor, Helper, Highlighter, Hinter};

use crate::config;
use crate::script::is_incomplete;

/// Lines kept between sessions.
const HISTORY_MAX: usize = 1_000;

/// A source of lines.
pub enum Lines {
    /// Somebody types.
    Terminal(Box<Terminal>),
    /// Standard input is a file or a pipe.
    Pipe,
}

/// A line editor with its history.
pub struct Terminal {
    editor: Editor<Typing, rustyline::history::FileHistory>,
    history: Option<PathBuf>,
}

/// An expression that is not complete goes on in the next line.
#[derive(Completer, Helper, Highlighter, Hinter)]
struct Typing;

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

impl Lines {
    /// Standard input, with editing when it is a terminal.
    pub fn stdin() -> Self {
        if !std::io::stdin().is_terminal() {
            return Self::Pipe;
        }
        Terminal::open().map_or(Self::Pipe, |terminal| Self::Terminal(Box::new(terminal)))
    }

    /// Somebody types, so a greeting is welcome.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next input.
    pub fn next(&mut self, prompt: &str) -> Line {
        match self {
            Self::Terminal(terminal) => terminal.read(prompt),
            Self::Pipe => read_pipe(),
        }
    }
}

impl Terminal {
    fn open() -> rustyline::Result<Self> {
        let settings = rustyline::Config::builder()
            .max_history_size(HISTORY_MAX)?
            .auto_add_history(true)
            .build();
        let mut editor = Editor::with_config(settings)?;
        editor.set_helper(Some(Typing));
        let history = config::state_dir().map(|dir| dir.join("history"));
        if let Some(file) = &history {
            // no history yet is no problem
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, history })
    }

    fn read(&mut self, prompt: &str) -> Line {
        match self.editor.readline(prompt) {
            Ok(text) => Line::Text(text),
            Err(ReadlineError::Interrupted) => Line::Cancelled,
            Err(_) => Line::End,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(file) = &self.history {
            let kept = file
                .parent()
                .is_some_and(|dir| std::fs::create_dir_all(dir).is_ok());
            if kept {
                // a history that cannot be kept is not worth a message at the end
                let _ = self.editor.save_history(file);
            }
        }
    }
}

fn read_pipe() -> Line {
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
