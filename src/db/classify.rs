//! From the driver's error to ours: which kind, which words, and nothing of the data.

use std::io;

use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use super::classify_connect::{connect_hint, unreachable_host, untrusted};
use super::classify_sqlite::sqlite;
use super::pooler::Shared;
use super::{DbError, ErrorKind};

/// Where and when an error happened.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    /// `source` or `target`.
    pub(super) side: &'static str,
    /// The redacted URL.
    pub(super) place: &'a str,
    /// While connecting, nothing was asked yet, so nothing is unknown.
    pub(super) connecting: bool,
    /// The session was opened for reading only.
    pub(super) reader: bool,
}

impl Scene<'_> {
    pub(super) fn error(self, kind: ErrorKind, what: &str) -> DbError {
        DbError::new(
            kind,
            self.side,
            format!("{what} (the {} {})", self.side, self.place),
        )
    }
}

/// Sorts a driver's error.
pub(super) fn classify(error: &sqlx::Error, scene: Scene<'_>) -> DbError {
    match error {
        sqlx::Error::Database(e) => {
            if let Some(pg) = e.try_downcast_ref::<PgDatabaseError>() {
                postgres(pg, scene)
            } else {
                let code = e.code().and_then(|c| c.parse().ok()).unwrap_or(0);
                let message = match e.try_downcast_ref::<SqliteError>() {
                    Some(_) => e.message(),
                    None => "the database refused",
                };
                sqlite(code, message, scene)
            }
        }
        sqlx::Error::Tls(e) if e.to_string().contains("does not support TLS") => scene
            .error(ErrorKind::Unreachable, "the server does not offer TLS")
            .with_hint("if the way there is safe, say sslmode=disable in the URL"),
        sqlx::Error::Tls(e) => scene
            .error(ErrorKind::Unreachable, &format!("no trusted encrypted connection: {e}"))
            .with_hint(
                "download the server's certificate (Supabase dashboard, Database settings, SSL) and name the file in TARGET_SSLROOTCERT, or say sslmode=require in the URL to go on without checking it",
            ),
        sqlx::Error::Io(e) if scene.connecting && e.kind() == io::ErrorKind::InvalidData => {
            untrusted(e, scene)
        }
        sqlx::Error::Io(e) if scene.connecting => unreachable_host(e, scene),
        sqlx::Error::Configuration(e) if e.is::<Shared>() => {
            let right = e
                .downcast_ref::<Shared>()
                .and_then(|shared| shared.instead.as_deref())
                .map_or_else(
                    || "the database's own address, or the pooler's port for session mode".to_owned(),
                    |url| format!("{url}, the same pooler in session mode"),
                );
            scene.error(
                ErrorKind::Pooler,
                &format!(
                    "this is a transaction pooler, where locks, snapshots and settings get lost between two statements: take {right}"
                ),
            )
        }
        sqlx::Error::Configuration(e) => scene.error(ErrorKind::Other, &format!("the URL cannot be used: {e}")),
        sqlx::Error::Io(e) => lost(&io_word(e), scene),
        sqlx::Error::WorkerCrashed => lost("the database thread stopped", scene),
        sqlx::Error::Protocol(_) if scene.connecting => scene
            .error(ErrorKind::Unreachable, "what answers there does not speak the Postgres protocol as expected")
            .with_hint("check host and port"),
        _ => lost("the connection is out of step", scene),
    }
}

/// Our own limit ran out.
pub(super) fn timeout(seconds: u64, scene: Scene<'_>) -> DbError {
    if scene.connecting {
        return scene
            .error(
                ErrorKind::Unreachable,
                &format!("no answer within {seconds} s"),
            )
            .with_hint(connect_hint(scene));
    }
    scene
        .error(
            ErrorKind::Timeout,
            &format!("no answer within {seconds} s, and the connection was given up"),
        )
        .with_hint("look for locks and load on the server, then run the same command again")
}

/// The session cannot be used any more.
pub(super) fn lost(why: &str, scene: Scene<'_>) -> DbError {
    scene
        .error(ErrorKind::Lost, &format!("the connection was lost: {why}"))
        .with_hint("run the same command again, it goes on where it stopped")
}

fn io_word(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
        kind => kind.to_string(),
    }
}

