//! The engine's errors in a migration author's words: what, where, and what to do. Never a cell's value.

use rhai::{ASTNode, EvalAltResult, Expr, Position, Stmt};

use super::context::HostFault;
use super::literal::{self, line_column};
use super::trace::CALL_TIME_MAX;
use super::verdicts::WHY_CHARS_MAX;
use super::wording::Wording;
use super::{SourceText, compare, engine, missing, row};
use crate::diagnostic::{Diagnostic, Place};

/// What a script died of. `rule` is the file that was called, `files` are it and its libraries.
pub(super) fn runtime_problem(
    error: &EvalAltResult,
    rule: &SourceText,
    files: &[SourceText],
    wording: &Wording,
) -> Diagnostic {
    let mut frames: Vec<(&str, &SourceText, Position)> = Vec::new();
    let mut leaf = error;
    let mut file = rule;
    loop {
        match leaf {
            EvalAltResult::ErrorInFunctionCall(name, source, inner, position) => {
                frames.push((name, file, *position));
                file = files.iter().find(|f| f.path == *source).unwrap_or(file);
                leaf = inner;
            }
            EvalAltResult::ErrorInModule(_, inner, _) => leaf = inner,
            _ => break,
        }
    }
    let (line, column) = line_column(leaf.position());
    let mut problem = say(leaf, file, wording);
    problem = if line > 0 {
        problem.at(file.place(line, column))
    } else {
        problem.at(Place::file(file.path.clone()))
    };
    for (name, from, position) in frames.iter().rev() {
        let (line, column) = line_column(*position);
        if line > 0 && !name.starts_with("anon$") {
            problem = problem.note(format!(
                "in `{name}`, called from {}:{line}:{column}",
                from.path
            ));
        }
    }
    problem
}

