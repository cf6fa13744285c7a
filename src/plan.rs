//! From rules to ordered steps: parents first, each rule joined with the shapes of both databases.

mod among;
mod fetch;
pub mod handover;
mod input;
mod job;
mod nearest;
mod order;
mod parents;
mod people;
mod reach;
pub mod readiness;
mod step;
mod wants;
mod whole;

pub use job::Job;
pub use order::order;
pub use parents::unfilled;
pub use reach::Reach;
pub use step::Step;
pub use wants::{Known, Wants};
