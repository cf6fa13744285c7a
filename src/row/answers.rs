//! What was fetched for a chunk before its rule ran: ids of parents and rows of lookups.

use std::collections::HashMap;
use std::sync::Arc;

use super::Rows;

/// What the target says about one legacy key of a parent table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdAnswer {
    /// The parent's id.
    One(uuid::Uuid),
    /// Nobody has that legacy key.
    None,
    /// Two or more do: the child is rejected as `ambiguous_parent`.
    Many,
}

/// The rows of one lookup for this chunk, in declared order within each key.
#[derive(Clone, Debug, Default)]
pub struct LookupAnswer {
    /// Columns are the lookup's `take`.
    pub rows: Arc<Rows>,
    /// Logical types of those columns.
    pub types: Arc<[crate::value::Logical]>,
    /// Lookup key text → rows `start..end`. A key that was asked for and has no rows maps to an empty range.
    pub groups: HashMap<String, std::ops::Range<usize>>,
}

/// Everything a rule may ask for while it judges a chunk.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Target table → legacy key text → answer. A key that is absent was never asked for.
    pub ids: HashMap<String, Arc<HashMap<String, IdAnswer>>>,
    /// Lookup name → its rows.
    pub lookups: HashMap<String, LookupAnswer>,
}
