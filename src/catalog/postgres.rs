//! Shapes from pg_catalog, which every role may read.

use std::sync::Arc;

use super::{
    Check, Column, DefaultValue, ForeignKey, Rights, Table, Trigger, Unique, defaults, flag, list,
    text,
};
use crate::db::{DbError, Engine, Session, TableName, literal};
use crate::row::Rows;
use crate::value::Logical;

pub(super) async fn table(
    session: &mut Session,
    name: &TableName,
) -> Result<Option<Table>, DbError> {
    let regclass = literal(Engine::Postgres, &name.sql(Engine::Postgres))?;
    let oid = format!("to_regclass({regclass})::oid");
    let head = format!(
        "select c.relkind in ('v','m'), greatest(c.reltuples, 0)::bigint, \
             row_security_active(c.oid), \
             has_table_privilege(c.oid, 'select'), has_table_privilege(c.oid, 'insert'), \
             has_table_privilege(c.oid, 'update'), has_table_privilege(c.oid, 'delete') \
             from pg_class c where c.oid = {oid} and c.relkind in ('r','p','v','m','f')"
    );
    let questions = [
        head,
        columns_sql(&oid),
        indexes_sql(&oid),
        constraints_sql(&oid),
        triggers_sql(&oid),
    ];
    // five round trips for each of a rule's tables were half a minute of a run 100 ms away
    let [head, column_rows, index_rows, constraint_rows, trigger_rows] =
        session.once(questions).await?;
    if head.is_empty() {
        return Ok(None);
    }
    let (primary_key, uniques) = indexes(&index_rows);
    let (foreign_keys, checks) = constraints(&constraint_rows);
    Ok(Some(Table {
        name: name.clone(),
        columns: columns(&column_rows),
        primary_key,
        uniques,
        foreign_keys,
        checks,
        triggers: triggers(&trigger_rows),
        row_security: flag(&head, 0, 2),
        rights: Rights {
            select: flag(&head, 0, 3),
            insert: flag(&head, 0, 4),
            update: flag(&head, 0, 5),
            delete: flag(&head, 0, 6),
        },
        rows_estimate: text(&head, 0, 1).and_then(|n| n.parse().ok()).unwrap_or(0),
        is_view: flag(&head, 0, 0),
    }))
}

/// Enum labels of type `t`, or of its elements, as a JSON array.
const LABELS: &str = "(select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e \
     where e.enumtypid in (t.oid, t.typelem))";

fn columns_sql(oid: &str) -> String {
    // A domain is followed down to its base type; the innermost length or precision counts.
    format!(
        "with recursive d(num, typ, mod, strict) as ( \
               select a.attnum, a.atttypid, a.atttypmod, false from pg_attribute a \
               where a.attrelid = {oid} and a.attnum > 0 and not a.attisdropped \
               union all \
               select d.num, t.typbasetype, case when t.typtypmod <> -1 then t.typtypmod else d.mod end, \
                 d.strict or t.typnotnull \
               from d join pg_type t on t.oid = d.typ where t.typtype = 'd') \
             select a.attname, format_type(d.typ, d.mod), format_type(a.atttypid, a.atttypmod), \
               a.attnotnull or d.strict, pg_get_expr(ad.adbin, ad.adrelid), \
               a.attgenerated <> '', nullif(a.attidentity::text, ''), {LABELS}, \
               (select pg_get_expr(dt.typdefaultbin, 0) from pg_type dt where dt.oid = a.atttypid) \
             from d join pg_type t on t.oid = d.typ and t.typtype <> 'd' \
             join pg_attribute a on a.attrelid = {oid} and a.attnum = d.num \
             left join pg_attrdef ad on ad.adrelid = a.attrelid and ad.adnum = a.attnum \
             order by a.attnum"
    )
}

