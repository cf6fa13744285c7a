//! The documentation does what it says: its rules are written to disk, its commands run, its output compared.
//!
//! In a fenced block marked `sh` each command is run; `# exits with N` behind one names its exit code, otherwise
//! it is 0. A block marked `text` after it shows lines of what they said. A block marked `rhai` that begins
//! with `// rules/NAME.rhai` is that file, from then on.

use std::path::Path;
use std::process::Command;

use crate::support::{Engine, Project, run_limited};

/// A fenced block: its mark, its text, the line it begins at.
struct Block {
    mark: String,
    text: String,
    line: usize,
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found: Vec<Block> = vec![];
    let mut open = false;
    for (number, line) in document.lines().enumerate() {
        if let Some(mark) = line.strip_prefix("```") {
            open = !open;
            if open {
                let (mark, text) = (mark.to_owned(), String::new());
                found.push(Block {
                    mark,
                    text,
                    line: number + 1,
                });
            }
        } else if open {
            let block = found.last_mut().unwrap();
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    assert!(!open, "a block that never ends");
    found
}

/// Commands with their exit codes; a here-document belongs to its command.
fn commands(text: &str) -> Vec<(String, i32)> {
    let mut found = vec![];
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (mut command, code) = match line.split_once("# exits with ") {
            Some((command, code)) => (command.to_owned(), code.trim().parse().unwrap()),
            None => (line.to_owned(), 0),
        };
        if let Some((_, end)) = line.split_once("<<") {
            let end = end.trim_matches('\'');
            for more in lines.by_ref() {
                command.push('\n');
                command.push_str(more);
                if more == end {
                    break;
                }
            }
        }
        if !command.trim().is_empty() {
            found.push((command, code));
        }
    }
    found
}

/// Words only, so that columns may be narrower on the page.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs a document from top to bottom in a folder of its own and returns how many blocks it looked at.
fn follow(project: &Project, document: &str) -> usize {
    let folder = Path::new(env!("CARGO_BIN_EXE_runner")).parent().unwrap();
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.display());
    let mut said = String::new();
    let mut done = 0;
    for block in blocks(document) {
        match block.mark.as_str() {
            "sh" => {
                said.clear();
                for (command, code) in commands(&block.text) {
                    let mut shell = Command::new("/bin/sh");
                    shell
                        .args(["-c", &command])
                        .current_dir(project.path(""))
                        .env_clear();
                    shell
                        .env("PATH", &path)
                        .env("HOME", project.path(""))
                        .env("NO_COLOR", "1");
                    let output = run_limited(&mut shell, std::time::Duration::from_mins(2));
                    assert_eq!(
                        output.code, code,
                        "line {}: {command}\n{output}",
                        block.line
                    );
                    said.push_str(&output.stdout);
                    said.push_str(&output.stderr);
                }
            }
            "text" => {
                let said = words(&said);
                for line in block
                    .text
                    .lines()
                    .map(words)
                    .filter(|line| !line.is_empty())
                {
                    assert!(
                        said.contains(&line),
                        "line {}: nobody says {line:?}\n{said}",
                        block.line
                    );
                }
            }
            "rhai" => {
                let (name, _) =
                    named(&block).unwrap_or_else(|| panic!("line {}: no name", block.line));
                project.write(&name, &block.text);
            }
            _ => continue,
        }
        done += 1;
    }
    done
}

/// The file that a block of a rule is, with its text.
fn named(block: &Block) -> Option<(String, &str)> {
    let (first, _) = block.text.split_once('\n')?;
    let name = first.strip_prefix("// ")?;
    name.starts_with("rules/")
        .then(|| (name.to_owned(), block.text.as_str()))
}

/// A folder without settings or databases.
fn empty() -> Project {
    let project = Project::empty(Engine::Sqlite, Engine::Sqlite);
    std::fs::remove_file(project.path(".env")).unwrap();
    project
}

#[test]
fn the_guide_goes_from_a_legacy_table_to_a_verified_one() {
    let project = empty();
    let done = follow(&project, include_str!("../docs/guide.md"));
    assert!(done > 15, "{done} blocks");
    assert!(project.read("report.html").contains("asked the clinic"));
}

