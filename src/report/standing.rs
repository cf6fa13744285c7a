//! Where each rule stands: its account, its speed, its expectation.

use serde::Serialize;

use crate::db::Session;
use crate::report::evidence::{list_of_texts, seconds_between};
use crate::row::Key;
use crate::rule::{Rule, RuleSet};
use crate::state::{Account, CodeCounts, State, StateError, number, text};

/// One rule's account, in source rows. `status --json` and the report's tables have this shape.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Standing {
    /// The rule.
    pub name: String,
    /// Its source table, when the rule is in the folder.
    pub source: Option<String>,
    /// Its target table.
    pub target: String,
    /// Base rows gone through; `base = filtered + read`.
    pub base: i64,
    /// Rows that fail the rule's `where`.
    pub filtered: i64,
    /// Rows that were judged; `read = inserted + updated + unchanged + skipped + rejected`.
    pub read: i64,
    /// New in the target.
    pub inserted: i64,
    /// Changed in the target.
    pub updated: i64,
    /// Already as they should be.
    pub unchanged: i64,
    /// Left behind on purpose.
    pub skipped: i64,
    /// Rejected.
    pub rejected: i64,
    /// Rejected, and nobody has decided on them.
    pub undecided: i64,
    /// Rejected, and accepted as missing.
    pub accepted: i64,
    /// Read to the last row.
    pub done: bool,
    /// Per verdict and code.
    pub codes: CodeCounts,
    /// Rows in the target that belong to the written source rows.
    pub target_rows: i64,
    /// Adopted rows that keep a differing value.
    pub kept: i64,
    /// Base rows in the newest snapshot.
    pub base_now: i64,
    /// The rule's `where`.
    pub condition: Option<String>,
    /// Last key committed, as people write it.
    pub checkpoint: Option<String>,
    /// Server time of the last commit.
    pub last_commit: Option<String>,
    /// Time spent reading and writing, by the target server's clock.
    pub seconds: f64,
    /// Base rows per second of that time.
    pub rate: Option<f64>,
    /// Written of those that should have been: 0 to 1.
    pub success: Option<f64>,
    /// The rule's `min_success`.
    pub min_success: Option<f64>,
    /// The rule is in the folder; otherwise only the state knows it.
    pub in_folder: bool,
    /// The rule's *transform* fingerprint at its last run.
    pub transform_fp: String,
    /// The rule's *gate* fingerprint at its last run.
    pub gate_fp: String,
    /// `complete`, `not complete`, `to decide`, `below expected` or `accepted`.
    pub verdict: &'static str,
    /// The ledger lines of this account, as the end of a query; empty before the first run.
    #[serde(skip)]
    pub ledger: String,
    /// What the source counted in the newest snapshot.
    #[serde(skip)]
    pub counted: Option<Counted>,
}

/// The source's own count of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Base rows in the newest snapshot.
    pub base: i64,
    /// Of those, rows that satisfy the rule's condition.
    pub read: i64,
    /// The source's name for the snapshot.
    pub snapshot: String,
    /// The source's clock.
    pub at: String,
}

impl Standing {
    /// Source rows whose result is in the target.
    pub fn written(&self) -> i64 {
        self.inserted + self.updated + self.unchanged
    }

    /// Every row has exactly one outcome, and a finished table has gone through every base row.
    pub fn balanced(&self) -> bool {
        let complete = !self.done || self.base >= self.base_now;
        self.base == self.filtered + self.read
            && self.read == self.written() + self.skipped + self.rejected
            && complete
    }

    /// Fewer rows were written than the rule expects, and not all that are missing were accepted as missing.
    pub fn missed(&self) -> bool {
        let excused = self.undecided == 0 && self.accepted > 0;
        self.done
            && !excused
            && self
                .success
                .zip(self.min_success)
                .is_some_and(|(is, least)| is < least)
    }

