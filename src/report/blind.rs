//! What each check asks, and what it cannot see: nobody should read more into a number than is there.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Gate;

/// A kind of check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The check's name in the findings.
    pub name: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// What may be wrong although it holds.
    pub blind: &'static str,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "counts",
        asks: "How many rows has the source table, and how many satisfy the rule's condition?",
        blind: "rows that the source gained or lost after its snapshot",
    },
    Question {
        name: "balance",
        asks: "Has every source row exactly one outcome, and does the source itself count as many rows?",
        blind: "whether the values of a row are the right ones",
    },
    Question {
        name: "target_rows",
        asks: "How many rows has the target table?",
        blind: "whose rows they are: see “What is in the target”",
    },
    Question {
        name: "legacy_ids",
        asks: "Is every written source row in the target under its legacy id?",
        blind: "the other columns of the row",
    },
    Question {
        name: "duplicate_legacy_ids",
        asks: "Does a legacy id stand in more than one row?",
        blind: "two legacy ids that mean the same thing",
    },
    Question {
        name: "foreign_key",
        asks: "Does every reference lead to a row that is there?",
        blind: "a reference that leads to the wrong row",
    },
    Question {
        name: "reconcile",
        asks: "Is the sum over the source what arrived plus what was skipped and rejected, to the last digit?",
        blind: "two errors that cancel each other out",
    },
    Question {
        name: "stale_mapping",
        asks: "Do the mappings of earlier scripts lead to rows that are there? Those that do not were ignored.",
        blind: "a mapping that leads to the wrong row",
    },
    Question {
        name: "foreign_tracking_table",
        asks: "Have the tracking tables of earlier scripts the known shape? Others are left alone.",
        blind: "what other programs expect of them",
    },
];

/// The kinds that occur, in the order they are explained in.
pub(super) fn questions(gates: &[Gate], sums: bool) -> Vec<Question> {
    let mut names: BTreeSet<&str> = gates.iter().map(|g| g.name.as_str()).collect();
    if sums {
        names.insert("reconcile");
    }
    let asked = QUESTIONS.iter().filter(|q| names.contains(q.name));
    asked.cloned().collect()
}
