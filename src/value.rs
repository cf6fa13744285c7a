//! Logical column types, which pairs of them may meet, and the canonical text of a value.
//!
//! Values travel as the server's text. This module decides, for a source type and a target type,
//! whether the text may be copied, must be converted by a named conversion, or is refused; and it
//! holds every value against the limits of the target's column before the server could round or cut it.

mod array;
mod calendar;
mod canonical;
mod convert;
mod fit;
mod float;
mod interval;
mod json;
mod literal;
mod number;
mod pair;
mod table;
mod time;
mod type_name;

pub use canonical::{Storage, canonical, sqlite_keeps};
pub use convert::Conversion;
pub use fit::{fit, fit_text, same_text};
pub use json::canonical_jsonb;
pub(crate) use json::put_string as put_json_string;
pub use pair::{Pair, pair};
pub use table::{pair_table, types_markdown};
pub use time::{Moment, date_in};

use std::sync::Arc;

/// What a column holds, whatever engine it lives in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Logical {
    /// `t` / `f` in Postgres text; 0/1 in SQLite.
    Bool,
    /// 16-bit integer.
    Int2,
    /// 32-bit integer.
    Int4,
    /// 64-bit integer.
    Int8,
    /// Decimal; `None` = unconstrained. Scale may be negative in Postgres 15+.
    Numeric(Option<(u16, i16)>),
    /// 32-bit float.
    Float4,
    /// 64-bit float.
    Float8,
    /// text or varchar; the limit counts characters.
    Text(Option<u32>),
    /// char(n), blank-padded.
    Char(u32),
    /// bytea, as `\x…` text.
    Bytes,
    /// date
    Date,
    /// time without time zone
    Time,
    /// time with time zone
    TimeTz,
    /// timestamp without time zone
    Timestamp,
    /// timestamp with time zone
    TimestampTz,
    /// interval
    Interval,
    /// uuid
    Uuid,
    /// json: kept as written
    Json,
    /// jsonb: canonical
    Jsonb,
    /// An enum: its name and labels in order.
    Enum(Arc<str>, Arc<[String]>),
    /// An array of something.
    Array(Box<Logical>),
    /// A type this table does not know, by the engine's own name: copied to the same type or refused.
    /// Also a type of time with fewer than six places of a second: see [`Logical::plain`].
    Other(Arc<str>),
    /// A SQLite column without a declared type: each value goes by its storage class.
    Untyped,
}

/// Why a value does not fit: a stable code (`too_long`, `would_round`, `out_of_range`, `bad_value`,
/// `not_a_label`, `not_finite`, `nul_byte`, `not_utf8`, `null_not_allowed`) and a sentence that never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Stable code, counted and reported.
    pub code: &'static str,
    /// Lower-case sentence naming types and limits, never the value.
    pub why: String,
}

/// What a rule may hand out for one target column; the neutral form of a script value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `()` in the script.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An exact decimal.
    Decimal(rust_decimal::Decimal),
    /// Text.
    Text(String),
    /// A value of a known type that the script carried or made: canonical text (timestamps, dates, uuids, bytes, floats …).
    Typed(Logical, String),
    /// A map or an array, already as canonical jsonb text.
    Json(String),
    /// An array of scalars, for an array column (or jsonb).
    List(Vec<Scalar>),
}

impl Misfit {
    pub(crate) fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self {
            code,
            why: why.into(),
        }
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Misfit {}
