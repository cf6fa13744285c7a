//! New ids are computed from legacy keys: running again gives the same ids.

mod compute;

pub use compute::{IdKind, ORDERED_SQL, id_for};
