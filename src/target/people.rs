//! Profiles and accounts that come along with a row.

use std::sync::Arc;

use super::Destination;
use crate::catalog::Table;
use crate::db::{DbError, Engine, ident, literal};
use crate::row::{Login, OutRow, PasswordHash, unescape};

/// The tables that people live in, besides their rule's own.
#[derive(Clone, Debug, Default)]
pub struct PeopleTables {
    /// Where missing profiles are made.
    pub profiles: Option<Destination>,
    /// `auth.users` and `auth.identities`, where accounts are made.
    pub accounts: Option<(Arc<Table>, Arc<Table>)>,
}

impl PeopleTables {
    /// Makes a profile. A trigger on accounts may have made the bare row a statement before: then it is filled.
    pub fn profile_sql(&self, row: &OutRow) -> Result<String, DbError> {
        let Some(to) = &self.profiles else {
            return Ok(String::new());
        };
        let id = to.column(to.id);
        let (mut names, mut values, mut sets) =
            (vec![id.clone()], vec![format!("'{}'", row.id)], vec![]);
        for column in row.set.iter() {
            let name = to.column(*column);
            values.push(match row.cell(*column).flatten() {
                None => "null".to_owned(),
                Some(cell) => literal(to.engine, &String::from_utf8_lossy(&unescape(cell)))?,
            });
            sets.push(format!("{name} = excluded.{name}"));
            names.push(name);
        }
        Ok(format!(
            "insert into {} ({}) values ({}) on conflict ({id}) do update set {};",
            to.sql(),
            names.join(", "),
            values.join(", "),
            sets.join(", ")
        ))
    }

    /// Makes an account and its identity, with exactly the columns that signing in needs and this server has.
    /// The password is not among them: a statement that fails is written into the server's log as it stands.
    pub fn login_sql(&self, id: uuid::Uuid, login: &Login) -> Result<String, DbError> {
        let Some((users, identities)) = &self.accounts else {
            return Ok(String::new());
        };
        let nil = "'00000000-0000-0000-0000-000000000000'";
        let address = literal(Engine::Postgres, &login.address)?;
        let data = serde_json::json!({
            "sub": id.to_string(), "email": login.address, "email_verified": true, "phone_verified": false,
        });
        let data = literal(Engine::Postgres, &data.to_string())?;
        let quoted = format!("'{id}'");
        let identity = format!("'{}'", login.identity);
        let user = [
            ("instance_id", nil),
            ("id", &quoted),
            ("aud", "'authenticated'"),
            ("role", "'authenticated'"),
            ("email", &address),
            ("encrypted_password", "''"),
            ("email_confirmed_at", "now()"),
            (
                "raw_app_meta_data",
                "'{\"provider\": \"email\", \"providers\": [\"email\"]}'",
            ),
            ("raw_user_meta_data", "'{}'"),
            ("created_at", "now()"),
            ("updated_at", "now()"),
            // the auth server cannot read NULL here
            ("confirmation_token", "''"),
            ("recovery_token", "''"),
            ("email_change", "''"),
            ("email_change_token_new", "''"),
            ("email_change_token_current", "''"),
            ("email_change_confirm_status", "0"),
            ("phone_change", "''"),
            ("phone_change_token", "''"),
            ("reauthentication_token", "''"),
            ("is_sso_user", "false"),
            ("is_anonymous", "false"),
        ];
        let identity = [
            ("id", identity.as_str()),
            ("provider_id", &quoted),
            ("user_id", &quoted),
            ("identity_data", &data),
            ("provider", "'email'"),
            ("created_at", "now()"),
            ("updated_at", "now()"),
        ];
        Ok([insert(users, &user), insert(identities, &identity)].concat())
    }

    /// Gives accounts their passwords: after everything that the database could refuse.
    pub fn passwords_sql(hashes: &[(uuid::Uuid, &PasswordHash)]) -> Result<String, DbError> {
        let mut values = Vec::with_capacity(hashes.len());
        for (id, hash) in hashes {
            values.push(format!(
                "('{id}'::uuid, {})",
                literal(Engine::Postgres, hash.reveal())?
            ));
        }
        Ok(format!(
            "update auth.users u set encrypted_password = v.hash from (values {}) v(id, hash) where u.id = v.id;",
            values.join(", ")
        ))
    }
}

fn insert(table: &Table, cells: &[(&str, &str)]) -> String {
    let known: Vec<_> = cells
        .iter()
        .filter(|(name, _)| table.column(name).is_some_and(|c| !c.generated))
        .collect();
    let names: Vec<String> = known.iter().map(|(name, _)| ident(name)).collect();
    let values: Vec<&str> = known.iter().map(|(_, value)| *value).collect();
    format!(
        "insert into {} ({}) values ({});",
        table.name.sql(Engine::Postgres),
        names.join(", "),
        values.join(", ")
    )
}
