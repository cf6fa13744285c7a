//! One chunk: derived rows and target rows are brought together, by id first, then by legacy key, then by the
//! natural key, and each pair is compared.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::VerifyError;
use super::cells::{self, Doubt};
use super::derive::Chunk;
use super::locate::{Finder, Layout, RANGE_ROWS, text_of};
use super::pair::{Matcher, Pair, by_id, places};
use crate::db::{Action, Session, failpoint};
use crate::diagnostic::Diagnostic;
use crate::plan::Wants;
use crate::row::{Key, OutRow, Rows, Verdict};
use crate::rule::Rule;
use crate::source::PageQuery;
use crate::target::Destination;
use crate::value::Logical;

/// What a derived row, or a target row, is suspected of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is there, and some columns are other than derived.
    Differs,
    /// It is there under an id that is not computed.
    Adopted,
    /// It is derived and was not found.
    Missing,
    /// It is in the target and not derived.
    Extra,
}

/// What the rule says about the source row now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    /// The source has no such row, or it fails `where`.
    Gone,
    Written,
    Skipped,
    Rejected,
}

/// A row to be explained by the state.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    /// Display form of the source key.
    pub(super) key: String,
    pub(super) kind: Kind,
    pub(super) now: Now,
    /// Hash of what goes in now; `None` when the source row is gone.
    pub(super) input: Option<[u8; 16]>,
    /// The target row.
    pub(super) id: Option<Uuid>,
    pub(super) columns: Vec<u16>,
    /// What was derived.
    pub(super) out: Option<OutRow>,
}

/// What a chunk came to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    pub(super) suspects: Vec<Suspect>,
    /// Target rows that were found by other than their legacy key.
    pub(super) elsewhere: Vec<Uuid>,
    /// Target rows compared.
    pub(super) rows: u64,
    /// Cells compared.
    pub(super) cells: u64,
}

/// How target rows of a chunk are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By the range of its keys: every row in between is looked at, also those that nothing derives.
    Range(u16),
    /// By lists of keys and ids.
    Lists,
}

/// How target rows are found: by ranges where the legacy column is the key itself, and a number.
pub(super) fn way(rule: &Rule, query: &PageQuery, to: &Destination, sampled: bool) -> Way {
    let (Some(legacy), [key]) = (to.legacy, &query.key_types[..]) else {
        return Way::Lists;
    };
    let logical = &to.table.columns[usize::from(legacy)].logical;
    let whole = |l: &Logical| matches!(l, Logical::Int2 | Logical::Int4 | Logical::Int8);
    if sampled || copies_another(rule, query, to, legacy) || !whole(key) || !whole(logical) {
        Way::Lists
    } else {
        Way::Range(legacy)
    }
}

/// The legacy column holds something else than the key.
pub(super) fn copies_another(
    rule: &Rule,
    query: &PageQuery,
    to: &Destination,
    legacy: u16,
) -> bool {
    let name = &to.table.columns[usize::from(legacy)].name;
    let mut copies = rule.header.copy.iter();
    copies.any(|pair| pair.target == *name && pair.source != query.key[0])
}

/// What all chunks of a table are compared with.
pub(super) struct Comparer<'a> {
    pub(super) session: &'a mut Session,
    pub(super) to: &'a Destination,
    pub(super) layout: &'a Layout,
    pub(super) many: bool,
    pub(super) way: Way,
}

