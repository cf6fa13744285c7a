//! One target row as COPY text, built cell by cell in buffers that live as long as the judge.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::bound::Copied;
use crate::catalog::{Column, Table};
use crate::row::{ColumnSet, Rows, Stage, escape_into, unescape};
use crate::script::MadeValue;
use crate::value::{Logical, Misfit, Pair, Scalar, fit, fit_text, pair, same_text};

const NULL: &[u8] = b"\\N";
/// What is reserved for lines at a time.
const LINES_BYTES: usize = 64 * 1024;
/// What a buffer may keep from a large row.
const KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The row being built, and the column sets seen so far.
pub(super) struct Encoder {
    /// Where each target column's cell lies in `bytes`.
    cells: Vec<Option<(usize, usize)>>,
    /// Escaped cells in the order they came.
    bytes: Vec<u8>,
    /// One value before it is escaped.
    plain: Vec<u8>,
    /// Where lines are put: rows leave this thread, and each with memory of its own would cost twice.
    lines: BytesMut,
    sets: Vec<ColumnSet>,
    set: Vec<u16>,
    /// Of which columns a value of their own type is stored as it is.
    same: Vec<bool>,
    /// How a typed value last met each column.
    pairs: Vec<Option<(Logical, Pair)>>,
}

impl Encoder {
    pub(super) fn new(table: &Table) -> Self {
        let columns = table.columns.len();
        let same = |column: &Column| same_text(&column.logical);
        Self {
            cells: vec![None; columns],
            same: table.columns.iter().map(same).collect(),
            bytes: Vec::new(),
            plain: Vec::new(),
            lines: BytesMut::new(),
            sets: Vec::new(),
            set: Vec::new(),
            pairs: vec![None; columns],
        }
    }

    /// Begins another row.
    pub(super) fn begin(&mut self) {
        self.cells.fill(None);
        self.bytes.clear();
    }

    /// Whether the row sets this column.
    pub(super) fn has(&self, column: u16) -> bool {
        self.cells[usize::from(column)].is_some()
    }

    /// The cell's text as the target stores it; `None` when it is NULL or not set.
    pub(super) fn text(&self, column: u16) -> Option<String> {
        let (start, end) = self.cells[usize::from(column)]?;
        let cell = &self.bytes[start..end];
        (cell != NULL).then(|| String::from_utf8_lossy(&unescape(cell)).into_owned())
    }

    /// Sets a column to what the script computed.
    pub(super) fn scalar(
        &mut self,
        at: u16,
        value: &Scalar,
        column: &Column,
        zone: Option<&str>,
    ) -> Result<(), Misfit> {
        self.plain.clear();
        let is_there = match value {
            Scalar::Typed(logical, text) if *logical != column.logical => {
                let known = &mut self.pairs[usize::from(at)];
                if known.as_ref().is_none_or(|(l, _)| l != logical) {
                    *known = Some((logical.clone(), pair(logical, &column.logical, zone)));
                }
                match known {
                    Some((_, Pair::Convert(conversion))) => {
                        conversion.apply(text, &mut self.plain)?;
                    }
                    Some((_, Pair::Refuse(why))) => {
                        return Err(Misfit {
                            code: "bad_value",
                            why: why.clone(),
                        });
                    }
                    _ => self.plain.extend_from_slice(text.as_bytes()),
                }
                true
            }
            _ => fit(value, &column.logical, &mut self.plain)?,
        };
        let start = self.bytes.len();
        if is_there {
            escape_into(&self.plain, &mut self.bytes);
        } else if column.not_null {
            return Err(Misfit {
                code: "null_not_allowed",
                why: "the column cannot be NULL".to_owned(),
            });
        } else {
            self.bytes.extend_from_slice(NULL);
        }
        self.cells[usize::from(at)] = Some((start, self.bytes.len()));
        Ok(())
    }

