//! Literals of a script, read without running anything, each with its place.

use rhai::{AST, ASTFlags, ASTNode, Engine, Expr, OptimizationLevel, Position, Stmt, Token};
use rust_decimal::Decimal;

use super::SourceText;
use super::unparsed;
use crate::diagnostic::{Diagnostic, Place};

/// A literal and where it stands. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Literal,
    /// Line of its first character.
    pub line: usize,
    /// Column of its first character.
    pub column: usize,
}

/// The value of a [`Node`].
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `()`
    Unit,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a point.
    Decimal(Decimal),
    /// Text; pieces joined by `+` are one text.
    Text(String),
    /// `[…]`
    List(Vec<Node>),
    /// `#{…}`, in the order written.
    Map(Vec<Entry>),
    /// Something that would have to be computed.
    Computed,
}

/// One `key: value` of a map literal.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Line of the key.
    pub line: usize,
    /// Column of the key.
    pub column: usize,
    /// The value.
    pub node: Node,
}

impl Literal {
    /// What it is, for messages: `a text`, `a map`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unit => "()",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Decimal(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Computed => "something computed",
        }
    }
}

/// Line and column of a position; 0 where rhai knows none.
pub(super) fn line_column(position: Position) -> (usize, usize) {
    (
        position.line().unwrap_or(0),
        position.position().unwrap_or(0),
    )
}

/// Words that the language keeps for later; they are column names, and keys of `RULE`.
const FREED_WORDS: [&str; 27] = [
    "async",
    "await",
    "case",
    "default",
    "go",
    "goto",
    "is",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "protected",
    "public",
    "shared",
    "spawn",
    "static",
    "super",
    "sync",
    "thread",
    "use",
    "var",
    "void",
    "volatile",
    "with",
    "yield",
];

/// The parser's settings, the same for reading and for running.
pub(super) fn prepare_parser(engine: &mut Engine) {
    engine.set_max_expr_depths(64, 64);
    for word in super::FORBIDDEN_WORDS {
        engine.disable_symbol(word);
    }
    #[expect(
        deprecated,
        reason = "volatile by its documentation; the engine's version is pinned"
    )]
    engine.on_parse_token(|token, _, _| match token {
        Token::Reserved(word) if FREED_WORDS.contains(&word.as_str()) => Token::Identifier(word),
        other => other,
    });
}

/// Compiles without any of our functions and without folding, so that literals keep their places.
pub(super) fn plain_ast(source: &SourceText) -> Result<AST, Diagnostic> {
    let mut engine = Engine::new_raw();
    engine.set_optimization_level(OptimizationLevel::None);
    prepare_parser(&mut engine);
    engine
        .compile(&*source.text)
        .map_err(|error| unparsed::problem(&error, source, &[], &[]))
}

/// Compiles with folding, so that constants such as `1 + 2` are values.
pub(super) fn folded_ast(source: &SourceText) -> Result<AST, Diagnostic> {
    let mut engine = Engine::new_raw();
    prepare_parser(&mut engine);
    engine
        .compile(&*source.text)
        .map_err(|error| unparsed::problem(&error, source, &[], &[]))
}

/// Where the constant `name` is declared.
pub(super) fn constant_place(ast: &AST, name: &str, source: &SourceText) -> Place {
    let declared = ast
        .statements()
        .iter()
        .find_map(|statement| match statement {
            Stmt::Var(var, ..) if var.0.name.as_str() == name => Some(line_column(var.0.pos)),
            _ => None,
        });
    match declared {
        Some((line, column)) => source.place(line, column),
        None => Place::file(source.path.clone()),
    }
}

/// The top-level constant `name`; `None` when there is none.
pub(super) fn constant(ast: &AST, name: &str) -> Option<Node> {
    ast.statements()
        .iter()
        .find_map(|statement| match statement {
            Stmt::Var(var, flags, _)
                if flags.intersects(ASTFlags::CONSTANT) && var.0.name.as_str() == name =>
            {
                Some(node(&var.1))
            }
            _ => None,
        })
}

fn node(expr: &Expr) -> Node {
    let (line, column) = line_column(expr.start_position());
    Node {
        value: literal(expr),
        line,
        column,
    }
}

fn literal(expr: &Expr) -> Literal {
    match expr {
        Expr::Unit(_) => Literal::Unit,
        Expr::BoolConstant(value, _) => Literal::Bool(*value),
        Expr::IntegerConstant(value, _) => Literal::Int(*value),
        Expr::StringConstant(text, _) => Literal::Text(text.to_string()),
        Expr::CharConstant(letter, _) => Literal::Text(letter.to_string()),
        Expr::DynamicConstant(value, _) => value
            .as_decimal()
            .map(Literal::Decimal)
            .or_else(|_| value.as_int().map(Literal::Int))
            .unwrap_or(Literal::Computed),
        Expr::Array(items, _) => Literal::List(items.iter().map(node).collect()),
        Expr::Map(map, _) => Literal::Map(
            map.0
                .iter()
                .map(|(key, value)| {
                    let (line, column) = line_column(key.pos);
                    Entry {
                        key: key.name.to_string(),
                        line,
                        column,
                        node: node(value),
                    }
                })
                .collect(),
        ),
        Expr::FnCall(call, _) if call.name.as_str() == "+" && call.args.len() == 2 => {
            match (literal(&call.args[0]), literal(&call.args[1])) {
                (Literal::Text(left), Literal::Text(right)) => {
                    Literal::Text(format!("{left}{right}"))
                }
                _ => Literal::Computed,
            }
        }
        _ => Literal::Computed,
    }
}

/// Where `name` is a key of a map literal, header aside.
pub(super) fn key_place(source: &SourceText, name: &str) -> Option<Place> {
    let ast = plain_ast(source).ok()?;
    let mut found = None;
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::Map(map, _))) = path.last()
            && !matches!(path.first(), Some(ASTNode::Stmt(Stmt::Var(var, ..))) if var.0.name.as_str() == "RULE")
            && let Some((key, _)) = map.0.iter().find(|(key, _)| key.name.as_str() == name)
        {
            found.get_or_insert(line_column(key.pos));
        }
        true
    });
    found.map(|(line, column)| source.place(line, column))
}

/// Where the function `name` begins; the file when it has none.
pub(super) fn function_place(source: &SourceText, name: &str) -> Place {
    let head = format!("fn {name}");
    let line = source.text.lines().position(|l| {
        let rest = l
            .trim_start()
            .strip_prefix("private ")
            .unwrap_or(l.trim_start());
        rest.strip_prefix(&head)
            .is_some_and(|tail| tail.trim_start().starts_with('('))
    });
    match line {
        Some(line) => source.place(line + 1, 1),
        None => Place::file(source.path.clone()),
    }
}
