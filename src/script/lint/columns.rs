//! Columns that are read from the row.

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::written::Values;
use super::{Body, Facts, Found, at, functions, returned, suggest};
use crate::diagnostic::{Diagnostic, Severity};
use crate::script::SourceText;
use crate::value::Logical;

pub(super) fn check(ast: &AST, file: &SourceText, facts: &Facts, found: &mut Found) {
    let bodies = functions(ast);
    if let Some(columns) = &facts.row {
        for (definition, row) in row_users(&bodies) {
            reads(definition, &row, columns, file, found);
        }
        samples(ast, columns, file, found);
    }
    if let Some(definition) = bodies
        .iter()
        .find(|f| f.name == "transform" && f.params.len() == 1)
    {
        let values = Values::new(ast, &bodies);
        returned::check(definition, &values, file, facts, found);
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

pub(super) fn each_node(definition: &Body, see: &mut dyn FnMut(&ASTNode)) {
    for statement in &definition.statements {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            if let Some(node) = path.last() {
                see(node);
            }
            true
        });
    }
}

pub(super) fn is_variable(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Variable(variable, ..) if variable.1.as_str() == name)
}

/// `x` of `row.x` or `row.x.more()`.
pub(super) fn column_of<'e>(expr: &'e Expr, row: &str) -> Option<(&'e str, Position)> {
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
