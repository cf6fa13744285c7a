//! A row of a bulk read as one value. The driver copies each value by itself and hands it to another
//! thread: 12 µs of CPU for a row of thirteen columns, 4 for the same row as a JSON array that SQLite
//! itself puts together.

use std::fmt::Write as _;

use super::quote::unhex;
use crate::value::{Logical, Storage};

/// SQLite's functions take at most 127 arguments where it was built so.
const MAX_COLUMNS: usize = 100;

/// The select with each row as one JSON array, or all of them as one array of such, where all `types` are of a few
/// bytes: handing a row over costs as much as reading it. `None` when there are more columns than it can have.
///
/// Numbers and NULL stand in it as they are; a text as a string, whatever the expression it comes from (of
/// `json(…)` SQLite would take the text apart, but not of what `||` gives); a real, which JSON would round,
/// as an array of its literal; a blob as an array of `0` and its digits.
pub(super) fn sql(select: &str, columns: usize, at_once: bool) -> Option<String> {
    if columns == 0 || columns > MAX_COLUMNS {
        return None;
    }
    let (open, close) = if at_once {
        ("json_group_array(", ")")
    } else {
        ("", "")
    };
    let mut names = String::new();
    let mut cells = String::new();
    for column in 0..columns {
        let comma = if column == 0 { "" } else { "," };
        let _ = write!(names, "{comma}c{column}");
        let _ = write!(
            cells,
            "{comma}case typeof(c{column}) when 'text' then c{column}||'' when 'real' then json_array(quote(c{column})) \
             when 'blob' then json_array(0,hex(c{column})) else c{column} end"
        );
    }
    // the select may end in a comment, which the new line ends
    Some(format!(
        "with runner_packed({names}) as ({select}\n) select {open}json_array({cells}){close} from runner_packed"
    ))
}

/// Whether values of these declared types are a few bytes each.
pub(super) fn are_small(types: &[&Logical]) -> bool {
    let small = |logical: &&Logical| {
        matches!(
            logical,
            Logical::Bool | Logical::Int2 | Logical::Int4 | Logical::Int8 | Logical::Uuid
        )
    };
    !types.is_empty() && types.iter().all(small)
}

/// Whether a real may be read from its literal, which SQLite writes exactly for numbers of a usual size: of 2,000
/// of any bits, those from 1e89 on (and below 1e-88) were often off by the last one.
/// A zero loses its sign.
pub(super) fn is_exact(real: f64) -> bool {
    (1e-15..1e15).contains(&real.abs())
}

/// Whether the select may do as it was written: it is not one that can be packed (or not a good one,
/// which it then says itself), or a row would become too long a text.
pub(super) fn cannot(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("1" | "18")),
        sqlx::Error::Decode(_) => true,
        _ => false,
    }
}

/// The array is not one of ours.
#[derive(Debug)]
pub(super) struct Unreadable;

/// Takes what came apart, cell by cell: storage class and text (of a blob, its bytes); `None` is NULL.
pub(super) fn each_cell(
    packed: &[u8],
    at_once: bool,
    scratch: &mut Vec<u8>,
    mut cell: impl FnMut(Option<(Storage, &[u8])>) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let mut rest = packed;
    if !at_once {
        rest = array(rest, scratch, &mut cell)?;
    } else if rest == b"[]" {
        rest = b"";
    } else {
        let mut before = &b"["[..];
        while rest != b"]" {
            rest = array(after(rest, before)?, scratch, &mut cell)?;
            before = b",";
        }
        rest = b"";
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Unreadable)
    }
}

/// One row; what follows it.
fn array<'a>(
    text: &'a [u8],
    scratch: &mut Vec<u8>,
    cell: &mut impl FnMut(Option<(Storage, &[u8])>) -> Result<(), Unreadable>,
) -> Result<&'a [u8], Unreadable> {
    let mut rest = after(text, b"[")?;
    loop {
        match rest.first() {
            Some(b'"') => {
                let text;
                (text, rest) = string(&rest[1..], scratch)?;
                cell(Some((Storage::Text, text.unwrap_or(scratch))))?;
            }
            Some(b'n') => {
                rest = after(rest, b"null")?;
                cell(None)?;
            }
            Some(b'[') if rest.starts_with(b"[0,\"") => {
                let digits;
                (digits, rest) = string(&rest[4..], scratch)?;
                let bytes = unhex(digits.unwrap_or(scratch)).ok_or(Unreadable)?;
                rest = after(rest, b"]")?;
                cell(Some((Storage::Blob, &bytes)))?;
            }
            Some(b'[') => {
                let literal;
                (literal, rest) = string(after(rest, b"[\"")?, scratch)?;
                rest = after(rest, b"]")?;
                cell(Some((Storage::Real, literal.unwrap_or(scratch))))?;
            }
            _ => {
                let end = rest.iter().position(|b| matches!(b, b',' | b']'));
                let (digits, more) = rest.split_at(end.ok_or(Unreadable)?);
                if digits.is_empty() || !digits.iter().all(|b| b.is_ascii_digit() || *b == b'-') {
                    return Err(Unreadable);
                }
                rest = more;
                cell(Some((Storage::Integer, digits)))?;
            }
        }
        match rest {
            [b',', more @ ..] => rest = more,
            [b']', more @ ..] => return Ok(more),
            _ => return Err(Unreadable),
        }
    }
}

