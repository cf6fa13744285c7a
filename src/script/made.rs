//! What `transform` returned, in neutral terms.

use rhai::{Array, Dynamic, ImmutableString, Map};

use super::json;
use super::row::Row;
use super::typed::Typed;
use crate::value::{Logical, Misfit, Scalar};

/// Room for the JSON text of a small map, so that it does not grow piece by piece.
const JSON_BYTES: usize = 256;

/// One map of target columns.
#[derive(Clone, Debug, Default)]
pub struct Made(pub(super) Map);

/// One value of it.
#[derive(Clone, Copy, Debug)]
pub struct MadeValue<'a>(&'a Dynamic);

impl Made {
    /// Columns and values, ordered by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, MadeValue<'_>)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), MadeValue(value)))
    }

    /// Whether it sets this column.
    pub fn sets(&self, column: &str) -> bool {
        self.0.contains_key(column)
    }
}

impl MadeValue<'_> {
    /// What `with` makes of a text; `None` when this is none.
    pub fn text<T>(&self, with: impl FnOnce(&str) -> T) -> Option<T> {
        let text = self.0.read_lock::<ImmutableString>()?;
        Some(with(text.as_str()))
    }

    /// What `with` makes of the canonical text of a value of this type; `None` when it is of another.
    pub fn typed<T>(&self, logical: &Logical, with: impl FnOnce(&str) -> T) -> Option<T> {
        let typed = self.0.read_lock::<Typed>()?;
        (typed.logical == *logical).then(|| with(typed.text.as_str()))
    }

    /// The value for a target column; `as_list` where that column holds an array.
    pub fn scalar(&self, as_list: bool) -> Result<Scalar, Misfit> {
        scalar(self.0, as_list)
    }
}

pub(super) fn scalar(value: &Dynamic, as_list: bool) -> Result<Scalar, Misfit> {
    if value.is_unit() {
        return Ok(Scalar::Null);
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        return Ok(Scalar::Text(text.to_string()));
    }
    if let Ok(number) = value.as_int() {
        return Ok(Scalar::Int(number));
    }
    if let Ok(number) = value.as_decimal() {
        return Ok(Scalar::Decimal(number));
    }
    if let Ok(flag) = value.as_bool() {
        return Ok(Scalar::Bool(flag));
    }
    if let Some(typed) = value.read_lock::<Typed>() {
        return Ok(Scalar::Typed(typed.logical.clone(), typed.text.to_string()));
    }
    if let Ok(letter) = value.as_char() {
        return Ok(Scalar::Text(letter.to_string()));
    }
    if let Some(items) = value.read_lock::<Array>()
        && as_list
    {
        return items
            .iter()
            .map(|item| scalar(item, true))
            .collect::<Result<_, _>>()
            .map(Scalar::List);
    }
    if value.is::<Array>() || value.is::<Map>() {
        let mut text = String::with_capacity(JSON_BYTES);
        json::write(value, &mut text)?;
        return Ok(Scalar::Json(text));
    }
    let why = if value.is::<Row>() {
        "a whole row cannot be stored; name one of its columns".to_owned()
    } else {
        format!(
            "a {} cannot be stored",
            super::fault::kind(value.type_name())
        )
    };
    Err(Misfit {
        code: "bad_value",
        why,
    })
}
