//! New ids are computed, and parents are found: ids and lookups of a chunk, fetched before its rule runs.

mod compute;

pub use compute::{IdKind, id_for};
