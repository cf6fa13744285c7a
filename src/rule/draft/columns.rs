//! Which source column a target column is, by name and type.

use super::keys::{self, Join};
use super::{Origin, Sheet};
use crate::catalog::Column;
use crate::value::{Logical, Pair, pair};

/// What a source calls the moment at which a row came to be.
const BEGINNINGS: [&str; 8] = [
    "created_at",
    "made_at",
    "date_joined",
    "created",
    "inserted_at",
    "submitted_at",
    "added_at",
    "date",
];
/// What a source calls a message.
const CONTENTS: [&str; 5] = ["text", "body", "message", "comment", "content"];

/// Where a column's value comes from. A parent's key that lies in another table adds joins.
pub(super) fn origin(sheet: &Sheet, column: &Column, joins: &mut Vec<Join>) -> Origin {
    let reference = sheet
        .target
        .foreign_keys
        .iter()
        .find(|key| key.columns == [column.name.clone()]);
    if let Some(reference) = reference {
        let parent = sheet
            .parents
            .iter()
            .find(|table| table.name == reference.table && table.id_column().is_some());
        let found = parent.and_then(|parent| keys::of_parent(sheet, parent, column, joins));
        return match found {
            Some((legacy, key)) => Origin::Parent {
                table: reference.table.to_string(),
                legacy,
                key,
            },
            None => Origin::Left(format!(
                "refers to {}; no column of the source names its key",
                reference.table
            )),
        };
    }
    // the number of a kind is none of the words that a CHECK lists
    let fits = |source: &String| {
        let is_word = |from: &Column| is_text(&from.logical);
        label(sheet, column).is_none() || sheet.base.column(source).is_some_and(is_word)
    };
    if let Some(source) = best(sheet, column).filter(fits) {
        return Origin::Copy(source);
    }
    if column.default.is_some() {
        return Origin::Default;
    }
    if column.not_null {
        return Origin::MadeUp(stand_in(sheet, column));
    }
    Origin::Left("nothing in the source is called like it".to_owned())
}

/// The source column that fits best, if one does.
fn best(sheet: &Sheet, column: &Column) -> Option<String> {
    if let Some(stem) = column.name.strip_prefix("legacy_") {
        let key = keys::single_key(sheet.base);
        let is_second_key = column.not_null && keys::is_unique(sheet.target, &column.name);
        return sheet
            .base
            .column(stem)
            .filter(|_| stem != "id")
            .or(key.filter(|_| keys::is_own(sheet.base, stem) || is_second_key))
            .filter(|source| goes(source, column))
            .map(|source| source.name.clone());
    }
    let mut found: Option<(u32, &Column)> = None;
    for source in sheet
        .base
        .columns
        .iter()
        .filter(|source| goes(source, column))
    {
        let score = score(source, column);
        if score > 0 && found.is_none_or(|(best, _)| score > best) {
            found = Some((score, source));
        }
    }
    found.map(|(_, source)| source.name.clone())
}

fn goes(source: &Column, target: &Column) -> bool {
    !matches!(
        pair(&source.logical, &target.logical, None),
        Pair::Refuse(_)
    )
}

fn score(source: &Column, target: &Column) -> u32 {
    let (from, to) = (source.name.as_str(), target.name.as_str());
    if from == to {
        return 100;
    }
    let is_key = from == "id" || from.ends_with("_id");
    if is_key {
        return 0;
    }
    let same_type = u32::from(source.logical == target.logical);
    if is_time(&target.logical) {
        let place = BEGINNINGS.iter().position(|name| *name == from);
        let begins = to == "created_at" || (target.not_null && target.default.is_none());
        return match place {
            Some(place) if begins => 60 - place as u32,
            None if begins && target.not_null && is_time(&source.logical) && source.not_null => 20,
            _ => 0,
        };
    }
    if to == "content" && CONTENTS.contains(&from) {
        return 55;
    }
    // `file_size` ← `size`, `role_name` ← `name`
    let is_alike = is_text(&source.logical) == is_text(&target.logical);
    if to.rsplit('_').next() == Some(from) && (is_alike || target.not_null) {
        return 50;
    }
    // `abbreviation` ← `abbrev`
    if from.len() >= 4 && to.starts_with(from) {
        return 45;
    }
    // `tax_amount` ← `tax_value`, `subtotal` ← `subtotal_price`
    let first = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
    if is_number(&source.logical) && is_number(&target.logical) && first(from) == first(to) {
        return 40 + same_type * 5;
    }
    0
}

fn is_time(logical: &Logical) -> bool {
    matches!(logical, Logical::Timestamp | Logical::TimestampTz)
}

fn is_text(logical: &Logical) -> bool {
    matches!(logical, Logical::Text(_) | Logical::Char(_))
}

fn is_number(logical: &Logical) -> bool {
    matches!(logical, Logical::Numeric(_))
}

/// A literal that the column takes, for a value that only the author knows.
fn stand_in(sheet: &Sheet, column: &Column) -> String {
    if let Some(label) = label(sheet, column) {
        return format!("\"{}\"", label.replace('\\', "\\\\").replace('"', "\\\""));
    }
    let above_zero = checks(sheet, column).any(|expression| expression.contains("> "));
    let literal = match &column.logical {
        Logical::Bool => "false",
        Logical::Int2 | Logical::Int4 | Logical::Int8 => "1",
        Logical::Numeric(_) if above_zero => "1.0",
        Logical::Numeric(_) => "0.0",
        Logical::Json | Logical::Jsonb => "#{}",
        Logical::Timestamp | Logical::TimestampTz | Logical::Date => "\"1970-01-01\"",
        Logical::Array(_) => "[]",
        Logical::Char(length) | Logical::Text(Some(length)) if *length < 7 => "\"?\"",
        _ => "\"unknown\"",
    };
    literal.to_owned()
}

fn checks<'a>(sheet: &'a Sheet, column: &'a Column) -> impl Iterator<Item = &'a str> {
    let all = sheet
        .target
        .checks
        .iter()
        .map(|check| check.expression.as_str());
    all.filter(|expression| expression.contains(&column.name))
}

/// The first of the words that the column takes, where its type or a CHECK lists them.
fn label(sheet: &Sheet, column: &Column) -> Option<String> {
    match &column.logical {
        Logical::Enum(_, labels) => labels.first().cloned(),
        _ => checks(sheet, column).find_map(first_of_list),
    }
}

/// The first text of `column in ('a', 'b')`, which the server may print as `= ANY (ARRAY['a'::text, …])`.
fn first_of_list(expression: &str) -> Option<String> {
    let lower = expression.to_lowercase();
    let list = lower.find(" in (").or_else(|| lower.find("= any ("))?;
    let text = expression.get(list..)?.split_once('\'')?.1;
    text.split_once('\'').map(|(label, _)| label.to_owned())
}
