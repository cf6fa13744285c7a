//! Shapes from SQLite's pragmas.

use std::collections::HashMap;

use super::{
    Column, DefaultValue, ForeignKey, Rights, Table, Trigger, Unique, defaults, flag, text,
};
use crate::db::{DbError, Engine, Role, Session, TableName, ident, literal};
use crate::value::Logical;

pub(super) async fn table(
    session: &mut Session,
    name: &TableName,
) -> Result<Option<Table>, DbError> {
    let wanted = literal(Engine::Sqlite, &name.flat())?;
    let head = session
        .query(&format!(
            "select name, type = 'view', sql from sqlite_master \
             where type in ('table', 'view') and name = {wanted} collate nocase"
        ))
        .await?;
    let Some(real) = text(&head, 0, 0).filter(|_| !head.is_empty()) else {
        return Ok(None);
    };
    let is_view = flag(&head, 0, 1);
    let sql = text(&head, 0, 2).unwrap_or_default();
    let quoted = literal(Engine::Sqlite, &real)?;
    let (columns, primary_key) = columns(session, &quoted).await?;
    let count = session
        .query(&format!("select count(*) from {}", ident(&real)))
        .await?;
    let writes = session.role() != Role::Source && !is_view;
    Ok(Some(Table {
        name: name.clone(),
        columns,
        primary_key,
        uniques: uniques(session, &quoted).await?,
        foreign_keys: foreign_keys(session, &quoted, &real, &sql).await?,
        checks: vec![],
        triggers: triggers(session, &quoted).await?,
        row_security: false,
        rights: Rights {
            select: true,
            insert: writes,
            update: writes,
            delete: writes,
        },
        rows_estimate: text(&count, 0, 0).and_then(|n| n.parse().ok()).unwrap_or(0),
        is_view,
    }))
}

async fn columns(
    session: &mut Session,
    table: &str,
) -> Result<(Vec<Column>, Vec<String>), DbError> {
    let rows = session
        .query(&format!(
            "select name, type, \"notnull\", dflt_value, pk, hidden from pragma_table_xinfo({table}) \
             where hidden <> 1 order by cid"
        ))
        .await?;
    let mut columns = Vec::new();
    let mut key: Vec<(u32, String)> = Vec::new();
    for row in 0..rows.len() {
        let name = text(&rows, row, 0).unwrap_or_default();
        let declared = text(&rows, row, 1).unwrap_or_default();
        if let Some(place) = text(&rows, row, 4)
            .and_then(|n| n.parse().ok())
            .filter(|n| *n > 0)
        {
            key.push((place, name.clone()));
        }
        columns.push(Column {
            logical: Logical::from_sqlite(&declared),
            not_null: flag(&rows, row, 2),
            default: text(&rows, row, 3).map(|expression| DefaultValue {
                immutable: defaults::is_constant(&expression),
                expression,
            }),
            generated: matches!(rows.raw(row, 5), Some(b"2" | b"3")),
            identity: None,
            type_name: declared,
            name,
        });
    }
    key.sort();
    let key: Vec<String> = key.into_iter().map(|(_, name)| name).collect();
    if let [one] = &key[..]
        && let Some(column) = columns.iter_mut().find(|c| c.name == *one)
        && column.type_name.eq_ignore_ascii_case("integer")
    {
        // an alias of the row id: numbered by the engine when nothing is given, never NULL
        column.identity = Some(false);
        column.not_null = true;
    }
    Ok((columns, key))
}

async fn uniques(session: &mut Session, table: &str) -> Result<Vec<Unique>, DbError> {
    let rows = session
        .query(&format!(
            "select i.name, i.partial, x.name from pragma_index_list({table}) i, pragma_index_info(i.name) x \
             where i.\"unique\" = 1 and i.origin <> 'pk' order by i.name, x.seqno"
        ))
        .await?;
    let mut uniques: Vec<Unique> = Vec::new();
    for row in 0..rows.len() {
        let name = text(&rows, row, 0).unwrap_or_default();
        if uniques.last().is_none_or(|u| u.name != name) {
            uniques.push(Unique {
                name,
                columns: vec![],
                deferrable: false,
                partial: flag(&rows, row, 1),
                expression: false,
            });
        }
        if let Some(unique) = uniques.last_mut() {
            match text(&rows, row, 2) {
                Some(column) => unique.columns.push(column),
                None => unique.expression = true,
            }
        }
    }
    Ok(uniques)
}

