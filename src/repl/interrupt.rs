//! Ctrl-C while something is under way: what runs ends, the conversation does not.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::db::Canceller;
use crate::diagnostic::Diagnostic;

/// How long a database may take to say that it has stopped; then its connection is given up.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// Raised by a signal, looked at by whoever waits.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// The script engine looks at it at every step.
    asked: Arc<AtomicBool>,
    wake: Arc<Notify>,
}

impl Interrupt {
    /// One that a script engine looks at as well.
    pub(super) fn of(asked: Arc<AtomicBool>) -> Self {
        Self {
            asked,
            wake: Arc::default(),
        }
    }

    /// Ends what is under way.
    pub fn raise(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.wake.notify_waiters();
    }

    /// Something new begins.
    pub(super) fn calm(&self) {
        self.asked.store(false, Ordering::Relaxed);
    }

    pub(super) fn is_raised(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) async fn raised(&self) {
        loop {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            if self.is_raised() {
                return;
            }
            wake.await;
        }
    }

    /// Waits for `work`, or ends it: the databases are told to stop, and get a moment to say that they have.
    pub(super) fn wait<T, E: From<Diagnostic>>(
        &self,
        runtime: &Handle,
        cancellers: &[Canceller],
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        cancellers.iter().for_each(Canceller::calm);
        runtime.block_on(async {
            tokio::pin!(work);
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.raised() => {}
            }
            for canceller in cancellers {
                canceller.cancel().await;
            }
            let _ = tokio::time::timeout(STOP_LIMIT, &mut work).await;
            Err(Diagnostic::error("interrupted").into())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raised_before_or_while_waiting_ends_the_wait() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let interrupt = Interrupt::default();
        let long = || async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Err::<(), _>(Diagnostic::error("not interrupted"))
        };
        interrupt.raise();
        let early = interrupt.wait(runtime.handle(), &[], long());
        interrupt.calm();
        let other = interrupt.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            other.raise();
        });
        let late = interrupt.wait(runtime.handle(), &[], long());
        for ended in [early, late] {
            assert_eq!(ended.expect_err("ended").message(), "interrupted");
        }
    }
}
