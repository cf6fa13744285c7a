//! Settings: `.env`, the process environment and flags. The only reader of the environment.

mod env_file;
mod names;
mod server;
mod url;

use std::path::{Path, PathBuf};

use uuid::Uuid;

pub use server::Tls;
pub use url::DatabaseUrl;

use crate::diagnostic::Diagnostic;
use env_file::EnvFile;
use names::{Values, patience, source_url, target_url};

/// Which database engine a session talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL 13 and newer (Supabase).
    Postgres,
    /// The embedded SQLite.
    Sqlite,
}

/// What was given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--source`
    pub source: Option<String>,
    /// `--target`
    pub target: Option<String>,
    /// `--rules`
    pub rules: Option<PathBuf>,
}

/// Everything that comes from outside the rules.
#[derive(Clone, Debug)]
pub struct Config {
    /// The legacy database.
    pub source: Option<DatabaseUrl>,
    /// The Supabase database.
    pub target: Option<DatabaseUrl>,
    /// The folder of rules.
    pub rules: PathBuf,
    /// `RUNNER_NAMESPACE`.
    pub namespace: Option<Uuid>,
    /// `BATCH_SIZE`: source rows per chunk.
    pub batch_rows: Option<u64>,
    /// The file that was read; `None` when there is none.
    pub env_file: Option<PathBuf>,
    /// Things that are allowed and unwise.
    pub warnings: Vec<Diagnostic>,
    /// A Supabase API address and no database URL: the usual misunderstanding.
    pub(crate) only_api_url: bool,
}

impl Config {
    /// Reads `.env` (or the file that is named, which must then exist), the environment and flags;
    /// a flag wins over the environment, the environment over the file. The process environment is
    /// not changed.
    pub fn load(env_file: Option<&Path>, flags: Flags) -> Result<Self, Diagnostic> {
        let file = match env_file {
            Some(path) => Some(EnvFile::read(path)?),
            None if Path::new(".env").is_file() => Some(EnvFile::read(Path::new(".env"))?),
            None => None,
        };
        let process = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::from_values(file, process.collect(), flags)
    }

    fn from_values(
        file: Option<EnvFile>,
        process: std::collections::HashMap<String, String>,
        flags: Flags,
    ) -> Result<Self, Diagnostic> {
        let (path, in_file, mut warnings) = match file {
            Some(file) => (Some(file.path), file.values, file.warnings),
            None => (None, std::collections::HashMap::new(), vec![]),
        };
        let values = Values {
            process,
            file: in_file,
        };
        let mut source = match &flags.source {
            Some(text) => Some(from_argv(text, "--source")?),
            None => source_url(&values)?,
        };
        let mut target = match &flags.target {
            Some(text) => Some(from_argv(text, "--target")?),
            None => target_url(&values)?,
        };
        if let Some(patience) = patience(&values)? {
            for url in source.iter_mut().chain(target.iter_mut()) {
                url.wait_for(patience);
            }
        }
        for (url, side) in [(&source, "source"), (&target, "target")] {
            let weak = url
                .as_ref()
                .filter(|u| !u.is_loopback())
                .and_then(DatabaseUrl::tls);
            if let Some(tls) = weak.filter(|tls| *tls <= Tls::Prefer) {
                let message = format!(
                    "the connection to the {side} may be unencrypted (sslmode={})",
                    tls.word()
                );
                warnings.push(
                    Diagnostic::new(crate::diagnostic::Severity::Warning, message)
                        .hint("leave sslmode out: verify-full is the default"),
                );
            }
        }
        Ok(Self {
            only_api_url: target.is_none() && values.get("SUPABASE_URL").is_some(),
            source,
            target,
            rules: flags.rules.unwrap_or_else(|| PathBuf::from("rules")),
            namespace: namespace(&values)?,
            batch_rows: batch_rows(&values)?,
            env_file: path,
            warnings,
        })
    }

    /// The source, or what to set.
    pub fn source(&self) -> Result<&DatabaseUrl, Diagnostic> {
        self.source.as_ref().ok_or_else(|| {
            Diagnostic::error("no source database is set").hint(
                "put SOURCE_DATABASE_URL=postgres://user:password@host:5432/name (or sqlite://legacy.db) into .env, or pass --source",
            )
        })
    }

