//! A row's new id, computed from its legacy key: running again gives the same ids.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::row::{Key, put_measured};

/// Room for what is hashed of most rows.
const NAME_BYTES: usize = 64;

/// How the id is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdKind {
    /// UUID v5 over (namespace, target table, key).
    #[default]
    V5,
    /// UUID v8: 48 bits of a single integer key, then SHA-256 bits; neighbours in the key are
    /// neighbours in the index.
    Ordered,
}

/// A function for Postgres that computes ordered ids, too.
pub const ORDERED_SQL: &str = include_str!("ordered.sql");

/// The id of the row that `key` becomes in `table`; `extra` holds the match values of a rule that
/// writes many rows for one key (never their ordinal, so that a new sibling moves no id).
///
/// What is hashed is `table`, key and extras, each with its length in front. An ordered id takes
/// the low 48 bits of the key with the sign bit flipped, so that negative keys sort first; a key
/// that is not a single integer falls back to v5.
pub fn id_for(namespace: Uuid, table: &str, key: &Key, extra: &[&str], kind: IdKind) -> Uuid {
    let mut name = Vec::with_capacity(NAME_BYTES);
    put_measured(table, &mut name);
    for part in &key.0 {
        put_measured(part, &mut name);
    }
    for text in extra {
        put_measured(text, &mut name);
    }
    match (kind, ordered_bits(key)) {
        (IdKind::Ordered, Some(bits)) => {
            let mut hash = Sha256::new();
            hash.update(namespace.as_bytes());
            hash.update(&name);
            let hash = hash.finalize();
            let mut id = [0_u8; 16];
            id[..6].copy_from_slice(&bits.to_be_bytes()[2..]);
            id[6..].copy_from_slice(&hash[..10]);
            uuid::Builder::from_custom_bytes(id).into_uuid()
        }
        _ => Uuid::new_v5(&namespace, &name),
    }
}

fn ordered_bits(key: &Key) -> Option<u64> {
    let [one] = &key.0[..] else { return None };
    let number: i64 = one.parse().ok()?;
    let half = 1_i64 << 47;
    (-half..half)
        .contains(&number)
        .then(|| (number + half) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NS: Uuid = Uuid::from_u128(7);

    #[test]
    fn ids_are_stable_and_apart() {
        let id = |t: &str, k: &[&str], e: &[&str]| {
            id_for(
                NS,
                t,
                &Key(k.iter().map(|s| (*s).to_owned()).collect()),
                e,
                IdKind::V5,
            )
        };
        assert_eq!(id("a", &["1"], &[]), id("a", &["1"], &[]));
        assert_ne!(id("a", &["1"], &[]), id("b", &["1"], &[]));
        assert_ne!(id("a", &["ab", "c"], &[]), id("a", &["a", "bc"], &[]));
        assert_ne!(id("a", &["1"], &["x"]), id("a", &["1"], &["y"]));
    }

    #[test]
    fn ordered_ids_sort_like_their_keys() {
        let id = |k: i64| id_for(NS, "t", &Key::single(k.to_string()), &[], IdKind::Ordered);
        let keys = [
            -1_000_000_000,
            -1,
            0,
            9,
            10,
            9_999,
            10_000,
            1_000_000_000_000,
        ];
        assert!(keys.windows(2).all(|w| id(w[0]) < id(w[1])));
        assert_eq!(id(9).get_version_num(), 8);
    }
}
