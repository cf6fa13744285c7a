//! People: the profile that is made of a row, and the account that belongs to it.
//!
//! Everything is decided by what was fetched for the chunk, so the same row says the same before and after it
//! was written: a profile is ours when its id is the one computed from the row's key.

use std::sync::Arc;

use uuid::Uuid;

use super::bound::{Bound, Inner};
use super::header::AUTH_COLUMNS;
use super::judge::{Judge, refuse};
use super::profile::{Make, PROFILE_COLUMNS, make};
use super::{Auth, MissingProfile, Rule, login};
use crate::catalog::Table;
use crate::diagnostic::Diagnostic;
use crate::ids::{IdKind, id_for};
use crate::row::{Account, Answers, Key, Login, Note, Person, Rows, Stage};
use crate::script::Said;
use crate::value::Scalar;

/// Columns of the row that an account is made of: address, Django's password, whether it is in use.
const LOGIN_COLUMNS: [&str; 3] = ["email", "password", "is_active"];

/// Where a person's columns are.
pub(super) struct PersonPlan {
    auth: Option<Auth>,
    /// Target column that refers to the profile.
    profile: u16,
    user: Option<u16>,
    linked: Option<u16>,
    /// Source columns.
    key: usize,
    login: [Option<usize>; 3],
    pub(super) make: Option<Make>,
}

impl Rule {
    /// The columns of its table that `auth` fills, as far as the table has them.
    pub(super) fn auth_columns(&self, table: Option<&Table>) -> Vec<String> {
        let asked = self.header.auth.is_some();
        let has = |name: &&str| asked && table.is_some_and(|table| table.column(name).is_some());
        let names = AUTH_COLUMNS.iter().copied().filter(has);
        names.map(str::to_owned).collect()
    }

    /// Columns of the row that profiles and accounts are made of, whether the script reads them or not.
    pub(super) fn person_columns(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        if self.header.auth == Some(Auth::Create) {
            names.extend(LOGIN_COLUMNS);
        }
        if self.header.missing_profile == Some(MissingProfile::Create) && !self.has.profile {
            names.extend(PROFILE_COLUMNS);
            names.push(LOGIN_COLUMNS[0]);
        }
        names
    }

    /// The declared table of profiles, when profiles are made.
    pub fn makes_profiles_in(&self) -> Option<&str> {
        let makes = self.header.missing_profile == Some(MissingProfile::Create);
        let mut decls = self.header.ids.iter().filter(|decl| decl.is_profiles());
        decls.next().filter(|_| makes).map(|decl| &*decl.entity)
    }

    pub(super) fn problem(&self, key: &str, problem: Diagnostic) -> Diagnostic {
        match self.place_of(&[key]) {
            Some(place) => problem.at(place),
            None => problem,
        }
    }
}

