//! A rule's functions, read once more after the engine compiled them: what a rule does for every row, and the
//! engine can only do in its general way, is done here directly. That is reading a column, calling a function
//! of the rule or of a library, building a map, asking for an id, testing for NULL and blank.
//!
//! Nothing here means anything else than before. Whatever is unusual (a value of another type, a cell that
//! cannot be read, a parent that is missing) is left to the engine, which evaluates the same expression.

use std::rc::Rc;

use rhai::{
    Dynamic, EvalAltResult, EvalContext, Expr, Identifier, ImmutableString, Map, Module, Position,
    Shared,
};

use super::body::{self, Flow, Step};
use super::compare::{self, Comparison};
use super::context::Context;
use super::natives::Native;
use super::row::Row;
use super::{prepare, verdicts};

pub(super) type Evaluated = Result<Dynamic, Box<EvalAltResult>>;

/// A function of a script.
pub(super) struct Function {
    pub(super) name: ImmutableString,
    pub(super) params: Vec<ImmutableString>,
    /// Path of its file.
    pub(super) source: ImmutableString,
    /// The functions that a library's function sees besides those of the rule.
    pub(super) lib: Option<Shared<Module>>,
    pub(super) body: Expr,
    /// Properties that it reads of its only parameter, where it does nothing else with it.
    pub(super) reads: Option<Vec<Identifier>>,
    /// The same, where all of it is known.
    pub(super) steps: Option<Vec<Step>>,
}

/// An expression, as far as it is known what to do.
pub(super) enum Node {
    /// Nothing is known.
    Plain(Expr),
    Constant(Dynamic),
    Variable(ImmutableString, Expr),
    /// A variable at the end of its function: it is not copied.
    Last(ImmutableString, Expr),
    /// `row.column`, by the slot of its getter, or a property of a map.
    Column(ImmutableString, Option<usize>, Identifier, Expr),
    /// The keys, and their values in the order they are written, each with its place among the keys.
    Map(Map, Vec<(usize, Node)>),
    Call(usize, Vec<Node>, Position),
    /// `id_of(entity, key)`.
    IdOf(ImmutableString, Box<Node>, Expr),
    /// Functions of the host, each of what the one before it gave: `text.trim().lower()`.
    Chain(Box<Node>, Vec<Native>, Expr),
    /// `a && b`, or `a || b`: until one of them is the flag.
    Until(Vec<(Node, Position)>, bool),
    /// `if … { … }` and the like, where a value is wanted.
    Block(Vec<Step>, Expr),
    /// `value == ()`, or `value != ()`.
    IsNull(Box<Node>, bool),
    /// `a < b` and the like, between two numbers of a kind, or two texts.
    Compare(Comparison, Box<Node>, Box<Node>, Expr),
    Not(Box<Node>, Expr),
}

/// What was prepared of a rule and its libraries.
pub(super) struct Prepared {
    pub(super) functions: Vec<Function>,
    pub(super) nodes: Vec<Node>,
    pub(super) context: Rc<Context>,
}

impl Node {
    /// The engine may evaluate it a second time: it has no effect.
    pub(super) fn is_repeatable(&self) -> bool {
        match self {
            Self::Constant(_) | Self::Variable(..) | Self::Column(..) => true,
            Self::Chain(node, ..) | Self::IsNull(node, _) | Self::Not(node, _) => {
                node.is_repeatable()
            }
            Self::Compare(_, one, two, _) => one.is_repeatable() && two.is_repeatable(),
            Self::Until(nodes, _) => nodes.iter().all(|(node, _)| node.is_repeatable()),
            Self::Plain(_)
            | Self::Last(..)
            | Self::Map(..)
            | Self::Call(..)
            | Self::IdOf(..)
            | Self::Block(..) => false,
        }
    }
}

impl Prepared {
    /// The function of the rule itself.
    pub(super) fn find(&self, name: &str, count: usize) -> Option<usize> {
        let rule = &self.functions.first()?.source;
        self.functions
            .iter()
            .position(|f| f.name == name && f.params.len() == count && f.source == *rule)
    }

    /// The value of the expression that stands for this node.
    pub(super) fn evaluate(
        &self,
        at: &Dynamic,
        script: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    ) -> Evaluated {
        let at = at.as_int().ok().and_then(|at| usize::try_from(at).ok());
        match at.and_then(|at| self.nodes.get(at)) {
            Some(node) => self.node(node, script),
            None => Ok(Dynamic::UNIT),
        }
    }

