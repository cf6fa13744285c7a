//! Literals that may end in a target column: followed through branches, variables, constants of the file
//! and its own functions. What cannot be followed has none.

use std::collections::BTreeMap;

use rhai::{AST, ASTFlags, ASTNode, Expr, Position, Stmt};

use super::Body;
use super::columns::{each_node, is_variable};
use crate::value::Scalar;

/// How many functions and variables deep a value is followed.
const DEPTH: u8 = 6;

/// One literal.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) scalar: Scalar,
    pub(super) position: Position,
    /// Nothing is assigned over it.
    pub(super) is_certain: bool,
}

/// The functions and constants of a file.
pub(super) struct Values<'a> {
    bodies: &'a [Body],
    constants: BTreeMap<String, Expr>,
}

impl<'a> Values<'a> {
    pub(super) fn new(ast: &AST, bodies: &'a [Body]) -> Self {
        let constant = |statement: &Stmt| match statement {
            Stmt::Var(var, flags, _) if flags.intersects(ASTFlags::CONSTANT) => {
                Some((var.0.name.to_string(), var.1.clone()))
            }
            _ => None,
        };
        Self {
            bodies,
            constants: ast.statements().iter().filter_map(constant).collect(),
        }
    }

    /// What `expr` in `definition` may be.
    pub(super) fn of(&self, expr: &Expr, definition: &Body) -> Vec<Value> {
        let mut out = Vec::new();
        // NULL counts only where it is written down for the column: elsewhere it often means "not yet"
        if let Expr::Unit(position) = expr {
            out.push(value(Scalar::Null, *position));
        }
        self.follow(expr, definition, DEPTH, &mut out);
        out
    }

    fn follow(&self, expr: &Expr, definition: &Body, depth: u8, out: &mut Vec<Value>) {
        let Some(deeper) = depth.checked_sub(1) else {
            return;
        };
        match expr {
            Expr::BoolConstant(is, at) => out.push(value(Scalar::Bool(*is), *at)),
            Expr::IntegerConstant(number, at) => out.push(value(Scalar::Int(*number), *at)),
            Expr::StringConstant(text, at) => {
                out.push(value(Scalar::Text(text.to_string()), *at));
            }
            Expr::DynamicConstant(constant, at) => {
                if let Ok(number) = constant.as_decimal() {
                    out.push(value(Scalar::Decimal(number), *at));
                }
            }
            Expr::Stmt(block) => self.last_of(block.statements(), definition, deeper, out),
            Expr::Coalesce(sides, _) => {
                for side in &sides[..] {
                    self.follow(side, definition, deeper, out);
                }
            }
            Expr::Variable(variable, ..) if !variable.2.is_empty() => {
                if let Some(constant) = self.constant(expr) {
                    self.follow(constant, definition, deeper, out);
                }
            }
            Expr::Variable(variable, ..) => self.variable(&variable.1, definition, deeper, out),
            Expr::Index(pair, ..) => self.members(&pair.lhs, definition, deeper, out),
            Expr::Dot(pair, ..) if matches!(&pair.rhs, Expr::MethodCall(call, _) if call.name.as_str() == "get") =>
            {
                self.members(&pair.lhs, definition, deeper, out);
            }
            Expr::FnCall(call, _) if call.namespace.is_empty() => {
                let called =
                    |b: &&Body| b.name == call.name.as_str() && b.params.len() == call.args.len();
                if let Some(body) = self.bodies.iter().find(called) {
                    self.result(body, deeper, out);
                }
            }
            _ => {}
        }
    }

    /// `global::NAME`.
    fn constant(&self, expr: &Expr) -> Option<&Expr> {
        match expr {
            Expr::Variable(variable, ..) if variable.2.to_string() == "global" => {
                self.constants.get(variable.1.as_str())
            }
            _ => None,
        }
    }

    /// Any value of a map that is a constant.
    fn members(&self, map: &Expr, definition: &Body, depth: u8, out: &mut Vec<Value>) {
        if let Some(Expr::Map(map, _)) = self.constant(map) {
            for (_, member) in &map.0 {
                self.follow(member, definition, depth, out);
            }
        }
    }

    fn variable(&self, name: &str, definition: &Body, depth: u8, out: &mut Vec<Value>) {
        let mut given: Vec<Expr> = Vec::new();
        each_node(definition, &mut |node| match node {
            ASTNode::Stmt(Stmt::Var(var, ..)) if var.0.name.as_str() == name => {
                given.push(var.1.clone());
            }
            ASTNode::Stmt(Stmt::Assignment(assignment)) if is_variable(&assignment.1.lhs, name) => {
                given.push(assignment.1.rhs.clone());
            }
            _ => {}
        });
        let first = out.len();
        for value in &given {
            self.follow(value, definition, depth, out);
        }
        if given.len() > 1 {
            out[first..].iter_mut().for_each(|v| v.is_certain = false);
        }
    }

    fn result(&self, body: &Body, depth: u8, out: &mut Vec<Value>) {
        self.last_of(&body.statements, body, depth, out);
        let mut returned: Vec<Expr> = Vec::new();
        each_node(body, &mut |node| {
            if let ASTNode::Stmt(Stmt::Return(Some(expr), flags, _)) = node
                && !flags.intersects(ASTFlags::BREAK)
            {
                returned.push((**expr).clone());
            }
        });
        for expr in &returned {
            self.follow(expr, body, depth, out);
        }
    }

    fn last_of(&self, statements: &[Stmt], definition: &Body, depth: u8, out: &mut Vec<Value>) {
        match statements.last() {
            Some(Stmt::Expr(expr)) => self.follow(expr, definition, depth, out),
            Some(Stmt::If(flow, _)) => {
                self.last_of(flow.body.statements(), definition, depth, out);
                self.last_of(flow.branch.statements(), definition, depth, out);
            }
            Some(Stmt::Switch(switch, _)) => {
                for case in &switch.1.expressions {
                    self.follow(&case.rhs, definition, depth, out);
                }
            }
            Some(Stmt::Block(block)) => self.last_of(block.statements(), definition, depth, out),
            _ => {}
        }
    }
}

fn value(scalar: Scalar, position: Position) -> Value {
    Value {
        scalar,
        position,
        is_certain: true,
    }
}
