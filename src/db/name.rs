//! The name of a table, with or without its schema.

use std::fmt;

use super::{Engine, quote::ident};

/// A table as rules and catalogs name it: `purchases`, `auth.users`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// `None` = found by the search path (`public`).
    pub schema: Option<String>,
    /// The table alone.
    pub name: String,
}

impl TableName {
    /// Reads `table` or `schema.table`; everything after the first point is the table.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        match text.split_once('.') {
            Some((schema, name)) if !schema.is_empty() && !name.is_empty() => Self {
                schema: Some(schema.to_owned()),
                name: name.to_owned(),
            },
            _ => Self {
                schema: None,
                name: text.to_owned(),
            },
        }
    }

    /// The name as this engine has it, quoted. SQLite has no schemas: `auth.users` is the table
    /// `auth_users` there, and `public` is dropped.
    pub fn sql(&self, engine: Engine) -> String {
        match (engine, &self.schema) {
            (Engine::Postgres, Some(schema)) => format!("{}.{}", ident(schema), ident(&self.name)),
            (Engine::Postgres, None) => ident(&self.name),
            (Engine::Sqlite, _) => ident(&self.flat()),
        }
    }

    /// The one-word name that SQLite has for it.
    pub fn flat(&self) -> String {
        match self.schema.as_deref() {
            None | Some("public") => self.name.clone(),
            Some(schema) => format!("{schema}_{}", self.name),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_per_engine() {
        let users = TableName::parse("auth.users");
        assert_eq!(users.sql(Engine::Postgres), "\"auth\".\"users\"");
        assert_eq!(users.sql(Engine::Sqlite), "\"auth_users\"");
        assert_eq!(TableName::parse("public.x").sql(Engine::Sqlite), "\"x\"");
        assert_eq!(TableName::parse("x").to_string(), "x");
    }
}
