//! One table: read, derive, compare, and explain what differs; then the questions about the table as a whole.

use std::collections::HashSet;
use std::sync::OnceLock;

use tokio::sync::mpsc::Receiver;
use uuid::Uuid;

use super::classify::{self, Explainer};
use super::compare::{Comparer, Kind, Suspect, Way, copies_another, hasher, way};
use super::derive::{Chunk, Derived, Scripts};
use super::locate::Layout;
use super::outcome::{Resumed, TableProof};
use super::people::MadeProfiles;
use super::progress::{self, Clean, Counts, Progress};
use super::read::Reader;
use super::whole::Sums;
use super::{VerifyError, World, extra, probe, whole};
use crate::db::{Session, point};
use crate::diagnostic::Diagnostic;
use crate::plan::{Known, Step, Wants};
use crate::row::{Key, Verdict};
use crate::rule::Rule;
use crate::state::Applied;
use crate::target::Destination;

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
    let facts = progress::facts(
        world.config,
        &rule,
        applied,
        world.state,
        world.source.session(),
        &mut world.target,
    )
    .await?;
    let clean = world.progress.begin(&rule.name, facts, &world.moment);
    let mut sums = Sums::new(&rule);
    sums.restore(&clean.sums);
    let before = clean.ranges.clone();
    let watcher = world.watcher;
    if let Some(first) = before.first() {
        clean.counts.put_into(proof);
        proof.resumed = Some(Resumed {
            rows: clean.counts.derived,
            after: Key(first.hi.clone()).to_string(),
            moments: clean.moments[..clean.moments.len() - 1].to_vec(),
        });
        watcher.resumed(&rule.name, clean.counts.derived);
        proof.notes.push(two_moments(&clean));
    }
    let scripts = Scripts::start(&bound)
        .map_err(|e| Diagnostic::error(format!("the script thread does not start: {e}")))?;
    let sample = world.options.sample;
    let mut reader = Reader::new(
        &mut world.source,
        &mut world.asked,
        &query,
        &mut wants,
        &known,
        watcher,
        scripts.inputs,
    );
    reader.chunk_rows = world.options.chunk_rows;
    let mut explainer = Explainer::new(&mut world.target, world.state, &rule, &to, applied).await?;
    let ended: OnceLock<Option<Key>> = OnceLock::new();
    let read = async {
        let mut reader = reader;
        let end = match sample {
            None => reader.all(&before).await,
            Some(rows) => reader.sample(rows).await.map(|()| None),
        };
        let end = end.map(|last| {
            // nobody else sets it
            let _ = ended.set(last);
        });
        drop(reader);
        end
    };
    let mut comparison = Comparison {
        session: &mut world.target,
        rule: &rule,
        to: &to,
        layout: &layout,
        way: if clean.other_legacy { Way::Lists } else { way },
        wants: &asking,
        explainer: &mut explainer,
        watcher,
        sums: &mut sums,
        proof,
        suspects: vec![],
        extras: vec![],
        elsewhere: HashSet::new(),
        ended: &ended,
        probed: false,
        other_legacy: clean.other_legacy,
        clean,
        progress: &mut world.progress,
        profiles: MadeProfiles::new(people.profiles),
    };
    let (read, compared) = tokio::join!(read, comparison.all(scripts.outputs));
    if scripts
        .threads
        .into_iter()
        .any(|thread| thread.join().is_err())
    {
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
    whole::questions(world, &rule, &to, proof).await?;
    explainer.notes(proof);
    whole::sums(world, &rule, &query, &to, sums, proof).await
}

/// Rows of one table that were seen at different moments: said wherever the result is.
fn two_moments(clean: &Clean) -> String {
    let (now, before) = clean
        .moments
        .split_last()
        .map_or(("", &[][..]), |(now, before)| (now.as_str(), before));
    format!(
        "a verification that was stopped is gone on with: {} source rows were compared before ({}), the others now ({now}). \
         Since then nothing was written to the tables that the rule names, as far as the servers count; \
         `verify --restart` sees all of them at one moment",
        clean.counts.derived,
        before.join("; ")
    )
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
    /// The last key of the source, once it was read to its end.
    ended: &'a OnceLock<Option<Key>>,
    probed: bool,
    /// The legacy column holds something else than the key.
    other_legacy: bool,
    profiles: MadeProfiles,
    /// What agrees so far.
    clean: Clean,
    progress: &'a mut Progress,
}

impl Comparison<'_, '_> {
    async fn all(&mut self, mut derived: Vec<Receiver<Derived>>) -> Result<(), VerifyError> {
        for turn in (0..derived.len()).cycle() {
            let Some(chunk) = derived[turn].recv().await else {
                break;
            };
            let chunk = chunk?;
            let before = Counts::of(self.proof);
            if self.chunk(&chunk).await? {
                self.keep(&chunk, &before);
            } else {
                self.clean.pass(chunk.lo.as_ref());
            }
            self.watcher
                .compared(&self.rule.name, chunk.keys.len() as u64);
            point("verify.compared")?;
        }
        let Some(last) = self.ended.get() else {
            return Ok(());
        };
        if let Way::Range(_) = self.way {
            // behind the last key of the source there should be nothing
            let rest = Chunk {
                lo: last.clone(),
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

    /// Everything agrees in this chunk: whoever goes on after a kill need not look at it again.
    fn keep(&mut self, chunk: &Chunk, before: &Counts) {
        let Some(hi) = &chunk.hi else { return };
        let mut clean = Sums::new(self.rule);
        clean.restore(&self.clean.sums);
        clean.add(chunk);
        self.clean.sums = clean.kept();
        self.clean.other_legacy = self.other_legacy;
        let counts = Counts::of(self.proof).since(before);
        self.clean.add(chunk.lo.as_ref(), hi, &counts);
        self.progress.keep(&self.rule.name, &self.clean);
    }

    /// True when nothing at all was found in it.
    async fn chunk(&mut self, chunk: &Chunk) -> Result<bool, VerifyError> {
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

    async fn compare(&mut self, chunk: &Chunk) -> Result<bool, VerifyError> {
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
        let clean = found.suspects.is_empty() && found.elsewhere.is_empty();
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
        Ok(clean)
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
