//! Calls: does the function exist, with that many arguments, and was what it asks for declared?

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use super::{Facts, Found, at, suggest};
use crate::diagnostic::Diagnostic;
use crate::script::context::Context;
use crate::script::{FUNCTIONS, SourceText, engine, outline, testing};

/// Words that look like calls and are part of the language.
const LANGUAGE: [&str; 12] = [
    "Fn",
    "call",
    "curry",
    "debug",
    "eval",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "print",
    "this",
    "type_of",
    "throw",
];

/// Methods of `source`, `target`, `ids` and `checkpoint`, with their number of arguments.
const DATABASE_METHODS: [(&str, usize); 10] = [
    ("query", 1),
    ("rows", 1),
    ("rows", 2),
    ("write", 3),
    ("skip", 2),
    ("reject", 3),
    ("get", 2),
    ("get", 1),
    ("put", 3),
    ("commit", 2),
];

/// Every function there is: name → numbers of arguments. Library functions are `money::cents`.
pub(super) struct Names(BTreeMap<String, BTreeSet<usize>>);

impl Names {
    fn has_library(&self, library: &str) -> bool {
        let path = format!("{library}::");
        self.0.keys().any(|name| name.starts_with(&path))
    }

    pub(super) fn new(rule: &SourceText, libs: &[SourceText]) -> Result<Self, Diagnostic> {
        let context = Rc::new(Context::default());
        let mut host = engine::bare(&context);
        testing::register(&mut host, &context);
        let mut names: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        let native = host.collect_fn_metadata(
            None,
            |f| Some((f.metadata.name.to_string(), f.metadata.num_params)),
            true,
        );
        for (name, count) in native {
            names.entry(name).or_default().insert(count);
        }
        for file in std::iter::once(rule).chain(libs) {
            for function in outline(file)?.functions {
                let count = function.params.len();
                if file.path != rule.path {
                    names
                        .entry(format!("{}::{}", file.stem(), function.name))
                        .or_default()
                        .insert(count);
                }
                // a library's functions see one another without its name
                names.entry(function.name).or_default().insert(count);
            }
        }
        Ok(Self(names))
    }

    fn takes(&self, name: &str) -> Option<&BTreeSet<usize>> {
        self.0.get(name)
    }
}

pub(super) fn check(ast: &AST, file: &SourceText, names: &Names, facts: &Facts, found: &mut Found) {
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(
                ASTNode::Expr(Expr::FnCall(call, position))
                | ASTNode::Stmt(Stmt::FnCall(call, position)),
            ) => {
                exists(call, call.args.len(), *position, file, names, found);
                declared(call, *position, file, facts, found);
                code(call, found);
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                if DATABASE_METHODS.contains(&(call.name.as_str(), call.args.len())) {
                    return true;
                }
                exists(call, call.args.len() + 1, *position, file, names, found);
            }
            _ => {}
        }
        true
    });
}

fn exists(
    call: &FnCallExpr,
    count: usize,
    position: Position,
    file: &SourceText,
    names: &Names,
    found: &mut Found,
) {
    let is_name = call
        .name
        .starts_with(|c: char| c.is_alphabetic() || c == '_');
    if !is_name || LANGUAGE.contains(&call.name.as_str()) {
        return;
    }
    let name = if call.namespace.is_empty() {
        call.name.to_string()
    } else {
        format!("{}::{}", call.namespace, call.name)
    };
    let problem = match names.takes(&name) {
        Some(counts) if counts.contains(&count) => return,
        Some(counts) => {
            let wanted: Vec<String> = counts.iter().map(ToString::to_string).collect();
            let problem = Diagnostic::error(format!(
                "`{name}` takes {} {}, not {count}",
                wanted.join(" or "),
                if wanted == ["1"] {
                    "argument"
                } else {
                    "arguments"
                }
            ));
            match FUNCTIONS.iter().find(|f| f.name == name) {
                Some(function) => problem.hint(format!("it is `{}`", function.signature)),
                None => problem,
            }
        }
        // a library that is not there is one mistake, and the compiler names it
        None if !call.namespace.is_empty() && !names.has_library(&call.namespace.to_string()) => {
            return;
        }
        None => {
            let problem = Diagnostic::error(format!("there is no function `{name}`"));
            // operators are registered like functions and are no suggestion
            let known = names
                .0
                .keys()
                .map(String::as_str)
                .filter(|n| n.starts_with(char::is_alphabetic) && !n.contains('$'));
            suggest(problem, &name, known, "")
        }
    };
    found.problems.push(at(problem, file, position));
}

/// `id_of("orders", …)` needs `RULE.ids.orders`.
fn declared(
    call: &FnCallExpr,
    position: Position,
    file: &SourceText,
    facts: &Facts,
    found: &mut Found,
) {
    let (key, known): (&'static str, Vec<&str>) = match call.name.as_str() {
        "id_of" | "id_of_or_null" => (
            "ids",
            facts.declared.entities.iter().map(String::as_str).collect(),
        ),
        "rows_of" | "lookup" => (
            "lookups",
            facts
                .declared
                .lookups
                .iter()
                .map(|(n, _)| n.as_str())
                .collect(),
        ),
        _ => return,
    };
    let Some(Expr::StringConstant(name, _)) = call.args.first() else {
        found.has_computed_asks = true;
        return;
    };
    found.asked.insert((key, name.to_string()));
    if call.namespace.is_empty() && !known.contains(&name.as_str()) {
        let problem = Diagnostic::error(format!("`{name}` is not declared in `RULE.{key}`"));
        found.problems.push(at(
            suggest(problem, name, known.iter().copied(), "declared"),
            file,
            position,
        ));
    }
}

fn code(call: &FnCallExpr, found: &mut Found) {
    if !matches!(call.name.as_str(), "skip" | "reject" | "note") || !call.namespace.is_empty() {
        return;
    }
    match call.args.first() {
        Some(Expr::StringConstant(code, _)) => found.codes.push(code.to_string()),
        _ => found.has_computed_codes = true,
    }
}
