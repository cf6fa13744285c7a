//! Retry: quarantined rows judged again by the rule as it is now, and the children that waited for exactly
//! the rows that come through.
//!
//! All rows of the rules that were named; of every other rule the rows whose parent came after they were
//! rejected. Parents are taken first, so one command goes all the way down. Who came is read from the
//! ledger, so a retry that was killed between a parent and its children finds them when it is run again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::flow::{Flowed, Reading, flow};
use super::gate::{self, Gate};
use super::judge::Budget;
use super::table::{budget, ledger, record};
use super::{Event, RuleOutcome, RunError, What, World, procedure, second, sync};
use crate::commit::{Decided, Prior};
use crate::db::{Session, TableName, point};
use crate::plan::Step;
use crate::row::Key;
use crate::rule::{Rule, RuleSet};
use crate::state::{Account, Held, Kind, SegmentRecord, State};

/// Example keys that are kept.
const KEYS_MAX: usize = 5;

/// Keys that came after their tables were complete: by target table, with the chunks that wrote them.
pub(super) type Arrived = HashMap<String, HashMap<String, i64>>;

/// Which of the rows in quarantine are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// All.
    All,
    /// Those whose parent came since.
    Released,
    /// Those whose place was taken by another row, or whose parent the target did not have.
    Taken,
    /// Of these, rows of the target that could not be changed, from the last to the first.
    Moved,
}

impl Due {
    /// All of a rule that was asked for.
    pub(super) fn of(world: &World<'_>, rule: &Rule) -> Self {
        match &world.options.retry {
            Some(names) if names.contains(&rule.name) => Self::All,
            _ => Self::Released,
        }
    }
}

/// What became of the rows of one rule.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Retried {
    /// Not asked for by name: only rows whose parent came.
    pub released: bool,
    /// Rows judged again, or looked for.
    pub rows: u64,
    /// Fixed: in the target now.
    pub written: u64,
    /// Fixed: the rule leaves them behind on purpose.
    pub skipped: u64,
    /// Rejected with the same code as before, by code.
    pub still_bad: BTreeMap<String, u64>,
    /// Rejected with another code.
    pub bad_in_a_new_way: Vec<Moved>,
    /// No longer in the source, or left out by the rule's `where`: they stay in quarantine.
    pub gone: Vec<String>,
}

impl Retried {
    /// Rows that are rejected still, or again.
    pub fn refused(&self) -> u64 {
        let moved = self.bad_in_a_new_way.iter().map(|moved| moved.rows);
        self.still_bad.values().sum::<u64>() + moved.sum::<u64>()
    }
}

/// Rows that are rejected for another reason than before.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    /// The code they had.
    pub from: String,
    /// The code they have.
    pub to: String,
    /// How many.
    pub rows: u64,
    /// Some of their keys.
    pub keys: Vec<String>,
}

/// The rules and those whose rows wait for them, through any number of generations.
pub(super) async fn with_children(
    state: State,
    target: &mut Session,
    mut rules: Vec<Arc<Rule>>,
    all: &RuleSet,
) -> Result<Vec<Arc<Rule>>, RunError> {
    let waiting = state.waiting_rules(target).await?;
    let mut at = 0;
    while at < rules.len() {
        let entity = bare(&rules[at].header.target);
        at += 1;
        for (child, _) in waiting.iter().filter(|(_, parent)| bare(parent) == entity) {
            let there = rules.iter().any(|rule| rule.name == *child);
            if let Some(rule) = all.get(child).filter(|_| !there) {
                rules.push(rule.clone());
            }
        }
    }
    Ok(rules)
}

pub(super) fn bare(table: &str) -> String {
    TableName::parse(table).name
}

/// A table that was never begun has nothing to retry; one that is half done comes first.
pub(super) fn unfinished(world: &World<'_>, rule: &Rule, account: &Account) -> Flowed {
    if account.pass > 0 {
        world.watcher.event(Event::Message(&format!(
            "{0}: its table is not complete, so nothing was retried: `runner run {0}` first",
            rule.name
        )));
    }
    Flowed::default()
}

