//! The reading end: source rows in key order, with what their rule may ask for.

use std::collections::BinaryHeap;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::derive::Chunk;
use super::progress::Range;
use super::{VerifyError, Watcher};
use crate::db::Session;
use crate::plan::{Known, Wants};
use crate::row::{Key, Rows};
use crate::source::{PageQuery, Source};

/// Base rows per chunk.
pub(super) const CHUNK_ROWS: u64 = 10_000;
/// Chunks that are read and not compared yet: one for each script thread, one that is read, one that is compared.
const OTHER_STAGES: usize = 2;
/// Keys looked at per query when a sample is drawn.
const KEYS_PER_QUERY: u64 = 100_000;

pub(super) struct Reader<'a> {
    pub(super) source: &'a mut Source,
    pub(super) asked: &'a mut Session,
    pub(super) query: &'a PageQuery,
    pub(super) wants: &'a mut Wants,
    pub(super) known: &'a Known,
    pub(super) watcher: &'a dyn Watcher,
    /// The script threads take turns.
    pub(super) to_scripts: Vec<Sender<Chunk>>,
    pub(super) chunk_rows: u64,
    next: usize,
    places: Arc<Semaphore>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        source: &'a mut Source,
        asked: &'a mut Session,
        query: &'a PageQuery,
        wants: &'a mut Wants,
        known: &'a Known,
        watcher: &'a dyn Watcher,
        to_scripts: Vec<Sender<Chunk>>,
    ) -> Self {
        let chunks = to_scripts.len() + OTHER_STAGES;
        Self {
            source,
            asked,
            query,
            wants,
            known,
            watcher,
            to_scripts,
            chunk_rows: CHUNK_ROWS,
            next: 0,
            places: Arc::new(Semaphore::new(chunks)),
        }
    }

    /// Every row, in key order, but for the ranges that were compared before. Returns the last key.
    pub(super) async fn all(&mut self, before: &[Range]) -> Result<Option<Key>, VerifyError> {
        let mut after: Option<Key> = None;
        let mut ahead = before.iter().peekable();
        loop {
            let here = after.as_ref().map(|key| &key.0);
            if let Some(range) = ahead.next_if(|range| range.lo.as_ref() == here) {
                after = Some(Key(range.hi.clone()));
                continue;
            }
            let upto = ahead.peek().and_then(|range| range.lo.clone()).map(Key);
            let place = self.place().await?;
            let page = self
                .source
                .next_page(self.query, after.as_ref(), upto.as_ref(), self.chunk_rows)
                .await?;
            let Some(page) = page else {
                if upto.is_none() {
                    return Ok(after);
                }
                after = upto;
                continue;
            };
            after = Some(page.hi.clone());
            let range = (page.lo, Some(page.hi));
            if !self.ask(range, page.rows, page.keys, place).await? {
                return Ok(after);
            }
        }
    }

    /// So many rows, drawn at random with a uniform chance.
    pub(super) async fn sample(&mut self, rows: u64) -> Result<(), VerifyError> {
        let keys = self.draw(rows).await?;
        for keys in keys.chunks(self.chunk_rows.max(1) as usize) {
            let place = self.place().await?;
            let (rows, keys) = self.source.page_of_keys(self.query, keys).await?;
            if !self.ask((None, None), rows, keys, place).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Draws keys: those whose salted hashes are the smallest.
    async fn draw(&mut self, rows: u64) -> Result<Vec<Key>, VerifyError> {
        let salt = uuid::Uuid::new_v4();
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        let mut drawn: BinaryHeap<([u8; 8], Key)> = BinaryHeap::new();
        let mut after: Option<Key> = None;
        loop {
            let keys = self
                .source
                .keys_between(self.query, after.as_ref(), None, KEYS_PER_QUERY)
                .await?;
            let Some(last) = keys.last().cloned() else {
                break;
            };
            after = Some(last);
            for key in keys {
                let mut hash = Sha256::new();
                hash.update(salt.as_bytes());
                hash.update(key.encode());
                let mut short = [0; 8];
                short.copy_from_slice(&hash.finalize()[..8]);
                if drawn.len() < rows {
                    drawn.push((short, key));
                } else if drawn.peek().is_some_and(|(largest, _)| short < *largest) {
                    drawn.pop();
                    drawn.push((short, key));
                }
            }
        }
        Ok(drawn.into_iter().map(|(_, key)| key).collect())
    }

    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>, VerifyError> {
        if self.watcher.stop() {
            return Err(VerifyError::Interrupted);
        }
        // nobody closes the semaphore
        Ok(self.places.clone().acquire_owned().await.ok())
    }

    /// False when nobody listens any more.
    async fn ask(
        &mut self,
        (lo, hi): (Option<Key>, Option<Key>),
        rows: Rows,
        keys: Vec<Key>,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<bool, VerifyError> {
        let answers = self
            .wants
            .fetch(&rows, self.source.session(), self.asked, self.known)
            .await?;
        let chunk = Chunk {
            lo,
            hi,
            rows: Arc::new(rows),
            keys,
            answers: Arc::new(answers),
            judged: vec![],
            place,
        };
        let turn = self.next % self.to_scripts.len();
        self.next += 1;
        Ok(self.to_scripts[turn].send(chunk).await.is_ok())
    }
}
