//! What is said of a row that somebody else changed: both sides, values of public columns only.

use uuid::Uuid;

use super::look::cell_text;
use crate::commit::Ledger;
use crate::row::{OutRow, Reject, Stage};
use crate::target::Found;

/// What stands for a value that is not public.
const MASK: &str = "••••";
/// Longest value shown, characters.
const VALUE_MAX: usize = 60;

/// A refusal that leaves the target's rows as they stand.
pub(super) fn conflict(why: impl Into<String>, stands: Vec<Uuid>) -> Box<Reject> {
    let mut reject = Reject::new(Stage::Adopt, "conflict", why);
    reject.stands = stands;
    Box::new(reject)
}

/// The columns that differ, with what each side has.
pub(super) fn sides(
    ledger: &Ledger,
    found: &Found,
    there: usize,
    out: &OutRow,
    columns: &[u16],
) -> String {
    let shown = columns.iter().map(|column| {
        let name = &ledger.to.table.columns[usize::from(*column)].name;
        let public = ledger.rule.header.public.contains(name);
        let value = |text: Option<String>| match text {
            None => "NULL".to_owned(),
            Some(_) if !public => MASK.to_owned(),
            Some(text) if text.chars().count() > VALUE_MAX => {
                format!("{:?}…", text.chars().take(VALUE_MAX).collect::<String>())
            }
            Some(text) => format!("{text:?}"),
        };
        format!(
            "{name} (target {}, source {})",
            value(found.text(there, usize::from(*column))),
            value(cell_text(out, *column))
        )
    });
    shown.collect::<Vec<_>>().join(", ")
}
