//! Answers what a hook or a procedural rule asks, and commits what it decided.

use std::collections::{HashMap, HashSet};

use super::flow::{Flowed, commit_failed};
use super::host::{Asking, Call};
use super::kept::Kept;
use super::streams::{Given, Streams, select};
use super::writers::Seat;
use super::{Event, RunError, World};
use crate::commit::{Ledger, Masker, Prior};
use crate::db::TableName;
use crate::diagnostic::Diagnostic;

use crate::plan::{Job, Known};
use crate::row::{Key, Reject, Stage, Verdict};
use crate::rule::{Scribe, Slip};
use crate::script::{Database, HostCall, HostReply};
use crate::state::{Kind, Span, Stated};
use crate::target::PeopleTables;

/// What a call belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// `run`, `before` or `after`.
    pub(super) function: &'static str,
    /// The segment; 0 in a dry run.
    pub(super) segment: i64,
    /// The pass.
    pub(super) pass: i64,
    /// Target rows that the ledger says this pass wrote.
    pub(super) written: i64,
    /// Chunks that this pass has.
    pub(super) chunks: i64,
}

impl Place {
    /// A hook's rows are outside the table's account: the rule accounts for its base by itself.
    fn accounted(self) -> bool {
        self.function == "run"
    }
}

/// One call and everything it has asked for so far.
pub(super) struct Clerk<'w, 'a> {
    pub(super) world: &'w mut World<'a>,
    pub(super) job: &'w Job,
    pub(super) place: Place,
    scribe: Scribe,
    seat: Seat,
    ledger: Option<Ledger>,
    streams: Streams,
    pub(super) kept: Kept,
    /// Of `told`, what is not committed yet.
    stated: Vec<Stated>,
    /// By table and key: what this call stated.
    pub(super) told: Known,
    /// The same from the state, read when it is first asked for.
    pub(super) known: Known,
    checkpoints: HashMap<String, String>,
    /// Keys that this pass has committed.
    landed: Option<HashSet<String>>,
    pub(super) flowed: Flowed,
    /// The run is over, whatever the script makes of it.
    over: Option<RunError>,
}

/// Calls `function` of the rule and answers it until it ends.
pub(super) async fn call(
    world: &mut World<'_>,
    job: &Job,
    place: Place,
) -> Result<Flowed, RunError> {
    let seat = world.writers.free().await;
    let scribe = Scribe::new(job.rule.clone(), job.to.table.clone(), world.namespace);
    let mut call = Call::start(&job.rule, place.function)?;
    let mut clerk = Clerk {
        world,
        job,
        place,
        scribe,
        seat,
        ledger: None,
        streams: Streams::default(),
        kept: Kept::new(),
        stated: vec![],
        told: Known::new(),
        known: Known::new(),
        checkpoints: HashMap::new(),
        landed: None,
        flowed: Flowed::default(),
        over: None,
    };
    while let Some(Asking { call: asked, reply }) = call.questions.recv().await {
        let answer = clerk.answer(asked).await;
        if clerk.over.is_some() || clerk.flowed.interrupted {
            call.end();
        }
        // the script may have ended meanwhile; then nobody wants the answer
        let _ = reply.send(answer);
    }
    let (result, printed) = call.join();
    for line in printed {
        let line = format!("{}: {line}", job.rule.name);
        clerk.world.watcher.event(Event::Message(&line));
    }
    if let Some(error) = clerk.over {
        return Err(error);
    }
    if !clerk.flowed.interrupted {
        result?;
    }
    clerk.seat.leave();
    Ok(clerk.flowed)
}

