//! A run taken back. It needs neither source nor rules, only what the state kept of the run: per chunk the ids
//! that it inserted, before-images of what it changed. Table by table, the last one first, the newest chunk
//! first; each transaction leaves a signed line, so that a killed undo goes on where it stopped.

mod plan;

pub(super) use plan::half_undone;

use serde::Serialize;

use super::{Event, RunError, Stop, Watcher, chunk};
use crate::commit::{
    CommitError, Kept, Portion, TakenBack, Tracking, Undoing, Would, Writer, tracking,
};
use crate::config::Config;
use crate::db::{Role, Session, begin_sql};
use crate::diagnostic::Diagnostic;
use crate::state::{Claim, Part, SegmentRecord, State, StateError, UndoLine};

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
            would: Would::new(),
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
                would: Would::new(),
            };
            let done = tables(&mut world, &parts, &mut undone).await;
            let sealed = world.seal().await;
            done.and(sealed)
        }
        Err(error) => Err(error),
    };
    crate::db::failpoint("run.finish");
    let (status, exit) = match &result {
        Ok(()) if undone.interrupted => ("interrupted", 130),
        Ok(()) => ("finished", 0),
        Err(_) => ("failed", 1),
    };
    let finished = claim.finish(state, status, exit).await;
    result?;
    finished?;
    Ok(undone)
}

fn already(part: &Part) -> UndoneRule {
    UndoneRule {
        rule: part.rule.clone(),
        target: part.target.clone(),
        removed: 0,
        restored: 0,
        gone: 0,
        kept: vec![],
        undone_by: part.undone_by,
    }
}

async fn tables(
    world: &mut World<'_>,
    parts: &[Part],
    undone: &mut Undone,
) -> Result<(), RunError> {
    for part in parts {
        if part.undone_by.is_some() {
            undone.rules.push(already(part));
            continue;
        }
        if world.stop.asked() {
            break;
        }
        let rule = table(world, part).await?;
        world.watcher.event(Event::RuleFinished {
            rule: &part.rule,
            note: if world.stop.asked() {
                "interrupted"
            } else {
                "done"
            },
        });
        undone.rules.push(rule);
    }
    undone.interrupted = world.stop.asked();
    Ok(())
}

/// One table: its segment, its chunks, and what belongs to it as a whole.
async fn table(world: &mut World<'_>, part: &Part) -> Result<UndoneRule, RunError> {
    let state = world.state;
    let lines = state
        .undo_lines(&mut world.reader, world.asked.run, &part.rule)
        .await?;
    let total = |lines: &[UndoLine]| {
        lines
            .iter()
            .map(|line| line.counts.read.max(0) as u64)
            .sum()
    };
    world.watcher.event(Event::RuleStarted {
        rule: &part.rule,
        base: total(&lines),
        done: 0,
    });
    let mut what = plan::undoing(state, &mut world.reader, part, world.asked).await?;
    let mut segment = plan::segment(part, world.asked.run);
    if let Some((writer, run, epoch)) = &mut world.claimed {
        segment.run = *run;
        writer.execute(&begin_sql(state.engine())).await?;
        state.open_segment(writer, &mut segment).await?;
        writer.execute("commit").await?;
        (what.run, what.epoch, what.segment) = (*run, *epoch, segment.id);
    }
    crate::db::failpoint("segment.open");
    let mut back = TakenBack::default();
    let through = chunks(world, &what, &lines, &mut back).await?;
    if through {
        crate::db::failpoint("gate.after");
        world.close(part, &segment).await?;
    }
    Ok(UndoneRule {
        removed: back.removed,
        restored: back.restored,
        gone: back.gone,
        kept: back.kept,
        ..already(part)
    })
}

/// All lines of a table; false when somebody asked to stop.
async fn chunks(
    world: &mut World<'_>,
    what: &Undoing,
    lines: &[UndoLine],
    back: &mut TakenBack,
) -> Result<bool, RunError> {
    // rows that refer to one another go together, or not at all
    let most = if what.to.own_parent.is_some() {
        usize::MAX
    } else {
        let rows = chunk::rows(world.asked.batch_rows, world.reader.engine());
        usize::try_from(rows).unwrap_or(usize::MAX)
    };
    let mut together: Vec<Portion<'_>> = Vec::new();
    let mut rows = 0;
    for line in lines {
        let manifest = world.state.manifest(&mut world.reader, line.chunk).await?;
        let mut entries = manifest.entries;
        let all = entries.len();
        let mut from = line.from.min(all);
        entries.drain(..from);
        loop {
            if rows > 0 && rows + entries.len() > most {
                if !send(world, what, std::mem::take(&mut together), back).await? {
                    return Ok(false);
                }
                rows = 0;
            }
            let rest = entries.split_off(entries.len().min(most));
            from += entries.len();
            rows += entries.len();
            together.push(Portion {
                line,
                entries,
                to: from,
                last: rest.is_empty(),
            });
            if rest.is_empty() {
                break;
            }
            entries = rest;
        }
    }
    if together.is_empty() {
        return Ok(true);
    }
    send(world, what, together, back).await?;
    Ok(true)
}

/// One transaction; false when somebody asked to stop after it.
async fn send(
    world: &mut World<'_>,
    what: &Undoing,
    portions: Vec<Portion<'_>>,
    back: &mut TakenBack,
) -> Result<bool, RunError> {
    let first = world.next_chunk;
    world.next_chunk += portions.len() as i64;
    let done = world
        .commits
        .take_back(what, &portions, first, &mut world.would)
        .await
        .map_err(|error| match error {
            CommitError::Db(error) => RunError::from(error),
            CommitError::State(error) => error.into(),
            other @ (CommitError::Unbalanced { .. } | CommitError::Overtaken) => {
                Diagnostic::error(other.to_string()).into()
            }
        })?;
    let read = portions
        .iter()
        .map(|portion| portion.entries.len() as u64)
        .sum();
    world.watcher.event(Event::Chunk {
        rule: &what.rule,
        base: read,
        read,
        rejected: 0,
    });
    back.add(done);
    Ok(!world.stop.asked())
}

impl World<'_> {
    /// What the table's run wrote once, and the end of the segment: one transaction.
    async fn close(&mut self, part: &Part, segment: &SegmentRecord) -> Result<(), RunError> {
        let (state, undone) = (self.state, self.asked.run);
        let Some((writer, run, epoch)) = &mut self.claimed else {
            return Ok(());
        };
        let control = Tracking::look(writer, tracking::CONTROL).await?.known();
        writer.execute(&begin_sql(state.engine())).await?;
        let fence = writer.query(&Claim::fence_sql(state, *run, *epoch)).await?;
        if fence.is_empty() {
            let _ = writer.execute("rollback").await;
            return Err(StateError::Fenced { run: *run }.into());
        }
        // what a new pass forgot
        let mut sql = state.give_back_quarantine_sql(undone, 0, &part.rule)?;
        if let Some(table) = control {
            sql.push_str(&tracking::forget_sql(
                state.engine(),
                &table,
                undone,
                &part.target,
            )?);
        }
        writer.execute(&sql).await?;
        state.close_segment(writer, segment.id).await?;
        writer.execute("commit").await?;
        Ok(())
    }

    /// One hash over what this undo wrote down, kept with it.
    async fn seal(&mut self) -> Result<(), RunError> {
        if let Some((writer, run, _)) = &mut self.claimed {
            let (root, chunks) = self.state.root(writer, *run).await?;
            let sql = self.state.root_sql(*run, &root, chunks)?;
            writer.write(&sql).await?;
        }
        Ok(())
    }
}
