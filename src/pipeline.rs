//! The run: for every rule in order read, judge, commit, until the source has no more keys.
//!
//! One engine for every mode. [`run`] opens the databases, prepares all steps (nothing is written
//! before every rule has passed its check), claims the target, and takes the tables one by one.
//! Progress is a callback: nothing here prints.

mod chunk;
mod claim;
mod clerk;
mod connections;
mod elsewhere;
mod ending;
mod error;
mod flow;
mod gate;
mod host;
mod judge;
mod kept;
mod known;
mod lanes;
mod mode;
mod options;
mod procedure;
mod profile;
mod reader;
mod reconcile;
mod retry;
mod second;
mod segment;
mod streams;
mod sweep;
mod sync;
mod table;
mod tracking;
mod twice;
mod undo;
mod writers;

pub use ending::Ending;
pub use error::RunError;
pub use options::{Options, Stop, Syncing};
pub use procedure::no_trial;
pub use profile::Lines;
pub use retry::{Moved, Retried};
pub use sync::{Conflict, Left, Synced, Withdrawn};
pub use undo::{Undo, Undone, UndoneRule, undo};

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use uuid::Uuid;

use crate::commit::Spent;
use crate::config::Config;
use crate::db::{Engine, Role, Session, point};
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::{Job, Known, Step, order, unfilled};
use crate::rule::{Rule, RuleSet};
use crate::source::{Snapshot, Source};
use crate::state::{Account, CodeCounts, Counts, State};
use writers::Writers;

/// What happens, for whoever watches.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A table begins.
    RuleStarted {
        /// The rule.
        rule: &'a str,
        /// Base rows to go through in all.
        base: u64,
        /// Of those, already accounted for.
        done: u64,
    },
    /// A chunk landed.
    Chunk {
        /// The rule.
        rule: &'a str,
        /// Base rows it covered.
        base: u64,
        /// Rows judged.
        read: u64,
        /// Of those, rejected.
        rejected: u64,
    },
    /// A table ended.
    RuleFinished {
        /// The rule.
        rule: &'a str,
        /// `done`, `interrupted` …
        note: &'a str,
    },
    /// Something worth a line.
    Message(&'a str),
}

/// Who watches.
pub trait Watcher: Send + Sync {
    /// Takes note.
    fn event(&self, event: Event<'_>);
}

/// What a rule came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Was complete, and the source has nothing new.
    Done,
    /// Was worked on.
    Ran,
    /// Nothing was written.
    DryRun,
    /// `--limit` or `--row`.
    Trial,
    /// Complete, but by an older version of the rule: nothing was written.
    Changed,
}

/// One rule's part of the outcome.
#[derive(Clone, Debug)]
pub struct RuleOutcome {
    /// The rule.
    pub rule: String,
    /// Its table.
    pub target: String,
    /// What was done.
    pub what: What,
    /// Where the table stands now.
    pub account: Account,
    /// What this run did.
    pub this_run: Counts,
    /// The same by code.
    pub codes: CodeCounts,
    /// An expectation that was missed.
    pub missed: Option<String>,
    /// Gates that failed.
    pub problems: Vec<Diagnostic>,
    /// Wall time, seconds.
    pub seconds: f64,
    /// Where the time went, added up over chunks.
    pub spent: Spent,
    /// With `profile`: what the lines of the rule cost.
    pub lines: Option<Lines>,
    /// In a retry: what became of the rows.
    pub retried: Option<Retried>,
    /// In a sync: what it found besides rows to write.
    pub synced: Option<Synced>,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Its id; `None` when nothing was written.
    pub run: Option<i64>,
    /// By rule, in the order they ran.
    pub rules: Vec<RuleOutcome>,
    /// It was asked to stop.
    pub interrupted: bool,
    /// A namespace was made up and stored: the line that keeps the same ids elsewhere.
    pub namespace_made: Option<Uuid>,
}

/// What the tables of one run share.
struct World<'a> {
    config: &'a Config,
    options: &'a Options,
    watcher: &'a dyn Watcher,
    stop: &'a Stop,
    source: Source,
    /// Reads ids, lookups and catalogs.
    target: Session,
    snapshot: Snapshot,
    /// Segments and gates; `None` in a dry run.
    writer: Option<Session>,
    state: State,
    /// The state tables are there and readable.
    exists: bool,
    namespace: Uuid,
    /// The run and its epoch; zero in a dry run.
    run: i64,
    epoch: i64,
    /// Ids that a dry run would have written, and those only manifests know.
    known: Known,
    /// The next free id of a chunk.
    next_chunk: Arc<AtomicI64>,
    /// In a retry: keys that came since the tables were complete, by target table, with their chunks.
    arrived: retry::Arrived,
    /// In a sync that removes rows: how the tables with withdrawn rows were compared.
    leaving: HashMap<String, Arc<crate::commit::Ledger>>,
    /// The old scripts' table of progress.
    control: tracking::Control,
    writers: Arc<Writers>,
    /// Tables that may be worked on at the same time.
    lanes: usize,
    /// Held by the table that opens a segment: its id is the next free one.
    opening: Arc<tokio::sync::Mutex<()>>,
    /// Base rows per chunk.
    chunk_rows: u64,
}

