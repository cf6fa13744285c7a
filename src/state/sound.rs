//! Whether what the state holds is what was written, before somebody builds on it.

use sha2::{Digest, Sha256};

use crate::db::{Engine, Session, hex};
use crate::state::chunk::from_hex;
use crate::state::{Entry, Manifest, State, StateError, number, text};

impl Manifest {
    /// Reads a manifest as the server gives it, and holds it against the hash in its ledger line.
    pub(super) fn checked(packed: &str, hash: &str, chunk: i64) -> Result<Self, StateError> {
        let bytes = from_hex(packed)?;
        if hex(&Sha256::digest(&bytes)) != hash {
            return Err(damaged(chunk));
        }
        Self::unpack(&bytes)
    }
}

fn damaged(chunk: i64) -> StateError {
    StateError::Damaged(format!(
        "the manifest of chunk {chunk} does not have the hash that the ledger names"
    ))
}

impl State {
    /// Passes when each manifest of a pass has the hash that its ledger line names.
    ///
    /// # Errors
    /// [`StateError::Damaged`] with the first chunk that has another.
    pub async fn manifests_hold(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
    ) -> Result<(), StateError> {
        if self.engine() == Engine::Sqlite {
            // has no such function; reading them holds them against it
            let mut after = 0;
            loop {
                let some = self
                    .manifests(session, rule, pass, "pass", after, 16)
                    .await?;
                let Some((last, ..)) = some.last() else {
                    return Ok(());
                };
                after = *last;
            }
        }
        let sql = format!(
            "select c.id from {} c left join {} m on m.chunk_id = c.id where c.rule = {} and c.pass = {pass} \
             and encode(sha256(m.packed), 'hex') is distinct from c.hash order by c.id limit 1",
            self.table("chunk"),
            self.table("manifest"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Ok(());
        }
        Err(damaged(number(&rows, 0, 0)?))
    }

    /// The entries of the chunks of a pass that were committed last, at least `most` of them where there are.
    pub async fn last_entries(
        self,
        session: &mut Session,
        rule: &str,
        pass: i64,
        most: usize,
    ) -> Result<Vec<Entry>, StateError> {
        let packed = match self.engine() {
            Engine::Postgres => "encode(m.packed, 'hex')",
            Engine::Sqlite => "lower(hex(m.packed))",
        };
        let mut entries = Vec::new();
        let mut before = i64::MAX;
        while entries.len() < most {
            let sql = format!(
                "select c.id, {packed}, c.hash from {} c join {} m on m.chunk_id = c.id where c.rule = {} and c.pass = {pass} and {} \
                 and c.kind = 'pass' and c.id < {before} order by c.id desc limit 1",
                self.table("chunk"),
                self.table("manifest"),
                self.text(rule)?,
                self.live_chunk("c")
            );
            let rows = session.query(&sql).await?;
            if rows.is_empty() {
                break;
            }
            before = number(&rows, 0, 0)?;
            let get = |column| text(&rows, 0, column).map(Option::unwrap_or_default);
            entries.extend(Manifest::checked(&get(1)?, &get(2)?, before)?.entries);
        }
        Ok(entries)
    }
}
