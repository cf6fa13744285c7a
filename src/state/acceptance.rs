//! Rejected rows that a person has decided to leave behind: who, when, why.
//!
//! An acceptance is of one row as it was judged: key, code, hash of its inputs, and the rule's
//! *transform*. When one of them changes it no longer holds, and the row is open again.

use std::collections::{BTreeMap, HashSet};

use crate::db::Session;
use crate::state::{State, StateError, number, text};

/// Keys per statement.
const KEYS_PER_STATEMENT: usize = 500;

/// Which rows are decided on.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The rule's name.
    pub rule: &'a str,
    /// The code they were rejected with.
    pub code: &'a str,
    /// Display forms of their keys; empty means all of this code.
    pub keys: &'a [String],
}

/// Who accepted a row, when and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Acceptance {
    /// Account on the host it was accepted on.
    pub who: String,
    /// Target server's clock.
    pub at: String,
    /// The reason given.
    pub note: String,
}

/// What was accepted under the rule as it is: key, code, hash of the inputs.
#[derive(Clone, Debug, Default)]
pub struct Accepted(HashSet<(String, String, String)>);

impl Accepted {
    /// True when the row was accepted as it is now. Inputs that nobody hashed cannot be the same.
    pub fn holds(&self, key: &str, code: &str, input_hash: &str) -> bool {
        let known = input_hash.bytes().any(|digit| digit != b'0');
        !self.0.is_empty()
            && known
            && self
                .0
                .contains(&(key.to_owned(), code.to_owned(), input_hash.to_owned()))
    }
}

impl State {
    /// Accepts the open rows of a decision and returns how many there were. Belongs into a transaction that
    /// [`crate::state::begin_alone`] has begun.
    pub async fn accept(
        self,
        session: &mut Session,
        of: &Decision<'_>,
        note: &str,
        who: &str,
    ) -> Result<i64, StateError> {
        let (quarantine, accepted) = (self.table("quarantine"), self.table("accepted"));
        // the rule as it stands: rows judged by an earlier version of it were accepted all the same
        let current = self.segments(session, of.rule).await?.pop();
        let transform = match current {
            Some(segment) => format!("'{}'", segment.transform_fp),
            None => "transform_fp".to_owned(),
        };
        let mut rows = 0;
        for which in self.those(of, "open")? {
            let counted = session
                .query(&format!("select count(*) from {quarantine} where {which}"))
                .await?;
            rows += number(&counted, 0, 0)?;
            session
                .execute(&format!(
                    "insert into {accepted} (id, rule, code, key, note, who, input_hash, transform_fp, at) \
                     select (select coalesce(max(id), 0) from {accepted}) + row_number() over (order by key), rule, code, key, {}, {}, \
                     input_hash, {transform}, {} from {quarantine} where {which}; \
                     update {quarantine} set status = 'accepted' where {which}",
                    self.text(note)?,
                    self.text(who)?,
                    self.now(),
                ))
                .await?;
        }
        Ok(rows)
    }

    /// Takes acceptances back and returns how many rows are open again. Belongs into a transaction that
    /// [`crate::state::begin_alone`] has begun.
    pub async fn revoke(self, session: &mut Session, of: &Decision<'_>) -> Result<i64, StateError> {
        let (quarantine, accepted) = (self.table("quarantine"), self.table("accepted"));
        let mut rows = 0;
        for (which, granted) in self
            .those(of, "accepted")?
            .iter()
            .zip(self.granted(of)?.iter())
        {
            let counted = session
                .query(&format!("select count(*) from {quarantine} where {which}"))
                .await?;
            rows += number(&counted, 0, 0)?;
            session
                .execute(&format!(
                    "update {accepted} set revoked_at = {} where {granted}; update {quarantine} set status = 'open' where {which}",
                    self.now(),
                ))
                .await?;
        }
        Ok(rows)
    }

