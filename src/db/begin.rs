//! How a transaction that writes begins.

use super::Engine;

/// Opens a transaction that writes, with settings that hold for it alone: through a pooler for sessions a plain
/// SET may stay behind for somebody else, and what a role or a database says of durability must not decide
/// whether a commit that was reported is there after a power cut. To go in one round trip with what follows.
pub fn begin_sql(engine: Engine) -> String {
    begin_waiting(engine, "60s")
}

/// The same, where locks are waited for as long as it says.
pub fn begin_waiting(engine: Engine, lock_wait: &str) -> String {
    match engine {
        Engine::Postgres => format!(
            "begin; set local synchronous_commit = on; set local statement_timeout = '10min'; set local lock_timeout = '{lock_wait}'; \
             set local idle_in_transaction_session_timeout = '10min'; set local jit = off"
        ),
        Engine::Sqlite => "begin immediate".to_owned(),
    }
}
