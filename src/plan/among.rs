//! The condition that finds many keys at once, as cheap for the server as the keys allow.

use crate::db::{Engine, ident, literal_list};
use crate::value::Logical;

/// Keys per query where each is a literal: keeps a statement's text below a few hundred kilobytes.
const LITERALS: usize = 5_000;
/// Keys per query where they go as one array, which the server does not parse one by one.
const ARRAY: usize = 50_000;

/// Conditions that together find all `keys` of a column, each for one query. What else they may find (keys
/// between the wanted ones) is for the caller to overlook.
///
/// Rows come in key order, so whole numbers often are neighbours: then a range of the index has them all. On
/// Postgres others go as one array: a list of literals is parsed, planned and folded one by one, which costs
/// more than finding the rows.
pub(super) fn among(
    engine: Engine,
    column: &str,
    logical: &Logical,
    numbers: &[i64],
    texts: &[String],
) -> Conditions {
    let column = ident(column);
    let Some((kind, least, most)) = whole(logical) else {
        let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let keys: Vec<&str> = numbers.iter().chain(texts).map(String::as_str).collect();
        let sql = keys
            .chunks(LITERALS)
            .map(|keys| literal_list(engine, logical, keys.iter().copied()))
            .filter(|list| !list.is_empty())
            .map(|list| format!("{column} in ({list})"))
            .collect();
        return Conditions {
            sql,
            are_ranges: false,
        };
    };
    let mut numbers: Vec<i64> = numbers
        .iter()
        .copied()
        .filter(|number| (least..=most).contains(number))
        .collect();
    numbers.sort_unstable();
    let (Some(lowest), Some(highest)) = (numbers.first(), numbers.last()) else {
        return Conditions::default();
    };
    if highest.abs_diff(*lowest) <= 2 * numbers.len() as u64 {
        return Conditions {
            sql: vec![format!("{column} between {lowest} and {highest}")],
            are_ranges: true,
        };
    }
    let size = match engine {
        Engine::Postgres => ARRAY,
        Engine::Sqlite => LITERALS,
    };
    let list = |numbers: &[i64]| {
        let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        match engine {
            Engine::Postgres => {
                format!("{column} = any('{{{}}}'::{kind}[])", texts.join(","))
            }
            Engine::Sqlite => format!("{column} in ({})", texts.join(",")),
        }
    };
    Conditions {
        sql: numbers.chunks(size).map(list).collect(),
        are_ranges: false,
    }
}

/// What to ask.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) sql: Vec<String>,
    /// The keys are neighbours of one another.
    pub(super) are_ranges: bool,
}

/// A whole number's type in Postgres, and what fits it.
fn whole(logical: &Logical) -> Option<(&'static str, i64, i64)> {
    match logical {
        Logical::Int2 => Some(("int2", i16::MIN.into(), i16::MAX.into())),
        Logical::Int4 => Some(("int4", i32::MIN.into(), i32::MAX.into())),
        Logical::Int8 => Some(("int8", i64::MIN, i64::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::whole_number;

    fn among_texts(engine: Engine, logical: &Logical, keys: &[&str]) -> Vec<String> {
        let keys = keys.iter().map(|key| (*key).to_owned());
        let (numbers, texts): (Vec<_>, Vec<_>) = keys.partition(|key| whole_number(key).is_some());
        let numbers: Vec<i64> = numbers.iter().filter_map(|key| whole_number(key)).collect();
        among(engine, "k", logical, &numbers, &texts).sql
    }

    #[test]
    fn neighbours_are_a_range_and_others_an_array() {
        let pg = |keys: &[&str]| among_texts(Engine::Postgres, &Logical::Int4, keys);
        assert_eq!(pg(&["7", "5", "9"]), ["\"k\" between 5 and 9"]);
        assert_eq!(pg(&["7"]), ["\"k\" between 7 and 7"]);
        assert_eq!(pg(&["900", "-5"]), ["\"k\" = any('{-5,900}'::int4[])"]);
        // nobody's keys
        assert_eq!(pg(&["x", "3000000000", ""]), Vec::<String>::new());
        let ends = [i64::MIN.to_string(), i64::MAX.to_string()];
        let ends: Vec<&str> = ends.iter().map(String::as_str).collect();
        let all = among_texts(Engine::Postgres, &Logical::Int8, &ends);
        assert!(all[0].contains("any('{-9223372036854775808,9223372036854775807}'"));
        assert_eq!(
            among_texts(Engine::Sqlite, &Logical::Int4, &["900", "5"]),
            ["\"k\" in (5,900)"]
        );
        let texts = among_texts(Engine::Postgres, &Logical::Text(None), &["a'b"]);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].starts_with("\"k\" in ("));
    }
}
