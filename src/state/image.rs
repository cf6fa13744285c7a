//! Before-images of what is not a rule's row: quarantine, and the old scripts' mappings. What a run replaces
//! there, an undo puts back.

use crate::db::Engine;
use crate::state::{State, StateError};

/// The columns of `quarantine`, for before-images of its rows.
const QUARANTINE: &[&str] = &[
    "rule",
    "key",
    "chunk_id",
    "run_id",
    "code",
    "stage",
    "message",
    "sqlstate",
    "constraint_name",
    "path",
    "line",
    "col",
    "data",
    "input_hash",
    "transform_fp",
    "waiting_entity",
    "waiting_key",
    "status",
    "at",
];
/// The columns of `migration_mappings`.
const MAPPINGS: &[&str] = &[
    "entity_type",
    "legacy_id",
    "new_id",
    "migrated_at",
    "migration_batch",
];

impl State {
    /// Keeps rows of quarantine as they are before a chunk changes them; `keys` are SQL texts, none = all.
    pub fn image_quarantine_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        keys: Option<&str>,
    ) -> Result<String, StateError> {
        let which = keys.map_or_else(String::new, |keys| format!(" and q.key in ({keys})"));
        Ok(format!(
            "insert into {} (run_id, chunk_id, rule, target, target_id, image) select {run}, {chunk}, q.rule, 'runner.quarantine', q.key, {} \
             from {} q where q.rule = {}{which};",
            self.table("before_image"),
            self.object("q", QUARANTINE),
            self.table("quarantine"),
            self.text(rule)?
        ))
    }

    /// Keeps mappings of the old scripts as they are before a chunk changes them.
    pub fn image_mappings_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        mappings: &str,
        entity: &str,
        keys: &str,
    ) -> Result<String, StateError> {
        Ok(format!(
            ";insert into {} (run_id, chunk_id, rule, target, target_id, image) select {run}, {chunk}, {}, 'migration_mappings', \
             cast(m.legacy_id as text), {} from {mappings} m where m.entity_type = {entity} and m.legacy_id in ({keys})",
            self.table("before_image"),
            self.text(rule)?,
            self.object("m", MAPPINGS),
        ))
    }

    /// Takes a chunk's rows out of quarantine and puts back what it took out or changed. Chunk 0 stands for
    /// what a new pass forgot.
    pub fn give_back_quarantine_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
    ) -> Result<String, StateError> {
        let rule = self.text(rule)?;
        let delete = format!(
            "delete from {} where rule = {rule} and chunk_id = {chunk} and run_id = {run};",
            self.table("quarantine")
        );
        let restored = self.restore(
            run,
            chunk,
            &rule,
            "runner.quarantine",
            &self.table("quarantine"),
            QUARANTINE,
        );
        Ok(format!("{delete}{restored}"))
    }

    /// Takes the mappings that a run made for these keys (SQL numbers) out and puts back those that it replaced.
    pub fn give_back_mappings_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        mappings: &str,
        entity: &str,
        keys: &str,
    ) -> Result<String, StateError> {
        let delete = format!(
            "delete from {mappings} where entity_type = {entity} and migration_batch = 'runner {run}' and legacy_id in ({keys});"
        );
        let rule = self.text(rule)?;
        let restored = self.restore(run, chunk, &rule, "migration_mappings", mappings, MAPPINGS);
        Ok(format!("{delete}{restored}"))
    }

    /// A row as a JSON object.
    fn object(self, alias: &str, columns: &[&str]) -> String {
        let pairs: Vec<String> = columns
            .iter()
            .map(|column| format!("'{column}', {alias}.{column}"))
            .collect();
        match self.engine() {
            Engine::Postgres => format!("json_build_object({})::text", pairs.join(", ")),
            Engine::Sqlite => format!("json_object({})", pairs.join(", ")),
        }
    }

    fn restore(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        target: &str,
        table: &str,
        columns: &[&str],
    ) -> String {
        let names = columns.join(", ");
        let (picked, from) = match self.engine() {
            Engine::Postgres => (
                columns.iter().map(|c| format!("r.{c}")).collect::<Vec<_>>(),
                format!(", json_populate_record(null::{table}, b.image::json) r"),
            ),
            Engine::Sqlite => (
                columns
                    .iter()
                    .map(|c| format!("json_extract(b.image, '$.{c}')"))
                    .collect(),
                String::new(),
            ),
        };
        format!(
            "insert into {table} ({names}) select {} from {} b{from} where b.run_id = {run} and b.chunk_id = {chunk} and b.rule = {rule} \
             and b.target = '{target}' on conflict do nothing;",
            picked.join(", "),
            self.table("before_image"),
        )
    }
}
