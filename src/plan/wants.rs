//! What a rule declares that it will ask for, fetched once per chunk: one query per parent and lookup.
//!
//! Keys may come from another lookup's columns (`products.id`), so fetching goes in waves until
//! everything that was declared is there.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::fetch::{Keys, own};
use super::nearest;
use super::people::{AccountsWant, people};
use super::whole::Whole;
use crate::catalog;
use crate::db::{DbError, Engine, Session, TableName};
use crate::diagnostic::Diagnostic;
use crate::ids::IdKind;
use crate::row::{Answers, IdAnswer, Rows};
use crate::rule::{IdsDecl, LookupDecl, Rule, Side};
use crate::value::Logical;

/// Ids that no legacy column of the target can tell: of tables whose key lives in the manifest, and, in
/// a dry run, those that a real run would have written. Target table → legacy key → id.
pub type Known = HashMap<String, HashMap<String, Uuid>>;

/// Answers kept per parent between chunks; beyond that the memory is given back.
pub(super) const CACHE_MAX: usize = 50_000;

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A column of the row.
    Row(usize),
    /// A column of another lookup.
    Lookup { lookup: usize, column: usize },
}

#[derive(Debug)]
pub(super) struct IdsWant {
    pub(super) decl: IdsDecl,
    /// Table, its legacy column and type, its id column; `None` when only manifests know.
    pub(super) table: Option<(TableName, String, Logical, String)>,
    pub(super) from: Vec<From>,
    /// The rule's own table: its rows refer to one another.
    pub(super) own: Option<Own>,
    /// Answers of the chunks before, by keys that are numbers and others.
    pub(super) numbers: HashMap<i64, IdAnswer>,
    pub(super) texts: HashMap<String, IdAnswer>,
    /// Keys asked for that were no neighbours of one another.
    pub(super) asked: u64,
    /// When to think of reading the whole parent.
    pub(super) whole_from: u64,
    pub(super) whole: Option<Whole>,
    /// Rows that are not there are made, with ids of this namespace.
    pub(super) made_in: Option<Uuid>,
}

/// How to answer for rows of the rule's own table: a key that the source holds will have its computed id.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// Selects keys; the list of literals and `)` follow.
    pub(super) select: String,
    pub(super) key: Logical,
    pub(super) namespace: Uuid,
    pub(super) table: String,
    pub(super) kind: IdKind,
}

#[derive(Debug)]
pub(super) struct LookupWant {
    pub(super) decl: LookupDecl,
    pub(super) by: Logical,
    pub(super) columns: Vec<(String, Logical)>,
    pub(super) types: Arc<[Logical]>,
    pub(super) keys: Vec<From>,
}

/// What one rule wants to know, with the types to ask for it.
#[derive(Debug)]
pub struct Wants {
    pub(super) ids: Vec<IdsWant>,
    pub(super) lookups: Vec<LookupWant>,
    pub(super) accounts: Option<AccountsWant>,
}