impl Comparer<'_> {
    pub(super) async fn chunk(
        &mut self,
        chunk: &Chunk,
        hashes: &dyn Fn(usize) -> [u8; 16],
    ) -> Result<Compared, VerifyError> {
        let mut open: Vec<(usize, &OutRow)> = Vec::new();
        for (row, judged) in chunk.judged.iter().enumerate() {
            if let Verdict::Write(outs) = &judged.verdict {
                open.extend(outs.iter().map(|out| (row, out)));
            }
        }
        let matcher = Matcher {
            to: self.to,
            layout: self.layout,
            many: self.many,
        };
        let mut found = Compared::default();
        let mut batches: Vec<Rows> = Vec::new();
        let mut pairs: Vec<Pair<'_>> = Vec::new();
        let mut strangers: Vec<(usize, usize)> = Vec::new();
        let mut finder = Finder {
            session: self.session,
            to: self.to,
            layout: self.layout,
        };
        match self.way {
            Way::Range(legacy) => {
                let range = (chunk.lo.as_ref(), chunk.hi.as_ref());
                let mut after: Option<(String, Uuid)> = None;
                loop {
                    let last = after.as_ref().map(|(text, id)| (text.as_str(), *id));
                    let rows = finder.range(legacy, range, last).await?;
                    let full = rows.len() == RANGE_ROWS;
                    if full {
                        let at = rows.len() - 1;
                        after = self.layout.legacy(&rows, at).zip(self.layout.id(&rows, at));
                    }
                    batches.push(rows);
                    if !full {
                        break;
                    }
                }
            }
            Way::Lists => {
                let ids: Vec<Uuid> = open.iter().map(|(_, out)| out.id).collect();
                batches = finder.ids(&ids).await?;
            }
        }
        by_id(
            self.layout,
            &batches,
            0,
            &mut open,
            &mut pairs,
            &mut strangers,
        );
        if matches!(self.way, Way::Range(_)) && !open.is_empty() {
            let ids: Vec<Uuid> = open.iter().map(|(_, out)| out.id).collect();
            let first = batches.len();
            batches.extend(finder.ids(&ids).await?);
            let before = pairs.len();
            by_id(
                self.layout,
                &batches,
                first,
                &mut open,
                &mut pairs,
                &mut Vec::new(),
            );
            found
                .elsewhere
                .extend(pairs[before..].iter().map(|p| p.out.id));
        }
        if let (Way::Lists, Some(legacy)) = (self.way, self.to.legacy) {
            let first = batches.len();
            batches.extend(
                finder
                    .legacy(legacy, &legacy_keys(chunk, &open, legacy))
                    .await?,
            );
            let known: HashSet<Uuid> = pairs.iter().map(|p| p.out.id).collect();
            strangers.extend(places(&batches, first).filter(|(batch, row)| {
                self.layout
                    .id(&batches[*batch], *row)
                    .is_some_and(|id| !known.contains(&id))
            }));
        }
        matcher.by_legacy(&batches, &mut open, &mut pairs, &mut strangers);
        if !self.to.match_.is_empty() && !open.is_empty() {
            let outs: Vec<&OutRow> = open.iter().map(|(_, out)| *out).collect();
            let first = batches.len();
            let natural = Finder {
                session: self.session,
                to: self.to,
                layout: self.layout,
            }
            .natural(&outs)
            .await?;
            batches.extend(natural);
            matcher.by_match(&batches, first, &mut open, &mut pairs);
        }
        pairs.sort_by_key(|pair| pair.row);
        found.rows = (pairs.len() + strangers.len()) as u64;
        let suspect = |row: usize, kind, id, columns, out: Option<&OutRow>| Suspect {
            key: chunk.keys[row].to_string(),
            kind,
            now: Now::Written,
            input: Some(hashes(row)),
            id,
            columns,
            out: out.cloned(),
        };
        let differing = self.differing(&batches, &pairs, &mut found.cells).await?;
        for (pair, columns) in pairs.iter().zip(differing) {
            let id = self.layout.id(&batches[pair.batch], pair.there);
            let kind = if !columns.is_empty() {
                Kind::Differs
            } else if id != Some(pair.out.id) {
                Kind::Adopted
            } else {
                continue;
            };
            found
                .suspects
                .push(suspect(pair.row, kind, id, columns, Some(pair.out)));
        }
        for (row, out) in open {
            found
                .suspects
                .push(suspect(row, Kind::Missing, None, vec![], Some(out)));
        }
        let rows: HashMap<String, usize> = if strangers.is_empty() {
            HashMap::new()
        } else {
            chunk
                .keys
                .iter()
                .enumerate()
                .map(|(row, key)| (key.to_string(), row))
                .collect()
        };
        for (batch, there) in strangers {
            let key = self
                .layout
                .legacy(&batches[batch], there)
                .unwrap_or_default();
            let row = rows.get(&key).copied();
            found.suspects.push(Suspect {
                now: row.map_or(Now::Gone, |row| now(&chunk.judged[row].verdict)),
                input: row.map(hashes),
                id: self.layout.id(&batches[batch], there),
                key,
                kind: Kind::Extra,
                columns: self.to.legacy.into_iter().collect(),
                out: None,
            });
        }
        Ok(found)
    }

    /// Per pair the columns that differ.
    async fn differing(
        &mut self,
        batches: &[Rows],
        pairs: &[Pair<'_>],
        cells: &mut u64,
    ) -> Result<Vec<Vec<u16>>, VerifyError> {
        let mut differing: Vec<Vec<u16>> = vec![Vec::new(); pairs.len()];
        let mut doubts: Vec<Doubt> = Vec::new();
        let mut compared = 0;
        for (at, pair) in pairs.iter().enumerate() {
            if failpoint("mutant.only_count") == Action::Fail {
                continue;
            }
            let there = (&batches[pair.batch], pair.there);
            let differs = &mut differing[at];
            compared += cells::compare(self.layout, pair.out, there, at, differs, &mut doubts);
        }
        // counted apart from the comparison itself: what was not compared is not equal
        let expected = pairs.iter().map(|pair| self.layout.expected(pair.out));
        let expected: u64 = expected.sum();
        if compared != expected {
            return Err(Diagnostic::error(format!(
                "the comparison does not work: {compared} cells of {} were compared where {expected} were derived",
                self.to.table.name
            ))
            .hint("nothing was proved; this is a fault of this program, please report it")
            .into());
        }
        *cells += compared;
        if !doubts.is_empty() {
            for doubt in cells::decide(self.session, self.to, doubts).await? {
                differing[doubt.pair].push(doubt.column);
            }
        }
        for columns in &mut differing {
            columns.sort_unstable();
        }
        Ok(differing)
    }
}

pub(super) fn now(verdict: &Verdict) -> Now {
    match verdict {
        Verdict::Write(_) => Now::Written,
        Verdict::Skip(_) => Now::Skipped,
        Verdict::Reject(_) => Now::Rejected,
    }
}

/// Legacy keys to look for: those of derived rows that were not found, and the keys of rows that the rule does not
/// write, under which nothing should be there.
fn legacy_keys(chunk: &Chunk, open: &[(usize, &OutRow)], legacy: u16) -> Vec<String> {
    let mut keys: Vec<String> = open
        .iter()
        .filter_map(|(_, out)| text_of(out, legacy))
        .collect();
    for (judged, Key(parts)) in chunk.judged.iter().zip(&chunk.keys) {
        if let ([one], false) = (&parts[..], matches!(judged.verdict, Verdict::Write(_))) {
            keys.push(one.clone());
        }
    }
    keys
}

/// The hash of everything that goes into each row of a chunk, now.
pub(super) fn hasher<'a>(wants: &'a Wants, chunk: &'a Chunk) -> impl Fn(usize) -> [u8; 16] + 'a {
    move |row| wants.input_hash(&chunk.rows, row, &chunk.answers)
}
