//! The state tables. Append-only where it matters: `chunk` is ledger and checkpoint in one, and every
//! later change of the account (retry, undo, acceptance) adds lines to it instead of changing any.
//!
//! Granted to nobody: on Supabase the schema is not exposed through the API either, and row security
//! is on in case somebody exposes it.

use crate::db::Engine;
use crate::state::State;

/// Version of this layout; a newer one in the target is refused.
pub const VERSION: u32 = 1;

const TABLES: &[(&str, &str)] = &[
    ("meta", "key text primary key, value text not null"),
    (
        "rule",
        "rule text not null, transform_fp text not null, gate_fp text not null, texts text not null, stored_at {time} not null, \
         primary key (rule, transform_fp, gate_fp)",
    ),
    (
        "run",
        "id bigint primary key, command text not null, status text not null, epoch bigint not null, os_user text, host text, pid bigint, \
         version text, source_user text, source_server text, target_user text, target_server text, rules_revision text, restore_point text, \
         options text, started_at {time} not null, finished_at {time}, exit_code int",
    ),
    // One reading of a source table under one snapshot; base and read_rows are counted by the database.
    (
        "segment",
        "id bigint primary key, run_id bigint not null, rule text not null, target text not null, pass int not null, kind text not null, \
         accounted int not null, snapshot text, source_time text, base bigint not null, read_rows bigint not null, transform_fp text not null, \
         gate_fp text not null, opened_at {time} not null, closed_at {time}, complete int not null default 0",
    ),
    // lo is exclusive, hi inclusive; both are JSON arrays of key texts. no orders the chunks of a pass by key.
    // In chunks of kind `procedure`, which are no ranges, lo holds the checkpoint's name and hi its value as JSON text.
    (
        "chunk",
        "id bigint primary key, segment_id bigint not null, run_id bigint not null, rule text not null, pass int not null, kind text not null, \
         accounted int not null, no bigint not null, lo text, hi text, base bigint not null, filtered bigint not null, read bigint not null, \
         inserted bigint not null, updated bigint not null, unchanged bigint not null, skipped bigint not null, rejected bigint not null, \
         target_rows bigint not null, kept bigint not null, codes text not null, hash text not null, xid text, epoch bigint not null, \
         micros bigint not null, committed_at {time} not null",
    ),
    (
        "manifest",
        "chunk_id bigint primary key, packed {bytes} not null",
    ),
    (
        "quarantine",
        "rule text not null, key text not null, chunk_id bigint not null, run_id bigint not null, code text not null, stage text not null, \
         message text not null, sqlstate text, constraint_name text, path text, line int, col int, data text not null, input_hash text not null, \
         transform_fp text not null, waiting_entity text, waiting_key text, status text not null, at {time} not null, primary key (rule, key)",
    ),
    // References of a table to itself, written as NULL first: the parent may come in a later chunk.
    (
        "later",
        "rule text not null, chunk_id bigint not null, key text not null, target_id {uuid} not null, value {uuid} not null, \
         primary key (rule, target_id)",
    ),
    // Ids that a script stated with `ids.put`: which row of `entity` a legacy key is.
    (
        "stated",
        "entity text not null, key text not null, id {uuid} not null, rule text not null, chunk_id bigint not null, primary key (entity, key)",
    ),
    (
        "accepted",
        "id bigint primary key, rule text not null, code text not null, key text, note text not null, who text not null, \
         input_hash text not null, transform_fp text not null, at {time} not null, revoked_at {time}",
    ),
    (
        "before_image",
        "run_id bigint not null, chunk_id bigint not null, rule text not null, target text not null, target_id text not null, image text not null",
    ),
    // Rows of the target that are not as the rule has it now, as the last sync left them: edited, or withdrawn at
    // the source.
    (
        "standing",
        "rule text not null, key text not null, target_id {uuid} not null, why text not null, mark text not null, run_id bigint not null, \
         at {time} not null, primary key (rule, target_id)",
    ),
    (
        "finding",
        "run_id bigint not null, rule text not null, phase text not null, name text not null, status text not null, detail text not null, \
         at {time} not null",
    ),
];

const INDEXES: &[(&str, &str)] = &[
    ("chunk", "rule, pass, no"),
    ("segment", "rule, pass"),
    ("quarantine", "waiting_entity, waiting_key"),
    ("finding", "run_id, rule"),
    ("accepted", "rule, key"),
];

fn create(state: State, name: &str, columns: &str) -> String {
    let table = state.table(name);
    let (bytes, closed) = match state.engine() {
        Engine::Postgres => (
            "bytea",
            format!(
                "revoke all on {table} from public; alter table {table} enable row level security;"
            ),
        ),
        Engine::Sqlite => ("blob", String::new()),
    };
    let columns = columns
        .replace("{time}", "timestamptz")
        .replace("{uuid}", "uuid")
        .replace("{bytes}", bytes);
    format!("create table if not exists {table} ({columns});{closed}")
}

