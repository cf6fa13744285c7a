//! Ending a statement from outside: a person who gives up waiting wants the server to stop working too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{DbError, Engine, Role, Session};
use crate::config::DatabaseUrl;

/// Ends what one session is doing.
#[derive(Clone)]
pub struct Canceller(How);

#[derive(Clone)]
enum How {
    /// The server's number of the session, and where to say it.
    Postgres { url: DatabaseUrl, pid: i64 },
    /// Looked at by the engine while it works.
    Sqlite(Arc<AtomicBool>),
}

impl Session {
    /// What ends a statement of this session.
    pub async fn canceller(&mut self, url: &DatabaseUrl) -> Result<Canceller, DbError> {
        if self.engine() == Engine::Sqlite {
            let asked = Arc::new(AtomicBool::new(false));
            self.end_when(Arc::clone(&asked)).await?;
            return Ok(Canceller(How::Sqlite(asked)));
        }
        let rows = self.query("select pg_backend_pid()").await?;
        let pid = rows.text(0, 0).and_then(Result::ok);
        Ok(Canceller(How::Postgres {
            url: url.clone(),
            pid: pid.and_then(|text| text.parse().ok()).unwrap_or(0),
        }))
    }
}

impl Canceller {
    /// Forgets an earlier call that came when nothing was running.
    pub fn calm(&self) {
        if let How::Sqlite(asked) = &self.0 {
            asked.store(false, Ordering::Relaxed);
        }
    }

    /// Ends the statement that runs, if one does. Says nothing when it cannot: the statement then ends by
    /// its own limit.
    pub async fn cancel(&self) {
        match &self.0 {
            How::Sqlite(asked) => asked.store(true, Ordering::Relaxed),
            How::Postgres { url, pid } => {
                if let Ok(mut session) = Session::open(url, Role::TargetReader).await {
                    let _ = session
                        .query(&format!("select pg_cancel_backend({pid})"))
                        .await;
                    session.close().await;
                }
            }
        }
    }
}
