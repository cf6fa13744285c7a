//! Putting before-images back. Triggers that rewrite a row as it is written (`updated_at`) are held still for it,
//! and what came of it is read again and compared.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;

use super::sort::Sorted;
use crate::db::{DbError, Engine, ErrorKind, Session, ident, literal, typed_literal};
use crate::target::{Destination, Found, Lookup, find};

/// A statement that makes one row as it was.
type Work = (Uuid, String);

/// Gives rows their before-images, and puts rows in again that were taken out. `careful`: what the target refuses is
/// found out first, row by row, and those rows stay as they are.
pub(super) async fn restore(
    session: &mut Session,
    to: &Destination,
    sorted: &mut Sorted,
    careful: bool,
) -> Result<(), DbError> {
    if sorted.images.is_empty() && sorted.back.is_empty() {
        return Ok(());
    }
    let again = hold_triggers(session, to).await?;
    let mut work = Vec::new();
    for (id, image) in &sorted.images {
        work.extend(update(to, &sorted.found, *id, image)?.map(|sql| (*id, sql)));
    }
    if careful {
        let mut all = work.clone();
        for row in &sorted.back {
            all.push((row.0, insert(to, std::slice::from_ref(row))?));
        }
        let (first, refused) = attempt(session, &all).await?;
        sorted.refused(&refused);
        let place = |id: &Uuid| first.iter().position(|done| done == id);
        work.retain(|(id, _)| !refused.contains_key(id));
        work.sort_by_key(|(id, _)| place(id));
        sorted.back.sort_by_key(|(id, _)| place(id));
    }
    for work in work.chunks(500) {
        let statements: Vec<&str> = work.iter().map(|(_, sql)| sql.as_str()).collect();
        session.execute(&statements.join(";")).await?;
    }
    // rows that refer to one another have to come in one statement
    let at_once = if to.own_parent.is_some() {
        sorted.back.len().max(1)
    } else {
        500
    };
    for rows in sorted.back.chunks(at_once) {
        // images of different times may have different columns
        for rows in rows.chunk_by(|a, b| names(to, &a.1) == names(to, &b.1)) {
            session.execute(&insert(to, rows)?).await?;
        }
    }
    if !again.is_empty() {
        session.execute(&again.join(";")).await?;
    }
    let written = sorted.images.iter().chain(&sorted.back);
    let ids = written.clone().map(|(id, _)| *id).collect();
    let found = find(session, to, &Lookup::Ids(ids)).await?;
    for (id, image) in written {
        let differs = differences(to, &found, *id, image);
        if found.row(*id).is_none() || !differs.is_empty() {
            let what = match differs.first() {
                Some(column) => format!(
                    "something sets column {} again as it is written",
                    to.table.columns[*column].name
                ),
                None => "something takes it out again".to_owned(),
            };
            return Err(DbError::new(
                ErrorKind::Other,
                session.role().side(),
                format!(
                    "{} cannot be restored: {what}; nothing was changed",
                    to.table.name
                ),
            )
            .with_hint("undo as the owner of the table, who can hold its triggers still"));
        }
    }
    Ok(())
}

/// Which rows the target takes as they were, in the order in which it takes them, and why not the others: tried
/// one by one in savepoints, again and again while one comes through, and all of it rolled back. Written under a
/// savepoint, a row would carry a transaction that no ledger line names.
async fn attempt(
    session: &mut Session,
    work: &[Work],
) -> Result<(Vec<Uuid>, HashMap<Uuid, DbError>), DbError> {
    let mut taken = Vec::new();
    let mut refused: HashMap<Uuid, DbError> = HashMap::new();
    let mut left: Vec<&Work> = work.iter().collect();
    session.execute("savepoint attempt").await?;
    loop {
        let before = left.len();
        let mut next = Vec::new();
        for one in left {
            session.execute("savepoint one").await?;
            match session.execute(&one.1).await {
                Ok(_) => {
                    session.execute("release savepoint one").await?;
                    refused.remove(&one.0);
                    taken.push(one.0);
                }
                Err(error) if error.kind == ErrorKind::Row => {
                    session.execute("rollback to savepoint one").await?;
                    refused.insert(one.0, error);
                    next.push(one);
                }
                Err(error) => return Err(error),
            }
        }
        if next.is_empty() || next.len() == before {
            break;
        }
        left = next;
    }
    // left open, it would be what the rows are written under
    session
        .execute("rollback to savepoint attempt; release savepoint attempt")
        .await?;
    Ok((taken, refused))
}