/// Tables that came after the first targets were made; adding one does no harm to an older binary.
pub(super) fn added(state: State) -> String {
    TABLES
        .iter()
        .filter(|(name, _)| *name == "standing")
        .map(|(name, columns)| create(state, name, columns))
        .collect()
}

/// Everything as one script, for a transaction; safe to run once.
pub(super) fn ddl(state: State) -> String {
    let postgres = state.engine() == Engine::Postgres;
    let mut sql = String::new();
    if postgres {
        sql.push_str(
            "create schema if not exists runner; revoke all on schema runner from public;",
        );
    }
    for (name, columns) in TABLES {
        sql.push_str(&create(state, name, columns));
    }
    for (number, (name, columns)) in INDEXES.iter().enumerate() {
        sql.push_str(&format!(
            "create index runner_index_{number} on {} ({columns});",
            state.table(name)
        ));
    }
    if postgres {
        // hashes and ids do not compress: trying to costs as much as writing them three times
        sql.push_str("alter table runner.manifest alter column packed set storage external;");
        sql.push_str(UNPACK);
    }
    sql.push_str(&format!(
        "insert into {} (key, value) values ('version', '{VERSION}')",
        state.table("meta")
    ));
    sql
}

/// Everything out again, each thing by its name: what somebody else hung on it makes this fail.
pub(super) fn drop_sql(state: State) -> String {
    let tables: Vec<String> = TABLES.iter().map(|(name, _)| state.table(name)).collect();
    match state.engine() {
        Engine::Postgres => format!(
            "drop view runner.ids; drop function runner.unpack(bytea); drop table {}; drop schema runner",
            tables.join(", ")
        ),
        Engine::Sqlite => tables
            .iter()
            .map(|table| format!("drop table {table}"))
            .collect::<Vec<_>>()
            .join(";"),
    }
}

/// Reads a packed manifest in the server, for the view `runner.ids` and for people with psql.
/// The layout is described in `manifest.rs`.
const UNPACK: &str = r#"
create function runner.unpack(packed bytea) returns table (key text, verdict text, outcome text, id uuid)
language plpgsql immutable as $$
-- a stored value is decompressed again at each touch; one that was just made is not
declare raw bytea := packed || ''::bytea; size int := length(raw); at int := 1; n int; ids int; flags int; i int;
begin
  if size = 0 then return; end if;
  while at < size loop
    n := get_byte(raw, at) + get_byte(raw, at + 1) * 256 + get_byte(raw, at + 2) * 65536;
    key := convert_from(substr(raw, at + 4, n), 'UTF8');
    at := at + 3 + n;
    flags := get_byte(raw, at);
    verdict := (array['write', 'skip', 'reject'])[(flags & 3) + 1];
    outcome := (array['none', 'inserted', 'updated', 'unchanged'])[((flags >> 2) & 3) + 1];
    ids := get_byte(raw, at + 1) + get_byte(raw, at + 2) * 256;
    at := at + 3 + 16;
    id := null;
    if ids = 0 then return next; end if;
    for i in 1..ids loop
      id := encode(substr(raw, at + 1, 16), 'hex')::uuid;
      at := at + 16;
      return next;
    end loop;
  end loop;
end $$;
revoke all on function runner.unpack(bytea) from public;
create view runner.ids as
  -- a row that was judged again counts as it was judged last
  with again as materialized (select c.rule, c.pass, c.id, u.key from runner.chunk c join runner.manifest m on m.chunk_id = c.id,
    lateral runner.unpack(m.packed) u where c.accounted = 1 and c.kind in ('retry', 'later')
    and not exists (select 1 from runner.chunk d where d.kind = 'undo' and d.rule = c.rule and d.lo = '["' || c.id || '"]'))
  select c.rule, s.target, u.key as legacy_key, u.id, c.run_id, c.id as chunk_id
  from runner.chunk c join runner.segment s on s.id = c.segment_id join runner.manifest m on m.chunk_id = c.id, lateral runner.unpack(m.packed) u
  where c.accounted = 1 and u.id is not null and c.kind not in ('undo', 'undoing')
    -- what was taken back does not count
    and not exists (select 1 from runner.chunk d where d.kind = 'undo' and d.rule = c.rule and d.pass = c.pass and d.no = c.no and d.lo = '["' || c.id || '"]')
    and c.pass = (select max(s2.pass) from runner.segment s2 where s2.rule = c.rule and s2.accounted = 1 and s2.kind <> 'undo'
      and not exists (select 1 from runner.segment d where d.kind = 'undo' and d.complete = 1 and d.rule = s2.rule and d.snapshot = 'run ' || s2.run_id))
    and not exists (select 1 from again a where a.rule = c.rule and a.pass = c.pass and a.key = u.key and a.id > c.id);
revoke all on runner.ids from public;
"#;
