//! A run taken back. It needs neither source nor rules, only what the state kept of the run: per chunk the ids
//! that it inserted, before-images of what it changed or took out. The newest chunk first, so children before their
//! parents; each transaction leaves a signed line, so that a killed undo goes on where it stopped.

mod plan;
mod stretch;

pub(super) use plan::half_undone;

use serde::Serialize;

use super::{Event, RunError, Stop, Watcher};
use crate::commit::{Kept, TakenBack, Tracking, Undoing, Would, Writer, tracking};
use crate::config::Config;
use crate::db::{Role, Session, point};
use crate::state::{Claim, Part, SegmentRecord, State, UndoLine};
use stretch::{Stretch, chunks, stretches};

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Undo {
    /// The run to take back.
    pub run: i64,
    /// Only these rules' tables; all when empty.
    pub rules: Vec<String>,
    /// Only say what would become of each row.
    pub dry_run: bool,
    /// Source rows per transaction; `None`: as many as suit the target.
    pub batch_rows: Option<u64>,
}

/// What became of one table.
#[derive(Clone, Debug, Serialize)]
pub struct UndoneRule {
    /// The rule.
    #[serde(rename = "name")]
    pub rule: String,
    /// Its table.
    pub target: String,
    /// Rows taken out.
    pub removed: u64,
    /// Rows that are as they were before.
    pub restored: u64,
    /// Rows that it had taken out and that are there again.
    pub returned: u64,
    /// Profiles and rows of accounts that it had made, taken out.
    pub people: u64,
    /// Rows that somebody else had taken out already.
    pub gone: u64,
    /// Rows that stay, and why.
    pub kept: Vec<Kept>,
    /// An earlier undo that did all this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<i64>,
}

/// What an undo came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Undone {
    /// Its own id; `None` when nothing was written.
    pub run: Option<i64>,
    /// The run that it took back.
    pub undone: i64,
    /// By rule, in the order they were taken back.
    pub rules: Vec<UndoneRule>,
    /// It was asked to stop.
    pub interrupted: bool,
}

/// What the tables of one undo share.
struct World<'a> {
    asked: &'a Undo,
    watcher: &'a dyn Watcher,
    stop: &'a Stop,
    state: State,
    reader: Session,
    commits: Writer,
    /// The state's own connection, the run and its epoch; `None` in a rehearsal.
    claimed: Option<(Session, i64, i64)>,
    next_chunk: i64,
    would: Would,
}

/// Takes a run back.
pub async fn undo(
    config: &Config,
    asked: &Undo,
    watcher: &dyn Watcher,
    stop: &Stop,
) -> Result<Undone, RunError> {
    let url = config.target()?;
    let mut reader = Session::open(url, Role::TargetReader).await?;
    let state = State::new(reader.engine());
    let mut parts = plan::parts(state, &mut reader, asked).await?;
    let mut undone = Undone {
        undone: asked.run,
        ..Undone::default()
    };
    if parts.iter().all(|part| part.undone_by.is_some()) {
        undone.rules = parts.iter().map(already).collect();
        return Ok(undone);
    }
    if asked.dry_run {
        let mut world = World {
            asked,
            watcher,
            stop,
            state,
            reader,
            commits: Writer::rehearsal(url.clone()),
            claimed: None,
            next_chunk: 0,
            would: Would::default(),
        };
        tables(&mut world, &parts, &mut undone).await?;
        return Ok(undone);
    }
    let record = plan::record(asked, &mut reader).await?;
    let lock = Session::open(url, Role::TargetWriter).await?;
    let claim = Claim::take(state, lock, &record).await?;
    let mut writer = Session::open(url, Role::TargetWriter).await?;
    let next_chunk = state.next_chunk(&mut writer).await?;
    undone.run = Some(claim.run);
    // another run may have come in between
    let result = match plan::parts(state, &mut reader, asked).await {
        Ok(now) => {
            parts = now;
            let mut world = World {
                asked,
                watcher,
                stop,
                state,
                reader,
                commits: Writer::new(url.clone()),
                claimed: Some((writer, claim.run, claim.epoch)),
                next_chunk,
                would: Would::default(),
            };
            let done = tables(&mut world, &parts, &mut undone).await;
            let sealed = world.seal().await;
            done.and(sealed)
        }
        Err(error) => Err(error),
    };
    let (status, exit) = match &result {
        Ok(()) if undone.interrupted => ("interrupted", 130),
        Ok(()) => ("finished", 0),
        Err(_) => ("failed", 1),
    };
    let reached = point("run.finish");
    let finished = claim.finish(state, status, exit).await;
    result?;
    reached?;
    finished?;
    Ok(undone)
}

fn already(part: &Part) -> UndoneRule {
    UndoneRule {
        rule: part.rule.clone(),
        target: part.target.clone(),
        removed: 0,
        restored: 0,
        returned: 0,
        people: 0,
        gone: 0,
        kept: vec![],
        undone_by: part.undone_by,
    }
}

/// A table that is being taken back.
struct Open {
    what: Undoing,
    segment: SegmentRecord,
    back: TakenBack,
    /// Stretches that are left.
    left: usize,
}

