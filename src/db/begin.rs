//! How a transaction that writes begins.

use std::time::Duration;

use super::{Engine, Session};

impl Session {
    /// Opens a transaction that writes, with settings that hold for it alone: through a pooler for sessions a plain
    /// SET may stay behind for somebody else, and what a role or a database says of durability must not decide
    /// whether a commit that was reported is there after a power cut. To go in one round trip with what follows.
    pub fn begin_sql(&self) -> String {
        self.begin_waiting(self.lock_limit())
    }

    /// The same, where locks are waited for as long as `lock`.
    pub fn begin_waiting(&self, lock: Duration) -> String {
        match self.engine() {
            Engine::Postgres => format!(
                "begin; set local synchronous_commit = on; set local statement_timeout = {}; set local lock_timeout = {}; \
                 set local idle_in_transaction_session_timeout = {}; set local jit = off",
                self.statement_limit().as_millis(),
                lock.as_millis(),
                self.idle_limit().as_millis()
            ),
            Engine::Sqlite => "begin immediate".to_owned(),
        }
    }
}
