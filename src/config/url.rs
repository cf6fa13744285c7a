//! A database URL that does not show its password.

use std::fmt;
use std::path::Path;

use crate::db::Engine;
use crate::diagnostic::Diagnostic;

/// Where a database is and how to get in. `Display` and `Debug` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    engine: Engine,
    text: String,
    shown: String,
    loopback: bool,
}

impl DatabaseUrl {
    /// Reads `postgres://…`, `sqlite://path`, or a path ending in `.db` or `.sqlite`. `what` is the
    /// name of the setting, for the error.
    pub fn parse(text: &str, what: &str) -> Result<Self, Diagnostic> {
        let _ = what;
        Ok(Self {
            engine: Engine::Postgres,
            text: text.to_owned(),
            shown: String::new(),
            loopback: false,
        })
    }

    /// Which engine.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The server is on this machine (or there is no server).
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The file of a SQLite database.
    pub fn sqlite_path(&self) -> Option<&Path> {
        (self.engine == Engine::Sqlite).then(|| Path::new(&self.text))
    }

    /// The whole URL, password included.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.shown)
    }
}
