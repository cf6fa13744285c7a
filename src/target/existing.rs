//! Rows that are already in the target.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Destination;
use crate::db::{DbError, Engine, Session, ident, literal_list};
use crate::row::Rows;
use crate::value::Logical;

/// How rows are looked for. Texts are the server's canonical texts.
#[derive(Clone, Debug)]
pub enum Lookup<'a> {
    /// By the legacy column.
    Legacy(Vec<&'a str>),
    /// By id.
    Ids(Vec<Uuid>),
    /// By the natural key, one text per match column.
    Match(Vec<Vec<String>>),
}

/// Rows of the target, all columns as text.
#[derive(Clone, Debug, Default)]
pub struct Found {
    rows: Rows,
    by_id: HashMap<Uuid, usize>,
    id: usize,
    xmin: Option<usize>,
    /// Columns whose text is not what lies there, and where that is.
    as_stored: Vec<(usize, usize)>,
}

impl Found {
    /// Adds what another look-up found.
    pub fn merge(&mut self, other: &Found) {
        if self.rows.columns().is_empty() {
            *self = other.clone();
            return;
        }
        for row in 0..other.rows.len() {
            let Some(id) = other.id_of(row) else { continue };
            if !self.by_id.contains_key(&id) {
                for column in 0..other.rows.columns().len() {
                    let cell = other.rows.cell(row, column);
                    self.rows.push_cell(cell.as_deref());
                }
                self.by_id.insert(id, self.rows.len() - 1);
            }
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Nothing there.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row with this id.
    pub fn row(&self, id: Uuid) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// A row's id.
    pub fn id_of(&self, row: usize) -> Option<Uuid> {
        self.text(row, self.id)?.parse().ok()
    }

    /// A column (index into the table's columns) as text; `None` is NULL.
    pub fn text(&self, row: usize, column: usize) -> Option<String> {
        self.rows
            .cell(row, column)
            .map(|c| String::from_utf8_lossy(&c).into_owned())
    }

    /// The same, letter by letter as it is stored. SQLite keeps a moment as the text that somebody wrote: `12:00:00.180`
    /// is that of `12:00:00.18`, and what is put back has to be the former.
    pub fn stored(&self, row: usize, column: usize) -> Option<String> {
        let other = self.as_stored.iter().find(|(of, _)| *of == column);
        self.text(row, other.map_or(column, |(_, at)| *at))
    }

    /// A column as COPY text; `None` is NULL.
    pub fn raw(&self, row: usize, column: usize) -> Option<&[u8]> {
        self.rows.raw(row, column)
    }

    /// The transaction that wrote the row last; Postgres only.
    pub fn xmin(&self, row: usize) -> Option<String> {
        self.xmin.and_then(|column| self.text(row, column))
    }

    /// The whole row as a JSON object of texts, for a before-image.
    pub fn image(&self, row: usize, destination: &Destination) -> String {
        let cells = destination
            .table
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                (
                    column.name.clone(),
                    self.stored(row, index)
                        .map_or(serde_json::Value::Null, Into::into),
                )
            });
        serde_json::Value::Object(cells.collect()).to_string()
    }
}

/// Keys per statement; keeps one statement's text below a few hundred kilobytes.
const KEYS_PER_QUERY: usize = 5_000;

