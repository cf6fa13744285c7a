//! A typed line in colours.

use crate::script::{FUNCTIONS, tokens};

/// Words of the language.
const KEYWORDS: [&str; 24] = [
    "let", "const", "if", "else", "switch", "for", "in", "while", "loop", "do", "until", "break",
    "continue", "return", "throw", "try", "catch", "fn", "private", "this", "true", "false",
    "global", "is",
];

/// The line with escape sequences around what has a colour; its characters stay as they are.
pub(super) fn coloured(line: &str) -> String {
    if line.trim_start().starts_with([':', '\\']) {
        let end = line.trim_start().find(char::is_whitespace);
        let end = end.map_or(line.len(), |end| line.len() - line.trim_start().len() + end);
        return format!("\x1b[1;36m{}\x1b[0m{}", &line[..end], &line[end..]);
    }
    let mut out = String::with_capacity(line.len() * 2);
    let mut rest = line;
    for token in tokens(line) {
        // what lies between two tokens is layout or a comment
        let Some(at) = rest.find(&token.text) else {
            continue;
        };
        paint_between(&rest[..at], &mut out);
        rest = &rest[at + token.text.len()..];
        let is_call = rest.trim_start().starts_with('(');
        match colour(&token.text, is_call) {
            Some(colour) => out.push_str(&format!("\x1b[{colour}m{}\x1b[0m", token.text)),
            None => out.push_str(&token.text),
        }
    }
    paint_between(rest, &mut out);
    out
}

fn paint_between(text: &str, out: &mut String) {
    if text.trim().is_empty() {
        out.push_str(text);
    } else {
        out.push_str(&format!("\x1b[90m{text}\x1b[0m"));
    }
}

fn colour(token: &str, is_call: bool) -> Option<&'static str> {
    let first = token.chars().next()?;
    if matches!(first, '"' | '\'' | '`') || token.starts_with("#\"") {
        Some("32")
    } else if first.is_ascii_digit() {
        Some("33")
    } else if KEYWORDS.contains(&token) {
        Some("35")
    } else if is_call
        && FUNCTIONS
            .iter()
            .any(|f| f.name.rsplit('.').next() == Some(token))
    {
        Some("34")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_character() {
        for line in [
            "let x = id_of(\"orders\", row.id) + 12; // why",
            ":rows person where id = 1",
            "`a ${b}` /* open",
            "é + \"ü",
            "x.x(x)",
            "",
        ] {
            let mut plain = String::new();
            let mut rest = coloured(line);
            while let Some(at) = rest.find("\x1b[") {
                plain.push_str(&rest[..at]);
                let end = rest[at..].find('m').expect("an end") + at + 1;
                rest = rest[end..].to_owned();
            }
            assert_eq!(format!("{plain}{rest}"), line);
        }
    }

    #[test]
    fn words_texts_and_numbers_have_colours() {
        let line = coloured("if id_of(\"a\") == 1 { }");
        for part in [
            "\x1b[35mif\x1b[0m",
            "\x1b[34mid_of\x1b[0m",
            "\x1b[32m\"a\"\x1b[0m",
            "\x1b[33m1\x1b[0m",
        ] {
            assert!(line.contains(part), "{line:?}");
        }
    }
}
