//! Whether a project is ready beside its rows: rights, policies, triggers, accounts, files, indexes. Each of them
//! turns the verdict, and mended it turns back.

use crate::support::{HANDLE_NEW_USER, Project, Standin, Way};

/// "Ready to hand over?", with its reasons.
#[track_caller]
fn ready(project: &Project) -> String {
    let report = project
        .runner(&["report", "--format", "json"])
        .ends_with(0)
        .json();
    let text = |name: &str| report["ready"][name].as_str().unwrap().to_owned();
    format!("{}: {}", text("short"), text("text"))
}

#[test]
fn what_is_not_in_order_beside_the_rows_turns_the_verdict() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    let owner = standin.local("postgres");
    let admin = standin.admin();
    admin.exec(super::EMPTIED);
    owner.exec("grant select on all tables in schema public to service_role");
    standin.take(&project, Way::Direct, "postgres");
    project.runner(&["run"]).ends_with(3);
    for group in admin.rows("select distinct rule, code from runner.quarantine") {
        let [rule, code] = [0, 1].map(|cell| group[cell].clone().unwrap());
        project
            .runner(&[
                "quarantine",
                "accept",
                &rule,
                "--reason",
                &code,
                "--note",
                "known",
            ])
            .ends_with(0);
    }
    let met = ready(&project);
    assert!(met.starts_with("Met: with "), "{met}");

    let turns = |wrong: &str, what: &str, said: &str, mended: &str| {
        owner.exec(wrong);
        assert_eq!(
            ready(&project),
            format!("Not yet: to put right on the target: {what}"),
            "{wrong}"
        );
        for format in ["txt", "md", "html"] {
            project
                .runner(&["report", "--format", format])
                .ends_with(0)
                .prints("put right on the target");
        }
        project.runner(&["report", "--format", "txt"]).prints(said);
        project
            .runner(&["report", "-o", "report.html"])
            .ends_with(0);
        // an account that came is a difference of its row, too
        let honest = if what.starts_with("sign in") { 4 } else { 0 };
        project
            .runner(&["report", "--recheck", "report.html"])
            .ends_with(honest)
            .never_says("forged");
        if !what.starts_with("sign in") && !what.starts_with("files") {
            project
                .runner(&["verify"])
                .ends_with(0)
                .prints(&format!("not ready: {}", said.split_once(": ").unwrap().1));
        }
        owner.exec(mended);
        assert_eq!(ready(&project), met, "{mended}");
        project
            .runner(&["report", "--recheck", "report.html"])
            .ends_with(4);
    };
    turns(
        "revoke select on brackets from service_role",
        "rights of brackets",
        "brackets: service_role may not read brackets",
        "grant select on brackets to service_role",
    );
    turns(
        "alter table purchases disable row level security; grant select on purchases to anon",
        "policies of purchases",
        "purchases: row level security of purchases is off and anon may read it",
        "alter table purchases enable row level security",
    );
    turns(
        "alter table order_cases disable trigger user",
        "triggers of order_cases",
        "order_cases: switched off on order_cases: set_updated_at",
        "alter table order_cases enable trigger user",
    );
    turns(
        "insert into auth.users (id, email) select profile_id, 'somebody@example.org' from technicians limit 1",
        "sign in of technicians",
        "technicians: 1 have an account that does not work or is not theirs: not_linked",
        "delete from auth.users where email = 'somebody@example.org'",
    );
    admin.exec("insert into storage.buckets (id, name) values ('elsewhere', 'elsewhere')");
    turns(
        "update storage.objects set bucket_id = 'elsewhere'",
        "files of message_attachments",
        "message_attachments: storage holds none of the",
        "update storage.objects set bucket_id = 'files'",
    );
    // a reference without an index is told, and no reason to wait as long as the table is small
    let before = project.runner(&["report", "--format", "txt"]);
    before
        .ends_with(0)
        .prints("remark")
        .prints("no index for the references of order_cases: case_id (create index on \"order_cases\" (\"case_id\"))");
    // deleting one parent reads all of a large one
    owner.exec(
        "alter table order_cases drop constraint order_cases_order_id_case_id_key;
         create index on order_cases (order_id);
         insert into order_cases (id, order_id, case_id, relationship_type, linked_at) select gen_random_uuid(), order_id, case_id, 'primary', now()
         from (select order_id, case_id from order_cases limit 1) one, generate_series(1, 100001)",
    );
    let large = ready(&project);
    assert!(
        large.starts_with("Not yet: ") && large.contains("indexes of order_cases"),
        "{large}"
    );
    owner.exec("create index on order_cases (case_id)");
    let indexed = ready(&project);
    assert!(!indexed.contains("indexes"), "{indexed}");
    let after = project.runner(&["report", "--format", "txt"]);
    assert!(
        !after.stdout.contains("references of order_cases"),
        "{after}"
    );
}

#[test]
fn a_trigger_that_trips_over_profiles_is_a_hazard_of_rules_that_make_accounts() {
    let standin = Standin::start();
    let project = standin.demo("0.003");
    let owner = standin.local("postgres");
    standin.take(&project, Way::Direct, "postgres");
    let hazard = "hazard: trigger `on_auth_user_created` on `auth.users` inserts into `profiles` and does not say what if it is there";
    let found = |expected: bool| {
        let output = project.runner(&["check"]);
        output.ends_with(0);
        assert_eq!(output.stdout.contains(hazard), expected, "{output}");
    };
    let (function, _) = HANDLE_NEW_USER.split_once("create trigger").unwrap();
    let safe = function.replace("create function", "create or replace function");
    let bare = safe.replace(" on conflict (id) do nothing", "");
    owner.exec(&bare);
    // who makes no accounts fires no such trigger
    found(false);
    project.edit(
        "rules/technicians.rhai",
        "auth: \"link\",",
        "auth: \"create\",",
    );
    found(true);
    owner.exec(&safe);
    found(false);
}
