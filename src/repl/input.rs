//! What a typed line asks for.

use crate::diagnostic::did_you_mean;

/// A line, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing to do.
    Empty,
    /// A command.
    Command(Command),
    /// Something for the script engine.
    Script(String),
    /// No command, and what was probably meant.
    Unknown(String),
}

/// A command with its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Rejected rows, of one code or all.
    Bad(Option<String>),
    /// The source row with this key becomes `row`.
    Row(String),
    /// What the rule makes of a row: of this key, or of the current one.
    Try(Option<String>),
    /// Reads the rule again.
    Reload,
    /// Tables of both databases.
    Tables,
    /// Values of columns that are not public: shown or masked.
    Show(bool),
    /// What can be typed.
    Help,
    /// Ends.
    Quit,
}

/// Name, argument, what it does.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    (":row", "KEY", "take the source row with this key as `row`"),
    (
        ":try",
        "[KEY]",
        "what the rule makes of it; nothing is written",
    ),
    (":bad", "[CODE]", "rejected rows"),
    (":tables", "", "tables of both databases"),
    (":reload", "", "read the rule again after an edit"),
    (
        ":show",
        "on|off",
        "show values of columns that are not public",
    ),
    (":help", "", "this list (also \\?)"),
    (":quit", "", "leave (also \\q)"),
];

/// Reads a line.
pub fn parse(line: &str) -> Input {
    let line = line.trim();
    if line.is_empty() {
        return Input::Empty;
    }
    if !line.starts_with([':', '\\']) {
        return Input::Script(line.to_owned());
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let given = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
    Input::Command(match (word, given) {
        (":bad", code) => Command::Bad(code),
        (":row", Some(key)) => Command::Row(key),
        (":row", None) => return Input::Unknown("`:row` needs a key: `:row 4711`".into()),
        (":try", key) => Command::Try(key),
        (":reload", _) => Command::Reload,
        (":tables", _) => Command::Tables,
        (":show", given) => Command::Show(given.as_deref() != Some("off")),
        (":help" | "\\?", _) => Command::Help,
        (":quit" | ":q" | "\\q", _) => Command::Quit,
        (word, _) => {
            let near = did_you_mean(word, COMMANDS.iter().map(|(name, _, _)| *name));
            let idea = near.map_or_else(
                || "`:help` lists the commands".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Input::Unknown(format!("there is no command `{word}`: {idea}"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_expressions_are_told_apart() {
        assert_eq!(parse("  "), Input::Empty);
        assert_eq!(parse(" 1 + 1 "), Input::Script("1 + 1".into()));
        assert_eq!(
            parse(":bad orphan"),
            Input::Command(Command::Bad(Some("orphan".into())))
        );
        assert_eq!(
            parse(":row [\"a b\", 1]"),
            Input::Command(Command::Row("[\"a b\", 1]".into()))
        );
        assert_eq!(parse("\\q"), Input::Command(Command::Quit));
        assert_eq!(parse(":show off"), Input::Command(Command::Show(false)));
    }

    #[test]
    fn a_misspelt_command_is_corrected() {
        let Input::Unknown(said) = parse(":realod") else {
            panic!("understood")
        };
        assert!(said.contains("`:reload`"));
    }
}
