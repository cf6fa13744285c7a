//! People with accounts: profiles that are made, accounts that are linked or made, and whether everybody can
//! sign in the way the auth server looks for them.

use crate::support::{AUTH, Db, Engine, HANDLE_NEW_USER, Project};

mod kills;
mod sign_in;
mod undone;

/// What the users of the legacy system have in common: six technicians and a clerk.
const SOURCE: &str = "
    create table auth_user(id integer primary key, username varchar(150) not null, first_name varchar(150) not null,
        last_name varchar(150) not null, email varchar(254) not null, password varchar(128) not null,
        is_active boolean not null, date_joined timestamptz not null, last_login timestamptz);
    create table auth_user_groups(id serial primary key, user_id integer not null, group_id integer not null);
";

/// Profiles and technicians as an owner has them.
const TARGET: &str = "
    create table profiles (id uuid primary key, profile_type varchar(50) not null, first_name varchar(255),
      last_name varchar(255), email varchar(255), username varchar(150), is_active boolean not null default true,
      legacy_user_id integer unique, created_at timestamptz default now(), updated_at timestamptz default now(),
      metadata jsonb default '{}');
    create type technician_status as enum ('active', 'inactive', 'terminated', 'on_leave');
    create table technicians (id uuid primary key, profile_id uuid not null unique references profiles (id),
      user_id uuid references auth.users (id) on delete set null, auth_linked boolean default false, first_name varchar(255),
      last_name varchar(255), email varchar(255), phone varchar(50), specialty varchar(100), employee_id varchar(50) unique,
      status technician_status not null default 'active', is_active boolean default true, hire_date date,
      legacy_user_id integer, legacy_technician_id integer unique not null, created_at timestamptz default now(),
      updated_at timestamptz default now(), metadata jsonb default '{}');
    create table migration_mappings (entity_type varchar(100) not null, legacy_id integer not null, new_id uuid not null unique,
      migrated_at timestamptz, migration_batch varchar(100), primary key (entity_type, legacy_id));
";

/// What each technician is there for; the passwords are `correct horse` where there are any.
const BCRYPT: &str = "bcrypt$$2b$04$MDEyMzQ1Njc4OWFiY2RlZuNuAblhP1nFnDLKSjDtgN2L5aV2HqJYO";

fn add_user(project: &Project, id: u32, email: &str, password: &str, is_active: bool) {
    project.source.exec(&format!(
        "insert into auth_user values ({id}, 'user{id}', 'First{id}', 'Last{id}', '{email}', '{password}', {is_active},
           '2020-02-29 23:30:00+00', null);
         insert into auth_user_groups (user_id, group_id) values ({id}, 11)"
    ));
}

fn profile(id: u32) -> String {
    format!("00000000-0000-4000-8000-{id:012}")
}

fn add_profile(target: &Db, id: u32, email: &str) {
    target.exec(&format!(
        "insert into profiles (id, profile_type, email, legacy_user_id) values ('{}', 'user', '{email}', {id})",
        profile(id)
    ));
}

/// An account as the auth server would have made it.
fn add_account(target: &Db, id: &str, email: &str) {
    target.exec(&format!(
        "insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, confirmation_token,
           recovery_token, email_change_token_new, email_change, created_at, updated_at)
         values ('00000000-0000-0000-0000-000000000000', '{id}', 'authenticated', 'authenticated', '{email}', 'x', now(), '', '', '',
           '', now(), now())"
    ));
}

fn project(missing_profile: &str, auth: &str) -> Project {
    let project = Project::pg(SOURCE, &format!("{AUTH}{TARGET}{HANDLE_NEW_USER}"));
    project.use_shipped_rules();
    for rule in project.rules() {
        if rule != "technicians" {
            std::fs::remove_file(project.path(&format!("rules/{rule}.rhai"))).expect("a rule");
        }
    }
    project.edit(
        "rules/technicians.rhai",
        "missing_profile: \"reject\",",
        &format!("missing_profile: \"{missing_profile}\","),
    );
    project.edit(
        "rules/technicians.rhai",
        "auth: \"link\",",
        &format!("auth: \"{auth}\","),
    );
    project
}

