//! What rules about people ask of the target besides ids: which profiles are not there yet, and who has an
//! account.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::{self, AuthUsers, Table};
use crate::db::{DbError, Engine, Session, TableName, literal_list};
use crate::diagnostic::Diagnostic;
use crate::row::{Account, Accounts, Answers, IdAnswer, People, Rows};
use crate::rule::{Auth, Rule};
use crate::target::{Destination, PeopleTables};
use crate::value::Logical;

/// Values per statement.
const VALUES_PER_QUERY: usize = 5_000;

/// How accounts are asked for.
#[derive(Debug)]
pub(super) struct AccountsWant {
    /// Parent table whose ids accounts have.
    profiles: String,
    /// Row column with the address, when accounts are made.
    address: Option<usize>,
    makes: bool,
    select: String,
}

impl AccountsWant {
    /// `None` when the rule does not ask, or the target has no accounts.
    pub(super) async fn prepare(
        rule: &Rule,
        columns: &[(String, Logical)],
        target: &mut Session,
    ) -> Result<Option<Self>, Diagnostic> {
        let placed = |problem| at(rule, "auth", problem);
        let Some(auth) = rule.header.auth else {
            return Ok(None);
        };
        let Some(profiles) = rule.header.ids.iter().find(|decl| decl.is_profiles()) else {
            let problem =
                Diagnostic::error("`auth` finds accounts by profiles, and `ids` declares none");
            return Err(placed(problem.hint(
                "add `profiles: #{ legacy: \"legacy_user_id\", from: [\"id\"] }` to `RULE.ids`",
            )));
        };
        let select = match catalog::auth_users(target).await? {
            AuthUsers::Absent => return Ok(None),
            AuthUsers::Select(select) => select,
            AuthUsers::Hidden => {
                let problem = Diagnostic::error(
                    "this role may not read `auth.users`, where `auth` looks for each person's account",
                );
                return Err(placed(problem.hint("`runner print grants` makes a view for it, without the passwords; or connect as `postgres`")));
            }
        };
        let makes = auth == Auth::Create;
        let address = columns.iter().position(|(name, _)| name == "email");
        Ok(Some(Self {
            profiles: profiles.entity.clone(),
            address: address.filter(|_| makes),
            makes,
            select,
        }))
    }

    /// Accounts of the profiles that were found for `rows`, and holders of their addresses.
    pub(super) async fn fetch(
        &self,
        rows: &Rows,
        answers: &Answers,
        target: &mut Session,
    ) -> Result<Accounts, DbError> {
        let ids: BTreeSet<String> = answers
            .ids
            .get(&self.profiles)
            .into_iter()
            .flat_map(|known| known.iter().map(|(_, answer)| answer))
            .filter_map(|answer| match answer {
                IdAnswer::One(id) => Some(id.to_string()),
                _ => None,
            })
            .collect();
        let addresses: BTreeSet<String> = (0..rows.len())
            .filter_map(|row| self.address_in(rows, row))
            .collect();
        let mut accounts = Accounts::default();
        let asked = [
            ("id", Logical::Uuid, ids),
            ("lower(email)", Logical::Text(None), addresses),
        ];
        for (by, logical, values) in asked {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            for values in values.chunks(VALUES_PER_QUERY) {
                let list = literal_list(target.engine(), &logical, values.iter().copied());
                if list.is_empty() {
                    continue;
                }
                let sql = format!(
                    "select id::text, email, lower(email), has_null::text from ({}) u where {by} in ({list})",
                    self.select
                );
                let columns = ["id", "email", "lower", "has_null"].map(str::to_owned);
                let found = target.copy_out(&sql, columns.into(), None).await?;
                for row in 0..found.len() {
                    let text = |column| found.text(row, column).and_then(Result::ok);
                    let Some(id) = text(0).and_then(|id| id.parse::<Uuid>().ok()) else {
                        continue;
                    };
                    if by == "id" {
                        let broken = text(3).is_some_and(|null| null == "true");
                        accounts.there.insert(id, broken);
                    } else if let (Some(stored), Some(lower)) = (text(1), text(2)) {
                        let holders = accounts.addresses.entry(lower.into_owned()).or_default();
                        holders.push((id, stored.into_owned()));
                    }
                }
            }
        }
        Ok(accounts)
    }

