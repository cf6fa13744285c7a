//! Questions about a table as a whole, as SQL: asked by the gates of a run, and again by `verify`.

use super::Destination;
use crate::catalog::ForeignKey;
use crate::db::{ident, sum_sql};

impl Destination {
    /// Counts the rows that refer to a row that is not there.
    pub fn orphans_sql(&self, key: &ForeignKey) -> String {
        let set: Vec<String> = key
            .columns
            .iter()
            .map(|c| format!("c.{} is not null", ident(c)))
            .collect();
        let joined: Vec<String> = key
            .columns
            .iter()
            .zip(&key.ref_columns)
            .map(|(c, r)| format!("p.{} = c.{}", ident(r), ident(c)))
            .collect();
        format!(
            "select count(*) from {} c where {} and not exists (select 1 from {} p where {})",
            self.sql(),
            set.join(" and "),
            key.table.sql(self.engine),
            joined.join(" and ")
        )
    }

    /// Counts the legacy keys that more than one row carries; `None` without a legacy column.
    pub fn duplicates_sql(&self) -> Option<String> {
        let legacy = self.column(self.legacy?);
        Some(format!(
            "select count(*) from (select {legacy} from {} where {legacy} is not null group by {legacy} having count(*) > 1) d",
            self.sql()
        ))
    }

    /// Counts the legacy keys that are there; `None` without a legacy column. Where the server keeps them unique it
    /// need not sort them.
    pub fn legacy_keys_sql(&self) -> Option<String> {
        let at = self.legacy?;
        let name = &self.table.columns[usize::from(at)].name;
        let unique = self
            .table
            .uniques
            .iter()
            .any(|unique| unique.of_all_rows() && unique.columns == std::slice::from_ref(name));
        let (legacy, distinct) = (self.column(at), if unique { "" } else { "distinct " });
        Some(format!(
            "select count({distinct}{legacy}) from {} where {legacy} is not null",
            self.sql()
        ))
    }

    /// Adds up a column over the rows that carry a legacy key, or over all where there is no such column.
    /// `besides` is a further condition, or empty.
    pub fn sum_sql(&self, column: &str, besides: &str) -> String {
        let mut condition = self.migrated_sql("");
        if !besides.is_empty() {
            condition += if condition.is_empty() {
                " where "
            } else {
                " and "
            };
            condition += besides;
        }
        sum_sql(self.engine, column, &self.sql(), &condition)
    }

    /// ` where …` that leaves out rows without a legacy key; empty where there is no column for it.
    pub fn migrated_sql(&self, alias: &str) -> String {
        self.legacy.map_or_else(String::new, |legacy| {
            format!(" where {alias}{} is not null", self.column(legacy))
        })
    }
}
