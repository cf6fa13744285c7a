//! A row as a script sees it: one getter per column, decoded when touched.

use std::rc::Rc;
use std::sync::Arc;

use rhai::{Dynamic, Engine, ImmutableString, Map, NativeCallContext};
use rust_decimal::Decimal;

use super::context::{Context, Fallible, HostFault, RaisedVerdict};
use super::listing::Mask;
use super::typed::Typed;
use crate::diagnostic::did_you_mean;
use crate::row::{Rows, Stage};
use crate::value::Logical;

/// A larger value may be copied, but not read by a script.
pub(super) const VALUE_BYTES_MAX: usize = 1 << 20;

/// The columns of a set of rows.
pub(super) struct Shape {
    what: String,
    names: Arc<[String]>,
    types: Arc<[Logical]>,
    /// Getter slot → column.
    by_slot: Vec<Option<u16>>,
}

impl Shape {
    pub(super) fn new(
        what: String,
        names: &Arc<[String]>,
        types: &Arc<[Logical]>,
        slots: &[String],
    ) -> Self {
        let column = |name: &String| {
            names
                .iter()
                .position(|n| n == name)
                .and_then(|at| u16::try_from(at).ok())
        };
        Self {
            what,
            names: Arc::clone(names),
            types: Arc::clone(types),
            by_slot: slots.iter().map(column).collect(),
        }
    }

    pub(super) fn is_of(&self, names: &Arc<[String]>, types: &Arc<[Logical]>) -> bool {
        (Arc::ptr_eq(&self.names, names) || self.names == *names)
            && (Arc::ptr_eq(&self.types, types) || self.types == *types)
    }
}

/// A row, read or made up by a test. Cheap to clone.
#[derive(Clone)]
pub(super) enum Row {
    Read {
        rows: Arc<Rows>,
        shape: Rc<Shape>,
        row: usize,
    },
    Made(Rc<Map>),
}

impl Row {
    /// Columns and values as texts, for a person.
    pub(super) fn cells(&self, mask: Option<&Mask>) -> Vec<(String, String)> {
        match self {
            Self::Read { rows, shape, row } => {
                let text = |(column, name): (usize, &String)| {
                    let text = match (rows.text(*row, column), mask) {
                        (None, _) => "NULL".to_owned(),
                        (Some(_), Some(mask)) if !mask.shows(name) => mask.stand_in.to_owned(),
                        (Some(Ok(text)), _) => text.into_owned(),
                        (Some(Err(_)), _) => "bytes that are not UTF-8".to_owned(),
                    };
                    (name.clone(), text)
                };
                shape.names.iter().enumerate().map(text).collect()
            }
            Self::Made(map) => map
                .iter()
                .map(|(name, value)| (name.to_string(), super::testing::show(value)))
                .collect(),
        }
    }

    /// A cell that there is nothing to say about; `None` leaves it to the getter.
    pub(super) fn plain_cell(&self, slot: usize) -> Option<Dynamic> {
        let Self::Read { rows, shape, row } = self else {
            return None;
        };
        let column = usize::from(shape.by_slot.get(slot).copied().flatten()?);
        if !rows.faults().is_empty() {
            return None;
        }
        let Some(raw) = rows.raw(*row, column) else {
            return Some(Dynamic::UNIT);
        };
        let suspect = raw.len() > VALUE_BYTES_MAX || memchr::memchr2(b'\\', 0, raw).is_some();
        if suspect {
            return None;
        }
        decode_text(std::str::from_utf8(raw).ok()?, &shape.types[column])
    }

    fn by_slot(
        &self,
        slot: usize,
        name: &str,
        call: &NativeCallContext,
        context: &Context,
    ) -> Fallible<Dynamic> {
        match self {
            Self::Read { rows, shape, row } => match shape.by_slot.get(slot).copied().flatten() {
                Some(column) => decode(rows, shape, *row, column.into(), call, context),
                None => self.by_name(name, call, context),
            },
            Self::Made(_) => self.by_name(name, call, context),
        }
    }

