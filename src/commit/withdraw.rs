//! Removing rows that nothing derives any more: only what we inserted, what nobody touched since, and what nothing
//! refers to. No cascade takes a row along unseen.

use std::collections::HashMap;

use uuid::Uuid;

use crate::catalog::referrers;
use crate::commit::{CommitError, Ledger};
use crate::db::{DbError, Engine, ErrorKind, Session, literal};
use crate::state::{Entry, Manifest, Outcome};
use crate::target::{Found, Lookup, find, held, referred};

/// A row that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Display form of its source key.
    pub key: String,
    /// The row.
    pub id: Uuid,
}

/// Why rows stay, by id.
pub type Keepers = HashMap<Uuid, String>;

/// What a removal adds to the state in its transaction.
pub(super) struct Withdrawn {
    pub(super) images: Vec<(Uuid, String)>,
    pub(super) manifest: Manifest,
    pub(super) state: String,
}

/// Which of these rows may not go, and why. Rows that are there no longer are not named.
pub async fn keepers(
    session: &mut Session,
    ledger: &Ledger,
    ids: &[Uuid],
) -> Result<(Found, Keepers), DbError> {
    let to = &ledger.to;
    let found = find(session, to, &Lookup::Ids(ids.to_vec())).await?;
    let mut kept = Keepers::new();
    let mut leaving = Vec::new();
    for id in ids {
        let Some(row) = found.row(*id) else { continue };
        if ledger.prior.untouched_since(to, &found, row) && unset(ledger, &found, row) {
            leaving.push(*id);
        } else if to.engine == Engine::Postgres {
            kept.insert(*id, "somebody edited it".to_owned());
        } else {
            kept.insert(*id, "it cannot be told that nobody edited it".to_owned());
        }
    }
    let referrers = referrers(session, &to.table.name).await?;
    let referred = referred(session, to, &referrers, &leaving, |_| false).await?;
    // a row that stays keeps the rows of its own table that it refers to
    let held = held(&referred, &leaving);
    kept.extend(held.iter().map(|(id, at)| {
        let table = &referrers[*at].0;
        (*id, format!("rows of {table} refer to it"))
    }));
    Ok((found, kept))
}

/// Where only marks say who wrote a row: columns that we never set hold nothing of anybody's.
fn unset(ledger: &Ledger, found: &Found, row: usize) -> bool {
    let Some(before) = ledger
        .prior
        .before
        .as_ref()
        .filter(|_| found.xmin(row).is_none())
    else {
        return true;
    };
    let to = &ledger.to;
    let set = before.set_of(to, found, row).unwrap_or_default();
    (0..to.table.columns.len()).all(|at| {
        let column = u16::try_from(at).unwrap_or(u16::MAX);
        let declared = &to.table.columns[at];
        let constant = ledger.prior.defaults.get(&column);
        let moving = declared.default.as_ref().is_some_and(|d| !d.immutable);
        column == to.id
            || set.contains(&column)
            || moving
            || ledger.rule.header.volatile.contains(&declared.name)
            || declared.generated
            || found.text(row, at).as_ref() == constant
    })
}

/// Removes rows as chunk `chunk`, inside a transaction that is open.
pub(super) async fn withdraw(
    session: &mut Session,
    ledger: &Ledger,
    rows: &[Leaving],
    chunk: i64,
) -> Result<Withdrawn, CommitError> {
    let to = &ledger.to;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    if to.engine == Engine::Postgres {
        // who is about to refer to a row is waited for, and seen; nobody begins to from here on
        for list in lists(&ids) {
            let (table, id) = (to.sql(), to.column(to.id));
            let sql =
                format!("select 1 from {table} where {id} in ({list}) order by {id} for update");
            session.query(&sql).await?;
        }
    }
    let (found, kept) = keepers(session, ledger, &ids).await?;
    let goes = |id: &Uuid| found.row(*id).is_some() && !kept.contains_key(id);
    let going: Vec<Uuid> = ids.iter().copied().filter(goes).collect();
    let mut images = Vec::with_capacity(going.len());
    for id in &going {
        images.extend(found.row(*id).map(|row| (*id, found.image(row, to))));
    }
    let mut removed = 0;
    let (run, rule) = (ledger.run, &ledger.rule.name);
    let mut state = ledger
        .state
        .stands_no_longer_sql(run, chunk, rule, &going)?;
    for list in lists(&going) {
        let sql = format!(
            "delete from {} where {} in ({list})",
            to.sql(),
            to.column(to.id)
        );
        removed += session.execute(&sql).await?;
        if let Some(table) = &ledger.prior.mappings {
            let entity = literal(to.engine, &to.table.name.name)?;
            let which = format!("m.new_id in ({list})");
            state.push_str(
                &ledger
                    .state
                    .image_mappings_sql(run, chunk, rule, table, &entity, &which)?,
            );
            state.push_str(&format!(
                ";delete from {table} where entity_type = {entity} and new_id in ({list})"
            ));
        }
    }
    if removed != going.len() as u64 {
        let message = format!(
            "{removed} rows of {} were removed where {} were to go",
            to.table.name,
            going.len()
        );
        let error = DbError::new(ErrorKind::Other, session.role().side(), message);
        return Err(error
            .with_hint("a trigger or a policy keeps rows; nothing was removed")
            .into());
    }
    let entries = rows.iter().filter(|row| goes(&row.id));
    let manifest = Manifest {
        entries: entries
            .map(|row| Entry {
                key: row.key.clone(),
                verdict: 3,
                outcome: Outcome::None,
                input: [0; 16],
                ids: vec![],
                marks: vec![],
            })
            .collect(),
    };
    Ok(Withdrawn {
        images,
        manifest,
        state,
    })
}

/// Ids as SQL lists of bearable length.
fn lists(ids: &[Uuid]) -> impl Iterator<Item = String> {
    ids.chunks(1_000).map(|ids| {
        let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        ids.join(",")
    })
}
