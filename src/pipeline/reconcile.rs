//! Sums that must agree: over the source's rows = in the target's rows + rejected + skipped.
//!
//! The source and the target add up for themselves; what was rejected and skipped is added up by the host
//! in exact decimals, row by row, and kept in the ledger.

use rust_decimal::Decimal;

use super::gate::Gate;
use super::{RunError, World};
use crate::db::{sum_text, total};
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
        let source_sql = query.sum_sql(world.source.session().engine(), &pair.source);
        let source = total(world.source.session(), &source_sql).await?;
        // what a sync left as it stands is no longer what the source has; a conflict counts as rejected
        let id = gate.to.column(gate.to.id);
        let state = world.state;
        let own = state
            .not_standing(&mut world.target, &gate.rule.name, &id)
            .await?;
        let target_sql = gate.to.sum_sql(&pair.target, &own);
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
                sum_text(source),
                sum_text(target),
                sum_text(kept.rejected),
                sum_text(kept.skipped)
            ),
            detail: serde_json::json!({
                "name": pair.name, "source": sum_text(source), "target": sum_text(target), "rejected": sum_text(kept.rejected),
                "skipped": sum_text(kept.skipped), "written": sum_text(kept.written), "source_query": source_sql, "target_query": target_sql,
            }),
        });
    }
    Ok(sums)
}
