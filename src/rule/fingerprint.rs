//! What a rule is, as two hashes over its tokens: comments and layout do not count.

use super::Fingerprints;
use crate::script::{self, SourceText, Token};
use sha2::{Digest, Sha256};

/// Header keys that judge the outcome and decide no row.
const GATE_KEYS: [&str; 5] = ["expect", "reconcile", "public", "fix", "tests"];

/// Fingerprints of a rule and of the libraries it reaches.
pub(super) fn of(source: &SourceText, libs: &[SourceText]) -> Fingerprints {
    let mut transform = Sha256::new();
    let mut gate = Sha256::new();
    for file in std::iter::once(source).chain(libs) {
        if file.path != source.path {
            transform.update(format!("lib {}:{}", file.stem().len(), file.stem()));
        }
        let tokens = script::tokens(&file.text);
        // what a library offers may be asked from anywhere
        let idle = if file.path == source.path {
            idle(&tokens, libs)
        } else {
            vec![]
        };
        let (judging, deciding): (Vec<_>, Vec<_>) = parts(&tokens, &idle)
            .into_iter()
            .partition(|(is_gate, _)| *is_gate);
        feed(&mut gate, judging.into_iter().flat_map(|(_, part)| part));
        feed(
            &mut transform,
            deciding.into_iter().flat_map(|(_, part)| part),
        );
    }
    Fingerprints {
        transform: hex(&transform.finalize()),
        gate: hex(&gate.finalize()),
    }
}

/// Each token with its length in front, so that no two streams differ only in where they are cut. A
/// comma before a closing bracket says nothing.
fn feed<'t>(hash: &mut Sha256, tokens: impl Iterator<Item = &'t Token>) {
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        let closes = tokens
            .peek()
            .is_some_and(|next| matches!(next.text.as_str(), "}" | "]" | ")"));
        if token.text == "," && closes {
            continue;
        }
        hash.update(format!("{}:", token.text.len()));
        hash.update(token.text.as_bytes());
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Where a run begins to read a rule.
const ROOTS: [&str; 7] = [
    "RULE",
    "transform",
    "validate",
    "profile",
    "before",
    "after",
    "run",
];

/// Functions and constants of a rule that no run reaches: what tests are made of. A name counts as
/// reached wherever it is written, so a rule is rather too careful than wrong.
fn idle(tokens: &[Token], libs: &[SourceText]) -> Vec<(usize, usize)> {
    let mut items: Vec<(usize, usize)> = (0..tokens.len())
        .filter_map(|at| Some((at, item(tokens, at)?)))
        .collect();
    let name = |at: usize| tokens[at + 1].text.as_str();
    // libraries see the rule's constants, and nothing else of it
    let of_libs: Vec<Token> = libs
        .iter()
        .flat_map(|lib| script::tokens(&lib.text))
        .collect();
    let is_root = |at: usize| {
        let is_constant = tokens[at].text == "const";
        ROOTS.contains(&name(at)) || is_constant && names(&of_libs, name(at))
    };
    let mut open: Vec<(usize, usize)> = items.extract_if(.., |(at, _)| is_root(*at)).collect();
    while let Some((start, end)) = open.pop() {
        let body = &tokens[start + 2..end];
        open.extend(items.extract_if(.., |(at, _)| names(body, name(*at))));
    }
    items
}

/// Whether the tokens name it, be it as a text or in the middle of a template.
fn names(tokens: &[Token], name: &str) -> bool {
    tokens.iter().any(|token| {
        token.text.trim_matches(['"', '\'']) == name
            || token.text.starts_with('`') && token.text.contains(name)
    })
}

/// Where the function or constant that begins here at top level ends.
fn item(tokens: &[Token], at: usize) -> Option<usize> {
    tokens.get(at + 1)?;
    if tokens[at].depth > 0 {
        return None;
    }
    let closing = match tokens[at].text.as_str() {
        "fn" => "}",
        "const" => ";",
        _ => return None,
    };
    (at + 2..tokens.len())
        .find(|i| tokens[*i].text == closing && tokens[*i].depth == 0)
        .map(|end| end + 1)
}

/// Cuts a file into stretches that belong to the gate (what only tests use, gate keys of `RULE`) or not.
fn parts<'t>(tokens: &'t [Token], idle: &[(usize, usize)]) -> Vec<(bool, &'t [Token])> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while at < tokens.len() {
        let unused = idle.iter().find(|(start, _)| *start == at);
        let end = unused
            .map(|(_, end)| *end)
            .or_else(|| test_function(tokens, at))
            .or_else(|| gate_entry(tokens, at));
        if let Some(end) = end {
            out.push((false, &tokens[start..at]));
            out.push((true, &tokens[at..end]));
            (start, at) = (end, end);
        } else {
            at += 1;
        }
    }
    out.push((false, &tokens[start..]));
    out.retain(|(_, part)| !part.is_empty());
    out
}

/// `fn test_x() { … }` at top level ends here.
fn test_function(tokens: &[Token], at: usize) -> Option<usize> {
    let is_test = tokens[at].depth == 0
        && tokens[at].text == "fn"
        && tokens
            .get(at + 1)
            .is_some_and(|t| t.text.starts_with("test_"));
    if !is_test {
        return None;
    }
    let body = (at..tokens.len()).find(|i| tokens[*i].text == "{" && tokens[*i].depth == 0)?;
    let end = (body + 1..tokens.len()).find(|i| tokens[*i].text == "}" && tokens[*i].depth == 0)?;
    Some(end + 1)
}

/// `expect: …,` directly in `const RULE = #{ … }` ends here.
fn gate_entry(tokens: &[Token], at: usize) -> Option<usize> {
    let is_gate = tokens[at].depth == 1
        && GATE_KEYS.contains(&tokens[at].text.trim_matches('"'))
        && tokens.get(at + 1).is_some_and(|t| t.text == ":")
        && in_rule(tokens, at);
    if !is_gate {
        return None;
    }
    let end = (at..tokens.len())
        .find(|i| (tokens[*i].text == "," && tokens[*i].depth == 1) || tokens[*i].depth == 0)?;
    Some(if tokens[end].text == "," {
        end + 1
    } else {
        end
    })
}

fn in_rule(tokens: &[Token], at: usize) -> bool {
    let Some(open) = (0..at).rev().find(|i| tokens[*i].depth == 0) else {
        return false;
    };
    open >= 3
        && tokens[open].text == "#{"
        && tokens[open - 2].text == "RULE"
        && tokens[open - 3].text == "const"
}
