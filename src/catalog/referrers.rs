//! Which tables refer to a table: whoever takes rows out of it must not find out by a cascade.

use super::{ForeignKey, list, text};
use crate::db::{DbError, Engine, Session, TableName, literal};

/// Every foreign key that points to this table, with the table that has it; its own ones included.
pub async fn referrers(
    session: &mut Session,
    name: &TableName,
) -> Result<Vec<(TableName, ForeignKey)>, DbError> {
    match session.engine() {
        Engine::Postgres => postgres(session, name).await,
        Engine::Sqlite => sqlite(session, name).await,
    }
}

async fn postgres(
    session: &mut Session,
    name: &TableName,
) -> Result<Vec<(TableName, ForeignKey)>, DbError> {
    let names = |rel: &str, keys: &str| {
        format!(
            "(select json_agg(a.attname order by k.n) from unnest(c.{keys}) with ordinality k(num, n) \
             join pg_attribute a on a.attrelid = c.{rel} and a.attnum = k.num)"
        )
    };
    // a key of a partitioned table stands for those of its partitions
    let sql = format!(
        "select n.nspname, r.relname, c.conname, {}, {}, case c.confdeltype when 'c' then 'CASCADE' when 'n' then 'SET NULL' \
         when 'd' then 'SET DEFAULT' when 'r' then 'RESTRICT' else 'NO ACTION' end \
         from pg_constraint c join pg_class r on r.oid = c.conrelid join pg_namespace n on n.oid = r.relnamespace \
         where c.contype = 'f' and c.conparentid = 0 and c.confrelid = {}::regclass order by 1, 2, 3",
        names("conrelid", "conkey"),
        names("confrelid", "confkey"),
        literal(Engine::Postgres, &name.sql(Engine::Postgres))?
    );
    let rows = session.query(&sql).await?;
    let mut found = Vec::new();
    for row in 0..rows.len() {
        let schema = text(&rows, row, 0).filter(|schema| schema != "public");
        let child = TableName {
            schema,
            name: text(&rows, row, 1).unwrap_or_default(),
        };
        found.push((
            child,
            ForeignKey {
                name: text(&rows, row, 2).unwrap_or_default(),
                columns: list(&rows, row, 3),
                table: name.clone(),
                ref_columns: list(&rows, row, 4),
                deferrable: false,
                on_delete: text(&rows, row, 5).unwrap_or_default(),
            },
        ));
    }
    Ok(found)
}

async fn sqlite(
    session: &mut Session,
    name: &TableName,
) -> Result<Vec<(TableName, ForeignKey)>, DbError> {
    let mut found = Vec::new();
    for child in super::table_names(session).await? {
        let Some(shape) = super::table(session, &child).await? else {
            continue;
        };
        for key in shape.foreign_keys {
            if key.table.flat().eq_ignore_ascii_case(&name.flat()) {
                found.push((child.clone(), key));
            }
        }
    }
    Ok(found)
}
