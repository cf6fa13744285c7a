//! What has to be in order on the target beside its rows before it is handed over: rights, policies, triggers that
//! were switched off for the load, indexes. Asked of the catalog alone; on SQLite there is nothing to ask.

use serde::Serialize;

use super::readiness::ask;
use crate::catalog::Table;
use crate::db::{DbError, Engine, Session, ident, literal};
use crate::rule::Rule;

/// From so many rows on a foreign key without an index keeps a page, or a delete of a parent, waiting.
const LARGE: i64 = 100_000;

/// Something that is not in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// The rule whose table it is about.
    pub rule: String,
    /// `rights`, `policies`, `triggers`, `indexes`, `sign in` or `files`.
    pub about: &'static str,
    /// `bad`: not ready with it; `attention`: to know of.
    pub level: &'static str,
    /// What.
    pub text: String,
    /// What to do.
    pub fix: String,
}

/// What was asked, and the names that were the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As of a [`Point`].
    pub about: &'static str,
    /// Names, parted by a comma; empty when all is in order.
    pub found: String,
    /// The query that gives them.
    pub query: String,
}

/// Asks about the table of a rule: what is not in order, and all that was asked. `None` where the target does not
/// answer.
pub async fn asked(
    rule: &Rule,
    table: &Table,
    session: &mut Session,
) -> Result<(Vec<Point>, Vec<Answer>), DbError> {
    let (mut points, mut answers) = (Vec::new(), Vec::new());
    if session.engine() == Engine::Sqlite {
        return Ok((points, answers));
    }
    let (shown, name) = (table.name.to_string(), table.name.sql(Engine::Postgres));
    let accepted: Vec<String> = rule
        .header
        .effects
        .iter()
        .map(|effect| literal(Engine::Postgres, effect))
        .collect::<Result<_, _>>()?;
    let table = literal(Engine::Postgres, &name)?;
    for (about, names) in questions(&table, &accepted) {
        let query =
            format!("select coalesce(string_agg(name, ', ' order by name), '') from ({names}) q");
        let Some(rows) = ask(session, &query).await? else {
            continue;
        };
        let found = rows
            .text(0, 0)
            .and_then(Result::ok)
            .unwrap_or_default()
            .into_owned();
        let rows = if about == INDEXES && !found.is_empty() {
            counted(session, &name).await?
        } else {
            0
        };
        points.extend(point(rule, &shown, &name, about, &found, rows));
        answers.push(Answer {
            about,
            found,
            query,
        });
    }
    Ok((points, answers))
}

const RIGHTS: &str = "rights";
const POLICIES: &str = "policies";
const TRIGGERS: &str = "triggers";
const INDEXES: &str = "indexes";

/// Selects of names, by what they are about.
fn questions(table: &str, accepted: &[String]) -> [(&'static str, String); 4] {
    let accepted = match accepted {
        [] => String::new(),
        some => format!(" and t.tgname not in ({})", some.join(", ")),
    };
    [
        (
            RIGHTS,
            format!(
                "select r.rolname::text as name from pg_roles r where r.rolname = 'service_role' \
                 and not has_table_privilege(r.oid, {table}::regclass, 'select')"
            ),
        ),
        (
            POLICIES,
            format!(
                "select r.rolname::text as name from pg_roles r join pg_class c on c.oid = {table}::regclass \
                 where r.rolname in ('anon', 'authenticated') and not c.relrowsecurity \
                 and has_table_privilege(r.oid, c.oid, 'select')"
            ),
        ),
        (
            TRIGGERS,
            format!(
                "select t.tgname::text as name from pg_trigger t where t.tgrelid = {table}::regclass and t.tgenabled = 'D'{accepted}"
            ),
        ),
        (
            INDEXES,
            format!(
                "select (select string_agg(a.attname, ' and ' order by k.place) from unnest(f.conkey) with ordinality k(number, place) \
                 join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.number) as name \
                 from pg_constraint f where f.conrelid = {table}::regclass and f.contype = 'f' and not exists \
                 (select from pg_index i where i.indrelid = f.conrelid and i.indisvalid and i.indpred is null \
                 and (i.indkey::int2[])[0:cardinality(f.conkey) - 1] @> f.conkey)"
            ),
        ),
    ]
}

async fn counted(session: &mut Session, table: &str) -> Result<i64, DbError> {
    let rows = ask(session, &format!("select count(*) from {table}")).await?;
    let count = rows.and_then(|rows| rows.text(0, 0)?.ok()?.parse().ok());
    Ok(count.unwrap_or(0))
}

fn point(
    rule: &Rule,
    shown: &str,
    table: &str,
    about: &'static str,
    found: &str,
    rows: i64,
) -> Option<Point> {
    if found.is_empty() {
        return None;
    }
    let (level, text, fix) = match about {
        RIGHTS => (
            "bad",
            format!("{found} may not read {shown}: the application's server is refused"),
            format!("grant select, insert, update, delete on {table} to service_role"),
        ),
        POLICIES => (
            "bad",
            format!(
                "row level security of {shown} is off and {found} may read it: whoever has the public key sees every row"
            ),
            format!(
                "alter table {table} enable row level security, and a policy for those who may see rows"
            ),
        ),
        TRIGGERS => (
            "bad",
            format!("switched off on {shown}: {found}"),
            format!(
                "alter table {table} enable trigger {}; one that stays off on purpose is named in the rule's `effects`",
                found
                    .split(", ")
                    .map(ident)
                    .collect::<Vec<_>>()
                    .join(", enable trigger ")
            ),
        ),
        _ => (
            if rows > LARGE { "bad" } else { "attention" },
            format!("no index for the references of {shown}: {found}"),
            found
                .split(", ")
                .map(|columns| {
                    let columns: Vec<String> = columns.split(" and ").map(ident).collect();
                    format!("create index on {table} ({})", columns.join(", "))
                })
                .collect::<Vec<_>>()
                .join("; "),
        ),
    };
    Some(Point {
        rule: rule.name.clone(),
        about,
        level,
        text,
        fix,
    })
}
