//! A target as Supabase has it: the same rows arrive whichever way in is taken, with few rights too, and a way
//! that cannot be trusted is refused before the first write.

use crate::support::{Db, Project, Standin, Way, canonical_dump, quarantine_dump};

mod deletes;
mod doors;
mod durable;
mod handover;

const TABLES: [&str; 9] = [
    "brackets",
    "message_attachments",
    "order_cases",
    "purchases",
    "technician_roles",
    "technicians",
    "template_view_groups",
    "template_view_roles",
    "treatment_discussions",
];

/// What the target decides itself.
const VOLATILE: [&str; 4] = [
    "updated_at",
    "brackets.created_at",
    "template_view_groups.created_at",
    "template_view_roles.created_at",
];

/// The rows of the nine tables, and what was kept out of them.
fn dump(db: &Db) -> (Vec<String>, Vec<String>) {
    (canonical_dump(db, &TABLES, &VOLATILE), quarantine_dump(db))
}

/// Back to before the migration, one table after the other because of their references.
const EMPTIED: &str = "
    drop schema if exists runner cascade;
    truncate technician_roles, technicians, brackets, order_cases, purchases, treatment_discussions,
      template_view_groups, template_view_roles, message_attachments;
    delete from migration_mappings where entity_type in ('technician_roles', 'technicians', 'brackets', 'purchases',
      'treatment_discussions', 'template_view_groups', 'template_view_roles', 'message_attachments');
    delete from migration_control where operation = 'runner'";

/// Runs `runner print grants` as its reader would: the target's part as the owner of the project.
fn granted(project: &Project, standin: &Standin, more: &[&str]) -> String {
    let grants = project
        .runner(&[&["print", "grants"], more].concat())
        .ends_with(0)
        .stdout
        .clone();
    let (_, writer) = grants
        .split_once("-- In the target.")
        .expect("the target's part");
    let (writer, reader) = writer
        .split_once("-- After the first run.")
        .expect("the reader's part");
    let owner = standin.local("postgres");
    owner.exec(&format!("--{writer}"));
    owner.exec("create role mover login password 'p@ss:word/1' in role runner_writer");
    format!("--{reader}")
}

#[test]
fn what_a_project_refuses_the_stand_in_refuses() {
    let standin = Standin::start();
    let _project = standin.demo("0.003");
    let owner = standin.local("postgres");
    assert_eq!(
        owner.one("select rolsuper::text || rolbypassrls || rolcreaterole from pg_roles where rolname = current_user"),
        "falsetruetrue"
    );
    assert_eq!(owner.one("show statement_timeout"), "2min");
    for (refused, why) in [
        (
            "alter table auth.users add column more text",
            "must be owner",
        ),
        ("create index on auth.users (role)", "must be owner"),
        (
            "create table auth.more (id int)",
            "permission denied for schema auth",
        ),
        (
            "create table storage.more (id int)",
            "permission denied for schema storage",
        ),
        (
            "alter table auth.users disable trigger on_auth_user_created",
            "must be owner",
        ),
        (
            "drop trigger on_auth_user_created on auth.users",
            "must be owner",
        ),
        ("delete from storage.objects", "Use the Storage API"),
        (
            "alter table purchases disable trigger all",
            "is a system trigger",
        ),
        ("create role deep bypassrls", "must be superuser"),
        (
            "copy purchases from program 'true'",
            "pg_execute_server_program",
        ),
        (
            "insert into auth.users (id, confirmed_at) values (gen_random_uuid(), now())",
            "non-DEFAULT value",
        ),
    ] {
        let error = owner.try_rows(refused).expect_err(refused).to_string();
        assert!(error.contains(why), "{refused}: {error}");
    }
    for allowed in [
        "create trigger another after insert on auth.users for each row execute function handle_new_user()",
        "create policy theirs on purchases for select to authenticated using (true)",
        "alter table purchases disable trigger user; alter table purchases enable trigger user",
        "create table mine (user_id uuid references auth.users (id)); drop table mine",
    ] {
        owner.exec(allowed);
    }
    // who comes through the API sees what policies say
    let seen = "set role authenticated; select count(*) from brackets";
    standin
        .admin()
        .exec("grant select on brackets to authenticated");
    assert_eq!(owner.one(seen), "0");
}

#[test]
fn the_same_rows_arrive_by_every_way_that_can_be_trusted() {
    let standin = Standin::start();
    let project = standin.demo("0.005");
    let admin = standin.admin();
    // each way starts from the same rows: those that an old script left are none of this test's business
    admin.exec(EMPTIED);
    let reader = granted(&project, &standin, &[]);
    let mut dumps = Vec::new();
    for (way, user) in [
        (Way::Direct, "postgres"),
        (Way::SessionPooler, "postgres"),
        (Way::PoolOfFour, "postgres"),
        (Way::Direct, "mover"),
        (Way::SessionPooler, "mover"),
    ] {
        standin.take(&project, way, user);
        project
            .runner(&["check"])
            .ends_with(0)
            .prints("9 rules: 0 errors, 0 warnings, 0 hazards");
        let run = project.runner(&["run", "--writers", "4"]);
        run.ends_with(3);
        if way == Way::PoolOfFour {
            run.says("1 instead of 4 writers");
        } else {
            run.never_says("writers");
        }
        project.runner(&["verify"]).ends_with(0);
        project
            .runner(&["report", "-o", "report.html"])
            .ends_with(0);
        project
            .runner(&["report", "--recheck", "report.html"])
            .ends_with(0);
        dumps.push((format!("{user} by {way:?}"), dump(&admin)));
        if dumps.len() < 5 {
            admin.exec(EMPTIED);
        }
    }
    let (_, (rows, refused)) = &dumps[0];
    assert!(rows.len() > 100, "{} rows", rows.len());
    assert!(refused.len() > 10, "{refused:?}");
    for (way, (other, kept)) in &dumps[1..] {
        let mut both = rows.iter().zip(other);
        assert_eq!(both.find(|(a, b)| a != b), None, "{way}");
        assert_eq!(rows.len(), other.len(), "{way}");
        assert_eq!(refused, kept, "{way}");
    }

    // who may only look, looks
    let owner = standin.local("postgres");
    owner.exec("grant mover to postgres");
    owner.exec(&reader);
    admin.exec("create role onlooker login password 'p@ss:word/1' in role runner_reader");
    standin.take(&project, Way::Direct, "onlooker");
    for command in [
        &["status"][..],
        &["quarantine"],
        &["report", "--format", "json"],
    ] {
        project.runner(command).ends_with(0);
    }
}
