//! Adoption: ids that are already in the target win over computed ones.
//!
//! Looked for by legacy column, then in the old scripts' `migration_mappings`, then by the rule's
//! `match`. They must agree. What is written on an adopted row is the rule's `existing` policy; a row
//! of our own is brought up to date, unless somebody edited it since.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::conflict::{conflict, sides};
use super::look::{Seen, cell_text, look, match_of, single};
use crate::commit::{Batch, Fate, Fates, Ledger};
use crate::db::{DbError, Session};
use crate::row::{Key, OutRow, Reject, Stage, Verdict, unescape};
use crate::rule::Existing;
use crate::target::{Found, normalise};

/// The fates of a chunk whose target may hold some of its rows.
#[derive(Debug)]
pub(super) struct Adopted<'a> {
    pub(super) fates: Fates<'a>,
    /// Keys whose mapping points to a row that is not there.
    pub(super) stale: Vec<String>,
    /// Rows as they were, for those that will change: id, JSON.
    pub(super) before: Vec<(Uuid, String)>,
}

/// Columns of a row that differ from what is there: index, and whether the target's is NULL or a default.
type Differences = Vec<(u16, bool)>;

/// Looks at the target and decides. Reads only.
pub(super) async fn adopt<'a>(
    session: &mut Session,
    ledger: &Ledger,
    batch: &'a Batch,
) -> Result<Adopted<'a>, DbError> {
    let found = look(session, ledger, batch).await?;
    let mut fates = Fates::fresh(batch);
    let mut before = Vec::new();
    let mut taken: HashSet<Uuid> = HashSet::new();
    let mut claimed: HashMap<Vec<String>, usize> = HashMap::new();
    let mut stale = Vec::new();
    let mut suspects: Vec<Suspect> = Vec::new();
    if let Some(before) = &ledger.prior.before {
        for judged in &batch.judged {
            if let Verdict::Write(outs) = &judged.verdict {
                for out in outs {
                    before.learn(&out.set);
                }
            }
        }
    }
    for (row, fate) in fates.0.iter_mut().enumerate() {
        let Verdict::Write(outs) = &batch.judged[row].verdict else {
            continue;
        };
        let key = &batch.keys[row];
        let mut decided: Vec<(usize, usize)> = Vec::new();
        let mut refused = None;
        for (at, out) in outs.iter().enumerate() {
            match resolve(ledger, &found, key, out, &mut stale) {
                Ok(None) if was_written(ledger, key, out) => {
                    let why = "somebody deleted this row in the target since it was written";
                    refused = Some(conflict(why, vec![out.id]));
                }
                Ok(None) => {
                    let earlier = match_of(ledger, out).and_then(|tuple| {
                        let first = *claimed.entry(tuple).or_insert(row);
                        (first != row).then_some(first)
                    });
                    if let Some(first) = earlier {
                        refused = Some(duplicate(&format!("source key {}", batch.keys[first])));
                    }
                }
                Ok(Some(there)) => {
                    let id = found.rows.id_of(there).unwrap_or_default();
                    if taken.insert(id) {
                        decided.push((at, there));
                    } else {
                        refused = Some(duplicate("another row of this chunk"));
                    }
                }
                Err(reject) => refused = Some(reject),
            }
        }
        if let Some(mut reject) = refused {
            if !reject.stands.is_empty() {
                let others = decided.iter().filter_map(|(_, row)| found.rows.id_of(*row));
                reject.stands.extend(others);
            }
            *fate = Fate::Reject(reject);
            continue;
        }
        for (at, there) in decided {
            suspects.push(Suspect {
                row,
                at,
                there,
                differences: differences(ledger, &found.rows, &outs[at], there),
            });
        }
    }
    settle_texts(session, ledger, batch, &found.rows, &mut suspects).await?;
    // one edited row of a source row's rows keeps all of them as they are
    for suspect in &suspects {
        if let Some(why) = edited(ledger, batch, &found.rows, suspect) {
            let of_row = suspects.iter().filter(|s| s.row == suspect.row);
            let stands = of_row.filter_map(|s| found.rows.id_of(s.there)).collect();
            fates.0[suspect.row] = Fate::Reject(conflict(why, stands));
        }
    }
    for suspect in suspects {
        apply(
            ledger,
            batch,
            &found.rows,
            &suspect,
            &mut fates,
            &mut before,
        );
    }
    beside_new_rows(ledger, &found.rows, &fates, &mut before);
    Ok(Adopted {
        fates,
        stale,
        before,
    })
}