fn notes(project: &Project) -> serde_json::Value {
    project.status("technicians")["codes"]["note"].clone()
}

#[test]
fn a_missing_profile_is_made_with_the_technician_and_survives_the_trigger() {
    let project = project("create", "create");
    add_user(&project, 1, " One@X.org ", BCRYPT, true);
    add_user(&project, 2, "two@x.org", "!", true);
    add_profile(&project.target, 2, "two@x.org");
    project.runner(&["check"]).ends_with(0);
    let dry = project.runner(&["run", "--dry-run", "--json"]);
    dry.ends_with(0);
    assert!(dry.stdout.contains("profile_created"), "{dry}");
    assert_eq!(project.target.count("select count(*) from profiles"), 1);

    project.runner(&["run"]).ends_with(0);
    let made = project.target.lines(
        "select profile_type || ' ' || first_name || ' ' || email || ' ' || username || ' ' || is_active from profiles where legacy_user_id = 1",
    );
    assert_eq!(made, ["technician First1 one@x.org user1 true"]);
    assert_eq!(project.target.count("select count(*) from profiles"), 2);
    assert_eq!(
        project.target.lines(
            "select t.legacy_technician_id || ' ' || (t.user_id = t.profile_id) || ' ' || t.auth_linked from technicians t order by 1"
        ),
        ["1 true true", "2 true true"]
    );
    let noted = notes(&project);
    assert_eq!(noted["profile_created"], 1, "{noted}");
    assert_eq!(noted["login_created"], 2, "{noted}");
    assert_eq!(noted["must_reset_password"], 1, "{noted}");
    // where they can be found again: the old scripts' table, and the state
    assert_eq!(
        project.target.lines(
            "select m.entity_type from migration_mappings m join profiles p on p.id = m.new_id where m.legacy_id = 1"
        ),
        ["profiles"]
    );
    assert_eq!(
        project
            .target
            .lines("select entity || ' ' || key from runner.stated order by 1"),
        [
            "auth.identities 1",
            "auth.identities 2",
            "auth.users 1",
            "auth.users 2",
            "profiles 1"
        ]
    );
    // nothing is made twice, nothing changes
    project.runner(&["run"]).ends_with(0).tells("already done");
    let before = project
        .target
        .lines("select xmin || ' ' || id from profiles order by id");
    project.runner(&["run", "--restart"]).ends_with(0);
    assert_eq!(
        project
            .target
            .lines("select xmin || ' ' || id from profiles order by id"),
        before
    );
    assert_eq!(project.accounts("technicians"), [2, 0, 2, 0, 0, 2, 0, 0]);
    project.runner(&["verify"]).ends_with(0);
    project
        .target
        .exec("update profiles set first_name = 'Other' where legacy_user_id = 1");
    project
        .runner(&["verify"])
        .ends_with(4)
        .prints("made profiles");
}

#[test]
fn an_account_is_found_through_the_profile_and_nothing_is_made() {
    let project = project("reject", "link");
    for id in 1..=3 {
        add_user(&project, id, &format!("u{id}@x.org"), BCRYPT, true);
        if id < 3 {
            add_profile(&project.target, id, &format!("u{id}@x.org"));
        }
    }
    add_account(&project.target, &profile(1), "u1@x.org");
    project.runner(&["run"]).ends_with(3);
    assert_eq!(
        project.target.lines(
            "select legacy_technician_id || ' ' || coalesce(user_id::text, '-') || ' ' || auth_linked from technicians order by 1"
        ),
        [format!("1 {} true", profile(1)), "2 - false".to_owned()]
    );
    let noted = notes(&project);
    assert!(
        noted.get("no_auth_user").is_none(),
        "the row is as it should be: {noted}"
    );
    assert_eq!(
        project.status("technicians")["codes"]["reject"]["missing_profile"],
        1
    );
    assert_eq!(project.target.count("select count(*) from auth.users"), 1);
    project
        .runner(&["verify"])
        .ends_with(0)
        .prints("sign-in no_auth_user 1, has no account");
    // whom `missing_profile` kept out comes in as soon as the rule says so
    project.edit(
        "rules/technicians.rhai",
        "missing_profile: \"reject\"",
        "missing_profile: \"create\"",
    );
    project.runner(&["retry"]).ends_with(0);
    assert_eq!(
        project.target.count(
            "select count(*) from profiles where legacy_user_id = 3 and profile_type = 'technician'"
        ),
        1
    );
}

