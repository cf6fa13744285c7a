//! Ctrl-C and SIGTERM: the first asks, the second insists.

use crate::cli::progress::Progress;
use crate::pipeline::Stop;

/// Waits for the first signal and lets the chunks in flight finish; ends with the second one. Ending at
/// once costs nothing but those chunks: what is not committed is not there.
pub(super) async fn insisted(stop: &Stop, progress: &Progress) {
    next().await;
    stop.ask();
    progress.say("stopping after the chunks in flight; once more to stop at once");
    next().await;
}

#[cfg(unix)]
async fn next() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn next() {
    let _ = tokio::signal::ctrl_c().await;
}
