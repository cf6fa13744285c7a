//! Exact sums. SQLite's own sum is a float, so there the single values are added up here.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::{DbError, Engine, Session, ident};

/// The query for [`total`]: a column added up over `from`, which may be followed by a condition.
pub fn sum_sql(engine: Engine, column: &str, from: &str, condition: &str) -> String {
    match engine {
        Engine::Postgres => format!(
            "select coalesce(sum({}), 0)::text from {from}{condition}",
            ident(column)
        ),
        Engine::Sqlite => format!("select {} from {from}{condition}", ident(column)),
    }
}

/// One sum, or the sum of single values; `None` when it is no finite decimal of at most 28 digits.
pub async fn total(session: &mut Session, sql: &str) -> Result<Option<Decimal>, DbError> {
    let rows = session
        .copy_out(sql, Arc::from(["sum".to_owned()]), None)
        .await?;
    let mut sum = Some(Decimal::ZERO);
    for row in 0..rows.len() {
        if let Some(cell) = rows.cell(row, 0) {
            let value = Decimal::from_str_exact(&String::from_utf8_lossy(&cell)).ok();
            sum = sum
                .zip(value)
                .and_then(|(sum, value)| sum.checked_add(value));
        }
    }
    Ok(sum)
}

/// A sum for people.
pub fn sum_text(sum: Option<Decimal>) -> String {
    sum.map_or_else(|| "not a finite decimal".into(), |s| s.to_string())
}
