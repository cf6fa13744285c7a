//! Profiles and accounts of a chunk's people: written before the rows that refer to them, in the same transaction.

use uuid::Uuid;

use super::statements::{Mapped, mapping_sql};
use crate::commit::{Batch, Fate, Fates, Ledger};
use crate::db::{DbError, ErrorKind, Session};
use crate::row::{Person, Reject, Stage};
use crate::state::{StateError, Stated};
use crate::target::PeopleTables;

/// The people of rows that are written.
fn written<'b>(batch: &'b Batch, fates: &Fates<'_>) -> Vec<(usize, &'b Person)> {
    let people = batch.judged.iter().zip(&fates.0).enumerate();
    people
        .filter(|(_, (_, fate))| matches!(fate, Fate::Write { .. }))
        .filter_map(|(row, (judged, _))| Some((row, judged.person.as_deref()?)))
        .collect()
}

/// Writes them. The account comes first: a trigger of the owner's may make the bare profile, which is then
/// filled; passwords come last.
pub(super) async fn write(
    session: &mut Session,
    ledger: &Ledger,
    batch: &Batch,
    fates: &Fates<'_>,
) -> Result<(), DbError> {
    let tables = &ledger.people;
    let mut sql = String::new();
    let mut hashes = Vec::new();
    for (_, person) in written(batch, fates) {
        for statement in [login(tables, person)?, profile(tables, person)?] {
            sql.push_str(&statement);
        }
        let hash = person.login.as_ref().and_then(|login| login.hash.as_ref());
        hashes.extend(hash.map(|hash| (person.id, hash)));
    }
    if !sql.is_empty() {
        session.execute(&sql).await?;
    }
    if !hashes.is_empty() {
        session
            .execute(&PeopleTables::passwords_sql(&hashes)?)
            .await?;
    }
    Ok(())
}

fn login(tables: &PeopleTables, person: &Person) -> Result<String, DbError> {
    let login = person.login.as_ref();
    login.map_or(Ok(String::new()), |login| {
        tables.login_sql(person.id, login)
    })
}

fn profile(tables: &PeopleTables, person: &Person) -> Result<String, DbError> {
    let profile = person.profile.as_ref().filter(|_| person.is_new);
    profile.map_or(Ok(String::new()), |row| tables.profile_sql(row))
}

/// Writes them one by one inside a transaction that is rolled back later, to find those that the target refuses.
pub(super) async fn guilty(
    session: &mut Session,
    ledger: &Ledger,
    batch: &Batch,
    fates: &Fates<'_>,
) -> Result<Vec<(usize, Reject)>, DbError> {
    let tables = &ledger.people;
    let mut found = Vec::new();
    for (row, person) in written(batch, fates) {
        let parts = [
            ("login_refused", "the account", login(tables, person)?),
            ("profile_refused", "the profile", profile(tables, person)?),
        ];
        for (code, what, sql) in parts.into_iter().filter(|(.., sql)| !sql.is_empty()) {
            session.execute("savepoint person").await?;
            match session.execute(&sql).await {
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::Row => {
                    session.execute("rollback to savepoint person").await?;
                    found.push((row, refusal(code, what, &error)));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

fn refusal(code: &str, what: &str, error: &DbError) -> Reject {
    let constraint = error.constraint.as_ref();
    let why = match constraint {
        Some(constraint) => format!(
            "the target refuses {what}: constraint {constraint}; a trigger on it may be the one who breaks it"
        ),
        None => format!("the target refuses {what}: {}", error.message),
    };
    let mut reject = Reject::new(Stage::Database, code, why);
    reject.sqlstate.clone_from(&error.sqlstate);
    reject.constraint.clone_from(&error.constraint);
    reject
}

/// What the state keeps of them, and the old scripts' table of ids: statements, each begun by `;`.
pub(super) fn kept(
    ledger: &Ledger,
    batch: &Batch,
    fates: &Fates<'_>,
    chunk: i64,
) -> Result<String, StateError> {
    let mut made: Vec<Stated> = Vec::new();
    let mut mapped: Vec<(&str, Uuid)> = Vec::new();
    let profiles = ledger.rule.makes_profiles_in().unwrap_or("profiles");
    for (_, person) in written(batch, fates) {
        let stated = |entity: &str, id: Uuid| Stated {
            entity: entity.to_owned(),
            key: person.key.clone(),
            id,
        };
        if person.is_new && person.profile.is_some() {
            made.push(stated(profiles, person.id));
            mapped.push((&person.key, person.id));
        }
        if let Some(login) = &person.login {
            made.push(stated("auth.users", person.id));
            made.push(stated("auth.identities", login.identity));
        }
    }
    let mut sql = ledger.state.stated_sql(&ledger.rule.name, chunk, &made)?;
    if let (Some(to), true) = (&ledger.people.profiles, ledger.accounted) {
        let rows: Mapped<'_> = mapped;
        sql.push_str(&mapping_sql(ledger, &to.table.name.name, &rows)?);
    }
    Ok(sql)
}
