//! Keys, as the source counts them: one row per key, none without, and a way to find them in order.

use super::at;
use crate::catalog::{self, Table};
use crate::db::{DbError, Engine, Session, ident, key_tuple};
use crate::diagnostic::{Diagnostic, Severity};
use crate::plan::Step;
use crate::row::{Key, Rows};

/// What is wrong with a rule's keys, and how many rows it will read.
pub(super) async fn keys(
    step: &Step,
    source: &mut Session,
) -> Result<(Vec<Diagnostic>, u64), DbError> {
    let rule = &step.rule;
    let query = &step.query;
    let engine = source.engine();
    let base = query.base.sql(engine);
    let names: Vec<String> = query.key.iter().map(|k| ident(k)).collect();
    let list = names.join(", ");
    let wanted = match &query.condition {
        Some(condition) => format!("({condition}\n) is true"),
        None => "true".to_owned(),
    };
    let keyless: Vec<String> = names.iter().map(|n| format!("{n} is null")).collect();
    let shape = catalog::table(source, &query.base).await?;
    let declared = shape.as_ref().is_some_and(|t| is_declared(t, &query.key));
    let mut findings = Vec::new();

    // one statement, so that rows which come meanwhile do not look like a difference
    let distinct = if declared {
        "0, ''".to_owned()
    } else {
        let shown: Vec<String> = names.iter().map(|n| format!("cast({n} as text)")).collect();
        format!(
            "(select count(*) from (select 1 as one from {base} group by {list} having count(*) > 1) d), \
             (select {} from {base} group by {list} having count(*) > 1 order by {list} limit 1)",
            shown.join(" || ', ' || ")
        )
    };
    let rows = source
        .query(&format!(
            "select count(*) filter (where {wanted}), count(*) filter (where {}), {distinct} from {base}",
            keyless.join(" or ")
        ))
        .await?;
    let (read, without, repeated) = (number(&rows, 0), number(&rows, 1), number(&rows, 2));
    if without > 0 {
        findings.push(
            at(rule, &["key"], Diagnostic::error(format!(
                "{without} rows of `{}` have no key: {} is NULL there, so they cannot be accounted for",
                rule.header.base,
                rule.header.key.join(", ")
            )))
            .hint("give the rule a `key` that is never NULL, or leave those rows out of the base"),
        );
    }
    if repeated > 0 {
        let first = rows.text(0, 3).and_then(Result::ok).unwrap_or_default();
        findings.push(
            at(rule, &["key"], Diagnostic::error(format!(
                "`{}` is no key of `{}`: {repeated} values stand for more than one row, the first is {first}",
                rule.header.key.join(", "),
                rule.header.base
            )))
            .hint("name columns that are unique together: key: [\"a\", \"b\"]"),
        );
    } else if !declared && without == 0 {
        findings.push(
            at(rule, &["key"], Diagnostic::new(Severity::Warning, format!(
                "`{}` of `{}` is unique today and nothing keeps it so: the source has no unique constraint on it, or allows NULL",
                rule.header.key.join(", "),
                rule.header.base
            )))
            .hint("a row that repeats a key stops the run at its chunk"),
        );
    }
    if let Some(from) = &rule.header.from {
        let from = from.trim().trim_end_matches(';');
        let rows = source
            .query(&format!(
                "with runner_from as (select {list} from ({from}\n) f), \
                 runner_base as (select {list} from {base} where {wanted}) \
                 select (select count(*) from runner_from), \
                 (select count(*) from (select distinct {list} from runner_from) d), \
                 (select count(*) from (select {list} from runner_base except select {list} from runner_from) m), \
                 (select count(*) from runner_base)"
            ))
            .await?;
        let [all, different, missed, expected] = [0, 1, 2, 3].map(|column| number(&rows, column));
        if all != different || missed > 0 || different != expected {
            findings.push(
                at(rule, &["from"], Diagnostic::error(format!(
                    "`from` must give exactly one row per key: {expected} rows of `{}` satisfy `where`, `from` gives {all} rows with {different} keys",
                    rule.header.base
                )))
                .hint("use left joins to tables that are unique on the joined column, and repeat `where` inside `from`"),
            );
        }
    }
    Ok((findings, read))
}

