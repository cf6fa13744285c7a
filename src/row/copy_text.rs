//! Postgres' COPY text encoding of one cell. It lives here because [`super::Rows`] keeps cells in
//! this form: a copied column goes from one server to the other without being taken apart.

use std::borrow::Cow;

/// Appends `text` to `out` the way COPY text wants a cell (NULL is `\N`, written by the caller).
pub fn escape_into(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = escaped_at(rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            8 => b"\\b",
            11 => b"\\v",
            _ => b"\\f",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Bytes looked at together; so few that a short cell is not dearer.
const BLOCK: usize = 16;

/// Where the first byte lies that is written with a backslash.
fn escaped_at(text: &[u8]) -> Option<usize> {
    let is_escaped = |b: &u8| matches!(b, b'\\' | b'\n' | b'\r' | b'\t' | 8 | 11 | 12);
    let blocks = text.chunks_exact(BLOCK);
    let tail = blocks.remainder().len();
    // without a way out of the loop, so that a block is one comparison of a vector
    let suspects = |block: &[u8]| {
        block
            .iter()
            .map(|b| u8::from(*b < 14) + u8::from(*b == b'\\'))
            .sum::<u8>()
    };
    for (index, block) in blocks.enumerate() {
        if suspects(block) > 0
            && let Some(at) = block.iter().position(is_escaped)
        {
            return Some(index * BLOCK + at);
        }
    }
    let start = text.len() - tail;
    let at = text[start..].iter().position(is_escaped)?;
    Some(start + at)
}

/// The cell's own bytes. Borrowed when nothing was escaped.
pub fn unescape(cell: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', cell) else {
        return Cow::Borrowed(cell);
    };
    let mut out = Vec::with_capacity(cell.len());
    out.extend_from_slice(&cell[..first]);
    let mut rest = &cell[first..];
    while let [b, tail @ ..] = rest {
        if *b != b'\\' {
            out.push(*b);
            rest = tail;
            continue;
        }
        let (byte, tail) = match tail {
            [b'n', t @ ..] => (b'\n', t),
            [b'r', t @ ..] => (b'\r', t),
            [b't', t @ ..] => (b'\t', t),
            [b'b', t @ ..] => (8, t),
            [b'v', t @ ..] => (11, t),
            [b'f', t @ ..] => (12, t),
            [c, t @ ..] => (*c, t),
            [] => (b'\\', tail),
        };
        out.push(byte);
        rest = tail;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cell_survives(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut cell = Vec::new();
            escape_into(&bytes, &mut cell);
            prop_assert!(!cell.contains(&b'\t') && !cell.contains(&b'\n'));
            let back = unescape(&cell);
            prop_assert_eq!(back.as_ref(), &bytes[..]);
        }
    }
}