async fn tables(
    world: &mut World<'_>,
    parts: &[Part],
    undone: &mut Undone,
) -> Result<(), RunError> {
    let mut lines = Vec::with_capacity(parts.len());
    for part in parts {
        lines.push(if part.undone_by.is_some() {
            vec![]
        } else {
            let run = world.asked.run;
            world
                .state
                .undo_lines(&mut world.reader, run, &part.rule)
                .await?
        });
    }
    let mut stretches = stretches(&lines);
    // a table of which nothing is left to take back is closed all the same, when it is its turn
    for (part, lines) in lines.iter().enumerate() {
        if lines.is_empty() && parts[part].undone_by.is_none() {
            let later = stretches.iter().position(|stretch| stretch.part > part);
            let lines = vec![];
            stretches.insert(later.unwrap_or(stretches.len()), Stretch { part, lines });
        }
    }
    let mut open: Vec<Option<Open>> = parts.iter().map(|_| None).collect();
    for at in 0..stretches.len() {
        if world.stop.asked() {
            break;
        }
        let Stretch { part, lines } = &stretches[at];
        let one = match &mut open[*part] {
            Some(one) => one,
            none => {
                let left = stretches.iter().filter(|s| s.part == *part);
                let left = left.map(|s| s.lines.as_slice()).collect::<Vec<_>>();
                none.insert(begin(world, &parts[*part], &left).await?)
            }
        };
        let through = chunks(world, &one.what, lines, &mut one.back).await?;
        one.left -= usize::from(through);
        if one.left == 0 {
            point("gate.after")?;
            world.close(&parts[*part], &one.segment).await?;
        }
        if one.left == 0 || world.stop.asked() {
            let note = if one.left > 0 { "interrupted" } else { "done" };
            let rule = &parts[*part].rule;
            world.watcher.event(Event::RuleFinished { rule, note });
        }
    }
    for (part, open) in parts.iter().zip(open) {
        if let Some(Open { mut back, .. }) = open {
            back.kept
                .sort_by(|a, b| (a.key.len(), &a.key).cmp(&(b.key.len(), &b.key)));
            undone.rules.push(UndoneRule {
                removed: back.removed.len() as u64,
                restored: back.restored.len() as u64,
                returned: back.returned.len() as u64,
                people: back.people,
                gone: back.gone,
                kept: back.kept,
                ..already(part)
            });
        } else if part.undone_by.is_some() {
            undone.rules.push(already(part));
        }
    }
    undone.interrupted = world.stop.asked();
    Ok(())
}

/// Opens a table's segment.
async fn begin(
    world: &mut World<'_>,
    part: &Part,
    stretches: &[&[&UndoLine]],
) -> Result<Open, RunError> {
    let state = world.state;
    let lines = stretches.iter().flat_map(|lines| lines.iter());
    world.watcher.event(Event::RuleStarted {
        rule: &part.rule,
        base: lines.map(|line| line.counts.read.max(0) as u64).sum(),
        done: 0,
    });
    let mut what = plan::undoing(state, &mut world.reader, part, world.asked).await?;
    let mut segment = plan::segment(part, world.asked.run);
    if let Some((writer, run, epoch)) = &mut world.claimed {
        segment.run = *run;
        super::segment::begin(writer, state, (*run, *epoch)).await?;
        state.open_segment(writer, &mut segment).await?;
        writer.execute("commit").await?;
        (what.run, what.epoch, what.segment) = (*run, *epoch, segment.id);
    }
    point("segment.open")?;
    Ok(Open {
        what,
        segment,
        back: TakenBack::default(),
        left: stretches.len(),
    })
}

impl World<'_> {
    /// What the table's run wrote once, and the end of the segment: one transaction.
    async fn close(&mut self, part: &Part, segment: &SegmentRecord) -> Result<(), RunError> {
        let (state, undone) = (self.state, self.asked.run);
        let Some((writer, run, epoch)) = &mut self.claimed else {
            return Ok(());
        };
        let control = Tracking::look(writer, tracking::CONTROL).await?.known();
        super::segment::begin(writer, state, (*run, *epoch)).await?;
        // what a new pass forgot, and what a sync listed
        let mut sql = state.give_back_quarantine_sql(undone, 0, &part.rule)?;
        if state.has_standing(writer).await? {
            sql.push_str(&state.give_back_standing_sql(undone, &part.rule)?);
        }
        if let Some(table) = control {
            sql.push_str(&tracking::forget_sql(
                state.engine(),
                &table,
                undone,
                &part.target,
            )?);
        }
        writer.execute(&sql).await?;
        writer.execute(&state.close_segment_sql(segment.id)).await?;
        point("undo.close")?;
        writer.execute("commit").await?;
        Ok(())
    }

    /// One hash over what this undo wrote down, kept with it.
    async fn seal(&mut self) -> Result<(), RunError> {
        point("run.seal")?;
        if let Some((writer, run, _)) = &mut self.claimed {
            let (root, chunks) = self.state.root(writer, *run).await?;
            let sql = self.state.root_sql(*run, &root, chunks)?;
            writer.write(&sql).await?;
        }
        Ok(())
    }
}
