//! One page: counted first, then read, then held against the count.

use super::{Page, PageError, PageQuery, Source, first, sql};
use crate::db::{DbError, Engine, ErrorKind};
use crate::row::{Key, Rows};
use crate::value::Logical;

/// Rows of a page may hold this many bytes, so that a few pages in flight fit into memory.
const PAGE_BYTES: u64 = 8 * 1024 * 1024;

impl Source {
    /// The next page after `after`, at most to `upto`; `None` when no base rows are left there. A
    /// page has fewer than `limit` base rows when they would hold more than 8 MiB.
    pub async fn next_page(
        &mut self,
        query: &PageQuery,
        after: Option<&Key>,
        upto: Option<&Key>,
        limit: u64,
    ) -> Result<Option<Page>, PageError> {
        let mut limit = limit.max(1);
        if let Some(fitting) = PAGE_BYTES.checked_div(self.row_bytes) {
            limit = limit.min(fitting.max(1));
        }
        loop {
            let engine = self.session.engine();
            let counted = self
                .session
                .query(&sql::page(query, engine, after, upto, limit)?)
                .await?;
            if counted.is_empty() {
                return Ok(None);
            }
            let number = |column| {
                first(&counted, column)
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0)
            };
            let (base, read): (u64, u64) = (number(0), number(1));
            let hi = key_at(&counted, 0, |part| part + 2, query)?;
            let select = sql::rows(query, engine, after, Some(&hi))?;
            let cap = if limit == 1 {
                usize::MAX
            } else {
                PAGE_BYTES as usize
            };
            let copied = self
                .session
                .copy_out_capped(&select, &query.columns, cap)
                .await?;
            let rows = match copied {
                Ok(rows) => rows,
                Err(fitting) => {
                    // straight to the size that fits: what is read in vain may be gigabytes
                    let share = base.saturating_mul(fitting) / read.max(1);
                    limit = (limit.min(base) / 2).min(share).max(1);
                    continue;
                }
            };
            if !rows.is_empty() {
                self.row_bytes = (rows.bytes() / rows.len()) as u64;
            }
            let keys = if self.reads_keys_apart(query) {
                let select = sql::base_keys(query, engine, after, Some(&hi), None)?;
                self.keys(query, &select).await?
            } else {
                keys_of(&rows, query)?
            };
            balance(query, &rows, &keys, read, after, &hi)?;
            let lo = after.cloned();
            return Ok(Some(Page {
                lo,
                hi,
                base,
                filtered: base - read,
                read,
                rows,
                keys,
            }));
        }
    }

    /// The rows of these keys that satisfy the condition, in key order; keys that are not in the
    /// base are left out.
    pub async fn page_of_keys(
        &mut self,
        query: &PageQuery,
        keys: &[Key],
    ) -> Result<(Rows, Vec<Key>), PageError> {
        let engine = self.session.engine();
        let wanted = self
            .keys(query, &sql::base_among(query, engine, keys)?)
            .await?;
        let Some(hi) = wanted.last().cloned() else {
            let names = query.columns.iter().map(|(name, _)| name.clone()).collect();
            return Ok((Rows::new(names), vec![]));
        };
        let select = sql::rows_of_keys(query, engine, &wanted)?;
        let rows = self.session.copy_out_typed(&select, &query.columns).await?;
        balance(query, &rows, &wanted, wanted.len() as u64, None, &hi)?;
        Ok((rows, wanted))
    }

    /// Keys of base rows in (after, upto] that satisfy the condition, in order.
    pub async fn keys_between(
        &mut self,
        query: &PageQuery,
        after: Option<&Key>,
        upto: Option<&Key>,
        limit: u64,
    ) -> Result<Vec<Key>, DbError> {
        let select = sql::base_keys(query, self.session.engine(), after, upto, Some(limit))?;
        self.keys(query, &select).await
    }

    /// The base's own keys are read besides the rows when the rows could have others (`from`), or
    /// when a cell is not the key as it is stored (SQLite keeps a uuid in whatever case it came).
    fn reads_keys_apart(&self, query: &PageQuery) -> bool {
        let spelled = |l: &Logical| {
            !matches!(
                l,
                Logical::Int2 | Logical::Int4 | Logical::Int8 | Logical::Text(_)
            )
        };
        query.from.is_some()
            || (self.session.engine() == Engine::Sqlite && query.key_types.iter().any(spelled))
    }

    async fn keys(&mut self, query: &PageQuery, select: &str) -> Result<Vec<Key>, DbError> {
        let rows = self
            .session
            .copy_out(select, query.key.clone().into(), None)
            .await?;
        (0..rows.len())
            .map(|row| key_at(&rows, row, |part| part, query))
            .collect()
    }
}