    /// The rows of a rule's quarantine by code: open, accepted.
    pub async fn quarantined_codes(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<BTreeMap<String, (i64, i64)>, StateError> {
        let sql = format!(
            "select code, sum(case when status = 'open' then 1 else 0 end), sum(case when status = 'accepted' then 1 else 0 end) from {} \
             where rule = {} and status <> 'trial' group by code",
            self.table("quarantine"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        (0..rows.len())
            .map(|row| {
                let code = text(&rows, row, 0)?.unwrap_or_default();
                Ok((code, (number(&rows, row, 1)?, number(&rows, row, 2)?)))
            })
            .collect()
    }

    /// Who accepted a row; `None` when nobody did, or not as it is now.
    pub async fn acceptance(
        self,
        session: &mut Session,
        rule: &str,
        key: &str,
    ) -> Result<Option<Acceptance>, StateError> {
        let sql = format!(
            "select a.who, a.at, a.note from {} a join {} q on q.rule = a.rule and q.key = a.key and q.code = a.code \
             where a.rule = {} and a.key = {} and a.revoked_at is null and q.status = 'accepted' order by a.id desc limit 1",
            self.table("accepted"),
            self.table("quarantine"),
            self.text(rule)?,
            self.text(key)?
        );
        let rows = session.query(&sql).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let get = |column| text(&rows, 0, column).map(Option::unwrap_or_default);
        Ok(Some(Acceptance {
            who: get(0)?,
            at: get(1)?,
            note: get(2)?,
        }))
    }

    /// What was accepted of a rule under this *transform*.
    pub async fn accepted(
        self,
        session: &mut Session,
        rule: &str,
        transform_fp: &str,
    ) -> Result<Accepted, StateError> {
        let sql = format!(
            "select key, code, input_hash from {} where rule = {} and transform_fp = '{transform_fp}' and revoked_at is null",
            self.table("accepted"),
            self.text(rule)?
        );
        let rows = session.query(&sql).await?;
        let get = |row, column| text(&rows, row, column).map(Option::unwrap_or_default);
        let all = (0..rows.len()).map(|row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?)));
        all.collect::<Result<_, StateError>>().map(Accepted)
    }

    /// A statement that opens the accepted rows of a rule again which were accepted under another *transform*.
    pub fn lapse_sql(self, rule: &str, transform_fp: &str) -> Result<String, StateError> {
        let quarantine = self.table("quarantine");
        Ok(format!(
            "update {quarantine} set status = 'open' where rule = {rule} and status = 'accepted' and not exists (select 1 from {accepted} a \
             where a.rule = {rule} and a.key = {quarantine}.key and a.code = {quarantine}.code and a.input_hash = {quarantine}.input_hash \
             and a.transform_fp = '{transform_fp}' and a.revoked_at is null)",
            accepted = self.table("accepted"),
            rule = self.text(rule)?,
        ))
    }

    /// Conditions on `quarantine`, one per so many keys.
    fn those(self, of: &Decision<'_>, status: &str) -> Result<Vec<String>, StateError> {
        let more = format!(" and status = '{status}'");
        self.conditions(of, &more)
    }

    /// Conditions on `accepted`, parted like those on `quarantine`.
    fn granted(self, of: &Decision<'_>) -> Result<Vec<String>, StateError> {
        self.conditions(of, " and revoked_at is null")
    }

    fn conditions(self, of: &Decision<'_>, more: &str) -> Result<Vec<String>, StateError> {
        let all = format!(
            "rule = {} and code = {}{more}",
            self.text(of.rule)?,
            self.text(of.code)?
        );
        if of.keys.is_empty() {
            return Ok(vec![all]);
        }
        let parts = of.keys.chunks(KEYS_PER_STATEMENT).map(|keys| {
            let keys: Result<Vec<_>, _> = keys.iter().map(|key| self.text(key)).collect();
            Ok(format!("{all} and key in ({})", keys?.join(",")))
        });
        parts.collect()
    }
}
