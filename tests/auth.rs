//! People with accounts: profiles that are made, accounts that are linked or made, and whether everybody can
//! sign in the way the auth server looks for them.

use crate::support::{Db, Engine, Project};

mod kills;

/// What the users of the legacy system have in common: six technicians and a clerk.
const SOURCE: &str = "
    create table auth_user(id integer primary key, username varchar(150) not null, first_name varchar(150) not null,
        last_name varchar(150) not null, email varchar(254) not null, password varchar(128) not null,
        is_active boolean not null, date_joined timestamptz not null, last_login timestamptz);
    create table auth_user_groups(id serial primary key, user_id integer not null, group_id integer not null);
";

/// Accounts as the auth server keeps them; profiles as an owner does, with the usual trigger.
const TARGET: &str = "
    create schema auth;
    create table auth.users (
      instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255),
      encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz,
      confirmation_token varchar(255), confirmation_sent_at timestamptz, recovery_token varchar(255),
      recovery_sent_at timestamptz, email_change_token_new varchar(255), email_change varchar(255),
      email_change_sent_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb,
      is_super_admin boolean, created_at timestamptz, updated_at timestamptz, phone text unique default null,
      phone_confirmed_at timestamptz, phone_change text default '', phone_change_token varchar(255) default '',
      confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
      email_change_token_current varchar(255) default '', email_change_confirm_status smallint default 0,
      banned_until timestamptz, reauthentication_token varchar(255) default '', is_sso_user boolean not null default false,
      deleted_at timestamptz, is_anonymous boolean not null default false);
    create unique index users_email_partial_key on auth.users (email) where is_sso_user = false;
    create table auth.identities (
      provider_id text not null, user_id uuid not null references auth.users (id) on delete cascade,
      identity_data jsonb not null, provider text not null, last_sign_in_at timestamptz, created_at timestamptz,
      updated_at timestamptz, email text generated always as (lower(identity_data ->> 'email')) stored,
      id uuid primary key default gen_random_uuid(), unique (provider_id, provider));
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
    create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id, profile_type, email) values (new.id, 'user', new.email) on conflict (id) do nothing;
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
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
    let project = Project::pg(SOURCE, TARGET);
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

/// The auth server's own steps, with the crates that stand for its libraries: the lookup, the columns that it
/// cannot read as NULL, the hash.
fn signs_in(target: &Db, address: &str, password: &str) -> Result<(), String> {
    let found = target.rows(&format!(
        "select aud, role, confirmation_token, recovery_token, email_change_token_new, email_change_token_current, email_change,
           phone_change, phone_change_token, reauthentication_token, email_change_confirm_status::text, created_at::text,
           updated_at::text, encrypted_password, email_confirmed_at::text
         from auth.users where instance_id = '00000000-0000-0000-0000-000000000000' and lower(email) = lower('{address}')
           and aud = 'authenticated' and is_sso_user = false"
    ));
    let [row] = &found[..] else {
        return Err(format!("{} accounts", found.len()));
    };
    if row[..13].iter().any(Option::is_none) {
        return Err("converting NULL to string is unsupported".into());
    }
    let hash = row[13].clone().unwrap_or_default();
    let right = if hash.starts_with("$argon2") {
        use argon2::password_hash::{PasswordHash, PasswordVerifier};
        let parsed = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
        argon2::Argon2::default()
            .verify_password(password.as_bytes(), &parsed)
            .is_ok()
    } else if hash.is_empty() {
        return Err("no password".into());
    } else {
        bcrypt::verify(password, &hash).map_err(|error| error.to_string())?
    };
    match (right, row[14].is_some()) {
        (true, true) => Ok(()),
        (true, false) => Err("not confirmed".into()),
        (false, _) => Err("wrong password".into()),
    }
}

fn argon2_hash(password: &str) -> String {
    use argon2::password_hash::{PasswordHasher, SaltString};
    let salt = SaltString::encode_b64(b"sixteen bytes!!!").expect("a salt");
    let hash = argon2::Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.expect("a hash").to_string()
}