async fn foreign_keys(
    session: &mut Session,
    table: &str,
    name: &str,
    sql: &str,
) -> Result<Vec<ForeignKey>, DbError> {
    let rows = session
        .query(&format!(
            "select id, \"table\", \"from\", \"to\", on_delete from pragma_foreign_key_list({table}) order by id, seq"
        ))
        .await?;
    let mut keys: Vec<(Option<String>, ForeignKey)> = Vec::new();
    for row in 0..rows.len() {
        let id = text(&rows, row, 0);
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let parent = text(&rows, row, 1).unwrap_or_default();
            keys.push((
                id,
                ForeignKey {
                    name: String::new(),
                    columns: vec![],
                    table: TableName {
                        schema: None,
                        name: parent,
                    },
                    ref_columns: vec![],
                    deferrable: false,
                    on_delete: text(&rows, row, 4).unwrap_or_default(),
                },
            ));
        }
        if let Some((_, key)) = keys.last_mut() {
            key.columns.extend(text(&rows, row, 2));
            key.ref_columns.extend(text(&rows, row, 3));
        }
    }
    // The pragma does not say which are deferred. All or none is certain from the text.
    let squeezed = sql
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase();
    let deferred = squeezed.matches("DEFERRABLE INITIALLY DEFERRED").count() == keys.len();
    let mut out = Vec::new();
    for (_, mut key) in keys {
        key.deferrable = deferred;
        key.name = format!("{name}_{}_fkey", key.columns.join("_"));
        if key.ref_columns.is_empty() {
            let parent = literal(Engine::Sqlite, &key.table.name)?;
            key.ref_columns = columns(session, &parent).await?.1;
        }
        out.push(key);
    }
    Ok(out)
}

async fn triggers(session: &mut Session, table: &str) -> Result<Vec<Trigger>, DbError> {
    let rows = session
        .query(&format!(
            "select name, sql from sqlite_master where type = 'trigger' and tbl_name = {table} collate nocase order by name"
        ))
        .await?;
    Ok((0..rows.len())
        .map(|row| {
            let name = text(&rows, row, 0).unwrap_or_default();
            let sql = text(&rows, row, 1).unwrap_or_default().to_uppercase();
            // between the trigger's name and the table's: `BEFORE UPDATE OF total ON`
            let head = sql
                .find(&name.to_uppercase())
                .map_or("", |at| &sql[at + name.len()..]);
            let head = head.split(" ON ").next().unwrap_or_default();
            let has = |word: &str| head.split(|c: char| !c.is_alphabetic()).any(|w| w == word);
            let timing = match () {
                () if has("INSTEAD") => "INSTEAD OF",
                () if has("AFTER") => "AFTER",
                () => "BEFORE",
            };
            let event = ["INSERT", "UPDATE", "DELETE"].into_iter().find(|e| has(e));
            Trigger {
                name,
                timing: timing.to_owned(),
                events: event.unwrap_or_default().to_owned(),
                function: String::new(),
                enabled: true,
            }
        })
        .collect())
}

pub(super) async fn table_names(session: &mut Session) -> Result<Vec<TableName>, DbError> {
    let rows = session
        .query(
            "select name from sqlite_master where type in ('table', 'view') \
             and name not like 'sqlite\\_%' escape '\\' order by name",
        )
        .await?;
    Ok((0..rows.len())
        .map(|row| TableName {
            schema: None,
            name: text(&rows, row, 0).unwrap_or_default(),
        })
        .collect())
}

/// A column that comes straight from a table has its declared type; an expression has none.
pub(super) async fn describe(
    session: &mut Session,
    select: &str,
) -> Result<Vec<(String, Logical)>, DbError> {
    let described = session.describe_sqlite(select).await?;
    let mut declared: HashMap<String, HashMap<String, Logical>> = HashMap::new();
    let mut out = Vec::new();
    for (name, origin) in described {
        let logical = match origin {
            None => Logical::Untyped,
            Some((table, column)) => {
                if !declared.contains_key(&table) {
                    let quoted = literal(Engine::Sqlite, &table)?;
                    let columns = columns(session, &quoted).await?.0;
                    let types = columns.into_iter().map(|c| (c.name, c.logical)).collect();
                    declared.insert(table.clone(), types);
                }
                let types = declared.get(&table);
                types
                    .and_then(|t| t.get(&column))
                    .cloned()
                    .unwrap_or(Logical::Untyped)
            }
        };
        out.push((name, logical));
    }
    Ok(out)
}
