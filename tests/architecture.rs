//! Keeps `src/` honest: who may know whom, who owns which door, how long a file may be, no forgotten tests.
//!
//! When a change does not fit the map, this is the place to argue: change the map with a comment that
//! says why, and the reviewer sees what it costs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

mod files;

/// A module, its group, and the modules it may name. What is not here may not exist. A module may
/// only name modules above itself, so there is no way up and no circle.
const MAP: &[(&str, &str, &str)] = &[
    // What everything is made of. `value` knows nothing: types, pairs and texts are pure.
    ("value", "values", ""),
    ("diagnostic", "values", ""),
    // A row carries typed cells, and a rejected one says at which place of the script.
    ("row", "values", "value diagnostic"),
    ("config", "values", "diagnostic"),
    // The two databases. Sessions move text and know the types that decide how a cell is bound.
    ("db", "databases", "value row diagnostic config"),
    ("catalog", "databases", "value row diagnostic config db"),
    // Source, target and state do not know one another: what goes between them is rows and keys.
    (
        "source",
        "databases",
        "value row diagnostic config db catalog",
    ),
    (
        "target",
        "databases",
        "value row diagnostic config db catalog",
    ),
    (
        "state",
        "databases",
        "value row diagnostic config db catalog",
    ),
    // What a user writes. `script` runs it and knows nothing of headers; `rule` gives it a meaning.
    // Both see shapes of tables (`catalog`) and computed ids (`ids`), never a session.
    ("ids", "rules", "row"),
    ("script", "rules", "value row diagnostic catalog ids"),
    ("rule", "rules", "value row diagnostic catalog ids script"),
    // A step is a rule joined with both catalogs, and what it will ask them for.
    (
        "plan",
        "rules",
        "value row diagnostic config db catalog source target ids rule",
    ),
    (
        "check",
        "rules",
        "value row diagnostic config db catalog source ids script rule plan",
    ),
    // What a run does. `commit` opens a session again after an error that may pass: hence `config`.
    (
        "commit",
        "work",
        "value row diagnostic config db catalog target state ids rule",
    ),
    (
        "pipeline",
        "work",
        "value row diagnostic config db catalog source target state ids script rule plan check commit",
    ),
    // It derives and compares on its own: neither `commit` nor `pipeline`, whose work it judges. `state` says
    // why something differs (`verify/classify.rs`), never what a row should hold: a test below keeps it so.
    (
        "verify",
        "work",
        "value row diagnostic config db catalog source target state rule plan script",
    ),
    // What a verification cannot see stands once, in `verify`, and every report prints it.
    (
        "report",
        "work",
        "value row diagnostic config db catalog state rule plan verify",
    ),
    // A report held against everything it was made from; writes nothing and renders by `report`.
    (
        "recheck",
        "work",
        "value row diagnostic config db state rule verify report",
    ),
    // An edited rule beside its earlier text: rows are judged by both and written by neither.
    (
        "diff",
        "work",
        "value row diagnostic config db catalog source state script rule plan",
    ),
    // What a person touches.
    ("demo", "people", "value row diagnostic config db"),
    (
        "repl",
        "people",
        "value row diagnostic config db catalog source target state ids script rule plan check commit pipeline",
    ),
    (
        "cli",
        "people",
        "value row diagnostic config db catalog source target state ids script rule plan check commit pipeline \
         verify report recheck diff demo repl",
    ),
];

/// Groups from the bottom up: a module names its own group and the groups below.
const GROUPS: &[&str] = &["values", "databases", "rules", "work", "people"];

/// Modules that never name one another, directly: each pair of them.
const STRANGERS: &[&str] = &["source", "target", "state"];

/// Text that may appear in one module only, and why.
const DOORS: &[(&str, &[&str], &str)] = &[
    (
        "sqlx::",
        &["db"],
        "typed decoding panics and rounds; only `db` knows how to stay with text",
    ),
    (
        "rhai::",
        &["script"],
        "a script engine that leaks into other modules cannot be replaced or limited",
    ),
    (
        "minijinja::",
        &["report"],
        "templates escape and mask in one place",
    ),
    (
        "env::var",
        &["config"],
        "what a person set is read once, and shown by `config`",
    ),
    (
        "dotenvy::",
        &["config"],
        "what a person set is read once, and shown by `config`",
    ),
    (
        "rustyline::",
        &["repl"],
        "the line editor belongs to the REPL",
    ),
    (
        "clap::",
        &["cli"],
        "what was typed ends in `cli`; other modules get what was meant",
    ),
    ("println!", &["cli"], "only `cli` prints"),
    ("print!", &["cli"], "only `cli` prints"),
    ("eprintln!", &["cli"], "only `cli` prints"),
    ("eprint!", &["cli"], "only `cli` prints"),
    (
        "process::exit",
        &[],
        "the exit code is returned by `cli::main`",
    ),
];

struct SourceFile {
    path: PathBuf,
    module: String,
    text: String,
}

