//! Calls from the host into a script, one per row, with what the engine learnt in the calls before.
//!
//! The engine's own entry point throws away which function a name with these argument types means, and
//! finds out again for every row. Here that is kept for as long as the engine and the script stay.

use rhai::{
    AST, Caches, Dynamic, Engine, EvalAltResult, EvalContext, GlobalRuntimeState, Position, Scope,
};

use super::prepared::Prepared;

/// Levels that the engine counts before the function that is called.
pub(super) const LEVELS: usize = 2;

/// What outlives a call.
pub(super) struct Calls {
    global: GlobalRuntimeState,
    found: Caches,
}

impl Calls {
    pub(super) fn new(engine: &Engine, ast: &AST) -> Self {
        let mut global = engine.new_global_runtime_state();
        global.lib.push(ast.shared_lib().clone());
        Self {
            global,
            found: Caches::new(),
        }
    }

    /// Calls a function of the script, as `Engine::call_fn` does.
    pub(super) fn call(
        &mut self,
        engine: &Engine,
        prepared: Option<&Prepared>,
        name: &str,
        argument: Option<Dynamic>,
    ) -> Result<Dynamic, Box<EvalAltResult>> {
        self.begin();
        let mut scope = Scope::new();
        let mut context =
            EvalContext::new(engine, &mut self.global, &mut self.found, &mut scope, None);
        let arguments = usize::from(argument.is_some());
        let found = prepared.and_then(|p| p.find(name, arguments).map(|at| (p, at)));
        let result = match argument {
            argument if found.is_some() => {
                let (prepared, at) = found.expect("it is there");
                context.global_runtime_state_mut().level = LEVELS;
                prepared.call(
                    at,
                    argument.into_iter().collect(),
                    Position::NONE,
                    &mut context,
                )
            }
            None => context.call_fn_raw(name, false, false, &mut []),
            Some(mut argument) => context.call_fn_raw(name, false, false, &mut [&mut argument]),
        };
        result.map_err(|error| match *error {
            EvalAltResult::ErrorInFunctionCall(function, _, inner, _) if function == name => inner,
            _ => error,
        })
    }

    /// A call that failed may have left anything behind, and every call has its own budget.
    fn begin(&mut self) {
        let global = &mut self.global;
        global.num_operations = Default::default();
        global.lib.truncate(1);
        global.truncate_imports(0);
        global.source = None;
        global.constants = None;
        global.level = 0;
        global.scope_level = 0;
        global.always_search_scope = false;
        self.found.rewind_fn_resolution_caches(1);
    }
}
