//! Named points at which a test kills, stops or fails the program: `RUNNER_FAILPOINT=name[:nth][:action]`, where nth 0
//! means every time; several with commas between them. `points.rs` lists the names.
//!
//! Points at a wait know the statement: `RUNNER_FAILPOINT_STATEMENT` counts only those whose words are these, and
//! `RUNNER_FAILPOINT_TRACE` names a file that gets a line for each point that is passed, so that a test learns which
//! there are. Without the feature `failpoints` every point is an empty inline function.

use super::{DbError, ErrorKind};

/// What a test asked for at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Go,
    /// The database answers with a broken connection.
    Fail,
    /// COMMIT reaches the server, its reply does not reach us.
    LoseReplyCommitted,
    /// The server rolls back, and the reply does not reach us.
    LoseReplyRolledBack,
}

/// Passes a point between two steps; an error is that of a broken connection.
#[inline]
pub fn point(name: &str) -> Result<(), DbError> {
    match failpoint(name) {
        Action::Go => Ok(()),
        _ => Err(DbError::new(
            ErrorKind::Lost,
            "target",
            "test: the connection broke",
        )),
    }
}

/// Passes a point. `kill` ends the process here as `kill -9` would.
#[inline]
pub fn failpoint(name: &str) -> Action {
    at_statement(name, "")
}

/// Passes a point at which a statement is under way.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(super) fn at_statement(_name: &str, _sql: &str) -> Action {
    Action::Go
}

/// Passes a point at which a statement is under way.
#[cfg(feature = "failpoints")]
pub(super) fn at_statement(name: &str, sql: &str) -> Action {
    asked::at(name, sql)
}

#[cfg(feature = "failpoints")]
mod asked {
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    use super::Action;

    /// How many words tell a statement from the others.
    const WORDS: usize = 16;

    /// A point, which time it counts, what happens then, and how often it was passed.
    struct Point {
        name: String,
        nth: u64,
        action: String,
        passed: AtomicU64,
    }

    /// What a test asked for.
    struct Asked {
        points: Vec<Point>,
        statement: Option<String>,
        trace: Option<Mutex<std::fs::File>>,
    }

    impl Point {
        fn parse(text: &str) -> Self {
            let mut parts = text.split(':');
            Self {
                name: parts.next().unwrap_or_default().to_owned(),
                nth: parts.next().and_then(|n| n.parse().ok()).unwrap_or(1),
                action: parts.next().unwrap_or("kill").to_owned(),
                passed: AtomicU64::new(0),
            }
        }

        /// Passed once more: is it now?
        fn is_now(&self) -> bool {
            let passed = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
            self.nth == 0 || passed == self.nth
        }
    }

    fn asked() -> &'static Asked {
        static ASKED: OnceLock<Asked> = OnceLock::new();
        ASKED.get_or_init(|| {
            let points = crate::config::failpoint().unwrap_or_default();
            let trace = crate::config::failpoint_trace().and_then(|path| {
                let mut file = std::fs::OpenOptions::new();
                file.append(true).create(true).open(path).ok()
            });
            Asked {
                points: points.split(',').map(Point::parse).collect(),
                statement: crate::config::failpoint_at(),
                trace: trace.map(Mutex::new),
            }
        })
    }

    pub(super) fn at(name: &str, sql: &str) -> Action {
        let asked = asked();
        if asked.points[0].name.is_empty() && asked.trace.is_none() {
            return Action::Go;
        }
        let words = words(sql);
        let tell = |mark: &str| {
            if let Some(trace) = &asked.trace {
                let mut trace = trace.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = writeln!(trace, "{mark}{name}\t{words}");
            }
        };
        tell("");
        let is_there = asked.statement.as_ref().is_none_or(|s| *s == words);
        let mut points = asked.points.iter();
        let Some(point) = points.find(|point| point.name == name && is_there && point.is_now())
        else {
            return Action::Go;
        };
        tell("!");
        match point.action.as_str() {
            "error" => Action::Fail,
            "lose-reply-committed" => Action::LoseReplyCommitted,
            "lose-reply-rolled-back" => Action::LoseReplyRolledBack,
            "stop" => {
                #[cfg(unix)]
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
                Action::Go
            }
            _ => {
                #[cfg(unix)]
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
                std::process::abort()
            }
        }
    }

    /// The first words of a statement, without numbers and without anything in quotes: the same for every chunk.
    fn words(sql: &str) -> String {
        let unquoted: Vec<&str> = sql.split('\'').step_by(2).collect();
        let unquoted = unquoted.join(" ");
        let parts = unquoted.split(|c: char| !c.is_alphanumeric() && c != '_');
        let mut words: Vec<&str> = parts
            .filter(|word| word.starts_with(|c: char| c.is_alphabetic()))
            .collect();
        words.dedup();
        words.truncate(WORDS);
        words.join(" ")
    }
}
