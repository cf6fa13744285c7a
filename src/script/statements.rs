//! Reads the statements of compiled functions for [`Prepared`](super::prepared::Prepared).

use rhai::{BinaryExpr, Dynamic, Expr, Position, Stmt, StmtBlock};

use super::body::Step;
use super::prepare::Reading;
use super::prepared::Node;

impl Reading {
    /// The statements of a function or block; `None` when one of them declares what only the engine can.
    /// `is_end`: nothing of the function follows.
    pub(super) fn steps(&mut self, statements: &[Stmt], is_end: bool) -> Option<Vec<Step>> {
        let last = statements.len().saturating_sub(1);
        statements
            .iter()
            .enumerate()
            .map(|(at, statement)| self.step(statement, is_end && at == last))
            .collect()
    }

    fn step(&mut self, statement: &Stmt, is_end: bool) -> Option<Step> {
        Some(match statement {
            Stmt::Var(parts, flags, position) => {
                let (name, value, place) = &**parts;
                if !flags.is_empty() || place.is_some() {
                    return None;
                }
                Step::Let(name.name.clone(), self.node(value), *position)
            }
            Stmt::Import(..) | Stmt::Export(..) => return None,
            Stmt::If(flow, _) => Step::If(
                self.node(&flow.expr),
                flow.expr.position(),
                self.steps(flow.body.statements(), is_end)?,
                self.steps(flow.branch.statements(), is_end)?,
            ),
            Stmt::Return(value, flags, _) if flags.is_empty() => Step::Return(match value {
                Some(value) => self.last(value),
                None => Node::Constant(Dynamic::UNIT),
            }),
            Stmt::Expr(value) if is_end => Step::Value(self.last(value)),
            Stmt::Expr(value) => Step::Value(self.node(value)),
            Stmt::FnCall(call, position) => {
                Step::Value(self.node(&Expr::FnCall(call.clone(), *position)))
            }
            Stmt::Assignment(parts) => match self.set(parts.0.is_op_assignment(), &parts.1) {
                Some((map, key, value)) => Step::Set(map, key, value, self.whole(statement)),
                None => Step::Value(Node::Plain(self.whole(statement))),
            },
            Stmt::Switch(parts, _) => {
                let cases = &parts.1;
                let are_constants = cases.ranges.is_empty()
                    && cases.expressions.iter().all(|case| {
                        matches!(case.lhs, Expr::BoolConstant(true, _))
                            && case.rhs.get_literal_value(None).is_some()
                    });
                let value = self.node(&parts.0);
                let whole = self.whole(statement);
                if are_constants && value.is_repeatable() {
                    Step::Switch(value, std::cell::RefCell::default(), whole)
                } else {
                    Step::Value(Node::Plain(whole))
                }
            }
            Stmt::Noop(_) => Step::Value(Node::Constant(Dynamic::UNIT)),
            _ => Step::Value(Node::Plain(self.whole(statement))),
        })
    }

    /// The last value of a function: a variable need not be copied.
    fn last(&mut self, value: &Expr) -> Node {
        match self.node(value) {
            Node::Variable(name, expr) => Node::Last(name, expr),
            node => node,
        }
    }

    /// `map.key = value`, where computing the value cannot touch the map.
    fn set(
        &mut self,
        is_operator: bool,
        parts: &BinaryExpr,
    ) -> Option<(rhai::ImmutableString, rhai::Identifier, Node)> {
        let Expr::Dot(place, flags, _) = &parts.lhs else {
            return None;
        };
        let (Expr::Variable(map, ..), Expr::Property(key, _)) = (&place.lhs, &place.rhs) else {
            return None;
        };
        if is_operator || !flags.is_empty() || !map.2.is_empty() {
            return None;
        }
        let value = self.node(&parts.rhs);
        let key = key.2.as_str().into();
        value.is_repeatable().then(|| (map.1.clone(), key, value))
    }

    /// A statement for the engine.
    fn whole(&mut self, statement: &Stmt) -> Expr {
        let mut statement = statement.clone();
        self.statement(&mut statement);
        let block = StmtBlock::new([statement], Position::NONE, Position::NONE);
        Expr::Stmt(block.into())
    }

    pub(super) fn block(&mut self, block: &mut StmtBlock) {
        for statement in block.statements_mut().iter_mut() {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &mut Stmt) {
        match statement {
            Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.expr(&mut flow.expr);
                self.block(&mut flow.body);
                self.block(&mut flow.branch);
            }
            Stmt::For(parts, _) => {
                self.expr(&mut parts.2.expr);
                self.block(&mut parts.2.body);
            }
            Stmt::TryCatch(flow, _) => {
                self.block(&mut flow.body);
                self.block(&mut flow.branch);
            }
            Stmt::Switch(parts, _) => {
                self.expr(&mut parts.0);
                for case in &mut parts.1.expressions {
                    self.expr(&mut case.lhs);
                    self.expr(&mut case.rhs);
                }
            }
            Stmt::Var(parts, ..) => self.expr(&mut parts.1),
            Stmt::Assignment(parts) => self.expr(&mut parts.1.rhs),
            Stmt::FnCall(call, position) => {
                let mut expr = Expr::FnCall(call.clone(), *position);
                self.expr(&mut expr);
                *statement = match expr {
                    Expr::FnCall(call, position) => Stmt::FnCall(call, position),
                    expr => Stmt::Expr(expr.into()),
                };
            }
            Stmt::Block(block) => self.block(block),
            Stmt::Expr(expr) | Stmt::BreakLoop(Some(expr), ..) | Stmt::Return(Some(expr), ..) => {
                self.expr(expr);
            }
            _ => {}
        }
    }
}
