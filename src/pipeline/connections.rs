//! How many writers the target's server has room for: other programs need connections, too.

use super::{Event, World};
use crate::db::Engine;

/// The writers that were asked for, or as many as leave one connection to others; at least one. All other
/// connections of the run are open already.
pub(super) async fn writers(world: &mut World<'_>) -> usize {
    let asked = world.options.writers.max(1);
    if world.engine() != Engine::Postgres {
        return asked;
    }
    let sql = "select least(current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
               - (select sum(numbackends) from pg_stat_database), \
               case when r.rolconnlimit >= 0 and not r.rolsuper then r.rolconnlimit - \
               (select count(*) from pg_stat_activity where usename = current_user) end) \
               from pg_roles r where r.rolname = current_user";
    // a server that does not say decides by itself, when the writers connect
    let Ok(rows) = world.target.query(sql).await else {
        return asked;
    };
    if rows.is_empty() {
        return asked;
    }
    let free = rows.text(0, 0).and_then(Result::ok);
    let Some(free) = free.and_then(|free| free.parse::<i64>().ok()) else {
        return asked;
    };
    let room = usize::try_from(free - 1).unwrap_or(0).max(1);
    if room < asked {
        world.watcher.event(Event::Message(&format!(
            "the target has room for {free} more connections: {room} instead of {asked} writers"
        )));
    }
    asked.min(room)
}