    /// The target, or what to set.
    pub fn target(&self) -> Result<&DatabaseUrl, Diagnostic> {
        self.target.as_ref().ok_or_else(|| {
            if self.only_api_url {
                return url::api_url("SUPABASE_URL");
            }
            Diagnostic::error("no target database is set").hint(
                "put TARGET_DATABASE_URL into .env, or pass --target: Supabase dashboard, Connect, direct connection or session pooler (port 5432)",
            )
        })
    }

    /// Writes a settings file that is not there yet, readable by its owner alone.
    pub fn create_env_file(path: &Path, text: &str) -> Result<(), Diagnostic> {
        env_file::append(path, text.trim_end())
    }

    /// Writes `RUNNER_NAMESPACE` into the `.env` file, which is made when there is none, readable
    /// by its owner alone. Returns the file.
    pub fn save_namespace(&self, namespace: Uuid) -> Result<PathBuf, Diagnostic> {
        if let Some(kept) = self.namespace {
            return Err(
                Diagnostic::error(format!("RUNNER_NAMESPACE is set already, to {kept}"))
                    .hint("keep it: another one would give every row another id"),
            );
        }
        let path = self
            .env_file
            .clone()
            .unwrap_or_else(|| PathBuf::from(".env"));
        env_file::append(&path, &format!("RUNNER_NAMESPACE={namespace}"))?;
        Ok(path)
    }
}

/// Everybody on the machine sees arguments, and the shell keeps them.
fn from_argv(text: &str, flag: &str) -> Result<DatabaseUrl, Diagnostic> {
    let url = DatabaseUrl::parse(text, flag)?;
    if url.has_password() && !url.is_loopback() {
        let name = if flag == "--source" {
            "SOURCE_DATABASE_URL"
        } else {
            "TARGET_DATABASE_URL"
        };
        return Err(Diagnostic::error(format!(
            "{flag} has a password in it, which the shell's history and other users could read"
        ))
        .hint(format!(
            "put the URL into .env as {name} instead, and leave {flag} out"
        )));
    }
    Ok(url)
}

fn namespace(values: &Values) -> Result<Option<Uuid>, Diagnostic> {
    let Some(text) = values.get("RUNNER_NAMESPACE") else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        Diagnostic::error("RUNNER_NAMESPACE is not a uuid").hint(
            "copy it again from where it was first written, or leave it out before the first run",
        )
    })
}

fn batch_rows(values: &Values) -> Result<Option<u64>, Diagnostic> {
    let Some(text) = values.get("BATCH_SIZE") else {
        return Ok(None);
    };
    match text.parse() {
        Ok(rows @ 1..=1_000_000) => Ok(Some(rows)),
        _ => Err(
            Diagnostic::error("BATCH_SIZE is not a number of rows between 1 and 1000000")
                .hint("leave it out to take 10000"),
        ),
    }
}

/// The failpoint that a test asked for; always `None` in a build without failpoints.
pub fn failpoint() -> Option<String> {
    if cfg!(feature = "failpoints") {
        std::env::var("RUNNER_FAILPOINT").ok()
    } else {
        None
    }
}

/// The words of the statement that a test wants its failpoint at.
#[cfg(feature = "failpoints")]
pub fn failpoint_at() -> Option<String> {
    std::env::var("RUNNER_FAILPOINT_STATEMENT").ok()
}

/// The file that gets a line for each point that is passed.
#[cfg(feature = "failpoints")]
pub fn failpoint_trace() -> Option<String> {
    std::env::var("RUNNER_FAILPOINT_TRACE").ok()
}

/// What the failpoint `mutant.sql` runs inside a chunk's transaction.
#[cfg(feature = "failpoints")]
pub fn failpoint_statement() -> Option<String> {
    std::env::var("RUNNER_FAILPOINT_SQL").ok()
}

/// The user does not want colours.
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

/// The user's editor with its arguments.
pub fn editor() -> String {
    ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        })
        .unwrap_or_else(|| "vi".to_owned())
}

