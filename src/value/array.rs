//! Array literals such as `{1,NULL,"a b"}`, as Postgres writes and reads them.

use super::Misfit;

/// One element, or a nested list of them.
#[derive(Debug, PartialEq)]
pub(super) enum Item {
    Null,
    Value(String),
    List(Vec<Item>),
}

impl Item {
    /// Appends the literal of a list. Refuses lists of unequal length side by side, and nested empty ones.
    pub(super) fn put(&self, out: &mut Vec<u8>) -> Result<(), Misfit> {
        let mut shape = Vec::new();
        self.check(0, &mut shape)?;
        self.write(out);
        Ok(())
    }

    /// Every list at one depth has the same length, and only lists have lists beside them.
    fn check(&self, depth: usize, shape: &mut Vec<Option<usize>>) -> Result<(), Misfit> {
        let here = if let Self::List(items) = self {
            Some(items.len())
        } else {
            None
        };
        let uneven = || {
            Misfit::new(
                "bad_value",
                "has rows of different length, which an array column cannot hold",
            )
        };
        match shape.get(depth) {
            Some(known) if *known != here => return Err(uneven()),
            Some(_) => {}
            None => shape.push(here),
        }
        if depth > 0 && here == Some(0) {
            return Err(Misfit::new(
                "bad_value",
                "has an empty row within an array, which Postgres drops",
            ));
        }
        if let Self::List(items) = self {
            for item in items {
                item.check(depth + 1, shape)?;
            }
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"NULL"),
            Self::Value(text) if needs_quotes(text) => {
                out.push(b'"');
                for byte in text.bytes() {
                    if matches!(byte, b'"' | b'\\') {
                        out.push(b'\\');
                    }
                    out.push(byte);
                }
                out.push(b'"');
            }
            Self::Value(text) => out.extend_from_slice(text.as_bytes()),
            Self::List(items) => {
                out.push(b'{');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

fn needs_quotes(text: &str) -> bool {
    let special = |byte: u8| {
        matches!(
            byte,
            b'"' | b'\\' | b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c
        )
    };
    text.is_empty() || text.eq_ignore_ascii_case("null") || text.bytes().any(special)
}

/// Reads a literal without explicit bounds and without blanks between its elements.
pub(super) fn read(text: &str) -> Result<Item, Misfit> {
    let mut characters = text.char_indices().peekable();
    let mut open: Vec<Vec<Item>> = Vec::new();
    // After `{` or `,` an item must come; after an item, `,` or `}`.
    let mut wants_item = true;
    while let Some((_, character)) = characters.next() {
        match character {
            '{' if wants_item => open.push(Vec::new()),
            '}' => {
                let items = open.pop().ok_or_else(malformed)?;
                if wants_item && !items.is_empty() {
                    return Err(malformed());
                }
                wants_item = false;
                match open.last_mut() {
                    Some(outer) => outer.push(Item::List(items)),
                    None if characters.peek().is_none() => return Ok(Item::List(items)),
                    None => return Err(malformed()),
                }
            }
            ',' if !wants_item && !open.is_empty() => wants_item = true,
            _ if wants_item && !open.is_empty() && !matches!(character, ',' | ' ') => {
                let quoted = character == '"';
                let mut value = String::new();
                let mut escaped = character == '\\';
                if !quoted && !escaped {
                    value.push(character);
                }
                loop {
                    match characters.peek() {
                        Some((_, next)) if escaped => value.push(*next),
                        Some((_, '"')) if quoted => break,
                        Some((_, ',' | '}')) if !quoted => break,
                        Some((_, '{' | '"' | ' ')) if !quoted => return Err(malformed()),
                        Some((_, '\\')) => {
                            escaped = true;
                            characters.next();
                            continue;
                        }
                        Some((_, next)) => value.push(*next),
                        None => return Err(malformed()),
                    }
                    escaped = false;
                    characters.next();
                }
                if quoted {
                    characters.next();
                }
                let null = !quoted && value.eq_ignore_ascii_case("null");
                let item = if null { Item::Null } else { Item::Value(value) };
                open.last_mut().ok_or_else(malformed)?.push(item);
                wants_item = false;
            }
            _ => return Err(malformed()),
        }
    }
    Err(malformed())
}

fn malformed() -> Misfit {
    Misfit::new("bad_value", "is not an array literal such as {1,2}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Item {
        Item::Value(text.to_owned())
    }

    #[test]
    fn literals_are_quoted_as_postgres_quotes_them() {
        let items = [
            "1", "a b", "", "NULL", "a\\b", "x\"y", "{", "é", "a\tb", "nUll", "null!",
        ]
        .map(value);
        let mut list = Vec::from(items);
        list.push(Item::Null);
        let mut out = Vec::new();
        Item::List(list).put(&mut out).expect("a flat list");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "{1,\"a b\",\"\",\"NULL\",\"a\\\\b\",\"x\\\"y\",\"{\",é,\"a\tb\",\"nUll\",null!,NULL}"
        );
    }

    #[test]
    fn uneven_arrays_are_refused() {
        for text in ["{{1,2},{3}}", "{{1},2}", "{1,{2}}", "{{},{}}", "{{1},NULL}"] {
            let item = read(text).expect("well-formed");
            assert!(item.put(&mut Vec::new()).is_err(), "{text}");
        }
        for text in ["{}", "{{1,2},{3,4}}", "{NULL,NULL}"] {
            let mut out = Vec::new();
            read(text).and_then(|item| item.put(&mut out)).expect(text);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
        for text in [
            "",
            "1",
            "{",
            "}",
            "{1",
            "{1}}",
            "{1,}",
            "{,1}",
            "{1}x",
            "[0:1]={1,2}",
            "{\"a}",
            "{a\"b}",
            "{{1}{2}}",
            "{1 }",
            "{\"a\"b}",
            "{a\\",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(texts in prop::collection::vec(prop::option::of("[^\\x00]{0,8}"), 0..6)) {
            let list = Item::List(texts.into_iter().map(|text| text.map_or(Item::Null, Item::Value)).collect());
            let mut out = Vec::new();
            list.put(&mut out).expect("a flat list");
            prop_assert_eq!(read(std::str::from_utf8(&out).expect("UTF-8")), Ok(list));
        }
    }
}
