//! Questions that a server may refuse without ending the transaction they are asked in.

use super::{DbError, Engine, ErrorKind, Session};

impl Session {
    /// Asks in a savepoint of the open transaction, which lives on when the server refuses; whatever was set with
    /// SET LOCAL goes with it. A refusal is an answer: a missing right, a policy that fails, a statement that took too
    /// long. A lost connection is none, nor a lock that somebody holds: the same question would get an answer later.
    pub async fn attempt<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut Session) -> Result<T, DbError>,
    ) -> Result<Result<T, DbError>, DbError> {
        let postgres = self.engine() == Engine::Postgres;
        if postgres {
            self.execute("savepoint runner_ask").await?;
        }
        let answer = match ask(self).await {
            Err(error) if self.is_broken() || error.kind == ErrorKind::Transient => {
                return Err(error);
            }
            answer => answer,
        };
        if postgres {
            self.execute("rollback to savepoint runner_ask; release savepoint runner_ask")
                .await?;
        }
        Ok(answer)
    }
}

impl DbError {
    /// Why a question has no answer, where an answer would be.
    pub fn unanswered(&self) -> String {
        match (self.kind, &self.sqlstate) {
            (ErrorKind::Permission, _) => "this role may not ask".to_owned(),
            (_, Some(state)) => format!("not answered: SQLSTATE {state}"),
            (_, None) => format!("not answered: {}", self.message),
        }
    }
}
