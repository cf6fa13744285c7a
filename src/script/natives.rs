//! Functions of the host on one value that rules use for nearly every row, called without the engine.

use rhai::{Dynamic, ImmutableString};

use super::context::Context;
use super::text;
use super::typed::Typed;

/// What a function makes of a value; `None` leaves it to the engine, which calls the same function or says
/// that there is none for such a value. None of them has an effect, so it may be called again.
pub(super) type Native = fn(&Context, &Dynamic) -> Option<Dynamic>;

/// Longer texts are left to the engine, which holds what comes out of them against its limits.
const BYTES_MAX: usize = 2_000;

/// The function that a script calls by this name.
pub(super) fn find(name: &str) -> Option<Native> {
    Some(match name {
        "lower" => |_, value| Some(short(value)?.to_lowercase().into()),
        "upper" => |_, value| Some(short(value)?.to_uppercase().into()),
        "trim" => |_, value| {
            let text = short(value)?;
            let trimmed = text.trim();
            Some(if trimmed.len() == text.len() {
                Dynamic::from(text)
            } else {
                Dynamic::from(ImmutableString::from(trimmed))
            })
        },
        "is_blank" => |_, value| text::is_blank(value).map(Dynamic::from),
        "is_json" => |context, value| Some(text::is_json(context, short(value)?).into()),
        "try_json" => |context, value| {
            if value.is_unit() {
                return Some(Dynamic::UNIT);
            }
            Some(text::read_json(context, &short(value)?).unwrap_or(Dynamic::UNIT))
        },
        "to_string" => |_, value| {
            let typed = value.read_lock::<Typed>()?;
            Some(Dynamic::from(typed.text.clone()))
        },
        _ => return None,
    })
}

fn short(value: &Dynamic) -> Option<ImmutableString> {
    let text = value.read_lock::<ImmutableString>()?;
    (text.len() <= BYTES_MAX).then(|| text.clone())
}