/// A source row that becomes new rows and also stands for rows that were there: the manifest lists the ids of
/// both, and an undo must not take away what was there.
fn beside_new_rows(
    ledger: &Ledger,
    found: &Found,
    fates: &Fates<'_>,
    before: &mut Vec<(Uuid, String)>,
) {
    for fate in &fates.0 {
        let Fate::Write { insert, same, .. } = fate else {
            continue;
        };
        if insert.is_empty() {
            continue;
        }
        for id in same {
            if let Some(row) = found.row(*id) {
                before.push((*id, found.image(row, &ledger.to)));
            }
        }
    }
}

/// A row of ours that meets a row of the target.
struct Suspect {
    row: usize,
    at: usize,
    there: usize,
    differences: Differences,
}

/// The target row that this row is, if any.
fn resolve(
    ledger: &Ledger,
    seen: &Seen,
    key: &Key,
    out: &OutRow,
    stale: &mut Vec<String>,
) -> Result<Option<usize>, Box<Reject>> {
    let to = &ledger.to;
    let legacy_text = to.legacy.and_then(|column| cell_text(out, column));
    let none = Vec::new();
    let by_legacy = match &legacy_text {
        Some(text) if !ledger.rule.header.many => seen.legacy.get(text).unwrap_or(&none),
        _ => &none,
    };
    let by_mapping = single(key).and_then(|k| seen.mapped.get(k)).and_then(|id| {
        let row = seen.rows.row(*id);
        if row.is_none() {
            stale.push(key.to_string());
        }
        row
    });
    let by_match = match_of(ledger, out)
        .and_then(|tuple| seen.matched.get(&tuple))
        .unwrap_or(&none);
    let mut rows: Vec<usize> = by_legacy.clone();
    rows.extend(by_mapping);
    for row in by_match {
        if !rows.contains(row) {
            let id = seen.rows.id_of(*row).unwrap_or_default();
            let of_another = to
                .legacy
                .filter(|_| !ledger.rule.header.many)
                .and_then(|column| seen.rows.text(*row, usize::from(column)))
                .filter(|text| Some(text) != legacy_text.as_ref())
                .or_else(|| {
                    ledger
                        .prior
                        .owner(id)
                        .filter(|owner| *owner != key.to_string())
                });
            if let Some(other) = of_another {
                return Err(duplicate(&format!("source key {other}")));
            }
        }
        rows.push(*row);
    }
    rows.sort_unstable();
    rows.dedup();
    match rows[..] {
        [] => Ok(seen.rows.row(out.id)),
        [one] => Ok(Some(one)),
        _ => Err(Box::new(Reject::new(
            Stage::Adopt,
            "two_ids",
            "the target holds this row under two ids: legacy column, migration_mappings and match do not agree",
        ))),
    }
}

fn duplicate(other: &str) -> Box<Reject> {
    Box::new(Reject::new(
        Stage::Adopt,
        "duplicate_of",
        format!("the target row with this natural key belongs to {other}"),
    ))
}

fn differences(ledger: &Ledger, found: &Found, out: &OutRow, there: usize) -> Differences {
    let mut differences = Vec::new();
    for (column, cell) in out.set.iter().zip(out.line.split(|b| *b == b'\t')) {
        let wanted = (cell != b"\\N").then_some(cell);
        let actual = found.raw(there, usize::from(*column));
        if wanted == actual {
            continue;
        }
        let blank = match actual {
            None => true,
            Some(raw) => ledger
                .prior
                .defaults
                .get(column)
                .is_some_and(|d| d.as_bytes() == unescape(raw).as_ref()),
        };
        differences.push((*column, blank));
    }
    // what a trigger of the target fills differs for ever: no reason to write a row
    if differences
        .iter()
        .all(|(column, blank)| !blank && volatile(ledger, *column))
    {
        differences.clear();
    }
    differences
}

fn volatile(ledger: &Ledger, column: u16) -> bool {
    let name = &ledger.to.table.columns[usize::from(column)].name;
    ledger.rule.header.volatile.contains(name)
}