/// Where this user's history and other small things are kept.
pub fn state_dir() -> Option<PathBuf> {
    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))
        .map(|base| base.join("runner"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(vars: &[(&str, &str)], flags: Flags) -> Result<Config, Diagnostic> {
        let vars = vars
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        Config::from_values(None, vars, flags)
    }

    fn target(vars: &[(&str, &str)]) -> String {
        let config = load(vars, Flags::default()).expect("good settings");
        config
            .target()
            .map_or_else(|e| e.to_string(), ToString::to_string)
    }

    #[test]
    fn our_names_win_and_the_usual_ones_are_understood() {
        let pooled = (
            "DATABASE_URL",
            "postgres://u:p@h.example.com:5432/pooled?pgbouncer=true",
        );
        let direct = ("DIRECT_URL", "postgres://u:p@h.example.com/direct");
        let ours = ("TARGET_DATABASE_URL", "postgres://u:p@h.example.com/ours");
        assert!(target(&[pooled]).ends_with("/pooled"));
        assert!(target(&[pooled, direct]).ends_with("/direct"));
        assert!(target(&[pooled, direct, ours]).ends_with("/ours"));
        assert!(
            target(&[
                ("SUPABASE_DB_URL", "postgres://u:p@h.example.com/db"),
                pooled
            ])
            .ends_with("/db")
        );
        let parts = [
            ("TARGET_DB_HOST", "h.example.com"),
            ("TARGET_DB_USER", "u"),
            ("TARGET_DB_PASSWORD", "p@:/ %41"),
            ("TARGET_DB_NAME", "n"),
        ];
        let config = load(&parts, Flags::default()).expect("good settings");
        let server = config
            .target()
            .expect("set")
            .server()
            .expect("Postgres")
            .clone();
        assert_eq!(server.password.as_deref(), Some("p@:/ %41"));
        assert_eq!(
            config.target().expect("set").to_string(),
            "postgres://u:***@h.example.com/n"
        );
    }

    #[test]
    fn a_pooled_url_does_no_harm_beside_a_direct_one() {
        let pooled = (
            "DATABASE_URL",
            "postgres://u:p@x.pooler.supabase.com:6543/postgres",
        );
        let direct = (
            "DIRECT_URL",
            "postgres://u:p@x.pooler.supabase.com:5432/postgres",
        );
        assert!(target(&[pooled, direct]).contains("pooler"));
        assert!(
            load(&[pooled], Flags::default())
                .expect_err("refused")
                .to_string()
                .contains("6543")
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(target(&[]).contains("TARGET_DATABASE_URL"));
        let api = target(&[("SUPABASE_URL", "https://ref.supabase.co")]);
        assert!(api.contains("web API") && api.contains("Connect"), "{api}");
        let half = load(&[("SOURCE_DB_HOST", "h")], Flags::default()).expect_err("refused");
        assert!(half.to_string().contains("SOURCE_DB_USER"), "{half}");
    }

    #[test]
    fn a_password_in_the_arguments_is_refused_unless_local() {
        let flags = |url: &str| Flags {
            source: Some(url.to_owned()),
            ..Flags::default()
        };
        let refused =
            load(&[], flags("postgres://u:hunter2@db.example.com/d")).expect_err("refused");
        assert!(!refused.to_string().contains("hunter2"));
        assert!(load(&[], flags("postgres://u:p@127.0.0.1/d")).is_ok());
        assert!(load(&[], flags("postgres://u@db.example.com/d")).is_ok());
    }

    #[test]
    fn weak_tls_is_warned_of() {
        let vars = [(
            "SOURCE_DATABASE_URL",
            "postgres://u:p@h.example.com/d?sslmode=disable",
        )];
        let config = load(&vars, Flags::default()).expect("allowed");
        assert_eq!(config.warnings.len(), 1);
    }

    #[test]
    fn numbers_and_ids_are_checked() {
        assert!(load(&[("BATCH_SIZE", "0")], Flags::default()).is_err());
        assert!(load(&[("RUNNER_NAMESPACE", "x")], Flags::default()).is_err());
        let config = load(&[("BATCH_SIZE", "500")], Flags::default()).expect("good settings");
        assert_eq!(config.batch_rows, Some(500));
        let url = ("SOURCE_DATABASE_URL", "legacy.db");
        let waits = |seconds: &str| {
            let config = load(&[url, ("STATEMENT_TIMEOUT", seconds)], Flags::default());
            config.map(|config| config.source().expect("set").patience().as_secs())
        };
        assert_eq!(waits("").expect("not set"), 600);
        assert_eq!(waits("45").expect("good settings"), 45);
        assert!(waits("0").is_err() && waits("10min").is_err());
    }
}
