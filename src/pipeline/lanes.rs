//! Tables side by side. Those that have nothing to do with one another share the run's writers: while the
//! chunks of one are on their way, another is read, judged or checked. What a table has for itself is a session
//! that reads the source, one that reads the target and one that keeps its account: a *lane*.
//!
//! Each lane takes the next table that waits for no other. Tables that meet (see [`Reach`]) keep the order of
//! the rules, so that what becomes of a row does not depend on which lane was faster.

use std::cell::{RefCell, RefMut};
use std::future::Future;

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::{Known, Outcome, RuleOutcome, RunError, Stop, Work, World, connections, procedure};
use super::{retry, sync, table, tracking};
use crate::db::{Engine, Session};
use crate::plan::{Reach, Step};

/// Takes all tables as far as they go.
pub(super) async fn run(
    world: &mut World<'_>,
    works: Vec<Work>,
    outcome: &mut Outcome,
) -> Result<(), RunError> {
    let most = lanes(world);
    let reaches = if most > 1 && works.len() > 1 {
        reaches(&works, &mut world.target).await?
    } else {
        works.iter().map(|_| Reach::anywhere()).collect()
    };
    let line = Line::new(works, &reaches, world.stop);
    let lanes = line.at_once().min(most);
    let others = (1..lanes).map(|_| beside(open(world), &line));
    let others = others.collect::<Vec<_>>();
    let (first, others) = tokio::join!(lane(world, &line), join_all(others));
    let mut done = Vec::new();
    for place in line.places.into_inner() {
        let Some(Taken { work, result }) = place.taken else {
            continue;
        };
        outcome.rules.push(result);
        if let Work::Step(step) = work {
            done.push((*step, outcome.rules.len() - 1));
        }
    }
    outcome.interrupted = world.stop.asked();
    all_of([first].into_iter().chain(others))?;
    if world.options.sync.is_some() && !outcome.interrupted {
        sync::settle(world, &mut done, &mut outcome.rules).await?;
        outcome.interrupted |= world.stop.asked();
    }
    Ok(())
}

/// How many tables this run takes at the same time. What a dry run, a retry and a sync learn from one table
/// they need for the next.
fn lanes(world: &World<'_>) -> usize {
    let o = world.options;
    let in_turn = o.dry_run || o.retry.is_some() || o.sync.is_some();
    let alone = in_turn || world.engine() == Engine::Sqlite || world.snapshot.lent.is_none();
    if alone { 1 } else { world.lanes }
}

/// Of several that broke together each says why, once.
fn all_of(lanes: impl Iterator<Item = Result<(), RunError>>) -> Result<(), RunError> {
    let mut all: Option<RunError> = None;
    for error in lanes.filter_map(Result::err) {
        let Some(first) = &mut all else {
            all = Some(error);
            continue;
        };
        for problem in error.problems() {
            if !first.problems().contains(problem) {
                first.add(problem.clone());
            }
        }
    }
    all.map_or(Ok(()), Err)
}

/// What each has to do with.
async fn reaches(works: &[Work], target: &mut Session) -> Result<Vec<Reach>, RunError> {
    let steps = works.iter().filter_map(|work| match work {
        Work::Step(step) => Some(&**step),
        Work::Job(_) => None,
    });
    let steps: Vec<&Step> = steps.collect();
    let mut reaches = Reach::of(&steps, target).await?.into_iter();
    let of = |work: &Work| match work {
        Work::Step(_) => reaches.next().unwrap_or_else(Reach::anywhere),
        Work::Job(_) => Reach::anywhere(),
    };
    Ok(works.iter().map(of).collect())
}

/// Opens what another lane needs, once it is polled; `None` when there is no room.
fn open<'a>(world: &World<'a>) -> impl Future<Output = Option<World<'a>>> + use<'a> {
    let (config, options, watcher, stop) = (world.config, world.options, world.watcher, world.stop);
    let (state, exists, namespace) = (world.state, world.exists, world.namespace);
    let (run, epoch, chunk_rows) = (world.run, world.epoch, world.chunk_rows);
    let (snapshot, writers) = (world.snapshot.clone(), world.writers.clone());
    let (next_chunk, opening) = (world.next_chunk.clone(), world.opening.clone());
    let control = world.control.beside();
    async move {
        let lent = snapshot.lent.as_deref()?;
        let (source, target, account) = connections::beside(config, lent).await?;
        Some(World {
            config,
            options,
            watcher,
            stop,
            source,
            target,
            snapshot,
            writer: Some(account),
            state,
            exists,
            namespace,
            run,
            epoch,
            known: Known::new(),
            next_chunk,
            arrived: retry::Arrived::new(),
            leaving: std::collections::HashMap::new(),
            control,
            writers,
            lanes: 1,
            opening,
            chunk_rows,
        })
    }
}

