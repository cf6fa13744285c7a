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

/// Calls `act` at each Ctrl-C from now on; the program goes on. The line editor puts a handler of its own in
/// front while it reads and takes it back afterwards, so this one has to be there first.
#[cfg(unix)]
pub(super) fn at_ctrl_c(runtime: &tokio::runtime::Handle, act: impl Fn() + Send + 'static) {
    use tokio::signal::unix::{SignalKind, signal};
    let _inside = runtime.enter();
    if let Ok(mut presses) = signal(SignalKind::interrupt()) {
        runtime.spawn(async move {
            while presses.recv().await.is_some() {
                act();
            }
        });
    }
}

/// Calls `act` at each Ctrl-C from now on; the program goes on.
#[cfg(not(unix))]
pub(super) fn at_ctrl_c(runtime: &tokio::runtime::Handle, act: impl Fn() + Send + 'static) {
    runtime.spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            act();
        }
    });
}
