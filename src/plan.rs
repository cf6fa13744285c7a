//! From rules to ordered steps: parents first, each rule joined with the shapes of both databases.

mod order;
mod step;

pub use order::order;
pub use step::Step;
