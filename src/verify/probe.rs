//! The comparison is put to the test before it is believed: a derived row with one cell changed has to be told
//! from the row as it was derived, column by column. A comparison that was skipped, or that only counts, fails here.

use super::VerifyError;
use super::cells::{self, Doubt};
use super::locate::Layout;
use crate::db::Session;
use crate::diagnostic::Diagnostic;
use crate::row::{OutRow, Rows, unescape};
use crate::target::Destination;
use crate::value::Logical;

/// Changes each cell of a derived row in turn.
pub(super) async fn the_comparison_sees(
    session: &mut Session,
    to: &Destination,
    layout: &Layout,
    out: &OutRow,
) -> Result<(), VerifyError> {
    // taken apart once: the widest table has 1,600 of them
    let cells: Vec<Option<&[u8]>> = out.cells().collect();
    for (place, column) in out.set.iter().enumerate() {
        let Some(rows) = planted(layout, to, out, &cells, place) else {
            continue;
        };
        let (mut differs, mut doubts) = (Vec::new(), Vec::new());
        cells::compare(layout, out, (&rows, 0), 0, &mut differs, &mut doubts);
        let seen = differs.contains(column) || doubts.iter().any(|doubt| doubt.column == *column);
        if !seen || differs.len() + doubts.len() != 1 {
            return Err(blind(to, *column));
        }
    }
    // what only the server can decide has to be decided by it
    let text = to
        .table
        .columns
        .iter()
        .position(|c| matches!(c.logical, Logical::Text(_)));
    if let Some(column) = text.and_then(|at| u16::try_from(at).ok()) {
        let doubt = |wanted: &str| Doubt {
            pair: 0,
            column,
            wanted: wanted.into(),
            actual: "b".into(),
        };
        let decided = cells::decide(session, to, vec![doubt("b"), doubt("a")]).await?;
        if decided.len() != 1 || decided[0].wanted != "a" {
            return Err(blind(to, column));
        }
    }
    Ok(())
}

/// The row as the target would give it back, with one cell changed; `None` for a column that is not compared.
fn planted(
    layout: &Layout,
    to: &Destination,
    out: &OutRow,
    cells: &[Option<&[u8]>],
    place: usize,
) -> Option<Rows> {
    let mut rows = Rows::new(layout.names());
    let changed = out.set[place];
    let mut compared = false;
    for index in 0..to.table.columns.len() {
        let column = u16::try_from(index).ok()?;
        if !layout.reads(column) {
            continue;
        }
        let set = out.set.binary_search(&column).ok();
        let cell = set.and_then(|at| cells.get(at).copied().flatten());
        if column == changed {
            compared = true;
            let mut other = b"planted".to_vec();
            other.extend_from_slice(cell.unwrap_or_default());
            rows.push_cell(Some(&unescape(&other)));
        } else {
            rows.push_cell(cell.map(unescape).as_deref());
        }
    }
    compared.then_some(rows)
}

fn blind(to: &Destination, column: u16) -> VerifyError {
    Diagnostic::error(format!(
        "the comparison does not work: a difference that was planted in `{}.{}` went unseen",
        to.table.name,
        to.table.columns[usize::from(column)].name
    ))
    .hint("nothing was proved; this is a fault of this program, please report it")
    .into()
}