    /// One word for where it stands.
    fn verdict(&self) -> &'static str {
        match () {
            () if !self.done => "not complete",
            () if self.missed() => "below expected",
            () if self.undecided > 0 => "to decide",
            () if self.accepted > 0 => "accepted",
            () => "complete",
        }
    }

    fn new(name: &str, target: String, account: Account) -> Self {
        let c = account.counts;
        let written = c.inserted + c.updated + c.unchanged;
        let due = c.read - c.skipped;
        Self {
            name: name.to_owned(),
            target,
            base: c.base,
            filtered: c.filtered,
            read: c.read,
            inserted: c.inserted,
            updated: c.updated,
            unchanged: c.unchanged,
            skipped: c.skipped,
            rejected: c.rejected,
            undecided: account.undecided,
            accepted: account.accepted,
            done: account.done,
            codes: account.codes,
            target_rows: c.target_rows,
            kept: c.kept,
            base_now: account.base_now,
            checkpoint: serde_json::from_str(&account.checkpoint)
                .ok()
                .map(|parts| Key(parts).to_string()),
            last_commit: Some(account.last_commit).filter(|c| !c.is_empty()),
            success: (due > 0).then(|| written as f64 / due as f64),
            transform_fp: account.transform_fp,
            gate_fp: account.gate_fp,
            ..Self::default()
        }
    }

    fn with_rule(mut self, rule: &Rule) -> Self {
        self.in_folder = true;
        self.source = Some(rule.header.base.clone()).filter(|base| !base.is_empty());
        self.condition.clone_from(&rule.header.where_);
        self.min_success = rule
            .header
            .min_success
            .and_then(|least| least.to_string().parse().ok());
        self
    }
}

/// The standing of every rule of the folder, and of those that only the state knows. Without a state
/// nothing has been done.
pub async fn standings(
    session: &mut Session,
    state: Option<State>,
    rules: &RuleSet,
) -> Result<Vec<Standing>, StateError> {
    let mut out = Vec::new();
    for rule in &rules.rules {
        let account = match state {
            Some(state) => {
                let mut account = state.account(session, &rule.name).await?;
                account.lapse(&rule.fingerprints.transform);
                account
            }
            None => Account::default(),
        };
        let standing =
            Standing::new(&rule.name, rule.header.target.clone(), account).with_rule(rule);
        out.push(timed(session, state, standing).await?);
    }
    let Some(state) = state else { return Ok(out) };
    let sql = format!(
        "select distinct rule from {} s where {} order by rule",
        state.table("segment"),
        state.live_segment("s")
    );
    let stored = session.query(&sql).await?;
    for name in list_of_texts(&stored)? {
        if out.iter().any(|known| known.name == name) {
            continue;
        }
        let target = state
            .segments(session, &name)
            .await?
            .pop()
            .map(|s| s.target)
            .unwrap_or_default();
        let account = state.account(session, &name).await?;
        out.push(timed(session, Some(state), Standing::new(&name, target, account)).await?);
    }
    Ok(out)
}

/// Adds up the time of the segments of the newest pass: the speed counts waiting for both databases.
async fn timed(
    session: &mut Session,
    state: Option<State>,
    mut standing: Standing,
) -> Result<Standing, StateError> {
    standing.verdict = standing.verdict();
    let Some(state) = state.filter(|_| standing.base > 0) else {
        return Ok(standing);
    };
    let (segment, rule) = (state.table("segment"), state.text(&standing.name)?);
    let newest = format!(
        "select coalesce(max(pass), 0) from {segment} s where rule = {rule} and {}",
        state.live_segment("s")
    );
    let pass = number(&session.query(&newest).await?, 0, 0)?;
    let sql = format!(
        "select s.opened_at, (select max(c.committed_at) from {chunk} c where c.segment_id = s.id) from {segment} s where s.rule = {rule} \
         and {} and s.pass = {pass}",
        state.live_segment("s"),
        chunk = state.table("chunk"),
    );
    let rows = session.query(&sql).await?;
    for row in 0..rows.len() {
        if let (Some(from), Some(to)) = (text(&rows, row, 0)?, text(&rows, row, 1)?) {
            standing.seconds += seconds_between(&from, &to).unwrap_or(0.0);
        }
    }
    standing.ledger = format!(
        "from {chunk} where rule = {rule} and accounted = 1 and pass = {pass}",
        chunk = state.table("chunk"),
    );
    if let Some(newest) = state.segments(session, &standing.name).await?.pop() {
        standing.counted = Some(Counted {
            base: newest.base,
            read: newest.read,
            snapshot: newest.snapshot,
            at: newest.source_time,
        });
    }
    standing.rate = (standing.seconds > 0.0).then(|| standing.base as f64 / standing.seconds);
    Ok(standing)
}
