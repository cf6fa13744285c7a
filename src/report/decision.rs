//! Rejected rows that somebody has decided to leave behind.

use serde::Serialize;

use super::issue::KEYS_MAX;
use crate::db::Session;
use crate::state::{State, StateError, number, text};

/// One decision: who left which rows behind, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The rule.
    pub rule: String,
    /// The code the rows were rejected with.
    pub code: String,
    /// How many rows it still covers.
    pub count: i64,
    /// The lowest of their keys.
    pub keys: Vec<String>,
    /// The reason given.
    pub note: String,
    /// Account on the host it was given on.
    pub who: String,
    /// Target server's clock.
    pub at: String,
}

/// The decisions that hold: not taken back, and the row is still the one that was accepted.
pub(super) async fn decisions(
    session: &mut Session,
    state: State,
) -> Result<Vec<Decision>, StateError> {
    let (accepted, quarantine) = (state.table("accepted"), state.table("quarantine"));
    let hold = format!(
        "from {accepted} a join {quarantine} q on q.rule = a.rule and q.key = a.key and q.code = a.code and q.input_hash = a.input_hash \
         where a.revoked_at is null and q.status = 'accepted'"
    );
    let sql = format!(
        "select a.rule, a.code, a.note, a.who, count(distinct a.key), min(a.at) {hold} group by a.rule, a.code, a.note, a.who \
         order by a.rule, a.code, min(a.at)"
    );
    let rows = session.query(&sql).await?;
    let mut found = Vec::new();
    for row in 0..rows.len() {
        let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
        found.push(Decision {
            rule: get(0)?,
            code: get(1)?,
            note: get(2)?,
            who: get(3)?,
            count: number(&rows, row, 4)?,
            at: get(5)?,
            keys: vec![],
        });
    }
    for decision in &mut found {
        let sql = format!(
            "select distinct a.key, length(a.key) {hold} and a.rule = {} and a.code = {} and a.note = {} and a.who = {} \
             order by length(a.key), a.key limit {KEYS_MAX}",
            state.text(&decision.rule)?,
            state.text(&decision.code)?,
            state.text(&decision.note)?,
            state.text(&decision.who)?,
        );
        let keys = session.query(&sql).await?;
        decision.keys = super::evidence::list_of_texts(&keys)?;
    }
    Ok(found)
}
