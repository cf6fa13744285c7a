//! Target rows that could be those of a chunk: by a range of legacy keys, by id, by natural key.

use uuid::Uuid;

use super::VerifyError;
use crate::db::{DbError, Engine, Session, ident, literal_list, typed_literal};
use crate::row::{Key, OutRow, Rows, unescape};
use crate::target::Destination;
use crate::value::Logical;

/// Target rows per query of a range.
pub(super) const RANGE_ROWS: usize = 20_000;
/// Values per list; keeps one statement's text below a few hundred kilobytes.
const LIST_MAX: usize = 5_000;

/// Which columns are read, and where each one lies in a row that was read.
#[derive(Debug)]
pub(super) struct Layout {
    columns: Vec<(String, Logical)>,
    list: String,
    at: Vec<Option<usize>>,
    id: usize,
    legacy: Option<usize>,
}

impl Layout {
    /// All columns but those that are never compared.
    pub(super) fn new(to: &Destination, left_out: &[u16]) -> Self {
        let mut columns = Vec::new();
        let mut at = Vec::new();
        for (index, column) in to.table.columns.iter().enumerate() {
            let out = left_out.iter().any(|l| usize::from(*l) == index);
            at.push((!out).then_some(columns.len()));
            if !out {
                columns.push((column.name.clone(), column.logical.clone()));
            }
        }
        let list: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
        Self {
            list: list.join(","),
            id: at[usize::from(to.id)].unwrap_or(0),
            legacy: to.legacy.and_then(|l| at[usize::from(l)]),
            columns,
            at,
        }
    }

    /// Names of the columns that are read, in their order.
    pub(super) fn names(&self) -> std::sync::Arc<[String]> {
        self.columns.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether a column of the table is read.
    pub(super) fn reads(&self, column: u16) -> bool {
        self.at[usize::from(column)].is_some()
    }

    /// Cells of a derived row that have to be compared.
    pub(super) fn expected(&self, out: &OutRow) -> u64 {
        out.set.iter().filter(|column| self.reads(**column)).count() as u64
    }

    /// A column of the table as COPY text; `None` is NULL, or a column that is not read.
    pub(super) fn cell<'r>(&self, rows: &'r Rows, row: usize, column: u16) -> Option<&'r [u8]> {
        rows.raw(row, self.at[usize::from(column)]?)
    }

    pub(super) fn id(&self, rows: &Rows, row: usize) -> Option<Uuid> {
        Uuid::try_parse_ascii(rows.raw(row, self.id)?).ok()
    }

    /// The row's legacy key.
    pub(super) fn legacy(&self, rows: &Rows, row: usize) -> Option<String> {
        let cell = rows.cell(row, self.legacy?)?;
        Some(String::from_utf8_lossy(&cell).into_owned())
    }
}

/// Reads target rows for one table.
pub(super) struct Finder<'a> {
    pub(super) session: &'a mut Session,
    pub(super) to: &'a Destination,
    pub(super) layout: &'a Layout,
}

impl Finder<'_> {
    fn logical(&self, column: u16) -> &Logical {
        &self.to.table.columns[usize::from(column)].logical
    }

    async fn read(&mut self, tail: &str) -> Result<Rows, DbError> {
        let sql = format!(
            "select {} from {} where {tail}",
            self.layout.list,
            self.to.sql()
        );
        self.session
            .copy_out_typed(&sql, &self.layout.columns)
            .await
    }

    /// Rows whose legacy key lies in (lo, hi], in order, after a row that was read before; fewer than
    /// [`RANGE_ROWS`] when there are no more.
    pub(super) async fn range(
        &mut self,
        legacy: u16,
        (lo, hi): (Option<&Key>, Option<&Key>),
        after: Option<(&str, Uuid)>,
    ) -> Result<Rows, VerifyError> {
        let engine = self.to.engine;
        let (name, id) = (self.to.column(legacy), self.to.column(self.to.id));
        let logical = self.logical(legacy).clone();
        let mut parts = vec![format!("{name} is not null")];
        for (bound, sign) in [(lo, ">"), (hi, "<=")] {
            if let Some(Key(texts)) = bound
                && let [text] = &texts[..]
            {
                parts.push(format!(
                    "{name} {sign} {}",
                    typed_literal(engine, &logical, text)?
                ));
            }
        }
        if let Some((text, last)) = after {
            parts.push(format!(
                "({name}, {id}) > ({}, '{last}')",
                typed_literal(engine, &logical, text)?
            ));
        }
        let tail = format!(
            "{} order by {name}, {id} limit {RANGE_ROWS}",
            parts.join(" and ")
        );
        Ok(self.read(&tail).await?)
    }

    /// Rows with these ids.
    pub(super) async fn ids(&mut self, ids: &[Uuid]) -> Result<Vec<Rows>, VerifyError> {
        let mut found = Vec::new();
        for ids in ids.chunks(LIST_MAX) {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let list = literal_list(
                self.to.engine,
                &Logical::Uuid,
                texts.iter().map(String::as_str),
            );
            let tail = format!("{} in ({list})", self.to.column(self.to.id));
            found.push(self.read(&tail).await?);
        }
        Ok(found)
    }

    /// Rows with these legacy keys.
    pub(super) async fn legacy(
        &mut self,
        legacy: u16,
        keys: &[String],
    ) -> Result<Vec<Rows>, VerifyError> {
        let logical = self.logical(legacy).clone();
        let mut found = Vec::new();
        for keys in keys.chunks(LIST_MAX) {
            let list = literal_list(self.to.engine, &logical, keys.iter().map(String::as_str));
            let tail = format!("{} in ({list})", self.to.column(legacy));
            found.push(self.read(&tail).await?);
        }
        Ok(found)
    }

    /// Rows with the natural keys of these derived rows.
    pub(super) async fn natural(&mut self, outs: &[&OutRow]) -> Result<Vec<Rows>, VerifyError> {
        let to = self.to;
        let mut tuples = Vec::new();
        for out in outs {
            let parts: Option<Vec<String>> = to
                .match_
                .iter()
                .map(|column| {
                    let text = text_of(out, *column)?;
                    Some(literal_list(
                        to.engine,
                        self.logical(*column),
                        [text.as_str()],
                    ))
                })
                .collect();
            tuples.extend(parts.map(|parts| format!("({})", parts.join(","))));
        }
        let names: Vec<String> = to.match_.iter().map(|c| to.column(*c)).collect();
        let mut found = Vec::new();
        for tuples in tuples.chunks(LIST_MAX) {
            let values = match to.engine {
                Engine::Postgres => tuples.join(","),
                Engine::Sqlite => format!("values {}", tuples.join(",")),
            };
            let tail = format!("({}) in ({values})", names.join(","));
            found.push(self.read(&tail).await?);
        }
        Ok(found)
    }
}

/// A derived cell as text; `None` is NULL or not set.
pub(super) fn text_of(out: &OutRow, column: u16) -> Option<String> {
    let cell = out.cell(column)??;
    Some(String::from_utf8_lossy(&unescape(cell)).into_owned())
}
