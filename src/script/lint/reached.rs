//! Statements that no row ever reaches.

use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Stmt};

use super::columns::each_node;
use super::{Found, at, functions};
use crate::diagnostic::{Diagnostic, Severity};
use crate::script::{SourceText, literal};

pub(super) fn check(ast: &AST, file: &SourceText, found: &mut Found) {
    for body in functions(ast) {
        block(&body.statements, file, found);
        let mut blocks: Vec<Vec<Stmt>> = Vec::new();
        each_node(&body, &mut |node| match node {
            ASTNode::Stmt(Stmt::If(flow, _)) => {
                blocks.push(flow.body.statements().to_vec());
                blocks.push(flow.branch.statements().to_vec());
            }
            ASTNode::Stmt(Stmt::Block(inner)) | ASTNode::Expr(Expr::Stmt(inner)) => {
                blocks.push(inner.statements().to_vec());
            }
            ASTNode::Stmt(Stmt::For(flow, _)) => blocks.push(flow.2.body.statements().to_vec()),
            ASTNode::Stmt(Stmt::While(flow, _) | Stmt::Do(flow, ..)) => {
                blocks.push(flow.body.statements().to_vec());
            }
            _ => {}
        });
        for statements in &blocks {
            block(statements, file, found);
        }
    }
}

fn block(statements: &[Stmt], file: &SourceText, found: &mut Found) {
    let Some(last) = statements.iter().position(|s| ending(s).is_some()) else {
        return;
    };
    let dead = statements[last + 1..].iter().find(|s| !s.is_noop());
    if let (Some(dead), Some(what)) = (dead, ending(&statements[last])) {
        let (line, _) = literal::line_column(statements[last].position());
        let problem = Diagnostic::new(
            Severity::Warning,
            format!("never reached: `{what}` in line {line} ends the row before"),
        );
        found.problems.push(at(problem, file, dead.position()));
    }
}

/// What ends a row for good.
fn ending(statement: &Stmt) -> Option<&'static str> {
    match statement {
        Stmt::Return(_, flags, _) if flags.intersects(ASTFlags::BREAK) => Some("throw"),
        Stmt::Return(..) => Some("return"),
        Stmt::FnCall(call, _) => verdict(call),
        Stmt::Expr(expr) => match &**expr {
            Expr::FnCall(call, _) => verdict(call),
            _ => None,
        },
        _ => None,
    }
}

fn verdict(call: &FnCallExpr) -> Option<&'static str> {
    match (call.name.as_str(), call.args.len()) {
        ("skip", 1) if call.namespace.is_empty() => Some("skip"),
        ("reject", 2) if call.namespace.is_empty() => Some("reject"),
        _ => None,
    }
}