/// Drops differences in text that are none in value, as the target's server prints them.
async fn settle_texts(
    session: &mut Session,
    ledger: &Ledger,
    batch: &Batch,
    found: &Found,
    suspects: &mut [Suspect],
) -> Result<(), DbError> {
    let mut columns: HashSet<u16> = HashSet::new();
    columns.extend(
        suspects
            .iter()
            .flat_map(|s| s.differences.iter().map(|d| d.0)),
    );
    for column in columns {
        let mut which = Vec::new();
        let mut texts = Vec::new();
        for (index, suspect) in suspects.iter().enumerate() {
            let Verdict::Write(outs) = &batch.judged[suspect.row].verdict else {
                continue;
            };
            if suspect.differences.iter().any(|d| d.0 == column)
                && let Some(wanted) = cell_text(&outs[suspect.at], column)
                && found.raw(suspect.there, usize::from(column)).is_some()
            {
                which.push(index);
                texts.push(wanted);
            }
        }
        let printed = normalise(session, &ledger.to, column, &texts).await?;
        for (index, printed) in which.into_iter().zip(printed) {
            let suspect = &mut suspects[index];
            if found.text(suspect.there, usize::from(column)).as_ref() == Some(&printed) {
                suspect.differences.retain(|d| d.0 != column);
            }
        }
    }
    Ok(())
}

/// In a sync: a source row that was written before, and whose row is nowhere in the target.
fn was_written(ledger: &Ledger, key: &Key, out: &OutRow) -> bool {
    let before = ledger.prior.before.as_ref();
    before.is_some_and(|before| before.wrote(&key.to_string(), out.id, ledger.rule.header.many))
}

fn out_of<'b>(batch: &'b Batch, suspect: &Suspect) -> Option<&'b OutRow> {
    match &batch.judged[suspect.row].verdict {
        Verdict::Write(outs) => outs.get(suspect.at),
        _ => None,
    }
}

/// Why a row may not be changed, with both sides of it.
fn edited(ledger: &Ledger, batch: &Batch, found: &Found, suspect: &Suspect) -> Option<String> {
    let out = out_of(batch, suspect)?;
    let adopted = found.id_of(suspect.there)? != out.id;
    let why = match (adopted, ledger.rule.header.existing) {
        _ if suspect.differences.is_empty() => return None,
        (false, _)
            if ledger
                .prior
                .untouched_since(&ledger.to, found, suspect.there) =>
        {
            return None;
        }
        (false, _) if found.xmin(suspect.there).is_none() => {
            "it cannot be told that nobody edited this row in the target since it was written"
        }
        (false, _) => "somebody edited this row in the target since it was written",
        (true, Existing::Conflict) => {
            "the target holds this row with other values, and the rule says `existing: \"conflict\"`"
        }
        (true, _) => return None,
    };
    let columns = suspect.differences.iter().map(|d| d.0);
    let columns: Vec<u16> = columns.filter(|c| !volatile(ledger, *c)).collect();
    let sides = sides(ledger, found, suspect.there, out, &columns);
    Some(format!("{why}: {sides}"))
}

fn apply(
    ledger: &Ledger,
    batch: &Batch,
    found: &Found,
    suspect: &Suspect,
    fates: &mut Fates<'_>,
    before: &mut Vec<(Uuid, String)>,
) {
    let Some(out) = out_of(batch, suspect) else {
        return;
    };
    let id = found.id_of(suspect.there).unwrap_or(out.id);
    let mut write: Vec<u16> = suspect.differences.iter().map(|d| d.0).collect();
    let mut left = false;
    match (id != out.id, ledger.rule.header.existing) {
        (true, Existing::Fill) => {
            left = suspect.differences.iter().any(|d| !d.1);
            write = suspect
                .differences
                .iter()
                .filter(|d| d.1)
                .map(|d| d.0)
                .collect();
        }
        (true, Existing::Keep) => {
            left = !write.is_empty();
            write.clear();
        }
        (true, Existing::Update | Existing::Conflict) | (false, _) => {}
    }
    let Fate::Write {
        insert,
        update,
        same,
        kept,
    } = &mut fates.0[suspect.row]
    else {
        return;
    };
    insert.to_mut().retain(|row| row.id != out.id);
    *kept |= left;
    if write.is_empty() {
        same.push(id);
        return;
    }
    before.push((id, found.image(suspect.there, &ledger.to)));
    let cells = write
        .into_iter()
        .map(|column| (column, out.cell(column).flatten().map(<[u8]>::to_vec)));
    update.push((id, cells.collect()));
}
