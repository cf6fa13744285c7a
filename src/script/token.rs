//! A file as a stream of tokens, for fingerprints: no comments, no layout.

/// One token. An opening and its closing bracket have the depth of what surrounds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its characters; texts with their quotes.
    pub text: String,
    /// Brackets that are open around it.
    pub depth: usize,
}

/// Cuts a script into tokens. Works on any text, also on one that does not compile.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut depth: usize = 0;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        } else if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        } else if rest.starts_with("/*") {
            rest = &rest[block_comment(rest)..];
            continue;
        } else {
            token_length(rest, first)
        };
        let (token, tail) = rest.split_at(length);
        rest = tail;
        let closes = matches!(token, "}" | "]" | ")");
        if closes {
            depth = depth.saturating_sub(1);
        }
        out.push(Token {
            text: token.to_owned(),
            depth,
        });
        if matches!(token, "{" | "[" | "(" | "#{") {
            depth += 1;
        }
    }
    out
}

fn token_length(rest: &str, first: char) -> usize {
    match first {
        '"' | '\'' => quoted(rest, first),
        '`' => template(rest),
        '#' if rest.starts_with("#{") => 2,
        '#' if raw_hashes(rest) > 0 => raw(rest, raw_hashes(rest)),
        c if c.is_alphanumeric() || c == '_' => rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len()),
        c => c.len_utf8(),
    }
}

/// Number of `#` when this begins a raw text `#"…"#`.
fn raw_hashes(rest: &str) -> usize {
    let hashes = rest.bytes().take_while(|b| *b == b'#').count();
    if rest[hashes..].starts_with('"') {
        hashes
    } else {
        0
    }
}

fn raw(rest: &str, hashes: usize) -> usize {
    let end = format!("\"{}", "#".repeat(hashes));
    rest[hashes + 1..]
        .find(&end)
        .map_or(rest.len(), |at| hashes + 1 + at + end.len())
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// A back-tick text with its `${…}` parts, which may hold texts and back-ticks of their own.
fn template(rest: &str) -> usize {
    let mut at = 1;
    while let Some(c) = rest[at..].chars().next() {
        if c == '`' {
            return at + 1;
        }
        if rest[at..].starts_with("${") {
            at += 2 + code_block(&rest[at + 2..]);
        } else {
            at += c.len_utf8();
        }
    }
    rest.len()
}

/// Length up to and with the `}` that closes a block already open.
fn code_block(rest: &str) -> usize {
    let mut at = 0;
    let mut open = 1;
    while let Some(c) = rest[at..].chars().next() {
        let tail = &rest[at..];
        at += match c {
            _ if tail.starts_with("/*") => block_comment(tail),
            _ if tail.starts_with("//") => tail.find('\n').unwrap_or(tail.len()),
            _ => token_length(tail, c),
        };
        match c {
            '{' => open += 1,
            '#' if tail.starts_with("#{") => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at;
        }
    }
    rest.len()
}

/// Rhai's block comments nest.
fn block_comment(rest: &str) -> usize {
    let mut at = 2;
    let mut open = 1;
    while let Some(c) = rest[at..].chars().next() {
        if rest[at..].starts_with("/*") {
            open += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return at;
            }
        } else {
            at += c.len_utf8();
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn comments_and_layout_do_not_count() {
        let one = texts("fn a(x) { // say\n  x + 1 /* a /* nested */ one */ }");
        assert_eq!(one, texts("fn a(x){x+1}"));
    }

    #[test]
    fn what_looks_like_a_comment_inside_a_text_counts() {
        assert_eq!(
            texts(r#"a("//x", 'c', "\"//")"#),
            ["a", "(", "\"//x\"", ",", "'c'", ",", r#""\"//""#, ")"]
        );
        assert_eq!(
            texts("`a // ${ b(\"}\") + `in` } c` + d"),
            ["`a // ${ b(\"}\") + `in` } c`", "+", "d"]
        );
        assert_eq!(texts("#\"raw \"// x\"# y"), ["#\"raw \"// x\"#", "y"]);
    }

    #[test]
    fn unfinished_input_ends() {
        for text in ["\"abc", "`a ${ b", "/* open", "#\"x", "`${"] {
            assert!(tokens(text).len() <= 2, "{text}");
        }
    }
}
