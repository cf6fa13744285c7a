//! An engine with the host's functions, the project's libraries and every limit, ready for one rule.

use std::rc::Rc;

use rhai::module_resolvers::DummyModuleResolver;
use rhai::packages::{
    BasicArrayPackage, BasicMapPackage, BasicMathPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{AST, Dynamic, Engine, Module, Scope};

use super::context::{Context, Fallible, HostFault};
use super::wording::Wording;
use super::{SourceText, compare, fault, literal, row, sort, text, typed, unparsed, verdicts};
use crate::diagnostic::Diagnostic;

/// Steps that one call may take.
pub(super) const OPERATIONS_MAX: u64 = 100_000;
/// Calls within calls. More could overflow the stack, which ends the process.
pub(super) const CALL_LEVELS_MAX: usize = 32;
/// Elements of a list.
pub(super) const ARRAY_LENGTH_MAX: usize = 10_000;
/// Keys of a map: the 1,600 columns of the widest table that Postgres has, and some.
pub(super) const MAP_KEYS_MAX: usize = 2_000;
/// Lines that `print` may keep.
const PRINTED_LINES_MAX: usize = 1000;

/// An engine without scripts.
pub(super) fn bare(context: &Rc<Context>) -> Engine {
    let mut engine = Engine::new_raw();
    // neither sleep, clock nor random: the same row always gets the same verdict
    for package in [
        CorePackage::new().as_shared_module(),
        LogicPackage::new().as_shared_module(),
        BasicMathPackage::new().as_shared_module(),
        BasicArrayPackage::new().as_shared_module(),
        BasicMapPackage::new().as_shared_module(),
        MoreStringPackage::new().as_shared_module(),
    ] {
        engine.register_global_module(package);
    }
    engine
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        // the language's shortcuts would compare NULL with a number and say false
        .set_fast_operators(false)
        .set_max_strings_interned(0)
        .set_max_operations(OPERATIONS_MAX)
        .set_max_call_levels(CALL_LEVELS_MAX)
        .set_max_string_size(row::VALUE_BYTES_MAX)
        .set_max_array_size(ARRAY_LENGTH_MAX)
        .set_max_map_size(MAP_KEYS_MAX)
        .set_max_variables(256)
        .set_max_functions(256)
        .set_max_modules(0);
    literal::prepare_parser(&mut engine);
    engine.set_module_resolver(DummyModuleResolver::new());
    engine.register_fn("sleep", |_: i64| -> Fallible<()> {
        HostFault::fail("a rule cannot sleep")
    });
    engine.register_fn("exit", || -> Fallible<()> {
        HostFault::fail("a rule cannot exit; use `skip` or `reject`")
    });
    engine.register_fn("exit", |_: Dynamic| -> Fallible<()> {
        HostFault::fail("a rule cannot exit; use `skip` or `reject`")
    });
    let shared = Rc::clone(context);
    engine.on_print(move |line| keep(&shared, line.to_owned()));
    let shared = Rc::clone(context);
    engine.on_debug(move |line, _, position| keep(&shared, format!("{position} {line}")));
    compare::register(&mut engine);
    typed::register(&mut engine);
    text::register(&mut engine, context);
    sort::register(&mut engine);
    row::register(&mut engine, context);
    verdicts::register(&mut engine, context);
    engine
}

fn keep(context: &Context, line: String) {
    let mut printed = context.printed.borrow_mut();
    if printed.len() < PRINTED_LINES_MAX {
        printed.push(line);
    }
}

/// What was compiled.
pub(super) struct Compiled {
    pub(super) rule: AST,
    /// By the name of their module.
    pub(super) libs: Vec<(String, AST)>,
}

/// Compiles a rule and its libraries for `engine`.
pub(super) fn compile(
    engine: &mut Engine,
    rule: &SourceText,
    libs: &[SourceText],
) -> Result<Compiled, Diagnostic> {
    let mut compiled = Vec::with_capacity(libs.len());
    let constants = publish_constants(engine, rule, libs)?;
    for lib in libs {
        let mut ast = compile_file(engine, lib, libs, &constants)?;
        ast.set_source(lib.path.as_str());
        let files = std::slice::from_ref(lib);
        let mut module = Module::eval_ast_as_new(Scope::new(), &ast, engine)
            .map_err(|error| fault::runtime_problem(&error, lib, files, &Wording::default()))?;
        for (file, name, value) in &constants {
            if *file == lib.path {
                module.set_var(name.as_str(), value.clone());
            }
        }
        engine.register_static_module(lib.stem(), module.into());
        compiled.push((lib.stem().to_owned(), ast));
    }
    let mut ast = compile_file(engine, rule, libs, &constants)?;
    ast.set_source(rule.path.as_str());
    Ok(Compiled {
        rule: ast,
        libs: compiled,
    })
}

fn compile_file(
    engine: &Engine,
    file: &SourceText,
    libs: &[SourceText],
    constants: &[Constant],
) -> Result<AST, Diagnostic> {
    engine
        .compile_with_scope(&databases(), &*file.text)
        .map_err(|error| {
            let names: Vec<&str> = constants.iter().map(|c| c.1.as_str()).collect();
            let libraries: Vec<&str> = libs.iter().map(SourceText::stem).collect();
            unparsed::problem(&error, file, &names, &libraries)
        })
}

/// Names that only hooks, procedural rules and the REPL can use; every file may name them.
pub(super) const DATABASE_NAMES: [&str; 4] = ["source", "target", "ids", "checkpoint"];

fn databases() -> Scope<'static> {
    let mut scope = Scope::new();
    for name in DATABASE_NAMES {
        scope.push(name, ());
    }
    scope
}

/// File, name, value.
type Constant = (String, String, Dynamic);

/// Functions do not see constants of their file; a module `global` is seen everywhere.
fn publish_constants(
    engine: &mut Engine,
    rule: &SourceText,
    libs: &[SourceText],
) -> Result<Vec<Constant>, Diagnostic> {
    let mut found: Vec<Constant> = Vec::new();
    for file in std::iter::once(rule).chain(libs) {
        let ast = literal::folded_ast(file)?;
        for (name, _, value) in ast.iter_literal_variables(true, false) {
            if let Some((other, ..)) = found
                .iter()
                .find(|c| c.1 == name && format!("{:?}", c.2) != format!("{value:?}"))
            {
                return Err(Diagnostic::error(format!("the constant `{name}` is in {other} and in {}", file.path))
                    .at(literal::constant_place(&ast, name, file))
                    .hint("rename one of them: `global::` shows the constants of a rule and of its libraries together"));
            }
            found.push((file.path.clone(), name.to_owned(), value));
        }
    }
    let mut global = Module::new();
    for (_, name, value) in &found {
        global.set_var(name.as_str(), value.clone());
    }
    engine.register_static_module("global", global.into());
    // known before any library compiles, so that libraries may use one another's constants
    for lib in libs {
        let mut module = Module::new();
        for (_, name, value) in found.iter().filter(|c| c.0 == lib.path) {
            module.set_var(name.as_str(), value.clone());
        }
        engine.register_static_module(lib.stem(), module.into());
    }
    Ok(found)
}
