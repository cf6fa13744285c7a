//! What a rule declares in its `RULE` literal.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::ids::IdKind;

/// The `RULE` of a file, read without running anything. Optional lists are empty when absent.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// Source table whose rows are accounted for; empty for a procedural rule that names none.
    pub base: String,
    /// SQL condition on `base`; rows that fail it are filtered.
    pub where_: Option<String>,
    /// Select that replaces `base` for reading, one row per base key.
    pub from: Option<String>,
    /// Key columns of `base`; empty for a procedural rule that names none.
    pub key: Vec<String>,
    /// Target table.
    pub target: String,
    /// Target column that keeps the legacy key.
    pub legacy: Option<String>,
    /// Parents whose ids the rule asks for.
    pub ids: Vec<IdsDecl>,
    /// Related rows the rule asks for.
    pub lookups: Vec<LookupDecl>,
    /// Columns that go over without entering the script.
    pub copy: Vec<CopyPair>,
    /// Columns whose values may be shown outside the database.
    pub public: Vec<String>,
    /// Columns whose values are never stored, not even in quarantine.
    pub secret: Vec<String>,
    /// Smallest accepted share of written rows, 0 to 1.
    pub min_success: Option<Decimal>,
    /// Sums that must agree.
    pub reconcile: Vec<Reconcile>,
    /// What to do about a code.
    pub fix: BTreeMap<String, String>,
    /// `rows: "many"`: `transform` returns an array.
    pub many: bool,
    /// Target columns that identify a row in nature.
    pub match_: Vec<String>,
    /// What happens to a target row that is already there.
    pub existing: Existing,
    /// How ids are computed.
    pub id: IdKind,
    /// Time zone of the source's timestamps without one.
    pub zone: Option<String>,
    /// Target columns that the target itself fills.
    pub volatile: Vec<String>,
    /// Budget of faults.
    pub stop: Stop,
    /// Triggers on the target that the owner accepts.
    pub effects: Vec<String>,
    /// Files that belong to the rows.
    pub storage: Option<Storage>,
    /// What happens to a person without a profile: `reject` or `create`.
    pub missing_profile: Option<MissingProfile>,
    /// What happens to a person's login.
    pub auth: Option<Auth>,
}

/// What happens to a person without a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingProfile {
    /// The row is rejected.
    Reject,
    /// A profile is made of the source row.
    Create,
}

/// What happens to a person's login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The account with the profile's id is looked for.
    Link,
    /// Where there is none, it is made.
    Create,
}

/// Target columns that `auth` fills: the account, and whether there is one.
pub(crate) const AUTH_COLUMNS: [&str; 2] = ["user_id", "auth_linked"];

/// One parent table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdsDecl {
    /// Target table that the ids belong to.
    pub entity: String,
    /// Its column that keeps the legacy key.
    pub legacy: Option<String>,
    /// Row columns, or `lookup.column`, that hold keys to ask for.
    pub from: Vec<String>,
}

impl IdsDecl {
    /// The people's own table, in whatever schema.
    pub fn is_profiles(&self) -> bool {
        self.entity.rsplit('.').next() == Some("profiles")
    }
}

/// One lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupDecl {
    /// Name the script uses.
    pub name: String,
    /// Which database.
    pub db: Side,
    /// Table or select.
    pub from: String,
    /// Its column that is compared with the keys.
    pub by: String,
    /// Row columns, or `lookup.column`, that hold keys to ask for.
    pub keys: Vec<String>,
    /// Columns the script gets.
    pub take: Vec<String>,
    /// Columns that order the rows of one key.
    pub order: Vec<String>,
}

/// Which database a lookup reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The legacy database.
    Source,
    /// The target, rows written earlier in this run included.
    Target,
}

/// A column that goes over as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyPair {
    /// Target column.
    pub target: String,
    /// Source column.
    pub source: String,
}

/// Two sums that must agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// Name in reports.
    pub name: String,
    /// Source column.
    pub source: String,
    /// Target column.
    pub target: String,
}

/// What happens to a target row that was there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Adopt its id, write only columns that are NULL or at their default.
    #[default]
    Fill,
    /// Adopt its id, write nothing.
    Keep,
    /// Adopt its id, write all columns.
    Update,
    /// Reject the source row.
    Conflict,
}

/// How many faults a rule may have before it counts as broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Faults in rows.
    pub faults: u64,
    /// Share of the rows read, 0 to 1.
    pub share: Decimal,
}

impl Default for Stop {
    fn default() -> Self {
        Self {
            faults: 1000,
            share: Decimal::new(5, 1),
        }
    }
}

/// Where the files of the rows lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Bucket name.
    pub bucket: String,
    /// SQL expression over a row `t` of the target table: the object's name in the bucket.
    pub path: String,
}
