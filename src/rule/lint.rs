//! A rule against the shapes of both databases.

use std::collections::HashMap;

use super::Rule;
use crate::catalog::Table;
use crate::diagnostic::Diagnostic;
use crate::value::Logical;

/// What is known of the databases; what is absent is not checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shapes<'a> {
    /// Columns that the rule's rows can have.
    pub source: Option<&'a [(String, Logical)]>,
    /// The table it fills.
    pub target: Option<&'a Table>,
    /// Columns of its lookups, by name.
    pub lookups: Option<&'a HashMap<String, Vec<(String, Logical)>>>,
}

impl Rule {
    /// All that can be said about the rule without running it, in file order.
    pub fn lint(&self, _shapes: &Shapes<'_>) -> Vec<Diagnostic> {
        Vec::new()
    }

    /// Columns of the row that the rule needs, in the order of `available`. All of them when a row
    /// goes where its columns cannot be followed.
    pub fn columns_read(&self, available: &[String]) -> Vec<String> {
        available.to_vec()
    }
}
