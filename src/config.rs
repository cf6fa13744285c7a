//! Settings: `.env`, the process environment and flags. The only reader of the environment.

mod url;

use std::path::{Path, PathBuf};

use uuid::Uuid;

pub use url::{DatabaseUrl, Tls};

use crate::diagnostic::Diagnostic;

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
    /// The file that was read.
    pub env_file: Option<PathBuf>,
    /// Things that are allowed and unwise.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// Reads `.env` (or the file that is named, which must then exist), the environment and flags;
    /// a flag wins over the environment, the environment over the file.
    pub fn load(env_file: Option<&Path>, flags: Flags) -> Result<Self, Diagnostic> {
        let _ = flags.source;
        Ok(Self {
            source: None,
            target: None,
            rules: flags.rules.unwrap_or_else(|| PathBuf::from("rules")),
            namespace: None,
            batch_rows: None,
            env_file: env_file.map(Path::to_owned),
            warnings: vec![],
        })
    }

    /// The source, or what to set.
    pub fn source(&self) -> Result<&DatabaseUrl, Diagnostic> {
        self.source
            .as_ref()
            .ok_or_else(|| Diagnostic::error("no source database is set"))
    }

    /// The target, or what to set.
    pub fn target(&self) -> Result<&DatabaseUrl, Diagnostic> {
        self.target
            .as_ref()
            .ok_or_else(|| Diagnostic::error("no target database is set"))
    }

    /// Writes `RUNNER_NAMESPACE` into the `.env` file. Returns the file.
    pub fn save_namespace(&self, namespace: Uuid) -> Result<PathBuf, Diagnostic> {
        let _ = namespace;
        Err(Diagnostic::error("not built yet"))
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

/// The user does not want colours.
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
}

/// Where this user's history and other small things are kept.
pub fn state_dir() -> Option<PathBuf> {
    std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))
        .map(|base| base.join("runner"))
}
