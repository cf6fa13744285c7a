//! `ids.get`: which row of the target a legacy key is.

use std::collections::HashMap;

use uuid::Uuid;

use super::clerk::Clerk;
use super::streams::sentence;
use crate::db::{TableName, ident, literal, typed_literal};
use crate::row::Key;
use crate::state::StateError;

impl Clerk<'_, '_> {
    /// Adds the ids of a chunk that landed to those that were read before it.
    pub(super) async fn learn(&mut self, chunk: i64) -> Result<(), StateError> {
        let rule = &self.job.rule;
        let Some(known) = self.known.get_mut(&self.job.to.table.name.name) else {
            return Ok(());
        };
        if self.world.options.dry_run {
            return Ok(());
        }
        let target = &mut self.world.target;
        let pass = self.place.pass;
        let found = self
            .world
            .state
            .manifests(target, &rule.name, pass, "procedure", chunk - 1, 1)
            .await?;
        let entries = found.into_iter().flat_map(|(_, _, m)| m.entries);
        known.extend(entries.filter_map(|entry| Some((entry.key, *entry.ids.first()?))));
        Ok(())
    }

    /// The id of a legacy key: decided in this call, stated, in the table's legacy column, or in a manifest.
    pub(super) async fn id(&mut self, table: &str, key: &Key) -> Result<Option<Uuid>, String> {
        let entity = TableName::parse(table).name;
        let text = key.to_string();
        if let Some(id) = self.told.get(&entity).and_then(|told| told.get(&text)) {
            return Ok(Some(*id));
        }
        if self.own_table(table).is_ok()
            && let Some(id) = self.kept.id(key)
        {
            return Ok(Some(id));
        }
        if let Some(id) = self.by_legacy(table, key).await? {
            return Ok(Some(id));
        }
        if !self.known.contains_key(&entity) {
            let mut known = HashMap::new();
            if self.world.exists {
                let state = self.world.state;
                let read = state.known_ids(&mut self.world.target, &entity).await;
                known = read.map_err(|error| error.to_string())?;
            }
            // ids that a dry run gave in the rules before this one
            if let Some(more) = self.world.known.get(table) {
                known.extend(more.iter().map(|(key, id)| (key.clone(), *id)));
            }
            self.known.insert(entity.clone(), known);
        }
        let own = self.own_table(table).is_ok();
        let flowed = self.flowed.ids.iter().filter(|_| own);
        let mut flowed = flowed.filter(|(known, _)| *known == text);
        Ok(flowed
            .next()
            .map(|(_, id)| *id)
            .or_else(|| self.known.get(&entity)?.get(&text).copied()))
    }

    async fn by_legacy(&mut self, table: &str, key: &Key) -> Result<Option<Uuid>, String> {
        let header = &self.job.rule.header;
        let declared = header.ids.iter().find(|d| d.entity == table);
        let legacy = match declared {
            Some(declared) => declared.legacy.as_ref(),
            None if self.own_table(table).is_ok() => header.legacy.as_ref(),
            None => None,
        };
        let (Some(legacy), [text]) = (legacy, &key.0[..]) else {
            return Ok(None);
        };
        let target = &mut self.world.target;
        let name = TableName::parse(table);
        let shape = crate::catalog::table(target, &name).await;
        let Some(shape) = shape.map_err(|error| sentence(&error))? else {
            return Err(format!("the target has no table `{table}`"));
        };
        let (Some(column), Some(id)) = (shape.column(legacy), shape.id_column()) else {
            return Err(format!(
                "`{table}` has no column `{legacy}`, or no uuid primary key"
            ));
        };
        let engine = target.engine();
        // a text that is no value of the column's type is nobody's key
        let value = match typed_literal(engine, &column.logical, text) {
            Ok(value) => value,
            Err(_) => literal(engine, text).map_err(|error| sentence(&error))?,
        };
        let sql = format!(
            "select {} from {} where {} = {value} limit 2",
            ident(&id.name),
            name.sql(engine),
            ident(legacy)
        );
        let rows = target.query(&sql).await.map_err(|e| sentence(&e))?;
        if rows.len() > 1 {
            return Err(format!(
                "`ids.get`: two rows of `{table}` have the key {key}"
            ));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let id = rows.text(0, 0).and_then(Result::ok);
        Ok(id.and_then(|id| id.parse().ok()))
    }
}
