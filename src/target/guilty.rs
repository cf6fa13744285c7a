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
    // With a piece goes how many rows were refused when it was cut off a piece that failed: when its
    // sibling turned out fine, it must be the bad half, and is cut again without asking.
    let mut open: Vec<(&[Piece<'_>], Option<usize>)> = vec![(pieces, None)];
    while let Some((piece, refused_before)) = open.pop() {
        let known_bad = refused_before == Some(refused.len()) && piece.len() > 1;
        let at = if known_bad {
            piece.len() / 2
        } else {
            if piece.is_empty() {
                continue;
            }
            attempts += 1;
            let Some(error) = attempt(session, to, piece).await? else {
                continue;
            };
            if let [one] = piece {
                refused.push((one.row, error));
                continue;
            }
            if let Some(at) = blamed(piece, &error) {
                open.push((&piece[at + 1..], None));
                open.push((&piece[at..=at], None));
                open.push((&piece[..at], None));
                continue;
            }
            piece.len() / 2
        };
        let (first, second) = piece.split_at(at);
        open.push((second, Some(refused.len())));
        open.push((first, None));
    }
    refused.sort_by_key(|(row, _)| *row);
    Ok((refused, attempts))
}

/// The piece that holds the line which the server blames, when the lines went by one COPY.
fn blamed(piece: &[Piece<'_>], error: &DbError) -> Option<usize> {
    let line = error.copy_line?;
    let set = |p: &Piece<'_>| p.rows.first().map(|row| row.set.clone());
    if piece.windows(2).any(|pair| set(&pair[0]) != set(&pair[1])) {
        return None;
    }
    let mut rows = 0;
    piece.iter().position(|p| {
        rows += p.rows.len() as u64;
        rows >= line
    })
}

/// Two statements: the COPY, and one that checks deferred constraints and moves the savepoint on.
async fn attempt(
    session: &mut Session,
    to: &Destination,
    piece: &[Piece<'_>],
) -> Result<Option<DbError>, DbError> {
    let rows: Vec<&OutRow> = piece.iter().flat_map(|p| p.rows.iter().copied()).collect();
    let mut tried = insert(session, to, &rows).await.map(drop);
    if tried.is_ok() && to.engine == Engine::Sqlite && !to.table.foreign_keys.is_empty() {
        tried = deferred_in_sqlite(session, to).await;
    }
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

/// SQLite says of a deferred constraint only at COMMIT that it failed, and its catalog does not tell
/// which constraints are deferred; asked for, it lists the rows that break one.
async fn deferred_in_sqlite(session: &mut Session, to: &Destination) -> Result<(), DbError> {
    let broken = session
        .query(&format!("pragma foreign_key_check({})", to.sql()))
        .await?;
    if broken.is_empty() {
        return Ok(());
    }
    let mut error = DbError::new(ErrorKind::Row, "target", "FOREIGN KEY constraint failed");
    error.sqlstate = Some("23503".into());
    error.constraint = Some("a deferred foreign key".into());
    Err(error)
}