/// Keys out of the rows' own key columns.
fn keys_of(rows: &Rows, query: &PageQuery) -> Result<Vec<Key>, DbError> {
    let places = key_places(rows, query)?;
    (0..rows.len())
        .map(|row| key_at(rows, row, |part| places[part], query))
        .collect()
}

fn key_places(rows: &Rows, query: &PageQuery) -> Result<Vec<usize>, DbError> {
    let place = |name: &String| {
        rows.column(name).ok_or_else(|| {
            let message = format!("the key column {name} of {} is not read", query.base);
            DbError::new(ErrorKind::Other, "source", message)
                .with_hint("`from` must have every key column under its own name")
        })
    };
    query.key.iter().map(place).collect()
}

fn key_at(
    rows: &Rows,
    row: usize,
    place: impl Fn(usize) -> usize,
    query: &PageQuery,
) -> Result<Key, DbError> {
    let part = |index: usize| match rows.text(row, place(index)) {
        Some(Ok(text)) => Ok(text.into_owned()),
        other => {
            let what = if other.is_none() {
                "is NULL"
            } else {
                "is not UTF-8 text"
            };
            let name = query.key.get(index).map_or("", String::as_str);
            let message = format!("a key of {} cannot be used: {name} {what}", query.base);
            Err(DbError::new(ErrorKind::Other, "source", message))
        }
    };
    (0..query.key.len())
        .map(part)
        .collect::<Result<_, _>>()
        .map(Key)
}

/// Holds the rows' keys against the base's, and both against the database's count.
fn balance(
    query: &PageQuery,
    rows: &Rows,
    base: &[Key],
    expected: u64,
    lo: Option<&Key>,
    hi: &Key,
) -> Result<(), PageError> {
    let got = rows.len() as u64;
    let unbalanced = |key: Option<Key>| PageError::Unbalanced {
        lo: lo.cloned(),
        hi: hi.clone(),
        expected,
        got,
        key,
    };
    let repeated = |keys: &[Key]| {
        keys.windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| pair[0].clone())
    };
    if query.from.is_some() {
        let theirs = keys_of(rows, query)?;
        let differs = theirs
            .iter()
            .zip(base)
            .position(|(row, key)| !same(row, key, &query.key_types));
        if let Some(at) = differs {
            let again = at > 0 && theirs[at] == theirs[at - 1];
            return Err(unbalanced(Some(if again {
                theirs[at].clone()
            } else {
                base[at].clone()
            })));
        }
        if theirs.len() != base.len() {
            let longer = if theirs.len() > base.len() {
                &theirs
            } else {
                base
            };
            return Err(unbalanced(
                longer.get(theirs.len().min(base.len())).cloned(),
            ));
        }
    }
    // the base's own keys are held against the count as well: a key that is not unique straddles pages
    if got != expected || base.len() as u64 != expected {
        return Err(unbalanced(repeated(base)));
    }
    match repeated(base) {
        Some(key) => Err(unbalanced(Some(key))),
        None => Ok(()),
    }
}

/// The same key; a uuid may be written in either case.
fn same(a: &Key, b: &Key, types: &[Logical]) -> bool {
    a == b
        || a.0.iter().zip(&b.0).zip(types).all(|((x, y), logical)| {
            x == y || (*logical == Logical::Uuid && x.eq_ignore_ascii_case(y))
        })
}
