//! Sums that must agree: over the source's rows = in the target's rows + rejected + skipped.
//!
//! The source and the target add up for themselves; what was rejected and skipped is added up by the host
//! in exact decimals, row by row, and kept in the ledger. SQLite's own sum is a float, so there the
//! host adds up the single values.

use rust_decimal::Decimal;

use super::gate::Gate;
use super::{RunError, World};
use crate::db::{Engine, Session, ident};
use crate::state::Account;

/// One reconciliation.
pub(super) struct Sum {
    pub(super) ok: bool,
    pub(super) why: String,
    pub(super) detail: serde_json::Value,
}

/// Adds up both sides.
pub(super) async fn check(
    world: &mut World<'_>,
    gate: Gate<'_>,
    account: &Account,
) -> Result<Vec<Sum>, RunError> {
    let mut sums = Vec::new();
    let Some(query) = gate.query else {
        return Ok(sums);
    };
    for pair in &gate.rule.header.reconcile {
        let from = if let Some(from) = &query.from {
            format!("({from}) r")
        } else {
            let condition = query
                .condition
                .as_ref()
                .map(|c| format!(" where {c}"))
                .unwrap_or_default();
            format!(
                "(select * from {}{condition}) r",
                query.base.sql(world.source.session().engine())
            )
        };
        let source_sql = sum_sql(world.source.session().engine(), &pair.source, &from, "");
        let source = total(world.source.session(), &source_sql).await?;
        let legacy = gate
            .rule
            .header
            .legacy
            .as_ref()
            .map(|l| format!(" where {} is not null", ident(l)))
            .unwrap_or_default();
        let target_sql = sum_sql(gate.to.engine, &pair.target, &gate.to.sql(), &legacy);
        let target = total(&mut world.target, &target_sql).await?;
        let kept = account
            .codes
            .sums
            .get(&pair.name)
            .cloned()
            .unwrap_or_default();
        let parts = [target, kept.rejected, kept.skipped];
        let added = parts
            .iter()
            .copied()
            .try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part?));
        sums.push(Sum {
            ok: source.is_some() && source == added,
            why: format!(
                "{}: source {} is not target {} + rejected {} + skipped {}",
                pair.name,
                text(source),
                text(target),
                text(kept.rejected),
                text(kept.skipped)
            ),
            detail: serde_json::json!({
                "name": pair.name, "source": text(source), "target": text(target), "rejected": text(kept.rejected),
                "skipped": text(kept.skipped), "written": text(kept.written), "source_query": source_sql, "target_query": target_sql,
            }),
        });
    }
    Ok(sums)
}

fn sum_sql(engine: Engine, column: &str, from: &str, condition: &str) -> String {
    match engine {
        Engine::Postgres => format!(
            "select coalesce(sum({}), 0)::text from {from}{condition}",
            ident(column)
        ),
        Engine::Sqlite => format!("select {0} from {from}{condition}", ident(column)),
    }
}

/// One sum, or the sum of single values; `None` when it is no finite decimal of at most 28 digits.
async fn total(session: &mut Session, sql: &str) -> Result<Option<Decimal>, RunError> {
    let rows = session
        .copy_out(sql, std::sync::Arc::from(["sum".to_owned()]), None)
        .await?;
    let mut sum = Some(Decimal::ZERO);
    for row in 0..rows.len() {
        if let Some(cell) = rows.cell(row, 0) {
            let value = Decimal::from_str_exact(&String::from_utf8_lossy(&cell)).ok();
            sum = sum
                .zip(value)
                .and_then(|(sum, value)| sum.checked_add(value));
        }
    }
    Ok(sum)
}

fn text(sum: Option<Decimal>) -> String {
    sum.map_or_else(|| "not a finite decimal".into(), |s| s.to_string())
}
