//! SQLite's result codes, with Postgres' codes beside them so that callers treat both alike.

use super::classify::Scene;
use super::{DbError, ErrorKind};

/// SQLite's extended result code and message. Its messages name tables, columns and constraints,
/// never values.
pub(super) fn sqlite(code: i32, message: &str, scene: Scene<'_>) -> DbError {
    let subject = message
        .split_once("constraint failed: ")
        .map(|(_, s)| s.trim().to_owned());
    let (kind, state) = match code {
        2067 | 1555 | 2579 => (ErrorKind::Row, Some("23505")),
        1299 => (ErrorKind::Row, Some("23502")),
        275 => (ErrorKind::Row, Some("23514")),
        787 => (ErrorKind::Row, Some("23503")),
        // RAISE() of a trigger, a value of the wrong class in a STRICT table, too big
        1811 => (ErrorKind::Row, Some("P0001")),
        3091 | 20 => (ErrorKind::Row, Some("22P02")),
        18 => (ErrorKind::Row, Some("54000")),
        _ => match code & 0xff {
            19 => (ErrorKind::Row, Some("23000")),
            5 | 6 => (ErrorKind::Transient, Some("55P03")),
            8 => (ErrorKind::ReadOnly, Some("25006")),
            14 => (ErrorKind::Unreachable, None),
            3 | 23 => (ErrorKind::Permission, Some("42501")),
            10 | 11 | 13 | 26 => (ErrorKind::Other, Some("58030")),
            9 => (ErrorKind::Timeout, Some("57014")),
            1 if message.starts_with("no such table") => (ErrorKind::Missing, Some("42P01")),
            1 if message.starts_with("no such column") => (ErrorKind::Missing, Some("42703")),
            _ => (ErrorKind::Other, None),
        },
    };
    let said = if code == 1811 {
        "a trigger refused the row"
    } else {
        message
    };
    let mut error = scene.error(kind, said);
    error.sqlstate = state.map(ToOwned::to_owned);
    let hint = match code & 0xff {
        5 | 6 => Some("another program writes to this file: wait for it, or close it"),
        14 => Some("check the path, and that the file exists and may be read"),
        13 => Some("the disk is full"),
        26 => Some("check the path: this file is something else"),
        _ => None,
    };
    error.hint = hint.map(ToOwned::to_owned);
    if let Some(subject) = subject {
        // `t.a, t.b` for UNIQUE and NOT NULL, the expression or name for CHECK
        if let Some((table, column)) = subject.split(", ").next().and_then(|s| s.split_once('.')) {
            error.table = Some(table.to_owned());
            if !subject.contains(", ") {
                error.column = Some(column.to_owned());
            }
        }
        error.constraint = Some(subject);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENE: Scene<'static> = Scene {
        side: "target",
        place: "postgres://u:***@h/d",
        connecting: false,
        reader: false,
    };

    #[test]
    fn sqlite_constraints_read_like_postgres() {
        let e = sqlite(
            2067,
            "UNIQUE constraint failed: technicians.employee_id",
            SCENE,
        );
        assert_eq!(e.sqlstate.as_deref(), Some("23505"));
        assert_eq!(e.constraint.as_deref(), Some("technicians.employee_id"));
        assert_eq!(e.column.as_deref(), Some("employee_id"));
        assert_eq!(
            sqlite(787, "FOREIGN KEY constraint failed", SCENE)
                .sqlstate
                .as_deref(),
            Some("23503")
        );
        assert_eq!(
            sqlite(517, "database is locked", SCENE).kind,
            ErrorKind::Transient
        );
    }
}
