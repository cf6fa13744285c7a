//! Trying rules on real rows by hand: expressions, one row at a time, the rule's verdict on it.
//!
//! Everything here reads; nothing is written to either database. `cli` owns the loop and prints what
//! [`Talk::answer`] says.

mod databases;
mod editor;
mod input;
mod talk;

pub use editor::{Line, Lines};
pub use input::{COMMANDS, Command, Input, parse};
pub use talk::{Reply, Talk};
