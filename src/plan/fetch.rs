//! Asking: one query per parent and lookup for all keys of a chunk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::among::among;
use super::wants::{CACHE_MAX, IdsWant, LookupWant, Own, from_sql};
use crate::db::{DbError, Engine, Session, TableName, ident, literal_list};
use crate::ids::{IdKind, id_for};
use crate::row::{IdAnswer, IdAnswers, Key, LookupAnswer, Rows, whole_number};
use crate::rule::Rule;
use crate::value::Logical;

/// Keys per query: keeps a statement's text below a few hundred kilobytes.
const KEYS_PER_QUERY: usize = 5_000;

/// The keys that a chunk's rows hold.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Ascending.
    numbers: Vec<i64>,
    texts: HashSet<String>,
}

impl Keys {
    pub(super) fn add(&mut self, key: &str) {
        match whole_number(key) {
            Some(number) => self.numbers.push(number),
            None if self.texts.contains(key) => {}
            None => {
                self.texts.insert(key.to_owned());
            }
        }
    }

    /// After the last one.
    pub(super) fn sort(&mut self) {
        self.numbers.sort_unstable();
        self.numbers.dedup();
    }
}

/// How the rule's own rows are asked for; only a single key column can be referred to.
pub(super) fn own(
    rule: &Rule,
    namespace: Uuid,
    columns: &[(String, Logical)],
    engine: Engine,
) -> Option<Own> {
    let [key] = &rule.header.key[..] else {
        return None;
    };
    let logical = &columns.iter().find(|(name, _)| name == key)?.1;
    let condition = rule
        .header
        .where_
        .as_ref()
        .map(|c| format!("({c}) and "))
        .unwrap_or_default();
    Some(Own {
        select: format!(
            "select {0} from {1} where {condition}{0} in (",
            ident(key),
            TableName::parse(&rule.header.base).sql(engine)
        ),
        key: logical.clone(),
        namespace,
        table: rule.header.target.clone(),
        kind: rule.header.id,
    })
}

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
        keys: Keys,
        known: Option<&HashMap<String, Uuid>>,
    ) -> Result<IdAnswers, DbError> {
        if self.numbers.len() + self.texts.len() > CACHE_MAX {
            self.numbers.clear();
            self.texts.clear();
        }
        self.consider_whole(target).await?;
        let mut numbers = Vec::with_capacity(keys.numbers.len());
        let mut texts = HashMap::new();
        let (mut missing, mut missing_texts) = (Vec::new(), Vec::new());
        for key in keys.numbers {
            match (&self.whole, self.numbers.get(&key)) {
                (Some(whole), _) => {
                    let answer = elsewhere(whole.get(key), known, || key.to_string());
                    numbers.push((key, answer));
                }
                (None, Some(answer)) => numbers.push((key, answer.clone())),
                (None, None) => missing.push(key),
            }
        }
        for key in keys.texts {
            match self.texts.get(&key) {
                Some(answer) => {
                    texts.insert(key, answer.clone());
                }
                None => missing_texts.push(key),
            }
        }
        let fresh = self.look(source, target, &missing, &missing_texts).await?;
        for key in missing {
            let found = fresh.of(key).cloned().unwrap_or(IdAnswer::None);
            let answer = elsewhere(found, known, || key.to_string());
            self.numbers.insert(key, answer.clone());
            numbers.push((key, answer));
        }
        for key in missing_texts {
            let found = fresh.get(&key).cloned().unwrap_or(IdAnswer::None);
            let answer = elsewhere(found, known, || key.clone());
            self.texts.insert(key.clone(), answer.clone());
            texts.insert(key, answer);
        }
        if self.made_in.is_some() {
            // what is made meanwhile must be seen when it is asked for again
            self.numbers.retain(|_, answer| *answer != IdAnswer::None);
            self.texts.retain(|_, answer| *answer != IdAnswer::None);
        }
        Ok(IdAnswers::new(numbers, texts))
    }

    /// What the target has for these keys, and the source for those of the rule's own rows.
    async fn look(
        &mut self,
        source: &mut Session,
        target: &mut Session,
        numbers: &[i64],
        texts: &[String],
    ) -> Result<IdAnswers, DbError> {
        let mut found: HashMap<i64, IdAnswer> = HashMap::new();
        let mut found_texts: HashMap<String, IdAnswer> = HashMap::new();
        let several = |answer: &mut IdAnswer| *answer = IdAnswer::Many;
        if let Some((table, legacy, logical, id)) = &self.table {
            let conditions = among(target.engine(), legacy, logical, numbers, texts);
            if !conditions.are_ranges {
                self.asked += numbers.len() as u64;
            }
            for condition in conditions.sql {
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
                found.reserve(rows.len());
                for row in 0..rows.len() {
                    let (Some(Ok(key)), Some(Ok(id))) = (rows.text(row, 0), rows.text(row, 1))
                    else {
                        continue;
                    };
                    let answer = id.parse().map_or(IdAnswer::None, IdAnswer::One);
                    match whole_number(&key) {
                        Some(key) => found.entry(key).and_modify(several).or_insert(answer),
                        None => found_texts
                            .entry(key.into_owned())
                            .and_modify(several)
                            .or_insert(answer),
                    };
                }
            }
        }
        if let Some(own) = &self.own {
            let absent = numbers.iter().filter(|key| !found.contains_key(key));
            let absent_texts = texts.iter().filter(|key| !found_texts.contains_key(*key));
            let absent: Vec<String> = absent
                .map(ToString::to_string)
                .chain(absent_texts.cloned())
                .collect();
            let absent: Vec<&str> = absent.iter().map(String::as_str).collect();
            for (key, id) in own.fetch(source, &absent).await? {
                match whole_number(&key) {
                    Some(key) => found.insert(key, IdAnswer::One(id)),
                    None => found_texts.insert(key, IdAnswer::One(id)),
                };
            }
        }
        Ok(IdAnswers::new(found.into_iter().collect(), found_texts))
    }

    /// Answers for rows that are to be made by the ids they will have, and returns these.
    pub(super) fn make(&self, answers: &mut IdAnswers) -> Vec<Uuid> {
        let mut made = Vec::new();
        let Some(namespace) = self.made_in else {
            return made;
        };
        answers.answer_absent(|key| {
            let id = id_for(
                namespace,
                &self.decl.entity,
                &Key::single(key),
                &[],
                IdKind::V5,
            );
            made.push(id);
            id
        });
        made
    }
}

/// What is not in the target may be known from a manifest.
fn elsewhere(
    answer: IdAnswer,
    known: Option<&HashMap<String, Uuid>>,
    key: impl FnOnce() -> String,
) -> IdAnswer {
    match (answer, known) {
        (IdAnswer::None, Some(known)) => known
            .get(&key())
            .map_or(IdAnswer::None, |id| IdAnswer::One(*id)),
        (answer, _) => answer,
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