#[test]
fn who_had_bcrypt_or_argon2_signs_in_with_the_old_password() {
    let project = project("create", "create");
    let bcrypt = bcrypt::hash("correct horse", 4).expect("a hash");
    add_user(&project, 1, "bc@x.org", &format!("bcrypt${bcrypt}"), true);
    add_user(
        &project,
        2,
        "Ar@X.org",
        &format!("argon2{}", argon2_hash("correct horse")),
        true,
    );
    add_user(
        &project,
        3,
        "pb@x.org",
        "pbkdf2_sha256$260000$salt$hash",
        true,
    );
    project.runner(&["run"]).ends_with(0);
    for address in ["bc@x.org", "AR@x.org"] {
        assert_eq!(signs_in(&project.target, address, "correct horse"), Ok(()));
        assert_eq!(
            signs_in(&project.target, address, "wrong horse"),
            Err("wrong password".into())
        );
    }
    assert_eq!(
        signs_in(&project.target, "pb@x.org", "x"),
        Err("no password".into())
    );
    assert_eq!(
        project.target.lines("select provider || ' ' || (provider_id = user_id::text) || ' ' || email from auth.identities order by email"),
        ["email true ar@x.org", "email true bc@x.org", "email true pb@x.org"]
    );
    let proof = project.runner(&["verify"]);
    proof
        .ends_with(0)
        .prints("technicians: 2 of 3 can sign in with the old password")
        .prints("sign-in must_reset_password 1, has an account and no usable password: has to set a new one: 3");
    let report = project.runner(&["report", "--format", "txt"]);
    report
        .ends_with(0)
        .prints("technicians: 2 can_sign_in")
        .prints("technicians: 1 must_reset_password");
}

#[test]
fn every_technician_of_the_real_size_satisfies_the_login_contract_or_is_listed() {
    let project = Project::empty(Engine::Postgres, Engine::Postgres);
    project.use_shipped_rules();
    project.seed(&["--scale", "0.01", "--rows", "technicians=85"]);
    project.edit(
        "rules/technicians.rhai",
        "missing_profile: \"reject\",",
        "missing_profile: \"create\",",
    );
    project.edit(
        "rules/technicians.rhai",
        "auth: \"link\",",
        "auth: \"create\",",
    );
    // two with a password that we know
    let bcrypt = bcrypt::hash("correct horse", 4).expect("a hash");
    project.source.exec(&format!(
        "update auth_user set password = 'bcrypt${bcrypt}', is_active = true where password like 'bcrypt%'
           or password like 'argon2%'"
    ));
    project.target.exec(
        "create function public.handle_new_user() returns trigger language plpgsql as $$ begin
           insert into public.profiles (id, profile_type, email) values (new.id, 'user', new.email) on conflict (id) do nothing;
           return new; end $$;
         create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
         update auth.users set email_change = null where id = (select id from auth.users u where exists
           (select 1 from profiles p where p.id = u.id and profile_type = 'technician') order by id limit 1)",
    );
    let accounts = project.target.count("select count(*) from auth.users");
    project.runner(&["exec", "technicians"]).ends_with(3);
    let [_, _, read, inserted, ..] = project.accounts("technicians");
    assert_eq!(
        (read, inserted),
        (85, 84),
        "all but the one with a twin's address"
    );
    let noted = notes(&project);
    assert_eq!(noted["profile_created"], 3, "{noted}");
    let made = noted["login_created"].as_i64().expect("a count");
    assert_eq!(
        project.target.count("select count(*) from auth.users"),
        accounts + made
    );

    let proof = project.runner(&["verify", "technicians", "--json"]);
    let proof = proof.ends_with(0).json();
    let checks = proof["tables"][0]["checks"]
        .as_array()
        .expect("checks")
        .clone();
    let check = checks
        .iter()
        .find(|c| c["name"] == "sign_in")
        .expect("the question");
    let classes = project.target.lines(&format!(
        "select code || ' ' || count(*) from ({}) q group by code order by code",
        check["query"].as_str().expect("a query")
    ));
    let told: Vec<&str> = check["text"]
        .as_str()
        .expect("a text")
        .split(", ")
        .collect();
    assert_eq!(told, classes);
    let all: i64 = classes
        .iter()
        .map(|c| {
            c.rsplit(' ')
                .next()
                .expect("a number")
                .parse::<i64>()
                .expect("a number")
        })
        .sum();
    assert_eq!(all, 84, "{classes:?}");
    // the auth server's own steps agree with each class
    let can: Vec<String> = project.target.lines(&format!(
        "select t.email from technicians t join ({}) q on q.key = t.legacy_technician_id::text where code = 'can_sign_in' order by 1",
        check["query"].as_str().expect("a query")
    ));
    assert!(!can.is_empty(), "{classes:?}");
    for address in &can {
        assert_eq!(
            signs_in(&project.target, address, "correct horse"),
            Ok(()),
            "{address}"
        );
    }
    for (code, why) in [
        ("must_reset_password", "no password"),
        ("null_column", "converting NULL to string is unsupported"),
        ("no_auth_user", "0 accounts"),
    ] {
        let some = project.target.lines(&format!(
            "select t.email from technicians t join ({}) q on q.key = t.legacy_technician_id::text where code = '{code}' and t.email is not null",
            check["query"].as_str().expect("a query")
        ));
        assert!(
            !some.is_empty() || code == "no_auth_user",
            "{code}: {classes:?}"
        );
        for address in some {
            assert_eq!(
                signs_in(&project.target, &address, "correct horse"),
                Err(why.into()),
                "{code} {address}"
            );
        }
    }
}

