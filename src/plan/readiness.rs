//! What people will find on the first day: can everybody sign in, and is every file there? Asked of the target
//! alone, by `verify` and by the report.

use super::nearest;
use crate::catalog::{self, AuthUsers, Table};
use crate::db::{DbError, Engine, Session, TableName, ident, literal};
use crate::diagnostic::Diagnostic;
use crate::row::Rows;
use crate::rule::Rule;

/// A question to the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A select of `key` and `code`.
    Query(String),
    /// Why it cannot be asked.
    Unasked(&'static str),
}

/// Whoever satisfies the auth server's own lookup.
pub const CAN_SIGN_IN: &str = "can_sign_in";
/// A row came over, the file that it names is not in storage.
pub const FILE_ABSENT: &str = "file_absent";
/// A row came over with its file.
pub const FILE_THERE: &str = "file_there";
/// Keys named per class; the query gives the others.
const KEYS_NAMED: usize = 20;

/// Rows that will find the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `can_sign_in`, `must_reset_password`, `file_absent` …
    pub code: String,
    /// Rows.
    pub count: u64,
    /// The first legacy keys, unless all is well with them.
    pub keys: Vec<String>,
}

/// What a code of these questions means.
pub fn meaning(code: &str) -> &'static str {
    match code {
        CAN_SIGN_IN => "can sign in with the old password",
        "must_reset_password" => "has an account and no usable password: has to set a new one",
        "no_auth_user" => "has no account: invite them, or set `auth: \"create\"`",
        "not_linked" => "has an account that the row does not name",
        "null_column" => {
            "the auth server cannot read the account: a column is NULL that it takes for text"
        }
        "no_address" => "has no e-mail address to sign in with",
        "not_found" => "has an account that the auth server does not find by the person's address",
        "other_account" => "the auth server finds somebody else's account by the person's address",
        "email_case" => {
            "several accounts have this address in other case: the auth server takes any of them"
        }
        "not_confirmed" => "the account's address is not confirmed",
        "banned" => "the account is banned",
        FILE_ABSENT => "row migrated, file absent",
        FILE_THERE => "row migrated, file there",
        _ => "",
    }
}

/// By person the class that the auth server's own lookup puts them in: `instance_id` nil, the address in any
/// case, `aud`, no single sign-on; then every column readable, a password, a confirmed address.
/// `None`: the rule is not about people, or the target has no accounts.
pub async fn sign_in(
    rule: &Rule,
    table: &Table,
    target: &mut Session,
) -> Result<Option<Asked>, DbError> {
    let header = &rule.header;
    let (Some(_), Some(legacy)) = (header.auth, &header.legacy) else {
        return Ok(None);
    };
    let users = match catalog::auth_users(target).await? {
        AuthUsers::Absent => return Ok(None),
        AuthUsers::Hidden => {
            return Ok(Some(Asked::Unasked("this role may not read `auth.users`")));
        }
        AuthUsers::Select(select) => select,
    };
    let Some(profile) = table.refers_to_profiles() else {
        return Ok(None);
    };
    let has = |name: &str| table.column(name).is_some();
    let address = if has("email") { "t.email" } else { "u.email" };
    let linked = if has("user_id") {
        "when t.user_id is distinct from u.id then 'not_linked' "
    } else {
        ""
    };
    let query = format!(
        "select t.{key}::text as key, case when u.id is null then 'no_auth_user' {linked}\
         when u.has_null then 'null_column' when coalesce({address}, '') = '' then 'no_address' \
         when f.found is null then 'not_found' when f.found > 1 then 'email_case' when f.id <> u.id::text then 'other_account' \
         when u.email_confirmed_at is null then 'not_confirmed' when u.banned_until > now() then 'banned' \
         when not u.has_password then 'must_reset_password' else '{CAN_SIGN_IN}' end as code \
         from {table} t left join ({users}) u on u.id = t.{profile} \
         left join (select lower(email) as address, count(*) as found, min(id::text) as id from ({users}) a \
         where instance_id = '00000000-0000-0000-0000-000000000000' and aud = 'authenticated' and not is_sso_user group by 1) f \
         on f.address = lower({address}) where t.{key} is not null",
        key = ident(legacy),
        profile = ident(profile),
        table = table.name.sql(Engine::Postgres),
    );
    Ok(Some(Asked::Query(query)))
}

