//! Shapes from SQLite's pragmas.

use std::collections::HashMap;

use super::{
    Column, DefaultValue, ForeignKey, Rights, Table, Trigger, Unique, defaults, flag,
    sqlite_checks, text,
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
    if head.is_empty() {
        return Ok(None);
    }
    let real = text(&head, 0, 0).unwrap_or_default();
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
        checks: sqlite_checks::checks(&sql, &real),
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

#[cfg(test)]
mod tests {
    use crate::catalog::{describe, table, table_names};
    use crate::config::DatabaseUrl;
    use crate::db::{Role, Session, TableName};
    use crate::value::Logical;

    async fn session(sql: &str) -> Session {
        let url = DatabaseUrl::parse("sqlite://:memory:", "X").expect("a path");
        let mut session = Session::open(&url, Role::TargetWriter)
            .await
            .expect("a database");
        session.execute(sql).await.expect("good SQL");
        session
    }

    const TABLES: &str = "create table p (id uuid primary key, n text); \
        create table auth_users (id uuid primary key); \
        create table T (id integer primary key, n numeric(12,2) not null default 0, \
          made timestamp default current_timestamp, p uuid references p, a int, b int, \
          g int generated always as (a + 1) stored, unique (a, b), \
          foreign key (p) references auth_users on delete cascade); \
        create unique index low on t (lower(b)) where a > 0; \
        create trigger stamp after update of n on t begin select 1; end; \
        create view v as select id, n, a + 1 as more from t";

    #[tokio::test]
    async fn a_table_is_described_in_full() {
        let mut session = session(TABLES).await;
        let shape = table(&mut session, &TableName::parse("public.t"))
            .await
            .expect("read");
        let shape = shape.expect("there, whatever its case");
        let column = |name| shape.column(name).expect("a column");
        assert_eq!(shape.primary_key, ["id"]);
        assert_eq!(
            (column("id").identity, column("id").not_null),
            (Some(false), true)
        );
        assert_eq!(column("n").logical, Logical::Numeric(Some((12, 2))));
        assert!(column("n").default.as_ref().is_some_and(|d| d.immutable));
        assert!(
            column("made")
                .default
                .as_ref()
                .is_some_and(|d| !d.immutable)
        );
        assert!(column("g").generated && !column("a").generated);
        let uniques: Vec<_> = shape
            .uniques
            .iter()
            .map(|u| (u.columns.join(","), u.partial, u.expression))
            .collect();
        assert_eq!(
            uniques,
            [
                (String::new(), true, true),
                ("a,b".to_owned(), false, false)
            ]
        );
        let mut parents: Vec<_> = shape
            .foreign_keys
            .iter()
            .map(|f| {
                (
                    f.table.to_string(),
                    f.ref_columns.join(","),
                    f.on_delete.as_str(),
                )
            })
            .collect();
        parents.sort();
        let id = || "id".to_owned();
        assert_eq!(
            parents,
            [
                ("auth_users".to_owned(), id(), "CASCADE"),
                ("p".to_owned(), id(), "NO ACTION")
            ]
        );
        let trigger = &shape.triggers[0];
        assert_eq!(
            (trigger.timing.as_str(), trigger.events.as_str()),
            ("AFTER", "UPDATE")
        );
        let users = table(&mut session, &TableName::parse("auth.users"))
            .await
            .expect("read");
        assert!(users.is_some_and(|t| t.id_column().is_some()));
        assert_eq!(
            table(&mut session, &TableName::parse("nope"))
                .await
                .expect("read"),
            None
        );
        assert_eq!(table_names(&mut session).await.expect("read").len(), 4);
    }

    #[tokio::test]
    async fn a_select_has_the_types_of_its_tables() {
        let mut session = session(TABLES).await;
        let columns = describe(&mut session, "select t.id, v.n as m, v.more, p.id as pid, 1 as one from t join v using (id) left join p on p.id = t.p")
            .await
            .expect("good SQL");
        let types: Vec<Logical> = columns.into_iter().map(|(_, logical)| logical).collect();
        let money = Logical::Numeric(Some((12, 2)));
        assert_eq!(
            types,
            [
                Logical::Int8,
                money,
                Logical::Untyped,
                Logical::Uuid,
                Logical::Untyped
            ]
        );
        let error = describe(&mut session, "select id, n as id from t")
            .await
            .expect_err("twice");
        assert!(error.message.contains("`id`"), "{error}");
        assert!(describe(&mut session, "select nope from t").await.is_err());
    }
}