    fn address_in(&self, rows: &Rows, row: usize) -> Option<String> {
        let text = rows.text(row, self.address?)?.ok()?;
        let address = text.trim().to_lowercase();
        (!address.is_empty()).then_some(address)
    }

    /// What a row may see of the accounts, as one byte for its input's hash: the same before and after an
    /// account was made for it.
    pub(super) fn seen(&self, rows: &Rows, row: usize, accounts: &Accounts, id: Uuid) -> u8 {
        let address = self.address_in(rows, row);
        match accounts.of(id, address.as_deref()) {
            Account::There(_) => 1,
            Account::Free if self.makes && address.is_some() => 1,
            Account::Free => 0,
            Account::Taken | Account::OtherCase => 2,
        }
    }
}

/// What is known of the people of a chunk; `None` for rules about other things.
pub(super) async fn people(
    want: Option<&AccountsWant>,
    absent: HashSet<Uuid>,
    makes_profiles: bool,
    rows: &Rows,
    answers: &Answers,
    target: &mut Session,
) -> Result<Option<People>, DbError> {
    let accounts = match want {
        Some(want) => Some(want.fetch(rows, answers, target).await?),
        None => None,
    };
    Ok((makes_profiles || accounts.is_some()).then_some(People { absent, accounts }))
}

/// The tables that a rule about people writes besides its own.
///
/// # Errors
/// One of them is not there, or may not be written.
pub(super) async fn people_tables(
    rule: &Rule,
    target: &mut Session,
) -> Result<PeopleTables, Vec<Diagnostic>> {
    let mut tables = PeopleTables::default();
    let mut problems = Vec::new();
    if let Some(name) = rule.makes_profiles_in() {
        match writable(rule, "missing_profile", name, target).await {
            Ok(table) => {
                tables.profiles = Destination::new(None, &[], table, target.engine());
                if tables.profiles.is_none() {
                    let problem = Diagnostic::error(format!(
                        "`{name}` has no uuid primary key of one column"
                    ));
                    problems.push(at(rule, "missing_profile", problem));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    let there = rule.header.auth == Some(Auth::Create)
        && target.engine() == Engine::Postgres
        && catalog::may_enter(target, "auth")
            .await
            .map_err(|e| vec![e.into()])?
            .is_some();
    if there {
        let users = writable(rule, "auth", "auth.users", target).await;
        let identities = writable(rule, "auth", "auth.identities", target).await;
        match (users, identities) {
            (Ok(users), Ok(identities)) => tables.accounts = Some((users, identities)),
            (users, identities) => problems.extend(users.err().into_iter().chain(identities.err())),
        }
    }
    if problems.is_empty() {
        Ok(tables)
    } else {
        Err(problems)
    }
}

async fn writable(
    rule: &Rule,
    key: &str,
    name: &str,
    target: &mut Session,
) -> Result<Arc<Table>, Diagnostic> {
    let name_of = TableName::parse(name);
    if let (Some(schema), Engine::Postgres) = (&name_of.schema, target.engine())
        && catalog::may_enter(target, schema).await? == Some(false)
    {
        let problem = Diagnostic::error(format!(
            "this role may not use the schema of `{name}`, where `{key}: \"create\"` writes"
        ));
        return Err(at(
            rule,
            key,
            problem.hint("connect as `postgres`, or grant it"),
        ));
    }
    match catalog::table(target, &name_of).await? {
        None => Err(at(
            rule,
            key,
            Diagnostic::error(format!(
                "the target has no table `{name}`, where `{key}: \"create\"` writes"
            )),
        )),
        Some(table) if !table.rights.insert => {
            let problem = Diagnostic::error(format!(
                "this role may not insert into `{name}`, where `{key}: \"create\"` writes"
            ));
            Err(at(
                rule,
                key,
                problem.hint("connect as `postgres`, or grant it"),
            ))
        }
        Some(table) => Ok(Arc::new(table)),
    }
}

fn at(rule: &Rule, key: &str, problem: Diagnostic) -> Diagnostic {
    match rule.place_of(&[key]) {
        Some(place) => problem.at(place),
        None => problem,
    }
}
