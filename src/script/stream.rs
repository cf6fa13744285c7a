//! What `source.rows` gives: rows one after another, fetched as they are needed.

use std::rc::Rc;
use std::sync::Arc;

use rhai::Dynamic;

use super::context::{Fallible, HostFault};
use super::host::{Answer, HostCall};
use super::procedure::Desk;
use super::row::{Row, Shape};
use crate::row::Key;

/// An open select.
#[derive(Clone)]
pub(super) struct Stream {
    pub(super) desk: Rc<Desk>,
    pub(super) number: u64,
    pub(super) key: Rc<[String]>,
}

impl IntoIterator for Stream {
    type Item = Fallible<Row>;
    type IntoIter = Streaming;

    fn into_iter(self) -> Streaming {
        Streaming {
            stream: self,
            page: Vec::new().into_iter(),
            is_done: false,
        }
    }
}

/// The rows of a stream, page by page.
pub(super) struct Streaming {
    stream: Stream,
    page: std::vec::IntoIter<(Key, Row)>,
    is_done: bool,
}

impl Iterator for Streaming {
    type Item = Fallible<Row>;

    fn next(&mut self) -> Option<Fallible<Row>> {
        if let Some(row) = self.take() {
            return Some(Ok(row));
        }
        if self.is_done {
            return None;
        }
        match self.stream.next_page() {
            Ok(page) if page.is_empty() => {
                self.is_done = true;
                None
            }
            Ok(page) => {
                self.page = page.into_iter();
                self.take().map(Ok)
            }
            Err(error) => {
                self.is_done = true;
                Some(Err(error))
            }
        }
    }
}

impl Streaming {
    /// The next row of the page. From now on it needs a verdict; the rows behind it do not yet.
    fn take(&mut self) -> Option<Row> {
        let (key, row) = self.page.next()?;
        self.stream.desk.opened(key);
        Some(row)
    }
}

impl Stream {
    /// The next rows with their keys.
    fn next_page(&self) -> Fallible<Vec<(Key, Row)>> {
        let answer = self.desk.rows(HostCall::NextRows {
            stream: self.number,
        })?;
        let mut columns = Vec::with_capacity(self.key.len());
        for name in self.key.iter() {
            match answer.rows.column(name) {
                Some(column) => columns.push(column),
                None => {
                    return HostFault::fail(format!(
                        "`source.rows`: the select has no key column `{name}`"
                    ));
                }
            }
        }
        let mut keys = Vec::with_capacity(answer.rows.len());
        for row in 0..answer.rows.len() {
            let mut parts = Vec::with_capacity(columns.len());
            for column in &columns {
                match answer.rows.text(row, *column) {
                    Some(Ok(text)) => parts.push(text.into_owned()),
                    _ => return HostFault::fail("`source.rows`: a key is NULL or not text"),
                }
            }
            keys.push(Key(parts));
        }
        Ok(keys.into_iter().zip(read_rows(&answer)).collect())
    }
}

/// Rows as scripts see them.
fn read_rows(answer: &Answer) -> impl Iterator<Item = Row> {
    let shape = Rc::new(Shape::new(
        "the row".to_owned(),
        answer.rows.columns(),
        &answer.types,
        &[],
    ));
    let rows = Arc::clone(&answer.rows);
    (0..rows.len()).map(move |row| Row::Read {
        rows: Arc::clone(&rows),
        shape: Rc::clone(&shape),
        row,
    })
}

pub(super) fn rows_of(answer: &Answer) -> rhai::Array {
    read_rows(answer).map(Dynamic::from).collect()
}
