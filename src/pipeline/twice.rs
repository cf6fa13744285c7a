//! A rule has to say the same of the same row whenever it is asked: `verify`, a resume and a sync all count on it. The
//! language gives it neither clock nor chance, and that is not only believed: of each chunk the first row, and some
//! more, are derived a second time by an engine that has seen other rows.

use std::sync::Arc;

use super::judge::Asked;
use crate::catalog::Table;
use crate::diagnostic::Diagnostic;
use crate::row::{Judged, OutRow, Reject, Verdict};
use crate::rule::{Bound, Judge, Rule};

/// One row of so many is derived twice.
const EVERY: usize = 499;
/// Rows of more bytes are not: that would double the memory that they take.
const BYTES_MAX: usize = 1024 * 1024;

/// The second opinion.
pub(super) struct Twice {
    judge: Judge,
    target: Arc<Table>,
}

impl Twice {
    pub(super) fn new(bound: &Bound) -> Option<Self> {
        let judge = bound.judge().ok()?;
        let target = Arc::clone(bound.target());
        Some(Self { judge, target })
    }

    /// Derives a row again, when it is one of the sample, and holds it against what was said of it.
    pub(super) fn hold(
        &mut self,
        asked: &Asked,
        row: usize,
        first: &Judged,
        rule: &Rule,
    ) -> Result<(), Diagnostic> {
        if !row.is_multiple_of(EVERY) || asked.rows.raw_row(row).0.len() > BYTES_MAX {
            return Ok(());
        }
        let key = &asked.keys[row];
        let again = self.judge.judge_read(&asked.rows, row, key, &asked.answers);
        #[cfg(feature = "failpoints")]
        let again = another(again);
        if self.judge.gave_up().is_some() || is_same(first, &again) {
            return Ok(());
        }
        let what = difference(&self.target, first, &again);
        let base = &rule.header.base;
        Err(Diagnostic::error(format!(
            "the rule `{}` is not deterministic: derived twice from the same row, {what}",
            rule.name
        ))
        .note(format!("row: {base} {}={key}", rule.header.key.join(",")))
        .note("the chunk was not written: nothing that a later command derives could be held against it")
        .hint("a rule that reads its row, ids and lookups only cannot do this: please report it with the rule"))
    }
}

/// Whether both say the same. A fault's place is no part of that: where a limit was exceeded is looked for in few rows
/// and only while that is quick, so one of the two may know the step and the other the function.
fn is_same(first: &Judged, again: &Judged) -> bool {
    match (&first.verdict, &again.verdict) {
        (Verdict::Reject(one), Verdict::Reject(other)) if one.fault && other.fault => {
            let placed = Reject {
                place: one.place.clone(),
                ..(**other).clone()
            };
            **one == placed && first.notes == again.notes && first.person == again.person
        }
        _ => first == again,
    }
}

/// What differs, never a value.
fn difference(target: &Table, first: &Judged, again: &Judged) -> String {
    let (Verdict::Write(first_rows), Verdict::Write(again_rows)) = (&first.verdict, &again.verdict)
    else {
        return "it got another verdict".to_owned();
    };
    if first_rows.len() != again_rows.len() {
        return "it became another number of rows".to_owned();
    }
    for (a, b) in first_rows.iter().zip(again_rows) {
        if a.id != b.id {
            return "it got another id".to_owned();
        }
        let cell = |out: &OutRow, column| out.cell(column).map(|cell| cell.map(<[u8]>::to_vec));
        let mut columns = a.set.iter().chain(b.set.iter());
        if let Some(column) = columns.find(|column| cell(a, **column) != cell(b, **column)) {
            let name = &target.columns[usize::from(*column)].name;
            return format!("column `{name}` came out differently");
        }
    }
    if first.notes == again.notes {
        "what comes along with it came out differently".to_owned()
    } else {
        "it got other notes".to_owned()
    }
}

/// For tests: the last cell of a row as a rule of chance would have it.
#[cfg(feature = "failpoints")]
fn another(mut judged: Judged) -> Judged {
    use crate::db::{Action, failpoint};
    if let Verdict::Write(rows) = &mut judged.verdict
        && let Some(row) = rows.last_mut()
        && failpoint("mutant.unsteady") == Action::Fail
    {
        row.line = [&row.line[..], b"7"].concat().into();
    }
    judged
}