fn say(error: &EvalAltResult, file: &SourceText, wording: &Wording) -> Diagnostic {
    use EvalAltResult as E;
    let position = error.position();
    match error {
        E::ErrorRuntime(value, _) => {
            if let Some(fault) = value.read_lock::<HostFault>() {
                let message = match null_operator(&fault.message) {
                    Some(op) => null_message(file, position, op),
                    None => fault.message.clone(),
                };
                let problem = fault.details.iter().fold(Diagnostic::error(message), |problem, detail| {
                    problem.note(detail.clone())
                });
                return match &fault.hint {
                    Some(hint) => problem.hint(hint.clone()),
                    None => problem,
                };
            }
            let thrown = wording.message(Some(&file.path), position, &value.to_string());
            let thrown: String = thrown.chars().take(WHY_CHARS_MAX).collect();
            Diagnostic::error(format!("the script threw: {thrown}"))
                .hint("`reject(code, why)` says that a row cannot go over; `throw` counts as a fault of the rule")
        }
        E::ErrorFunctionNotFound(signature, _) => missing::function(signature, file, position, wording),
        E::ErrorVariableNotFound(name, _) => match name.strip_prefix("global::") {
            Some(constant) => Diagnostic::error(format!("there is no constant `{constant}`"))
                .hint("a constant with a call in it is not known to functions: write its value"),
            None if engine::DATABASE_NAMES.contains(&name.as_str()) => {
                Diagnostic::error(format!("`{name}` is not known here: no database is asked while a row is judged"))
                    .hint("declare what the rule needs in `RULE.ids` and `RULE.lookups`; `before`, `after` and `run` may ask")
            }
            None => Diagnostic::error(format!("there is no variable `{name}`")),
        },
        E::ErrorModuleNotFound(name, _) => {
            Diagnostic::error(format!("there is no library `{name}`")).hint(format!(
                "shared functions lie in `lib/{name}.rhai` beside the rules"
            ))
        }
        E::ErrorPropertyNotFound(name, _) => {
            let name = wording.name(name);
            Diagnostic::error(format!("the map has no key `{name}`")).hint(format!(
                "for a key that may be absent use `map.get(\"{name}\")`, which gives `()`"
            ))
        }
        E::ErrorDotExpr(text, _) => dot_problem(text, wording),
        E::ErrorMismatchDataType(wanted, got, _) => mismatch(wanted, got, file, position),
        E::ErrorMismatchOutputType(wanted, got, _) => Diagnostic::error(format!(
            "{} was wanted here, this is {}",
            kind(wanted),
            kind(got)
        )),
        E::ErrorIndexingType(text, _) => {
            let what = kind(text.split([' ', '[']).next().unwrap_or_default());
            if what == "NULL" {
                return Diagnostic::error("NULL has no elements")
                    .hint("`x?[0]` gives `()` when `x` is NULL, or test `x == ()` first");
            }
            Diagnostic::error(format!("{what} cannot be indexed like this"))
        }
        // the engine's sentence ends with the numbers, or with the text in quotes
        E::ErrorArithmetic(text, _) => {
            let values = |c: char| matches!(c, ':' | '\'') || c.is_ascii_digit();
            let what = text.split(values).next().unwrap_or_default().trim();
            let what = if what.is_empty() { "out of range" } else { what };
            let problem = Diagnostic::error(format!("arithmetic: {}", what.to_lowercase()));
            if what.eq_ignore_ascii_case("division by zero") {
                problem.hint("test for 0 first, or `reject` the row")
            } else {
                problem
            }
        }
        E::ErrorArrayBounds(length, ..) => {
            Diagnostic::error(format!("the index is outside an array of {length}"))
                .hint("test `rows.len()` first")
        }
        E::ErrorStringBounds(..) => Diagnostic::error("the position is outside the text"),
        E::ErrorIndexNotFound(..) => Diagnostic::error("there is no such key")
            .hint("for a key that may be absent use `map.get(key)`, which gives `()`"),
        E::ErrorTooManyOperations(_) => Diagnostic::error(format!(
            "the script does not end: more than {} steps for one call",
            engine::OPERATIONS_MAX
        ))
        .hint("look for a loop that never breaks"),
        E::ErrorTerminated(..) => Diagnostic::error(format!(
            "the script does not end: more than {} s for one call",
            CALL_TIME_MAX.as_secs()
        ))
        .hint("look for large lists that are copied or compared in a loop"),
        E::ErrorStackOverflow(_) => Diagnostic::error(format!(
            "functions call one another more than {} levels deep",
            engine::CALL_LEVELS_MAX
        ))
        .hint("look for a function that calls itself without end"),
        E::ErrorDataTooLarge(what, _) => too_large(what),
        E::ErrorAssignmentToConstant(name, _) => {
            Diagnostic::error(format!("`{name}` cannot be changed"))
        }
        E::ErrorNonPureMethodCallOnConstant(name, _) => {
            Diagnostic::error(format!("`{name}` would change a constant"))
                .hint("copy it into a variable with `let` first")
        }
        E::ErrorUnboundThis(_) => Diagnostic::error("there is no `this` here")
            .hint("give the function a parameter instead"),
        E::ErrorDataRace(name, _) => Diagnostic::error(format!(
            "`{}` is changed while it is being used",
            wording.name(name.split('\'').nth(1).unwrap_or(name))
        ))
        .hint("a closure changes what its caller is working on: copy it into another variable first"),
        E::ErrorFor(_) => Diagnostic::error("`for` needs a list or a range")
            .hint("when it may be NULL: `for x in list ?? [] { … }`"),
        E::ErrorParsing(what, _) => Diagnostic::error(what.to_string()),
        E::ErrorVariableExists(name, _) => {
            Diagnostic::error(format!("there is already a variable `{name}`"))
        }
        _ => Diagnostic::error("the script failed"),
    }
}

/// The engine says "Length of string", "Size of array/BLOB", "Size of object map".
fn too_large(what: &str) -> Diagnostic {
    let limit = if what.contains("string") {
        format!("a text grew beyond {} KiB", row::VALUE_BYTES_MAX / 1024)
    } else if what.contains("array") {
        format!("a list grew beyond {} elements", engine::ARRAY_LENGTH_MAX)
    } else if what.contains("map") {
        format!("a map grew beyond {} keys", engine::MAP_KEYS_MAX)
    } else {
        format!("a value grew beyond the limit ({})", what.to_lowercase())
    };
    Diagnostic::error(limit)
        .hint("look for a loop that adds to it without end; copied columns have no such limit")
}