fn after<'a>(text: &'a [u8], begin: &[u8]) -> Result<&'a [u8], Unreadable> {
    text.strip_prefix(begin).ok_or(Unreadable)
}

/// A string's own bytes, and what follows its closing quote. Without bytes they are in `scratch`: something
/// was escaped.
fn string<'a>(
    text: &'a [u8],
    scratch: &mut Vec<u8>,
) -> Result<(Option<&'a [u8]>, &'a [u8]), Unreadable> {
    let end = |text: &[u8]| memchr::memchr2(b'"', b'\\', text).ok_or(Unreadable);
    let at = end(text)?;
    if text[at] == b'"' {
        return Ok((Some(&text[..at]), &text[at + 1..]));
    }
    scratch.clear();
    let mut rest = text;
    loop {
        let at = end(rest)?;
        scratch.extend_from_slice(&rest[..at]);
        rest = match &rest[at..] {
            [b'"', more @ ..] => return Ok((None, more)),
            [b'\\', b'u', b'0', b'0', high, low, more @ ..] => {
                scratch.extend(unhex(&[*high, *low]).ok_or(Unreadable)?);
                more
            }
            [b'\\', short, more @ ..] => {
                scratch.push(match short {
                    b'"' | b'\\' => *short,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'f' => 12,
                    b'r' => b'\r',
                    _ => return Err(Unreadable),
                });
                more
            }
            _ => return Err(Unreadable),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cell = Option<(Storage, Vec<u8>)>;

    fn taken_apart(packed: &str, at_once: bool) -> Option<Vec<Cell>> {
        let mut cells = Vec::new();
        each_cell(packed.as_bytes(), at_once, &mut Vec::new(), |cell| {
            cells.push(cell.map(|(storage, text)| (storage, text.to_vec())));
            Ok(())
        })
        .ok()?;
        Some(cells)
    }

    #[test]
    fn a_row_comes_apart_by_storage_class() {
        let cells = taken_apart(
            r#"[-7,null,"a\"\\\n\u0000,]",["1.5"],[0,"00FF"],""]"#,
            false,
        );
        let expected = [
            Some((Storage::Integer, &b"-7"[..])),
            None,
            Some((Storage::Text, b"a\"\\\n\0,]")),
            Some((Storage::Real, b"1.5")),
            Some((Storage::Blob, b"\x00\xff")),
            Some((Storage::Text, b"")),
        ];
        let expected = expected.map(|cell| cell.map(|(storage, text)| (storage, text.to_vec())));
        assert_eq!(cells, Some(expected.to_vec()));
    }

    #[test]
    fn what_is_no_packed_row_is_not_guessed_at() {
        for array in [
            "",
            "[",
            "[]",
            "[1",
            "[1.5]",
            "[1,]",
            "{}",
            "[{}]",
            "[[1]]",
            "[\"a]",
            "[[\"1\"]",
            "[nul]",
            "[1]]",
            "[\"\\u1234\"]",
            "[\"\\x\"]",
            "[[0,\"0\"]]",
        ] {
            assert_eq!(taken_apart(array, false), None, "{array}");
            let rows = format!("[[7],{array}]");
            assert_eq!(taken_apart(&rows, true), None, "{rows}");
        }
        for rows in ["", "[", "[1]", "[[1]", "[[1],]", "[[1],[2]]]", "[[1][2]]"] {
            assert_eq!(taken_apart(rows, true), None, "{rows}");
        }
    }

    #[test]
    fn rows_that_come_at_once_are_all_there() {
        let cell = |text: &str| Some((Storage::Integer, text.as_bytes().to_vec()));
        let expected = vec![cell("1"), None, cell("3"), cell("4")];
        assert_eq!(taken_apart("[[1,null],[3,4]]", true), Some(expected));
        assert_eq!(taken_apart("[]", true), Some(vec![]));
    }
}
