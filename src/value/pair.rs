//! Which source type may meet which target type.

use super::{Conversion, Logical};

/// What happens to values of a source column that goes to a target column.
#[derive(Clone, Debug)]
pub enum Pair {
    /// Every value fits and its text stays as it is.
    Copy,
    /// Each value is checked or converted.
    Convert(Conversion),
    /// Never; the sentence says what to do instead.
    Refuse(String),
}

/// Decides a pair. `zone` is the rule's time zone, for `timestamp` to `timestamptz`.
pub fn pair(source: &Logical, target: &Logical, zone: Option<&str>) -> Pair {
    let _ = zone;
    if source == target {
        return Pair::Copy;
    }
    Pair::Refuse(format!(
        "{source} does not become {target} by itself; convert it in the script"
    ))
}

/// Source, target, decision: for the documents.
pub fn pair_table() -> Vec<(String, String, String)> {
    Vec::new()
}
