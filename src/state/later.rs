//! References of a table to itself that wait for the end of the table.

use uuid::Uuid;

use crate::db::Session;
use crate::state::{State, StateError, text};

/// One reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// Display form of the child's key.
    pub key: String,
    /// The child's id.
    pub id: Uuid,
    /// The parent's id.
    pub parent: Uuid,
}

impl State {
    /// Statements that keep references until the table is through.
    pub fn later_sql(self, rule: &str, chunk: i64, later: &[Later]) -> Result<String, StateError> {
        let mut sql = String::new();
        for rows in later.chunks(1_000) {
            let mut values = Vec::with_capacity(rows.len());
            for row in rows {
                values.push(format!(
                    "({}, {chunk}, {}, '{}', '{}')",
                    self.text(rule)?,
                    self.text(&row.key)?,
                    row.id,
                    row.parent
                ));
            }
            sql.push_str(&format!(
                ";insert into {} (rule, chunk_id, key, target_id, value) values {}",
                self.table("later"),
                values.join(",")
            ));
        }
        Ok(sql)
    }

    /// Keys of rows whose parent never arrived, and of their descendants; `None` when nothing waits.
    /// `table` and `id` are the target's quoted names.
    pub async fn lost_children(
        self,
        session: &mut Session,
        rule: &str,
        table: &str,
        id: &str,
    ) -> Result<Option<Vec<String>>, StateError> {
        let (later, rule) = (self.table("later"), self.text(rule)?);
        let waiting = session
            .query(&format!(
                "select 1 from {later} where rule = {rule} limit 1"
            ))
            .await?;
        if waiting.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "with recursive lost(id) as (select l.target_id from {later} l where l.rule = {rule} and not exists \
             (select 1 from {table} p where p.{id} = l.value) union select l.target_id from {later} l join lost on l.value = lost.id where l.rule = {rule}) \
             select l.key from {later} l where l.rule = {rule} and l.target_id in (select id from lost) order by l.chunk_id, l.key"
        );
        let rows = session.query(&sql).await?;
        let mut keys = Vec::new();
        for row in 0..rows.len() {
            keys.extend(text(&rows, row, 0)?);
        }
        Ok(Some(keys))
    }

    /// Statements that take back the rows of `lost` keys and give all others their parents.
    pub fn settle_later_sql(
        self,
        rule: &str,
        table: &str,
        id: &str,
        column: &str,
        lost: &[String],
    ) -> Result<String, StateError> {
        let (later, rule) = (self.table("later"), self.text(rule)?);
        let mut sql = String::new();
        for keys in lost.chunks(1_000) {
            let keys = keys
                .iter()
                .map(|k| self.text(k))
                .collect::<Result<Vec<_>, _>>()?
                .join(",");
            sql.push_str(&format!(
                "delete from {table} where {id} in (select target_id from {later} where rule = {rule} and key in ({keys}));\
                 delete from {later} where rule = {rule} and key in ({keys});"
            ));
        }
        sql.push_str(&format!(
            "update {table} set {column} = (select l.value from {later} l where l.rule = {rule} and l.target_id = {table}.{id}) \
             where {id} in (select target_id from {later} where rule = {rule});\
             delete from {later} where rule = {rule}"
        ));
        Ok(sql)
    }
}
