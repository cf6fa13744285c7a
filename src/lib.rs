#![doc = include_str!("ARCHITECTURE.md")]

// What everything is made of.
pub mod config;
pub mod diagnostic;
pub mod row;
pub mod value;

// The two databases.
pub mod catalog;
pub mod db;
pub mod source;
pub mod state;
pub mod target;

// What a user writes.
pub mod check;
pub mod ids;
pub mod plan;
pub mod rule;
pub mod script;

// What a run does.
pub mod commit;
pub mod diff;
pub mod pipeline;
pub mod recheck;
pub mod report;
pub mod verify;

// What a person touches.
pub mod cli;
pub mod demo;
pub mod repl;