    pub(super) fn node(
        &self,
        node: &Node,
        script: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    ) -> Evaluated {
        match node {
            Node::Plain(expr) => general(expr, script),
            Node::Constant(value) => Ok(value.clone()),
            Node::Variable(name, expr) => match script.scope().get(name) {
                Some(value) if !value.is_shared() => Ok(value.clone()),
                _ => general(expr, script),
            },
            Node::Last(name, expr) => match body::take(script, name) {
                Some(value) => Ok(value),
                None => general(expr, script),
            },
            Node::Column(name, slot, key, expr) => match property(script, name, *slot, key) {
                Some(value) => Ok(value),
                None => general(expr, script),
            },
            Node::Compare(op, one, two, expr) => {
                let (one, two) = (self.node(one, script)?, self.node(two, script)?);
                match compare::plain(*op, &one, &two) {
                    Some(holds) => Ok(holds.into()),
                    None => general(expr, script),
                }
            }
            Node::Map(empty, entries) => {
                let mut values = vec![Dynamic::UNIT; entries.len()];
                for (place, node) in entries {
                    values[*place] = self.node(node, script)?.flatten();
                }
                let mut map = empty.clone();
                for (slot, value) in map.values_mut().zip(values) {
                    *slot = value;
                }
                Ok(Dynamic::from_map(map))
            }
            Node::Call(at, args, position) => {
                let mut values = Vec::with_capacity(args.len());
                for arg in args {
                    values.push(self.node(arg, script)?.flatten());
                }
                self.call(*at, values, *position, script)
            }
            Node::IdOf(entity, key, expr) => {
                let key = self.node(key, script)?;
                match verdicts::known_id(&self.context, entity, &key) {
                    Some(id) => Ok(id),
                    None => general(expr, script),
                }
            }
            Node::Chain(node, natives, expr) => {
                let mut value = match &**node {
                    Node::Column(name, slot, key, _) => match property(script, name, *slot, key) {
                        Some(value) => value,
                        None => return general(expr, script),
                    },
                    node => self.node(node, script)?,
                };
                for native in natives {
                    match native(&self.context, &value) {
                        Some(next) => value = next,
                        None => return general(expr, script),
                    }
                }
                Ok(value)
            }
            Node::Until(nodes, last) => {
                for (node, position) in nodes {
                    if self.flag(node, *position, script)? == *last {
                        return Ok((*last).into());
                    }
                }
                Ok((!*last).into())
            }
            Node::Block(_, expr) if self.context.watch.is_followed() => general(expr, script),
            Node::Block(steps, _) => match self.block(steps, script)? {
                Flow::Value(value) => Ok(value),
                Flow::Return(value) => Err(EvalAltResult::Return(value, Position::NONE).into()),
            },
            Node::IsNull(node, wanted) => {
                Ok((self.node(node, script)?.is_unit() == *wanted).into())
            }
            Node::Not(node, expr) => match self.node(node, script)?.as_bool() {
                Ok(flag) => Ok((!flag).into()),
                Err(_) => general(expr, script),
            },
        }
    }

    /// Calls a function as the engine does: its own variables, a level deeper, errors with its name.
    pub(super) fn call(
        &self,
        at: usize,
        values: Vec<Dynamic>,
        position: Position,
        script: &mut EvalContext<'_, '_, '_, '_, '_, '_>,
    ) -> Evaluated {
        let function = &self.functions[at];
        let engine = script.engine();
        let global = script.global_runtime_state_mut();
        let level = global.level;
        global.level += prepare::LEVELS_PER_CALL;
        let too_deep = global.level > engine.max_call_levels();
        let source = global.source.replace(function.source.clone());
        let libs = global.lib.len();
        global.lib.extend(function.lib.clone());
        let start = script.scope().len();
        let result = if too_deep {
            Err(EvalAltResult::ErrorStackOverflow(position).into())
        } else {
            let scope = script.scope_mut();
            scope.extend(function.params.iter().cloned().zip(values));
            match &function.steps {
                Some(steps) if !self.context.watch.is_followed() => {
                    // the engine counts the call, and looks at the clock
                    general(&Expr::Unit(position), script).and_then(|_| {
                        self.block(steps, script).map(|flow| match flow {
                            Flow::Value(value) | Flow::Return(value) => value,
                        })
                    })
                }
                _ => general(&function.body, script),
            }
        };
        script.scope_mut().rewind(start);
        let global = script.global_runtime_state_mut();
        global.level = level;
        global.source = source;
        global.lib.truncate(libs);
        result.or_else(|error| match *error {
            EvalAltResult::Return(value, _) => Ok(value),
            mut error if too_deep || error.is_system_exception() => {
                error.set_position(position);
                Err(error.into())
            }
            error => Err(EvalAltResult::ErrorInFunctionCall(
                function.name.to_string(),
                function.source.to_string(),
                error.into(),
                position,
            )
            .into()),
        })
    }
}

fn property(
    script: &EvalContext<'_, '_, '_, '_, '_, '_>,
    variable: &str,
    slot: Option<usize>,
    key: &str,
) -> Option<Dynamic> {
    let value = script.scope().get(variable)?;
    if let Some(row) = value.read_lock::<Row>() {
        return row.plain_cell(slot?);
    }
    let map = value.read_lock::<Map>()?;
    let value = map.get(key)?;
    (!value.is_shared()).then(|| value.clone())
}

pub(super) fn general(expr: &Expr, script: &mut EvalContext<'_, '_, '_, '_, '_, '_>) -> Evaluated {
    script.eval_expression_tree(&expr.into())
}
