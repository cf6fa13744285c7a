//! What a table of the target stands for, and whether writing a row of it can depend on rows of another table.
//!
//! Reading code is meant to err towards "it can": then tables are taken one after the other, which only costs time.

use std::collections::{BTreeMap, BTreeSet};

use super::effects::CALLS;
use super::words::{Word, words};
use super::{flag, list, text};
use crate::db::{DbError, Engine, Session, TableName, literal};

/// One table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Its own oid and those of the tables that it is a part of: a row of a partition is a row of all these.
    pub stands_for: BTreeSet<String>,
    /// The same of the tables that its foreign keys refer to.
    pub refers_to: BTreeSet<String>,
    /// Its rows are its own; those of a view are other tables'.
    pub is_table: bool,
    /// A trigger, a default, a constraint or a rewrite rule may read or write another table when a row is written.
    /// Policies are left out: those that could refuse a row end a run before it begins.
    pub looks_around: bool,
}

/// Extensions whose functions in C compute from their arguments alone.
const COMPUTE: [&str; 14] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "fuzzystrmatch",
    "hstore",
    "insert_username",
    "intarray",
    "ltree",
    "moddatetime",
    "pg_trgm",
    "pgcrypto",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Words that a piece of code can touch a table by.
const TOUCH: [&str; 14] = [
    "call",
    "copy",
    "cursor_to_xml",
    "delete",
    "execute",
    "from",
    "insert",
    "merge",
    "query_to_xml",
    "refresh",
    "table",
    "table_to_xml",
    "truncate",
    "update",
];

/// The footprints of tables of the target, by their flat names; a name that stands for nothing has none.
pub async fn footprints(
    session: &mut Session,
    names: &BTreeMap<String, TableName>,
) -> Result<BTreeMap<String, Footprint>, DbError> {
    let engine = session.engine();
    if names.is_empty() || engine == Engine::Sqlite {
        return Ok(BTreeMap::new());
    }
    let mut values = Vec::with_capacity(names.len());
    for (flat, name) in names {
        let oid = match &name.schema {
            // `to_regclass` fails where the role may not look into the schema
            Some(schema) => format!(
                "(select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = {} and c.relname = {})",
                literal(engine, schema)?,
                literal(engine, &name.name)?
            ),
            None => format!("to_regclass({})::oid", literal(engine, &name.sql(engine))?),
        };
        values.push(format!("({}, {oid})", literal(engine, flat)?));
    }
    let below = below(&values.join(","));
    let [tables, code] = session
        .queries([tables_sql(&below), code_sql(&below)])
        .await?;
    let mut found = BTreeMap::new();
    for row in 0..tables.len() {
        found.insert(
            text(&tables, row, 0).unwrap_or_default(),
            Footprint {
                is_table: flag(&tables, row, 1),
                stands_for: list(&tables, row, 2).into_iter().collect(),
                refers_to: list(&tables, row, 3).into_iter().collect(),
                looks_around: flag(&tables, row, 4),
            },
        );
    }
    for row in 0..code.len() {
        let cell = |column| text(&code, row, column).unwrap_or_default();
        if let Some(table) = found.get_mut(&cell(0)) {
            table.looks_around |= touches(&cell(1), &cell(2), &cell(3));
        }
    }
    Ok(found)
}

/// The tables that were named, and those below each: their partitions, to any depth.
fn below(named: &str) -> String {
    format!(
        "with recursive named(name, oid) as (select * from (values {named}) v(name, oid) where v.oid is not null), \
         below(name, oid) as (select name, oid from named \
           union select b.name, i.inhrelid from below b join pg_inherits i on i.inhparent = b.oid)"
    )
}

fn tables_sql(below: &str) -> String {
    // a trigger behind a row does anything, by custom; one before it changes that row, and its code tells
    format!(
        "{below}, above(name, oid) as (select name, oid from named \
           union select a.name, i.inhparent from above a join pg_inherits i on i.inhrelid = a.oid), \
         refers(name, oid) as (select b.name, k.confrelid from below b join pg_constraint k on k.conrelid = b.oid and k.contype = 'f' \
           union select r.name, i.inhparent from refers r join pg_inherits i on i.inhrelid = r.oid) \
         select n.name, c.relkind in ('r', 'p'), \
           (select json_agg(a.oid::text) from above a where a.name = n.name), \
           (select json_agg(r.oid::text) from refers r where r.name = n.name), \
           exists (select from below b join pg_trigger t on t.tgrelid = b.oid where b.name = n.name \
             and not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgtype & 2 = 0) \
           or exists (select from below b join pg_rewrite w on w.ev_class = b.oid where b.name = n.name) \
         from named n join pg_class c on c.oid = n.oid"
    )
}

/// The functions that run when a row is written: those that belong to what belongs to the table, and those they call.
fn code_sql(below: &str) -> String {
    format!(
        "{below}, parts(name, class, object) as (select b.name, d.classid, d.objid from below b join pg_depend d \
             on d.refclassid = 'pg_class'::regclass and d.refobjid = b.oid and d.classid in \
             ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_class'::regclass) \
           union select b.name, 'pg_constraint'::regclass, k.oid from below b join pg_attribute a on a.attrelid = b.oid \
             join pg_constraint k on k.contypid = a.atttypid), \
         code(name, function) as (select p.name, d.refobjid from parts p join pg_depend d \
             on d.classid = p.class and d.objid = p.object and d.refclassid = 'pg_proc'::regclass \
           union select c.name, p.oid from code c {CALLS}) \
         select c.name, l.lanname, coalesce(e.extname, ''), p.prosrc from code c join pg_proc p on p.oid = c.function \
         join pg_language l on l.oid = p.prolang \
         left join pg_depend d on d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e' \
         left join pg_extension e on e.oid = d.refobjid"
    )
}

/// The function may read or write a table.
fn touches(language: &str, extension: &str, body: &str) -> bool {
    if !["plpgsql", "sql"].contains(&language) {
        return !COMPUTE.contains(&extension);
    }
    let words = words(body);
    let touches = |(at, word): (usize, &Word)| {
        let Word::Name(word) = word else {
            return false;
        };
        let before = at.checked_sub(1).map(|before| &words[before]);
        let compares = word == "from" && before == Some(&Word::Name("distinct".to_owned()));
        TOUCH.contains(&word.as_str()) && !compares
    };
    // the text of `begin atomic` is kept elsewhere
    words.is_empty() || words.iter().enumerate().any(touches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_only_computes_touches_no_table() {
        let quiet = [
            "begin new.updated_at := now(); return new; end",
            "begin if tg_op = 'UPDATE' and new.a is distinct from old.a then new.b := 1; end if; return new; end",
            "select lower($1) -- from the old rule",
        ];
        for body in quiet {
            assert!(!touches("plpgsql", "", body), "{body}");
        }
        let loud = [
            "begin select count(*) into new.n from other; return new; end",
            "begin execute 'insert into x values (1)'; return new; end",
            "begin new.n := (table other); return new; end",
            "-- don't\nselect n from other where x = 'y'",
            "",
        ];
        for body in loud {
            assert!(touches("sql", "", body), "{body}");
        }
        assert!(!touches("c", "uuid-ossp", "uuid_generate_v4"));
        assert!(touches("c", "dblink", "dblink_exec"));
        assert!(touches("c", "", "mine"));
        assert!(touches("plpython3u", "", "return None"));
    }
}
