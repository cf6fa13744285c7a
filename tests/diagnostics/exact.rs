//! Each diagnostic, word by word: excerpt, caret, call stack and hint. `check.txt` holds what `runner check`
//! says of the broken rules in `check/`, `run.txt` what `runner test` says of the ways to die in
//! `run/run.rhai`. After a wording was changed on purpose, `RUNNER_TEST_BLESS=1` writes both anew; read the
//! difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Engine, Project};

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/diagnostics")
        .join(name)
}

/// A project without databases whose rules are those of a folder beside this file.
fn project(folder: &str) -> Project {
    let project = Project::empty(Engine::Sqlite, Engine::Sqlite);
    // what is compared with a catalog is tests/check.rs
    project.write(".env", "");
    for relative in ["", "lib/"] {
        for entry in fs::read_dir(here(folder).join(relative)).expect("rules") {
            let path = entry.expect("entry").path();
            if path.is_file() {
                let name = path
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                let text = fs::read_to_string(&path).expect("a rule");
                project.write(&format!("rules/{relative}{name}"), &text);
            }
        }
    }
    project
}

#[track_caller]
fn says(said: &str, golden: &str) {
    // an editor may strip what stands at the end of a line; it carries nothing
    let mut lines = String::with_capacity(said.len());
    for line in said.lines() {
        lines += line.trim_end();
        lines.push('\n');
    }
    let said = lines;
    if std::env::var_os("RUNNER_TEST_BLESS").is_some() {
        fs::write(here(golden), &said).expect("written");
    }
    let wanted = fs::read_to_string(here(golden)).expect("what it should say");
    for (no, (is, should)) in said.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(is, should, "{golden}, line {}", no + 1);
    }
    assert_eq!(
        said.lines().count(),
        wanted.lines().count(),
        "{golden} has other lines"
    );
}

#[test]
fn what_check_says_of_each_broken_rule() {
    let output = project("check").runner(&["check"]);
    output.ends_with(5);
    says(&format!("{}{}", output.stdout, output.stderr), "check.txt");
}

#[test]
fn what_a_rule_dies_of() {
    let output = project("run").runner(&["test"]);
    output.ends_with(1);
    says(&format!("{}{}", output.stdout, output.stderr), "run.txt");
}
