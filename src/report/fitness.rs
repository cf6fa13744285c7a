//! Whether an application can use what is there: what `verify --record` found last, table by table.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::evidence::field;
use crate::db::Session;
use crate::state::{State, StateError, number, text};

/// Names of these findings.
pub(super) const NAMES: &[&str] = &["visible", "story"];

/// One answer.
#[derive(Clone, Debug, Serialize)]
pub struct Fitness {
    /// The run that recorded it.
    pub run: i64,
    /// The rule.
    pub rule: String,
    /// `visible`: rows that a role of the API sees; `story`: rows that lead to the rows they name.
    pub name: String,
    /// The role, or the tables that are joined.
    pub what: String,
    /// The role that the query is asked as; without one, as whoever asks.
    pub role: Option<String>,
    /// Rows there were.
    pub of: Option<i64>,
    /// Rows that were found.
    pub found: Option<i64>,
    /// `ok`, `failed` or `remark`.
    pub status: String,
    /// The answer as a sentence.
    pub text: String,
    /// The query that tells.
    pub query: String,
    /// The snapshot it was asked in.
    pub snapshot: Option<String>,
}

/// Of each rule what was recorded last.
pub(super) async fn all(session: &mut Session, state: State) -> Result<Vec<Fitness>, StateError> {
    let names: Vec<String> = NAMES.iter().map(|name| format!("'{name}'")).collect();
    let sql = format!(
        "select run_id, rule, name, status, detail from {} where phase = 'verify' and name in ({}) order by run_id, name desc, at",
        state.table("finding"),
        names.join(", ")
    );
    let rows = session.query(&sql).await?;
    let mut newest: BTreeMap<String, Vec<Fitness>> = BTreeMap::new();
    for row in 0..rows.len() {
        let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
        let detail: Value = serde_json::from_str(&get(4)?).unwrap_or_default();
        let count = |name| detail.get(name).and_then(Value::as_i64);
        let one = Fitness {
            run: number(&rows, row, 0)?,
            rule: get(1)?,
            name: get(2)?,
            what: field(&detail, "what").unwrap_or_default(),
            role: field(&detail, "role"),
            of: count("of"),
            found: count("found"),
            status: get(3)?,
            text: field(&detail, "message").unwrap_or_default(),
            query: field(&detail, "query").unwrap_or_default(),
            snapshot: field(&detail, "snapshot"),
        };
        let of_rule = newest.entry(one.rule.clone()).or_default();
        of_rule.retain(|known| known.run == one.run);
        of_rule.push(one);
    }
    Ok(newest.into_values().flatten().collect())
}
