//! Who refers to rows: asked before any of them is removed, because a cascade says nothing.

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

use super::Destination;
use crate::db::{DbError, Engine, Session, TableName, ident, literal};

/// Ids per statement.
const IDS_MAX: usize = 1_000;

/// A foreign key that points to a table.
struct Reference {
    /// The table that refers, as people know it.
    name: String,
    /// Its quoted name.
    sql: String,
    /// The table itself.
    own: bool,
    /// Its columns, and those of the table that they name.
    columns: Vec<(String, String)>,
}

/// The rows of `ids` that others refer to, and a table that does. References of these rows among themselves do
/// not count: they would go together.
pub async fn referred(
    session: &mut Session,
    to: &Destination,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, String>, DbError> {
    let mut found = HashMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let all: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let id = to.column(to.id);
    for reference in references(session, to).await? {
        let on: Vec<String> = reference
            .columns
            .iter()
            .map(|(theirs, ours)| format!("c.{} = p.{}", ident(theirs), ident(ours)))
            .collect();
        let others = if reference.own {
            format!(" and c.{id} not in ({})", all.join(","))
        } else {
            String::new()
        };
        for list in all.chunks(IDS_MAX) {
            let sql = format!(
                "select p.{id} from {} p where p.{id} in ({}) and exists (select 1 from {} c where {}{others})",
                to.sql(),
                list.join(","),
                reference.sql,
                on.join(" and "),
            );
            let rows = session.query(&sql).await?;
            for row in 0..rows.len() {
                let id = rows.text(row, 0).and_then(Result::ok);
                if let Some(id) = id.and_then(|text| text.parse().ok()) {
                    found.insert(id, reference.name.clone());
                }
            }
        }
    }
    Ok(found)
}

async fn references(session: &mut Session, to: &Destination) -> Result<Vec<Reference>, DbError> {
    let sql = match to.engine {
        Engine::Postgres => format!(
            "select k.conname || k.conrelid::text, k.conrelid::regclass::text, c.attname, p.attname, case when k.conrelid = k.confrelid then 1 end \
             from pg_constraint k, unnest(k.conkey, k.confkey) u(c, p), pg_attribute c, pg_attribute p \
             where k.contype = 'f' and k.conparentid = 0 and k.confrelid = to_regclass({}) \
             and c.attrelid = k.conrelid and c.attnum = u.c and p.attrelid = k.confrelid and p.attnum = u.p order by 1",
            literal(to.engine, &to.sql())?
        ),
        Engine::Sqlite => format!(
            "select m.name || f.id, m.name, f.\"from\", coalesce(f.\"to\", {}), case when lower(m.name) = lower(f.\"table\") then 1 end from sqlite_master m, pragma_foreign_key_list(m.name) f \
             where m.type = 'table' and lower(f.\"table\") = lower({}) order by 1, f.seq",
            literal(to.engine, &to.table.columns[usize::from(to.id)].name)?,
            literal(to.engine, &to.sql().replace('"', ""))?
        ),
    };
    let rows = session.query(&sql).await?;
    let mut found: BTreeMap<String, Reference> = BTreeMap::new();
    for row in 0..rows.len() {
        let cell = |column| {
            let text = rows.text(row, column).and_then(Result::ok);
            text.unwrap_or_default().into_owned()
        };
        let table = match to.engine {
            // a regclass is quoted where it has to be
            Engine::Postgres => cell(1),
            Engine::Sqlite => TableName::parse(&cell(1)).sql(to.engine),
        };
        let reference = found.entry(cell(0)).or_insert_with(|| Reference {
            name: cell(1),
            sql: table,
            own: rows.cell(row, 4).is_some(),
            columns: vec![],
        });
        reference.columns.push((cell(2), cell(3)));
    }
    Ok(found.into_values().collect())
}
