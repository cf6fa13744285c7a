//! What a run is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was asked for.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own on the command line"
)]
pub struct Options {
    /// `run`, `exec` …: recorded with the run.
    pub command: &'static str,
    /// Everything but the writes.
    pub dry_run: bool,
    /// Only so many source rows, outside the table's account.
    pub limit: Option<u64>,
    /// Only this key, outside the table's account.
    pub row: Option<String>,
    /// Forget checkpoints and read everything again.
    pub restart: bool,
    /// Go on although the rule's *transform* changed.
    pub accept_rule_change: bool,
    /// Connections that commit.
    pub writers: usize,
    /// Connections to the target, at most; `None`: as many as there is room for.
    pub connections: Option<i64>,
    /// Base rows per chunk; `None`: as many as suit the target.
    pub batch_rows: Option<u64>,
    /// Measure where the time goes.
    pub profile: bool,
    /// Only quarantined rows: all of these rules, and of any other rule those that wait for a row that arrives.
    pub retry: Option<Vec<String>>,
    /// Everything again, compared with what was written: these rules, and of any other rule the rows that wait
    /// for one that arrives.
    pub sync: Option<Syncing>,
}

/// What a sync is asked for.
#[derive(Clone, Debug)]
pub struct Syncing {
    /// The rules.
    pub rules: Vec<String>,
    /// Remove what is withdrawn.
    pub deletes: bool,
}

/// Ctrl-C: asks a run to stop after the chunks in flight.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Not asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// True when asked.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
