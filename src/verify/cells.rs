//! Is this cell what was derived? Equal bytes are equal; whatever else is decided by what the target's server
//! prints for the column's own type, so that `1.5` and `1.50`, `1 mon` and `30 days`, blanks behind a `char`, `-0`
//! and JSON are neither missed nor false alarms.

use super::VerifyError;
use super::locate::Layout;
use crate::db::{Action, DbError, Engine, ErrorKind, Session, failpoint, literal};
use crate::row::{OutRow, Rows, unescape};
use crate::target::Destination;
use crate::value::{Logical, Storage, canonical};

/// Bytes of values in one statement.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// A cell whose bytes differ, both sides there.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    /// Index of the pair.
    pub(super) pair: usize,
    pub(super) column: u16,
    pub(super) wanted: String,
    pub(super) actual: String,
}

/// Compares one row byte by byte. `differs` gets columns that are NULL on one side only, `doubts` those that only
/// the server can decide. Returns the cells compared.
pub(super) fn compare(
    layout: &Layout,
    out: &OutRow,
    (rows, row): (&Rows, usize),
    pair: usize,
    differs: &mut Vec<u16>,
    doubts: &mut Vec<Doubt>,
) -> u64 {
    let mut compared = 0;
    if failpoint("mutant.skip_compare") == Action::Fail {
        return layout.expected(out);
    }
    for (column, cell) in out.set.iter().zip(out.line.split(|b| *b == b'\t')) {
        if !layout.reads(*column) {
            continue;
        }
        let actual = layout.cell(rows, row, *column);
        compared += 1;
        let wanted = (cell != b"\\N").then_some(cell);
        match (wanted, actual) {
            _ if wanted == actual => {}
            (Some(wanted), Some(actual)) => doubts.push(Doubt {
                pair,
                column: *column,
                wanted: text(wanted),
                actual: text(actual),
            }),
            _ => differs.push(*column),
        }
    }
    compared
}

fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(cell)).into_owned()
}

/// The doubts that are differences.
pub(super) async fn decide(
    session: &mut Session,
    to: &Destination,
    doubts: Vec<Doubt>,
) -> Result<Vec<Doubt>, VerifyError> {
    let mut columns: Vec<u16> = doubts.iter().map(|d| d.column).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut found = Vec::new();
    for column in columns {
        let of_column: Vec<&Doubt> = doubts.iter().filter(|d| d.column == column).collect();
        if to.engine == Engine::Sqlite {
            let logical = &to.table.columns[usize::from(column)].logical;
            let same = |d: &&&Doubt| as_stored(&d.wanted, logical) == as_stored(&d.actual, logical);
            found.extend(of_column.iter().filter(|d| !same(d)).map(|d| (*d).clone()));
            continue;
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for doubt in of_column {
            bytes += doubt.wanted.len() + doubt.actual.len();
            batch.push(doubt);
            if bytes > BYTES_MAX || batch.len() == 5_000 {
                found.extend(by_server(session, to, column, &batch).await?);
                (batch, bytes) = (Vec::new(), 0);
            }
        }
        if !batch.is_empty() {
            found.extend(by_server(session, to, column, &batch).await?);
        }
    }
    Ok(found)
}

/// SQLite has no types that could print a value: the column's declared type decides.
fn as_stored(text: &str, logical: &Logical) -> Vec<u8> {
    canonical(Storage::Text, text.as_bytes(), logical)
        .map_or_else(|_| text.as_bytes().to_vec(), std::borrow::Cow::into_owned)
}

/// Asks the server. A derived text that the type does not take fails the statement, so it is cut in halves until
/// the guilty texts stand alone: those differ from anything.
async fn by_server(
    session: &mut Session,
    to: &Destination,
    column: u16,
    doubts: &[&Doubt],
) -> Result<Vec<Doubt>, VerifyError> {
    let mut found = Vec::new();
    let mut open = vec![doubts];
    while let Some(part) = open.pop() {
        session.execute("savepoint runner_decide").await?;
        match different(session, to, column, part).await {
            Ok(which) => found.extend(which.into_iter().map(|at| part[at].clone())),
            Err(error) if session.is_broken() => return Err(error.into()),
            Err(error) if error.kind == ErrorKind::Row || part.len() == 1 => {
                session
                    .execute("rollback to savepoint runner_decide")
                    .await?;
                match part {
                    [one] => found.push((*one).clone()),
                    many => {
                        let (left, right) = many.split_at(many.len() / 2);
                        open.extend([left, right]);
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        session.execute("release savepoint runner_decide").await?;
    }
    Ok(found)
}

async fn different(
    session: &mut Session,
    to: &Destination,
    column: u16,
    doubts: &[&Doubt],
) -> Result<Vec<usize>, DbError> {
    let full = &to.table.columns[usize::from(column)].type_name;
    let mut values = Vec::with_capacity(doubts.len());
    for (at, doubt) in doubts.iter().enumerate() {
        values.push(format!(
            "({at},{},{})",
            literal(to.engine, &doubt.wanted)?,
            literal(to.engine, &doubt.actual)?
        ));
    }
    let sql = format!(
        "select v.n from (values {}) v(n, e, a) where not ((v.e::{full})::text collate \"C\" = (v.a::{full})::text collate \"C\"{})",
        values.join(","),
        unrounded(full),
    );
    let rows = session.query(&sql).await?;
    Ok((0..rows.len())
        .filter_map(|row| {
            let cell = rows.cell(row, 0)?;
            String::from_utf8_lossy(&cell).parse().ok()
        })
        .collect())
}

/// A cast to `varchar(3)` or `numeric(12,2)` cuts and rounds in silence: the derived value must be one that the
/// type holds as it is.
fn unrounded(full: &str) -> String {
    let Some(open) = full.find('(') else {
        return String::new();
    };
    let close = full[open..]
        .find(')')
        .map_or(full.len(), |at| open + at + 1);
    let (head, tail) = (full[..open].trim_end(), &full[close..]);
    let base = match head {
        "character" => "bpchar",
        "bit" => "bit varying",
        other => other,
    };
    let rounds = ["numeric", "timestamp", "time", "interval"];
    if rounds.contains(&head) && !tail.contains('[') {
        format!(" and v.e::{base}{tail} = v.e::{full}")
    } else {
        format!(" and (v.e::{base}{tail})::text collate \"C\" = (v.e::{full})::text collate \"C\"")
    }
}

#[cfg(test)]
mod tests {
    use super::unrounded;

    #[test]
    fn a_type_with_a_limit_is_also_compared_without_it() {
        assert_eq!(unrounded("text"), "");
        assert_eq!(
            unrounded("numeric(12,2)"),
            " and v.e::numeric = v.e::numeric(12,2)"
        );
        assert_eq!(
            unrounded("timestamp(3) with time zone"),
            " and v.e::timestamp with time zone = v.e::timestamp(3) with time zone"
        );
        assert!(unrounded("character(3)").contains("v.e::bpchar)::text"));
        assert!(unrounded("character varying(5)[]").contains("v.e::character varying[])::text"));
    }
}
