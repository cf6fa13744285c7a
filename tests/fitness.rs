//! Whether an application can use what is there: what each role of the API sees, and the joins that pages make.

use serde_json::Value;

use crate::support::{Engine, Project, Standin, Way};
use crate::verify::{people, verify};

/// One answer of `verify --json`.
#[track_caller]
fn fit<'a>(found: &'a Value, rule: &str, what: &str) -> &'a Value {
    let tables = found["tables"].as_array().unwrap();
    let table = tables.iter().find(|t| t["rule"] == rule);
    let fitness = table.unwrap_or_else(|| panic!("no {rule}"))["fitness"]
        .as_array()
        .unwrap();
    let found = fitness.iter().find(|fit| fit["what"] == what);
    found.unwrap_or_else(|| panic!("no `{what}` of {rule} in {fitness:#?}"))
}

/// The shipped rules over a stand-in for a Supabase project, run.
fn standin() -> (Standin, Project) {
    let standin = Standin::start();
    let project = standin.demo("0.005");
    // as a project grants it, and its application would set it up
    standin.admin().exec(
        "grant select on all tables in schema public to authenticated, service_role;
         grant select on purchases to anon; create policy open on purchases for select to anon using (true);
         create policy mine2 on purchases for select to authenticated using (quantity > 1)",
    );
    standin.take(&project, Way::Direct, "postgres");
    project.runner(&["run"]).ends_with(3);
    (standin, project)
}

#[test]
fn each_role_of_the_api_is_asked_and_a_policy_that_hides_rows_from_the_server_is_found() {
    let (standin, project) = standin();
    let admin = standin.admin();
    let found = verify(&project, 0);
    assert_eq!(
        found["api_roles"],
        serde_json::json!(["anon", "authenticated", "service_role"])
    );
    let all = admin.count("select count(*) from purchases");
    let some = admin.count("select count(*) from purchases where quantity > 1");
    assert!(all > 0);
    let seen = |role: &str| fit(&found, "purchases", role)["found"].as_i64();
    assert_eq!(seen("anon"), Some(all));
    assert_eq!(seen("authenticated"), Some(some));
    assert_eq!(seen("service_role"), Some(all));
    assert_eq!(fit(&found, "purchases", "service_role")["ok"], true);
    // hidden from who is not logged in: for the policies to say, no fault
    let hidden = fit(&found, "brackets", "authenticated");
    assert_eq!((&hidden["found"], &hidden["ok"]), (&0.into(), &Value::Null));
    let refused = fit(&found, "brackets", "anon");
    assert_eq!(refused["found"], Value::Null);
    assert_eq!(refused["text"], "anon has no right to read this table");

    project.runner(&["verify", "--record"]).ends_with(0);
    for file in ["report.html", "report.md", "report.txt", "report.json"] {
        project.runner(&["report", "-o", file]).ends_with(0);
        let page = project.read(file);
        assert!(
            page.contains(&format!("anon sees all {all} rows")),
            "{file}"
        );
        project.runner(&["report", "--recheck", file]).ends_with(0);
    }

    // The server of the application is bound by policies now, and none lets it see anything.
    admin.exec("alter role service_role nobypassrls");
    let found = verify(&project, 4);
    let hidden = fit(&found, "purchases", "service_role");
    assert_eq!(
        (&hidden["found"], &hidden["ok"]),
        (&0.into(), &false.into())
    );
    project
        .runner(&["verify", "purchases"])
        .ends_with(4)
        .prints(&format!(
            "purchases: failed: service_role sees 0 of {all} rows: a policy hides the others from it"
        ));
    project
        .runner(&["report", "--recheck", "report.html"])
        .ends_with(4)
        .prints("forged or stale: visible to service_role of purchases");
    project.runner(&["verify", "--record"]).ends_with(4);
    project
        .runner(&["report", "--format", "txt"])
        .prints("failed   purchases: service_role sees 0 of")
        .prints("checks failed");
    admin.exec("alter role service_role bypassrls");

    // A role that may not become another says so, and nothing is made up.
    admin.exec("revoke service_role from postgres");
    let found = verify(&project, 0);
    let unasked = fit(&found, "purchases", "service_role");
    assert_eq!(
        (&unasked["found"], &unasked["ok"]),
        (&Value::Null, &Value::Null)
    );
    assert!(
        unasked["text"]
            .as_str()
            .unwrap()
            .contains("may not become service_role"),
        "{unasked}"
    );
    // what was asked as that role before can be asked no more
    project
        .runner(&["report", "--recheck", "report.html"])
        .ends_with(4)
        .prints("not asked");
}

#[test]
fn every_story_is_joined_as_a_page_would_and_a_join_that_loses_rows_is_found() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let project = Project::demo("0.01", engine);
        project.runner(&["run"]).ends_with(3);
        let found = verify(&project, 0);
        for (rule, path) in [
            ("message_attachments", "messages, files"),
            ("technician_roles", "technicians → profiles"),
            ("treatment_discussions", "cases"),
            ("purchases", "orders"),
        ] {
            let tables = found["tables"].as_array().unwrap();
            let table = tables.iter().find(|t| t["rule"] == rule).unwrap();
            let fitness = table["fitness"].as_array().unwrap();
            let story = fitness.iter().find(|fit| fit["name"] == "story").unwrap();
            assert!(story["what"].as_str().unwrap().contains(path), "{story:#}");
            assert_eq!(story["ok"], true, "{story:#}");
            assert_eq!(story["found"], story["of"]);
            assert_eq!(story["found"], table["rows_written"], "{story:#}");
        }
        assert_eq!(found["api_roles"], serde_json::json!([]));
        project.runner(&["verify"]).prints("no API roles here");
    }
    let project = people();
    project.runner(&["run"]).ends_with(3);
    project.runner(&["verify", "--record"]).ends_with(0);
    project.runner(&["report", "-o", "report.txt"]).ends_with(0);
    assert!(
        project
            .read("report.txt")
            .contains("ok       people: each of 104 rows leads to its kinds"),
        "{}",
        project.read("report.txt")
    );
    // as a restore without constraints leaves it
    project
        .target
        .exec("set session_replication_role = replica; delete from kinds where legacy_kind_id = 2");
    let lost = project
        .target
        .count("select count(*) from people p where not exists (select 1 from kinds k where k.id = p.kind_id)");
    assert!(lost > 0);
    let found = verify(&project, 4);
    let story = fit(&found, "people", "kinds");
    assert_eq!(
        (story["of"].as_i64(), story["found"].as_i64(), &story["ok"]),
        (Some(104), Some(104 - lost), &false.into())
    );
    project
        .runner(&["report", "--recheck", "report.txt"])
        .ends_with(4)
        .prints("rows, leading to kinds of people");
}

#[test]
fn a_table_that_was_filled_has_statistics_for_whoever_joins_it_next() {
    let project = Project::demo("0.01", Engine::Postgres);
    let known = "select coalesce(max(reltuples), -1)::bigint from pg_class where oid = 'message_attachments'::regclass";
    project.runner(&["run"]).ends_with(3);
    let rows = "select count(*) from message_attachments";
    assert_eq!(project.target.count(known), project.target.count(rows));
}
