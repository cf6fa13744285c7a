//! Columns: what is read from the row, and what is returned for the target.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::{Body, Facts, Found, at, functions, suggest};
use crate::diagnostic::{Diagnostic, Severity};
use crate::script::{SourceText, literal};
use crate::value::Logical;

pub(super) fn check(ast: &AST, file: &SourceText, facts: &Facts, found: &mut Found) {
    let bodies = functions(ast);
    if let Some(columns) = &facts.row {
        for (definition, row) in row_users(&bodies) {
            reads(definition, &row, columns, file, found);
        }
        samples(ast, columns, file, found);
    }
    if facts.target.is_some()
        && let Some(definition) = bodies
            .iter()
            .find(|f| f.name == "transform" && f.params.len() == 1)
    {
        returns(definition, file, facts, found);
    }
}

/// Functions that get the row, with the name of that parameter: `transform` and what it hands it to.
fn row_users(bodies: &[Body]) -> Vec<(&Body, String)> {
    let mut out: Vec<(&Body, String)> = Vec::new();
    let mut open: Vec<(String, usize, usize)> = vec![("transform".to_owned(), 1, 0)];
    while let Some((name, count, index)) = open.pop() {
        let Some(definition) = bodies
            .iter()
            .find(|f| f.name == name && f.params.len() == count)
        else {
            continue;
        };
        let row = definition.params[index].clone();
        if out
            .iter()
            .any(|(d, r)| d.name == definition.name && *r == row)
        {
            continue;
        }
        each_node(definition, &mut |node| {
            let (ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) =
                node
            else {
                return;
            };
            for (at, argument) in call.args.iter().enumerate() {
                if call.namespace.is_empty() && is_variable(argument, &row) {
                    open.push((call.name.to_string(), call.args.len(), at));
                }
            }
        });
        out.push((definition, row));
    }
    out
}

fn reads(
    definition: &Body,
    row: &str,
    columns: &[(String, Logical)],
    file: &SourceText,
    found: &mut Found,
) {
    each_node(definition, &mut |node| {
        if let ASTNode::Expr(expr) = node
            && let Some((name, position)) = column_of(expr, row)
            && !columns.iter().any(|(column, _)| column == name)
        {
            let problem = Diagnostic::error(format!("column `{name}` is not in the row"));
            let known = columns.iter().map(|(column, _)| column.as_str());
            found
                .problems
                .push(at(suggest(problem, name, known, "columns"), file, position));
        }
        if let ASTNode::Expr(Expr::FnCall(call, position))
        | ASTNode::Stmt(Stmt::FnCall(call, position)) = node
        {
            arithmetic(call, *position, row, columns, file, found);
        }
    });
}

/// Floats in arithmetic, and whole numbers divided by whole numbers.
fn arithmetic(
    call: &FnCallExpr,
    position: Position,
    row: &str,
    columns: &[(String, Logical)],
    file: &SourceText,
    found: &mut Found,
) {
    let operator = call.name.as_str();
    if !matches!(
        operator,
        "+" | "-" | "*" | "/" | "%" | "<" | ">" | "<=" | ">="
    ) || call.args.len() != 2
    {
        return;
    }
    let logical = |expr: &Expr| {
        let (name, _) = column_of(expr, row)?;
        columns
            .iter()
            .find(|(column, _)| column == name)
            .map(|(_, logical)| (name.to_owned(), logical.clone()))
    };
    for (name, logical) in call.args.iter().filter_map(logical) {
        if matches!(logical, Logical::Float4 | Logical::Float8) {
            let problem = Diagnostic::error(format!(
                "column `{name}` ({logical}) in `{operator}`: a float is not exact"
            ));
            let problem = problem.hint(format!(
                "say so with `{row}.{name}.to_decimal()`, or copy the column"
            ));
            found.problems.push(at(problem, file, position));
        }
    }
    let is_whole = |expr: &Expr| {
        matches!(expr, Expr::IntegerConstant(..))
            || logical(expr)
                .is_some_and(|(_, l)| matches!(l, Logical::Int2 | Logical::Int4 | Logical::Int8))
    };
    if operator == "/" && call.args.iter().all(is_whole) {
        let problem = Diagnostic::new(
            Severity::Warning,
            "a whole number divided by a whole number drops the rest",
        );
        found.problems.push(at(
            problem.hint("make one of them a decimal: `dec(x) / y`, or write `2.0`"),
            file,
            position,
        ));
    }
}

