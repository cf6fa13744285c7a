//! The statements of a function, as far as it is known what to do: a variable, a condition, a column of a map,
//! a choice between constants. Loops and everything rare are left to the engine.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem;

use rhai::{Dynamic, EvalAltResult, EvalContext, Expr, Identifier, ImmutableString, Map, Position};

use super::prepared::{Evaluated, Node, Prepared, general};

/// Values for which a choice is remembered.
const CHOICES_MAX: usize = 256;
/// Longer texts are not what one chooses by.
const CHOICE_BYTES_MAX: usize = 64;

/// A statement.
pub(super) enum Step {
    /// `let name = value;`
    Let(ImmutableString, Node, Position),
    /// `if condition { … } else { … }`
    If(Node, Position, Vec<Step>, Vec<Step>),
    /// `map.key = value;`, and the statement as the engine knows it.
    Set(ImmutableString, Identifier, Node, Expr),
    /// `switch text { … }` between constants: what came out for the texts seen so far, and the statement.
    Switch(Node, RefCell<HashMap<ImmutableString, Dynamic>>, Expr),
    Return(Node),
    Value(Node),
}

/// How statements ended.
pub(super) enum Flow {
    /// With the value of the last one.
    Value(Dynamic),
    /// With `return`.
    Return(Dynamic),
}

type Script<'a, 's, 'ps, 'g, 'c, 't> = EvalContext<'a, 's, 'ps, 'g, 'c, 't>;

impl Prepared {
    /// A block: what it declares is gone at its end.
    pub(super) fn block(
        &self,
        steps: &[Step],
        script: &mut Script<'_, '_, '_, '_, '_, '_>,
    ) -> Result<Flow, Box<EvalAltResult>> {
        let start = script.scope().len();
        let flow = self.steps(steps, script);
        script.scope_mut().rewind(start);
        flow
    }

    fn steps(
        &self,
        steps: &[Step],
        script: &mut Script<'_, '_, '_, '_, '_, '_>,
    ) -> Result<Flow, Box<EvalAltResult>> {
        let mut last = Dynamic::UNIT;
        for step in steps {
            last = match step {
                Step::Let(name, node, position) => {
                    if script.scope().len() >= script.engine().max_variables() {
                        return Err(EvalAltResult::ErrorTooManyVariables(*position).into());
                    }
                    let value = self.node(node, script)?.flatten();
                    script.scope_mut().extend([(name.clone(), value)]);
                    Dynamic::UNIT
                }
                Step::If(condition, position, then, otherwise) => {
                    let holds = self.flag(condition, *position, script)?;
                    let chosen = if holds { then } else { otherwise };
                    match self.block(chosen, script)? {
                        Flow::Value(value) => value,
                        end @ Flow::Return(_) => return Ok(end),
                    }
                }
                Step::Set(map, key, node, statement) => {
                    if own_map(script, map).is_none() {
                        general(statement, script)?
                    } else {
                        let value = self.node(node, script)?.flatten();
                        if let Some(mut map) =
                            own_map(script, map).and_then(Dynamic::write_lock::<Map>)
                        {
                            map.insert(key.clone(), value);
                        }
                        Dynamic::UNIT
                    }
                }
                Step::Switch(node, known, statement) => {
                    let value = self.node(node, script)?;
                    choose(&value, known, || general(statement, script))?
                }
                Step::Return(node) => return Ok(Flow::Return(self.node(node, script)?.flatten())),
                Step::Value(node) => self.node(node, script)?,
            };
        }
        Ok(Flow::Value(last))
    }

    /// A condition, refused as the engine refuses it when it is none.
    pub(super) fn flag(
        &self,
        node: &Node,
        position: Position,
        script: &mut Script<'_, '_, '_, '_, '_, '_>,
    ) -> Result<bool, Box<EvalAltResult>> {
        self.node(node, script)?.as_bool().map_err(|found| {
            let wanted = script.engine().map_type_name(std::any::type_name::<bool>());
            EvalAltResult::ErrorMismatchDataType(wanted.into(), found.into(), position).into()
        })
    }
}

/// A variable that holds a map of its own, and may be changed.
fn own_map<'a>(
    script: &'a mut Script<'_, '_, '_, '_, '_, '_>,
    name: &str,
) -> Option<&'a mut Dynamic> {
    let variable = script.scope_mut().get_mut(name)?;
    (!variable.is_shared() && variable.is_map()).then_some(variable)
}

/// A function's own variable that nobody reads any more.
pub(super) fn take(script: &mut Script<'_, '_, '_, '_, '_, '_>, name: &str) -> Option<Dynamic> {
    let variable = script.scope_mut().get_mut(name)?;
    (!variable.is_shared()).then(|| mem::take(variable))
}

fn choose(
    value: &Dynamic,
    known: &RefCell<HashMap<ImmutableString, Dynamic>>,
    ask: impl FnOnce() -> Evaluated,
) -> Evaluated {
    let text = value.read_lock::<ImmutableString>();
    let Some(text) = text.filter(|text| text.len() <= CHOICE_BYTES_MAX) else {
        return ask();
    };
    if let Some(chosen) = known.borrow().get(&*text) {
        return Ok(chosen.clone());
    }
    let chosen = ask()?;
    let mut known = known.borrow_mut();
    if known.len() < CHOICES_MAX {
        known.insert(text.clone(), chosen.clone());
    }
    Ok(chosen)
}
