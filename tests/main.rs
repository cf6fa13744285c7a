//! The integration tests, in one binary: it links once, and the tests share their throw-away servers.
//!
//! A test file is named after what a person does or fears, and proves it through the program itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(
    clippy::print_stderr,
    reason = "measured times and kept folders belong into the test's output"
)]
#![allow(
    unreachable_pub,
    reason = "nothing is reachable from outside a test binary"
)]
#![allow(missing_docs, reason = "names of tests are sentences")]

mod accounts;
mod adoption;
mod architecture;
mod auth;
mod bisect;
mod browser;
mod canary;
mod check;
mod cli;
mod demo;
mod derive;
mod diagnostics;
mod diff;
mod docs;
mod drift;
mod dry_run;
mod edit;
mod errors;
mod fenced;
mod fitness;
mod fuzz;
mod hostile;
mod ids;
mod init;
mod joined;
mod keys;
mod kill;
mod lanes;
mod memory;
mod model;
mod mutants;
mod order;
mod preview;
mod privacy;
mod procedure;
mod profile;
mod quarantine;
mod recheck;
mod reference;
mod reliability;
mod repl;
mod report;
mod rerun;
mod retry;
mod scale1;
mod seed_classes;
mod state;
mod storage;
mod struck;
mod supabase;
mod supabase_faults;
mod support;
mod sync;
mod tracking;
mod undo;
mod values;
mod verify;
mod verify_corrupt;
mod verify_limits;
mod verify_resume;
mod verify_why;
mod why;
mod writers;
