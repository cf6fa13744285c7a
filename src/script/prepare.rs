//! Reads compiled functions for [`Prepared`]: which expressions are done directly, and by what.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rhai::{
    AST, ASTFlags, ASTNode, BinaryExpr, CustomExpr, Dynamic, Engine, Expr, FnCallExpr, Identifier,
    Position, Stmt, StmtBlock,
};

use super::context::Context;
use super::prepared::{Function, Node, Prepared};
use super::{compare, natives};

/// What the engine adds to its count of call levels for one call.
pub(super) const LEVELS_PER_CALL: usize = 2;
/// Stands in a syntax tree for what is done directly. No script can write it.
const KEY: &str = "prepared expression";

/// Prepares the functions of `rule` and of its libraries, given by name. Where one of them uses `this`, which
/// only the engine knows, nothing is.
pub(super) fn prepare(
    engine: &mut Engine,
    context: &Rc<Context>,
    rule: &AST,
    libs: &[(String, AST)],
) -> Option<Rc<Prepared>> {
    let mut reading = Reading {
        columns: context.slots.iter().cloned().zip(0..).collect(),
        ..Reading::default()
    };
    let files: Vec<(&str, &AST)> = std::iter::once(("", rule))
        .chain(libs.iter().map(|(name, ast)| (name.as_str(), ast)))
        .collect();
    let mut found = Vec::new();
    for (module, ast) in &files {
        let closures = ast.iter_functions().any(|f| f.name.starts_with("anon$"));
        // a closure of a library finds its library's functions only when the engine calls them
        if closures && !module.is_empty() {
            continue;
        }
        for function in ast.iter_functions() {
            let (name, count) = (function.name, function.params.len());
            if name.starts_with("anon$") || function.this_type.is_some() {
                continue;
            }
            let body = statements(ast, name, count)?;
            let at = found.len();
            let called = ((*module).to_owned(), name.to_owned(), count);
            reading.functions.insert(called, at);
            found.push((*module, name, function.params, *ast, body));
        }
        reading
            .names
            .extend(ast.iter_functions().map(|f| f.name.to_owned()));
    }
    let mut functions = Vec::with_capacity(found.len());
    for (module, name, params, ast, body) in found {
        module.clone_into(&mut reading.module);
        let steps = reading.steps(&body, true);
        let reads = reads(ast, name, &params);
        let mut block = StmtBlock::new(body, Position::NONE, Position::NONE);
        reading.block(&mut block);
        functions.push(Function {
            name: name.into(),
            params: params.into_iter().map(Into::into).collect(),
            source: ast.source().unwrap_or_default().into(),
            lib: (!module.is_empty()).then(|| ast.shared_lib().clone()),
            body: Expr::Stmt(block.into()),
            steps,
            reads,
        });
    }
    let prepared = Rc::new(Prepared {
        functions,
        nodes: reading.nodes,
        context: Rc::clone(context),
    });
    let shared = Rc::clone(&prepared);
    engine
        .register_custom_syntax_handler(KEY, false, move |script, _, at| {
            shared.evaluate(at, script)
        })
        .ok()?;
    Some(prepared)
}