#[test]
fn whoever_cannot_get_an_account_is_a_class_of_their_own() {
    let project = project("create", "create");
    let target = &project.target;
    let users = [
        (1, "taken@x.org", BCRYPT, true),
        (2, "case@x.org", BCRYPT, true),
        (3, "null@x.org", BCRYPT, true),
        (4, "", BCRYPT, true),
        (5, "gone@x.org", BCRYPT, false),
        (6, "old@x.org", "pbkdf2_sha256$260000$salt$hash", true),
        (7, "fine@x.org", BCRYPT, true),
    ];
    for (id, email, password, is_active) in users {
        add_user(&project, id, email, password, is_active);
        add_profile(target, id, email);
    }
    add_account(target, &profile(101), "taken@x.org");
    add_account(target, &profile(102), "Case@x.org");
    add_account(target, &profile(3), "null@x.org");
    target.exec(&format!(
        "update auth.users set recovery_token = null where id = '{}'",
        profile(3)
    ));
    project.runner(&["run"]).ends_with(0);
    let noted = notes(&project);
    for (code, count) in [
        ("email_taken", 1),
        ("email_case", 1),
        ("login_broken", 1),
        ("no_login_address", 1),
        ("login_inactive", 1),
        ("must_reset_password", 1),
        ("login_created", 2),
    ] {
        assert_eq!(noted[code], count, "{code}: {noted}");
    }
    // never an unusable hash
    assert_eq!(
        target.lines("select email || ' ' || (encrypted_password = '') from auth.users where email in ('old@x.org', 'fine@x.org') order by 1"),
        ["fine@x.org false", "old@x.org true"]
    );
    assert_eq!(
        target.lines("select legacy_technician_id from technicians where auth_linked order by 1"),
        ["3", "6", "7"]
    );
}

#[test]
fn a_trigger_that_refuses_an_account_refuses_its_row_and_no_other() {
    let project = project("create", "create");
    for id in 1..=5 {
        add_user(&project, id, &format!("u{id}@x.org"), BCRYPT, true);
    }
    // the usual trigger, without `on conflict`: it trips over profiles that are there
    add_profile(&project.target, 3, "u3@x.org");
    project.target.exec(
        "create or replace function public.handle_new_user() returns trigger language plpgsql as $$
         begin insert into public.profiles (id, profile_type) values (new.id, 'user'); return new; end $$",
    );
    project.runner(&["run"]).ends_with(3);
    assert_eq!(project.accounts("technicians"), [5, 0, 5, 4, 0, 0, 0, 1]);
    assert_eq!(
        project.status("technicians")["codes"]["reject"]["login_refused"],
        1
    );
    assert_eq!(project.target.count("select count(*) from auth.users"), 4);
    assert_eq!(
        project
            .target
            .count("select count(*) from profiles where profile_type = 'technician'"),
        4
    );
}

#[test]
fn sqlite_has_no_accounts_and_makes_profiles_all_the_same() {
    let project = Project::demo("0.003", Engine::Sqlite);
    project.edit(
        "rules/technicians.rhai",
        "missing_profile: \"reject\"",
        "missing_profile: \"create\"",
    );
    project.runner(&["exec", "technicians"]).ends_with(3);
    let made = notes(&project)["profile_created"]
        .as_i64()
        .expect("a count");
    assert!(made > 0);
    assert_eq!(
        project.target.count("select count(*) from profiles p join runner_stated s on s.id = p.id and s.entity = 'profiles' and cast(p.legacy_user_id as text) = s.key
               where profile_type = 'technician' and exists (select 1 from technicians t where t.profile_id = p.id)"),
        made
    );
    assert_eq!(
        project
            .target
            .count("select count(*) from technicians where auth_linked or user_id is not null"),
        0
    );
}
