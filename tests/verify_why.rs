//! Why a row differs: what changed at the source, at what it is read with, and in the rule are told apart, and
//! apart from what somebody did to the target.

use crate::support::{Engine, Project};
use crate::verify::{counts, differences, people, rows, somebody, verify};

#[test]
fn a_source_that_moved_on_after_the_run() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project.source.exec(
        "update person set name = 'Renamed' where id = 16;
         update person set active = false where id = 17;
         update person set name = null where id = 18;
         update person set name = 'Now named' where id = 15;
         delete from person where id = 19;
         insert into person select 500, 'New', 'n@example.org', true, born, joined, balance, kind_id, notes, mood from person where id = 21",
    );
    assert_eq!(
        differences(&verify(&project, 4)),
        [
            "people source-changed 16 name",
            "people source-changed 15 ",
            "people source-changed 500 ",
            "people source-changed 18 legacy_person_id",
            "people withdrawn 17 legacy_person_id",
            "people withdrawn 19 legacy_person_id",
        ]
    );
    // What the rule does not read changes nothing.
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project
        .source
        .exec("alter table person add shoe integer; update person set shoe = 43");
    assert_eq!(verify(&project, 0)["differences"], 0);
}

#[test]
fn a_source_that_changes_during_the_run() {
    let project = people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let arguments = ["exec", "people", "--batch-rows", "20", "--writers", "1"];
    let struck = project.runner_failing("chunk.after_commit:2:kill", &arguments);
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.target.wait_until_alone();
    let found = verify(&project, 0);
    assert_eq!(rows(&found, "people", "pending").len(), 69, "{found:#}");
    // One row that is over already, and one whose turn has not come: the second is read as it is then.
    project
        .source
        .exec("update person set name = 'During' where id in (6, 99)");
    project.runner(&arguments).ends_with(3);
    assert_eq!(
        differences(&verify(&project, 4)),
        ["people source-changed 6 name"]
    );
}

#[test]
fn a_second_case_for_a_patient_is_a_changed_lookup_and_no_changed_source() {
    let project = Project::demo("0.02", Engine::Postgres);
    project.runner(&["run", "order_cases"]).ends_with(3);
    assert_eq!(verify(&project, 0)["differences"], 0);
    let order = project.target.one(
        "select c.legacy_order_id from order_cases c group by 1 having count(*) = 1 order by 1 limit 1",
    );
    let one = format!("(select case_id from order_cases where legacy_order_id = {order})");
    // Later than the first one, so the first stays `primary`; then earlier, so it does not.
    let add = |number: &str, at: &str| {
        project.target.exec(&format!(
            "insert into cases select (jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(), 'case_number', '{number}', 'created_at', {at}))).*
             from cases c where c.id = {one}"
        ));
    };
    let orders = project.target.count(&format!(
        "select count(*) from order_cases where case_id = {one}"
    ));
    add("later", "c.created_at + interval '1 year'");
    let found = verify(&project, 4);
    assert_eq!(
        counts(&found),
        [("order_cases".into(), "lookup-changed".into(), orders as u64)]
    );
    assert!(differences(&found).contains(&format!("order_cases lookup-changed {order} ")));
    project
        .target
        .exec("delete from cases where case_number = 'later'");
    add("earlier", "c.created_at - interval '1 year'");
    let found = differences(&verify(&project, 4));
    assert!(
        found.contains(&format!(
            "order_cases lookup-changed {order} relationship_type"
        )),
        "{found:?}"
    );
}

#[test]
fn a_parent_that_is_another_row_now_is_a_changed_lookup() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project.target.exec(
        "update kinds set legacy_kind_id = -1 where legacy_kind_id = 1;
         insert into kinds values (gen_random_uuid(), 'another', 1)",
    );
    let found = verify(&project, 4);
    assert!(
        rows(&found, "people", "lookup-changed").len() > 40,
        "{found:#}"
    );
    assert_eq!(rows(&found, "people", "target-edited").len(), 0);
    assert_eq!(rows(&found, "people", "source-changed").len(), 0);
}

