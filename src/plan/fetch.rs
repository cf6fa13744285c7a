//! Asking: one query per parent and lookup for all keys of a chunk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::among::among;
use super::wants::{CACHE_MAX, IdsWant, LookupWant, Own, from_sql};
use crate::db::{DbError, Session, ident, literal_list};
use crate::ids::id_for;
use crate::row::{IdAnswer, Key, LookupAnswer, Rows};
use crate::value::Logical;

/// Keys per query: keeps a statement's text below a few hundred kilobytes.
const KEYS_PER_QUERY: usize = 5_000;

impl Own {
    /// The keys that the source holds, with the ids that they get.
    async fn fetch(
        &self,
        source: &mut Session,
        keys: &[&str],
    ) -> Result<Vec<(String, Uuid)>, DbError> {
        let mut found = Vec::new();
        for keys in keys.chunks(KEYS_PER_QUERY) {
            let list = literal_list(source.engine(), &self.key, keys.iter().copied());
            if list.is_empty() {
                continue;
            }
            let columns = [("key".to_owned(), self.key.clone())];
            let rows = source
                .copy_out_typed(&format!("{}{list})", self.select), &columns)
                .await?;
            for row in 0..rows.len() {
                if let Some(Ok(key)) = rows.text(row, 0) {
                    let id = id_for(
                        self.namespace,
                        &self.table,
                        &Key::single(key.as_ref()),
                        &[],
                        self.kind,
                    );
                    found.push((key.into_owned(), id));
                }
            }
        }
        Ok(found)
    }
}

impl IdsWant {
    pub(super) async fn fetch(
        &mut self,
        source: &mut Session,
        target: &mut Session,
        keys: HashSet<String>,
        known: Option<&HashMap<String, Uuid>>,
    ) -> Result<HashMap<String, IdAnswer>, DbError> {
        if self.cache.len() > CACHE_MAX {
            self.cache.clear();
        }
        let missing: Vec<&String> = keys
            .iter()
            .filter(|key| !self.cache.contains_key(*key))
            .collect();
        let mut fresh: HashMap<String, IdAnswer> = HashMap::new();
        if let Some((table, legacy, logical, id)) = &self.table {
            for condition in among(target.engine(), legacy, logical, &missing) {
                let sql = format!(
                    "select {}, {} from {} where {condition}",
                    ident(legacy),
                    ident(id),
                    table.sql(target.engine()),
                );
                let columns = [
                    ("legacy".to_owned(), logical.clone()),
                    ("id".to_owned(), Logical::Uuid),
                ];
                let rows = target.copy_out_typed(&sql, &columns).await?;
                for row in 0..rows.len() {
                    let (Some(Ok(key)), Some(Ok(id))) = (rows.text(row, 0), rows.text(row, 1))
                    else {
                        continue;
                    };
                    let answer = id.parse().map_or(IdAnswer::None, IdAnswer::One);
                    fresh
                        .entry(key.into_owned())
                        .and_modify(|a| *a = IdAnswer::Many)
                        .or_insert(answer);
                }
            }
        }
        if let Some(own) = &self.own {
            let absent: Vec<&str> = missing
                .iter()
                .filter(|key| !fresh.contains_key(**key))
                .map(|key| key.as_str())
                .collect();
            for (key, id) in own.fetch(source, &absent).await? {
                fresh.insert(key, IdAnswer::One(id));
            }
        }
        for key in missing {
            let answer = match (fresh.remove(key), known.and_then(|k| k.get(key))) {
                (Some(answer), _) => answer,
                (None, Some(id)) => IdAnswer::One(*id),
                (None, None) => IdAnswer::None,
            };
            self.cache.insert(key.clone(), answer);
        }
        Ok(keys
            .into_iter()
            .map(|key| {
                let answer = self.cache.get(&key).cloned().unwrap_or(IdAnswer::None);
                (key, answer)
            })
            .collect())
    }
}

impl LookupWant {
    pub(super) async fn fetch(
        &self,
        session: &mut Session,
        keys: &HashSet<String>,
    ) -> Result<LookupAnswer, DbError> {
        let mut answer = LookupAnswer {
            types: self.types.clone(),
            groups: keys.iter().map(|key| (key.clone(), 0..0)).collect(),
            ..LookupAnswer::default()
        };
        let names: Arc<[String]> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut all = Rows::new(names);
        let mut keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.sort_unstable();
        for keys in keys.chunks(KEYS_PER_QUERY) {
            let list = literal_list(session.engine(), &self.by, keys.iter().copied());
            if list.is_empty() {
                continue;
            }
            let by = ident(&self.decl.by);
            let take: Vec<String> = std::iter::once(by.clone())
                .chain(self.decl.take.iter().map(|c| ident(c)))
                .collect();
            let order: Vec<String> = std::iter::once(by.clone())
                .chain(self.decl.order.iter().map(|c| ident(c)))
                .collect();
            let sql = format!(
                "select {} from {} where {by} in ({list}) order by {}",
                take.join(", "),
                from_sql(session.engine(), &self.decl.from),
                order.join(", "),
            );
            let rows = session.copy_out_typed(&sql, &self.columns).await?;
            for row in 0..rows.len() {
                let Some(Ok(key)) = rows.text(row, 0) else {
                    continue;
                };
                let at = all.len();
                let group = answer.groups.entry(key.into_owned()).or_insert(at..at);
                if group.start == group.end {
                    *group = at..at;
                }
                group.end = at + 1;
                for column in 0..self.columns.len() {
                    let cell = rows.cell(row, column);
                    all.push_cell(cell.as_deref());
                }
            }
        }
        answer.rows = Arc::new(all);
        Ok(answer)
    }
}
