//! The second pass of a table that refers to itself: rows get their parents once all rows are there.
//!
//! A row whose parent was refused is taken back and goes to quarantine as an orphan, and so do its
//! descendants. One transaction with a ledger line of its own; the rows' last writer is that line's
//! transaction.

use std::sync::Arc;
use std::time::Instant;

use super::{RunError, World};
use crate::commit::{Batch, CommitError, Ledger, Spent};
use crate::db::point;
use crate::diagnostic::Diagnostic;
use crate::plan::Step;
use crate::row::{Judged, Key, Reject, Stage, Verdict};
use crate::state::Span;

/// Settles the references that wait, if any.
pub(super) async fn run(
    world: &mut World<'_>,
    step: &Step,
    ledger: &Arc<Ledger>,
) -> Result<(), RunError> {
    let Some(column) = step.to.own_parent.filter(|_| !world.options.dry_run) else {
        return Ok(());
    };
    let to = &step.to;
    let (table, id) = (to.sql(), to.column(to.id));
    let rule = step.rule.name.as_str();
    let lost = world
        .state
        .lost_children(&mut world.target, rule, &table, &id)
        .await?;
    let Some(lost) = lost else { return Ok(()) };
    let width = step.rule.header.key.len();
    let keys: Vec<Key> = lost
        .iter()
        .filter_map(|key| Key::parse(key, width))
        .collect();
    let (rows, keys) = if keys.is_empty() {
        Default::default()
    } else {
        let page = world.source.page_of_keys(&step.query, &keys).await;
        page.map_err(|error| match error {
            crate::source::PageError::Db(error) => RunError::from(error),
            crate::source::PageError::Unbalanced { .. } => {
                Diagnostic::error(format!("`from` of `{rule}` repeats a key")).into()
            }
        })?
    };
    let why = format!(
        "its parent row in `{}` was not migrated",
        step.rule.header.target
    );
    let judged = keys
        .iter()
        .map(|_| Judged {
            verdict: Verdict::Reject(Box::new(Reject::new(Stage::Rule, "orphan", why.clone()))),
            notes: vec![],
            person: None,
        })
        .collect();
    let batch = Batch {
        span: Span {
            no: 0,
            lo: None,
            hi: None,
        },
        base: keys.len() as i64,
        filtered: 0,
        inputs: vec![[0; 16]; keys.len()],
        rows: Arc::new(rows),
        keys,
        judged,
        begun: Instant::now(),
        spent: Spent::default(),
        in_flight: None,
    };
    let change = world
        .state
        .settle_later_sql(rule, &table, &id, &to.column(column), &lost)?;
    point("second.settle")?;
    let chunk = world.chunk_id();
    let mut seat = world.writers.free().await;
    let settled = seat.writer.settle(ledger, &batch, chunk, &change).await;
    settled.map_err(|error| match error {
        CommitError::Db(error) => RunError::from(error),
        CommitError::State(error) => error.into(),
        other @ (CommitError::Unbalanced { .. } | CommitError::Overtaken) => {
            Diagnostic::error(other.to_string()).into()
        }
    })?;
    seat.leave();
    Ok(())
}
