//! Rows of the target, as earlier migrations left it.

mod orders;
mod people;
mod tables;

pub(super) use tables::{EMPTY, FILLED};
