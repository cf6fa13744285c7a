//! A call that nothing answers: what was meant, and what the author can do.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::LazyLock;

use rhai::Position;

use super::fault::{kind, null_column, null_message};
use super::wording::Wording;
use super::{FUNCTIONS, SourceText, engine};
use crate::diagnostic::{Diagnostic, did_you_mean};

/// What other languages call it → what it is here.
const FAMILIAR: [(&str, &str); 14] = [
    ("date", "date_in(timestamp, zone)"),
    ("to_date", "date_in(timestamp, zone)"),
    ("decimal", "dec(text)"),
    ("number", "dec(text)"),
    ("to_decimal", "dec(text)"),
    ("to_number", "dec(text)"),
    ("from_json", "parse_json(text)"),
    ("json", "parse_json(text)"),
    ("round", "round_half_up(number, places)"),
    ("strip", "text.trim()"),
    ("substring", "text.first(n)"),
    ("to_text", "value.to_string()"),
    ("lookup_id", "id_of(table, legacy_key)"),
    ("error", "reject(code, why)"),
];

/// Functions that the language itself brings.
static BUILT_IN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let signatures = engine::bare(&Rc::default()).gen_fn_signatures(true);
    let name = |signature: &String| {
        signature
            .split('(')
            .next()
            .map(str::trim)
            .map(str::to_owned)
    };
    signatures
        .iter()
        .filter_map(name)
        .filter(|name| is_word(name))
        .collect()
});

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// `signature` is the engine's: `name (type, type)`.
pub(super) fn function(
    signature: &str,
    file: &SourceText,
    position: Position,
    wording: &Wording,
) -> Diagnostic {
    let (name, types) = signature.split_once(" (").unwrap_or((signature, ")"));
    let types = types.strip_suffix(')').unwrap_or(types);
    let kinds: Vec<String> = if types.is_empty() {
        vec![]
    } else {
        types.split(", ").map(kind).collect()
    };
    let base = name.rsplit("::").next().unwrap_or(name);
    // `Fn(x)` may name a function by a value of the row
    let name = if !is_word(name) || wording.name(base) == base {
        name
    } else {
        wording.name(base)
    };
    if kinds.iter().any(|kind| kind == "NULL") {
        return with_null(name, file, position);
    }
    if !is_word(name) {
        return Diagnostic::error(format!("`{name}` does not work on {}", kinds.join(" and ")));
    }
    if BUILT_IN.contains(base) && !FUNCTIONS.iter().any(|function| function.name == base) {
        return Diagnostic::error(format!("`{name}` does not work on {}", kinds.join(", ")));
    }
    let problem = Diagnostic::error(format!(
        "there is no function `{name}({})`",
        kinds.join(", ")
    ));
    if let Some((_, here)) = FAMILIAR.iter().find(|(familiar, _)| *familiar == base) {
        return problem.hint(format!("here it is `{here}`"));
    }
    if let Some(function) = FUNCTIONS.iter().find(|function| function.name == base) {
        return problem.hint(format!("it is `{}`", function.signature));
    }
    let known = FUNCTIONS.iter().map(|function| function.name);
    match did_you_mean(base, known.chain(BUILT_IN.iter().map(String::as_str))) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

fn with_null(name: &str, file: &SourceText, position: Position) -> Diagnostic {
    // the engine's own name of the operator
    let operator = (name == "contains" && stands(file, position, "in")).then_some("in");
    let message = if let Some(operator) = operator {
        null_message(file, position, operator)
    } else if is_word(name) {
        match null_column(file, position, name) {
            Some(column) => {
                format!("`{name}` was called with NULL: column `{column}` is empty in this row")
            }
            None => format!("`{name}` was called with NULL"),
        }
    } else {
        null_message(file, position, name)
    };
    let instead = match operator.unwrap_or(name) {
        "!" => "x ?? false",
        "in" => "x ?? []",
        _ => "x ?? \"\"",
    };
    Diagnostic::error(message).hint(format!(
        "test for it first, `if x == () {{ … }}`, or give a value for it, `{instead}`"
    ))
}

/// Whether a word stands at this place of a file.
fn stands(file: &SourceText, position: Position, word: &str) -> bool {
    let (line, column) = super::literal::line_column(position);
    let text = file.text.lines().nth(line.saturating_sub(1));
    text.is_some_and(|text| {
        let rest: String = text.chars().skip(column.saturating_sub(1)).collect();
        rest.starts_with(word)
    })
}
