//! What the checks cannot see: each line of the table in `docs/verification.md`, shown to be as stated.

use crate::support::{Engine, Project};
use crate::verify::{differences, people, rows, somebody, verify};

fn done() -> Project {
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project
}

/// Letters and digits alone: how a form sets, wraps and escapes a sentence is its own affair.
fn letters(page: &str) -> String {
    let mut plain = String::new();
    let mut rest = page;
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(&rest[..at]);
        let end = if rest[at..].starts_with('<') {
            '>'
        } else {
            ';'
        };
        rest = rest[at..].find(end).map_or("", |to| &rest[at + to + 1..]);
    }
    plain.push_str(rest);
    plain.retain(char::is_alphanumeric);
    plain
}

#[test]
fn every_form_of_the_report_says_what_a_verification_cannot_see() {
    let project = done();
    project.runner(&["verify", "--record"]).ends_with(0);
    for format in ["html", "md", "txt"] {
        let page = project.runner(&["report", "--format", format]);
        let page = letters(&page.ends_with(0).stdout);
        for limit in runner::verify::LIMITS {
            for sentence in [limit.check, limit.cannot_see] {
                assert!(
                    page.contains(&letters(sentence)),
                    "{format}: {}: {sentence}",
                    limit.name
                );
            }
        }
    }
}