/// `sample(#{ column: … })` in tests.
fn samples(ast: &AST, columns: &[(String, Logical)], file: &SourceText, found: &mut Found) {
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) =
            path.last()
            && call.name.as_str() == "sample"
            && let Some(Expr::Map(map, _)) = call.args.first()
        {
            for (key, _) in map
                .0
                .iter()
                .filter(|(key, _)| !columns.iter().any(|(c, _)| c == key.name.as_str()))
            {
                let problem = Diagnostic::error(format!("column `{}` is not in the row", key.name));
                let known = columns.iter().map(|(column, _)| column.as_str());
                found.problems.push(at(
                    suggest(problem, &key.name, known, "columns"),
                    file,
                    key.pos,
                ));
            }
        }
        true
    });
}

/// A key of a map that becomes a target row.
struct Key {
    name: String,
    position: Position,
    /// The table whose id it gets, where that can be seen.
    entity: Option<String>,
}

/// Keys of the maps that `transform` returns, where they can be seen.
#[derive(Default)]
struct Returned {
    keys: Vec<Key>,
    /// Something returned could not be followed.
    is_partial: bool,
}

fn returns(definition: &Body, file: &SourceText, facts: &Facts, found: &mut Found) {
    let Some(target) = &facts.target else { return };
    let mut returned = Returned::default();
    last_of(&definition.statements, definition, &mut returned);
    each_node(definition, &mut |node| {
        if let ASTNode::Stmt(Stmt::Return(Some(expr), flags, _)) = node
            && !flags.intersects(rhai::ASTFlags::BREAK)
        {
            follow(expr, definition, &mut returned);
        }
    });
    for key in &returned.keys {
        let name = &key.name;
        let problem = match target.iter().find(|column| column.name == *name) {
            None => {
                let problem =
                    Diagnostic::error(format!("`{name}` is not a column of `{}`", facts.table));
                suggest(
                    problem,
                    name,
                    target.iter().map(|column| column.name.as_str()),
                    "columns",
                )
            }
            Some(column) if column.is_closed => Diagnostic::error(format!(
                "`{name}` is computed and cannot be set by the rule"
            )),
            Some(column) => match column.references.as_ref().zip(key.entity.as_ref()) {
                Some((table, entity)) if table != entity => Diagnostic::error(format!(
                    "`{name}` references `{table}`, the rule gives it an id of `{entity}`"
                ))
                .hint(format!(
                    "declare `ids.{table}` with the legacy column of `{table}`, and ask `id_of(\"{table}\", …)`"
                )),
                _ => continue,
            },
        };
        found.problems.push(at(problem, file, key.position));
    }
    if returned.is_partial {
        return;
    }
    let set: BTreeSet<&str> = returned
        .keys
        .iter()
        .map(|key| key.name.as_str())
        .chain(facts.filled.iter().map(String::as_str))
        .collect();
    for column in target
        .iter()
        .filter(|c| c.is_required && !set.contains(c.name.as_str()))
    {
        let message = format!(
            "column `{}` of `{}` is never set: it has no default and cannot be NULL",
            column.name, facts.table
        );
        let place = literal::function_place(file, "transform");
        found.problems.push(
            Diagnostic::error(message)
                .at(place)
                .hint("set it in the returned map, or in `RULE.copy`"),
        );
    }
}

fn last_of(statements: &[Stmt], definition: &Body, returned: &mut Returned) {
    match statements.last() {
        Some(Stmt::Expr(expr)) => follow(expr, definition, returned),
        Some(Stmt::If(flow, _)) => {
            last_of(flow.body.statements(), definition, returned);
            last_of(flow.branch.statements(), definition, returned);
        }
        Some(Stmt::Block(block)) => last_of(block.statements(), definition, returned),
        Some(Stmt::Return(..)) => {}
        // a verdict returns nothing
        Some(Stmt::FnCall(call, _)) if matches!(call.name.as_str(), "skip" | "reject") => {}
        _ => returned.is_partial = true,
    }
}