/// Another lane: opened when there is something for it to do, and given up when the others were quicker.
async fn beside<'a>(
    open: impl Future<Output = Option<World<'a>>>,
    line: &Line<'_>,
) -> Result<(), RunError> {
    if !line.has_more().await {
        return Ok(());
    }
    let opened = tokio::select! {
        opened = open => opened,
        () = line.is_empty() => None,
    };
    let Some(mut world) = opened else {
        return Ok(());
    };
    let result = lane(&mut world, line).await;
    if let (Err(_), Some(account)) = (&result, &mut world.writer) {
        // whoever does not answer now has kept us waiting before
        account.hurry();
    }
    world.untrack(tracking::stopped(result.is_ok())).await;
    result
}

/// Takes one table after the other, until none is left, somebody asks to stop, or one breaks.
async fn lane(world: &mut World<'_>, line: &Line<'_>) -> Result<(), RunError> {
    while let Some((place, mut work)) = line.next().await {
        let result = match &mut work {
            Work::Step(step) => table::run(world, step).await,
            Work::Job(job) => procedure::run(world, job).await,
        };
        match result {
            Ok(result) => line.done(place, Taken { work, result }),
            Err(error) => {
                line.broken();
                return Err(error);
            }
        }
    }
    Ok(())
}

/// The tables of a run, in order.
struct Line<'a> {
    places: RefCell<Vec<Place>>,
    /// A table was taken or is done.
    moved: Notify,
    stop: &'a Stop,
}

struct Place {
    /// Earlier ones that it waits for.
    waits: Vec<usize>,
    work: Option<Work>,
    taken: Option<Taken>,
}

struct Taken {
    work: Work,
    result: RuleOutcome,
}

impl<'a> Line<'a> {
    fn new(works: Vec<Work>, reaches: &[Reach], stop: &'a Stop) -> Self {
        let earlier = |place: usize| {
            let mine = &reaches[place];
            (0..place)
                .filter(|other| reaches[*other].meets(mine))
                .collect()
        };
        let places = works.into_iter().enumerate().map(|(place, work)| Place {
            waits: earlier(place),
            work: Some(work),
            taken: None,
        });
        Self {
            places: RefCell::new(places.collect()),
            moved: Notify::new(),
            stop,
        }
    }

    /// The most tables that could be worked on at the same time, roughly: those that do not wait for one right
    /// before them.
    fn at_once(&self) -> usize {
        let places = self.places.borrow();
        let free = |place: usize, p: &Place| place == 0 || !p.waits.contains(&(place - 1));
        let count = places.iter().enumerate();
        count.filter(|(place, p)| free(*place, p)).count()
    }

    /// The next table that waits for none; `None` when all are taken, or somebody asked to stop.
    async fn next(&self) -> Option<(usize, Work)> {
        loop {
            let moved = self.moved.notified();
            if self.stop.asked() {
                return None;
            }
            if let Some(taken) = self.take() {
                self.moved.notify_waiters();
                return Some(taken);
            }
            if self.left() == 0 {
                return None;
            }
            moved.await;
        }
    }

    fn take(&self) -> Option<(usize, Work)> {
        let mut places = self.places.borrow_mut();
        let place = ready(&places)?;
        Some((place, places[place].work.take()?))
    }

    /// Waits for a table that could be taken; false when there will be none.
    async fn has_more(&self) -> bool {
        loop {
            let moved = self.moved.notified();
            if self.stop.asked() || self.left() == 0 {
                return false;
            }
            if ready(&self.places.borrow()).is_some() {
                return true;
            }
            moved.await;
        }
    }

    /// Waits until all are taken.
    async fn is_empty(&self) {
        loop {
            let moved = self.moved.notified();
            if self.stop.asked() || self.left() == 0 {
                return;
            }
            moved.await;
        }
    }

    fn left(&self) -> usize {
        let places = self.places.borrow();
        places.iter().filter(|place| place.work.is_some()).count()
    }

    fn done(&self, place: usize, taken: Taken) {
        let mut places: RefMut<'_, Vec<Place>> = self.places.borrow_mut();
        places[place].taken = Some(taken);
        drop(places);
        self.moved.notify_waiters();
    }

    /// One broke: the others end after their chunks in flight.
    fn broken(&self) {
        self.stop.ask();
        self.moved.notify_waiters();
    }
}

fn ready(places: &[Place]) -> Option<usize> {
    places.iter().position(|place| {
        let done = |other: &usize| places[*other].taken.is_some();
        place.work.is_some() && place.waits.iter().all(done)
    })
}
