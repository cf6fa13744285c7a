//! Literals that a CHECK of the target refuses: the target itself is asked.

use crate::catalog::Table;
use crate::catalog::{Word, words};
use crate::db::{DbError, Session, ident, literal};
use crate::diagnostic::Diagnostic;
use crate::script::Written;
use crate::value::{Scalar, fit};

/// One finding per literal that a CHECK on that column alone refuses.
pub(super) async fn refused(
    literals: &[Written],
    table: &Table,
    target: &mut Session,
) -> Result<Vec<Diagnostic>, DbError> {
    let mut findings = Vec::new();
    for check in &table.checks {
        let mut mentioned = table
            .columns
            .iter()
            .filter(|c| names(&check.expression, &c.name));
        let (Some(column), None) = (mentioned.next(), mentioned.next()) else {
            continue;
        };
        for written in literals
            .iter()
            .filter(|l| l.column == column.name && l.is_certain)
        {
            let mut text = Vec::new();
            let fits = matches!(fit(&written.value, &column.logical, &mut text), Ok(true));
            if !fits || matches!(written.value, Scalar::Null) {
                continue;
            }
            let value = literal(target.engine(), &String::from_utf8_lossy(&text))?;
            // an expression that only means something on the table itself is left to the run
            let asked = target
                .query(&format!(
                    "select ({}) is false from (select {} as {}) {}",
                    check.expression,
                    typed(&value, &column.type_name),
                    ident(&column.name),
                    ident(&table.name.name)
                ))
                .await;
            let Ok(rows) = asked else { continue };
            if matches!(rows.raw(0, 0), Some(b"t" | b"1")) {
                findings.push(
                    Diagnostic::error(format!(
                        "`{}` of `{}` does not take this value: check `{}` refuses it",
                        column.name, table.name, check.name
                    ))
                    .at(written.place.clone())
                    .hint(format!("the target wants {}", check.expression)),
                );
            }
        }
    }
    Ok(findings)
}

/// The literal as the column would hold it; SQLite knows columns without a type.
fn typed(literal: &str, type_name: &str) -> String {
    if type_name.is_empty() {
        literal.to_owned()
    } else {
        format!("cast({literal} as {type_name})")
    }
}

/// The expression has this column as a word of its own; what stands in a text is none.
fn names(expression: &str, column: &str) -> bool {
    words(expression).contains(&Word::Name(column.to_owned()))
}
