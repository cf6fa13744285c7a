//! The script engine: the only module that names rhai.
//!
//! A rule is compiled once per script thread, with the host's functions and the project's own
//! libraries. Nothing here reads a database: what a script may know is handed to it.

mod body;
mod calls;
mod columns;
mod compare;
mod compared;
mod context;
mod debugger;
mod engine;
mod fault;
mod functions;
mod grid;
mod host;
mod json;
mod lines;
mod lint;
mod listing;
mod literal;
mod made;
mod missing;
mod natives;
mod outline;
mod prepare;
mod prepared;
#[cfg(test)]
mod prepared_tests;
mod procedure;
#[cfg(test)]
mod procedure_tests;
mod program;
mod row;
mod session;
#[cfg(test)]
mod session_tests;
mod sort;
mod spell;
mod statements;
mod stream;
mod testing;
mod text;
mod token;
mod trace;
mod typed;
mod unparsed;
mod verdicts;
mod wording;

use std::sync::Arc;

use crate::diagnostic::Place;

pub use columns::{Touched, touched};
pub use context::Declared;
pub use debugger::{Stepped, Steps};
pub use functions::{FUNCTIONS, HostFunction, Purpose};
pub use grid::grid;
pub use host::{Answer, Database, Host, HostCall, HostReply};
pub use lines::LineTime;
pub use lint::{Facts, Found, TargetColumn, Written, lint};
pub use literal::{Entry, Literal, Node};
pub use made::{Made, MadeValue};
pub use outline::{Function, Outline, mistaken, outline, shadowing};
pub use procedure::Procedure;
pub use program::{Program, Said};
pub use session::{Session, is_incomplete};
pub use spell::quoted;
pub use token::{Token, tokens};

/// Words of the language that a rule may not use.
const FORBIDDEN_WORDS: [&str; 3] = ["eval", "import", "export"];

/// Stack of a thread that runs scripts: 32 call levels of deep expressions need less, and an
/// overflow would end the process.
pub const STACK_BYTES: usize = 32 << 20;

/// A script file: its path as the user wrote it, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceText {
    /// Path for messages.
    pub path: String,
    /// The whole file.
    pub text: Arc<str>,
}

impl SourceText {
    /// The place at `line`:`column`.
    pub fn place(&self, line: usize, column: usize) -> Place {
        Place::in_text(self.path.clone(), &self.text, line, column)
    }

    /// File name without folder and `.rhai`: the name of a rule, or of a library's module.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit(['/', '\\']).next().unwrap_or(&self.path);
        name.strip_suffix(".rhai").unwrap_or(name)
    }
}
