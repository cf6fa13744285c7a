//! The whole content of tables as text: what two runs are compared by.

use super::database::{Db, Engine};

/// Every row of `tables` as text, ordered by id, without the `volatile` columns (`column`, or
/// `table.column` for one table only). Says the table, the column and the value of each cell, so that
/// a difference reads by itself.
pub fn canonical_dump(db: &Db, tables: &[&str], volatile: &[&str]) -> Vec<String> {
    let mut dump = Vec::new();
    for table in tables {
        let kept: Vec<String> = columns(db, table)
            .into_iter()
            .filter(|column| {
                !volatile.contains(&column.as_str())
                    && !volatile.contains(&&*format!("{table}.{column}"))
            })
            .collect();
        assert!(!kept.is_empty(), "{table} has no columns to compare");
        let texts: Vec<String> = kept
            .iter()
            .map(|column| format!("cast(\"{column}\" as text)"))
            .collect();
        let order = if kept.iter().any(|column| column == "id") {
            "cast(id as text)".to_owned()
        } else {
            texts.join(", ")
        };
        let collation = if db.engine() == Engine::Postgres {
            " collate \"C\""
        } else {
            ""
        };
        let sql = format!(
            "select {} from {} order by {order}{collation}",
            texts.join(", "),
            db.table(table)
        );
        for row in db.rows(&sql) {
            let cells: Vec<String> = kept
                .iter()
                .zip(row)
                .map(|(column, cell)| {
                    format!(
                        "{column}={}",
                        cell.map_or("NULL".to_owned(), |text| format!("{text:?}"))
                    )
                })
                .collect();
            dump.push(format!("{table}: {}", cells.join(" ")));
        }
    }
    dump
}

/// What is in quarantine: `rule|key|code`, in order.
pub fn quarantine_dump(db: &Db) -> Vec<String> {
    let table = db.table("runner.quarantine");
    let mut dump = db.lines(&format!(
        "select rule, cast(key as text), code from {table}"
    ));
    dump.sort();
    dump
}

/// The columns of a table in their order.
pub fn columns(db: &Db, table: &str) -> Vec<String> {
    let sql = match db.engine() {
        Engine::Postgres => format!(
            "select attname from pg_attribute where attrelid = '{table}'::regclass and attnum > 0 \
             and not attisdropped order by attnum"
        ),
        Engine::Sqlite => format!(
            "select name from pragma_table_xinfo('{}') order by cid",
            db.table(table)
        ),
    };
    db.lines(&sql)
}
