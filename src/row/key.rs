//! A source row's key: one or more values as text.

use std::fmt;
use std::io::Write as _;

/// The key's components as the server's text, in the order of the rule's `key`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Vec<String>);

/// Appends a text with its length in front: `5:order`.
pub(crate) fn put_measured(text: &str, out: &mut Vec<u8>) {
    // a Vec takes everything
    let _ = write!(out, "{}:", text.len());
    out.extend_from_slice(text.as_bytes());
}

impl Key {
    /// A key of one column.
    pub fn single(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    /// What is hashed into ids and stored in manifests: each component with its length in front, so
    /// that no two keys differ only in where they are cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.0 {
            put_measured(part, &mut out);
        }
        out
    }

    /// What a person types and reads: the text itself, or a JSON array for a composite key.
    pub fn parse(text: &str, width: usize) -> Option<Self> {
        if width == 1 {
            return Some(Self::single(text));
        }
        let parts: Vec<String> = match serde_json::from_str::<Vec<serde_json::Value>>(text) {
            Ok(values) => values
                .into_iter()
                .map(|v| v.as_str().map_or_else(|| v.to_string(), ToOwned::to_owned))
                .collect(),
            Err(_) => text.split(',').map(|p| p.trim().to_owned()).collect(),
        };
        (parts.len() == width).then_some(Self(parts))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => f.write_str(one),
            parts => f.write_str(&serde_json::to_string(parts).map_err(|_| fmt::Error)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cut_elsewhere_differ() {
        let a = Key(vec!["ab".into(), "c".into()]);
        let b = Key(vec!["a".into(), "bc".into()]);
        assert_ne!(a.encode(), b.encode());
    }

    #[test]
    fn composite_keys_read_back() {
        let key = Key(vec!["a,\"b".into(), "2".into()]);
        assert_eq!(Key::parse(&key.to_string(), 2), Some(key));
        assert_eq!(
            Key::parse("1, 2", 2),
            Some(Key(vec!["1".into(), "2".into()]))
        );
    }
}