fn number(rows: &Rows, column: usize) -> u64 {
    rows.text(0, column)
        .and_then(Result::ok)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// The engine itself keeps the key unique and never NULL.
fn is_declared(table: &Table, key: &[String]) -> bool {
    let same =
        |columns: &[String]| columns.len() == key.len() && key.iter().all(|k| columns.contains(k));
    let filled = key
        .iter()
        .all(|k| table.column(k).is_some_and(|c| c.not_null));
    same(&table.primary_key)
        || (filled
            && table
                .uniques
                .iter()
                .any(|u| !u.partial && !u.expression && same(&u.columns)))
}

/// Pages that no index leads to: the plan of a page, with everything but an index made unattractive.
pub(super) async fn pages(
    step: &Step,
    source: &mut Session,
) -> Result<Option<Diagnostic>, DbError> {
    let rule = &step.rule;
    let query = &step.query;
    let engine = source.engine();
    let base = query.base.sql(engine);
    let list: Vec<String> = query.key.iter().map(|k| ident(k)).collect();
    let list = list.join(", ");
    let first = source
        .query(&format!(
            "select {list} from {base} order by {list} limit 1"
        ))
        .await?;
    if first.is_empty() {
        return Ok(None);
    }
    let parts: Option<Vec<String>> = (0..query.key.len())
        .map(|column| {
            first
                .text(0, column)
                .and_then(Result::ok)
                .map(std::borrow::Cow::into_owned)
        })
        .collect();
    let Some(parts) = parts else {
        return Ok(None);
    };
    let bound = key_tuple(engine, &Key(parts), &query.key_types)?;
    let value = if query.key.len() == 1 {
        list.clone()
    } else {
        format!("({list})")
    };
    let page =
        format!("select {list} from {base} where {value} > {bound} order by {list} limit 10000");
    let is_ranged = match engine {
        Engine::Sqlite => {
            let plan = source.query(&format!("explain query plan {page}")).await?;
            (0..plan.len()).all(|row| {
                let step = plan.text(row, 3).and_then(Result::ok).unwrap_or_default();
                step.starts_with("SEARCH")
                    || !(step.starts_with("SCAN") || step.contains("TEMP B-TREE"))
            })
        }
        Engine::Postgres => {
            source
                .execute("begin read only; set local enable_seqscan = off; set local enable_sort = off; set local enable_bitmapscan = off")
                .await?;
            let plan = source.query(&format!("explain {page}")).await;
            source.execute("rollback").await?;
            let plan = plan?;
            let mut has_condition = false;
            let mut is_sorted = false;
            for row in 0..plan.len() {
                let step = plan.text(row, 0).and_then(Result::ok).unwrap_or_default();
                has_condition |= step.contains("Index Cond:");
                is_sorted |= step.contains("Sort");
            }
            has_condition && !is_sorted
        }
    };
    Ok((!is_ranged).then(|| {
        at(
            rule,
            &["key"],
            Diagnostic::new(
                Severity::Warning,
                format!(
                    "no index of `{}` leads to a page by `{}`: every page reads the whole table",
                    rule.header.base,
                    rule.header.key.join(", ")
                ),
            ),
        )
        .hint(format!(
            "at the source: create index on {} ({})",
            rule.header.base,
            rule.header.key.join(", ")
        ))
    }))
}

/// Bytes of a row of the base, from a sample of its first thousand.
pub(super) async fn row_bytes(step: &Step, source: &mut Session) -> Result<u64, DbError> {
    let engine = source.engine();
    let base = step.query.base.sql(engine);
    let width = match engine {
        Engine::Postgres => "pg_column_size(t.*)".to_owned(),
        Engine::Sqlite => {
            let columns: Vec<String> = step
                .query
                .columns
                .iter()
                .filter(|_| step.query.from.is_none())
                .map(|(name, _)| format!("coalesce(length(cast(t.{} as blob)), 0)", ident(name)))
                .collect();
            if columns.is_empty() {
                "100".to_owned()
            } else {
                columns.join(" + ")
            }
        }
    };
    let rows = source
        .query(&format!(
            "select cast(coalesce(avg({width}), 0) as integer) from (select * from {base} limit 1000) t"
        ))
        .await?;
    Ok(number(&rows, 0))
}
