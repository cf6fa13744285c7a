//! One table: read, derive, compare, and explain what differs; then the questions about the table as a whole.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;
use uuid::Uuid;

use super::classify::{self, Explainer};
use super::compare::{Comparer, Kind, Suspect, Way, hasher};
use super::derive::{self, Chunk, Derived};
use super::locate::Layout;
use super::outcome::TableProof;
use super::people::{self, MadeProfiles};
use super::read::Reader;
use super::whole::Sums;
use super::{VerifyError, World, extra, probe, whole};
use crate::db::Session;
use crate::diagnostic::Diagnostic;
use crate::plan::{Known, Step, Wants};
use crate::row::{Key, Verdict};
use crate::rule::Rule;
use crate::source::PageQuery;
use crate::state::Applied;
use crate::target::Destination;
use crate::value::Logical;

/// Suspects held before the state is asked about them.
const SUSPECTS_MAX: usize = 2_000;
/// Rows that nothing derives, held to the end, when it is known which of them were found by other means.
const EXTRAS_MAX: usize = 50_000;

/// Proves one table by the rule as it was applied.
pub(super) async fn prove(
    world: &mut World<'_>,
    step: Step,
    applied: &Applied,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let Step {
        rule,
        query,
        to,
        people,
        mut wants,
        bound,
        ..
    } = step;
    let (_, read) = world.source.counts(&query).await?;
    world.watcher.table(
        &rule.name,
        world.options.sample.map_or(read, |n| n.min(read)),
    );
    let volatile: Vec<u16> = rule
        .header
        .volatile
        .iter()
        .filter_map(|name| to.table.index(name).and_then(|at| u16::try_from(at).ok()))
        .collect();
    proof.not_compared.clone_from(&rule.header.volatile);
    let layout = Layout::new(&to, &volatile);
    let way = way(&rule, &query, &to, world.options.sample.is_some());
    let asking = Wants::prepare(
        &rule,
        world.namespace,
        &query.columns,
        world.source.session(),
        &mut world.asked,
    )
    .await
    .map_err(VerifyError::Failed)?;
    let known = Known::new();
    let (to_script, script_input) = mpsc::channel::<Chunk>(1);
    let (script_output, derived) = mpsc::channel::<Derived>(1);
    let thread = derive::start(bound, script_input, script_output)
        .map_err(|e| Diagnostic::error(format!("the script thread does not start: {e}")))?;
    let sample = world.options.sample;
    let watcher = world.watcher;
    let reader = Reader::new(
        &mut world.source,
        &mut world.asked,
        &query,
        &mut wants,
        &known,
        watcher,
        to_script,
    );
    let mut explainer = Explainer::new(&mut world.target, world.state, &rule, &to, applied).await?;
    let mut sums = Sums::new(&rule);
    let failed = AtomicBool::new(false);
    let read = async {
        let mut reader = reader;
        let end = match sample {
            None => reader.all().await,
            Some(rows) => reader.sample(rows).await,
        };
        failed.store(end.is_err(), Ordering::SeqCst);
        drop(reader);
        end
    };
    let mut comparison = Comparison {
        session: &mut world.target,
        rule: &rule,
        to: &to,
        layout: &layout,
        way,
        wants: &asking,
        explainer: &mut explainer,
        watcher,
        sums: &mut sums,
        proof,
        suspects: vec![],
        extras: vec![],
        elsewhere: HashSet::new(),
        last: None,
        probed: false,
        other_legacy: false,
        profiles: MadeProfiles::new(people.profiles),
        failed: &failed,
    };
    let (read, compared) = tokio::join!(read, comparison.all(derived));
    if thread.join().is_err() {
        return Err(Diagnostic::error(format!(
            "the script thread of `{}` ended without a word",
            rule.name
        ))
        .into());
    }
    // a rule that broke ends the reader's work too, so its word comes first
    compared?;
    read?;
    let profiles = std::mem::replace(&mut comparison.profiles, MadeProfiles::new(None));
    let by_key = !comparison.other_legacy && query.key.len() == 1;
    let lists = comparison.way == Way::Lists && sample.is_none() && by_key;
    if let Some(legacy) = to
        .legacy
        .filter(|legacy| lists && !copies_another(&rule, &query, &to, *legacy))
    {
        let extras = extra::without_source(world, &query, &to, &layout, legacy).await?;
        for part in extras.chunks(SUSPECTS_MAX) {
            let session = &mut world.target;
            classify::explain(&explainer, session, &layout, part.to_vec(), proof).await?;
        }
    }
    proof.whole = sample.is_none();
    profiles.end(proof);
    people::readiness(world, &rule, &to.table, proof).await?;
    explainer.notes(proof);
    whole::table(world, &rule, &query, &to, sums, proof).await
}

/// How target rows are found: by ranges where the legacy column is the key itself, and a number.
fn way(rule: &Rule, query: &PageQuery, to: &Destination, sampled: bool) -> Way {
    let (Some(legacy), [key]) = (to.legacy, &query.key_types[..]) else {
        return Way::Lists;
    };
    let logical = &to.table.columns[usize::from(legacy)].logical;
    let whole = |l: &Logical| matches!(l, Logical::Int2 | Logical::Int4 | Logical::Int8);
    if sampled || copies_another(rule, query, to, legacy) || !whole(key) || !whole(logical) {
        Way::Lists
    } else {
        Way::Range(legacy)
    }
}