/// The change that makes a row as it was; `None` when it is.
fn update(
    to: &Destination,
    found: &Found,
    id: Uuid,
    image: &Value,
) -> Result<Option<String>, DbError> {
    let differs = differences(to, found, id, image);
    if differs.is_empty() {
        return Ok(None);
    }
    let mut sets = Vec::with_capacity(differs.len());
    for column in differs {
        let name = ident(&to.table.columns[column].name);
        sets.push(format!("{name} = {}", cell(to, column, image)?));
    }
    Ok(Some(format!(
        "update {} set {} where {} = '{id}'",
        to.sql(),
        sets.join(", "),
        to.id_column()
    )))
}

/// The columns that an image can be put in with.
fn names<'t>(to: &'t Destination, image: &Value) -> Vec<(usize, &'t str)> {
    let columns = to.table.columns.iter().enumerate();
    columns
        .filter(|(_, column)| !column.generated && image.get(&column.name).is_some())
        .map(|(at, column)| (at, column.name.as_str()))
        .collect()
}

/// Rows as they were, images of the same columns.
fn insert(to: &Destination, rows: &[(Uuid, Value)]) -> Result<String, DbError> {
    let columns = rows.first().map(|(_, image)| names(to, image));
    let columns = columns.unwrap_or_default();
    let mut values = Vec::with_capacity(rows.len());
    for (_, image) in rows {
        let cells: Result<Vec<String>, DbError> =
            columns.iter().map(|(at, _)| cell(to, *at, image)).collect();
        values.push(format!("({})", cells?.join(", ")));
    }
    let names: Vec<String> = columns.iter().map(|(_, name)| ident(name)).collect();
    // a number that the database gave out is given back as well
    let overriding = match to.engine {
        Engine::Postgres => "overriding system value ",
        Engine::Sqlite => "",
    };
    Ok(format!(
        "insert into {} ({}) {overriding}values {}",
        to.sql(),
        names.join(", "),
        values.join(", ")
    ))
}

fn cell(to: &Destination, column: usize, image: &Value) -> Result<String, DbError> {
    let shape = &to.table.columns[column];
    match &image[&shape.name] {
        Value::String(text) => typed_literal(to.engine, &shape.logical, text),
        _ => Ok("null".to_owned()),
    }
}

/// Columns that are not as the image has them; what the database computes, and columns that are newer than
/// the image, are left out.
pub(super) fn differences(to: &Destination, found: &Found, id: Uuid, image: &Value) -> Vec<usize> {
    let Some(row) = found.row(id) else {
        return vec![];
    };
    let columns = to.table.columns.iter().enumerate();
    columns
        .filter(|(_, column)| !column.generated)
        .filter(|(at, column)| {
            image
                .get(&column.name)
                .is_some_and(|was| was.as_str() != found.stored(row, *at).as_deref())
        })
        .map(|(at, _)| at)
        .collect()
}

/// Holds the table's triggers on INSERT and UPDATE still until the statements that are returned, or the end of the
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
             and t.tgenabled in ('O', 'A') and t.tgtype & 20 <> 0 order by 1"
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
            session
                .execute("rollback to savepoint replica; release savepoint replica")
                .await?;
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
        if !["INSERT", "UPDATE"].contains(&trigger.events.as_str()) {
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