impl Clerk<'_, '_> {
    async fn answer(&mut self, call: HostCall) -> Result<HostReply, String> {
        match call {
            HostCall::Query { side, sql } => {
                let session = match side {
                    Database::Source => self.world.source.session(),
                    Database::Target => &mut self.world.target,
                };
                Ok(HostReply::Rows(select(session, &sql).await?))
            }
            HostCall::OpenRows { sql, key } => {
                let session = self.world.source.session();
                let opened = self.streams.open(session, &sql, &key).await;
                opened.map(HostReply::Stream)
            }
            HostCall::NextRows { stream } => {
                let session = self.world.source.session();
                let page = self.streams.next(session, stream).await;
                page.map(HostReply::Rows)
            }
            HostCall::Write { table, columns, of } => {
                self.own_table(&table)?;
                let given = self.streams.given.get(&of);
                let verdict = if let Some(why) = given.and_then(Given::fault) {
                    let reject = Reject::new(Stage::Read, "bad_value", why);
                    Err(Slip::Row(Box::new(reject)))
                } else {
                    let key_type = given.and_then(|given| given.key_type.as_ref());
                    self.scribe.row(&columns, &of, key_type)
                };
                let verdict = match verdict {
                    Ok(row) => Verdict::Write(vec![row]),
                    Err(Slip::Script(why)) => return Err(why),
                    Err(Slip::Row(reject)) => Verdict::Reject(reject),
                };
                self.decide(of, verdict).await
            }
            HostCall::Skip { of, code } => self.decide(of, Verdict::Skip(code)).await,
            HostCall::Reject { of, code, why } => {
                let reject = Reject::new(Stage::Rule, code, why);
                self.decide(of, Verdict::Reject(Box::new(reject))).await
            }
            HostCall::IdGet { table, key } => self.id(&table, &key).await.map(HostReply::Id),
            HostCall::IdPut { table, key, id } => {
                let one = Stated {
                    entity: TableName::parse(&table).name,
                    key: key.to_string(),
                    id,
                };
                let known = self.told.entry(one.entity.clone()).or_default();
                known.insert(one.key.clone(), id);
                self.stated.push(one);
                Ok(HostReply::Done)
            }
            HostCall::CheckpointGet { name } => self.checkpoint(&name).await.map(HostReply::Value),
            HostCall::CheckpointCommit { name, value, rows } => {
                self.commit(name, value, rows).await
            }
        }
    }

    /// One rule fills one table, so that each table has one account.
    pub(super) fn own_table(&self, table: &str) -> Result<(), String> {
        let (named, own) = (TableName::parse(table), &self.job.to.table.name);
        let same_schema = named.schema.as_deref().unwrap_or("public")
            == own.schema.as_deref().unwrap_or("public");
        if named.name == own.name && same_schema {
            return Ok(());
        }
        Err(format!(
            "this rule fills `{}`, so it cannot write to `{table}`: write a rule for that table",
            self.job.rule.header.target
        ))
    }

    async fn decide(&mut self, of: Key, verdict: Verdict) -> Result<HostReply, String> {
        let header = &self.job.rule.header;
        let (width, many) = (header.key.len(), header.many);
        if width > 0 && of.0.len() != width {
            return Err(format!(
                "the key {of} has {} parts, the rule's `key` has {width}",
                of.0.len()
            ));
        }
        if let Verdict::Reject(reject) = &verdict
            && !self.place.accounted()
        {
            return Err(format!(
                "the row with key {of}, {}: {}; a hook has no quarantine, its rows have to fit",
                reject.code, reject.why
            ));
        }
        if self.was_landed(&of).await? {
            return Err(format!(
                "the row with key {of} was committed before: begin behind `checkpoint.get(name)`"
            ));
        }
        self.kept.add(of, verdict, many)?;
        Ok(HostReply::Done)
    }

    /// A row counts once in a pass, however often the script is called.
    async fn was_landed(&mut self, key: &Key) -> Result<bool, String> {
        if !self.place.accounted() {
            return Ok(false);
        }
        if self.landed.is_none() {
            let mut landed = HashSet::new();
            if self.world.exists {
                let (state, rule) = (self.world.state, self.job.rule.name.as_str());
                let mut after = 0;
                loop {
                    let target = &mut self.world.target;
                    let found = state
                        .manifests(target, rule, self.place.pass, "procedure", after, 20)
                        .await
                        .map_err(|error| error.to_string())?;
                    let Some((last, ..)) = found.last() else {
                        break;
                    };
                    after = *last;
                    landed.extend(
                        found
                            .into_iter()
                            .flat_map(|(_, _, m)| m.entries)
                            .map(|entry| entry.key),
                    );
                }
            }
            self.landed = Some(landed);
        }
        let landed = self.landed.as_ref();
        Ok(landed.is_some_and(|landed| landed.contains(&key.to_string())))
    }

