//! The list of points is complete, and each of them is passed by some command.

use std::collections::BTreeSet;
use std::path::Path;

use runner::db::{MUTANTS, POINTS};

use super::stage::stages;

/// The names of points in the sources: `point("…")`, `failpoint("…")`, and the doors, which are told apart by role.
fn in_the_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with("db/points.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for call in [
                "point(\"",
                "Self::Source => [\"",
                "Self::TargetReader => [\"",
                "Self::TargetWriter => [\"",
            ] {
                for after in text.split(call).skip(1) {
                    let line = after.split([']', ')']).next().unwrap();
                    let names = line.split('"').filter(|name| name.contains('.'));
                    found.extend(names.map(str::to_owned));
                }
            }
        }
    }
    found
}

#[test]
fn the_list_of_points_is_that_of_the_sources() {
    let listed: Vec<&str> = POINTS
        .iter()
        .chain(MUTANTS)
        .map(|(name, _)| *name)
        .collect();
    let set: BTreeSet<String> = listed.iter().map(ToString::to_string).collect();
    assert_eq!(set.len(), listed.len(), "a point is listed twice");
    assert_eq!(set, in_the_sources());
    assert!(
        POINTS
            .iter()
            .chain(MUTANTS)
            .all(|(_, says)| says.len() > 15)
    );
}

#[test]
fn some_command_passes_each_point() {
    let passed: BTreeSet<&str> = stages()
        .iter()
        .flat_map(|stage| stage.passes.keys())
        .map(|(point, _)| point.as_str())
        .collect();
    let never: Vec<&str> = POINTS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !passed.contains(name))
        .collect();
    assert_eq!(never, Vec::<&str>::new());
}