/// Judges what is due of a complete table.
pub(super) async fn run(
    world: &mut World<'_>,
    step: &mut Step,
    account: &Account,
    pass: i64,
    which: Due,
    outcome: &mut RuleOutcome,
) -> Result<Flowed, RunError> {
    let rule = step.rule.clone();
    let before = world.state.held(&mut world.target, &rule.name).await?;
    let first_chunk = world.next_chunk.load(std::sync::atomic::Ordering::SeqCst);
    let mut all = Flowed::default();
    let mut asked: HashSet<String> = HashSet::new();
    let mut segment: Option<SegmentRecord> = None;
    loop {
        arrivals(world, &rule, pass, &all.ids).await?;
        let mut keys = due(world, &before, which);
        keys.retain(|key| !asked.contains(key));
        if which == Due::Moved {
            let standing = world.state.standing(&mut world.target, &rule.name).await?;
            keys.retain(|key| standing.iter().any(|row| row.key == *key));
        }
        if keys.is_empty() {
            break;
        }
        point("retry.due")?;
        asked.extend(keys.iter().cloned());
        let opened = if let Some(opened) = &segment {
            opened.clone()
        } else {
            let opened = open(world, step, pass, asked.len() as u64).await?;
            if procedure::before(world, step, &opened).await? {
                return Ok(procedure::stopped());
            }
            segment.insert(opened).clone()
        };
        let written = account.counts.target_rows + all.counts.target_rows;
        let (state, to) = (Some(world.state), &step.to);
        let mut prior = Prior::look(&mut world.target, state, to, &rule, pass, written).await?;
        let faults = keys.iter().filter(|key| before[*key].code == "fault");
        let budget = without(budget(account, false), keys.len(), faults.count());
        if world.options.sync.is_some() {
            sync::remember(world, &rule, pass, &mut prior).await?;
        }
        prior.backwards = which == Due::Moved;
        prior.held = keys
            .iter()
            .map(|key| (key.clone(), before[key].clone()))
            .collect();
        let ledger = Arc::new(ledger(world, step, opened.id, pass, Kind::Retry, prior));
        let mut keys = in_order(&keys, rule.header.key.len());
        if which == Due::Moved {
            keys.reverse();
        }
        let reading = Reading::Keys(keys);
        let flowed = flow(world, step, &ledger, reading, budget).await?;
        all.counts.add(&flowed.counts);
        all.codes.add(&flowed.codes);
        all.spent.add(flowed.spent);
        all.ids.extend(flowed.ids);
        all.decided.extend(flowed.decided);
        if flowed.interrupted {
            all.interrupted = true;
            return Ok(all);
        }
        second::run(world, step, &ledger).await?;
    }
    let segment = match segment {
        Some(segment) => segment,
        // a retry that was killed at its very end left only that to do
        None if account.unsettled && !world.options.dry_run => open(world, step, pass, 0).await?,
        None => return Ok(all),
    };
    outcome.what = if world.options.dry_run {
        What::DryRun
    } else {
        What::Ran
    };
    if !world.options.dry_run {
        if procedure::after(world, step, &segment).await? {
            all.interrupted = true;
            return Ok(all);
        }
        point("gate.after")?;
        outcome.problems = gate::after(world, Gate::of(step), pass, &segment).await?;
        world.close(&segment).await?;
        all.decided = decided(world, &rule, pass, first_chunk).await?;
    }
    outcome.retried = Some(told(&before, &asked, &all.decided, which != Due::All));
    if account.decided_fp != rule.fingerprints.transform {
        world.watcher.event(Event::Message(&format!(
            "{0}: the rule changed since this table was finished; only quarantined rows were judged by it \
             (`runner exec {0} --restart` judges all)",
            rule.name
        )));
    }
    Ok(all)
}

async fn open(
    world: &mut World<'_>,
    step: &Step,
    pass: i64,
    rows: u64,
) -> Result<SegmentRecord, RunError> {
    let rule = step.rule.clone();
    world.watcher.event(Event::RuleStarted {
        rule: &rule.name,
        base: rows,
        done: 0,
    });
    let counts = world.source.counts(&step.query).await?;
    let mut segment = record(world, step, pass, Kind::Retry, counts);
    if !world.options.dry_run {
        world.open(&rule, &mut segment, false).await?;
    }
    Ok(segment)
}

