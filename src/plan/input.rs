//! What went into a verdict, as one hash of two halves: the row, and everything that it may see. Two halves,
//! so that a row that changed can be told from a row whose parents or related rows changed.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::wants::{From, LookupWant, Wants};
use crate::row::{Answers, IdAnswer, Rows};

impl Wants {
    /// Hash of everything that goes into a row's verdict: 8 bytes over its cells, then 8 bytes over its cells and
    /// the ids and lookup rows it may see. SHA-256, the first bytes of each.
    pub fn input_hash(&self, rows: &Rows, row: usize, answers: &Answers) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash_row(&mut hash, rows, row);
        let own = hash.clone().finalize();
        for want in &self.lookups {
            let Some(answer) = answers.lookups.get(&want.decl.name) else {
                continue;
            };
            for_each_key(&want.keys, &self.lookups, rows, row, answers, &mut |key| {
                for at in answer.groups.get(key).cloned().unwrap_or_default() {
                    hash_row(&mut hash, &answer.rows, at);
                }
                hash.update([1]);
            });
        }
        for want in &self.ids {
            let Some(answer) = answers.ids.get(&want.decl.entity) else {
                continue;
            };
            for_each_key(
                &want.from,
                &self.lookups,
                rows,
                row,
                answers,
                &mut |key| match answer.get(key) {
                    Some(IdAnswer::One(id)) => hash.update(id.as_bytes()),
                    Some(IdAnswer::Many) => hash.update([2]),
                    _ => hash.update([3]),
                },
            );
        }
        let people = answers.people.as_ref();
        if let (Some(want), Some(accounts)) =
            (&self.accounts, people.and_then(|p| p.accounts.as_ref()))
        {
            for id in self.profiles_of(rows, row, answers) {
                hash.update([want.seen(rows, row, accounts, id)]);
            }
        }
        let mut short = [0; 16];
        short[..8].copy_from_slice(&own[..8]);
        short[8..].copy_from_slice(&hash.finalize()[..8]);
        short
    }

    fn profiles_of(&self, rows: &Rows, row: usize, answers: &Answers) -> Vec<Uuid> {
        let mut found = Vec::new();
        for want in self.ids.iter().filter(|want| want.decl.is_profiles()) {
            let Some(answer) = answers.ids.get(&want.decl.entity) else {
                continue;
            };
            for_each_key(&want.from, &self.lookups, rows, row, answers, &mut |key| {
                if let Some(IdAnswer::One(id)) = answer.get(key) {
                    found.push(*id);
                }
            });
        }
        found
    }
}

fn hash_row(hash: &mut Sha256, rows: &Rows, row: usize) {
    let (bytes, ends) = rows.raw_row(row);
    let start = ends.last().map_or(0, |end| end - bytes.len());
    hash.update(bytes);
    for end in ends {
        hash.update(((end - start) as u32).to_le_bytes());
    }
}

fn for_each_key(
    from: &[From],
    lookups: &[LookupWant],
    rows: &Rows,
    row: usize,
    answers: &Answers,
    call: &mut dyn FnMut(&str),
) {
    for from in from {
        match from {
            From::Row(column) => {
                if let Some(Ok(text)) = rows.text(row, *column) {
                    call(&text);
                }
            }
            From::Lookup { lookup, column } => {
                let want = &lookups[*lookup];
                let Some(answer) = answers.lookups.get(&want.decl.name) else {
                    continue;
                };
                for_each_key(&want.keys, lookups, rows, row, answers, &mut |key| {
                    for at in answer.groups.get(key).cloned().unwrap_or_default() {
                        if let Some(Ok(text)) = answer.rows.text(at, *column) {
                            call(&text);
                        }
                    }
                });
            }
        }
    }
}