impl Wants {
    /// Resolves a rule's `ids` and `lookups` against both catalogs. `columns` are those of the rows.
    pub async fn prepare(
        rule: &Rule,
        namespace: Uuid,
        columns: &[(String, Logical)],
        source: &mut Session,
        target: &mut Session,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let mut lookups = Vec::new();
        for decl in &rule.header.lookups {
            match Self::lookup(rule, decl, source, target).await {
                Ok(want) => lookups.push(want),
                Err(problem) => problems.push(problem),
            }
        }
        let mut ids = Vec::new();
        for decl in &rule.header.ids {
            match Self::parent(rule, decl, target).await {
                Ok(mut want) => {
                    if decl.entity == rule.header.target {
                        want.own = own(rule, namespace, columns, source.engine());
                    }
                    if rule.makes_profiles_in() == Some(decl.entity.as_str()) {
                        want.made_in = Some(namespace);
                    }
                    ids.push(want);
                }
                Err(problem) => problems.push(problem),
            }
        }
        let accounts = match AccountsWant::prepare(rule, columns, target).await {
            Ok(want) => want,
            Err(problem) => {
                problems.push(problem);
                None
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let resolve = |name: &str, section: &str, owner: &str| -> Result<From, Diagnostic> {
            if let Some(index) = columns.iter().position(|(column, _)| column == name) {
                return Ok(From::Row(index));
            }
            if let Some((lookup, column)) = name.split_once('.')
                && let Some(at) = lookups
                    .iter()
                    .position(|l: &LookupWant| l.decl.name == lookup)
                && let Some(column) = lookups[at].decl.take.iter().position(|t| t == column)
            {
                // the first column of a lookup's rows is its key
                return Ok(From::Lookup {
                    lookup: at,
                    column: column + 1,
                });
            }
            let problem = Diagnostic::error(format!("`{name}` in `{section}.{owner}` is neither a column of the row nor `lookup.column`"))
                .hint("name a column that `base` or `from` delivers, or take the column in a declared lookup");
            Err(match rule.place_of(&[section, owner]) {
                Some(place) => problem.at(place),
                None => problem,
            })
        };
        let mut resolved_keys = Vec::new();
        for want in &lookups {
            let mut keys = Vec::new();
            for name in &want.decl.keys {
                match resolve(name, "lookups", &want.decl.name) {
                    Ok(from) => keys.push(from),
                    Err(problem) => problems.push(problem),
                }
            }
            resolved_keys.push(keys);
        }
        for want in &mut ids {
            for name in &want.decl.from {
                match resolve(name, "ids", &want.decl.entity) {
                    Ok(from) => want.from.push(from),
                    Err(problem) => problems.push(problem),
                }
            }
        }
        for (want, keys) in lookups.iter_mut().zip(resolved_keys) {
            want.keys = keys;
        }
        if problems.is_empty() {
            Ok(Self {
                ids,
                lookups,
                accounts,
            })
        } else {
            Err(problems)
        }
    }

    async fn lookup(
        rule: &Rule,
        decl: &LookupDecl,
        source: &mut Session,
        target: &mut Session,
    ) -> Result<LookupWant, Diagnostic> {
        let placed = |problem: Diagnostic| match rule.place_of(&["lookups", &decl.name]) {
            Some(place) => problem.at(place),
            None => problem,
        };
        let session = match decl.db {
            Side::Source => source,
            Side::Target => target,
        };
        let select = format!("select * from {}", from_sql(session.engine(), &decl.from));
        let known = match catalog::describe(session, &select).await {
            Ok(known) => known,
            Err(e) => {
                let what = format!("in lookup `{}`", decl.name);
                return Err(placed(nearest::select(e, &what, &[], session).await));
            }
        };
        let find = |name: &String| {
            known
                .iter()
                .find(|(column, _)| column == name)
                .map(|(_, logical)| logical.clone())
                .ok_or_else(|| {
                    let problem =
                        Diagnostic::error(format!("lookup `{}` has no column `{name}`", decl.name));
                    let nearest = crate::diagnostic::did_you_mean(
                        name,
                        known.iter().map(|(c, _)| c.as_str()),
                    );
                    placed(match nearest {
                        Some(nearest) => problem.hint(format!("did you mean `{nearest}`?")),
                        None => problem,
                    })
                })
        };
        let by = find(&decl.by)?;
        for name in &decl.order {
            find(name)?;
        }
        let mut columns = vec![(String::new(), by.clone())];
        for name in &decl.take {
            columns.push((name.clone(), find(name)?));
        }
        let types = columns.iter().map(|(_, logical)| logical.clone()).collect();
        Ok(LookupWant {
            decl: decl.clone(),
            by,
            columns,
            types,
            keys: vec![],
        })
    }

    async fn parent(
        rule: &Rule,
        decl: &IdsDecl,
        target: &mut Session,
    ) -> Result<IdsWant, Diagnostic> {
        let placed = |problem: Diagnostic| match rule.place_of(&["ids", &decl.entity]) {
            Some(place) => problem.at(place),
            None => problem,
        };
        let name = TableName::parse(&decl.entity);
        let table = catalog::table(target, &name)
            .await
            .map_err(|e| placed(e.into()))?;
        let Some(table) = table else {
            let problem = Diagnostic::error(format!(
                "`ids.{}`: the target has no table `{}`",
                decl.entity, decl.entity
            ));
            return Err(placed(nearest::table(problem, &decl.entity, target).await));
        };
        let Some(id) = table.id_column() else {
            return Err(placed(Diagnostic::error(format!(
                "`ids.{}`: `{}` has no uuid primary key",
                decl.entity, decl.entity
            ))));
        };
        let known = match &decl.legacy {
            None => None,
            Some(legacy) => {
                let Some(column) = table.column(legacy) else {
                    let problem = Diagnostic::error(format!(
                        "`ids.{}.legacy`: `{}` has no column `{legacy}`",
                        decl.entity, decl.entity
                    ));
                    let nearest = crate::diagnostic::did_you_mean(
                        legacy,
                        table.columns.iter().map(|c| c.name.as_str()),
                    );
                    return Err(placed(match nearest {
                        Some(nearest) => problem.hint(format!("did you mean `{nearest}`?")),
                        None => problem,
                    }));
                };
                Some((
                    name,
                    legacy.clone(),
                    column.logical.clone(),
                    id.name.clone(),
                ))
            }
        };
        Ok(IdsWant {
            decl: decl.clone(),
            table: known,
            from: vec![],
            own: None,
            numbers: HashMap::new(),
            texts: HashMap::new(),
            asked: 0,
            whole_from: 0,
            whole: None,
            made_in: None,
        })
    }

    /// Fetches everything that these rows may ask for.
    pub async fn fetch(
        &mut self,
        rows: &Rows,
        source: &mut Session,
        target: &mut Session,
        known: &Known,
    ) -> Result<Answers, DbError> {
        let mut answers = Answers::default();
        let mut open: Vec<usize> = (0..self.lookups.len()).collect();
        while !open.is_empty() {
            let names: Vec<String> = self.lookups.iter().map(|l| l.decl.name.clone()).collect();
            let ready = |from: &From| match from {
                From::Row(_) => true,
                From::Lookup { lookup, .. } => answers.lookups.contains_key(&names[*lookup]),
            };
            let Some(at) = open
                .iter()
                .position(|index| self.lookups[*index].keys.iter().all(ready))
            else {
                break;
            };
            let want = &self.lookups[open.remove(at)];
            let mut keys = HashSet::new();
            self.each_key(&want.keys, rows, &answers, |key| {
                if !keys.contains(key) {
                    keys.insert(key.to_owned());
                }
            });
            let session = match want.decl.db {
                Side::Source => &mut *source,
                Side::Target => &mut *target,
            };
            let answer = want.fetch(session, &keys).await?;
            answers.lookups.insert(want.decl.name.clone(), answer);
        }
        let keys: Vec<Keys> = self
            .ids
            .iter()
            .map(|want| {
                let mut keys = Keys::default();
                self.each_key(&want.from, rows, &answers, |key| keys.add(key));
                keys.sort();
                keys
            })
            .collect();
        let mut absent = HashSet::new();
        for (want, keys) in self.ids.iter_mut().zip(keys) {
            let known = known.get(&want.decl.entity);
            let mut answer = want.fetch(source, target, keys, known).await?;
            absent.extend(want.make(&mut answer));
            answers
                .ids
                .insert(want.decl.entity.clone(), Arc::new(answer));
        }
        let makes = self.ids.iter().any(|want| want.made_in.is_some());
        let accounts = self.accounts.as_ref();
        answers.people = people(accounts, absent, makes, rows, &answers, target).await?;
        Ok(answers)
    }

    fn each_key(&self, from: &[From], rows: &Rows, answers: &Answers, mut add: impl FnMut(&str)) {
        let mut all = |rows: &Rows, column: usize| {
            for row in 0..rows.len() {
                if let Some(Ok(text)) = rows.text(row, column) {
                    add(&text);
                }
            }
        };
        for from in from {
            match from {
                From::Row(column) => all(rows, *column),
                From::Lookup { lookup, column } => {
                    if let Some(answer) = answers.lookups.get(&self.lookups[*lookup].decl.name) {
                        all(&answer.rows, *column);
                    }
                }
            }
        }
    }
}

/// A table's quoted name, or a select in parentheses, named `l`.
pub(super) fn from_sql(engine: Engine, from: &str) -> String {
    if from.trim().contains(char::is_whitespace) {
        format!("({from}) l")
    } else {
        format!("{} l", TableName::parse(from).sql(engine))
    }
}