fn null_operator(message: &str) -> Option<&str> {
    let op = message.strip_prefix("NULL in `")?.strip_suffix('`')?;
    (compare::null_in(op) == message).then_some(op)
}

pub(super) fn null_message(file: &SourceText, position: Position, op: &str) -> String {
    match null_column(file, position, op) {
        Some(column) => format!("NULL in `{op}`: column `{column}` is empty in this row"),
        None => compare::null_in(op),
    }
}

fn dot_problem(text: &str, wording: &Wording) -> Diagnostic {
    let name = wording.name(text.split('\'').nth(1).unwrap_or_default());
    if text.contains("type '()'") || text.contains("of ()") {
        return Diagnostic::error(format!("`.{name}` of NULL"))
            .hint("`x?.name` gives `()` when `x` is NULL, or test `x == ()` first");
    }
    if text.contains("'row'") {
        return Diagnostic::error("a row cannot be changed")
            .hint("return a map of the target's columns instead");
    }
    Diagnostic::error(format!("there is no property `{name}` here"))
}

fn mismatch(wanted: &str, got: &str, file: &SourceText, position: Position) -> Diagnostic {
    let (wanted, got) = (kind(wanted), kind(got));
    if got == "NULL" {
        let message = match null_column(file, position, "") {
            Some(column) => format!("{wanted} was wanted, column `{column}` is empty in this row"),
            None => format!("{wanted} was wanted, this is NULL"),
        };
        return Diagnostic::error(message)
            .hint("test for it first, `if x == () { … }`, or give a value for it, `x ?? false`");
    }
    Diagnostic::error(format!("{wanted} was wanted, this is {got}"))
}

/// A type in the words of the documentation.
pub(super) fn kind(name: &str) -> String {
    match name.trim() {
        "()" => "NULL".to_owned(),
        "i64" => "int".to_owned(),
        "bool" => "true or false".to_owned(),
        "decimal" => "decimal".to_owned(),
        "Fn" => "a function".to_owned(),
        text if text.contains("str") || text.contains("String") => "text".to_owned(),
        other => other.rsplit("::").next().unwrap_or(other).to_lowercase(),
    }
}

/// The `row.column` that a call at `position` has among its arguments, when it has exactly one that
/// could be meant.
pub(super) fn null_column(file: &SourceText, position: Position, name: &str) -> Option<String> {
    let ast = literal::plain_ast(file).ok()?;
    let mut found: Vec<String> = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) if *at == position => {
                found.extend(call.args.iter().filter_map(property));
            }
            Some(ASTNode::Expr(expr @ Expr::Dot(chain, ..))) => match &chain.rhs {
                // row.name.lower()
                Expr::MethodCall(call, at) if *at == position && call.name.as_str() == name => {
                    found.extend(property(&chain.lhs));
                }
                Expr::Dot(rest, ..) if matches!(&rest.rhs, Expr::MethodCall(_, at) if *at == position) => {
                    found.extend(own_property(&rest.lhs));
                }
                _ if name.is_empty() && stands_at(expr, position) => found.extend(property(expr)),
                _ => {}
            },
            _ => {}
        }
        true
    });
    found.dedup();
    match &found[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// The engine names an expression by its start, its dot or its last word.
fn stands_at(expr: &Expr, position: Position) -> bool {
    let last = match expr {
        Expr::Dot(chain, ..) => chain.rhs.position(),
        other => other.position(),
    };
    [expr.start_position(), expr.position(), last].contains(&position)
}

/// `column` of `row.column`.
fn property(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Dot(chain, ..) if matches!(chain.lhs, Expr::Variable(..)) => own_property(&chain.rhs),
        _ => None,
    }
}

fn own_property(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Property(property, _) => Some(property.2.to_string()),
        _ => None,
    }
}
