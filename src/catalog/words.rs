//! The words of a piece of SQL, as far as names and signs go.

/// A word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// A name or keyword; lower-case unless it was quoted.
    Name(String),
    /// Anything else that is one sign.
    Sign(char),
}

/// Names and signs, without comments. Texts are left out, unless SQL is composed of them (`execute`).
pub fn words(sql: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut texts = Vec::new();
    split(sql, &mut words, &mut texts);
    if words.contains(&Word::Name("execute".to_owned())) {
        for text in texts {
            words.push(Word::Sign(';'));
            split(&text, &mut words, &mut Vec::new());
        }
    }
    words
}

fn split(sql: &str, words: &mut Vec<Word>, texts: &mut Vec<String>) {
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, tail)| tail);
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/").map_or("", |(_, tail)| tail);
        } else if first == '\'' || first == '"' {
            let (text, tail) = quoted(&rest[1..], first);
            rest = tail;
            if first == '"' {
                words.push(Word::Name(text));
            } else {
                texts.push(text);
            }
        } else if first == '$'
            && let Some((text, tail)) = dollars(rest)
        {
            texts.push(text.to_owned());
            rest = tail;
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            words.push(Word::Name(rest[..end].to_lowercase()));
            rest = &rest[end..];
        } else {
            if !first.is_whitespace() {
                words.push(Word::Sign(first));
            }
            rest = &rest[first.len_utf8()..];
        }
    }
}

/// A text up to `quote`, which is doubled inside, and what follows.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut out = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return (out, &text[at + quote.len_utf8()..]);
        }
        out.push(letter);
    }
    (out, "")
}

/// `$tag$ … $tag$` and what follows.
fn dollars(text: &str) -> Option<(&str, &str)> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[..end];
    if !tag[1..end - 1]
        .chars()
        .all(|c| c.is_alphanumeric() || c == '_')
    {
        return None;
    }
    text[end..].split_once(tag)
}