    async fn checkpoint(&mut self, name: &str) -> Result<Option<String>, String> {
        if let Some(value) = self.checkpoints.get(name) {
            return Ok(Some(value.clone()));
        }
        if !self.world.exists {
            return Ok(None);
        }
        let (state, rule) = (self.world.state, self.job.rule.name.as_str());
        state
            .checkpoint(&mut self.world.target, rule, self.place.pass, name)
            .await
            .map_err(|error| error.to_string())
    }

    async fn commit(
        &mut self,
        name: String,
        value: String,
        rows: u64,
    ) -> Result<HostReply, String> {
        let nothing = self.kept.len() == 0 && self.stated.is_empty();
        if nothing && self.checkpoint(&name).await?.as_ref() == Some(&value) {
            self.pause()?;
            return Ok(HostReply::Done);
        }
        if rows > self.kept.len() as u64 {
            return Err(format!(
                "{rows} rows were streamed, but they have only {} keys: name columns that tell the rows apart, `source.rows(sql, [\"a\", \"b\"])`",
                self.kept.len()
            ));
        }
        match self.land(&name, &value).await {
            Ok(()) => {
                self.checkpoints.insert(name, value);
                self.pause()?;
                Ok(HostReply::Done)
            }
            Err(error) => {
                self.over = Some(error);
                Err("the commit failed".to_owned())
            }
        }
    }

    async fn land(&mut self, name: &str, value: &str) -> Result<(), RunError> {
        let mut ledger = match self.ledger.take() {
            Some(ledger) => ledger,
            None => self.open_ledger().await?,
        };
        ledger.prior.stated = std::mem::take(&mut self.stated);
        self.place.chunks += 1;
        let span = Span {
            no: self.place.chunks,
            lo: Some(Key::single(name)),
            hi: Some(Key::single(value)),
        };
        let kept = std::mem::replace(&mut self.kept, Kept::new());
        let names = &self.job.rule.header.key;
        let batch = kept.batch(span, &self.streams.given, names);
        let id = self.world.chunk_id();
        let rule = self.job.rule.name.as_str();
        let landed = self.seat.writer.land(&ledger, &batch, id).await;
        let landed = landed.map_err(|error| commit_failed(rule, error))?;
        ledger.prior.stated.clear();
        self.ledger = Some(ledger);
        self.learn(id).await?;
        for key in &batch.keys {
            self.streams.given.remove(key);
            if let Some(keys) = &mut self.landed {
                keys.insert(key.to_string());
            }
        }
        if !self.place.accounted() && landed.counts.rejected > 0 {
            let problem = Diagnostic::error(format!(
                "the target refused {} of the rows that `{}` of `{rule}` wrote",
                landed.counts.rejected, self.place.function
            ));
            return Err(problem
                .hint(format!(
                    "`runner quarantine list {rule}` shows which and why"
                ))
                .into());
        }
        self.world.watcher.event(Event::Chunk {
            rule,
            base: landed.counts.base as u64,
            read: landed.counts.read as u64,
            rejected: landed.counts.rejected as u64,
        });
        self.flowed.counts.add(&landed.counts);
        self.flowed.codes.add(&landed.codes);
        self.flowed.ids.extend(landed.ids);
        Ok(())
    }

    async fn open_ledger(&mut self) -> Result<Ledger, RunError> {
        let world = &mut *self.world;
        let rule = &self.job.rule;
        let prior = Prior::look(
            &mut world.target,
            world.exists.then_some(world.state),
            &self.job.to,
            rule,
            self.place.pass,
            self.place.written,
        )
        .await?;
        Ok(Ledger {
            state: world.state,
            to: self.job.to.clone(),
            people: PeopleTables::default(),
            rule: rule.clone(),
            run: world.run,
            epoch: world.epoch,
            segment: self.place.segment,
            pass: self.place.pass,
            kind: Kind::Procedure.word(),
            accounted: self.place.accounted(),
            masker: Masker::new(&rule.header.secret, world.namespace),
            prior,
            control: world.control.line.clone(),
        })
    }

    /// Between two commits is the place to stop when somebody asked for it.
    fn pause(&mut self) -> Result<(), String> {
        if self.world.stop.asked() {
            self.flowed.interrupted = true;
            return Err("interrupted".to_owned());
        }
        Ok(())
    }
}
