//! How many sessions of this program an address has let in: who finds the door shut then is told about limits,
//! not about networks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{DbError, ErrorKind};

/// A session that is open.
#[derive(Debug)]
pub(super) struct Seat(String);

fn taken() -> MutexGuard<'static, BTreeMap<String, usize>> {
    static TAKEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seat {
    /// One more is open at this address, until the value is dropped.
    pub(super) fn take(place: &str) -> Self {
        *taken().entry(place.to_owned()).or_default() += 1;
        Self(place.to_owned())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(open) = taken().get_mut(&self.0) {
            *open = open.saturating_sub(1);
        }
    }
}

/// Adds what a shut door most likely means when others of this program are inside.
pub(super) fn explain(mut error: DbError, place: &str) -> DbError {
    let open = taken().get(place).copied().unwrap_or(0);
    let shut = matches!(
        error.kind,
        ErrorKind::Transient | ErrorKind::Unreachable | ErrorKind::Lost
    );
    if open > 0 && shut {
        error.hint = Some(format!(
            "this command has {open} open already, so the role, the database or the pool most likely allows no more: raise that limit, close other clients, or take the database's own address"
        ));
    }
    error
}