fn columns(rows: &Rows) -> Vec<Column> {
    (0..rows.len())
        .map(|row| {
            let generated = flag(rows, row, 5);
            let base = text(rows, row, 1).unwrap_or_default();
            let default = text(rows, row, 4).or_else(|| text(rows, row, 8));
            Column {
                name: text(rows, row, 0).unwrap_or_default(),
                logical: logical(&base, list(rows, row, 7)),
                type_name: text(rows, row, 2).unwrap_or_default(),
                not_null: flag(rows, row, 3),
                default: default
                    .filter(|_| !generated)
                    .map(|expression| DefaultValue {
                        immutable: defaults::is_constant(&expression),
                        expression,
                    }),
                generated,
                identity: text(rows, row, 6).map(|kind| kind == "a"),
            }
        })
        .collect()
}

fn logical(type_name: &str, labels: Vec<String>) -> Logical {
    let labels: Option<Arc<[String]>> = (!labels.is_empty()).then(|| labels.into());
    Logical::from_pg(type_name, labels)
}

/// The primary key's columns, and the other unique indexes. An exclusion constraint decides between rows like
/// a unique one does, by more than its columns say.
fn indexes_sql(oid: &str) -> String {
    format!(
        "select c.relname, i.indisprimary, not i.indimmediate, i.indpred is not null, i.indexprs is not null or i.indisexclusion, \
               (select json_agg(a.attname order by k.ord) \
                from unnest(i.indkey::int2[]) with ordinality k(num, ord) \
                join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num \
                where k.ord <= i.indnkeyatts) \
             from pg_index i join pg_class c on c.oid = i.indexrelid \
             where i.indrelid = {oid} and (i.indisunique or i.indisexclusion) and i.indisvalid order by c.relname"
    )
}

fn indexes(rows: &Rows) -> (Vec<String>, Vec<Unique>) {
    let mut primary = Vec::new();
    let mut uniques = Vec::new();
    for row in 0..rows.len() {
        let columns = list(rows, row, 5);
        if flag(rows, row, 1) {
            primary = columns;
        } else {
            uniques.push(Unique {
                name: text(rows, row, 0).unwrap_or_default(),
                columns,
                deferrable: flag(rows, row, 2),
                partial: flag(rows, row, 3),
                expression: flag(rows, row, 4),
            });
        }
    }
    (primary, uniques)
}

fn constraints_sql(oid: &str) -> String {
    let names = |relation: &str, numbers: &str| {
        format!(
            "(select json_agg(a.attname order by k.ord) from unnest(c.{numbers}) with ordinality k(num, ord) \
             join pg_attribute a on a.attrelid = c.{relation} and a.attnum = k.num)"
        )
    };
    format!(
        "select c.contype, c.conname, pg_get_expr(c.conbin, c.conrelid), {}, n.nspname, p.relname, {}, \
               c.condeferrable, \
               case c.confdeltype when 'c' then 'CASCADE' when 'n' then 'SET NULL' when 'd' then 'SET DEFAULT' \
                 when 'r' then 'RESTRICT' else 'NO ACTION' end \
             from pg_constraint c left join pg_class p on p.oid = c.confrelid \
             left join pg_namespace n on n.oid = p.relnamespace \
             where c.conrelid = {oid} and c.contype in ('f', 'c') order by c.conname",
        names("conrelid", "conkey"),
        names("confrelid", "confkey"),
    )
}

fn constraints(rows: &Rows) -> (Vec<ForeignKey>, Vec<Check>) {
    let mut foreign_keys = Vec::new();
    let mut checks = Vec::new();
    for row in 0..rows.len() {
        let name = text(rows, row, 1).unwrap_or_default();
        if text(rows, row, 0).as_deref() == Some("c") {
            checks.push(Check {
                name,
                expression: text(rows, row, 2).unwrap_or_default(),
            });
        } else {
            foreign_keys.push(ForeignKey {
                name,
                columns: list(rows, row, 3),
                table: table_name(text(rows, row, 4), text(rows, row, 5)),
                ref_columns: list(rows, row, 6),
                deferrable: flag(rows, row, 7),
                on_delete: text(rows, row, 8).unwrap_or_default(),
            });
        }
    }
    (foreign_keys, checks)
}

