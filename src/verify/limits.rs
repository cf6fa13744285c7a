//! What each check cannot see. Printed in the documentation and in reports, and each line has a test that the limit
//! is as stated (`tests/verify_limits.rs`).

use serde::Serialize;

/// A check with its blind spot.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limit {
    /// Short name; the test is named after it.
    pub name: &'static str,
    /// What is checked.
    pub check: &'static str,
    /// What it says nothing about.
    pub cannot_see: &'static str,
}

/// All of them.
pub const LIMITS: &[Limit] = &[
    Limit {
        name: "a_wrong_rule",
        check: "Every row is derived again and compared",
        cannot_see: "a rule that is wrong: it derives the same wrong row again. Tests of the rule and a look at the rows are for that",
    },
    Limit {
        name: "columns_the_rule_leaves_alone",
        check: "Every row is derived again and compared",
        cannot_see: "columns that the rule does not set, or declares `volatile`",
    },
    Limit {
        name: "rows_without_a_legacy_key",
        check: "Rows that nothing derives",
        cannot_see: "a row that was added without a legacy key: it cannot be told from the application's own",
    },
    Limit {
        name: "edited_and_put_back",
        check: "Every row is derived again and compared",
        cannot_see: "a value that was changed and put back before the verification",
    },
    Limit {
        name: "an_edit_of_a_row_whose_source_changed",
        check: "Why a row differs",
        cannot_see: "an edit in the target of a row whose source changed as well: it is `source-changed`",
    },
    Limit {
        name: "who_wrote_a_restored_row",
        check: "Why a row differs",
        cannot_see: "who wrote a row last, in a restored database or in SQLite: nothing is called `corrupt` there",
    },
    Limit {
        name: "an_edit_of_a_value_an_adopted_row_kept",
        check: "Adopted rows",
        cannot_see: "an edit of a value that an adopted row kept, where we never wrote to the row: it is `kept`",
    },
    Limit {
        name: "an_edit_of_a_value_that_a_fill_left",
        check: "Adopted rows",
        cannot_see: "in a restored database or in SQLite, an edit of a value that a run filled and a later one left, its source having changed between: it is `kept`",
    },
    Limit {
        name: "rows_of_scripts",
        check: "Rows of hooks and procedural rules",
        cannot_see: "their content: they are counted and not derived again",
    },
    Limit {
        name: "what_a_sample_leaves_out",
        check: "`--sample N`",
        cannot_see: "rows that were not drawn, and rows that nothing derives",
    },
    Limit {
        name: "two_errors_that_cancel_out",
        check: "Reconciliation of sums",
        cannot_see: "two errors that cancel out; the comparison row by row sees them",
    },
    Limit {
        name: "another_valid_parent",
        check: "References",
        cannot_see: "a reference to another parent that exists; the comparison row by row sees it",
    },
];

/// The table as it stands in `docs/verification.md`.
#[cfg(test)]
fn limits_markdown() -> String {
    let mut text = String::from("| check | what it cannot see |\n|---|---|\n");
    for limit in LIMITS {
        text.push_str(&format!("| {} | {} |\n", limit.check, limit.cannot_see));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_same_table() {
        let docs = include_str!("../../docs/verification.md");
        let table = limits_markdown();
        assert!(
            docs.contains(&table),
            "docs/verification.md wants:\n{table}"
        );
    }

    #[test]
    fn each_line_has_its_test() {
        let tests = include_str!("../../tests/verify_limits.rs");
        for limit in LIMITS {
            assert!(
                tests.contains(&format!("fn {}()", limit.name)),
                "{}",
                limit.name
            );
        }
    }
}
