//! Looking: which rows of the target could be those of a chunk?

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::commit::{Batch, Ledger};
use crate::db::{DbError, Session, literal, literal_list};
use crate::row::{Key, OutRow, Verdict, unescape};
use crate::target::{Found, Lookup, find};
use crate::value::Logical;

/// Rows of the target, by everything they can be found by.
pub(super) struct Seen {
    pub(super) rows: Found,
    pub(super) legacy: HashMap<String, Vec<usize>>,
    pub(super) matched: HashMap<Vec<String>, Vec<usize>>,
    /// Legacy key → id, from the old scripts.
    pub(super) mapped: HashMap<String, Uuid>,
}

/// Asks by id, legacy column, natural key and mapping.
pub(super) async fn look(
    session: &mut Session,
    ledger: &Ledger,
    batch: &Batch,
) -> Result<Seen, DbError> {
    let to = &ledger.to;
    let written = || {
        batch
            .judged
            .iter()
            .enumerate()
            .filter_map(|(row, j)| match &j.verdict {
                Verdict::Write(outs) => Some((row, outs)),
                _ => None,
            })
    };
    let outs = || written().flat_map(|(_, outs)| outs);
    let mut rows = find(session, to, &Lookup::Ids(outs().map(|o| o.id).collect())).await?;
    if let Some(legacy) = to.legacy.filter(|_| !ledger.rule.header.many) {
        let texts: Vec<String> = outs().filter_map(|o| cell_text(o, legacy)).collect();
        rows.merge(
            &find(
                session,
                to,
                &Lookup::Legacy(texts.iter().map(String::as_str).collect()),
            )
            .await?,
        );
    }
    if !to.match_.is_empty() {
        let tuples: HashSet<Vec<String>> = outs().filter_map(|o| match_of(ledger, o)).collect();
        rows.merge(&find(session, to, &Lookup::Match(tuples.into_iter().collect())).await?);
    }
    let mut mapped = HashMap::new();
    if let Some(table) = ledger
        .prior
        .mappings
        .as_ref()
        .filter(|_| !ledger.rule.header.many)
    {
        let keys: Vec<&str> = written()
            .filter_map(|(row, _)| single(&batch.keys[row]))
            .collect();
        for keys in keys.chunks(5_000) {
            let list = literal_list(to.engine, &Logical::Int8, keys.iter().copied());
            if list.is_empty() {
                continue;
            }
            let sql = format!(
                "select legacy_id, new_id from {table} where entity_type = {} and legacy_id in ({list})",
                literal(to.engine, &to.table.name.name)?
            );
            let found = session.query(&sql).await?;
            for row in 0..found.len() {
                let text = |column| {
                    found
                        .cell(row, column)
                        .map(|c| String::from_utf8_lossy(&c).into_owned())
                        .unwrap_or_default()
                };
                if let Ok(id) = text(1).parse() {
                    mapped.insert(text(0), id);
                }
            }
        }
        rows.merge(
            &find(
                session,
                to,
                &Lookup::Ids(mapped.values().copied().collect()),
            )
            .await?,
        );
    }
    let stated = ledger.prior.stated.iter();
    let stated: Vec<_> = stated
        .filter(|one| one.entity == to.table.name.name)
        .map(|one| (one.key.clone(), one.id))
        .collect();
    if !stated.is_empty() {
        let ids = stated.iter().map(|(_, id)| *id).collect();
        rows.merge(&find(session, to, &Lookup::Ids(ids)).await?);
        mapped.extend(stated);
    }
    let (mut legacy, mut matched) = (
        HashMap::<_, Vec<usize>>::new(),
        HashMap::<_, Vec<usize>>::new(),
    );
    for row in 0..rows.len() {
        if let Some(text) = to
            .legacy
            .and_then(|column| rows.text(row, usize::from(column)))
        {
            legacy.entry(text).or_default().push(row);
        }
        let tuple: Option<Vec<String>> = to
            .match_
            .iter()
            .map(|c| rows.text(row, usize::from(*c)))
            .collect();
        if let Some(tuple) = tuple.filter(|t| !t.is_empty()) {
            matched.entry(tuple).or_default().push(row);
        }
    }
    Ok(Seen {
        rows,
        legacy,
        matched,
        mapped,
    })
}

pub(super) fn cell_text(out: &OutRow, column: u16) -> Option<String> {
    let cell = out.cell(column)??;
    Some(String::from_utf8_lossy(&unescape(cell)).into_owned())
}

pub(super) fn match_of(ledger: &Ledger, out: &OutRow) -> Option<Vec<String>> {
    let to = &ledger.to;
    (!to.match_.is_empty()).then(|| {
        to.match_
            .iter()
            .map(|column| cell_text(out, *column))
            .collect()
    })?
}

pub(super) fn single(key: &Key) -> Option<&str> {
    match &key.0[..] {
        [one] => Some(one),
        _ => None,
    }
}
