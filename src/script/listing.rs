//! Rows as the value of a typed expression: one below the other for a person.

use std::fmt::Write;
use std::sync::Arc;

use rhai::{Array, Dynamic, Map};

use super::row::Row;
use super::testing;
use crate::row::Rows;

/// Rows that a list shows.
const ROWS_MAX: usize = 50;
/// Characters of one cell in a list of rows.
const CELL_MAX: usize = 48;

/// What is not shown: values of the row on screen, except of these columns.
pub(super) struct Mask {
    /// The row on screen.
    pub(super) rows: Arc<Rows>,
    /// Columns whose values are shown.
    pub(super) visible: Vec<String>,
    /// Stands for the others.
    pub(super) stand_in: &'static str,
}

/// A value for a person: a row as lines, rows as a table, anything else as its author would write it.
pub(super) fn shown(value: &Dynamic, mask: Option<&Mask>) -> String {
    if let Some(row) = value.read_lock::<Row>() {
        return lines(&row.cells(mask));
    }
    if let Some(array) = value.read_lock::<Array>() {
        let rows: Option<Vec<Vec<(String, String)>>> = array
            .iter()
            .take(ROWS_MAX)
            .map(|item| item.read_lock::<Row>().map(|row| row.cells(mask)))
            .collect();
        if let Some(rows) = rows.filter(|rows| !rows.is_empty()) {
            return table(&rows, array.len());
        }
    }
    testing::show(&without_rows(value, mask))
}

/// Rows inside other values become maps of texts.
fn without_rows(value: &Dynamic, mask: Option<&Mask>) -> Dynamic {
    if let Some(row) = value.read_lock::<Row>() {
        let cells = row.cells(mask).into_iter();
        return cells
            .map(|(name, text)| (name.into(), Dynamic::from(text)))
            .collect::<Map>()
            .into();
    }
    if let Some(array) = value.read_lock::<Array>() {
        return array
            .iter()
            .map(|item| without_rows(item, mask))
            .collect::<Array>()
            .into();
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map
            .iter()
            .map(|(name, item)| (name.clone(), without_rows(item, mask)))
            .collect::<Map>()
            .into();
    }
    value.clone()
}

fn lines(cells: &[(String, String)]) -> String {
    let width = cells.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or(0);
    let lines = cells
        .iter()
        .map(|(name, text)| format!("  {name:<width$}  {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn table(rows: &[Vec<(String, String)>], all: usize) -> String {
    let short = |text: &str| {
        let line = text.replace(['\n', '\t'], " ");
        if line.chars().count() <= CELL_MAX {
            return line;
        }
        line.chars().take(CELL_MAX - 1).chain(['…']).collect()
    };
    let head: Vec<String> = rows[0].iter().map(|(name, _)| name.clone()).collect();
    let body = rows
        .iter()
        .map(|row| row.iter().map(|(_, text)| short(text)).collect());
    let grid: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let mut widths = vec![0; grid[0].len()];
    for row in &grid {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in &grid {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells.map(|(cell, w)| format!("{cell:<w$}")).collect();
        let _ = writeln!(out, "{}", line.join("  ").trim_end());
    }
    let word = if all == 1 { "row" } else { "rows" };
    let rest = if all > rows.len() {
        format!(", the first {} are shown", rows.len())
    } else {
        String::new()
    };
    let _ = write!(out, "({all} {word}{rest})");
    out
}