    /// Sets a column to a value of the script. A text, and a value of the column's own type, go without a copy.
    pub(super) fn value(
        &mut self,
        at: u16,
        value: MadeValue<'_>,
        column: &Column,
        zone: Option<&str>,
    ) -> Result<(), Misfit> {
        let logical = &column.logical;
        let text = value.text(|text| {
            let text = fit_text(text, logical)?;
            self.cell(at, text.as_bytes());
            Ok(())
        });
        if let Some(done) = text {
            return done;
        }
        if self.same[usize::from(at)] {
            let same = value.typed(logical, |text| {
                let text = fit_text(text, &Logical::Text(None))?;
                self.cell(at, text.as_bytes());
                Ok(())
            });
            if let Some(done) = same {
                return done;
            }
        }
        let as_list = matches!(logical, Logical::Array(_));
        self.scalar(at, &value.scalar(as_list)?, column, zone)
    }

    fn cell(&mut self, at: u16, plain: &[u8]) {
        let start = self.bytes.len();
        escape_into(plain, &mut self.bytes);
        self.cells[usize::from(at)] = Some((start, self.bytes.len()));
    }

    /// Sets a column to a cell of the source row. The sentence of a refusal names the columns.
    pub(super) fn copy(
        &mut self,
        copied: &Copied,
        rows: &Rows,
        row: usize,
        source: &(String, Logical),
        column: &Column,
    ) -> Result<(), (Stage, Misfit)> {
        let name = &source.0;
        let unreadable = |code, why: String| (Stage::Read, Misfit { code, why });
        if let Some(fault) = rows.fault_at(row, copied.source) {
            return Err(unreadable(
                "bad_value",
                format!("column `{name}`: {}", fault.why),
            ));
        }
        let start = self.bytes.len();
        match rows.raw(row, copied.source) {
            None if column.not_null => {
                let why = format!("column `{}` cannot be NULL, and `{name}` is", column.name);
                return Err((
                    Stage::Fit,
                    Misfit {
                        code: "null_not_allowed",
                        why,
                    },
                ));
            }
            None => self.bytes.extend_from_slice(NULL),
            Some(raw) => {
                // escapes are ASCII, so the escaped cell is UTF-8 exactly when the value is
                if std::str::from_utf8(raw).is_err() {
                    return Err(unreadable(
                        "not_utf8",
                        format!("column `{name}` holds bytes that are not UTF-8"),
                    ));
                }
                if memchr::memchr(0, raw).is_some() {
                    return Err(unreadable(
                        "nul_byte",
                        format!("column `{name}` holds a NUL byte"),
                    ));
                }
                match &copied.pair {
                    Pair::Convert(conversion) => {
                        let value = unescape(raw);
                        let text = std::str::from_utf8(&value).map_err(|_| {
                            unreadable(
                                "not_utf8",
                                format!("column `{name}` holds bytes that are not UTF-8"),
                            )
                        })?;
                        self.plain.clear();
                        conversion.apply(text, &mut self.plain).map_err(|misfit| {
                            let why =
                                format!("column `{}` from `{name}`: {}", column.name, misfit.why);
                            (
                                Stage::Fit,
                                Misfit {
                                    code: misfit.code,
                                    why,
                                },
                            )
                        })?;
                        escape_into(&self.plain, &mut self.bytes);
                    }
                    _ => self.bytes.extend_from_slice(raw),
                }
            }
        }
        self.cells[usize::from(copied.target)] = Some((start, self.bytes.len()));
        Ok(())
    }

    /// The row: its columns, ascending, and its cells in that order.
    pub(super) fn line(&mut self) -> (ColumnSet, Bytes) {
        let room = self.bytes.len() + self.cells.len();
        if self.lines.capacity() < room {
            self.lines = BytesMut::with_capacity(room.max(LINES_BYTES));
        }
        let line = &mut self.lines;
        self.set.clear();
        for (at, cell) in self.cells.iter().enumerate() {
            if let Some((start, end)) = cell {
                if !self.set.is_empty() {
                    line.put_u8(b'\t');
                }
                line.extend_from_slice(&self.bytes[*start..*end]);
                self.set.push(at as u16);
            }
        }
        let known = self.sets.iter().find(|set| ***set == self.set[..]);
        let set = known.map_or_else(|| ColumnSet::from(&self.set[..]), Arc::clone);
        if known.is_none() {
            self.sets.push(Arc::clone(&set));
        }
        let line = line.split().freeze();
        for buffer in [&mut self.bytes, &mut self.plain] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
        if line.len() > KEPT_BYTES {
            // what is left of its memory would keep all of it
            self.lines = BytesMut::new();
        }
        (set, line)
    }
}
