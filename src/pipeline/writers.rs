//! The connections that commit, shared by all tables of a run: whichever is free takes the next chunk.
//! They stay open from table to table, because opening one takes a dozen round trips.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::commit::Writer;
use crate::config::DatabaseUrl;
use crate::db::Session;

/// All of them.
pub(super) struct Writers {
    url: DatabaseUrl,
    rehearsal: bool,
    count: usize,
    free: Arc<Semaphore>,
    /// Those that have a session and nothing to do.
    idle: Mutex<Vec<Writer>>,
}

/// One of them. Dropped, it closes its connection: what it was doing has failed.
pub(super) struct Seat {
    pub(super) writer: Writer,
    home: Arc<Writers>,
    place: Option<OwnedSemaphorePermit>,
}

impl Writers {
    /// At most `count` writers, the first of them over sessions that are open; the others connect when they are
    /// needed.
    pub(super) fn new(url: DatabaseUrl, count: usize, spare: Vec<Session>) -> Arc<Self> {
        let writers = spare
            .into_iter()
            .map(|session| Writer::new(url.clone()).over(Some(session)));
        Arc::new(Self {
            idle: Mutex::new(writers.collect()),
            rehearsal: false,
            count,
            free: Arc::new(Semaphore::new(count)),
            url,
        })
    }

    /// One that writes nothing: for dry runs.
    pub(super) fn rehearsal(url: DatabaseUrl) -> Arc<Self> {
        Arc::new(Self {
            url,
            rehearsal: true,
            count: 1,
            free: Arc::new(Semaphore::new(1)),
            idle: Mutex::default(),
        })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Waits for one that is free. Whoever asks first gets one first, so chunks that have to commit in turn ask
    /// in turn: then the first of them always has a writer, and none waits for one that has not.
    pub(super) async fn free(self: &Arc<Self>) -> Seat {
        // nobody closes the semaphore
        let place = self.free.clone().acquire_owned().await.ok();
        let idle = self.idle().pop();
        let writer = idle.unwrap_or_else(|| {
            let url = self.url.clone();
            if self.rehearsal {
                Writer::rehearsal(url)
            } else {
                Writer::new(url)
            }
        });
        Seat {
            writer,
            home: self.clone(),
            place,
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Writer>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Gives it back, with its connection.
    pub(super) fn leave(self) {
        self.home.idle().push(self.writer);
        drop(self.place);
    }
}