/// By migrated row whether storage knows its file. Storage is only read. `None`: the rule names no files, or
/// the target has no storage.
pub async fn files(
    rule: &Rule,
    table: &Table,
    target: &mut Session,
) -> Result<Option<Asked>, DbError> {
    let header = &rule.header;
    let (Some(storage), Some(legacy)) = (&header.storage, &header.legacy) else {
        return Ok(None);
    };
    let engine = target.engine();
    let name = TableName::parse("storage.objects");
    let hidden = Some(Asked::Unasked("this role may not read `storage.objects`"));
    if engine == Engine::Postgres {
        match catalog::may_enter(target, "storage").await? {
            None => return Ok(None),
            Some(false) => return Ok(hidden),
            Some(true) => {}
        }
    }
    let Some(objects) = catalog::table(target, &name).await? else {
        return Ok(None);
    };
    if !objects.rights.select {
        return Ok(hidden);
    }
    if catalog::visibility(target, &name).await?.hides {
        return Ok(Some(Asked::Unasked(
            "row level security hides rows of `storage.objects` from this role",
        )));
    }
    let bucket = literal(engine, &storage.bucket)?;
    let one = objects.uniques.iter().any(|unique| {
        unique.of_all_rows()
            && unique
                .columns
                .iter()
                .all(|c| c == "bucket_id" || c == "name")
    });
    // a join can be hashed, but would repeat a row whose file storage knows twice
    let (found, join) = if one {
        (
            "o.name is not null".to_owned(),
            format!(
                " left join {} o on o.bucket_id = {bucket} and o.name = t.path",
                name.sql(engine)
            ),
        )
    } else {
        let exists = format!(
            "exists (select 1 from {} o where o.bucket_id = {bucket} and o.name = t.path)",
            name.sql(engine)
        );
        (exists, String::new())
    };
    // `offset 0`: the rule's expression is computed once per row, not again for each comparison
    let query = format!(
        "select t.key, case when {found} then '{FILE_THERE}' else '{FILE_ABSENT}' end as code from (select cast(t.{key} as text) \
         as key, ({path}) as path from {table} t where t.{key} is not null limit {all} offset 0) t{join}",
        key = ident(legacy),
        path = storage.path,
        table = table.name.sql(engine),
        all = if engine == Engine::Postgres {
            "all"
        } else {
            "-1"
        },
    );
    Ok(Some(Asked::Query(query)))
}

/// `storage.path` is an expression over a row `t` of the target table, or a finding.
pub(super) async fn check(
    rule: &Rule,
    table: Option<&Table>,
    target: &mut Session,
) -> Option<Diagnostic> {
    let (storage, table) = rule.header.storage.as_ref().zip(table)?;
    let select = format!(
        "select ({}) as path from {} t",
        storage.path,
        table.name.sql(target.engine())
    );
    let error = catalog::describe(target, &select).await.err()?;
    let problem = nearest::select(error, "in the rule's `storage.path`", &[], target)
        .await
        .hint("it is an SQL expression over a row `t` of the target table: `t.storage_path`");
    Some(match rule.place_of(&["storage", "path"]) {
        Some(place) => problem.at(place),
        None => problem,
    })
}

/// Asks inside a transaction that goes on when the target refuses, as it does an expression of the rule that
/// is none: then `None`.
pub(super) async fn ask(session: &mut Session, sql: &str) -> Result<Option<Rows>, DbError> {
    let answer = session.attempt(async |session| session.query(sql).await);
    Ok(answer.await?.ok())
}

/// The classes in the order of their codes, each with its first keys: one scan, however large the table.
/// `None`: the target refuses the question.
pub async fn told(session: &mut Session, question: &str) -> Result<Option<Vec<Told>>, DbError> {
    let sql = format!(
        "with q as materialized ({question}) select code, count(*) as rows, null as key, 0 as place from q group by code union all \
         select code, null, key, place from (select code, key, row_number() over (partition by code order by length(key), key) as place \
         from q where code not in ('{CAN_SIGN_IN}', '{FILE_THERE}')) k where place <= {KEYS_NAMED} order by 1, 4"
    );
    let Some(rows) = ask(session, &sql).await? else {
        return Ok(None);
    };
    let mut told: Vec<Told> = Vec::new();
    for row in 0..rows.len() {
        match (text(&rows, row, 2), told.last_mut()) {
            (Some(key), Some(class)) => class.keys.push(key),
            _ => told.push(Told {
                code: text(&rows, row, 0).unwrap_or_default(),
                count: text(&rows, row, 1)
                    .and_then(|n| n.parse().ok())
                    .unwrap_or(0),
                keys: vec![],
            }),
        }
    }
    Ok(Some(told))
}

fn text(rows: &Rows, row: usize, column: usize) -> Option<String> {
    let text = rows.text(row, column).and_then(Result::ok);
    text.map(std::borrow::Cow::into_owned)
}

/// The number of a class.
pub fn count_sql(question: &str, code: &str) -> String {
    format!("select count(*) from ({question}) q where code = '{code}'")
}
