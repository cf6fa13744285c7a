//! How to reach a Postgres server: the parts of its URL.

use std::path::PathBuf;

use crate::diagnostic::Diagnostic;

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

impl Server {
    pub(super) fn parse(rest: &str, what: &str) -> Result<Self, Diagnostic> {
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
                // as libpq has it, a parameter wins over the same part before it
                "host" if !value.is_empty() => server.host = value,
                "port" => {
                    server.port = value.parse().map_err(|_| {
                        Diagnostic::error(format!("{what} has a port that is not a number"))
                    })?;
                }
                "user" if server.user.is_empty() => server.user = value,
                "password" if server.password.is_none() => server.password = Some(value),
                _ => {}
            }
        }
        server.check(what)?;
        Ok(server)
    }

    pub(super) fn check(&self, what: &str) -> Result<(), Diagnostic> {
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
        if self.is_supabase() && self.port == 6543 {
            return Err(Diagnostic::error(format!(
                "{what} leads to the transaction pooler (port 6543), which keeps neither locks nor snapshots"
            ))
            .hint("take the direct connection or the session pooler: Supabase dashboard, Connect, port 5432"));
        }
        Ok(())
    }

    pub(super) fn is_supabase(&self) -> bool {
        self.host.ends_with(".supabase.com") || self.host.ends_with(".supabase.co")
    }

    pub(super) fn is_loopback(&self) -> bool {
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
