//! Which source rows does the database refuse? Found by halving, inside a transaction that is rolled back.
//!
//! A piece that goes in stays in, so that a row is judged with all earlier rows of its chunk before it:
//! of two rows that exclude one another the later one is guilty, whatever the cut.

use super::{Destination, insert};
use crate::db::{DbError, Engine, ErrorKind, Session};
use crate::row::OutRow;

/// The target rows of one source row: they stand or fall together.
#[derive(Clone, Debug)]
pub struct Piece<'a> {
    /// Index of the source row within its chunk.
    pub row: usize,
    /// Its rows.
    pub rows: Vec<&'a OutRow>,
}

/// The source rows that the database refuses, each with its error, and the number of COPY attempts:
/// at most `2·bad·log₂(pieces) + 1`.
///
/// The caller has an open transaction that it rolls back afterwards: savepoints give rows another xmin
/// than the chunk's.
pub async fn guilty(
    session: &mut Session,
    to: &Destination,
    pieces: &[Piece<'_>],
) -> Result<(Vec<(usize, DbError)>, u64), DbError> {
    session.execute("savepoint piece").await?;
    let mut refused = Vec::new();
    let mut attempts = 0;
    let mut open = vec![pieces];
    while let Some(piece) = open.pop() {
        attempts += 1;
        let Some(error) = attempt(session, to, piece).await? else {
            continue;
        };
        if let [one] = piece {
            refused.push((one.row, error));
            continue;
        }
        let (first, second) = piece.split_at(cut(piece, &error));
        open.push(second);
        open.push(first);
    }
    refused.sort_by_key(|(row, _)| *row);
    Ok((refused, attempts))
}

/// Where to cut: beside the line that the server blames when it names one, else in the middle.
fn cut(piece: &[Piece<'_>], error: &DbError) -> usize {
    let blamed = error.copy_line.and_then(|line| {
        let mut rows = 0;
        let one_set = piece
            .windows(2)
            .all(|w| w[0].rows.first().map(|r| &r.set) == w[1].rows.first().map(|r| &r.set));
        piece.iter().position(|p| {
            rows += p.rows.len() as u64;
            one_set && rows >= line
        })
    });
    match blamed {
        // the rows before it first; then it comes first in the second half and is cut off next time
        Some(0) => 1,
        Some(at) => at,
        None => piece.len() / 2,
    }
}

/// Two statements: the COPY, and one that checks deferred constraints and moves the savepoint on.
async fn attempt(
    session: &mut Session,
    to: &Destination,
    piece: &[Piece<'_>],
) -> Result<Option<DbError>, DbError> {
    let rows: Vec<&OutRow> = piece.iter().flat_map(|p| p.rows.iter().copied()).collect();
    let mut tried = insert(session, to, &rows).await.map(drop);
    if tried.is_ok() {
        let constraints = match to.engine {
            Engine::Postgres => "set constraints all immediate; set constraints all deferred;",
            Engine::Sqlite => "",
        };
        let keep = format!("{constraints} release savepoint piece; savepoint piece");
        tried = session.execute(&keep).await.map(drop);
    }
    match tried {
        Ok(()) => Ok(None),
        Err(error) if error.kind == ErrorKind::Row => {
            session.execute("rollback to savepoint piece").await?;
            Ok(Some(error))
        }
        Err(error) => Err(error),
    }
}