#[test]
fn the_readme_can_be_followed() {
    let project = empty();
    project.use_shipped_rules();
    project.runner(&["demo", "--scale", "0.01"]).ends_with(0);
    let document = include_str!("../README.md");
    let (set_up, rest) = document.split_once("## Five minutes").unwrap();
    let set_up: Vec<String> = blocks(set_up).into_iter().map(|block| block.text).collect();
    assert_eq!(
        set_up,
        ["cargo run --release --locked -- demo\ntests/run\n"]
    );
    // The rule on the page is a whole one.
    let shown = blocks(rest).into_iter().find(|b| b.mark == "rhai").unwrap();
    project.write("shown/purchases.rhai", &shown.text);
    project
        .runner(&["test", "--rules", "shown"])
        .ends_with(0)
        .prints("1 passed, 0 failed");
    let commands = rest.replace("```rhai\n", "```\n");
    assert!(follow(&project, &commands) >= 3);
    assert!(project.path("report.html").is_file());
    for link in document.split("](").skip(1) {
        let file = link.split(')').next().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.is_file(), "{file} is not there");
    }
}

#[test]
fn every_recipe_of_the_cookbook_passes_its_own_tests() {
    let project = empty();
    let document = include_str!("../docs/cookbook.md");
    let mut rules = 0;
    for block in blocks(document).iter().filter(|block| block.mark == "rhai") {
        let (name, text) = named(block).unwrap_or_else(|| panic!("line {}: no name", block.line));
        project.write(&name, text);
        rules += usize::from(!name.contains("/lib/"));
    }
    assert!(rules >= 8, "{rules} rules");
    follow(&project, document);
    let tested = project.runner(&["test"]);
    tested.ends_with(0).prints(", 0 failed");
    // each of them has a test of its own
    for rule in project.rules() {
        project
            .runner(&["test", &rule])
            .ends_with(0)
            .prints(&format!("{rule}::test_"));
    }
}

#[test]
fn the_editor_recipe_matches_what_check_prints() {
    let document = include_str!("../docs/editor.md");
    let block = blocks(document)
        .into_iter()
        .find(|block| block.mark == "json")
        .expect("a problem matcher");
    let tasks: serde_json::Value = serde_json::from_str(&block.text).expect("JSON");
    let matcher = &tasks["tasks"][0]["problemMatcher"];
    let pattern = matcher["pattern"]["regexp"].as_str().unwrap();
    // The only pattern we need to read: groups of anything but colons, parted by colons.
    assert_eq!(
        pattern,
        r"^(.+?):(\d+):(\d+): (error|warning|hazard|note): (.*)$"
    );
    let project = Project::people();
    project.edit("rules/people.rhai", "name: row.name,", "name: row.nmae,");
    let check = project.runner(&["check"]);
    check.ends_with(5);
    let finding = check
        .stdout
        .lines()
        .find(|line| line.contains("nmae"))
        .expect("a finding");
    let mut parts = finding.splitn(5, ':');
    let place: Vec<&str> = parts.by_ref().take(3).collect();
    assert_eq!(place[0], "rules/people.rhai");
    assert!(
        place[1..]
            .iter()
            .all(|number| number.parse::<u32>().is_ok()),
        "{finding}"
    );
    assert_eq!(parts.next(), Some(" error"));
    // The lines that frame one pass of the watch.
    let task = &tasks["tasks"][0];
    let command: Vec<&str> = task["command"].as_str().unwrap().split(' ').collect();
    assert_eq!(command[0], "runner");
    let frame = |name: &str| {
        let text = matcher["background"][name].as_str().unwrap();
        text.trim_matches(['^', '$']).to_owned()
    };
    let (begins, ends) = (frame("beginsPattern"), frame("endsPattern"));
    let mut watch = project.start(&command[1..]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    project.edit("rules/people.rhai", "name: row.nmae,", "name: row.name,");
    std::thread::sleep(std::time::Duration::from_secs(2));
    watch.child.kill().unwrap();
    let said = watch.finish(std::time::Duration::from_secs(10));
    for line in [&begins, &ends] {
        let times = said.stderr.lines().filter(|l| l == line).count();
        assert_eq!(times, 2, "{line:?}\n{said}");
    }
    assert_eq!(
        said.stdout.matches("nmae").count(),
        finding.matches("nmae").count() + 1,
        "{said}"
    );
}
