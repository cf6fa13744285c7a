//! A retry moves rows from quarantine to another outcome. The ledger only grows, so its lines are signed: what
//! the rows are now is added, that they were rejected is taken away, and nothing was read for the account.

use rust_decimal::Decimal;

use crate::commit::{Batch, Fate, Fates, Ledger};
use crate::state::{CodeCounts, Counts, Held, Kind};

/// What a rehearsed retry or sync says of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Display form of its key.
    pub key: String,
    /// 0 write, 1 skip, 2 reject.
    pub verdict: u8,
    /// Why it would be rejected.
    pub code: Option<String>,
    /// The same as a sentence.
    pub why: Option<String>,
}

/// The counts of a chunk as a signed line, when its rows were rejected before.
pub(super) fn moved(
    ledger: &Ledger,
    batch: &Batch,
    mut counts: Counts,
    mut codes: CodeCounts,
) -> (Counts, CodeCounts) {
    if ledger.kind != Kind::Retry.word() {
        return (counts, codes);
    }
    let held: Vec<Option<&Held>> = batch
        .keys
        .iter()
        .map(|key| ledger.prior.held.get(&key.to_string()))
        .collect();
    for held in held.iter().flatten() {
        *codes.reject.entry(held.code.clone()).or_default() -= 1;
        counts.base -= 1;
        counts.read -= 1;
        counts.rejected -= 1;
    }
    codes.reject.retain(|_, count| *count != 0);
    for pair in &ledger.rule.header.reconcile {
        let Some(sums) = codes.sums.get_mut(&pair.name) else {
            continue;
        };
        for (row, held) in held.iter().enumerate() {
            let Some(held) = held else { continue };
            let less = amount(held, batch, row, &pair.source).map(|amount| -amount);
            sums.rejected = sums.rejected.zip(less).and_then(|(a, b)| a.checked_add(b));
            let code = format!("reject {}", held.code);
            sums.by_code.entry(code).or_default().add(less);
        }
    }
    (counts, codes)
}

/// What a row added to the sum of the rejected when it was rejected: the source may hold another amount now.
fn amount(held: &Held, batch: &Batch, row: usize, column: &str) -> Option<Decimal> {
    let stored: serde_json::Value = serde_json::from_str(&held.data).unwrap_or_default();
    let exact = |text: &str| Decimal::from_str_exact(text).ok();
    match stored.get(column) {
        Some(serde_json::Value::Null) => Some(Decimal::ZERO),
        Some(serde_json::Value::String(text)) => exact(text),
        // a secret is kept as its hash: the amount of today stands for it
        _ => match batch
            .rows
            .column(column)
            .and_then(|at| batch.rows.text(row, at))
        {
            None => Some(Decimal::ZERO),
            Some(text) => text.ok().and_then(|text| exact(&text)),
        },
    }
}

/// What would become of each row of a retry, and of the rows that a sync would not write.
pub(super) fn decided(ledger: &Ledger, batch: &Batch, fates: &Fates) -> Vec<Decided> {
    let retried = ledger.kind == Kind::Retry.word();
    if !retried && ledger.prior.before.is_none() {
        return vec![];
    }
    let one = |(row, fate): (usize, &Fate)| {
        let (verdict, reject) = match fate {
            Fate::Write { .. } => (0, None),
            Fate::Skip(_) => (1, None),
            Fate::Reject(reject) => (2, Some(reject)),
        };
        // a sync lists what it did not write
        (retried || verdict > 0).then(|| Decided {
            key: batch.keys[row].to_string(),
            verdict,
            code: reject.map(|reject| reject.code.clone()),
            why: reject.map(|reject| reject.why.clone()),
        })
    };
    fates.0.iter().enumerate().filter_map(one).collect()
}
