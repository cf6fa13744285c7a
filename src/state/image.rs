//! Before-images of what is not a rule's row: quarantine, rows that stand, and the old scripts' mappings. What a
//! run replaces there, an undo puts back.

use uuid::Uuid;

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
/// The columns of `standing`.
const STANDING: &[&str] = &["rule", "key", "target_id", "why", "mark", "run_id", "at"];
/// The columns of `migration_mappings`.
const MAPPINGS: &[&str] = &[
    "entity_type",
    "legacy_id",
    "new_id",
    "migrated_at",
    "migration_batch",
];

/// What the images of rows that stand are filed under.
pub(super) const STANDS: &str = "runner.standing";

/// Images that are put back.
struct Images<'a> {
    run: i64,
    /// SQL text.
    rule: &'a str,
    /// What they are filed under.
    target: &'a str,
    /// Where they go.
    table: &'a str,
    columns: &'a [&'a str],
    /// A condition on `b`.
    only: &'a str,
}

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

    /// Keeps rows that stand as they are before a chunk takes them out; no ids: all of the rule. Chunk 0 stands for
    /// the comparison at the end of a sync.
    pub fn image_standing_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        ids: Option<&[Uuid]>,
    ) -> Result<String, StateError> {
        let which = ids.map_or_else(String::new, |ids| {
            let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            format!(" and s.target_id in ({})", ids.join(","))
        });
        Ok(format!(
            "insert into {} (run_id, chunk_id, rule, target, target_id, image) select {run}, {chunk}, s.rule, '{STANDS}', \
             cast(s.target_id as text), {} from {} s where s.rule = {}{which}",
            self.table("before_image"),
            self.object("s", STANDING),
            self.table("standing"),
            self.text(rule)?
        ))
    }

    /// Puts the rows of a rule that stand back as they were before a run: what it listed goes, what it found listed
    /// comes back. A run may have listed rows twice, so its own images of its own rows are none.
    pub fn give_back_standing_sql(self, run: i64, rule: &str) -> Result<String, StateError> {
        let table = self.table("standing");
        let rule = self.text(rule)?;
        let others = match self.engine() {
            Engine::Postgres => format!("(b.image::json ->> 'run_id')::bigint <> {run}"),
            Engine::Sqlite => format!("json_extract(b.image, '$.run_id') <> {run}"),
        };
        let restored = self.restore(&Images {
            run,
            rule: &rule,
            target: STANDS,
            table: &table,
            columns: STANDING,
            only: &others,
        });
        Ok(format!(
            "delete from {table} where rule = {rule} and run_id = {run};{restored}"
        ))
    }

    /// Keeps mappings of the old scripts as they are before a chunk changes them; `which` is a condition on `m`.
    pub fn image_mappings_sql(
        self,
        run: i64,
        chunk: i64,
        rule: &str,
        mappings: &str,
        entity: &str,
        which: &str,
    ) -> Result<String, StateError> {
        Ok(format!(
            ";insert into {} (run_id, chunk_id, rule, target, target_id, image) select {run}, {chunk}, {}, 'migration_mappings', \
             cast(m.legacy_id as text), {} from {mappings} m where m.entity_type = {entity} and {which}",
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
        let restored = self.restore(&Images {
            run,
            rule: &rule,
            target: "runner.quarantine",
            table: &self.table("quarantine"),
            columns: QUARANTINE,
            only: &format!("b.chunk_id = {chunk}"),
        });
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
        let texts: Vec<String> = keys.split(',').map(|key| format!("'{key}'")).collect();
        let restored = self.restore(&Images {
            run,
            rule: &rule,
            target: "migration_mappings",
            table: mappings,
            columns: MAPPINGS,
            only: &format!(
                "b.chunk_id = {chunk} and b.target_id in ({})",
                texts.join(",")
            ),
        });
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

    fn restore(self, images: &Images<'_>) -> String {
        let Images {
            run,
            rule,
            target,
            table,
            columns,
            only,
        } = *images;
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
            "insert into {table} ({names}) select {} from {} b{from} where b.run_id = {run} and b.rule = {rule} \
             and b.target = '{target}' and {only} on conflict do nothing;",
            picked.join(", "),
            self.table("before_image"),
        )
    }
}
