//! Bringing derived rows and target rows together: by id, by legacy key, by natural key.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::locate::{Layout, text_of};
use crate::row::{OutRow, Rows};
use crate::target::Destination;

/// A derived row and where it was found.
pub(super) struct Pair<'c> {
    pub(super) row: usize,
    pub(super) out: &'c OutRow,
    pub(super) batch: usize,
    pub(super) there: usize,
}

/// What target rows are known by.
#[derive(Clone, Copy)]
pub(super) struct Matcher<'a> {
    pub(super) to: &'a Destination,
    pub(super) layout: &'a Layout,
    /// One source row may become several.
    pub(super) many: bool,
}

impl Matcher<'_> {
    /// A row under another id that carries the key: adopted, or put there by somebody.
    pub(super) fn by_legacy<'c>(
        &self,
        batches: &[Rows],
        open: &mut Vec<(usize, &'c OutRow)>,
        pairs: &mut Vec<Pair<'c>>,
        strangers: &mut Vec<(usize, usize)>,
    ) {
        let Some(legacy) = self.to.legacy.filter(|_| !open.is_empty()) else {
            return;
        };
        let mut by_key: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, (_, out)) in open.iter().enumerate() {
            if let Some(text) = text_of(out, legacy) {
                by_key.entry(text).or_default().push(at);
            }
        }
        let mut taken: HashSet<usize> = HashSet::new();
        strangers.retain(|(batch, there)| {
            let rows = &batches[*batch];
            let candidates = self
                .layout
                .legacy(rows, *there)
                .and_then(|key| by_key.get(&key));
            let fits = candidates.into_iter().flatten().find(|at| {
                let out = open[**at].1;
                !taken.contains(*at) && (!self.many || self.same_match(rows, *there, out))
            });
            let Some(at) = fits.copied() else { return true };
            taken.insert(at);
            let (row, out) = open[at];
            pairs.push(Pair {
                row,
                out,
                batch: *batch,
                there: *there,
            });
            false
        });
        drop_taken(open, &taken);
    }

    /// A row with the natural key that carries no legacy key, or has no place for one.
    pub(super) fn by_match<'c>(
        &self,
        batches: &[Rows],
        first: usize,
        open: &mut Vec<(usize, &'c OutRow)>,
        pairs: &mut Vec<Pair<'c>>,
    ) {
        let mut taken: HashSet<usize> = HashSet::new();
        for (batch, there) in places(batches, first) {
            let rows = &batches[batch];
            if self.layout.legacy(rows, there).is_some() {
                continue;
            }
            let fits = (0..open.len())
                .find(|at| !taken.contains(at) && self.same_match(rows, there, open[*at].1));
            if let Some(at) = fits {
                taken.insert(at);
                let (row, out) = open[at];
                pairs.push(Pair {
                    row,
                    out,
                    batch,
                    there,
                });
            }
        }
        drop_taken(open, &taken);
    }

    fn same_match(&self, rows: &Rows, there: usize, out: &OutRow) -> bool {
        !self.to.match_.is_empty()
            && self
                .to
                .match_
                .iter()
                .all(|column| out.cell(*column).flatten() == self.layout.cell(rows, there, *column))
    }
}

/// Pairs the rows that have the id they should have.
pub(super) fn by_id<'c>(
    layout: &Layout,
    batches: &[Rows],
    first: usize,
    open: &mut Vec<(usize, &'c OutRow)>,
    pairs: &mut Vec<Pair<'c>>,
    strangers: &mut Vec<(usize, usize)>,
) {
    let wanted: HashMap<Uuid, usize> = open
        .iter()
        .enumerate()
        .map(|(at, (_, o))| (o.id, at))
        .collect();
    let mut taken: HashSet<usize> = HashSet::new();
    for (batch, there) in places(batches, first) {
        match layout
            .id(&batches[batch], there)
            .and_then(|id| wanted.get(&id))
        {
            Some(at) if taken.insert(*at) => {
                let (row, out) = open[*at];
                pairs.push(Pair {
                    row,
                    out,
                    batch,
                    there,
                });
            }
            _ => strangers.push((batch, there)),
        }
    }
    drop_taken(open, &taken);
}

pub(super) fn places(batches: &[Rows], first: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
    batches
        .iter()
        .enumerate()
        .skip(first)
        .flat_map(|(batch, rows)| (0..rows.len()).map(move |row| (batch, row)))
}

fn drop_taken(open: &mut Vec<(usize, &OutRow)>, taken: &HashSet<usize>) {
    let mut at = 0;
    open.retain(|_| {
        at += 1;
        !taken.contains(&(at - 1))
    });
}
