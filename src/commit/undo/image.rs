//! Putting before-images back. Triggers that rewrite a row at every UPDATE (`updated_at`) are held still for it,
//! and what came of it is read again and compared.

use serde_json::Value;

use super::sort::Sorted;
use crate::db::{DbError, Engine, ErrorKind, Session, ident, literal, typed_literal};
use crate::target::{Destination, Found, Lookup, find};

/// Gives rows their before-images.
pub(super) async fn restore(
    session: &mut Session,
    to: &Destination,
    sorted: &Sorted,
) -> Result<(), DbError> {
    let mut updates = Vec::new();
    for (id, image) in &sorted.images {
        let differs = differences(to, &sorted.found, *id, image);
        if differs.is_empty() {
            continue;
        }
        let mut sets = Vec::with_capacity(differs.len());
        for column in differs {
            let shape = &to.table.columns[column];
            let value = match &image[&shape.name] {
                Value::String(text) => typed_literal(to.engine, &shape.logical, text)?,
                _ => "null".to_owned(),
            };
            sets.push(format!("{} = {value}", ident(&shape.name)));
        }
        updates.push(format!(
            "update {} set {} where {} = '{id}'",
            to.sql(),
            sets.join(", "),
            to.id_column()
        ));
    }
    if updates.is_empty() {
        return Ok(());
    }
    let again = hold_triggers(session, to).await?;
    for updates in updates.chunks(500) {
        session.execute(&updates.join(";")).await?;
    }
    if !again.is_empty() {
        session.execute(&again.join(";")).await?;
    }
    let ids = sorted.images.iter().map(|(id, _)| *id).collect();
    let found = find(session, to, &Lookup::Ids(ids)).await?;
    for (id, image) in &sorted.images {
        if let Some(column) = differences(to, &found, *id, image).first() {
            return Err(DbError::new(
                ErrorKind::Other,
                session.role().side(),
                format!(
                    "{} cannot be restored: something sets column {} again as it is written; nothing was changed",
                    to.table.name, to.table.columns[*column].name
                ),
            )
            .with_hint("undo as the owner of the table, who can hold its triggers still"));
        }
    }
    Ok(())
}

/// Columns that are not as the image has them; what the database computes, and columns that are newer than
/// the image, are left out.
pub(super) fn differences(
    to: &Destination,
    found: &Found,
    id: uuid::Uuid,
    image: &Value,
) -> Vec<usize> {
    let Some(row) = found.row(id) else {
        return vec![];
    };
    let columns = to.table.columns.iter().enumerate();
    columns
        .filter(|(_, column)| !column.generated)
        .filter(|(at, column)| {
            image
                .get(&column.name)
                .is_some_and(|was| was.as_str() != found.text(row, *at).as_deref())
        })
        .map(|(at, _)| at)
        .collect()
}

/// Holds the table's triggers on UPDATE still until the statements that are returned, or the end of the
/// transaction should it roll back.
async fn hold_triggers(session: &mut Session, to: &Destination) -> Result<Vec<String>, DbError> {
    match to.engine {
        Engine::Postgres => postgres(session, to).await,
        Engine::Sqlite => sqlite(session, to).await,
    }
}

/// The owner switches them off by name, so that foreign keys go on being checked. Another role may be allowed to
/// load like a replica.
async fn postgres(session: &mut Session, to: &Destination) -> Result<Vec<String>, DbError> {
    let regclass = literal(to.engine, &to.sql())?;
    let rows = session
        .query(&format!(
            "select t.tgname, t.tgenabled, pg_has_role(current_user, c.relowner, 'USAGE') from pg_trigger t \
             join pg_class c on c.oid = t.tgrelid where t.tgrelid = {regclass}::regclass and not t.tgisinternal \
             and t.tgenabled in ('O', 'A') and t.tgtype & 16 <> 0 order by 1"
        ))
        .await?;
    if rows.is_empty() {
        return Ok(vec![]);
    }
    let cell = |row, column| -> String {
        let text = rows.text(row, column).and_then(Result::ok);
        text.map(std::borrow::Cow::into_owned).unwrap_or_default()
    };
    if cell(0, 2) != "t" {
        let replica = "savepoint replica; set local session_replication_role = replica; release savepoint replica";
        if session.execute(replica).await.is_err() {
            // some triggers change nothing: what came of it is compared afterwards
            session.execute("rollback to savepoint replica").await?;
            return Ok(vec![]);
        }
        return Ok(vec![
            "set local session_replication_role = origin".to_owned(),
        ]);
    }
    let mut again = Vec::new();
    for row in 0..rows.len() {
        let name = ident(&cell(row, 0));
        session
            .execute(&format!("alter table {} disable trigger {name}", to.sql()))
            .await?;
        let always = if cell(row, 1) == "A" { "always " } else { "" };
        again.push(format!(
            "alter table {} enable {always}trigger {name}",
            to.sql()
        ));
    }
    Ok(again)
}

/// SQLite cannot switch a trigger off: it is taken out and made again as it was, in the same transaction.
async fn sqlite(session: &mut Session, to: &Destination) -> Result<Vec<String>, DbError> {
    let mut again = Vec::new();
    for trigger in &to.table.triggers {
        if trigger.events != "UPDATE" {
            continue;
        }
        let name = literal(to.engine, &trigger.name)?;
        let rows = session
            .query(&format!(
                "select sql from sqlite_master where type = 'trigger' and name = {name}"
            ))
            .await?;
        if let Some(Ok(sql)) = (!rows.is_empty()).then(|| rows.text(0, 0)).flatten() {
            again.push(sql.into_owned());
            session
                .execute(&format!("drop trigger {}", ident(&trigger.name)))
                .await?;
        }
    }
    Ok(again)
}
