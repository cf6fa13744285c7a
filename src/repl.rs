//! Trying rules on real rows by hand: expressions, one row at a time, the rule's verdict on it.
//!
//! Everything here reads, but for `:retry` after `:write on`: the engine that `runner retry` is. `cli` owns the loop and prints what [`Talk::answer`] says.

mod colour;
mod databases;
mod editor;
mod input;
mod interrupt;
mod look;
mod pin;
mod replay;
mod reply;
mod retry;
mod shown;
mod talk;
mod watch;
mod words;

pub use editor::{Event, Line, Terminal, read_pipe};
pub use input::{COMMANDS, Command, Input, parse};
pub use interrupt::Interrupt;
pub use reply::Reply;
pub use talk::Talk;
pub use watch::Watched;
pub use words::{Word, Words};