fn postgres(e: &PgDatabaseError, scene: Scene<'_>) -> DbError {
    let code = e.code();
    let (kind, hint) = kind_of(code, e.message(), scene.connecting);
    let said = masked(code, e.message(), e.r#where());
    let mut error = scene.error(kind, &said);
    if scene.connecting && code == "53300" || e.message().contains("EMAXCONN") {
        error.hint = Some("close other clients of the database, or lower --writers".to_owned());
    } else if kind == ErrorKind::ReadOnly && scene.reader {
        error.hint = Some("this command only reads: it never writes to this database".to_owned());
    } else if let Some(hint) = hint {
        error.hint = Some(hint.to_owned());
    }
    error.sqlstate = Some(code.to_owned());
    error.table = e.table().map(|t| match e.schema() {
        Some(schema) if schema != "public" => format!("{schema}.{t}"),
        _ => t.to_owned(),
    });
    error.column = e.column().map(ToOwned::to_owned);
    error.constraint = e.constraint().map(ToOwned::to_owned);
    if let Some((line, column)) = e.r#where().and_then(copy_place) {
        error.copy_line = Some(line);
        error.column = error.column.take().or(column);
    }
    error
}

/// Kind and advice by SQLSTATE.
fn kind_of(code: &str, message: &str, connecting: bool) -> (ErrorKind, Option<&'static str>) {
    let pooler_busy = ["EMAXCONN", "ECHECKOUTTIMEOUT", "EPOOLERBUSY"]
        .iter()
        .any(|tag| message.contains(tag));
    let kind = match code {
        _ if pooler_busy => ErrorKind::Transient,
        _ if message.contains("Tenant or user not found") => {
            return (
                ErrorKind::Auth,
                Some(
                    "the project is paused or deleted, or the pooler is another region's: restore it in the dashboard, and copy the URL from Connect; the user is postgres.<project ref>",
                ),
            );
        }
        _ if message.contains("circuit breaker") || message.contains("ECIRCUITBREAKER") => {
            return (
                ErrorKind::Auth,
                Some(
                    "too many failed logins: wait some minutes, and put the right password into .env first",
                ),
            );
        }
        _ if message.contains("ESSLREQUIRED") => {
            return (
                ErrorKind::Auth,
                Some(
                    "the server wants TLS: remove sslmode from the URL or say sslmode=verify-full",
                ),
            );
        }
        "28P01" => {
            return (
                ErrorKind::Auth,
                Some(
                    "check user and password; the pooler's user is postgres.<project ref>; the dashboard can reset the password under Database settings",
                ),
            );
        }
        "28000" if message.contains("no encryption") || message.contains("SSL off") => {
            return (
                ErrorKind::Auth,
                Some(
                    "the server wants TLS: remove sslmode from the URL or say sslmode=verify-full",
                ),
            );
        }
        "28000" => {
            return (
                ErrorKind::Auth,
                Some(
                    "check the user, and that the server lets it in from here (Supabase: Database settings, Network restrictions)",
                ),
            );
        }
        "3D000" => {
            return (
                ErrorKind::Missing,
                Some("check the database name at the end of the URL; Supabase calls it postgres"),
            );
        }
        "42P01" | "42703" | "3F000" | "42883" | "42704" => ErrorKind::Missing,
        "42501" => {
            return (
                ErrorKind::Permission,
                Some(
                    "grant the role that right (`runner print grants` lists what is needed), or use another role",
                ),
            );
        }
        "0A000" if message.contains("row-level security") => {
            return (
                ErrorKind::Permission,
                Some("use a role with BYPASSRLS, such as postgres on Supabase"),
            );
        }
        "25006" => {
            return (
                ErrorKind::ReadOnly,
                Some(
                    "a Supabase project turns read-only when its disk, or the 500 MB of the free plan, is full: enlarge it, then run the same command again",
                ),
            );
        }
        "57014" => {
            return (
                ErrorKind::Timeout,
                Some(
                    "the server cancelled the statement: look for locks and load, at STATEMENT_TIMEOUT in .env, and take fewer rows at a time with --batch-rows",
                ),
            );
        }
        "57P01" | "57P02" | "57P03" => {
            return (
                ErrorKind::Transient,
                Some(
                    "the server restarts, or somebody ended the session: run the same command again, it goes on where it stopped",
                ),
            );
        }
        "55P03" => {
            return (
                ErrorKind::Transient,
                Some(
                    "somebody holds a lock on the table, or waits for one (ALTER TABLE, VACUUM FULL, CREATE INDEX; pg_stat_activity says who): let them finish or end them, then run the same command again",
                ),
            );
        }
        "40001" | "40P01" | "53300" | "57P05" | "55006" => ErrorKind::Transient,
        "25P03" | "25P04" => ErrorKind::Lost,
        "P0001" | "P0004" => ErrorKind::Row,
        _ => match code.get(..2).unwrap_or_default() {
            "21" | "22" | "23" | "44" => ErrorKind::Row,
            "08" if connecting => ErrorKind::Unreachable,
            "08" | "53" => ErrorKind::Transient,
            "28" => ErrorKind::Auth,
            _ => ErrorKind::Other,
        },
    };
    (kind, None)
}

