//! What joins a chunk's rows in their transaction, as SQL: quarantine, before-images, the old scripts' mappings.

use uuid::Uuid;

use crate::commit::{Batch, Fate, Fates, Ledger};
use crate::db::{DbError, Engine, hex, literal};
use crate::row::{Reject, Stage};
use crate::state::{Refused, State, StateError};

/// Rows as they were before this chunk changed them.
pub(super) fn images(
    ledger: &Ledger,
    chunk: i64,
    before: &[(Uuid, String)],
) -> Result<String, DbError> {
    let engine = ledger.state.engine();
    let mut sql = String::new();
    for (id, image) in before {
        sql.push_str(&format!(
            ";insert into {} (run_id, chunk_id, rule, target, target_id, image) values ({}, {chunk}, {}, {}, '{id}', {})",
            ledger.state.table("before_image"),
            ledger.run,
            literal(engine, &ledger.rule.name)?,
            literal(engine, &ledger.to.table.name.to_string())?,
            literal(engine, image)?,
        ));
    }
    Ok(sql)
}

pub(super) fn quarantine(
    state: State,
    ledger: &Ledger,
    batch: &Batch,
    fates: &Fates<'_>,
    chunk: i64,
) -> Result<String, StateError> {
    let mut rows = Vec::new();
    let mut fine = Vec::new();
    for (row, fate) in fates.0.iter().enumerate() {
        let key = batch.keys[row].to_string();
        if let Fate::Reject(reject) = fate {
            let input_hash = hex(&batch.inputs[row]);
            let status = if !ledger.accounted {
                "trial"
            } else if ledger.prior.accepted.holds(&key, &reject.code, &input_hash) {
                "accepted"
            } else {
                "open"
            };
            rows.push(Refused {
                key,
                reject: (**reject).clone(),
                data: ledger.masker.row(&batch.rows, row),
                input_hash,
                status,
            });
        } else if ledger.accounted && ledger.prior.quarantined(&key) {
            // a trial changes nothing that the table's account knows of
            fine.push(key);
        }
    }
    let fine: Vec<&str> = fine.iter().map(String::as_str).collect();
    let before = held_before(state, ledger, batch, chunk)?;
    let sql = state.quarantine_sql(
        &ledger.rule.name,
        ledger.run,
        chunk,
        &ledger.rule.fingerprints.transform,
        &rows,
        &fine,
    )?;
    Ok(format!("{before}{sql}"))
}

/// Rows of quarantine as they are, for those that this chunk takes out or judges again.
fn held_before(
    state: State,
    ledger: &Ledger,
    batch: &Batch,
    chunk: i64,
) -> Result<String, StateError> {
    let mut sql = String::new();
    let held: Vec<String> = batch
        .keys
        .iter()
        .map(ToString::to_string)
        .filter(|key| ledger.prior.quarantined(key))
        .collect();
    for keys in held.chunks(1_000) {
        let keys = keys
            .iter()
            .map(|key| literal(state.engine(), key))
            .collect::<Result<Vec<_>, _>>()?
            .join(",");
        sql.push(';');
        sql.push_str(&state.image_quarantine_sql(
            ledger.run,
            chunk,
            &ledger.rule.name,
            Some(&keys),
        )?);
    }
    Ok(sql)
}

/// Rows that the last sync left as they stand, and that are written now.
pub(super) fn stands_no_longer(
    ledger: &Ledger,
    fates: &Fates<'_>,
    chunk: i64,
) -> Result<String, StateError> {
    let mut ids = Vec::new();
    for fate in &fates.0 {
        if let Fate::Write { update, same, .. } = fate
            && ledger.accounted
        {
            let there = update.iter().map(|u| u.0).chain(same.iter().copied());
            ids.extend(there.filter(|id| ledger.prior.standing.contains(id)));
        }
    }
    let state = ledger.state;
    state.stands_no_longer_sql(ledger.run, chunk, &ledger.rule.name, &ids)
}

