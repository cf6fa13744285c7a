//! A run that made people, taken back: nobody stays behind who was not there before, and nobody goes who is
//! somebody by now.

use super::{BCRYPT, add_profile, add_user, notes, project};
use crate::support::{Project, canonical_dump};

const TABLES: &[&str] = &[
    "auth.users",
    "auth.identities",
    "profiles",
    "technicians",
    "migration_mappings",
];

fn dump(project: &Project) -> Vec<String> {
    canonical_dump(&project.target, TABLES, &[])
}

/// Four who need everything; one who has a profile, and one of an earlier run.
fn crew() -> Project {
    let project = project("create", "create");
    for id in 1..=5 {
        add_user(&project, id, &format!("u{id}@x.org"), BCRYPT, true);
    }
    add_profile(&project.target, 5, "u5@x.org");
    project
}

#[test]
fn made_profiles_and_accounts_go_with_their_technicians() {
    let project = crew();
    let before = dump(&project);
    let run = ["run", "--batch-rows", "2"];
    project.runner(&run).ends_with(0);
    let made = "select count(*) from auth.users u join auth.identities i on i.user_id = u.id join profiles p on p.id = u.id";
    assert_eq!(project.target.count(made), 5);
    let preview = project
        .runner(&["undo", "1", "--dry-run", "--json"])
        .ends_with(0)
        .json();
    let undone = project
        .runner(&["undo", "1", "--batch-rows", "1", "--json"])
        .ends_with(0)
        .json();
    assert_eq!(undone["rules"], preview["rules"]);
    // five accounts of two rows, four profiles
    assert_eq!(undone["rules"][0]["removed"], 5, "{undone:#}");
    assert_eq!(undone["rules"][0]["people"], 14, "{undone:#}");
    assert_eq!(dump(&project), before);
    assert_eq!(
        project.target.count("select count(*) from runner.stated"),
        0
    );
    // the same people come again
    project.runner(&run).ends_with(0);
    assert_eq!(project.target.count(made), 5);
    assert_eq!(notes(&project)["profile_created"], 4);
    assert_eq!(notes(&project)["login_created"], 5);
    project.runner(&["verify"]).ends_with(0);
}

#[test]
fn who_signed_in_or_is_referred_to_stays_whole_and_is_named() {
    let project = crew();
    project.target.exec(
        "create table auth.sessions (id uuid primary key, user_id uuid not null references auth.users (id) on delete cascade);
         create table orders (id serial primary key, profile_id uuid references profiles (id) on delete cascade)",
    );
    project.runner(&["run"]).ends_with(0);
    let of = |user: u32| format!("(select id from profiles where legacy_user_id = {user})");
    project.target.exec(&format!(
        "update auth.users set last_sign_in_at = now() where id = {};
         insert into auth.sessions select gen_random_uuid(), {};
         insert into orders (profile_id) select {};
         update technicians set phone = 'by hand' where legacy_technician_id = 4",
        of(1),
        of(2),
        of(3)
    ));
    let preview = project
        .runner(&["undo", "1", "--dry-run", "--json"])
        .ends_with(0)
        .json();
    let undone = project.runner(&["undo", "1", "--json"]).ends_with(0).json();
    assert_eq!(undone["rules"], preview["rules"]);
    let rule = &undone["rules"][0];
    // of number 5 the account goes, the profile was there
    assert_eq!((&rule["removed"], &rule["people"]), (&4.into(), &2.into()));
    let kept: Vec<String> = rule["kept"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            let by = row["by"].as_str().unwrap_or("-");
            let table = row["table"].as_str().unwrap_or("technicians");
            format!(
                "{} {table} {} {by}",
                row["key"].as_str().expect("a key"),
                row["why"].as_str().expect("why")
            )
        })
        .collect();
    for line in [
        "1 auth.users edited -",
        "2 auth.users referenced auth.sessions",
        "3 profiles referenced orders",
        "4 technicians edited -",
        "4 profiles referenced technicians",
    ] {
        assert!(
            kept.contains(&line.to_owned()),
            "{line} is not in {kept:#?}"
        );
    }
    // three rows for each of four people, and the technician
    assert_eq!(kept.len(), 13, "{kept:#?}");
    let whole = "select p.legacy_user_id from profiles p join auth.users u on u.id = p.id join auth.identities i on i.user_id = u.id order by 1";
    assert_eq!(project.target.lines(whole), ["1", "2", "3", "4"]);
    assert_eq!(
        project.target.count("select count(*) from auth.sessions"),
        1
    );
    assert_eq!(project.target.count("select count(*) from orders"), 1);
    project
        .runner(&["undo", "1"])
        .ends_with(0)
        .tells("taken back already");
}

#[test]
fn killed_anywhere_it_goes_on() {
    let first = crew();
    let before = dump(&first);
    first.runner(&["run", "--batch-rows", "2"]).ends_with(0);
    let mut struck = 0;
    for fault in [
        "chunk.fenced:2",
        "chunk.rows:1",
        "chunk.rows:2",
        "chunk.before_commit:2",
        "chunk.after_commit:1",
        "chunk.after_commit:2",
        "gate.after:1",
    ] {
        let project = first.towards(first.target.copy());
        let undo = ["undo", "1", "--batch-rows", "1"];
        let killed = project.runner_failing(&format!("{fault}:kill"), &undo);
        struck += usize::from(killed.code == 137);
        project.target.wait_until_alone();
        project.runner(&undo).ends_with(0);
        assert_eq!(dump(&project), before, "{fault}");
    }
    assert!(struck > 5, "{struck}");
}

#[test]
fn a_role_without_rights_on_accounts_is_refused_before_anything_is_written() {
    let project = crew();
    project.runner(&["run"]).ends_with(0);
    let role = format!("helper_{}", project.target.name());
    project.target.exec(&format!(
        "create role {role} login; grant usage on schema public, runner, auth to {role};
         grant all on all tables in schema public, runner to {role};
         grant select on all tables in schema auth to {role};
         do $$ declare t record; begin for t in select tablename from pg_tables where schemaname = 'runner' loop
            execute format('create policy p on runner.%I to {role} using (true)', t.tablename); end loop; end $$"
    ));
    let env = project.read(".env");
    let helper = project.target.as_user(&role, None);
    project.write(".env", &env.replace(&project.target.url(), &helper.url()));
    let before = dump(&project);
    project
        .runner(&["undo", "1"])
        .ends_with(1)
        .tells("this role may not take rows out of `auth.identities`, where the run made people")
        .tells("grant update, delete on auth.identities");
    assert_eq!(dump(&project), before);
}