    fn by_name(
        &self,
        name: &str,
        call: &NativeCallContext,
        context: &Context,
    ) -> Fallible<Dynamic> {
        match self {
            Self::Made(map) => match map.get(name) {
                Some(value) => Ok(value.clone()),
                // what a sample leaves out is NULL, as in a table
                None if context.known_columns.iter().any(|c| c == name) => Ok(Dynamic::UNIT),
                None => unknown_column(
                    context,
                    "the row",
                    name,
                    map.keys().map(rhai::Identifier::as_str),
                ),
            },
            Self::Read { rows, shape, row } => match shape.names.iter().position(|n| n == name) {
                Some(column) => decode(rows, shape, *row, column, call, context),
                None => unknown_column(
                    context,
                    &shape.what,
                    name,
                    shape.names.iter().map(String::as_str),
                ),
            },
        }
    }
}

fn decode(
    rows: &Rows,
    shape: &Shape,
    row: usize,
    column: usize,
    call: &NativeCallContext,
    context: &Context,
) -> Fallible<Dynamic> {
    let refuse = |code: &str, why: String| {
        let verdict = RaisedVerdict::Reject {
            stage: Stage::Read,
            code: code.to_owned(),
            why,
            waiting_for: None,
        };
        context.raise(call, verdict)
    };
    let name = &shape.names[column];
    if let Some(fault) = rows.fault_at(row, column) {
        return refuse("bad_value", format!("column `{name}`: {}", fault.why));
    }
    let Some(raw) = rows.raw(row, column) else {
        return Ok(Dynamic::UNIT);
    };
    if raw.len() > VALUE_BYTES_MAX {
        return refuse(
            "too_large_for_script",
            format!(
                "column `{name}` holds more than 1 MiB; copy it instead of reading it in the script"
            ),
        );
    }
    let Some(Ok(text)) = rows.text(row, column) else {
        return refuse(
            "not_utf8",
            format!("column `{name}` holds bytes that are not UTF-8"),
        );
    };
    if text.contains('\0') {
        return refuse("nul_byte", format!("column `{name}` holds a NUL byte"));
    }
    match decode_text(&text, &shape.types[column]) {
        Some(value) => Ok(value),
        None => refuse(
            "bad_value",
            format!(
                "column `{name}` does not hold a valid {}",
                shape.types[column]
            ),
        ),
    }
}

/// A cell's text as a script value; `None` when the text is not of its type.
pub(super) fn decode_text(text: &str, logical: &Logical) -> Option<Dynamic> {
    Some(match logical {
        Logical::Bool => match text {
            "t" | "true" | "1" => Dynamic::TRUE,
            "f" | "false" | "0" => Dynamic::FALSE,
            _ => return None,
        },
        Logical::Int2 | Logical::Int4 | Logical::Int8 => Dynamic::from_int(text.parse().ok()?),
        Logical::Numeric(_) => match Decimal::from_str_exact(text) {
            Ok(number) => Dynamic::from_decimal(number),
            // exact or opaque: NaN, infinities and more than 28 digits can be carried, not computed with
            Err(_) => Dynamic::from(Typed::new(logical.clone(), text)),
        },
        Logical::Text(_) | Logical::Char(_) | Logical::Enum(..) | Logical::Untyped => {
            Dynamic::from(ImmutableString::from(text))
        }
        _ => Dynamic::from(Typed::new(logical.clone(), text)),
    })
}

fn unknown_column<'a>(
    context: &Context,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Fallible<Dynamic> {
    let known: Vec<&str> = known.collect();
    let hint = match did_you_mean(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("columns: {}", known.join(", ")),
    };
    let wording = context.wording.borrow();
    let name = wording.name(name);
    HostFault::with_hint(format!("column `{name}` is not in {what}"), hint)
}

pub(super) fn register(engine: &mut Engine, context: &Rc<Context>) {
    engine.register_type_with_name::<Row>("row");
    for (slot, name) in context.slots.iter().enumerate() {
        let (shared, column) = (Rc::clone(context), name.clone());
        engine.register_get(name, move |call: NativeCallContext, row: &mut Row| {
            row.by_slot(slot, &column, &call, &shared)
        });
    }
    let shared = Rc::clone(context);
    engine.register_indexer_get(move |call: NativeCallContext, row: &mut Row, name: &str| {
        row.by_name(name, &call, &shared)
    });
    engine.register_fn("to_string", |_: &mut Row| "(row)");
    engine.register_fn("to_debug", |_: &mut Row| "(row)");
}
