//! What can be said about a script without running it: calls, columns, keys, declarations.

mod calls;
mod columns;
mod reached;
mod returned;
mod written;

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Position, Stmt};

use super::context::Declared;
use super::{SourceText, literal};
use crate::diagnostic::{Diagnostic, Place, did_you_mean};
use crate::value::{Logical, Scalar};

/// What is known of the rule's surroundings; what is absent is not checked.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Columns of the row.
    pub row: Option<Vec<(String, Logical)>>,
    /// Columns of the target table.
    pub target: Option<Vec<TargetColumn>>,
    /// What the header declares.
    pub declared: Declared,
    /// Name of the target table, for messages.
    pub table: String,
    /// The target columns that the host fills: copied ones and the legacy key.
    pub filled: Vec<String>,
    /// `transform` returns an array of maps.
    pub many: bool,
}

/// A target column, as far as a script can be wrong about it.
#[derive(Clone, Debug)]
pub struct TargetColumn {
    /// Name.
    pub name: String,
    /// Computed or numbered by the database, or the id.
    pub is_closed: bool,
    /// Cannot be left out: not NULL and without a default.
    pub is_required: bool,
    /// The table whose ids it holds.
    pub references: Option<String>,
}

/// What was found, and the codes that the scripts use.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// In no order.
    pub problems: Vec<Diagnostic>,
    /// First arguments of `skip`, `reject` and `note`.
    pub codes: Vec<String>,
    /// Some code is computed, so the list is not complete.
    pub has_computed_codes: bool,
    /// What is asked for: `("ids", "orders")`, `("lookups", "products")`.
    pub asked: BTreeSet<(&'static str, String)>,
    /// Something asked for is computed, so the list is not complete.
    pub has_computed_asks: bool,
    /// Target columns that the returned maps set; `None` when not all of them can be seen.
    pub sets: Option<BTreeSet<String>>,
    /// Literals that go into target columns.
    pub literals: Vec<Written>,
}

/// A literal that a rule writes.
#[derive(Clone, Debug)]
pub struct Written {
    /// The target column.
    pub column: String,
    /// The literal.
    pub value: Scalar,
    /// Where it stands.
    pub place: Place,
    /// Nothing can take its place before the row is written.
    pub is_certain: bool,
}

/// Checks a rule and the libraries it reaches.
pub fn lint(rule: &SourceText, libs: &[SourceText], facts: &Facts) -> Result<Found, Diagnostic> {
    let mut found = Found::default();
    let names = calls::Names::new(rule, libs)?;
    for file in std::iter::once(rule).chain(libs) {
        let ast = literal::plain_ast(file)?;
        calls::check(&ast, file, &names, facts, &mut found);
    }
    let ast = literal::plain_ast(rule)?;
    columns::check(&ast, rule, facts, &mut found);
    reached::check(&ast, rule, &mut found);
    Ok(found)
}

fn at(problem: Diagnostic, file: &SourceText, position: Position) -> Diagnostic {
    let (line, column) = literal::line_column(position);
    problem.at(file.place(line, column))
}

fn suggest<'a>(
    problem: Diagnostic,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    what: &str,
) -> Diagnostic {
    match did_you_mean(name, known.clone()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None if what.is_empty() => problem,
        None => problem.hint(format!("{what}: {}", known.collect::<Vec<_>>().join(", "))),
    }
}

/// A script function with its body.
struct Body {
    name: String,
    params: Vec<String>,
    statements: Vec<Stmt>,
}

/// The script functions of a file, closures included.
fn functions(ast: &AST) -> Vec<Body> {
    let mut out = Vec::new();
    for function in ast.iter_functions() {
        let (name, count) = (function.name.to_owned(), function.params.len());
        // `clone_functions_only_filtered` does not filter in this version of the engine
        let mut alone = ast.clone_functions_only();
        alone.retain_functions(|_, _, other, params| other == name && params == count);
        let mut statements = Vec::new();
        alone.walk(&mut |path: &[ASTNode]| {
            if let [ASTNode::Stmt(statement)] = path {
                statements.push((*statement).clone());
            }
            true
        });
        out.push(Body {
            name,
            params: function.params.iter().map(|p| (*p).to_owned()).collect(),
            statements,
        });
    }
    out
}
