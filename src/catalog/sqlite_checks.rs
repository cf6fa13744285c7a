//! CHECK constraints of an embedded database. No pragma lists them: they are read from the text of
//! CREATE TABLE, which SQLite keeps as it was written.

use super::Check;

/// The checks of a table, of its columns and of the whole, in the order of the text. One without a name
/// is named after the table and its place, as another server would do.
pub(super) fn checks(create: &str, table: &str) -> Vec<Check> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    let mut rest = create;
    while let Some((piece, after)) = next(rest) {
        rest = after;
        if piece == "("
            && words
                .last()
                .is_some_and(|word: &&str| word.eq_ignore_ascii_case("check"))
        {
            let Some(end) = closing(rest) else { break };
            let name = match words.as_slice() {
                [.., constraint, name, _] if constraint.eq_ignore_ascii_case("constraint") => {
                    name.trim_matches(['"', '`', '[', ']']).to_owned()
                }
                _ => format!("{table}_check{}", found.len() + 1),
            };
            found.push(Check {
                name,
                expression: rest[..end].trim().to_owned(),
            });
            rest = &rest[end..];
        }
        words.push(piece);
    }
    found
}

/// The bytes up to the bracket that closes what is open already.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    let mut rest = text;
    while let Some((piece, after)) = next(rest) {
        match piece {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(text.len() - after.len() - piece.len());
        }
        rest = after;
    }
    None
}

/// The next word, quoted text or sign, and what follows it. Blanks and comments are passed over.
fn next(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    let comment = [("--", "\n"), ("/*", "*/")]
        .into_iter()
        .find(|(begin, _)| text.starts_with(begin));
    if let Some((_, end)) = comment {
        return next(text.find(end).map_or("", |at| &text[at + end.len()..]));
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = match first {
        '\'' | '"' | '`' => quoted(text, first),
        '[' => text.find(']').map_or(text.len(), |at| at + 1),
        c if is_word(c) => text.find(|c| !is_word(c)).unwrap_or(text.len()),
        c => c.len_utf8(),
    };
    Some(text.split_at(length))
}

/// The length of a text in quotes; a doubled quote stands for itself.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_found_wherever_they_stand() {
        let create = "create table \"check (t)\" (\n  id uuid primary key, -- check (no)\n  \
            kind text check (kind in ('it''s)', \"x\")), /* check (neither) */\n  n int CONSTRAINT [some n] Check\n((n) > 0), \
            checked int default (1),\n  constraint whole check (n < 5 and length(kind) > (1)))";
        let found: Vec<(String, String)> = checks(create, "t")
            .into_iter()
            .map(|check| (check.name, check.expression))
            .collect();
        let pair = |name: &str, expression: &str| (name.to_owned(), expression.to_owned());
        assert_eq!(
            found,
            [
                pair("t_check1", "kind in ('it''s)', \"x\")"),
                pair("some n", "(n) > 0"),
                pair("whole", "n < 5 and length(kind) > (1)"),
            ]
        );
    }

    #[test]
    fn a_text_that_ends_early_is_no_loop() {
        for create in [
            "",
            "create table t (a check (",
            "create table t (a check ('x",
        ] {
            assert!(checks(create, "t").is_empty(), "{create}");
        }
    }
}