/// The server's sentence without the data it may quote.
fn masked(code: &str, message: &str, context: Option<&str>) -> String {
    match code.get(..2).unwrap_or_default() {
        // `invalid input syntax for type uuid: "…"`, `value "…" is out of range`
        "22" => {
            let kept = message.split(": ").next().unwrap_or(message);
            format!("{} ({code})", without_quoted(kept))
        }
        // an author's own words, which may hold anything
        "P0" => match context.and_then(raising_function) {
            Some(function) => format!("{function} raised an exception ({code})"),
            None => format!("a function of the database raised an exception ({code})"),
        },
        _ => format!("{message} ({code})"),
    }
}

fn without_quoted(text: &str) -> String {
    text.split('"')
        .enumerate()
        .map(|(i, part)| if i % 2 == 0 { part } else { "…" })
        .collect()
}

/// `PL/pgSQL function check_total() line 3 at RAISE` → `function check_total()`.
fn raising_function(context: &str) -> Option<String> {
    let rest = context.lines().next()?.strip_prefix("PL/pgSQL function ")?;
    let end = rest.find(" line ")?;
    Some(format!(
        "function {}",
        rest[..end].split('(').next().unwrap_or_default()
    ))
}

/// `COPY t, line 12, column x: "…"` → 12 and `x`.
fn copy_place(context: &str) -> Option<(u64, Option<String>)> {
    let line = context.lines().find(|l| l.starts_with("COPY "))?;
    let (_, rest) = line.split_once(", line ")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let number = rest[..digits].parse().ok()?;
    let column = rest[digits..]
        .strip_prefix(", column ")
        .map(|c| c.split(':').next().unwrap_or(c).to_owned());
    Some((number, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_blames_a_line_and_a_column() {
        let place = copy_place("COPY t, line 12, column amount: \"x, line 9, column y\"");
        assert_eq!(place, Some((12, Some("amount".to_owned()))));
        assert_eq!(copy_place("COPY t, line 3: \"secret\""), Some((3, None)));
        let nested = "PL/pgSQL function f() line 2 at RAISE\nCOPY t, line 7: \"x\"";
        assert_eq!(copy_place(nested), Some((7, None)));
    }

    #[test]
    fn values_do_not_get_into_messages() {
        let said = masked(
            "22P02",
            "invalid input syntax for type uuid: \"s3cret\"",
            None,
        );
        assert_eq!(said, "invalid input syntax for type uuid (22P02)");
        let said = masked(
            "22003",
            "value \"99999999999\" is out of range for type integer",
            None,
        );
        assert_eq!(said, "value … is out of range for type integer (22003)");
        let said = masked(
            "P0001",
            "bad email a@b.c",
            Some("PL/pgSQL function check_email() line 3 at RAISE"),
        );
        assert_eq!(said, "function check_email raised an exception (P0001)");
    }

    #[test]
    fn kinds_by_code() {
        let kind = |code: &str| kind_of(code, "", false).0;
        for (code, expected) in [
            ("23505", ErrorKind::Row),
            ("22001", ErrorKind::Row),
            ("P0001", ErrorKind::Row),
            ("40P01", ErrorKind::Transient),
            ("53300", ErrorKind::Transient),
            ("57P01", ErrorKind::Transient),
            ("28P01", ErrorKind::Auth),
            ("42P01", ErrorKind::Missing),
            ("42501", ErrorKind::Permission),
            ("25006", ErrorKind::ReadOnly),
            ("57014", ErrorKind::Timeout),
            ("42601", ErrorKind::Other),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
        assert_eq!(
            kind_of("XX000", "(EMAXCONNSESSION) max clients", true).0,
            ErrorKind::Transient
        );
    }
}
