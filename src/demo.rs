//! A pair of databases to try the product on: a dirty legacy system and the Supabase project that
//! earlier migrations half filled, made from a seed, in any size, with known outcomes.
//!
//! Start at [`seed`]; [`expected()`] says what a migration of them must come to. Rows are made one by
//! one from their place in the table (`tables`), so nothing is kept in memory; which row is dirty in
//! which way is arithmetic on class sizes (`classes`, `space`), so the counts are exact.

#![expect(
    clippy::manual_is_multiple_of,
    clippy::verbose_bit_mask,
    clippy::unused_self,
    reason = "odds read as odds (one row in seven, one draw in eight); a world is asked as one thing"
)]

mod cells;
mod classes;
mod expected;
mod kinds;
mod load;
mod money;
mod people;
mod random;
mod source;
mod space;
mod tables;
mod target;
mod text;
mod world;

pub use expected::{Expected, expected, expected_of, purchase_totals};
pub use load::{Summary, seed};
pub use money::Totals;

/// What to make.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Size of every table; 1 is the real system's. At least 0.001.
    pub scale: f64,
    /// The same seed gives the same rows, on either engine.
    pub seed: u64,
    /// For a benchmark: a rule and how many source rows it shall read, classes in proportion, with
    /// the parents they need. Everything else keeps `scale`.
    pub rows: Option<(String, u64)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            scale: 1.0,
            seed: 1,
            rows: None,
        }
    }
}
