//! The text of a rule as the target's rows were made by it.

use crate::db::Session;
use crate::state::{State, StateError};

impl State {
    /// Path and text of the rule, then of its libraries, as they were in the last segment that counts; `None`
    /// when the rule has none.
    pub async fn applied_texts(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<Option<Vec<(String, String)>>, StateError> {
        let sql = format!(
            "select r.texts from {} s join {} r on r.rule = s.rule and r.transform_fp = s.transform_fp \
             and r.gate_fp = s.gate_fp where s.rule = {} and {} order by s.id desc limit 1",
            self.table("segment"),
            self.table("rule"),
            self.text(rule)?,
            self.live_segment("s")
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let text = rows.text(0, 0).and_then(Result::ok);
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}