impl SourceFile {
    /// Lines that are not comments, numbered from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self
            .text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn source_files() -> Vec<SourceFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let first = path.strip_prefix(&root).unwrap().iter().next().unwrap();
                let module = first.to_str().unwrap().trim_end_matches(".rs").to_owned();
                // Tests beside their module may reach further to set a stage.
                if path.to_str().unwrap().ends_with("_tests.rs") {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                files.push(SourceFile { path, module, text });
            }
        }
    }
    assert!(files.len() > 20, "the sources were not found");
    files
}

/// The words that follow each `prefix` in a line: `crate::{a, b::c}` names both `a` and `b`.
fn named_after<'line>(line: &'line str, prefix: &str) -> Vec<&'line str> {
    let mut names = Vec::new();
    for after in line.split(prefix).skip(1) {
        if let Some(group) = after.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut start = true;
            for (index, letter) in group.char_indices() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    letter if start && !letter.is_whitespace() => {
                        names.push(word(&group[index..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            names.push(word(after));
        }
    }
    names
}

fn word(text: &str) -> &str {
    let end = text
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    &text[..end]
}

#[test]
fn a_module_uses_only_what_the_map_allows() {
    let map: BTreeMap<_, _> = MAP
        .iter()
        .map(|(module, _, may_use)| (*module, *may_use))
        .collect();
    let mut wrong = Vec::new();
    for file in source_files() {
        let module = file.module.as_str();
        if module == "main" || module == "lib" {
            continue;
        }
        let Some(may_use) = map.get(module) else {
            wrong.push(format!(
                "{}: `{module}` is not on the map",
                file.path.display()
            ));
            continue;
        };
        for (number, line) in file.code() {
            if line.trim_end().ends_with("crate::{") {
                wrong.push(format!(
                    "{}:{number}: one `use` a module, so that the map can be read",
                    file.path.display()
                ));
            }
            for used in named_after(line, "crate::") {
                if used != module && !may_use.split_whitespace().any(|name| name == used) {
                    wrong.push(format!(
                        "{}:{number}: `{module}` may not use `{used}`",
                        file.path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_has_no_way_up() {
    let rank = |group: &str| {
        GROUPS
            .iter()
            .position(|name| *name == group)
            .expect("a known group")
    };
    for (index, (module, group, may_use)) in MAP.iter().enumerate() {
        for used in may_use.split_whitespace() {
            let above = MAP[..index].iter().find(|(name, _, _)| *name == used);
            let (_, used_group, _) =
                above.unwrap_or_else(|| panic!("{module} may not use {used}: it comes later"));
            assert!(
                rank(used_group) <= rank(group),
                "{module} ({group}) may not use {used} ({used_group})"
            );
        }
        assert!(
            !STRANGERS.contains(module)
                || !may_use
                    .split_whitespace()
                    .any(|used| STRANGERS.contains(&used)),
            "{module} names another of {STRANGERS:?}"
        );
    }
}

#[test]
fn a_rule_meets_databases_only_as_shapes() {
    // Purity rests on it: what a rule could reach, a rule would sooner or later read.
    for (module, _, may_use) in MAP {
        if ["script", "rule"].contains(module) {
            assert!(
                !["db", "source", "target", "state", "config"]
                    .iter()
                    .any(|door| may_use.split_whitespace().any(|used| used == *door)),
                "{module}"
            );
        }
    }
}

#[test]
fn what_verify_compares_never_comes_from_the_state() {
    // The entry opens the state, `table` and `whole` hand it on or count by it; only `classify` reads rows' histories.
    let compares = [
        "cells", "compare", "derive", "locate", "probe", "read", "refused",
    ];
    let mut wrong = Vec::new();
    for file in source_files().iter().filter(|file| file.module == "verify") {
        let name = file.path.file_stem().unwrap().to_str().unwrap();
        for (number, line) in file.code() {
            if compares.contains(&name) && named_after(line, "crate::").contains(&"state") {
                wrong.push(format!("{}:{number}", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_door_has_one_keeper() {
    let mut wrong = Vec::new();
    for file in source_files() {
        for (number, line) in file.code() {
            for (text, keepers, why) in DOORS {
                let boundary = |at: usize| {
                    !line[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
                };
                let found = line.match_indices(text).any(|(at, _)| boundary(at));
                if found && !keepers.contains(&file.module.as_str()) {
                    wrong.push(format!(
                        "{}:{number}: `{text}` belongs in {keepers:?}: {why}",
                        file.path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readers_of_the_map_see_what_is_written() {
    assert_eq!(named_after("use crate::row::Key;", "crate::"), ["row"]);
    assert_eq!(
        named_after("fn f(a: crate::row::Key, b: &crate::db::Rows)", "crate::"),
        ["row", "db"]
    );
    assert_eq!(
        named_after("use crate::{db::{Rows, Session}, row};", "crate::"),
        ["db", "row"]
    );
}
