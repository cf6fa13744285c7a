//! The accounts of Supabase's auth server, as this role can read them.

use crate::catalog::{self, Table};
use crate::db::{DbError, Engine, Session, TableName, ident, literal};

/// The auth server reads rows into texts, numbers and times that cannot be NULL; one NULL among these columns
/// and signing in fails with a server error.
const NEVER_NULL: [&str; 14] = [
    "instance_id",
    "aud",
    "role",
    "created_at",
    "updated_at",
    "confirmation_token",
    "recovery_token",
    "email_change",
    "email_change_token_new",
    "email_change_token_current",
    "email_change_confirm_status",
    "phone_change",
    "phone_change_token",
    "reauthentication_token",
];

/// What of an account is looked at, besides what [`NEVER_NULL`] and the password come to.
const LOOKED_AT: [&str; 7] = [
    "id",
    "email",
    "instance_id",
    "aud",
    "is_sso_user",
    "email_confirmed_at",
    "banned_until",
];

/// The view that `print grants` makes for a role without rights on `auth`.
const VIEW: &str = "runner_auth.users";

/// Where accounts are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthUsers {
    /// The target has none.
    Absent,
    /// This role may not read them.
    Hidden,
    /// From this select: id, email, instance_id, aud, is_sso_user, email_confirmed_at, banned_until,
    /// has_password, has_null. Nothing in it shows a password's hash.
    Select(String),
}

/// Looks for `auth.users`, and for the view that stands in for it.
pub async fn auth_users(target: &mut Session) -> Result<AuthUsers, DbError> {
    if target.engine() == Engine::Sqlite {
        return Ok(AuthUsers::Absent);
    }
    match may_enter(target, "auth").await? {
        None => return Ok(AuthUsers::Absent),
        Some(false) => return stand_in(target).await,
        Some(true) => {}
    }
    let name = TableName::parse("auth.users");
    let Some(table) = catalog::table(target, &name).await? else {
        return Ok(AuthUsers::Absent);
    };
    if table.rights.select && !catalog::visibility(target, &name).await?.hides {
        return Ok(AuthUsers::Select(select(&table)));
    }
    stand_in(target).await
}

async fn stand_in(target: &mut Session) -> Result<AuthUsers, DbError> {
    let view = match may_enter(target, "runner_auth").await? {
        Some(true) => catalog::table(target, &TableName::parse(VIEW)).await?,
        _ => None,
    };
    Ok(match view {
        Some(view) if view.rights.select => AuthUsers::Select(format!("select * from {VIEW}")),
        _ => AuthUsers::Hidden,
    })
}

/// Whether this role may use a schema, without which its tables cannot even be asked for; `None`: there is none.
pub async fn may_enter(target: &mut Session, schema: &str) -> Result<Option<bool>, DbError> {
    let schema = literal(Engine::Postgres, schema)?;
    let sql = format!(
        "select has_schema_privilege(oid, 'usage')::text from pg_namespace where nspname = {schema}"
    );
    let rows = target.query(&sql).await?;
    let answer = (!rows.is_empty()).then(|| rows.text(0, 0).and_then(Result::ok));
    Ok(answer.map(|answer| answer.as_deref() == Some("true")))
}

/// The select over a table with these columns; an auth server of another version has some more, or fewer.
fn select(table: &Table) -> String {
    let has = |name: &str| table.column(name).is_some();
    let mut columns: Vec<String> = LOOKED_AT
        .iter()
        .map(|name| {
            if has(name) {
                ident(name)
            } else {
                format!("null as {}", ident(name))
            }
        })
        .collect();
    let password = if has("encrypted_password") {
        "coalesce(encrypted_password, '') <> '' as has_password"
    } else {
        "false as has_password"
    };
    columns.push(password.to_owned());
    let nulls: Vec<String> = NEVER_NULL
        .iter()
        .filter(|name| has(name))
        .map(|name| format!("{} is null", ident(name)))
        .collect();
    columns.push(match &nulls[..] {
        [] => "false as has_null".to_owned(),
        some => format!("({}) as has_null", some.join(" or ")),
    });
    format!("select {} from auth.users", columns.join(", "))
}
