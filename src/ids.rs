//! New ids are computed, and parents are found: ids and lookups of a chunk, fetched before its rule runs.

mod compute;
mod fetch;
mod wants;

pub use compute::{IdKind, id_for};
pub use wants::{Known, Wants};
