//! From rules to ordered steps: parents first, each rule joined with the shapes of both databases.

mod job;
mod order;
mod step;

pub use job::Job;
pub use order::order;
pub use step::Step;
