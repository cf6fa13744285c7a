//! Named points at which a test kills or fails the program: `RUNNER_FAILPOINT=name[:nth][:action]`, where nth 0
//! means every time.
//!
//! Without the feature `failpoints` every point is an empty inline function.

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

/// Passes a point. `kill` ends the process here as `kill -9` would.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn failpoint(_name: &str) -> Action {
    Action::Go
}

/// Passes a point. `kill` ends the process here as `kill -9` would.
#[cfg(feature = "failpoints")]
pub fn failpoint(name: &str) -> Action {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    static ASKED: OnceLock<Option<(String, u64, String)>> = OnceLock::new();
    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

    let asked = ASKED.get_or_init(|| {
        let text = crate::config::failpoint()?;
        let mut parts = text.split(':');
        let name = parts.next()?.to_owned();
        let nth = parts.next().and_then(|n| n.parse().ok()).unwrap_or(1);
        Some((name, nth, parts.next().unwrap_or("kill").to_owned()))
    });
    let Some((wanted, nth, action)) = asked else {
        return Action::Go;
    };
    if wanted != name {
        return Action::Go;
    }
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let count = passed
        .get_or_insert_default()
        .entry(name.to_owned())
        .or_default();
    *count += 1;
    if *nth != 0 && *count != *nth {
        return Action::Go;
    }
    match action.as_str() {
        "error" => Action::Fail,
        "lose-reply-committed" => Action::LoseReplyCommitted,
        "lose-reply-rolled-back" => Action::LoseReplyRolledBack,
        _ => {
            #[cfg(unix)]
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
            std::process::abort()
        }
    }
}