/// Learns which keys of the rule's table came since it was complete; a dry run knows its own.
async fn arrivals(
    world: &mut World<'_>,
    rule: &Rule,
    pass: i64,
    rehearsed: &[(String, uuid::Uuid)],
) -> Result<(), RunError> {
    let state = world.state;
    let came = state.arrived(&mut world.target, &rule.name, pass).await?;
    let known = world.arrived.entry(bare(&rule.header.target)).or_default();
    known.extend(came);
    known.extend(rehearsed.iter().map(|(key, _)| (key.clone(), i64::MAX)));
    Ok(())
}

/// The keys to judge: all, or those whose parent came after they were rejected.
fn due(world: &World<'_>, held: &BTreeMap<String, Held>, which: Due) -> Vec<String> {
    let came = |held: &Held| {
        let (entity, key) = held.waiting.as_ref()?;
        world.arrived.get(&bare(entity))?.get(key)
    };
    held.iter()
        .filter(|(_, held)| match which {
            Due::All => true,
            Due::Released => came(held).is_some_and(|chunk| *chunk > held.chunk),
            Due::Taken | Due::Moved => {
                ["duplicate_of", "foreign_key"].contains(&held.code.as_str())
            }
        })
        .map(|(key, _)| key.clone())
        .collect()
}

/// In the order of numbers where they are numbers: the lowest key wins.
fn in_order(keys: &[String], width: usize) -> Vec<Key> {
    let mut keys: Vec<Key> = keys.iter().filter_map(|k| Key::parse(k, width)).collect();
    keys.sort_by(|a, b| {
        let parts = a.0.iter().zip(&b.0);
        let mut orders = parts.map(|(a, b)| match (a.parse::<i64>(), b.parse::<i64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        });
        orders
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    keys
}

/// The budget of faults as if these rows had not been read yet.
fn without(budget: Budget, rows: usize, faults: usize) -> Budget {
    Budget {
        read: budget.read.saturating_sub(rows as u64),
        faults: budget.faults.saturating_sub(faults as u64),
    }
}

/// What the chunks of this retry say of each row, and quarantine of those that are rejected.
async fn decided(
    world: &mut World<'_>,
    rule: &Rule,
    pass: i64,
    first_chunk: i64,
) -> Result<Vec<Decided>, RunError> {
    let (state, target) = (world.state, &mut world.target);
    let kind = Kind::Retry.word();
    let found = state
        .decided(target, &rule.name, pass, kind, first_chunk - 1)
        .await?;
    let held = state.held(target, &rule.name).await?;
    let one = |(_, key, verdict)| match held.get(&key) {
        Some(held) => Decided {
            verdict: 2,
            code: Some(held.code.clone()),
            why: None,
            key,
        },
        None => Decided {
            verdict,
            code: None,
            why: None,
            key,
        },
    };
    Ok(found.into_iter().map(one).collect())
}

/// Fixed, still bad, bad in a new way.
fn told(
    before: &BTreeMap<String, Held>,
    asked: &HashSet<String>,
    decided: &[Decided],
    released: bool,
) -> Retried {
    let mut told = Retried {
        released,
        rows: asked.len() as u64,
        ..Retried::default()
    };
    let mut missing: HashSet<&str> = asked.iter().map(String::as_str).collect();
    let mut moved: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for row in decided {
        // a row that was taken back has two lines
        if !missing.remove(row.key.as_str()) {
            continue;
        }
        let from = before.get(&row.key).map_or("", |held| held.code.as_str());
        match (&row.code, row.verdict) {
            (Some(code), _) if code == from => {
                *told.still_bad.entry(code.clone()).or_default() += 1;
            }
            (Some(code), _) => moved.entry((from, code)).or_default().push(&row.key),
            (None, 1) => told.skipped += 1,
            (None, _) => told.written += 1,
        }
    }
    told.bad_in_a_new_way = moved
        .into_iter()
        .map(|((from, to), keys)| Moved {
            from: from.to_owned(),
            to: to.to_owned(),
            rows: keys.len() as u64,
            keys: keys
                .iter()
                .take(KEYS_MAX)
                .map(ToString::to_string)
                .collect(),
        })
        .collect();
    told.gone = missing.into_iter().map(str::to_owned).collect();
    told.gone.sort();
    told
}
