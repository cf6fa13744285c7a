//! A database URL that does not show its password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Engine;
use super::server::{Server, Tls};
use crate::diagnostic::Diagnostic;

/// How long one statement, or one bulk read or write as a whole, may take when nobody says otherwise.
const PATIENCE: Duration = Duration::from_mins(10);

/// Where a database is, how to get in, and how long to wait for its answers. `Display` and `Debug` leave the
/// password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    place: Place,
    patience: Duration,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Postgres(Box<Server>),
    Sqlite(PathBuf),
}

impl DatabaseUrl {
    /// Reads `postgres://…`, `sqlite://path`, or a path ending in `.db`, `.sqlite` or `.sqlite3`.
    /// `what` is the name of the setting, for the error. A password may hold any character, also
    /// unencoded; parameters that only other tools know (`pgbouncer=true`) are left out.
    pub fn parse(text: &str, what: &str) -> Result<Self, Diagnostic> {
        let text = text.trim();
        if let Some(path) = sqlite_file(text) {
            if path.is_empty() {
                return Err(Diagnostic::error(format!("{what} names no SQLite file"))
                    .hint("write it as sqlite://legacy.db"));
            }
            return Ok(Self::at(Place::Sqlite(PathBuf::from(path))));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Diagnostic::error(format!("{what} is not a database URL"))
                .hint("postgres://user:password@host:5432/postgres, or sqlite://file.db"));
        };
        match scheme {
            "postgres" | "postgresql" => {
                let server = Server::parse(rest, what)?;
                Ok(Self::at(Place::Postgres(Box::new(server))))
            }
            "http" | "https" => Err(api_url(what)),
            other => Err(Diagnostic::error(format!(
                "{what} is a `{other}` URL, and there is no reader for that engine"
            ))
            .hint("PostgreSQL and SQLite can be read today")),
        }
    }

    /// From its parts, as `.env` files of older tools have them; nothing needs encoding.
    pub(crate) fn from_server(server: Server, what: &str) -> Result<Self, Diagnostic> {
        server.check(what)?;
        Ok(Self::at(Place::Postgres(Box::new(server))))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            patience: PATIENCE,
        }
    }

    /// How long one statement, or one bulk read or write as a whole, may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Waits so long for every answer.
    pub(crate) fn wait_for(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Which engine.
    pub fn engine(&self) -> Engine {
        match self.place {
            Place::Postgres(_) => Engine::Postgres,
            Place::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// The server is on this machine (or there is no server).
    pub fn is_loopback(&self) -> bool {
        match &self.place {
            Place::Postgres(server) => server.is_loopback(),
            Place::Sqlite(_) => true,
        }
    }

    /// The file of a SQLite database.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Postgres(_) => None,
            Place::Sqlite(path) => Some(path),
        }
    }

    /// Bytes that are free where a SQLite database lies; `None` for a server, or when nobody can tell.
    pub fn free_disk(&self) -> Option<u64> {
        let path = self.sqlite_path()?;
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        free_bytes(folder.unwrap_or(Path::new(".")))
    }

    /// The URL holds a password.
    pub fn has_password(&self) -> bool {
        self.server().is_some_and(|s| s.password.is_some())
    }

    /// What protects the connection: as the URL says, or `verify-full` for a host that is not
    /// this machine. `None` for SQLite.
    pub fn tls(&self) -> Option<Tls> {
        self.server().map(Server::tls)
    }

    /// The address of the session pooler where this one is Supabase's pooler for transactions.
    pub(crate) fn session_pooler(&self) -> Option<String> {
        let server = self
            .server()
            .filter(|s| s.is_supabase() && s.port != 5432)?;
        Some(format!(
            "postgres://{}:***@{}:5432/{}",
            server.user, server.host, server.database
        ))
    }

    /// Trusts this authority, unless the URL names one itself.
    pub(crate) fn trust(&mut self, root_cert: &Path) {
        if let Place::Postgres(server) = &mut self.place
            && server.root_cert.is_none()
        {
            server.root_cert = Some(root_cert.to_owned());
        }
    }

    pub(crate) fn server(&self) -> Option<&Server> {
        match &self.place {
            Place::Postgres(server) => Some(server),
            Place::Sqlite(_) => None,
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Place::Postgres(s) => {
                let hidden = if s.password.is_some() { ":***" } else { "" };
                let (open, close) = if s.host.contains(':') {
                    ("[", "]")
                } else {
                    ("", "")
                };
                write!(f, "postgres://{}{hidden}@{open}{}{close}", s.user, s.host)?;
                if s.port != 5432 {
                    write!(f, ":{}", s.port)?;
                }
                write!(f, "/{}", s.database)
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(unix)]
#[allow(
    clippy::useless_conversion,
    reason = "the counts are narrower on other systems"
)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size())))
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

