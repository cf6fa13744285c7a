//! The statements of keyset paging: row comparison on the typed key, never OFFSET, never a cast.

use super::PageQuery;
use crate::db::{DbError, Engine, ident, key_tuple, literal, literal_list};
use crate::row::Key;
use crate::value::Logical;

/// Key columns as `"a", "b"`.
pub(super) fn key_list(query: &PageQuery) -> String {
    query
        .key
        .iter()
        .map(|k| ident(k))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Key columns as one value: `"a"`, or `("a", "b")`.
fn key_value(query: &PageQuery) -> String {
    if query.key.len() == 1 {
        key_list(query)
    } else {
        format!("({})", key_list(query))
    }
}

fn condition(query: &PageQuery) -> String {
    match &query.condition {
        // a comment at the end of the condition must not swallow the bracket
        Some(condition) => format!("({condition}\n) is true"),
        None => "true".to_owned(),
    }
}

/// What rows are read from.
fn rows_of(query: &PageQuery, engine: Engine) -> String {
    match &query.from {
        Some(select) => {
            let select = select.trim().trim_end_matches(';');
            format!("({select}\n) as runner_from")
        }
        None => query.base.sql(engine),
    }
}

/// `key > lo and key <= hi`, as far as there are bounds.
fn range(
    query: &PageQuery,
    engine: Engine,
    after: Option<&Key>,
    upto: Option<&Key>,
) -> Result<String, DbError> {
    let value = key_value(query);
    let mut parts = Vec::new();
    for (bound, sign) in [(after, ">"), (upto, "<=")] {
        if let Some(key) = bound {
            parts.push(format!(
                "{value} {sign} {}",
                key_tuple(engine, key, &query.key_types)?
            ));
        }
    }
    Ok(if parts.is_empty() {
        "true".to_owned()
    } else {
        parts.join(" and ")
    })
}

/// Base rows, rows that satisfy the condition, rows without a key.
pub(super) fn counts(query: &PageQuery, engine: Engine) -> String {
    let keyless: Vec<String> = query
        .key
        .iter()
        .map(|k| format!("{} is null", ident(k)))
        .collect();
    format!(
        "select count(*), count(*) filter (where {}), count(*) filter (where {}) from {}",
        condition(query),
        keyless.join(" or "),
        query.base.sql(engine)
    )
}

/// One row: base rows of the page, rows that satisfy the condition, and the last key. No row when
/// nothing is left.
pub(super) fn page(
    query: &PageQuery,
    engine: Engine,
    after: Option<&Key>,
    upto: Option<&Key>,
    limit: u64,
) -> Result<String, DbError> {
    let keys = key_list(query);
    let backwards: Vec<String> = query
        .key
        .iter()
        .map(|k| format!("{} desc", ident(k)))
        .collect();
    let there: Vec<String> = query
        .key
        .iter()
        .map(|k| format!("{} is not null", ident(k)))
        .collect();
    Ok(format!(
        "with runner_page as materialized (select {keys}, {} as runner_ok from {} where {} and {} \
         order by {keys} limit {limit}) \
         select c.base_rows, c.ok_rows, h.* from \
         (select count(*) as base_rows, count(*) filter (where runner_ok) as ok_rows from runner_page) c \
         cross join (select {keys} from runner_page order by {} limit 1) h",
        condition(query),
        query.base.sql(engine),
        there.join(" and "),
        range(query, engine, after, upto)?,
        backwards.join(", "),
    ))
}

/// Keys of base rows that satisfy the condition.
pub(super) fn base_keys(
    query: &PageQuery,
    engine: Engine,
    after: Option<&Key>,
    upto: Option<&Key>,
    limit: Option<u64>,
) -> Result<String, DbError> {
    let keys = key_list(query);
    let limit = limit.map(|n| format!(" limit {n}")).unwrap_or_default();
    Ok(format!(
        "select {keys} from {} where {} and {} order by {keys}{limit}",
        query.base.sql(engine),
        range(query, engine, after, upto)?,
        condition(query),
    ))
}

/// The columns of a key range.
pub(super) fn rows(
    query: &PageQuery,
    engine: Engine,
    after: Option<&Key>,
    upto: Option<&Key>,
) -> Result<String, DbError> {
    Ok(select(query, engine, &range(query, engine, after, upto)?))
}

/// The columns of these keys.
pub(super) fn rows_of_keys(
    query: &PageQuery,
    engine: Engine,
    keys: &[Key],
) -> Result<String, DbError> {
    Ok(select(query, engine, &among(query, engine, keys)?))
}

/// Those of `keys` that are base rows and satisfy the condition.
pub(super) fn base_among(
    query: &PageQuery,
    engine: Engine,
    keys: &[Key],
) -> Result<String, DbError> {
    let list = key_list(query);
    Ok(format!(
        "select {list} from {} where {} and {} order by {list}",
        query.base.sql(engine),
        among(query, engine, keys)?,
        condition(query),
    ))
}

fn select(query: &PageQuery, engine: Engine, filter: &str) -> String {
    let columns: Vec<String> = query.columns.iter().map(|(name, _)| ident(name)).collect();
    // a `from` repeats the condition itself
    let condition = if query.from.is_none() {
        condition(query)
    } else {
        "true".to_owned()
    };
    format!(
        "select {} from {} where {filter} and {condition} order by {}",
        columns.join(", "),
        rows_of(query, engine),
        key_list(query),
    )
}

/// `key in (…)`.
fn among(query: &PageQuery, engine: Engine, keys: &[Key]) -> Result<String, DbError> {
    let value = key_value(query);
    if let [logical] = &query.key_types[..] {
        let texts = keys.iter().filter_map(|k| k.0.first()).map(String::as_str);
        return Ok(format!(
            "{value} in ({})",
            literal_list(engine, logical, texts)
        ));
    }
    if keys.is_empty() {
        return Ok("false".to_owned());
    }
    let mut tuples = Vec::with_capacity(keys.len());
    for key in keys {
        tuples.push(match engine {
            Engine::Sqlite => key_tuple(engine, key, &query.key_types)?,
            Engine::Postgres => typed_tuple(key, &query.key_types)?,
        });
    }
    Ok(format!("{value} in (values {})", tuples.join(", ")))
}

/// In VALUES nothing says what a string is, so each part says it itself; a cast of the list's own
/// literals, never of the column.
fn typed_tuple(key: &Key, types: &[Logical]) -> Result<String, DbError> {
    let parts = key
        .0
        .iter()
        .zip(types)
        .map(|(text, logical)| {
            let text = literal(Engine::Postgres, text)?;
            Ok(match logical {
                Logical::Text(_) => format!("{text}::text"),
                other => format!("{text}::{other}"),
            })
        })
        .collect::<Result<Vec<_>, DbError>>()?;
    Ok(format!("({})", parts.join(", ")))
}
