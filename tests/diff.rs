//! What an edit changes is known before it is applied: against the last run, a revision, or another file.

use std::process::Command;

use crate::support::Project;

/// Kinds and people as one run left them.
fn migrated() -> Project {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project
}

/// The target with everything in it that a preview could touch.
fn state(project: &Project) -> Vec<String> {
    let mut all = project
        .target
        .lines("select id, xmin, name from people order by id");
    all.extend(
        project
            .target
            .lines("select * from runner.chunk order by id"),
    );
    all.extend(
        project
            .target
            .lines("select id, xmin from runner.run order by id"),
    );
    all
}

#[test]
fn fields_verdicts_and_codes_are_counted_with_rows_to_look_at() {
    let project = migrated();
    let before = state(&project);
    let rule = "rules/people.rhai";
    project.edit(
        rule,
        "        name: row.name,",
        "        name: row.name + \"!\",",
    );
    project.edit(
        rule,
        "balance: row.balance,",
        "balance: if row.id > 117 { 0.00 } else { row.balance },",
    );
    project.edit(
        rule,
        "if !row.active { skip(\"inactive\"); }",
        "if row.id == 10 { note(\"kept\"); } else if !row.active { skip(\"gone\"); }",
    );
    project.edit(
        rule,
        "public: [\"active\"]",
        "public: [\"active\", \"balance\"]",
    );
    project.runner(&["diff", "people"]).ends_with(0).prints(
        "people against the last run: 120 rows, 4 as before, 116 differ

column   rows  for example
name      104  1, 2, 3, 4, 5
balance     2  118 (147.50 → 0.00), 119 (148.75 → 0.00)

verdict was    now        rows  for example
skip inactive  skip gone    11  20, 30, 40, 50, 60
skip inactive  write         1  10

code           was  now
note kept        0    1  new
skip gone        0   11  new
skip inactive   12    0  gone
",
    );
    let json = project
        .runner(&["diff", "people", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(json["rows"], 120);
    assert_eq!(json["fields"][0]["column"], "name");
    assert_eq!(
        json["fields"][0]["examples"][0]["before"],
        serde_json::Value::Null
    );
    assert_eq!(json["fields"][1]["examples"][0]["after"], "0.00");
    assert_eq!(json["verdicts"][1]["after"], "write");
    let sample = project
        .runner(&["diff", "people", "--sample", "12", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(
        (sample["rows"].as_i64(), sample["sampled"].as_bool()),
        (Some(12), Some(true))
    );
    assert_eq!(state(&project), before, "a preview writes nothing");
}

#[test]
fn rows_that_only_one_of_the_two_reads_and_an_edit_that_decides_nothing() {
    let project = migrated();
    let rule = "rules/people.rhai";
    project.edit(rule, "//! People.", "//! People, with a longer story.");
    project
        .runner(&["diff", "people"])
        .ends_with(0)
        .prints("people against the last run: both decide alike; no row differs");
    project.edit(
        rule,
        "base: \"person\",",
        "base: \"person\", where: \"id <> 7\",",
    );
    project
        .runner(&["diff", "people"])
        .ends_with(0)
        .prints("write        not read     1  7");
}

#[test]
fn a_revision_and_a_file_can_be_named() {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    project
        .runner(&["diff", "people"])
        .ends_with(1)
        .says("there is no earlier text of `people`")
        .says("--against git:REV");
    project.write("before/people.rhai", &project.read("rules/people.rhai"));
    let git = |arguments: &[&str]| {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(arguments)
            .current_dir(project.path("."))
            .output()
            .expect("git");
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "rules"]);
    git(&["commit", "-q", "-m", "rules"]);
    // the library is compared as well
    project.edit("rules/lib/words.rhai", "text.to_lower()", "text.to_upper()");
    for (against, named) in [
        (&[][..], "git:HEAD"),
        (&["--against", "git:HEAD"], "git:HEAD"),
    ] {
        let arguments = [&["diff", "people"], against].concat();
        project
            .runner(&arguments)
            .ends_with(0)
            .prints(&format!(
                "people against {named}: 120 rows, 16 as before, 104 differ"
            ))
            .prints("email    104");
    }
    project.edit("rules/people.rhai", "row.kind_id)", "row.kind_id ?? 1)");
    project
        .runner(&["diff", "people", "--against", "before/people.rhai"])
        .ends_with(0)
        .prints("120 rows, 120 as before, 0 differ");
    project
        .runner(&["diff", "people", "--against", "git:nonsense"])
        .ends_with(1)
        .says("git has no such text");
    project.edit("rules/people.rhai", "base: \"person\"", "base: \"kind\"");
    project
        .runner(&["diff", "people", "--against", "before/people.rhai"])
        .ends_with(1)
        .says("the two rules read other tables");
}
