//! What a typed line asks for.

use crate::diagnostic::did_you_mean;
use crate::script::Database;

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
    /// Tables of both databases.
    Tables,
    /// Columns of a table.
    Describe(String),
    /// Rows of a table, with what follows its name: `where …`, `order by …`.
    Rows(String, String),
    /// Rejected rows, of one code or all.
    Bad(Option<String>),
    /// The source row with this key becomes `row`.
    Row(String),
    /// What the rule makes of a row: of this key, or of the current one.
    Try(Option<String>),
    /// The rule's way with a row, line by line.
    Step(Option<String>),
    /// The next row of the list, or of the table.
    Next,
    /// The row before.
    Prev,
    /// Opens the rule in the user's editor.
    Edit,
    /// Reads the rule again.
    Reload,
    /// Rejected rows once more through the rule.
    Retry,
    /// The row on screen becomes a test of the rule, of this name.
    Pin(String),
    /// One read-only statement.
    Sql(Database, String),
    /// Values of columns that are not public: shown or masked.
    Show(bool),
    /// `:retry` is allowed or not.
    Write(bool),
    /// What can be typed, or what this function does.
    Help(Option<String>),
    /// Ends.
    Quit,
}

/// Name, argument, what it does.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    (":tables", "", "tables of both databases (also \\d)"),
    (
        ":rows",
        "TABLE [where …]",
        "rows of a table of either database",
    ),
    (":bad", "[CODE]", "rejected rows"),
    (":row", "KEY", "take the source row with this key as `row`"),
    (
        ":try",
        "[KEY]",
        "what the rule makes of it; nothing is written",
    ),
    (
        ":step",
        "[KEY]",
        "the same line by line, with all variables",
    ),
    (":next", "", "the next row of the list, or of the table"),
    (":prev", "", "the row before"),
    (":edit", "", "open the rule in $VISUAL or $EDITOR"),
    (
        ":reload",
        "",
        "read the rule again; happens by itself when a file changes",
    ),
    (
        ":pin",
        "NAME",
        "make the row on screen a test of the rule, its values masked",
    ),
    (
        ":retry",
        "",
        "rejected rows through the rule again, written where it lets them now (needs `:write on`)",
    ),
    (
        ":sql",
        "[source|target] SELECT …",
        "one read-only statement; on the source unless said otherwise",
    ),
    (
        ":show",
        "on|off",
        "show values of columns that are not public",
    ),
    (
        ":write",
        "on|off",
        "allow `:retry`; everything else only reads",
    ),
    (
        ":help",
        "[NAME]",
        "this list, or a function and what it does (also \\?)",
    ),
    (":quit", "", "leave (also \\q, Ctrl-D)"),
    ("\\d", "[TABLE]", "tables, or the columns of one"),
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
        (":tables" | "\\dt", _) | ("\\d", None) => Command::Tables,
        ("\\d", Some(table)) => Command::Describe(table),
        (":rows", Some(given)) => {
            let (table, rest) = given
                .split_once(char::is_whitespace)
                .unwrap_or((&given, ""));
            Command::Rows(table.to_owned(), rest.trim().to_owned())
        }
        (":bad", code) => Command::Bad(code),
        (":row", Some(key)) => Command::Row(key),
        (":try", key) => Command::Try(key),
        (":step", key) => Command::Step(key),
        (":next", _) => Command::Next,
        (":prev", _) => Command::Prev,
        (":edit", _) => Command::Edit,
        (":reload", _) => Command::Reload,
        (":retry", _) => Command::Retry,
        (":pin", Some(name)) => Command::Pin(name),
        (":sql", Some(sql)) => match sql.split_once(char::is_whitespace) {
            Some(("source", sql)) => Command::Sql(Database::Source, sql.to_owned()),
            Some(("target", sql)) => Command::Sql(Database::Target, sql.to_owned()),
            _ => Command::Sql(Database::Source, sql),
        },
        (":show", given) => match on_or_off(given.as_deref()) {
            Some(on) => Command::Show(on),
            None => return Input::Unknown("`:show` is `:show on` or `:show off`".into()),
        },
        (":write", given) => match on_or_off(given.as_deref()) {
            Some(on) => Command::Write(on),
            None => return Input::Unknown("`:write` is `:write on` or `:write off`".into()),
        },
        (":help" | "\\?", name) => Command::Help(name),
        (":quit" | ":q" | "\\q", _) => Command::Quit,
        (":row", None) => return Input::Unknown("`:row` needs a key: `:row 4711`".into()),
        (":rows", None) => {
            return Input::Unknown("`:rows` needs a table: `:rows auth_user where id < 9`".into());
        }
        (":pin", None) => {
            return Input::Unknown(
                "`:pin` needs a name: `:pin an_orphan` writes `fn test_an_orphan()`".into(),
            );
        }
        (":sql", None) => {
            return Input::Unknown(
                "`:sql` needs a statement: `:sql select count(*) from auth_user`".into(),
            );
        }
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

/// Without a word it is on.
fn on_or_off(word: Option<&str>) -> Option<bool> {
    match word {
        None | Some("on") => Some(true),
        Some("off") => Some(false),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_expressions_are_told_apart() {
        assert_eq!(parse("  "), Input::Empty);
        assert_eq!(parse(" 1 + 1 "), Input::Script("1 + 1".into()));
        for (line, command) in [
            (":bad orphan", Command::Bad(Some("orphan".into()))),
            (":row [\"a b\", 1]", Command::Row("[\"a b\", 1]".into())),
            ("\\q", Command::Quit),
            ("\\d", Command::Tables),
            ("\\d auth_user", Command::Describe("auth_user".into())),
            ("\\?", Command::Help(None)),
            (":show off", Command::Show(false)),
            (":write", Command::Write(true)),
            (
                ":rows person where id = 1",
                Command::Rows("person".into(), "where id = 1".into()),
            ),
            (
                ":sql target select 1",
                Command::Sql(Database::Target, "select 1".into()),
            ),
            (
                ":sql select 1",
                Command::Sql(Database::Source, "select 1".into()),
            ),
        ] {
            assert_eq!(parse(line), Input::Command(command), "{line}");
        }
    }

    #[test]
    fn a_misspelt_command_is_corrected() {
        for (line, said) in [
            (
                ":realod",
                "there is no command `:realod`: did you mean `:reload`?",
            ),
            (
                ":frobnicate",
                "there is no command `:frobnicate`: `:help` lists the commands",
            ),
            (":row", "`:row` needs a key: `:row 4711`"),
            (":show me", "`:show` is `:show on` or `:show off`"),
        ] {
            assert_eq!(parse(line), Input::Unknown(said.to_owned()));
        }
    }

    #[test]
    fn every_listed_command_is_understood() {
        for (name, ..) in COMMANDS {
            let Input::Unknown(said) = parse(name) else {
                continue;
            };
            assert!(said.contains("needs"), "{said}");
        }
    }
}
