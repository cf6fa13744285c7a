//! A file that does not compile, in a rule author's words.

use rhai::{LexError, ParseError, ParseErrorType};

use super::SourceText;
use super::literal::line_column;
use crate::diagnostic::{Diagnostic, Place, did_you_mean};

/// `constants` are the names that `global::` would show, `libraries` those of the files in `lib`.
pub(super) fn problem(
    error: &ParseError,
    source: &SourceText,
    constants: &[&str],
    libraries: &[&str],
) -> Diagnostic {
    let (line, column) = line_column(error.position());
    let place = if line == 0 {
        Place::file(source.path.clone())
    } else {
        source.place(line, column)
    };
    let is_at_the_end = line > source.text.lines().count();
    say(error.err_type(), is_at_the_end, constants, libraries).at(place)
}

fn say(
    error: &ParseErrorType,
    is_at_the_end: bool,
    constants: &[&str],
    libraries: &[&str],
) -> Diagnostic {
    use ParseErrorType as P;
    match error {
        P::VariableUndefined(name) => {
            let problem = Diagnostic::error(format!("there is no variable `{name}`"));
            if constants.contains(&name.as_str()) {
                problem.hint(format!("a function sees a constant as `global::{name}`"))
            } else {
                problem.hint(format!(
                    "a column of the row is `row.{name}`, a text stands in quotes: `\"{name}\"`"
                ))
            }
        }
        P::ModuleUndefined(name) => {
            let problem = Diagnostic::error(format!("there is no library `{name}`"));
            match did_you_mean(name, libraries.iter().copied()) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!(
                    "shared functions lie in `lib/{name}.rhai` beside the rules"
                )),
            }
        }
        P::Reserved(word) | P::BadInput(LexError::ImproperSymbol(word, _))
            if super::FORBIDDEN_WORDS.contains(&word.as_str()) =>
        {
            let problem = Diagnostic::error(format!("`{word}` is switched off in rules"));
            if word == "import" {
                problem.hint("functions of `lib/money.rhai` are called as `money::name(…)`, without importing anything")
            } else {
                problem
            }
        }
        P::Reserved(word) => Diagnostic::error(format!("`{word}` is a word of the language"))
            .hint("take another name; as a key of a map it stands in quotes"),
        P::BadInput(LexError::UnexpectedInput(letter)) => {
            Diagnostic::error(format!("`{letter}` does not belong here"))
        }
        P::BadInput(LexError::UnterminatedString) => {
            Diagnostic::error("the text that begins here does not end on its line")
                .hint("close it with `\"`; a text over several lines stands between backticks")
        }
        P::BadInput(LexError::ImproperSymbol(symbol, _)) if symbol == "=" => {
            Diagnostic::error("`=` sets a variable").hint("to compare two values write `==`")
        }
        // what the engine says of a `=` where only a comparison makes sense
        P::MissingSymbol(text) if text.contains("typo of '=='") => {
            Diagnostic::error("`=` sets a variable").hint("to compare two values write `==`")
        }
        P::MissingToken(..) | P::UnexpectedEOF if is_at_the_end => {
            Diagnostic::error("the file ends in the middle of a block, a map or a list")
                .hint("count the brackets: a `}`, `]` or `)` is missing")
        }
        P::MissingToken(token, what) => Diagnostic::error(format!(
            "a `{token}` is missing {}",
            what.replace("object map literal", "map")
                .replace("array literal", "list")
        )),
        P::MismatchedType(wanted, got) => Diagnostic::error(format!(
            "{} was wanted here, this is {got}",
            wanted
                .replace("a boolean expression", "true or false")
                .replace("an iterable value", "a list or a range")
        )),
        P::DuplicatedProperty(name) => {
            Diagnostic::error(format!("`{name}` stands twice in this map"))
        }
        P::FnDuplicatedDefinition(name, count) => Diagnostic::error(format!(
            "there is already a function `{name}` with {count} parameter{}",
            if *count == 1 { "" } else { "s" }
        )),
        P::LoopBreak => Diagnostic::error("`break` and `continue` stand only inside a loop"),
        P::WrongFnDefinition => Diagnostic::error("a function stands inside another")
            .hint("move it out, or make it a closure: `let f = |x| …`"),
        other => Diagnostic::error(lower_first(&other.to_string())),
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}