/// The path of a SQLite URL, or of text that can only be one.
fn sqlite_file(text: &str) -> Option<&str> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return Some(path.split_once('?').map_or(path, |(path, _)| path));
    }
    let ends = [".db", ".sqlite", ".sqlite3"];
    (!text.contains("://") && ends.iter().any(|e| text.ends_with(e))).then_some(text)
}

/// A Supabase API address where a database URL belongs.
pub(super) fn api_url(what: &str) -> Diagnostic {
    Diagnostic::error(format!(
        "{what} is the address of the web API, and a bulk load needs the database itself"
    ))
    .hint("Supabase dashboard, Connect: copy the direct connection or session pooler URL (port 5432) into TARGET_DATABASE_URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Server {
        let url = DatabaseUrl::parse(text, "TARGET_DATABASE_URL").expect("a good URL");
        url.server().expect("a server").clone()
    }

    #[test]
    fn a_password_may_hold_anything_and_is_never_shown() {
        for (written, meant) in [
            ("p%40ss%2F", "p@ss/"),
            ("p@s:s/?#w", "p@s:s/?#w"),
            ("100%", "100%"),
        ] {
            let text =
                format!("postgresql://me.ref:{written}@db.example.com:6000/app?pgbouncer=true");
            let url = DatabaseUrl::parse(&text, "X").expect("a good URL");
            let s = server(&text);
            assert_eq!(
                (s.host.as_str(), s.port, s.user.as_str()),
                ("db.example.com", 6000, "me.ref")
            );
            assert_eq!(s.password.as_deref(), Some(meant));
            for shown in [url.to_string(), format!("{url:?}")] {
                assert!(
                    shown.contains("me.ref:***@db.example.com:6000/app"),
                    "{shown}"
                );
                assert!(!shown.contains(written) && !shown.contains(meant));
            }
        }
    }

    #[test]
    fn tls_is_full_unless_the_url_says_otherwise() {
        assert_eq!(
            server("postgres://u:p@db.example.com/d").tls(),
            Tls::VerifyFull
        );
        assert_eq!(
            server("postgres://u:p@db.example.com/d?sslmode=require").tls(),
            Tls::Require
        );
        assert_eq!(server("postgres://u@127.0.0.1:55/d").tls(), Tls::Prefer);
        assert_eq!(server("postgres://u@[::1]:55/d").port, 55);
        assert_eq!(
            server("postgres://u@/d?host=/run/postgresql").host,
            "/run/postgresql"
        );
        assert!(DatabaseUrl::parse("postgres://u@h/d?sslmode=maybe", "X").is_err());
    }

    #[test]
    fn sqlite_by_scheme_or_ending() {
        for (text, path) in [
            ("sqlite://a/legacy.db", "a/legacy.db"),
            ("sqlite:///abs/x.db?mode=ro", "/abs/x.db"),
            ("sqlite:x.db", "x.db"),
            ("demo/target.sqlite", "demo/target.sqlite"),
        ] {
            let url = DatabaseUrl::parse(text, "X").expect("a good path");
            assert_eq!(url.sqlite_path(), Some(Path::new(path)));
            assert!(url.is_loopback());
        }
    }

    #[test]
    fn what_cannot_work_is_said_at_once() {
        let message = |text: &str| {
            DatabaseUrl::parse(text, "TARGET_DATABASE_URL")
                .expect_err("refused")
                .to_string()
        };
        assert!(message("https://ref.supabase.co").contains("web API"));
        assert!(
            message("postgres://u:p@aws-0-eu.pooler.supabase.com:6543/postgres").contains("6543")
        );
        assert!(message("mysql://u:p@h/d").contains("mysql"));
        assert!(message("postgres://u:secret@h:port/d").contains("port"));
        assert!(!message("postgres://u:secret@h:port/d").contains("secret"));
        assert!(message("legacy").contains("not a database URL"));
        assert!(message("postgres://h/d").contains("no user"));
    }
}