/// The old scripts' table of ids, kept current for the dashboards that read it; last, because its rows
/// are hot. A new id that another key is mapped to already is left to that key.
pub(super) fn mappings(
    ledger: &Ledger,
    batch: &Batch,
    fates: &Fates<'_>,
    chunk: i64,
    stale: &[String],
) -> Result<String, StateError> {
    if !ledger.accounted || ledger.rule.header.many {
        return Ok(String::new());
    }
    let mut rows: Mapped<'_> = Vec::new();
    for (row, fate) in fates.0.iter().enumerate() {
        let Fate::Write {
            insert,
            update,
            same,
            ..
        } = fate
        else {
            continue;
        };
        let id = insert
            .first()
            .map(|out| out.id)
            .or(update.first().map(|u| u.0))
            .or(same.first().copied());
        if let (Some(id), [key]) = (id, &batch.keys[row].0[..]) {
            rows.push((key, id));
        }
    }
    let entity = &ledger.to.table.name.name;
    let mut sql = stale_mappings(ledger, chunk, entity, stale)?;
    sql.push_str(&mapping_sql(ledger, entity, &rows)?);
    Ok(sql)
}

/// Keeps what is about to be replaced: only a mapping that led nowhere is.
fn stale_mappings(
    ledger: &Ledger,
    chunk: i64,
    entity: &str,
    stale: &[String],
) -> Result<String, StateError> {
    let Some(table) = &ledger.prior.mappings else {
        return Ok(String::new());
    };
    let stale: Vec<&str> = stale
        .iter()
        .map(String::as_str)
        .filter(|key| key.parse::<i32>().is_ok())
        .collect();
    if stale.is_empty() {
        return Ok(String::new());
    }
    ledger.state.image_mappings_sql(
        ledger.run,
        chunk,
        &ledger.rule.name,
        table,
        &literal(ledger.to.engine, entity)?,
        &format!("m.legacy_id in ({})", stale.join(",")),
    )
}

/// Legacy keys with their new ids.
pub(super) type Mapped<'a> = Vec<(&'a str, Uuid)>;

/// Keeps mappings of one table current, when there is a table of mappings.
pub(super) fn mapping_sql(
    ledger: &Ledger,
    entity: &str,
    mapped: &Mapped<'_>,
) -> Result<String, DbError> {
    let Some(table) = &ledger.prior.mappings else {
        return Ok(String::new());
    };
    let engine = ledger.to.engine;
    let entity = literal(engine, entity)?;
    let rows: Vec<String> = mapped
        .iter()
        .filter(|(key, _)| key.parse::<i32>().is_ok())
        .map(|(key, id)| format!("({key}, '{id}')"))
        .collect();
    let (cast, now) = match engine {
        Engine::Postgres => ("::uuid", "clock_timestamp()"),
        Engine::Sqlite => ("", ledger.state.now()),
    };
    let mut sql = String::new();
    for rows in rows.chunks(1_000) {
        sql.push_str(&format!(
            ";insert into {table} (entity_type, legacy_id, new_id, migrated_at, migration_batch) \
             select {entity}, v.k, v.i{cast}, {now}, 'runner {}' from (select column1 as k, column2 as i from (values {}) x) v \
             where not exists (select 1 from {table} m where m.new_id = v.i{cast}) \
             on conflict (entity_type, legacy_id) do update set new_id = excluded.new_id, migrated_at = excluded.migrated_at, \
             migration_batch = excluded.migration_batch",
            ledger.run,
            rows.join(","),
        ));
    }
    Ok(sql)
}

/// The server's refusal as a verdict. A unique constraint means that an earlier key holds the place.
pub(super) fn refusal(ledger: &Ledger, error: &DbError) -> Reject {
    let state = error.sqlstate.as_deref().unwrap_or_default();
    let constraint = error.constraint.clone().unwrap_or_default();
    let column = error
        .column
        .as_ref()
        .map(|c| format!(", column {c}"))
        .unwrap_or_default();
    let (code, why) = match state {
        "23505" => (
            "duplicate_of",
            format!("another row already holds the unique value of {constraint}"),
        ),
        "23503" => (
            "foreign_key",
            format!("the row that {constraint} refers to is not in the target"),
        ),
        "23502" => (
            "not_null",
            format!("{} does not take NULL{column}", ledger.to.table.name),
        ),
        "23514" => ("check", format!("check constraint {constraint} refuses it")),
        _ => (
            "refused",
            format!("the target refuses it: {}", error.message),
        ),
    };
    let mut reject = Reject::new(Stage::Database, code, why);
    reject.sqlstate.clone_from(&error.sqlstate);
    reject.constraint.clone_from(&error.constraint);
    reject
}
