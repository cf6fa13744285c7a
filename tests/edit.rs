//! Editing a rule: the change is there after `--restart`, with the same program; a resume under a
//! changed *transform* is refused, under a changed comment, test or expectation it is not.

use crate::support::Project;

/// People of whom some chunks are committed, the run having been killed after the third.
fn half_done() -> Project {
    let project = Project::people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let struck = project.runner_failing(
        "chunk.after_commit:3:kill",
        &["exec", "people", "--batch-rows", "20", "--writers", "1"],
    );
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.target.wait_until_alone();
    let committed = project.target.count("select count(*) from people");
    assert!(committed > 0 && committed < 104, "{committed}");
    project
}

fn refused(project: &Project, arguments: &[&str]) {
    let before = project
        .target
        .lines("select id, xmin from people order by id");
    let output = project.runner(arguments);
    output
        .tells("--accept-rule-change")
        .tells("--restart")
        .tells("people");
    assert!([1, 5].contains(&output.code), "{output}");
    assert_eq!(
        project
            .target
            .lines("select id, xmin from people order by id"),
        before
    );
}

#[test]
fn an_edited_rule_takes_effect_with_the_same_program() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    project.edit(
        "rules/people.rhai",
        "        name: row.name,",
        "        name: row.name + \"!\",",
    );
    // A finished rule whose transform changed: said, and nothing written.
    let before = project
        .target
        .lines("select id, xmin from people order by id");
    project.runner(&["run"]).tells("--restart");
    assert_eq!(
        project
            .target
            .lines("select id, xmin from people order by id"),
        before
    );

    project
        .runner(&["exec", "rules/people.rhai", "--restart"])
        .ends_with(3);
    assert_eq!(
        project
            .target
            .count("select count(*) from people where name like '%!'"),
        104
    );
    assert_eq!(project.accounts("people"), [120, 0, 120, 0, 104, 0, 12, 4]);
}

#[test]
fn a_resume_after_an_edit_of_the_transform_is_refused_until_it_is_accepted() {
    let project = half_done();
    project.edit(
        "rules/people.rhai",
        "        name: row.name,",
        "        name: row.name + \"!\",",
    );
    refused(&project, &["exec", "people"]);
    refused(&project, &["run"]);
    let committed = project.target.count("select count(*) from people");
    project
        .runner(&["exec", "people", "--accept-rule-change"])
        .ends_with(3);
    assert_eq!(
        project
            .target
            .count("select count(*) from people where name like '%!'"),
        104 - committed
    );
    let [base, _, read, inserted, ..] = project.accounts("people");
    assert_eq!((base, read, inserted), (120, 120, 104));
}

#[test]
fn a_resume_after_an_edit_in_the_library_is_refused() {
    let project = half_done();
    project.edit("rules/lib/words.rhai", "text.to_lower()", "text.to_upper()");
    refused(&project, &["exec", "people"]);
    project
        .runner(&["exec", "people", "--restart"])
        .ends_with(3);
    assert_eq!(
        project
            .target
            .count("select count(*) from people where email like 'P%@EXAMPLE.ORG'"),
        104
    );
}

#[test]
fn a_library_that_the_rule_does_not_reach_may_change() {
    let project = half_done();
    project.write("rules/lib/other.rhai", "fn twice(x) { x * 2 }\n");
    project.runner(&["exec", "people"]).ends_with(3);
    assert_eq!(project.target.count("select count(*) from people"), 104);
}

#[test]
fn a_resume_after_an_edit_of_a_comment_a_test_or_an_expectation_goes_on() {
    for (old, new) in [
        (
            "//! People.",
            "//! People, with a longer story.\n// and a remark",
        ),
        (
            "    if !row.active { skip",
            "    // the inactive stay behind\n    if  !row.active  {  skip",
        ),
        ("assert_eq(1, 1);", "assert_eq(2, 2);"),
        ("min_success: 0.9", "min_success: 0.5"),
        ("give the person a name", "ask the office for the name"),
        ("public: [\"active\"]", "public: [\"active\", \"kind_id\"]"),
    ] {
        let project = half_done();
        project.edit("rules/people.rhai", old, new);
        project.runner(&["exec", "people"]).ends_with(3);
        assert_eq!(
            project.target.count("select count(*) from people"),
            104,
            "after {new:?}"
        );
    }
}

#[test]
fn a_missed_expectation_is_code_3_even_when_all_is_decided() {
    let project = Project::people();
    project
        .source
        .exec("update person set name = 'x' where name is null");
    project.runner(&["run"]).ends_with(0);
    let strict = Project::people();
    strict.edit("rules/people.rhai", "min_success: 0.9", "min_success: 1.0");
    strict.runner(&["run"]).ends_with(3).tells("people");
}
