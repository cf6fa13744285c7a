//! What happens in the target besides the rows that are written: the code of triggers, publications, and
//! who sees which rows.

use super::{flag, text};
use crate::db::{DbError, Engine, Session, TableName, literal};

/// A function's text that a trigger runs, directly or through another function. On SQLite the trigger's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerCode {
    /// The trigger.
    pub trigger: String,
    /// `schema.function`; empty on SQLite.
    pub function: String,
    /// `plpgsql`, `sql`, `c` …
    pub language: String,
    /// The function's text; of no use when the language is `c` or `internal`.
    pub body: String,
    /// What the trigger hands over, one per line.
    pub arguments: String,
}

/// What row level security does to the session's role on a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visibility {
    /// Some rows may be hidden, without an error.
    pub hides: bool,
    /// New rows may be refused, one by one.
    pub refuses: bool,
    /// Row level security applies at all; COPY into the table is refused then.
    pub active: bool,
}

/// From the functions of `code c` to those that they call: one that a function names, followed by a bracket, is taken
/// for called.
pub(super) const CALLS: &str = "join pg_proc f on f.oid = c.function \
     join pg_proc p on p.oid <> f.oid and p.pronamespace not in \
     (select oid from pg_namespace where nspname in ('pg_catalog', 'information_schema')) \
     and position(p.proname in f.prosrc) > 0 \
     and f.prosrc ~ ('\\m' || regexp_replace(p.proname, '([^[:alnum:]_])', '\\\\\\1', 'g') || '\"?\\s*\\(')";

/// The code behind each enabled trigger of a table, one entry per function.
pub async fn trigger_code(
    session: &mut Session,
    name: &TableName,
) -> Result<Vec<TriggerCode>, DbError> {
    let engine = session.engine();
    let sql = match engine {
        Engine::Sqlite => format!(
            "select name, '', 'sql', sql, '' from sqlite_master where type = 'trigger' \
             and tbl_name = {} collate nocase order by name",
            literal(engine, &name.flat())?
        ),
        Engine::Postgres => format!(
            "with recursive code(trigger, args, function, depth) as ( \
               select t.tgname::text, replace(encode(t.tgargs, 'escape'), '\\000', e'\\n'), t.tgfoid::oid, 0 from pg_trigger t \
               where t.tgrelid = to_regclass({0}) and not t.tgisinternal and t.tgenabled in ('O', 'A') \
               union \
               select c.trigger, c.args, p.oid, c.depth + 1 from code c {CALLS} \
               where c.depth < 4) \
             select distinct c.trigger, n.nspname || '.' || p.proname, l.lanname, p.prosrc, c.args \
             from code c join pg_proc p on p.oid = c.function join pg_namespace n on n.oid = p.pronamespace \
             join pg_language l on l.oid = p.prolang order by 1, 2",
            literal(engine, &name.sql(engine))?
        ),
    };
    let rows = session.query(&sql).await?;
    let cell = |row, column| text(&rows, row, column).unwrap_or_default();
    Ok((0..rows.len())
        .map(|row| TriggerCode {
            trigger: cell(row, 0),
            function: cell(row, 1),
            language: cell(row, 2),
            body: cell(row, 3),
            arguments: cell(row, 4),
        })
        .collect())
}

/// Publications that pass on the rows which are inserted into or updated in a table.
pub async fn publications(session: &mut Session, name: &TableName) -> Result<Vec<String>, DbError> {
    let engine = session.engine();
    if engine == Engine::Sqlite {
        return Ok(vec![]);
    }
    let table = literal(engine, &name.sql(engine))?;
    let rows = session
        .query(&format!(
            "select distinct p.pubname from pg_publication_tables t join pg_publication p on p.pubname = t.pubname \
             join pg_class c on c.relname = t.tablename join pg_namespace n on n.oid = c.relnamespace and n.nspname = t.schemaname \
             where c.oid = to_regclass({table}) and (p.pubinsert or p.pubupdate) order by 1"
        ))
        .await?;
    Ok((0..rows.len())
        .filter_map(|row| text(&rows, row, 0))
        .collect())
}

/// What row level security does here. A policy that lets everything through hides nothing.
pub async fn visibility(session: &mut Session, name: &TableName) -> Result<Visibility, DbError> {
    let engine = session.engine();
    if engine == Engine::Sqlite {
        return Ok(Visibility::default());
    }
    let applies = "(0 = any(p.polroles) or exists (select from unnest(p.polroles) r \
         where r <> 0 and pg_has_role(current_user, r, 'usage')))";
    let open = |commands: &str, test: &str| {
        format!(
            "exists (select from pg_policy p where p.polrelid = c.oid and p.polpermissive \
               and p.polcmd in ({commands}) and {test} = 'true' and {applies}) \
             and not exists (select from pg_policy p where p.polrelid = c.oid and not p.polpermissive \
               and p.polcmd in ({commands}) and {test} <> 'true' and {applies})"
        )
    };
    let [rows] = session
        .once([format!(
            "select row_security_active(c.oid), {}, {} from pg_class c where c.oid = to_regclass({})",
            open("'*', 'r'", "pg_get_expr(p.polqual, p.polrelid)"),
            open(
                "'*', 'a'",
                "pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid)"
            ),
            literal(engine, &name.sql(engine))?
        )])
        .await?;
    if rows.is_empty() {
        return Ok(Visibility::default());
    }
    let active = flag(&rows, 0, 0);
    Ok(Visibility {
        hides: active && !flag(&rows, 0, 1),
        refuses: active && !flag(&rows, 0, 2),
        active,
    })
}
