//! Nothing that opens a door is told: every word that the program says, every file that it leaves in a project and
//! every state table is searched for passwords, keys and hashes, in every test.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::database::{Db, Engine};

/// Passwords of the tests' own servers and people, as they are and as a URL spells them.
const PASSWORDS: &[&str] = &[
    "p@ss:word/1",
    "p%40ss%3Aword%2F1",
    "hunter2",
    "correct horse",
];

/// What stands for a password in help and hints.
const EXAMPLES: &[&str] = &["***", "password", "…"];

/// The first secret in a text: its kind, and where it begins.
pub fn secret(text: &str) -> Option<(&'static str, usize)> {
    let planted = PASSWORDS.iter().find_map(|word| text.find(word));
    let followed = |mark: &str, least: usize, fits: fn(char) -> bool| {
        text.match_indices(mark).find_map(|(at, _)| {
            let rest = &text[at + mark.len()..];
            (rest.chars().take_while(|letter| fits(*letter)).count() >= least).then_some(at)
        })
    };
    let digits = |mark: &str| followed(mark, 2, |letter| letter.is_ascii_digit() || letter == '$');
    let code = |letter: char| letter.is_ascii_alphanumeric() || "_-./+=".contains(letter);
    [
        ("a password", planted),
        ("a password in a URL", url_password(text)),
        (
            "a hash (bcrypt)",
            digits("$2b$")
                .or_else(|| digits("$2a$"))
                .or_else(|| digits("$2y$")),
        ),
        (
            "a hash (argon2)",
            text.find("$argon2").or_else(|| text.find("argon2$argon2")),
        ),
        ("a hash (pbkdf2)", digits("pbkdf2_sha256$")),
        ("a secret key", followed("sb_secret_", 8, code)),
        ("a token", followed("eyJ", 20, code)),
    ]
    .into_iter()
    .find_map(|(kind, at)| at.map(|at| (kind, at)))
}

/// `://user:password@`.
fn url_password(text: &str) -> Option<usize> {
    text.match_indices("://").find_map(|(at, _)| {
        let rest = &text[at + 3..];
        let end = rest.find(|letter: char| letter.is_whitespace() || "/\"'`<>{".contains(letter));
        let (login, _) = rest[..end.unwrap_or(rest.len())].split_once('@')?;
        let (_, password) = login.split_once(':')?;
        (!password.is_empty() && !EXAMPLES.contains(&password)).then_some(at)
    })
}

/// Fails the test when a secret is in a text.
#[track_caller]
pub fn keeps(place: &str, text: &str) {
    if let Some((kind, at)) = secret(text) {
        let before: String = text[..at].chars().rev().take(120).collect();
        let before: String = before.chars().rev().collect();
        panic!("{place} holds {kind}, behind: {before}");
    }
}

/// The files of a project that were searched, and how new they were then.
#[derive(Default)]
pub struct Searched(Mutex<HashMap<PathBuf, SystemTime>>);

impl Searched {
    /// Searches what came since. Settings and databases are where secrets belong.
    #[track_caller]
    pub fn look(&self, folder: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                // a file may go while it is looked at
                let Ok(about) = entry.metadata() else {
                    continue;
                };
                if about.is_dir() {
                    folders.push(path);
                    continue;
                }
                // a device behind a link never ends
                if !about.is_file() {
                    continue;
                }
                let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                if belongs(&path) || known.get(&path) == Some(&changed) {
                    continue;
                }
                if let Ok(bytes) = fs::read(&path)
                    && !bytes.starts_with(b"SQLite format 3")
                {
                    keeps(
                        &path.display().to_string(),
                        &String::from_utf8_lossy(&bytes),
                    );
                }
                known.insert(path, changed);
            }
        }
    }
}

/// A user's own: settings, and rules.
fn belongs(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let own = |end: &str| name.ends_with(end);
    name.contains(".env")
        || own(".rhai")
        || own("-wal")
        || own("-shm")
        || own("-journal")
        || own(".db")
}

/// Searches what the program wrote down in the target. Not the texts of rules, and not its packed keys.
#[track_caller]
pub fn search_state(target: &Db) {
    let all = match target.engine() {
        Engine::Postgres => {
            "select tablename from pg_tables where schemaname = 'runner' and tablename not in ('rule', 'manifest')"
        }
        Engine::Sqlite => {
            r"select substr(name, 8) from sqlite_master where type = 'table' and name like 'runner\_%' escape '\'
            and name not in ('runner_rule', 'runner_manifest')"
        }
    };
    let Ok(tables) = target.try_rows(all) else {
        return;
    };
    let names = tables.into_iter().filter_map(|mut row| row.pop().flatten());
    for name in names {
        let table = target.table(&format!("runner.{name}"));
        let rows = match target.engine() {
            Engine::Postgres => target.try_rows(&format!(
                "select t::text from {table} t where t::text ~ '(\\$2[aby]\\$|argon2|pbkdf2_|sb_secret_|eyJ|://|ss:word|hunter2|horse)'"
            )),
            Engine::Sqlite => target.try_rows(&format!("select * from {table}")),
        };
        for cell in rows.into_iter().flatten().flatten().flatten() {
            keeps(&format!("{table} of the target"), &cell);
        }
    }
}

#[test]
fn each_kind_of_secret_is_found_and_what_only_speaks_of_one_is_not() {
    for (text, kind) in [
        ("login p@ss:word/1 failed", "a password"),
        ("postgres://me:geheim@host/db", "a password in a URL"),
        (
            "is $2b$04$MDEyMzQ1Njc4OWFiY2RlZuNuAblhP1nFnDLKSjDtgN2L5aV2HqJYO",
            "a hash (bcrypt)",
        ),
        (
            "is argon2$argon2id$v=19$m=19456,t=2,p=1$c2l4",
            "a hash (argon2)",
        ),
        ("pbkdf2_sha256$260000$salt$hash", "a hash (pbkdf2)"),
        ("key sb_secret_abcdefgh1234", "a secret key"),
        (
            "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZSJ9.c2ln",
            "a token",
        ),
    ] {
        assert_eq!(secret(text).map(|(kind, _)| kind), Some(kind), "{text}");
    }
    for text in [
        "postgres://me:***@host/db, or postgres://user:password@host:5432/name",
        "Django's `bcrypt$$2b$…` and `argon2` go over, `pbkdf2_sha256$…` does not",
        "a service key (sb_secret_…) is not enough",
        "https://example.org/a?at=12:30@noon",
    ] {
        assert_eq!(secret(text), None, "{text}");
    }
}

#[test]
#[should_panic(expected = "stdout of echo holds a hash (bcrypt)")]
fn a_program_that_tells_a_hash_fails_its_test() {
    let mut echo = std::process::Command::new("echo");
    echo.arg("$2b$04$MDEyMzQ1Njc4OWFiY2RlZuNuAblhP1nFnDLKSjDtgN2L5aV2HqJYO");
    let _ = super::process::run_limited(&mut echo, std::time::Duration::from_secs(20));
}