/// Reads the rows that a look-up names.
pub async fn find(
    session: &mut Session,
    to: &Destination,
    lookup: &Lookup<'_>,
) -> Result<Found, DbError> {
    let mut found = Found::default();
    let columns = &to.table.columns;
    let logical = |index: u16| columns[usize::from(index)].logical.clone();
    match (lookup, to.legacy) {
        (Lookup::Legacy(keys), Some(legacy)) => {
            for keys in keys.chunks(KEYS_PER_QUERY) {
                let list = literal_list(to.engine, &logical(legacy), keys.iter().copied());
                if !list.is_empty() {
                    let condition = format!("{} in ({list})", to.column(legacy));
                    found.merge(&read(session, to, &condition).await?);
                }
            }
        }
        (Lookup::Legacy(_), None) => {}
        (Lookup::Ids(ids), _) => {
            for ids in ids.chunks(KEYS_PER_QUERY) {
                let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
                let list =
                    literal_list(to.engine, &Logical::Uuid, texts.iter().map(String::as_str));
                found
                    .merge(&read(session, to, &format!("{} in ({list})", to.column(to.id))).await?);
            }
        }
        (Lookup::Match(tuples), _) => {
            for tuples in tuples.chunks(KEYS_PER_QUERY) {
                let mut list = Vec::with_capacity(tuples.len());
                for tuple in tuples {
                    let parts: Vec<String> = tuple
                        .iter()
                        .zip(&to.match_)
                        .map(|(text, column)| {
                            literal_list(to.engine, &logical(*column), [text.as_str()])
                        })
                        .collect();
                    if parts.iter().all(|p| !p.is_empty()) {
                        list.push(format!("({})", parts.join(",")));
                    }
                }
                let names: Vec<String> = to.match_.iter().map(|c| to.column(*c)).collect();
                if !list.is_empty() {
                    let values = match to.engine {
                        Engine::Postgres => list.join(","),
                        Engine::Sqlite => format!("values {}", list.join(",")),
                    };
                    found.merge(
                        &read(session, to, &format!("({}) in ({values})", names.join(","))).await?,
                    );
                }
            }
        }
    }
    Ok(found)
}

fn is_moment(logical: &Logical) -> bool {
    matches!(
        logical,
        Logical::Date | Logical::Time | Logical::TimeTz | Logical::Timestamp | Logical::TimestampTz
    )
}

async fn read(session: &mut Session, to: &Destination, condition: &str) -> Result<Found, DbError> {
    let mut columns: Vec<(String, Logical)> = to
        .table
        .columns
        .iter()
        .map(|c| (c.name.clone(), c.logical.clone()))
        .collect();
    let mut list: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
    let xmin = (to.engine == Engine::Postgres && !to.table.is_view).then_some(columns.len());
    if xmin.is_some() {
        columns.push(("xmin".into(), Logical::Text(None)));
        list.push("xmin::text".into());
    }
    let mut as_stored = Vec::new();
    if to.engine == Engine::Sqlite {
        for at in 0..columns.len() {
            if is_moment(&columns[at].1) {
                as_stored.push((at, columns.len()));
                list.push(format!("cast({} as text)", ident(&columns[at].0)));
                columns.push((format!("{} as stored", columns[at].0), Logical::Text(None)));
            }
        }
    }
    let sql = format!(
        "select {} from {} where {condition}",
        list.join(","),
        to.sql()
    );
    let rows = session.copy_out_typed(&sql, &columns).await?;
    let mut found = Found {
        id: usize::from(to.id),
        xmin,
        by_id: HashMap::new(),
        rows,
        as_stored,
    };
    for row in 0..found.rows.len() {
        if let Some(id) = found.id_of(row) {
            found.by_id.insert(id, row);
        }
    }
    Ok(found)
}

/// What the target's server prints for these texts in this column's own type: decides whether two
/// different texts are one value (`1.5` and `1.50`, `1 mon` and `30 days` are not guessed here).
pub async fn normalise(
    session: &mut Session,
    to: &Destination,
    column: u16,
    texts: &[String],
) -> Result<Vec<String>, DbError> {
    if to.engine == Engine::Sqlite || texts.is_empty() {
        return Ok(texts.to_vec());
    }
    let kind = &to.table.columns[usize::from(column)].type_name;
    let mut values = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        values.push(format!(
            "({at},{}::{kind}::text)",
            crate::db::literal(to.engine, text)?
        ));
    }
    let sql = format!(
        "select v.t from (values {}) v(n, t) order by v.n",
        values.join(",")
    );
    let rows = session
        .copy_out(&sql, Arc::from(["t".to_owned()]), None)
        .await?;
    Ok((0..rows.len())
        .map(|r| {
            rows.cell(r, 0)
                .map(|c| String::from_utf8_lossy(&c).into_owned())
                .unwrap_or_default()
        })
        .collect())
}