/// The legacy column holds something else than the key.
fn copies_another(rule: &Rule, query: &PageQuery, to: &Destination, legacy: u16) -> bool {
    let name = &to.table.columns[usize::from(legacy)].name;
    let mut copies = rule.header.copy.iter();
    copies.any(|pair| pair.target == *name && pair.source != query.key[0])
}

struct Comparison<'a, 'w> {
    session: &'a mut Session,
    rule: &'a Rule,
    to: &'a Destination,
    layout: &'a Layout,
    way: Way,
    wants: &'a Wants,
    explainer: &'a mut Explainer<'w>,
    watcher: &'a dyn super::Watcher,
    sums: &'a mut Sums,
    proof: &'a mut TableProof,
    suspects: Vec<Suspect>,
    extras: Vec<Suspect>,
    elsewhere: HashSet<Uuid>,
    last: Option<Key>,
    probed: bool,
    /// The legacy column holds something else than the key.
    other_legacy: bool,
    profiles: MadeProfiles,
    /// The source was not read to its end.
    failed: &'a AtomicBool,
}

impl Comparison<'_, '_> {
    async fn all(&mut self, mut derived: mpsc::Receiver<Derived>) -> Result<(), VerifyError> {
        while let Some(chunk) = derived.recv().await {
            let chunk = chunk?;
            self.chunk(&chunk).await?;
            self.last.clone_from(&chunk.hi);
            self.watcher
                .compared(&self.rule.name, chunk.keys.len() as u64);
        }
        if self.failed.load(Ordering::SeqCst) {
            return Ok(());
        }
        if let Way::Range(_) = self.way {
            // behind the last key of the source there should be nothing
            let rest = Chunk {
                lo: self.last.take(),
                hi: None,
                rows: std::sync::Arc::default(),
                keys: vec![],
                answers: std::sync::Arc::default(),
                judged: vec![],
                place: None,
            };
            self.compare(&rest).await?;
        }
        self.flush().await?;
        self.flush_extras().await
    }

    async fn chunk(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        let mut first = None;
        for judged in &chunk.judged {
            self.proof.derived += 1;
            match &judged.verdict {
                Verdict::Write(outs) => {
                    self.proof.written += 1;
                    self.proof.rows_written += outs.len() as u64;
                    first = first.or(outs.first());
                }
                Verdict::Skip(_) => self.proof.skipped += 1,
                Verdict::Reject(_) => self.proof.rejected += 1,
            }
        }
        self.sums.add(chunk);
        if let (Some(out), false) = (first, self.probed) {
            self.probed = true;
            probe::the_comparison_sees(self.session, self.to, self.layout, out).await?;
            let legacy = self
                .to
                .legacy
                .and_then(|legacy| super::locate::text_of(out, legacy));
            let row = chunk
                .judged
                .iter()
                .position(|j| matches!(j.verdict, Verdict::Write(_)));
            let key = row.map(|row| chunk.keys[row].to_string());
            if matches!(self.way, Way::Range(_)) && legacy != key {
                // the rule puts something else into its legacy column: ranges of keys say nothing there
                self.way = Way::Lists;
            }
            self.other_legacy = legacy != key;
        }
        self.profiles.chunk(self.session, chunk).await?;
        self.compare(chunk).await
    }

    async fn compare(&mut self, chunk: &Chunk) -> Result<(), VerifyError> {
        let hashes = hasher(self.wants, chunk);
        let mut comparer = Comparer {
            session: &mut *self.session,
            to: self.to,
            layout: self.layout,
            many: self.rule.header.many,
            way: self.way,
        };
        let found = comparer.chunk(chunk, &hashes).await?;
        self.proof.compared += found.rows;
        self.proof.cells += found.cells;
        self.elsewhere.extend(found.elsewhere);
        for suspect in found.suspects {
            if suspect.kind == Kind::Extra {
                self.extras.push(suspect);
            } else {
                self.suspects.push(suspect);
            }
            if self.suspects.len() >= SUSPECTS_MAX {
                self.flush().await?;
            }
            if self.extras.len() >= EXTRAS_MAX {
                self.flush_extras().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), VerifyError> {
        let suspects = std::mem::take(&mut self.suspects);
        classify::explain(
            self.explainer,
            self.session,
            self.layout,
            suspects,
            self.proof,
        )
        .await
    }

    async fn flush_extras(&mut self) -> Result<(), VerifyError> {
        let mut extras = std::mem::take(&mut self.extras);
        extras.retain(|extra| extra.id.is_none_or(|id| !self.elsewhere.contains(&id)));
        for part in extras.chunks(SUSPECTS_MAX) {
            classify::explain(
                self.explainer,
                self.session,
                self.layout,
                part.to_vec(),
                self.proof,
            )
            .await?;
        }
        Ok(())
    }
}
