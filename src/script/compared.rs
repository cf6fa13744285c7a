//! Two values of a test that should be the same: where they are not.

use std::collections::BTreeSet;

use rhai::{Array, Dynamic, Engine, Map};

use super::spell::spelled;

/// Places that are listed; a test that misses more has another problem.
const LISTED_MAX: usize = 10;

/// A summary, and one line for each place that differs: `metadata.type: got 2, wanted 3`. `None` when the
/// values have no parts in common, so that they are best shown whole.
pub(super) fn differences(
    engine: &Engine,
    got: &Dynamic,
    wanted: &Dynamic,
) -> Option<(String, Vec<String>)> {
    let mut places = Vec::new();
    let mut compared = 0;
    walk(
        engine,
        "",
        Some(got),
        Some(wanted),
        &mut compared,
        &mut places,
    );
    let places_found = places.len();
    if compared < 2 {
        return None;
    }
    let summary = match places_found {
        0 => return None,
        1 => format!("1 of {compared} values is another than was wanted"),
        n => format!("{n} of {compared} values are others than were wanted"),
    };
    if places_found > LISTED_MAX {
        places.truncate(LISTED_MAX);
        places.push(format!("… and {} more", places_found - LISTED_MAX));
    }
    Some((summary, places))
}

fn walk(
    engine: &Engine,
    at: &str,
    got: Option<&Dynamic>,
    wanted: Option<&Dynamic>,
    compared: &mut usize,
    places: &mut Vec<String>,
) {
    if let (Some(got), Some(wanted)) = (got, wanted) {
        if let (Some(got), Some(wanted)) = (got.read_lock::<Map>(), wanted.read_lock::<Map>()) {
            let keys: BTreeSet<_> = got.keys().chain(wanted.keys()).collect();
            for key in keys {
                let at = if at.is_empty() {
                    key.to_string()
                } else {
                    format!("{at}.{key}")
                };
                walk(engine, &at, got.get(key), wanted.get(key), compared, places);
            }
            return;
        }
        if let (Some(got), Some(wanted)) = (got.read_lock::<Array>(), wanted.read_lock::<Array>()) {
            for no in 0..got.len().max(wanted.len()) {
                let at = format!("{at}[{no}]");
                walk(engine, &at, got.get(no), wanted.get(no), compared, places);
            }
            return;
        }
    }
    *compared += 1;
    let same = match (got, wanted) {
        (Some(got), Some(wanted)) => engine
            .eval_binary_op::<bool>("==", got.clone(), wanted.clone())
            .unwrap_or(false),
        _ => false,
    };
    if !same {
        let say = |value: Option<&Dynamic>| value.map_or_else(|| "nothing".to_owned(), spelled);
        places.push(format!("{at}: got {}, wanted {}", say(got), say(wanted)));
    }
}
