//! A database URL that does not show its password.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::db::Engine;
use crate::diagnostic::Diagnostic;

/// Where a database is and how to get in. `Display` and `Debug` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Place);

#[derive(Clone, PartialEq, Eq)]
enum Place {
    Postgres(Box<Server>),
    Sqlite(PathBuf),
}

/// How to reach a Postgres server; for `db` alone, because the password is in it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Host name or address, without brackets; a folder for a Unix socket.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) database: String,
    /// As the URL says it; `None` takes the default for the host.
    pub(crate) tls: Option<Tls>,
    /// A file with the certificate authority to trust.
    pub(crate) root_cert: Option<PathBuf>,
}

/// How much of TLS is asked for; names and meanings as libpq has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tls {
    /// Plain text.
    Disable,
    /// Plain text unless the server insists; treated as `Disable` by the driver.
    Allow,
    /// TLS when the server has it, without looking at its certificate.
    Prefer,
    /// TLS, without looking at the certificate.
    Require,
    /// TLS with a certificate of a trusted authority.
    VerifyCa,
    /// And the certificate is for this host.
    VerifyFull,
}

impl Tls {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// The word that a URL has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
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
            return Ok(Self(Place::Sqlite(PathBuf::from(path))));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Diagnostic::error(format!("{what} is not a database URL"))
                .hint("postgres://user:password@host:5432/postgres, or sqlite://file.db"));
        };
        match scheme {
            "postgres" | "postgresql" => {
                let server = Server::parse(rest, what)?;
                Ok(Self(Place::Postgres(Box::new(server))))
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
        Ok(Self(Place::Postgres(Box::new(server))))
    }

    /// Which engine.
    pub fn engine(&self) -> Engine {
        match self.0 {
            Place::Postgres(_) => Engine::Postgres,
            Place::Sqlite(_) => Engine::Sqlite,
        }
    }

    /// The server is on this machine (or there is no server).
    pub fn is_loopback(&self) -> bool {
        match &self.0 {
            Place::Postgres(server) => server.is_loopback(),
            Place::Sqlite(_) => true,
        }
    }

    /// The file of a SQLite database.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Postgres(_) => None,
            Place::Sqlite(path) => Some(path),
        }
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

    /// Trusts this authority, unless the URL names one itself.
    pub(crate) fn trust(&mut self, root_cert: &Path) {
        if let Place::Postgres(server) = &mut self.0
            && server.root_cert.is_none()
        {
            server.root_cert = Some(root_cert.to_owned());
        }
    }

    pub(crate) fn server(&self) -> Option<&Server> {
        match &self.0 {
            Place::Postgres(server) => Some(server),
            Place::Sqlite(_) => None,
        }
    }
}

impl Server {
    fn parse(rest: &str, what: &str) -> Result<Self, Diagnostic> {
        // The last `@` ends the password, so that one which nobody encoded still works.
        let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(decode(password))),
            None => (login, None),
        };
        let (place, params) = place.split_once('?').unwrap_or((place, ""));
        let (address, database) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = split_port(address)
            .ok_or_else(|| Diagnostic::error(format!("{what} has a port that is not a number")))?;
        let mut server = Self {
            host: decode(host.trim_start_matches('[').trim_end_matches(']')),
            port: port.unwrap_or(5432),
            user: decode(user),
            password,
            database: decode(database),
            tls: None,
            root_cert: None,
        };
        for (name, value) in params.split('&').filter_map(|p| p.split_once('=')) {
            let value = decode(value);
            match name {
                "sslmode" | "ssl-mode" => {
                    server.tls = Some(Tls::parse(&value).ok_or_else(|| {
                        Diagnostic::error(format!("{what} has an unknown sslmode"))
                            .hint("disable, allow, prefer, require, verify-ca or verify-full")
                    })?);
                }
                "sslrootcert" | "ssl-root-cert" => server.root_cert = Some(value.into()),
                "host" if server.host.is_empty() => server.host = value,
                "user" if server.user.is_empty() => server.user = value,
                "password" if server.password.is_none() => server.password = Some(value),
                _ => {}
            }
        }
        server.check(what)?;
        Ok(server)
    }

    fn check(&self, what: &str) -> Result<(), Diagnostic> {
        let missing = [
            ("host", &self.host),
            ("user", &self.user),
            ("database name", &self.database),
        ]
        .into_iter()
        .find(|(_, part)| part.is_empty());
        if let Some((part, _)) = missing {
            return Err(Diagnostic::error(format!("{what} has no {part}"))
                .hint("a whole URL is postgres://user:password@host:5432/postgres"));
        }
        let supabase = self.host.ends_with(".supabase.com") || self.host.ends_with(".supabase.co");
        if supabase && self.port == 6543 {
            return Err(Diagnostic::error(format!(
                "{what} leads to the transaction pooler (port 6543), which keeps neither locks nor snapshots"
            ))
            .hint("take the direct connection or the session pooler: Supabase dashboard, Connect, port 5432"));
        }
        Ok(())
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.starts_with('/')
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback())
    }

    pub(crate) fn tls(&self) -> Tls {
        let default = if self.is_loopback() {
            Tls::Prefer
        } else {
            Tls::VerifyFull
        };
        self.tls.unwrap_or(default)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
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

/// The path of a SQLite URL, or of text that can only be one.
fn sqlite_file(text: &str) -> Option<&str> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return Some(path.split_once('?').map_or(path, |(path, _)| path));
    }
    let ends = [".db", ".sqlite", ".sqlite3"];
    (!text.contains("://") && ends.iter().any(|e| text.ends_with(e))).then_some(text)
}

/// Host and port; `None` when what follows the colon is no port.
fn split_port(address: &str) -> Option<(&str, Option<u16>)> {
    if let Some(end) = address.rfind(']') {
        let (host, rest) = address.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => port.parse().ok().map(|p| (host, Some(p))),
            None => Some((host, None)),
        };
    }
    match address.split_once(':') {
        Some((host, port)) => port.parse().ok().map(|p| (host, Some(p))),
        None => Some((address, None)),
    }
}

/// Percent-decoding; a `%` that starts no code stands for itself.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match (first, tail) {
            (b'%', [a, b, ..]) => char::from(*a).to_digit(16).zip(char::from(*b).to_digit(16)),
            _ => None,
        };
        if let Some((high, low)) = code {
            out.push((high * 16 + low) as u8);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
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
