//! A first rule from the shapes of two tables: what goes over by name and type, which parents are asked for,
//! and in comments what nobody but the author can know.

mod columns;
mod keys;
mod text;

use crate::catalog::{Column, Table};
use crate::diagnostic::Diagnostic;

pub use keys::named_table;

/// What is known of both databases.
pub struct Sheet<'a> {
    /// The source table.
    pub base: &'a Table,
    /// The table that is filled.
    pub target: &'a Table,
    /// Tables that the target's columns refer to.
    pub parents: &'a [Table],
    /// Other tables of the source, on the way to a parent's key.
    pub others: &'a [Table],
}

/// Where a target column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// The id of a parent, by its legacy column and a column of the row.
    Parent {
        table: String,
        legacy: String,
        key: String,
    },
    /// A source column, as it is.
    Copy(String),
    /// A value that stands in until the author decides; a literal of the language.
    MadeUp(String),
    /// The target's default.
    Default,
    /// Nothing; why.
    Left(String),
}

/// A target column with its origin.
struct Plan<'a> {
    column: &'a Column,
    origin: Origin,
}

/// Everything that the text is made of.
struct Draft<'a> {
    sheet: &'a Sheet<'a>,
    legacy: Option<String>,
    /// Joins that bring a parent's key into the row: table, alias, condition.
    joins: Vec<keys::Join>,
    plans: Vec<Plan<'a>>,
}

/// The text of a rule called `name`.
pub fn draft(sheet: &Sheet) -> Result<String, Diagnostic> {
    let base = &sheet.base.name;
    if sheet.base.primary_key.is_empty() {
        return Err(Diagnostic::error(format!(
            "`{base}` has no primary key, so its rows cannot be told apart"
        ))
        .hint("write the rule by hand and name columns that are unique in `key`"));
    }
    if sheet.target.id_column().is_none() {
        return Err(Diagnostic::error(format!(
            "`{}` has no uuid primary key of one column",
            sheet.target.name
        )));
    }
    let legacy = keys::legacy(sheet);
    let mut joins = Vec::new();
    let id = sheet.target.id_column().map(|column| column.name.clone());
    let plans = sheet
        .target
        .columns
        .iter()
        .filter(|column| {
            let is_set_elsewhere =
                Some(&column.name) == id.as_ref() || Some(&column.name) == legacy.as_ref();
            !is_set_elsewhere && !column.generated && column.identity.is_none()
        })
        .map(|column| Plan {
            column,
            origin: columns::origin(sheet, column, &mut joins),
        })
        .collect();
    Ok(text::written(&Draft {
        sheet,
        legacy,
        joins,
        plans,
    }))
}