#[test]
fn an_edited_rule_is_named_once_and_rows_of_an_older_version_are_told_apart() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project.edit(
        "rules/people.rhai",
        "name: row.name,",
        "name: row.name + \"!\",",
    );
    // The rows are as the rule that was applied made them; the file says something else now.
    let output = project.runner(&["verify", "--json"]);
    let found = output.ends_with(4).json();
    assert_eq!(found["differences"], 1);
    assert_eq!(differences(&found), [""; 0]);
    assert!(found.to_string().contains("rule-changed"));
    // A comment is no change.
    let text = project.read("rules/people.rhai").replace(" + \"!\"", "");
    project.write("rules/people.rhai", &format!("{text}\n// done\n"));
    assert_eq!(verify(&project, 0)["differences"], 0);

    // Half a table by one version and half by another: the older half is what changed.
    let project = people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let arguments = ["exec", "people", "--batch-rows", "30", "--writers", "1"];
    let struck = project.runner_failing("chunk.after_commit:1:kill", &arguments);
    assert_eq!(struck.code, 128 + 9, "{struck}");
    project.edit(
        "rules/people.rhai",
        "name: row.name,",
        "name: row.name + \"!\",",
    );
    project.target.wait_until_alone();
    let accept = ["exec", "people", "--accept-rule-change", "--writers", "1"];
    project.runner(&accept).ends_with(3);
    let found = verify(&project, 4);
    let lines = differences(&found);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("people rule-changed ") && line.ends_with(" name")),
        "{lines:#?}"
    );
    assert_eq!(lines.len(), 26, "{lines:#?}");
}

#[test]
fn all_of_it_at_once_is_told_apart() {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project
        .source
        .exec("update person set name = 'Renamed' where id = 16; delete from person where id = 17");
    let somebody = somebody(&project);
    somebody.exec("update people set name = 'edited' where legacy_person_id = 18; delete from people where legacy_person_id = 19");
    assert_eq!(
        differences(&verify(&project, 4)),
        [
            "people missing 19 ",
            "people target-edited 18 name",
            "people source-changed 16 name",
            "people withdrawn 17 legacy_person_id",
        ]
    );
}

#[test]
fn adopted_rows_keep_what_they_had_and_are_watched_where_we_wrote() {
    let project = people();
    let id = "00000000-0000-4000-8000-000000000001";
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.target.exec(&format!(
        "insert into people (id, name, kind_id, balance, legacy_person_id) select '{id}', 'Kept', id, 0, 16 from kinds where legacy_kind_id = 1"
    ));
    project.runner(&["exec", "people"]).ends_with(3);
    let found = verify(&project, 0);
    let kept = rows(&found, "people", "kept");
    assert_eq!(kept.len(), 1, "{found:#}");
    assert_eq!(
        (kept[0]["key"].as_str(), kept[0]["id"].as_str()),
        (Some("16"), Some(id))
    );
    assert_eq!(
        kept[0]["columns"],
        serde_json::json!(["name", "kind_id", "balance"])
            .as_array()
            .unwrap()
            .clone()
            .into_iter()
            .filter(|c| c != "kind_id")
            .collect::<serde_json::Value>()
    );
    // The e-mail address was filled in by us: an edit of it is seen.
    somebody(&project).exec("update people set email = 'x' where legacy_person_id = 16");
    assert_eq!(
        differences(&verify(&project, 4)),
        ["people target-edited 16 email"]
    );
}

#[test]
fn a_row_that_the_target_refused_is_refused_as_long_as_the_reason_is_there() {
    let project = people();
    project
        .source
        .exec("update person set email = 'same@example.org' where id in (21, 22)");
    project.target.exec("alter table people add unique (email)");
    project.runner(&["run"]).ends_with(3);
    let found = verify(&project, 0);
    assert_eq!(counts(&found), [("people".into(), "refused".into(), 1)]);
    project
        .target
        .exec("delete from people where legacy_person_id = 21");
    assert_eq!(
        differences(&verify(&project, 4)),
        ["people missing 21 ", "people missing 22 "]
    );
}
