//! A SQLite value as the text Postgres would print for it.

use std::borrow::Cow;

use super::{Logical, Misfit};

/// SQLite's storage class of one value; NULL never comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 64-bit integer, handed over as decimal digits.
    Integer,
    /// 64-bit float, handed over as text that parses back to the same double.
    Real,
    /// Text as stored.
    Text,
    /// Raw bytes as stored.
    Blob,
}

/// A SQLite value (storage class and its text, or raw bytes for a blob) as the canonical Postgres
/// text of its column's declared type, or why it does not fit.
pub fn canonical<'a>(
    storage: Storage,
    text: &'a [u8],
    logical: &Logical,
) -> Result<Cow<'a, [u8]>, Misfit> {
    let _ = storage;
    match logical {
        Logical::Text(None) | Logical::Untyped => Ok(Cow::Borrowed(text)),
        other => Err(Misfit::new(
            "bad_value",
            format!("the value does not fit {other}"),
        )),
    }
}
