//! The value of a typed expression for a person: rows as a table, and nothing of a private column.

use rhai::{Array, Dynamic, Map};

use super::grid::grid;
use super::row::Row;
use super::testing;
use super::wording::Wording;

/// Rows that a list shows.
const ROWS_MAX: usize = 50;

/// What is not shown: values of rows, except of these columns.
#[derive(Clone, Debug)]
pub(super) struct Mask {
    /// Columns whose values are shown.
    pub(super) visible: Vec<String>,
    /// Stands for the others.
    pub(super) stand_in: &'static str,
}

impl Mask {
    pub(super) fn shows(&self, column: &str) -> bool {
        self.visible.iter().any(|name| name == column)
    }
}

/// How values are shown.
pub(super) struct Look<'a> {
    /// Values of columns that are not public are masked.
    pub(super) mask: Option<&'a Mask>,
    /// The values come from a row, or may do so: only what the rule itself spells is shown of them.
    pub(super) is_private: bool,
    /// What the rule spells.
    pub(super) wording: &'a Wording,
    /// Characters of a line.
    pub(super) width: Option<usize>,
}

impl Look<'_> {
    /// A value for a person: a row as lines, rows as a table, anything else as its author would write it.
    pub(super) fn text(&self, value: &Dynamic) -> String {
        if let Some(row) = value.read_lock::<Row>() {
            return lines(&row.cells(self.mask));
        }
        if let Some(array) = value.read_lock::<Array>() {
            let rows: Option<Vec<Vec<(String, String)>>> = array
                .iter()
                .take(ROWS_MAX)
                .map(|item| item.read_lock::<Row>().map(|row| row.cells(self.mask)))
                .collect();
            if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
                return self.table(&rows, array.len());
            }
        }
        let shown = self.masked(value, "");
        match self
            .mask
            .filter(|mask| shown.is_string() && shown.to_string() == mask.stand_in)
        {
            Some(mask) if !value.is_string() || value.to_string() != mask.stand_in => {
                format!("{}  (`:show on` shows it)", mask.stand_in)
            }
            _ => testing::show(&shown),
        }
    }

    /// Rows inside other values become maps of texts; what may come from a private column is masked.
    pub(super) fn masked(&self, value: &Dynamic, column: &str) -> Dynamic {
        if let Some(row) = value.read_lock::<Row>() {
            let cells = row.cells(self.mask).into_iter();
            return cells
                .map(|(name, text)| (name.into(), Dynamic::from(text)))
                .collect::<Map>()
                .into();
        }
        if let Some(array) = value.read_lock::<Array>() {
            let items = array.iter().map(|item| self.masked(item, column));
            return items.collect::<Array>().into();
        }
        if let Some(map) = value.read_lock::<Map>() {
            let entries = map.iter();
            return entries
                .map(|(name, item)| (name.clone(), self.masked(item, name)))
                .collect::<Map>()
                .into();
        }
        match self.mask.filter(|_| self.is_private) {
            Some(mask) if !(mask.shows(column) || self.says_nothing(value)) => mask.stand_in.into(),
            _ => value.clone(),
        }
    }

    /// NULL, true, false, and what is written in the rule anyway.
    fn says_nothing(&self, value: &Dynamic) -> bool {
        value.is_unit()
            || value.is_bool()
            || value
                .read_lock::<rhai::ImmutableString>()
                .is_some_and(|text| self.wording.spells(&text))
    }

    fn table(&self, rows: &[Vec<(String, String)>], all: usize) -> String {
        let head: Vec<String> = rows[0].iter().map(|(name, _)| name.clone()).collect();
        let body: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|(_, text)| text.clone()).collect())
            .collect();
        let word = if all == 1 { "row" } else { "rows" };
        let rest = if all > rows.len() {
            format!(", the first {} are shown", rows.len())
        } else {
            String::new()
        };
        format!("{}({all} {word}{rest})", grid(&head, &body, self.width))
    }
}

fn lines(cells: &[(String, String)]) -> String {
    let width = cells.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let lines = cells
        .iter()
        .map(|(name, text)| format!("  {name:<width$}  {text}"));
    lines.collect::<Vec<_>>().join("\n")
}
