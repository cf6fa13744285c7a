//! What `transform` returns, as far as it can be seen without running it.
//!
//! Only maps that leave the function count: what a helper returns, or a map inside a column's value,
//! says nothing about the target's columns.

use std::collections::BTreeSet;

use rhai::{ASTFlags, ASTNode, Expr, Position, Stmt};

use super::columns::{column_of, each_node, is_variable};
use super::written::{Value, Values};
use super::{Body, Facts, Found, TargetColumn, Written, at, suggest};
use crate::diagnostic::Diagnostic;
use crate::script::{SourceText, literal};

/// Methods of maps and lists that set no key, or whose argument is seen.
const FOLLOWED: [&str; 9] = [
    "push", "insert", "mixin", "get", "contains", "keys", "values", "len", "is_empty",
];

/// A key of a map that becomes a target row.
struct Key {
    name: String,
    position: Position,
    /// The table whose id it gets, where that can be seen.
    entity: Option<String>,
    /// The literals it may get.
    values: Vec<Value>,
}

/// Keys of the maps that `transform` returns.
#[derive(Default)]
struct Returned {
    keys: Vec<Key>,
    /// What is returned and is no map.
    wrong: Vec<(&'static str, Position)>,
    /// Something returned could not be followed.
    is_partial: bool,
}

pub(super) fn check(
    definition: &Body,
    values: &Values<'_>,
    file: &SourceText,
    facts: &Facts,
    found: &mut Found,
) {
    let mut walk = Walk {
        definition,
        values,
        many: facts.many,
        seen: BTreeSet::new(),
        returned: Returned::default(),
    };
    walk.last_of(&definition.statements);
    each_node(definition, &mut |node| {
        if let ASTNode::Stmt(Stmt::Return(expr, flags, position)) = node
            && !flags.intersects(ASTFlags::BREAK)
        {
            match expr {
                Some(expr) => walk.follow(expr, false),
                None => walk.returned.wrong.push(("nothing", *position)),
            }
        }
    });
    let returned = walk.returned;
    for (what, position) in &returned.wrong {
        let wanted = if facts.many {
            "an array of maps"
        } else {
            "a map"
        };
        let message = format!("`transform` must return {wanted} of target columns, this is {what}");
        let problem = Diagnostic::error(message);
        let problem = match *what {
            "an array" => problem.hint("a rule that makes many rows of one says `rows: \"many\"`"),
            _ => problem
                .hint("call `skip(code)` or `reject(code, why)` for a row that is not written"),
        };
        found.problems.push(at(problem, file, *position));
    }
    if !returned.is_partial {
        found.sets = Some(returned.keys.iter().map(|key| key.name.clone()).collect());
    }
    for key in &returned.keys {
        for value in &key.values {
            let (line, column) = literal::line_column(value.position);
            found.literals.push(Written {
                column: key.name.clone(),
                value: value.scalar.clone(),
                place: file.place(line, column),
                is_certain: value.is_certain,
            });
        }
    }
    if let Some(target) = &facts.target {
        columns(&returned, target, file, facts, found);
    }
}

fn columns(
    returned: &Returned,
    target: &[TargetColumn],
    file: &SourceText,
    facts: &Facts,
    found: &mut Found,
) {
    for Key {
        name,
        position,
        entity,
        ..
    } in &returned.keys
    {
        let problem = match target.iter().find(|column| column.name == *name) {
            None => {
                let problem =
                    Diagnostic::error(format!("`{name}` is not a column of `{}`", facts.table));
                let known = target.iter().map(|column| column.name.as_str());
                suggest(problem, name, known, "columns")
            }
            Some(column) if column.is_closed => Diagnostic::error(format!(
                "`{name}` is computed and cannot be set by the rule"
            )),
            Some(column) => match column.references.as_ref().zip(entity.as_ref()) {
                Some((table, entity)) if table != entity => Diagnostic::error(format!(
                    "`{name}` references `{table}`, the rule gives it an id of `{entity}`"
                ))
                .hint(format!(
                    "declare `ids.{table}` with the legacy column of `{table}`, and ask `id_of(\"{table}\", …)`"
                )),
                _ => continue,
            },
        };
        found.problems.push(at(problem, file, *position));
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

struct Walk<'a> {
    definition: &'a Body,
    values: &'a Values<'a>,
    many: bool,
    /// Variables already followed.
    seen: BTreeSet<String>,
    returned: Returned,
}

impl Walk<'_> {
    fn key(&self, name: &str, position: Position, value: &Expr) -> Key {
        Key {
            name: name.to_owned(),
            position,
            entity: entity_of(value, self.definition),
            values: self.values.of(value, self.definition),
        }
    }

    /// The value of a block is that of its last statement.
    fn last_of(&mut self, statements: &[Stmt]) {
        match statements.last() {
            Some(Stmt::Expr(expr)) => self.follow(expr, false),
            Some(Stmt::If(flow, _)) => {
                self.last_of(flow.body.statements());
                self.last_of(flow.branch.statements());
            }
            Some(Stmt::Block(block)) => self.last_of(block.statements()),
            Some(Stmt::Return(..)) => {}
            // a verdict returns nothing
            Some(Stmt::FnCall(call, _)) if matches!(call.name.as_str(), "skip" | "reject") => {}
            _ => self.returned.is_partial = true,
        }
    }

    /// `in_list`: the expression is an element of the array that is returned.
    fn follow(&mut self, expr: &Expr, in_list: bool) {
        match expr {
            Expr::Map(map, _) => {
                for (key, value) in &map.0 {
                    let key = self.key(&key.name, key.pos, value);
                    self.returned.keys.push(key);
                }
            }
            Expr::Array(items, _) if self.many && !in_list => {
                items.iter().for_each(|item| self.follow(item, true));
            }
            Expr::Stmt(block) => self.last_of(block.statements()),
            Expr::Variable(variable, ..) => self.variable(&variable.1),
            other => match kind(other) {
                Some(what) => self.returned.wrong.push((what, other.start_position())),
                None => self.returned.is_partial = true,
            },
        }
    }

    /// `let out = #{…}`, `out.column = …`, `links.push(#{…})`.
    fn variable(&mut self, name: &str) {
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        let mut given: Vec<Expr> = Vec::new();
        let mut keys: Vec<Key> = Vec::new();
        let mut declared = 0;
        let mut is_partial = false;
        each_node(self.definition, &mut |node| match node {
            ASTNode::Stmt(Stmt::Var(var, ..)) if var.0.name.as_str() == name => {
                declared += 1;
                given.push(var.1.clone());
            }
            ASTNode::Stmt(Stmt::For(flow, _)) if flow.0.name.as_str() == name => declared += 2,
            // a closure may change what it captures
            ASTNode::Stmt(Stmt::Share(names)) => {
                is_partial |= names.iter().any(|(shared, _)| shared.name.as_str() == name);
            }
            ASTNode::Stmt(Stmt::Assignment(assignment)) => {
                let left = &assignment.1.lhs;
                if let Some((column, position)) = column_of(left, name) {
                    keys.push(self.key(column, position, &assignment.1.rhs));
                } else if is_variable(left, name) {
                    given.push(assignment.1.rhs.clone());
                } else if let Expr::Index(index, ..) = left
                    && is_variable(&index.lhs, name)
                {
                    match &index.rhs {
                        Expr::StringConstant(key, position) => {
                            keys.push(self.key(key, *position, &assignment.1.rhs));
                        }
                        _ => is_partial = true,
                    }
                }
            }
            ASTNode::Expr(Expr::Dot(chain, ..)) if is_variable(&chain.lhs, name) => {
                if let Expr::MethodCall(call, _) = &chain.rhs {
                    is_partial |= !FOLLOWED.contains(&call.name.as_str());
                    if matches!(call.name.as_str(), "push" | "insert" | "mixin") {
                        given.extend(call.args.last().cloned());
                    }
                }
            }
            _ => {}
        });
        // of two variables with one name it is not known which is returned
        if declared != 1 {
            self.returned.is_partial = true;
            return;
        }
        self.returned.is_partial |= is_partial;
        self.returned.keys.extend(keys);
        let wrong = self.returned.wrong.len();
        for value in given {
            match value {
                Expr::Array(items, _) => items.iter().for_each(|item| self.follow(item, true)),
                value => self.follow(&value, false),
            }
        }
        // another value may have taken its place before it was returned
        self.returned.is_partial |= self.returned.wrong.len() > wrong;
        self.returned.wrong.truncate(wrong);
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

/// What an expression is that can be no map.
fn kind(expr: &Expr) -> Option<&'static str> {
    Some(match expr {
        Expr::Unit(_) => "nothing",
        Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => "true or false",
        Expr::IntegerConstant(..) => "a number",
        Expr::StringConstant(..) | Expr::CharConstant(..) | Expr::InterpolatedString(..) => {
            "a text"
        }
        Expr::Array(..) => "an array",
        _ => return None,
    })
}
