//! Ctrl-C and SIGTERM: the first asks, the second insists.

use std::sync::Arc;

use crate::cli::exit::Exit;
use crate::cli::progress::Progress;
use crate::pipeline::Stop;

/// Listens until the process ends. The first signal lets the chunks in flight finish, the second ends
/// at once, which costs nothing but those chunks: what is not committed is not there.
pub(super) fn listen(stop: &Stop, progress: &Arc<Progress>) {
    let (stop, progress) = (stop.clone(), Arc::clone(progress));
    tokio::spawn(async move {
        next().await;
        stop.ask();
        progress.say("stopping after the chunks in flight; once more to stop at once");
        next().await;
        end_now();
    });
}

#[expect(
    clippy::exit,
    reason = "the user asked twice; nothing uncommitted can be half there"
)]
fn end_now() -> ! {
    std::process::exit(i32::from(Exit::Interrupted.code()))
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
