//! How many rows make a chunk, where nobody says. The bytes of a page are limited besides.

use crate::db::Engine;

/// Rows for a PostgreSQL server. More gain nothing, not even at a round trip of 20 ms, because two writers hide
/// it; they cost memory, and are read again when the program is killed: 10,000 rows of message attachments take
/// 94 MiB at the peak, these 78, in the same time.
const POSTGRES: u64 = 8_000;
/// Rows for a SQLite file. With ids in no order a chunk touches nearly all pages of an index, whether few rows
/// come or many, and each page that it touches goes to the log.
const SQLITE: u64 = 20_000;

/// Base rows per chunk.
pub(super) fn rows(asked: Option<u64>, target: Engine) -> u64 {
    let suits = match target {
        Engine::Postgres => POSTGRES,
        Engine::Sqlite => SQLITE,
    };
    asked.unwrap_or(suits).max(1)
}
