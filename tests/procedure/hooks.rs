//! `before` and `after`.

use super::{dump, project};
use crate::support::Engine;

const HOOKED: &str = r#"
const RULE = #{ base: "person", key: "id", target: "people", legacy: "legacy_person_id", public: ["name"] };
fn before() {
    print("before: " + target.query("select name from people").len());
    target.write("people", #{ name: "Nobody", legacy_person_id: () }, "nobody");
    checkpoint.commit("nobody", 1);
}
fn after() { print("after: " + target.query("select name from people").len()); }
fn transform(row) {
    if row.name == () { skip("no_name"); }
    if row.name.len() > 20 { skip("long"); }
    #{ name: row.name }
}
"#;

#[test]
fn hooks_are_called_once_and_their_rows_stay_outside_the_account() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = project(engine, HOOKED);
        project
            .runner(&["exec", "people", "--dry-run"])
            .ends_with(0)
            .tells("`before` and `after` are not called in a dry run")
            .never_says("before: 0");
        let output = project.runner(&["run", "--batch-rows", "4"]);
        output.ends_with(0);
        assert_eq!(output.stderr.matches("before: 0").count(), 1, "{output}");
        assert_eq!(output.stderr.matches("after: 22").count(), 1, "{output}");
        assert_eq!(project.accounts("people"), [25, 0, 25, 21, 0, 0, 4, 0]);
        assert_eq!(dump(&project).len(), 22);
        project
            .runner(&["run"])
            .ends_with(0)
            .never_says("before:")
            .never_says("after:");
        // killed in the middle: `before` once more, the same rows
        let killed = super::project(engine, HOOKED);
        // one writer: of two, the other chunk in flight may or may not have landed
        let arguments = ["run", "--batch-rows", "4", "--writers", "1"];
        let struck = killed.runner_failing("chunk.before_commit:4:kill", &arguments);
        assert_eq!(struck.code, 128 + 9, "{struck}");
        killed.target.wait_until_alone();
        let resumed = killed.runner(&["run", "--batch-rows", "4"]);
        resumed.ends_with(0).says("before: 8").says("after: 22");
        assert_eq!(dump(&killed), dump(&project));
    }
}

#[test]
fn a_hook_that_fails_stops_the_run_at_its_place() {
    let rule = HOOKED.replace(
        "print(\"before: \"",
        "target.query(\"select 1 from nowhere\"); print(\"before: \"",
    );
    let project = project(Engine::Postgres, &rule);
    project
        .runner(&["run"])
        .ends_with(1)
        .says("the target refuses")
        .says("rules/people.rhai:4:");
    assert_eq!(dump(&project).len(), 0);
    project.rule(
        "people",
        &HOOKED.replace("\"Nobody\"", "\"Nobody at all, by any name\""),
    );
    project
        .runner(&["run", "--accept-rule-change"])
        .ends_with(1)
        .says("too_long")
        .says("rules/people.rhai:5:");
}
