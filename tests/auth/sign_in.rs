//! Whether people get in: the auth server's own steps, and where a hash may be.

use super::{add_user, notes, project};
use crate::support::{Db, Engine, HANDLE_NEW_USER, Project};

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
    project.target.exec(HANDLE_NEW_USER);
    project.target.exec(
        "update auth.users set email_change = null where id = (select id from auth.users u where exists
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
