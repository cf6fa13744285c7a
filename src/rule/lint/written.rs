//! Literals that the target's columns refuse, and one finding where one change of the target shows in
//! several places.

use crate::catalog::{Column, Table};
use crate::diagnostic::{Diagnostic, Severity, did_you_mean};
use crate::script::Written;
use crate::value::{Logical, Scalar, fit};

/// What a literal is in a message: the author's own words, so it may be shown.
fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Null => "()".to_owned(),
        Scalar::Bool(truth) => truth.to_string(),
        Scalar::Int(number) => number.to_string(),
        Scalar::Decimal(number) => number.to_string(),
        Scalar::Text(text) => {
            let short: String = text.chars().take(40).collect();
            format!("\"{short}{}\"", if short == *text { "" } else { "…" })
        }
        _ => "this value".to_owned(),
    }
}

/// Literals that the column's type, length or labels refuse.
pub(super) fn misfits(literals: &[Written], table: &Table, problems: &mut Vec<Diagnostic>) {
    for literal in literals {
        let Some(column) = table.column(&literal.column) else {
            continue;
        };
        let Some(why) = refusal(&literal.value, column) else {
            continue;
        };
        let severity = if literal.is_certain {
            Severity::Error
        } else {
            Severity::Warning
        };
        let message = format!(
            "`{}` of `{}` does not take {}: {why}",
            column.name,
            table.name,
            shown(&literal.value)
        );
        let problem = Diagnostic::new(severity, message).at(literal.place.clone());
        problems.push(match (&column.logical, &literal.value) {
            (Logical::Enum(_, labels), Scalar::Text(text)) => {
                match did_you_mean(text, labels.iter().map(String::as_str)) {
                    Some(near) => problem.hint(format!("did you mean \"{near}\"?")),
                    None => problem.hint(format!("labels: {}", labels.join(", "))),
                }
            }
            _ => problem,
        });
    }
}

fn refusal(value: &Scalar, column: &Column) -> Option<String> {
    if matches!(value, Scalar::Null) {
        return column
            .not_null
            .then(|| "the column cannot be NULL".to_owned());
    }
    fit(value, &column.logical, &mut Vec::new())
        .err()
        .map(|misfit| {
            let bare = ["is ", "has ", "lies ", "ends "]
                .iter()
                .any(|verb| misfit.why.starts_with(verb));
            format!("{}{}", if bare { "it " } else { "" }, misfit.why)
        })
}

/// `x` of "`x` is not a column of `t`".
fn unknown(problem: &Diagnostic) -> Option<&str> {
    let (name, rest) = problem.message().strip_prefix('`')?.split_once('`')?;
    rest.starts_with(" is not a column of `").then_some(name)
}

/// `x` of "column `x` of `t` is never set: …".
fn unset(problem: &Diagnostic) -> Option<&str> {
    let (name, rest) = problem
        .message()
        .strip_prefix("column `")?
        .split_once('`')?;
    rest.contains(" is never set: ").then_some(name)
}

/// One finding per column that is not there, with its other places as notes; and a column that nobody
/// sets beside one that is not there is most likely the same one under another name.
pub(super) fn merge(problems: &mut Vec<Diagnostic>) {
    let mut merged: Vec<Diagnostic> = Vec::new();
    for problem in problems.drain(..) {
        let first = unknown(&problem)
            .and_then(|_| merged.iter_mut().find(|m| m.message() == problem.message()));
        match (first, problem.place()) {
            (Some(first), Some(place)) => {
                let note = format!("also in line {}", place.line);
                if !first.notes().contains(&note)
                    && first.place().map(|p| p.line) != Some(place.line)
                {
                    *first = first.clone().note(note);
                }
            }
            (Some(_), None) => {}
            (None, _) => merged.push(problem),
        }
    }
    let unknowns: Vec<String> = merged
        .iter()
        .filter_map(|p| unknown(p).map(ToOwned::to_owned))
        .collect();
    let unsets: Vec<String> = merged
        .iter()
        .filter_map(|p| unset(p).map(ToOwned::to_owned))
        .collect();
    for name in &unknowns {
        let near = did_you_mean(name, unsets.iter().map(String::as_str));
        let only = match (&unknowns[..], &unsets[..]) {
            ([_], [one]) => Some(one.as_str()),
            _ => None,
        };
        let Some(renamed) = near.or(only) else {
            continue;
        };
        merged.retain(|p| unset(p) != Some(renamed));
        for problem in &mut merged {
            if unknown(problem) == Some(name.as_str()) {
                *problem = problem.clone().note(format!(
                    "`{renamed}` is there instead, cannot be NULL and is never set"
                ));
            }
        }
    }
    *problems = merged;
}
