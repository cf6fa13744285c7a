//! Legacy keys by their names: `legacy_instruction_id` keeps what the source calls `instruction_id`.

use super::Sheet;
use crate::catalog::{Column, Table};
use crate::value::{Logical, Pair, pair};

/// Steps from the base to the table that holds a parent's key.
const STEPS_MAX: usize = 3;

/// A table joined to the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) table: String,
    pub(super) alias: String,
    /// `t1.id = b.plan_id`
    pub(super) on: String,
    /// Column that is taken into the row, where this is the last step.
    pub(super) take: Option<String>,
}

/// The table that a column such as `plan_id` names: `plan`, `dispatch_plan`, or a plural of these.
pub fn named_table<'n>(column: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let stem = column.strip_suffix("_id")?;
    let fits = |name: &&str| {
        let bare = name.rsplit('.').next().unwrap_or(name);
        [stem.to_owned(), format!("{stem}s")]
            .iter()
            .any(|wanted| bare == wanted || bare.ends_with(&format!("_{wanted}")))
    };
    names.into_iter().filter(fits).min_by_key(|name| name.len())
}

/// The target column that keeps the legacy key: unique, of a fitting type, and called like it.
pub(super) fn legacy(sheet: &Sheet) -> Option<String> {
    let key = single_key(sheet.base)?;
    let singular = sheet.target.name.name.trim_end_matches('s').to_owned();
    let mut best: Option<(u32, &Column)> = None;
    for column in
        legacy_columns(sheet.target).filter(|column| is_unique(sheet.target, &column.name))
    {
        if matches!(pair(&key.logical, &column.logical, None), Pair::Refuse(_)) {
            continue;
        }
        let stem = stem(&column.name);
        let last = singular.rsplit('_').next().unwrap_or(&singular);
        let score = u32::from(column.not_null) * 2
            + u32::from(is_own(sheet.base, stem)) * 3
            + u32::from(stem.contains(last))
            + 1;
        if best.is_none_or(|(other, _)| score > other) {
            best = Some((score, column));
        }
    }
    best.map(|(_, column)| column.name.clone())
}

pub(super) fn legacy_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table
        .columns
        .iter()
        .filter(|column| column.name.starts_with("legacy_"))
}

pub(super) fn is_unique(table: &Table, column: &str) -> bool {
    table.uniques.iter().any(|unique| {
        !unique.partial && !unique.expression && unique.columns == [column.to_owned()]
    })
}

/// `instruction_id` of `legacy_instruction_id`.
pub(super) fn stem(legacy: &str) -> &str {
    legacy.strip_prefix("legacy_").unwrap_or(legacy)
}

/// Whether `file_id` is the base's own key, as in `dispatch_file`.
pub(super) fn is_own(base: &Table, stem: &str) -> bool {
    named_table(stem, [base.name.name.as_str()]).is_some()
}

pub(super) fn single_key(table: &Table) -> Option<&Column> {
    let [key] = &table.primary_key[..] else {
        return None;
    };
    table.column(key)
}

/// The column of the row that holds the key which `parent` keeps in a legacy column, and that column.
/// Unique legacy columns first.
pub(super) fn of_parent(
    sheet: &Sheet,
    parent: &Table,
    child: &Column,
    joins: &mut Vec<Join>,
) -> Option<(String, String)> {
    let mut candidates: Vec<&Column> = legacy_columns(parent).collect();
    candidates.sort_by_key(|column| !is_unique(parent, &column.name));
    let fits = |column: &Column, legacy: &Column| {
        let is_key = |logical: &Logical| {
            matches!(
                logical,
                Logical::Int2 | Logical::Int4 | Logical::Int8 | Logical::Uuid
            )
        };
        column.logical == legacy.logical || (is_key(&column.logical) && is_key(&legacy.logical))
    };
    for legacy in &candidates {
        let stem = stem(&legacy.name);
        if let Some(column) = sheet
            .base
            .column(stem)
            .filter(|column| fits(column, legacy))
            && stem != "id"
        {
            return Some((legacy.name.clone(), column.name.clone()));
        }
        if let Some(key) =
            single_key(sheet.base).filter(|key| is_own(sheet.base, stem) && fits(key, legacy))
        {
            return Some((legacy.name.clone(), key.name.clone()));
        }
    }
    // the child's own name, also where the target puts a word before it: `treatment_plan_id` ← `plan_id`
    for legacy in &candidates {
        let column = sheet.base.columns.iter().find(|column| {
            column.name == child.name
                || (column.name.ends_with("_id")
                    && child.name.ends_with(&format!("_{}", column.name)))
        });
        if let Some(column) = column.filter(|column| fits(column, legacy)) {
            return Some((legacy.name.clone(), column.name.clone()));
        }
    }
    // what another table holds is only taken where the row cannot do without it: it may mean something else
    for legacy in candidates.iter().filter(|_| child.not_null) {
        if let Some(column) = joined(sheet, stem(&legacy.name), legacy, joins) {
            return Some((legacy.name.clone(), column));
        }
    }
    None
}

/// Looks for a column `wanted` in the tables that the base's columns name, and those that theirs name.
fn joined(sheet: &Sheet, wanted: &str, legacy: &Column, joins: &mut Vec<Join>) -> Option<String> {
    let names: Vec<&str> = sheet
        .others
        .iter()
        .map(|table| table.name.name.as_str())
        .collect();
    let mut open: Vec<(&Table, Vec<Join>, String)> = vec![(sheet.base, vec![], "b".to_owned())];
    for _ in 0..STEPS_MAX {
        let mut further = Vec::new();
        for (table, way, alias) in open {
            for column in table
                .columns
                .iter()
                .filter(|column| column.name.ends_with("_id"))
            {
                let Some(name) = named_table(&column.name, names.iter().copied()) else {
                    continue;
                };
                let next = sheet.others.iter().find(|table| table.name.name == name)?;
                let Some(key) = single_key(next).filter(|_| next.name != table.name) else {
                    continue;
                };
                let step = Join {
                    table: next.name.to_string(),
                    alias: format!("t{}", joins.len() + way.len() + 1),
                    on: format!(
                        "t{}.{} = {alias}.{}",
                        joins.len() + way.len() + 1,
                        key.name,
                        column.name
                    ),
                    take: None,
                };
                let mut way = way.clone();
                way.push(step);
                let found = next
                    .column(wanted)
                    .filter(|found| found.logical == legacy.logical);
                if found.is_some() && sheet.base.column(wanted).is_none() {
                    if let Some(last) = way.last_mut() {
                        last.take = Some(wanted.to_owned());
                    }
                    joins.extend(way);
                    return Some(wanted.to_owned());
                }
                let alias = way
                    .last()
                    .map_or_else(String::new, |join| join.alias.clone());
                further.push((next, way, alias));
            }
        }
        open = further;
    }
    None
}