#[test]
fn a_hash_reaches_its_column_and_nothing_else() {
    let project = project("create", "create");
    let bcrypt = bcrypt::hash("correct horse", 4).expect("a hash");
    let argon2 = argon2_hash("correct horse");
    add_user(&project, 1, "bc@x.org", &format!("bcrypt${bcrypt}"), true);
    add_user(&project, 2, "ar@x.org", &format!("argon2{argon2}"), true);
    add_user(
        &project,
        3,
        "pb@x.org",
        "pbkdf2_sha256$260000$saltCANARY$hashCANARY",
        true,
    );
    add_user(&project, 4, "sb@x.org", "sb_secret_CANARY4d1c", true);
    add_user(
        &project,
        5,
        "jw@x.org",
        "eyJhbGciOiJIUzI1NiJ9.CANARY.sig",
        true,
    );
    // one is refused by the database, so that its row goes through every hand there is
    project
        .target
        .exec("alter table profiles add check (legacy_user_id <> 2)");
    let mut said = String::new();
    for arguments in [
        &["check"][..],
        &["plan", "--json"],
        &["run", "--dry-run", "-v"],
        &["run", "-v"],
        &["run", "--restart", "--json"],
        &["retry"],
        &["quarantine", "list"],
        &["quarantine", "show", "technicians", "2"],
        &["why", "technicians", "1"],
        &["why", "technicians", "2"],
        &["verify", "--record"],
        &["status", "--json"],
        &["report", "--format", "html"],
        &["report", "--format", "json"],
        &["quarantine", "export"],
        &["repl", "technicians", "-e", ":try 1"],
        &["repl", "technicians", "-e", ":row 3"],
    ] {
        let output = project.runner(arguments);
        said.push_str(&output.stdout);
        said.push_str(&output.stderr);
    }
    assert_eq!(
        project.status("technicians")["codes"]["reject"]["profile_refused"],
        1
    );
    let tables = project.target.lines("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('runner', 'public')");
    assert!(tables.len() > 12);
    for table in tables {
        said.push_str(
            &project
                .target
                .lines(&format!("select t::text from {table} t"))
                .join("\n"),
        );
    }
    let server = crate::support::postgres().log();
    let own: Vec<&str> = server
        .lines()
        .filter(|line| line.contains(project.target.name()))
        .collect();
    said.push_str(&own.join("\n"));
    for secret in [
        &bcrypt[7..],
        &argon2[30..],
        "CANARY",
        "sb_secret_",
        "eyJhbGci",
    ] {
        assert!(!said.contains(secret), "{secret} was told");
    }
    assert_eq!(
        signs_in(&project.target, "bc@x.org", "correct horse"),
        Ok(())
    );
}
