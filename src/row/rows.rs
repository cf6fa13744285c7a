//! A chunk of source rows in one buffer, each cell as COPY text.

use std::borrow::Cow;
use std::sync::Arc;

use super::copy_text;

/// A value that the reader could not accept for its column's declared type; the row is rejected
/// with stage `read` when the rule uses that column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFault {
    /// Row within the chunk.
    pub row: usize,
    /// Column within the row.
    pub column: usize,
    /// Sentence without the value.
    pub why: String,
}

/// Rows in key order. Cells are kept escaped, so a copied column is never taken apart.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    columns: Arc<[String]>,
    bytes: Vec<u8>,
    /// End of each cell in `bytes`, row-major. A NULL cell is the two bytes `\N`.
    ends: Vec<usize>,
    faults: Vec<ReadFault>,
}

impl Rows {
    /// No rows yet, of these columns.
    pub fn new(columns: Arc<[String]>) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }

    /// Column names, in order.
    pub fn columns(&self) -> &Arc<[String]> {
        &self.columns
    }

    /// Index of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// No rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one COPY text line (without its newline). False when it has another number of cells.
    #[must_use]
    pub fn push_line(&mut self, line: &[u8]) -> bool {
        let start = self.bytes.len();
        let before = self.ends.len();
        for cell in line.split(|b| *b == b'\t') {
            self.bytes.extend_from_slice(cell);
            self.ends.push(self.bytes.len());
        }
        let fits = self.ends.len() - before == self.columns.len();
        if !fits {
            self.ends.truncate(before);
            self.bytes.truncate(start);
        }
        fits
    }

    /// Appends the next cell, not escaped yet. Call once per column, in order.
    pub fn push_cell(&mut self, cell: Option<&[u8]>) {
        match cell {
            None => self.bytes.extend_from_slice(b"\\N"),
            Some(text) => copy_text::escape_into(text, &mut self.bytes),
        }
        self.ends.push(self.bytes.len());
    }

    /// The cell as COPY text; `None` is NULL.
    pub fn raw(&self, row: usize, column: usize) -> Option<&[u8]> {
        let cell = row * self.columns.len() + column;
        let start = if cell == 0 { 0 } else { self.ends[cell - 1] };
        let raw = &self.bytes[start..self.ends[cell]];
        (raw != b"\\N").then_some(raw)
    }

    /// All cells of a row as they lie in the buffer, for hashing: escaped and without separators.
    pub fn raw_row(&self, row: usize) -> (&[u8], &[usize]) {
        let width = self.columns.len();
        let first = row * width;
        let start = if first == 0 { 0 } else { self.ends[first - 1] };
        let ends = &self.ends[first..first + width];
        (
            &self.bytes[start..ends.last().copied().unwrap_or(start)],
            ends,
        )
    }

    /// The cell's own bytes; `None` is NULL.
    pub fn cell(&self, row: usize, column: usize) -> Option<Cow<'_, [u8]>> {
        self.raw(row, column).map(copy_text::unescape)
    }

    /// The cell as text; `None` is NULL, `Some(Err)` are bytes that are not UTF-8.
    pub fn text(&self, row: usize, column: usize) -> Option<Result<Cow<'_, str>, NotUtf8>> {
        self.cell(row, column).map(|bytes| match bytes {
            Cow::Borrowed(b) => std::str::from_utf8(b)
                .map(Cow::Borrowed)
                .map_err(|_| NotUtf8),
            Cow::Owned(b) => String::from_utf8(b).map(Cow::Owned).map_err(|_| NotUtf8),
        })
    }

    /// Records that a value did not fit its declared type.
    pub fn fault(&mut self, fault: ReadFault) {
        let place = (fault.row, fault.column);
        // readers go row by row, so this is nearly always the end
        let at = self.faults.partition_point(|f| (f.row, f.column) <= place);
        self.faults.insert(at, fault);
    }

    /// What the reader could not accept, by row and column.
    pub fn faults(&self) -> &[ReadFault] {
        &self.faults
    }

    /// The first value of a row that the reader could not accept. A chunk may be full of them, so they are not
    /// gone through for each row.
    pub fn fault_of(&self, row: usize) -> Option<&ReadFault> {
        self.fault_from((row, 0)).filter(|fault| fault.row == row)
    }

    /// Why the reader could not accept a cell.
    pub fn fault_at(&self, row: usize, column: usize) -> Option<&ReadFault> {
        let fault = self.fault_from((row, column));
        fault.filter(|fault| (fault.row, fault.column) == (row, column))
    }

    fn fault_from(&self, place: (usize, usize)) -> Option<&ReadFault> {
        let at = self.faults.partition_point(|fault| {
            #[cfg(test)]
            tests::LOOKED_AT.with(|n| n.set(n.get() + 1));
            (fault.row, fault.column) < place
        });
        self.faults.get(at)
    }
}

/// The cell's bytes are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_cells_agree() {
        let mut rows = Rows::new(["a".to_owned(), "b".to_owned()].into());
        assert!(rows.push_line(b"1\tx\\ty"));
        assert!(!rows.push_line(b"1"));
        rows.push_cell(Some(b"2"));
        rows.push_cell(None);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows.text(0, 1).and_then(Result::ok).as_deref(),
            Some("x\ty")
        );
        assert_eq!(rows.raw(1, 1), None);
        assert_eq!(rows.cell(1, 0).as_deref(), Some(&b"2"[..]));
    }

    thread_local! {
        /// Faults that were looked at to find one.
        pub(super) static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    #[test]
    fn a_chunk_full_of_bad_values_is_not_gone_through_for_each_row() {
        const ROWS: usize = 10_000;
        let mut rows = Rows::new(["a".to_owned(), "b".to_owned()].into());
        let fault = |row, column| ReadFault {
            row,
            column,
            why: format!("{row} {column}"),
        };
        for row in 0..ROWS {
            rows.push_cell(None);
            rows.push_cell(None);
            // whatever the order in which a reader finds them
            rows.fault(fault(row, 1));
            if row % 3 == 0 {
                rows.fault(fault(row, 0));
            }
        }
        LOOKED_AT.with(|n| n.set(0));
        for row in 0..ROWS {
            let first = usize::from(row % 3 != 0);
            assert_eq!(rows.fault_of(row), Some(&fault(row, first)));
            assert_eq!(rows.fault_at(row, 1), Some(&fault(row, 1)));
            assert_eq!(rows.fault_at(row, 0).is_some(), first == 0);
        }
        assert_eq!(rows.fault_of(ROWS), None);
        let looked_at = LOOKED_AT.with(std::cell::Cell::get);
        assert!(
            looked_at < ROWS * 3 * 16,
            "{looked_at} faults for {ROWS} rows"
        );
    }

    #[test]
    fn the_text_backslash_n_is_not_null() {
        let mut rows = Rows::new(["a".to_owned()].into());
        rows.push_cell(Some(b"\\N"));
        assert_eq!(rows.text(0, 0).and_then(Result::ok).as_deref(), Some("\\N"));
    }
}
