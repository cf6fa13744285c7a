//! People: whom the target knows already, and what a written row brings along besides itself: a profile and
//! an account to sign in with.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::OutRow;

/// The accounts of the auth server, as far as a chunk's people may have one.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// Ids of accounts; true where the auth server cannot read the row, because a column is NULL that it
    /// takes for text.
    pub there: HashMap<Uuid, bool>,
    /// Who holds an address: in lower case → the account's id, and the address as it is stored.
    pub addresses: HashMap<String, Vec<(Uuid, String)>>,
}

/// What may be done for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// It is there; true when the auth server cannot read it.
    There(bool),
    /// Somebody else holds the address.
    Taken,
    /// Somebody else holds it in other case: signing in would find either.
    OtherCase,
    /// Nobody does.
    Free,
}

impl Accounts {
    /// The account of a profile, and whether its address (lower case) is free.
    pub fn of(&self, id: Uuid, address: Option<&str>) -> Account {
        if let Some(broken) = self.there.get(&id) {
            return Account::There(*broken);
        }
        let holders = address.and_then(|address| self.addresses.get(address).zip(Some(address)));
        match holders {
            Some((holders, address)) if holders.iter().any(|(_, stored)| stored == address) => {
                Account::Taken
            }
            Some((holders, _)) if !holders.is_empty() => Account::OtherCase,
            _ => Account::Free,
        }
    }
}

/// What the target says of the people of a chunk.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Profiles that are answered by the id they will have, because they are not there yet.
    pub absent: HashSet<Uuid>,
    /// `None`: the target has no accounts, or the rule does not ask.
    pub accounts: Option<Accounts>,
}

/// A password's hash in the auth server's own format. Goes from the source into one column of the target,
/// and says nothing of itself anywhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes what has been found usable.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For the statement that writes it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// An account to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// In lower case.
    pub address: String,
    /// `None`: the password has to be set anew.
    pub hash: Option<PasswordHash>,
    /// Id of the identity that belongs to it.
    pub identity: Uuid,
}

/// What comes along with a written row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Of the profile, and of the account.
    pub id: Uuid,
    /// The profile's legacy key.
    pub key: String,
    /// The profile that is made of the source row; `None` when it came from elsewhere.
    pub profile: Option<OutRow>,
    /// The profile is not in the target yet.
    pub is_new: bool,
    /// An account to be made.
    pub login: Option<Login>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_free_taken_or_held_in_other_case() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut accounts = Accounts::default();
        let hold = |stored: &str| vec![(other, stored.to_owned())];
        accounts.addresses.insert("a@x".into(), hold("a@x"));
        accounts.addresses.insert("b@x".into(), hold("B@x"));
        assert_eq!(accounts.of(me, Some("a@x")), Account::Taken);
        assert_eq!(accounts.of(me, Some("b@x")), Account::OtherCase);
        assert_eq!(accounts.of(me, Some("c@x")), Account::Free);
        assert_eq!(accounts.of(me, None), Account::Free);
        accounts.there.insert(me, true);
        assert_eq!(accounts.of(me, Some("a@x")), Account::There(true));
    }

    #[test]
    fn a_hash_says_nothing_of_itself() {
        let login = Login {
            address: "a@x".into(),
            hash: Some(PasswordHash::new("$2b$12$secret".into())),
            identity: Uuid::nil(),
        };
        assert!(!format!("{login:?}").contains("secret"));
    }
}
