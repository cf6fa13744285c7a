//! What a file declares, without running it: constants, functions, the libraries it calls.

use std::collections::BTreeSet;

use rhai::{AST, ASTNode, Expr, FnAccess, Stmt};

use super::literal::{self, Node};
use super::{FUNCTIONS, Purpose, SourceText};
use crate::diagnostic::Diagnostic;

/// A function of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name.
    pub name: String,
    /// Parameter names.
    pub params: Vec<String>,
    /// Not callable from outside.
    pub private: bool,
}

/// What a file declares.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The literal `const RULE`.
    pub rule: Option<Node>,
    /// There is a `RULE`, literal or not.
    pub names_rule: bool,
    /// Functions by name.
    pub functions: Vec<Function>,
    /// Modules that are called: `money` of `money::cents(x)`.
    pub modules: BTreeSet<String>,
    /// Calls without a module: name and number of arguments.
    pub calls: BTreeSet<(String, usize)>,
}

/// Reads a file without running anything of it.
pub fn outline(source: &SourceText) -> Result<Outline, Diagnostic> {
    let ast = literal::plain_ast(source)?;
    let mut functions: Vec<Function> = ast
        .iter_functions()
        .map(|f| Function {
            name: f.name.to_owned(),
            params: f.params.iter().map(|p| (*p).to_owned()).collect(),
            private: f.access == FnAccess::Private,
        })
        .filter(|f| !f.name.starts_with("anon$"))
        .collect();
    functions.sort_by(|a, b| (&a.name, a.params.len()).cmp(&(&b.name, b.params.len())));
    let names_rule = ast
        .statements()
        .iter()
        .any(|s| matches!(s, Stmt::Var(v, ..) if v.0.name.as_str() == "RULE"));
    Ok(Outline {
        rule: literal::constant(&ast, "RULE"),
        names_rule,
        functions,
        modules: modules(&ast),
        calls: calls(&ast),
    })
}

/// Functions of a file that would silently take the place of the host's: a `skip` of one's own writes the
/// row. Other names of the host may be used again, as the language allows.
pub fn shadowing(source: &SourceText, outline: &Outline) -> Vec<Diagnostic> {
    let is_taken = |name: &str| {
        FUNCTIONS.iter().any(|host| {
            host.name == name && matches!(host.purpose, Purpose::Verdict | Purpose::Related)
        })
    };
    let mut names: Vec<&str> = outline.functions.iter().map(|f| f.name.as_str()).collect();
    names.dedup();
    names
        .into_iter()
        .filter(|name| is_taken(name))
        .map(|name| {
            Diagnostic::error(format!("`{name}` is a function of the host"))
                .at(literal::function_place(source, name))
                .hint("give the script's own function another name")
        })
        .collect()
}

/// Functions that one file would be given for those of another. The engine remembers what a call means by
/// name and number of arguments alone, for the rule and all its libraries together. The rule comes first.
pub fn mistaken(files: &[(&SourceText, &Outline)]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (at, (source, outline)) in files.iter().enumerate() {
        for function in &outline.functions {
            let (name, count) = (&function.name, function.params.len());
            let called = (name.clone(), count);
            for (other_at, (other, others)) in files.iter().enumerate() {
                let has = others
                    .functions
                    .iter()
                    .any(|f| f.name == *name && f.params.len() == count);
                // what the rule has is called by the host; of two that have it, the first is named
                let is_called = others.calls.contains(&called)
                    || (has && (other_at == 0 || outline.calls.contains(&called) || at == 0));
                if other_at == at || !is_called || (has && other_at < at) {
                    continue;
                }
                let what = if has { "is a function" } else { "is called" };
                problems.push(
                    Diagnostic::error(format!(
                        "`{name}` {what} in {} too, and would be taken for this one",
                        other.path
                    ))
                    .at(literal::function_place(source, name))
                    .hint("give this function a name that neither the rule nor another of its libraries uses"),
                );
            }
        }
    }
    problems
}

fn calls(ast: &AST) -> BTreeSet<(String, usize)> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(
            ASTNode::Expr(Expr::FnCall(call, _) | Expr::MethodCall(call, _))
            | ASTNode::Stmt(Stmt::FnCall(call, _)),
        ) = path.last()
            && call.namespace.is_empty()
        {
            found.insert((call.name.to_string(), call.args.len()));
        }
        true
    });
    found
}

fn modules(ast: &AST) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        let namespace = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                &call.namespace
            }
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) => &variable.2,
            _ => return true,
        };
        if !namespace.is_empty() && namespace.root() != "global" {
            found.insert(namespace.root().to_owned());
        }
        true
    });
    found
}