/// Runs the rules that were asked for, parents first. `all` are the rules of the folder: they say
/// who fills which table.
pub async fn run(
    config: &Config,
    rules: Vec<Arc<Rule>>,
    all: &RuleSet,
    options: &Options,
    watcher: &dyn Watcher,
    stop: &Stop,
) -> Result<Outcome, RunError> {
    let mut rules = order(&rules).map_err(RunError::Refused)?;
    let mut source = Source::open(config.source()?).await?;
    let target_url = config.target()?;
    let mut target = Session::open(target_url, Role::TargetReader).await?;
    let state = State::new(target.engine());
    let exists = claim::readable(state, &mut target, options.dry_run, watcher).await?;
    if (options.retry.is_some() || options.sync.is_some()) && exists {
        rules = retry::with_children(state, &mut target, rules, all).await?;
        rules = order(&rules).map_err(RunError::Refused)?;
    }
    let namespace = claim::namespace(config, state, &mut target, exists).await?;
    let mut steps = Vec::new();
    let mut findings = all.problems.clone();
    target.ask_once(true);
    // the snapshot comes later: inside its transaction, one refused question would end all others
    for rule in &rules {
        if rule.has.run {
            match Job::prepare(rule.clone(), source.session(), &mut target).await {
                Ok(job) => steps.push(Work::Job(Box::new(job))),
                Err(problems) => findings.extend(problems),
            }
            if options.limit.is_some() || options.row.is_some() {
                findings.push(procedure::no_trial(rule));
            }
            continue;
        }
        match Step::prepare(rule.clone(), source.session(), &mut target, namespace).await {
            Ok(prepared) => steps.push(Work::Step(Box::new(prepared))),
            Err(problems) => findings.extend(problems),
        }
    }
    if source.session().is_broken() || target.is_broken() {
        // the first of them says why; a rule is not refused for what a connection did
        let mut why = findings.split_off(all.problems.len());
        why.truncate(1);
        return Err(RunError::Failed(why));
    }
    findings.extend(crate::check::refusals(&rules, &mut target).await?);
    if findings.iter().any(|f| f.severity() == Severity::Error) {
        return Err(RunError::Refused(findings));
    }
    if exists {
        let half = undo::half_undone(state, &mut target, &rules).await?;
        if !half.is_empty() {
            return Err(RunError::Refused(half));
        }
    }
    let snapshot = source.snapshot().await?;
    for finding in unfilled(&rules, &rules, &all.rules, &mut target).await? {
        watcher.event(Event::Message(&finding.line()));
    }
    target.ask_once(false);
    let chunk_rows = chunk::rows(options.batch_rows, target.engine());
    let mut world = World {
        config,
        options,
        watcher,
        stop,
        source,
        target,
        snapshot,
        writer: None,
        state,
        exists,
        namespace,
        run: 0,
        epoch: 0,
        known: Known::new(),
        next_chunk: Arc::new(AtomicI64::new(1)),
        arrived: retry::Arrived::new(),
        leaving: HashMap::new(),
        control: tracking::Control::default(),
        // a run that writes brings its own once the target is claimed
        writers: Writers::rehearsal(target_url.clone()),
        lanes: 1,
        opening: Arc::default(),
        chunk_rows,
    };
    if options.dry_run {
        let mut outcome = Outcome::default();
        Box::pin(lanes::run(&mut world, steps, &mut outcome)).await?;
        return Ok(outcome);
    }
    let mut refused = mode::refusals(&mut world, &rules, exists).await?;
    refused.extend(elsewhere::refusals(&mut world, &mut steps).await?);
    if !refused.is_empty() {
        return Err(RunError::Refused(refused));
    }
    let claimed = claim::take(&mut world).await?;
    let mut outcome = Outcome {
        run: Some(claimed.claim.run),
        namespace_made: claimed.made,
        ..Outcome::default()
    };
    let result = match tracking::begin(&mut world).await {
        Ok(()) => Box::pin(lanes::run(&mut world, steps, &mut outcome)).await,
        Err(error) => Err(error),
    };
    let mut claim = claimed.claim;
    if result.is_err() {
        // whoever does not answer now has kept us waiting before
        claim.hurry();
        if let Some(writer) = &mut world.writer {
            writer.hurry();
        }
    }
    world.untrack(tracking::stopped(result.is_ok())).await;
    // a broken session at the end must not hide why it ended
    let sealed = world.seal().await;
    let ending = match &options.retry {
        _ if result.is_err() => Ending::Failed,
        Some(asked) => outcome.ending_of_retry(asked),
        None => outcome.ending(),
    };
    let (status, exit) = match &result {
        Ok(()) if outcome.interrupted => ("interrupted", ending.code()),
        Ok(()) => ("finished", ending.code()),
        Err(_) => ("failed", ending.code()),
    };
    let reached = point("run.finish");
    let finished = claim.finish(state, status, exit).await;
    result?;
    reached?;
    sealed?;
    finished?;
    Ok(outcome)
}

/// What is done about one rule.
enum Work {
    /// Its rows are read, judged and written.
    Step(Box<Step>),
    /// It does so itself.
    Job(Box<Job>),
}

impl World<'_> {
    fn engine(&self) -> Engine {
        self.state.engine()
    }

    /// The id of the next chunk.
    fn chunk_id(&self) -> i64 {
        self.next_chunk.fetch_add(1, Ordering::SeqCst)
    }

    async fn account(&mut self, rule: &str) -> Result<Account, RunError> {
        if !self.exists {
            return Ok(Account::default());
        }
        Ok(self.state.account(&mut self.target, rule).await?)
    }

    /// One hash over what this run wrote down, kept with it.
    async fn seal(&mut self) -> Result<(), RunError> {
        let (state, run) = (self.state, self.run);
        point("run.seal")?;
        if let Some(writer) = &mut self.writer {
            let (root, chunks) = state.root(writer, run).await?;
            writer.write(&state.root_sql(run, &root, chunks)?).await?;
        }
        Ok(())
    }
}
