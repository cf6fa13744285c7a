//! `runner why`: what became of a row, and what the source and the rule say of it now.

use crate::support::Project;

#[test]
fn the_source_row_is_shown_as_it_is_now_and_only_where_it_is_public() {
    let project = Project::people();
    project.runner(&["run"]).ends_with(3);
    let now = |key: &str| {
        let output = project.runner(&["why", "people", key, "--json"]);
        output.ends_with(0).never_says("Person");
        output.json()["now"].clone()
    };

    let written = now("2");
    assert_eq!(written["verdict"], "write", "{written:#}");
    assert_eq!(written["values"]["id"], "2", "{written:#}");
    assert_eq!(written["values"]["active"], "t", "{written:#}");
    assert_eq!(written["values"]["name"], "••••", "{written:#}");
    let skipped = now("10");
    assert_eq!(skipped["verdict"], "skip", "{skipped:#}");
    assert_eq!(skipped["codes"][0], "inactive", "{skipped:#}");
    let refused = now("15");
    assert_eq!(refused["codes"][0], "no_name", "{refused:#}");
    assert!(refused["values"]["name"].is_null(), "{refused:#}");
    project
        .runner(&["why", "people", "10"])
        .ends_with(0)
        .prints("skip inactive")
        .prints("source row, as it stands now");

    // What was decided stays told when the row is gone, or the rule cannot be read.
    project
        .source
        .exec("update person set active = true where id = 10; delete from person where id = 2");
    assert_eq!(now("10")["verdict"], "write");
    assert!(now("2").is_null());
    let gone = project.runner(&["why", "people", "2"]);
    gone.ends_with(0)
        .prints("inserted")
        .prints("not there any more");
    project.rule("people", "const RULE = #{");
    let told = project.runner(&["why", "people", "2"]);
    told.ends_with(0).prints("inserted").prints("not read: ");
}