impl Bound {
    /// Joins a rule about people with the table of profiles that it makes, if it does.
    ///
    /// # Errors
    /// A column that it needs is not there, or cannot hold what it gets.
    pub fn with_profiles(self, profiles: Option<Arc<Table>>) -> Result<Self, Vec<Diagnostic>> {
        let Some(mut inner) = Arc::into_inner(self.inner) else {
            return Err(vec![Diagnostic::error("a rule in use is not joined again")]);
        };
        inner.person = plan(&inner, profiles).map_err(|problem| vec![problem])?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

fn plan(inner: &Inner, profiles: Option<Arc<Table>>) -> Result<Option<PersonPlan>, Diagnostic> {
    let (rule, target) = (&inner.rule, &inner.target);
    let auth = rule.header.auth;
    if auth.is_none() && profiles.is_none() {
        return Ok(None);
    }
    let asking = if auth.is_some() {
        "auth"
    } else {
        "missing_profile"
    };
    let target_index = |name: &str| target.index(name).and_then(|at| u16::try_from(at).ok());
    let source = |name: &str| inner.source.iter().position(|(column, _)| column == name);
    let Some(profile) = target.refers_to_profiles().and_then(target_index) else {
        let message = format!(
            "`{asking}` needs a column of `{}` that refers to profiles",
            target.name
        );
        return Err(rule.problem(asking, Diagnostic::error(message)));
    };
    let [user, linked] = AUTH_COLUMNS.map(target_index);
    if auth.is_some() && user.is_none() && linked.is_none() {
        let message = format!(
            "`auth` fills `{}` and `{}`, and `{}` has neither",
            AUTH_COLUMNS[0], AUTH_COLUMNS[1], target.name
        );
        return Err(rule.problem("auth", Diagnostic::error(message)));
    }
    let Some(key) = rule.header.key.first().and_then(|key| source(key)) else {
        return Ok(None);
    };
    let make = match profiles {
        Some(table) => Some(make(inner, table, key)?),
        None => None,
    };
    Ok(Some(PersonPlan {
        auth,
        profile,
        user: user.filter(|_| auth.is_some()),
        linked: linked.filter(|_| auth.is_some()),
        key,
        login: LOGIN_COLUMNS.map(source),
        make,
    }))
}

impl Judge {
    /// Fills the columns about the account, and says what has to come along with the row.
    pub(super) fn person(
        &mut self,
        rows: &Arc<Rows>,
        row: usize,
        answers: &Arc<Answers>,
    ) -> Result<(), Said> {
        let bound = Arc::clone(&self.bound);
        let Some(plan) = &bound.person else {
            return Ok(());
        };
        let id: Option<Uuid> = self
            .encoder
            .text(plan.profile)
            .and_then(|id| id.parse().ok());
        let key = text(rows, row, plan.key).unwrap_or_default();
        let mut person = id.map(|id| Person {
            id,
            key: key.clone(),
            profile: None,
            is_new: false,
            login: None,
        });
        if let (Some(make), Some(person)) = (&plan.make, &mut person) {
            let own = id_for(
                bound.namespace,
                &make.entity,
                &Key::single(key.as_str()),
                &[],
                IdKind::V5,
            );
            if own == person.id {
                person.profile = Some(self.profile(make, own, rows, row)?);
                person.is_new = answers
                    .people
                    .as_ref()
                    .is_some_and(|p| p.absent.contains(&own));
                self.remark("profile_created", "the profile was made of the user's row");
            }
        }
        if plan.auth.is_some() {
            let linked = match &mut person {
                Some(person) => self.account(plan, person, rows, row, answers),
                None => false,
            };
            self.fill_account(plan, id.filter(|_| linked))?;
        }
        self.along = person
            .filter(|person| person.profile.is_some() || person.login.is_some())
            .map(Box::new);
        Ok(())
    }

    /// Whether the profile has an account, or gets one.
    fn account(
        &mut self,
        plan: &PersonPlan,
        person: &mut Person,
        rows: &Rows,
        row: usize,
        answers: &Answers,
    ) -> bool {
        let accounts = answers
            .people
            .as_ref()
            .and_then(|people| people.accounts.as_ref());
        let Some(accounts) = accounts else {
            return false;
        };
        let makes = plan.auth == Some(Auth::Create);
        let cell = |at: usize| plan.login[at].and_then(|column| text(rows, row, column));
        let address = cell(0).and_then(|address| address_of(&address));
        match accounts.of(person.id, address.as_deref().filter(|_| makes)) {
            Account::There(broken) => {
                if broken {
                    self.remark(
                        "login_broken",
                        "the auth server cannot read the account: a column of it is NULL",
                    );
                }
                return true;
            }
            // the row is as it should be; who cannot sign in is told with all others, by `verify` and the report
            _ if !makes => {}
            Account::Taken => self.remark("email_taken", "another account has this address"),
            Account::OtherCase => self.remark(
                "email_case",
                "another account has this address in other case",
            ),
            Account::Free => {
                let Some(address) = address else {
                    self.remark("no_login_address", "no account without an e-mail address");
                    return false;
                };
                // whoever was locked out of the old system must not find a door into the new one
                if cell(2).is_some_and(|active| active == "f") {
                    self.remark("login_inactive", "no account for a user who is not active");
                    return false;
                }
                let hash = cell(1).and_then(|django| login::usable(&django));
                self.remark("login_created", "an account was made");
                if hash.is_none() {
                    self.remark(
                        "must_reset_password",
                        "the auth server cannot use the old password's hash",
                    );
                }
                let key = Key::single(person.key.as_str());
                let identity = id_for(
                    self.bound.namespace,
                    "auth.identities",
                    &key,
                    &[],
                    IdKind::V5,
                );
                person.login = Some(Login {
                    address,
                    hash,
                    identity,
                });
                return true;
            }
        }
        false
    }

    fn fill_account(&mut self, plan: &PersonPlan, account: Option<Uuid>) -> Result<(), Said> {
        let bound = Arc::clone(&self.bound);
        let user = account.map_or(Scalar::Null, |id| Scalar::Text(id.to_string()));
        for (at, value) in [
            (plan.user, user),
            (plan.linked, Scalar::Bool(account.is_some())),
        ] {
            let Some(at) = at else { continue };
            let column = &bound.target.columns[usize::from(at)];
            if self.encoder.has(at) {
                let place = self.program.key_place("transform", &column.name);
                let message = format!(
                    "column `{}` is set by `transform` or `copy`, and by `auth`",
                    column.name
                );
                return Err(self.program.fault(Diagnostic::error(message).at(place)));
            }
            self.encoder
                .scalar(at, &value, column, None)
                .map_err(|misfit| {
                    refuse(
                        Stage::Fit,
                        misfit.code,
                        format!("column `{}`: {}", column.name, misfit.why),
                    )
                })?;
        }
        Ok(())
    }

    fn remark(&mut self, code: &str, why: &str) {
        self.remarks.push(Note {
            code: code.to_owned(),
            why: why.to_owned(),
        });
    }
}

pub(super) fn text(rows: &Rows, row: usize, column: usize) -> Option<String> {
    let text = rows.text(row, column)?.ok()?;
    Some(text.into_owned())
}

/// As the auth server compares addresses.
pub(super) fn address_of(text: &str) -> Option<String> {
    let address = text.trim().to_lowercase();
    (!address.is_empty()).then_some(address)
}