fn follow(expr: &Expr, definition: &Body, returned: &mut Returned) {
    match expr {
        Expr::Map(map, _) => returned.keys.extend(map.0.iter().map(|(key, value)| Key {
            name: key.name.to_string(),
            position: key.pos,
            entity: entity_of(value, definition),
        })),
        Expr::Array(items, _) => items
            .iter()
            .for_each(|item| follow(item, definition, returned)),
        Expr::Stmt(block) => last_of(block.statements(), definition, returned),
        Expr::Variable(variable, ..) => variable_keys(&variable.1, definition, returned),
        _ => returned.is_partial = true,
    }
}

/// `let out = #{…}`, `out.column = …`, `links.push(#{…})`.
fn variable_keys(name: &str, definition: &Body, returned: &mut Returned) {
    let mut inits: Vec<Expr> = Vec::new();
    each_node(definition, &mut |node| match node {
        ASTNode::Stmt(Stmt::Var(var, ..)) if var.0.name.as_str() == name => {
            inits.push(var.1.clone());
        }
        ASTNode::Stmt(Stmt::Assignment(assignment)) => {
            if let Some((column, position)) = column_of(&assignment.1.lhs, name) {
                returned.keys.push(Key {
                    name: column.to_owned(),
                    position,
                    entity: entity_of(&assignment.1.rhs, definition),
                });
            } else if is_variable(&assignment.1.lhs, name) {
                inits.push(assignment.1.rhs.clone());
            }
        }
        ASTNode::Expr(Expr::Dot(chain, ..)) if is_variable(&chain.lhs, name) => {
            if let Expr::MethodCall(call, _) = &chain.rhs
                && matches!(call.name.as_str(), "push" | "insert" | "mixin")
            {
                inits.extend(call.args.last().cloned());
            }
        }
        _ => {}
    });
    returned.is_partial |= inits.is_empty();
    for init in inits {
        match init {
            Expr::Variable(..) => returned.is_partial = true,
            init => follow(&init, definition, returned),
        }
    }
}

/// The `orders` of `id_of("orders", …)`, or of a variable that holds it and nothing else.
fn entity_of(value: &Expr, definition: &Body) -> Option<String> {
    let asked = |expr: &Expr| match expr {
        Expr::FnCall(call, _) if matches!(call.name.as_str(), "id_of" | "id_of_or_null") => {
            match call.args.first() {
                Some(Expr::StringConstant(entity, _)) => Some(entity.to_string()),
                _ => None,
            }
        }
        _ => None,
    };
    let Expr::Variable(variable, ..) = value else {
        return asked(value);
    };
    let mut held = Vec::new();
    each_node(definition, &mut |node| match node {
        ASTNode::Stmt(Stmt::Var(var, ..)) if var.0.name == variable.1 => held.push(asked(&var.1)),
        ASTNode::Stmt(Stmt::Assignment(assignment))
            if is_variable(&assignment.1.lhs, &variable.1) =>
        {
            held.push(asked(&assignment.1.rhs));
        }
        _ => {}
    });
    match &mut held[..] {
        [one] => one.take(),
        _ => None,
    }
}

fn each_node(definition: &Body, see: &mut dyn FnMut(&ASTNode)) {
    for statement in &definition.statements {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            if let Some(node) = path.last() {
                see(node);
            }
            true
        });
    }
}

fn is_variable(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Variable(variable, ..) if variable.1.as_str() == name)
}

/// `x` of `row.x` or `row.x.more()`.
fn column_of<'e>(expr: &'e Expr, row: &str) -> Option<(&'e str, Position)> {
    let Expr::Dot(chain, ..) = expr else {
        return None;
    };
    if !is_variable(&chain.lhs, row) {
        return None;
    }
    let first = match &chain.rhs {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        other => other,
    };
    match first {
        Expr::Property(property, position) => Some((property.2.as_str(), *position)),
        _ => None,
    }
}