/// What one function reads of its only parameter, where it does nothing else with it than `parameter.property`.
fn reads(ast: &AST, name: &str, params: &[&str]) -> Option<Vec<Identifier>> {
    let [param] = params else { return None };
    let mut only = ast.clone();
    only.clear_statements()
        .retain_functions(|_, _, n, c| n == name && c == 1);
    let (mut names, mut is_all) = (Vec::new(), true);
    only.walk(&mut |path: &[ASTNode]| {
        let (last, before) = match path {
            [.., before, last] => (last, Some(before)),
            [last] => (last, None),
            [] => return true,
        };
        if !matches!(last, ASTNode::Expr(Expr::Variable(v, ..)) if v.1 == *param) {
            return true;
        }
        let property = match before {
            Some(ASTNode::Expr(Expr::Dot(parts, ..))) => match (&parts.lhs, &parts.rhs) {
                (Expr::Variable(..), Expr::Property(property, _)) => Some(property),
                (Expr::Variable(..), Expr::Dot(inner, ..)) => match &inner.lhs {
                    Expr::Property(property, _) => Some(property),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        };
        match property {
            Some(property) => names.push(property.2.as_str().into()),
            None => is_all = false,
        }
        true
    });
    is_all.then_some(names)
}

/// The statements of one function; `None` when they use `this`.
fn statements(ast: &AST, name: &str, count: usize) -> Option<Vec<Stmt>> {
    let mut only = ast.clone();
    only.clear_statements()
        .retain_functions(|_, _, n, c| n == name && c == count);
    let mut found = Vec::new();
    let mut plain = true;
    only.walk(&mut |path: &[ASTNode]| {
        match path {
            [ASTNode::Stmt(statement)] => found.push((*statement).clone()),
            _ => plain &= !matches!(path.last(), Some(ASTNode::Expr(Expr::ThisPtr(_)))),
        }
        true
    });
    plain.then_some(found)
}

#[derive(Default)]
pub(super) struct Reading {
    /// Getter slots by column.
    columns: BTreeMap<String, usize>,
    /// Module (empty for the rule), name and number of parameters.
    functions: BTreeMap<(String, String, usize), usize>,
    /// Names that scripts have functions of: the host's are hidden.
    names: BTreeSet<String>,
    /// The module that is read.
    module: String,
    nodes: Vec<Node>,
}

impl Reading {
    /// Puts a node in the place of the expression, or of those in it.
    pub(super) fn expr(&mut self, expr: &mut Expr) {
        let position = expr.start_position();
        match self.node(expr) {
            Node::Plain(inner) => *expr = inner,
            Node::Constant(_) | Node::Variable(..) => {}
            node => {
                let at = self.nodes.len();
                self.nodes.push(node);
                let custom = CustomExpr {
                    inputs: std::iter::empty::<Expr>().collect(),
                    tokens: std::iter::once(KEY.into()).collect(),
                    state: Dynamic::from_int(at as i64),
                    scope_may_be_changed: false,
                    self_terminated: false,
                };
                *expr = Expr::Custom(custom.into(), position);
            }
        }
    }

    pub(super) fn node(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                Node::Variable(variable.1.clone(), expr.clone())
            }
            Expr::Dot(parts, flags, _) if flags.is_empty() || !is_optional(expr) => {
                match self.column(parts) {
                    Some((variable, slot, key)) => {
                        Node::Column(variable.into(), slot, key, expr.clone())
                    }
                    None => self
                        .methods(parts, expr)
                        .unwrap_or_else(|| self.plain(expr)),
                }
            }
            Expr::And(items, _) | Expr::Or(items, _) => {
                let is_or = matches!(expr, Expr::Or(..));
                let nodes = items.iter().map(|item| (self.node(item), item.position()));
                Node::Until(nodes.collect(), is_or)
            }
            Expr::Stmt(block) => match self.steps(block.statements(), false) {
                Some(steps) => {
                    let mut whole = block.clone();
                    self.block(&mut whole);
                    Node::Block(steps, Expr::Stmt(whole))
                }
                None => self.plain(expr),
            },
            Expr::Map(parts, _) => {
                let place = |name: &str| parts.1.keys().position(|key| key == name);
                let entries: Option<Vec<_>> = parts
                    .0
                    .iter()
                    .map(|(name, value)| Some((place(name.as_str())?, self.node(value))))
                    .collect();
                let Some(entries) = entries.filter(|e| e.len() == parts.1.len()) else {
                    return self.plain(expr);
                };
                Node::Map(parts.1.clone(), entries)
            }
            Expr::FnCall(call, position) => self.call(call, *position, expr),
            _ => match expr.get_literal_value(None) {
                Some(value) => Node::Constant(value),
                None => self.plain(expr),
            },
        }
    }

    /// `variable.column` and nothing after it.
    fn column(&self, parts: &BinaryExpr) -> Option<(String, Option<usize>, Identifier)> {
        let (Expr::Variable(variable, ..), Expr::Property(property, _)) = (&parts.lhs, &parts.rhs)
        else {
            return None;
        };
        let key = property.2.as_str();
        let slot = self.columns.get(key).copied();
        variable
            .2
            .is_empty()
            .then(|| (variable.1.to_string(), slot, key.into()))
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, expr: &Expr) -> Node {
        let name = call.name.as_str();
        if call.capture_parent_scope || call.namespace.path.len() > 1 {
            return self.plain(expr);
        }
        let module = match call.namespace.path.first() {
            Some(module) => module.as_str().to_owned(),
            None => self.module.clone(),
        };
        let called = (module, name.to_owned(), call.args.len());
        if let Some(at) = self.functions.get(&called).copied() {
            let args = call.args.iter().map(|arg| self.node(arg)).collect();
            return Node::Call(at, args, position);
        }
        if !call.namespace.is_empty() || self.names.contains(name) {
            return self.plain(expr);
        }
        let node = match (name, &call.args[..]) {
            ("==" | "!=", [one, Expr::Unit(_)]) => {
                let node = self.node(one);
                return Node::IsNull(node.into(), name == "==");
            }
            (op, [one, two]) if compare::find(op).is_some() => {
                let (one, two) = (self.node(one), self.node(two));
                let op = compare::find(op).filter(|_| one.is_repeatable() && two.is_repeatable());
                op.map(|op| Node::Compare(op, one.into(), two.into(), expr.clone()))
            }
            ("id_of", [Expr::StringConstant(entity, _), key]) => {
                let key = self.node(key);
                key.is_repeatable()
                    .then(|| Node::IdOf(entity.clone(), key.into(), expr.clone()))
            }
            ("!", [one]) => {
                let one = self.node(one);
                one.is_repeatable()
                    .then(|| Node::Not(one.into(), expr.clone()))
            }
            (_, [one]) => natives::find(name).and_then(|native| {
                let one = self.node(one);
                one.is_repeatable()
                    .then(|| Node::Chain(one.into(), vec![native], expr.clone()))
            }),
            _ => None,
        };
        node.unwrap_or_else(|| self.plain(expr))
    }

    /// `text.trim().lower()`, `row.column.lower()`: functions of the host and nothing else after a variable or a
    /// column.
    fn methods(&mut self, parts: &BinaryExpr, expr: &Expr) -> Option<Node> {
        let Expr::Variable(variable, ..) = &parts.lhs else {
            return None;
        };
        let (first, mut rest) = match &parts.rhs {
            Expr::Dot(inner, flags, _) if matches!(inner.lhs, Expr::Property(..)) => {
                let column = BinaryExpr {
                    lhs: parts.lhs.clone(),
                    rhs: inner.lhs.clone(),
                };
                let column = Expr::Dot(column.into(), ASTFlags::NONE, inner.lhs.position());
                let first = flags.is_empty().then(|| self.node(&column))?;
                (first, &inner.rhs)
            }
            rest if variable.2.is_empty() => (self.node(&parts.lhs), rest),
            _ => return None,
        };
        let mut found = Vec::new();
        loop {
            let (call, more) = match rest {
                Expr::Dot(inner, flags, _) if flags.is_empty() => (&inner.lhs, Some(&inner.rhs)),
                last => (last, None),
            };
            let Expr::MethodCall(call, _) = call else {
                return None;
            };
            let is_host = call.args.is_empty()
                && call.namespace.is_empty()
                && !self.names.contains(call.name.as_str());
            found.push(natives::find(&call.name).filter(|_| is_host)?);
            let Some(more) = more else { break };
            rest = more;
        }
        first
            .is_repeatable()
            .then(|| Node::Chain(first.into(), found, expr.clone()))
    }

    /// The expression with nodes for those in it. What is changed in place keeps its variable.
    fn plain(&mut self, expr: &Expr) -> Node {
        let mut expr = expr.clone();
        match &mut expr {
            Expr::Stmt(block) => self.block(block),
            Expr::InterpolatedString(items, _) | Expr::Array(items, _) => {
                for item in items.iter_mut() {
                    self.expr(item);
                }
            }
            Expr::And(items, _) | Expr::Or(items, _) | Expr::Coalesce(items, _) => {
                for item in items.iter_mut() {
                    self.expr(item);
                }
            }
            Expr::FnCall(call, _) => {
                for arg in &mut call.args {
                    self.expr(arg);
                }
            }
            Expr::Dot(parts, ..) | Expr::Index(parts, ..) => self.chain(parts),
            _ => {}
        }
        Node::Plain(expr)
    }

    fn chain(&mut self, parts: &mut BinaryExpr) {
        if !matches!(parts.lhs, Expr::Variable(..) | Expr::Property(..)) {
            self.part(&mut parts.lhs);
        }
        self.part(&mut parts.rhs);
    }

    /// A part of a chain: only the arguments of its methods are expressions of their own.
    fn part(&mut self, part: &mut Expr) {
        match part {
            Expr::MethodCall(call, _) => {
                for arg in &mut call.args {
                    self.expr(arg);
                }
            }
            Expr::Dot(parts, ..) => self.chain(parts),
            Expr::FnCall(..) => self.expr(part),
            _ => {}
        }
    }
}

/// `a?.b`.
fn is_optional(expr: &Expr) -> bool {
    matches!(expr, Expr::Dot(_, flags, _) if flags.contains(rhai::ASTFlags::NEGATED))
}