fn triggers_sql(oid: &str) -> String {
    format!(
        "select t.tgname, \
               case when t.tgtype & 64 <> 0 then 'INSTEAD OF' when t.tgtype & 2 <> 0 then 'BEFORE' else 'AFTER' end, \
               concat_ws(' OR ', case when t.tgtype & 4 <> 0 then 'INSERT' end, \
                 case when t.tgtype & 16 <> 0 then 'UPDATE' end, case when t.tgtype & 8 <> 0 then 'DELETE' end, \
                 case when t.tgtype & 32 <> 0 then 'TRUNCATE' end), \
               p.proname, t.tgenabled in ('O', 'A') \
             from pg_trigger t join pg_proc p on p.oid = t.tgfoid \
             where t.tgrelid = {oid} and not t.tgisinternal order by t.tgname"
    )
}

fn triggers(rows: &Rows) -> Vec<Trigger> {
    (0..rows.len())
        .map(|row| Trigger {
            name: text(rows, row, 0).unwrap_or_default(),
            timing: text(rows, row, 1).unwrap_or_default(),
            events: text(rows, row, 2).unwrap_or_default(),
            function: text(rows, row, 3).unwrap_or_default(),
            enabled: flag(rows, row, 4),
        })
        .collect()
}

pub(super) async fn table_names(session: &mut Session) -> Result<Vec<TableName>, DbError> {
    let rows = session
        .query(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where c.relkind in ('r','p','v','m','f') and not c.relispartition \
             and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
             and has_schema_privilege(n.oid, 'usage') \
             order by n.nspname <> 'public', n.nspname, c.relname",
        )
        .await?;
    Ok((0..rows.len())
        .map(|row| table_name(text(&rows, row, 0), text(&rows, row, 1)))
        .collect())
}

/// Names as rules write them: `public` is not said.
fn table_name(schema: Option<String>, name: Option<String>) -> TableName {
    TableName {
        schema: schema.filter(|s| s != "public"),
        name: name.unwrap_or_default(),
    }
}

/// A column that is a table's own has that column's whole type; an expression has its type without
/// length or precision.
pub(super) async fn describe(
    session: &mut Session,
    select: &str,
) -> Result<Vec<(String, Logical)>, DbError> {
    let described = session.describe_postgres(select).await?;
    if described.is_empty() {
        return Ok(vec![]);
    }
    let wanted: Vec<String> = described
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let (table, number) = column.origin.unwrap_or((0, 0));
            format!(
                "({index}, {table}::oid, {number}::int2, {}::oid)",
                column.type_oid.unwrap_or(0)
            )
        })
        .collect();
    let rows = session
        .query(&format!(
            "with recursive d(at, typ, mod) as ( \
               select w.at, coalesce(a.atttypid, w.typ), coalesce(a.atttypmod, -1) \
               from (values {}) w(at, rel, num, typ) \
               left join pg_attribute a on a.attrelid = w.rel and a.attnum = w.num \
               union all \
               select d.at, t.typbasetype, case when t.typtypmod <> -1 then t.typtypmod else d.mod end \
               from d join pg_type t on t.oid = d.typ where t.typtype = 'd') \
             select d.at, format_type(d.typ, d.mod), {LABELS} \
             from d join pg_type t on t.oid = d.typ and t.typtype <> 'd' order by d.at",
            wanted.join(", ")
        ))
        .await?;
    let mut columns: Vec<(String, Logical)> = described
        .into_iter()
        .map(|column| {
            (
                column.name,
                Logical::Other(column.type_name.to_lowercase().into()),
            )
        })
        .collect();
    for row in 0..rows.len() {
        let at = text(&rows, row, 0).and_then(|n| n.parse::<usize>().ok());
        if let Some(column) = at.and_then(|at| columns.get_mut(at)) {
            column.1 = logical(
                &text(&rows, row, 1).unwrap_or_default(),
                list(&rows, row, 2),
            );
        }
    }
    Ok(columns)
}