#[test]
fn a_wrong_rule() {
    let project = people();
    project.edit(
        "rules/people.rhai",
        "balance: row.balance,",
        "balance: row.balance * 2,",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(verify(&project, 0)["differences"], 0);
}

#[test]
fn columns_the_rule_leaves_alone() {
    let project = done();
    somebody(&project).exec("update people set created_at = '1999-01-01'");
    assert_eq!(verify(&project, 0)["differences"], 0);
}

#[test]
fn rows_without_a_legacy_key() {
    let project = done();
    project
        .target
        .exec("alter table people alter legacy_person_id drop not null");
    somebody(&project).exec("insert into people (id, name, kind_id, balance) select gen_random_uuid(), 'x', id, 1 from kinds limit 1");
    assert_eq!(verify(&project, 0)["differences"], 0);
}

#[test]
fn edited_and_put_back() {
    let project = done();
    let somebody = somebody(&project);
    somebody.exec("update people set balance = balance + 1");
    somebody.exec("update people set balance = balance - 1");
    assert_eq!(verify(&project, 0)["differences"], 0);
}

#[test]
fn an_edit_of_a_row_whose_source_changed() {
    let project = done();
    project
        .source
        .exec("update person set name = 'Renamed' where id = 16");
    somebody(&project).exec("update people set balance = 1 where legacy_person_id = 16");
    assert_eq!(
        differences(&verify(&project, 4)),
        ["people source-changed 16 name,balance"]
    );
}

#[test]
fn who_wrote_a_restored_row() {
    // Every row of the ledger gets another transaction, as in a restored database.
    let project = people();
    project.runner(&["exec", "kinds"]).ends_with(0);
    let mut command = project.command(&["exec", "people"]);
    command.env("RUNNER_FAILPOINT", "mutant.sql:1:error");
    command.env(
        "RUNNER_FAILPOINT_SQL",
        "update people set balance = 1 where legacy_person_id = 16",
    );
    crate::support::run_limited(&mut command, std::time::Duration::from_mins(1)).ends_with(3);
    assert_eq!(
        differences(&verify(&project, 4)),
        ["people corrupt 16 balance"]
    );
    project.target.exec("create temp table c as table runner.chunk; delete from runner.chunk; insert into runner.chunk select * from c");
    assert_eq!(
        differences(&verify(&project, 4)),
        ["people target-edited 16 balance"]
    );
}

#[test]
fn an_edit_of_a_value_an_adopted_row_kept() {
    let project = people();
    project.edit(
        "rules/people.rhai",
        "legacy: \"legacy_person_id\",",
        "legacy: \"legacy_person_id\", existing: \"keep\",",
    );
    project.runner(&["exec", "kinds"]).ends_with(0);
    project.target.exec("insert into people (id, name, kind_id, balance, legacy_person_id) select gen_random_uuid(), 'Kept', id, 0, 16 from kinds limit 1");
    project.runner(&["exec", "people"]).ends_with(3);
    somebody(&project).exec("update people set name = 'Edited' where legacy_person_id = 16");
    let found = verify(&project, 0);
    assert_eq!(rows(&found, "people", "kept").len(), 1);
}

#[test]
fn an_edit_of_a_value_that_a_fill_left() {
    let project = Project::empty(Engine::Sqlite, Engine::Sqlite);
    project.source.exec(
        "create table shop(id integer primary key, name text); insert into shop values (1, 'One')",
    );
    project.target.exec(
        "create table shops(id uuid primary key, legacy_shop_id integer unique, name text);
         insert into shops values ('aaaaaaaa-0000-4000-8000-000000000001', 1, null)",
    );
    project.rule(
        "shops",
        "const RULE = #{ base: \"shop\", key: \"id\", target: \"shops\", legacy: \"legacy_shop_id\", copy: #{ name: \"name\" } };\n\
         fn transform(row) { #{} }\n",
    );
    project.runner(&["run"]).ends_with(0);
    project.target.exec("update shops set name = 'Edited'");
    verify(&project, 4);
    project.target.exec("update shops set name = 'One'");
    verify(&project, 0);
    project.source.exec("update shop set name = 'Uno'");
    project.runner(&["sync"]).ends_with(0);
    // what the fill left is no false alarm
    assert_eq!(rows(&verify(&project, 0), "shops", "kept").len(), 1);
    project.target.exec("update shops set name = 'Edited'");
    assert_eq!(rows(&verify(&project, 0), "shops", "kept").len(), 1);
}

#[test]
fn rows_of_scripts() {
    let project = Project::pg(
        "create table old(id integer primary key, a text); insert into old values (1, 'x'), (2, 'y')",
        "create table new(id uuid primary key, legacy_id integer unique, a text)",
    );
    project.rule(
        "new",
        "const RULE = #{ base: \"old\", key: \"id\", target: \"new\", legacy: \"legacy_id\" };\n\
         fn run() { for row in source.rows(\"select id, a from old order by id\") { target.write(\"new\", #{ legacy_id: row.id, a: row.a }, row.id); } checkpoint.commit(\"end\", 1); }\n",
    );
    project.runner(&["run"]).ends_with(0);
    project.target.exec("update new set a = 'z'");
    let found = verify(&project, 0);
    assert_eq!(
        found["tables"][0]["classes"]["not-re-derived"]["count"], 2,
        "{found:#}"
    );
}

#[test]
fn what_a_sample_leaves_out() {
    let project = done();
    somebody(&project).exec("insert into people (id, name, kind_id, balance, legacy_person_id) select gen_random_uuid(), 'x', id, 1, 9999 from kinds limit 1");
    let found = project
        .runner(&["verify", "people", "--sample", "20", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(found["tables"][0]["derived"], 20);
    // A sample of all rows still finds what differs.
    somebody(&project).exec("update people set name = 'edited' where legacy_person_id = 16");
    let found = project
        .runner(&["verify", "people", "--sample", "1000", "--json"])
        .ends_with(4)
        .json();
    assert_eq!(differences(&found), ["people target-edited 16 name"]);
}

#[test]
fn two_errors_that_cancel_out() {
    let project = people();
    project.edit(
        "rules/people.rhai",
        "public: [",
        "reconcile: #{ total: #{ source: \"balance\", target: \"balance\" } }, public: [",
    );
    project.runner(&["run"]).ends_with(3);
    let check = |code| {
        let found = verify(&project, code);
        let people = found["tables"]
            .as_array()
            .unwrap()
            .iter()
            .find(|t| t["rule"] == "people")
            .unwrap()
            .clone();
        let checks = people["checks"].as_array().unwrap().clone();
        (
            differences(&found).len(),
            checks.iter().find(|c| c["name"] == "reconcile").unwrap()["ok"].clone(),
        )
    };
    assert_eq!(check(0), (0, true.into()));
    somebody(&project).exec("update people set balance = balance + case legacy_person_id when 16 then 1 else -1 end where legacy_person_id in (16, 17)");
    assert_eq!(check(4), (2, true.into()));
    somebody(&project).exec("update people set balance = balance + 1 where legacy_person_id = 16");
    assert_eq!(check(4), (2, false.into()));
}

#[test]
fn another_valid_parent() {
    let project = done();
    somebody(&project).exec("update people set kind_id = (select id from kinds where id <> kind_id) where legacy_person_id = 16");
    let found = verify(&project, 4);
    let failed: Vec<_> = found["tables"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|t| t["checks"].as_array().unwrap())
        .filter(|c| c["ok"] != true)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(differences(&found), ["people target-edited 16 kind_id"]);
}
