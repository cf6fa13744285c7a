//! The two streams. Data goes to stdout, everything else to stderr; a reader that went away is no error.

use std::io::{IsTerminal, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::cli::exit::{Exit, Failure};
use crate::config;
use crate::diagnostic::{Diagnostic, Severity};
pub(super) use crate::report::{thousands, visible as printable};

/// What a command answers: printed once, at its end.
#[derive(Debug)]
pub(super) struct Answer {
    /// How the program ends.
    pub(super) exit: Exit,
    /// For people.
    pub(super) text: String,
    /// For programs (`--json`).
    pub(super) json: Value,
}

impl Answer {
    /// An answer of a command that did its work.
    pub(super) fn done(text: impl Into<String>, json: Value) -> Self {
        Self {
            exit: Exit::Done,
            text: text.into(),
            json,
        }
    }
}

/// Prints an answer or a failure and returns the code to end with.
pub(super) fn finish(result: Result<Answer, Failure>, json: bool) -> u8 {
    match result {
        Ok(answer) => {
            if json {
                out(&format!("{:#}\n", answer.json));
            } else {
                out(&with_newline(answer.text));
            }
            answer.exit.code()
        }
        Err(failure) => {
            if json {
                out(&format!("{:#}\n", failure.to_json()));
            } else {
                for problem in &failure.problems {
                    tell(problem);
                }
            }
            failure.exit.code()
        }
    }
}

fn with_newline(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Writes data. Errors are dropped: a pipe that was closed is a reader that has seen enough.
pub(super) fn out(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Writes a line that is not data.
pub(super) fn aside(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Shows a problem with its excerpt and hints.
pub(super) fn tell(problem: &Diagnostic) {
    let text = printable(&problem.to_string());
    aside(&if colours() {
        paint(problem.severity(), &text)
    } else {
        text
    });
}

/// Characters on a line of the terminal; `None` when stdout is none.
pub(super) fn width() -> Option<usize> {
    let columns = Table::new()
        .width()
        .filter(|_| std::io::stdout().is_terminal());
    columns.map(usize::from)
}

/// Stderr is a terminal that wants colours.
pub(super) fn colours() -> bool {
    std::io::stderr().is_terminal() && !config::no_color()
}

fn paint(severity: Severity, text: &str) -> String {
    let colour = match severity {
        Severity::Error => "31",
        Severity::Warning | Severity::Hazard => "33",
        Severity::Note => "36",
    };
    let word = severity.word();
    match text.strip_prefix(word) {
        Some(rest) => format!("\x1b[1;{colour}m{word}\x1b[0m{rest}"),
        None => text.to_owned(),
    }
}

/// A table without lines; columns named in `numbers` are aligned right.
pub(super) fn table(
    head: &[&str],
    numbers: &[usize],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.to_vec());
    for row in rows {
        table.add_row(
            row.iter()
                .map(|cell| printable(&cell.replace(['\n', '\t'], " "))),
        );
    }
    for column in numbers {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    text.lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Two columns without a head: names and what belongs to them.
pub(super) fn plain(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let text = table(&["", ""], &[], rows);
    text.split_once('\n')
        .map_or_else(String::new, |(_, rest)| rest.to_owned())
}

/// At most `most` characters.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// `4 s`, `3 min`, `1 h 20 min`
pub(super) fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Commands in a text, as `runner status`, with the options that this one was given, so that they can be
/// pasted.
pub(super) fn pasteable(text: &str, options: &str) -> String {
    if options.is_empty() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("`runner ") {
        let Some((command, tail)) = after.split_once('`') else {
            break;
        };
        out.push_str(&format!("{before}`runner {command}{options}`"));
        rest = tail;
    }
    out + rest
}

/// `1 row`, `2 rows`
pub(super) fn count(number: i64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, -1_234_567].map(thousands),
            ["0", "999", "1,000", "-1,234,567"]
        );
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(1200, "row"), "1,200 rows");
    }

    #[test]
    fn a_printed_command_keeps_the_options() {
        let text = "do `runner status`, then `x` and `runner plan`";
        assert_eq!(pasteable(text, ""), text);
        assert_eq!(
            pasteable(text, " --env-file a/.env"),
            "do `runner status --env-file a/.env`, then `x` and `runner plan --env-file a/.env`"
        );
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(
            [4.4, 200.0, 4800.0].map(span),
            ["4 s", "3 min", "1 h 20 min"]
        );
    }

    #[test]
    fn a_hostile_key_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
    }

    #[test]
    fn columns_line_up() {
        let text = table(
            &["rule", "rows"],
            &[1],
            [
                vec!["a".into(), "1,000".into()],
                vec!["long".into(), "2".into()],
            ],
        );
        assert_eq!(text, "rule   rows\na     1,000\nlong      2\n");
    }
}
