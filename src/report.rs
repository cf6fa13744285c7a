//! The final report: gathered once into one serialisable [`Report`], rendered by templates.
//!
//! Every number comes from the state in the target by a query; nothing is remembered from a run. Cell
//! values never enter a report: keys, codes, the rules' own sentences and counts do.

mod answer;
mod blind;
mod coverage;
mod decision;
mod evidence;
mod first_day;
mod fitness;
mod handover;
mod issue;
mod proof;
mod render;
mod standing;
mod story;

use serde::Serialize;

pub use answer::Finding;
pub use blind::Question;
pub use coverage::Coverage;
pub use decision::Decision;
pub use evidence::{Gate, Reading, Reconciliation, Run, last_run};
pub use first_day::{FirstDay, FirstDayClass};
pub use fitness::Fitness;
pub use issue::{Amount, Issue, Reason, Waiting, rejections};
pub use proof::Proof;
pub use render::{Format, Stamp, page, render, stamp_of, thousands, visible};
pub use standing::{Standing, standings};
pub use story::{Story, story};

use crate::db::{Engine, Session, point};
use crate::plan::handover::Point;
use crate::rule::RuleSet;
use crate::state::{State, StateError};
use crate::verify::{LIMITS, Limit};

/// Version of the report's JSON form; raised when a field changes its meaning.
pub const VERSION: u32 = 1;
/// What stands for a value that is not public.
pub const MASK: &str = "••••";

/// Everything a report shows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Program and version.
    pub made_by: String,
    /// The target server's clock, UTC.
    pub made_at: String,
    /// May it be handed over?
    pub ready: Finding,
    /// Is it done?
    pub done: Finding,
    /// Is it right?
    pub right: Finding,
    /// What must I decide?
    pub decide: Finding,
    /// All tables added up.
    pub totals: Totals,
    /// Per table.
    pub tables: Vec<Standing>,
    /// Every code with its count; rejections first.
    pub issues: Vec<Issue>,
    /// Rejected rows that somebody has decided to leave behind.
    pub decisions: Vec<Decision>,
    /// Business sums.
    pub reconciliations: Vec<Reconciliation>,
    /// Ids both ways: what the target holds, and whose it is.
    pub coverage: Vec<Coverage>,
    /// Checks before and after each table.
    pub gates: Vec<Gate>,
    /// What the checks ask, and what they cannot see.
    pub questions: Vec<Question>,
    /// What `verify --record` found: rows derived again and compared.
    pub verification: Vec<Gate>,
    /// What a verification says nothing about.
    pub limits: &'static [Limit],
    /// What `verify --record` found: whether an application can use what is there.
    pub fitness: Vec<Fitness>,
    /// What people will find on the first day: signing in, files.
    pub first_day: Vec<FirstDay>,
    /// What is not in order on the target beside its rows.
    pub handover: Vec<Point>,
    /// Who ran what, oldest first.
    pub runs: Vec<Run>,
    /// Server time and log position before the first write.
    pub restore_point: Option<String>,
    /// What this report cannot know.
    pub unseen: Vec<String>,
    /// The query behind each number.
    pub proofs: Vec<Proof>,
}

/// Source rows of all tables, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Base rows.
    pub base: i64,
    /// Of those, rows outside the rules' conditions.
    pub filtered: i64,
    /// Rows that rules judged.
    pub read: i64,
    /// Inserted, updated or unchanged.
    pub written: i64,
    /// Left behind on purpose.
    pub skipped: i64,
    /// Rejected.
    pub rejected: i64,
    /// Of those, rows that nobody has decided on.
    pub undecided: i64,
    /// Of those, rows whose loss was accepted.
    pub accepted: i64,
}

impl Totals {
    fn of(tables: &[Standing]) -> Self {
        tables.iter().fold(Self::default(), |sum, t| Self {
            base: sum.base + t.base,
            filtered: sum.filtered + t.filtered,
            read: sum.read + t.read,
            written: sum.written + t.written(),
            skipped: sum.skipped + t.skipped,
            rejected: sum.rejected + t.rejected,
            undecided: sum.undecided + t.undecided,
            accepted: sum.accepted + t.accepted,
        })
    }
}

/// Reads everything a report shows, as it is at one moment; writes nothing.
pub async fn gather(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
) -> Result<Report, StateError> {
    // one snapshot, so that no number is older than the one beside it
    session
        .execute(match state.engine() {
            Engine::Postgres => "begin isolation level repeatable read read only",
            Engine::Sqlite => "begin",
        })
        .await?;
    let gathered = gather_all(session, state, rules).await;
    point("report.gathered")?;
    session.execute("rollback").await?;
    gathered
}

async fn gather_all(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
) -> Result<Report, StateError> {
    let tables = standings(session, Some(state), rules).await?;
    let issues = issue::all(session, state, rules, &tables).await?;
    let (found, mut reconciliations) = evidence::gates(session, state).await?;
    for sum in &mut reconciliations {
        sum.rejected_for = codes_of(&issues, &sum.rule, &sum.name, "reject");
        sum.skipped_for = codes_of(&issues, &sum.rule, &sum.name, "skip");
    }
    let (verification, gates): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|gate| gate.phase == "verify");
    let fitness = fitness::all(session, state).await?;
    let runs = evidence::runs(session, state).await?;
    let coverage = coverage::coverage(session, state, &tables).await?;
    let evidence = answer::Evidence {
        tables: &tables,
        issues: &issues,
        gates: &gates,
        sums: &reconciliations,
        coverage: &coverage,
        fitness: &fitness,
        verification: &verification,
    };
    let right = answer::is_it_right(&evidence);
    let first_day = first_day::first_day(session, rules).await?;
    let mut proofs = proof::proofs(&evidence, &runs);
    proofs.extend(first_day::proofs(&first_day));
    let (handover, asked) = handover::points(session, rules, &first_day).await?;
    proofs.extend(asked);
    let ready = answer::is_it_ready(&evidence, &right, &handover);
    Ok(Report {
        version: VERSION,
        made_by: format!("runner {}", env!("CARGO_PKG_VERSION")),
        made_at: evidence::server_time(session, state).await?,
        ready,
        done: answer::is_it_done(&tables),
        decide: answer::what_to_decide(&issues, &tables),
        totals: Totals::of(&tables),
        restore_point: evidence::restore_point(session, state).await?,
        decisions: decision::decisions(session, state).await?,
        unseen: unseen(state.engine(), &verification),
        proofs,
        first_day,
        handover,
        questions: blind::questions(&gates, !reconciliations.is_empty()),
        right,
        tables,
        issues,
        reconciliations,
        coverage,
        gates,
        verification,
        limits: LIMITS,
        fitness,
        runs,
    })
}

/// Why rows of a rule are not in the target, the commonest code first, each with its share of a sum where
/// the ledger knows it: `orphan 2 (120.50)`.
fn codes_of(issues: &[Issue], rule: &str, sum: &str, verdict: &str) -> String {
    let mut found: Vec<&Issue> = issues
        .iter()
        .filter(|issue| issue.rule == rule && issue.verdict == verdict)
        .collect();
    found.sort_by_key(|issue| std::cmp::Reverse(issue.count));
    let one = |issue: &&Issue| {
        let share = issue.amounts.iter().find(|share| share.name == sum);
        let rows = if issue.count == 1 { "row" } else { "rows" };
        let of = share.map_or_else(String::new, |s| {
            format!("{} in ", render::amount(&s.amount))
        });
        format!("{} {of}{} {rows}", issue.code, thousands(issue.count))
    };
    found.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What the numbers above cannot show; printed in every report, so that nobody reads more into them.
fn unseen(engine: Engine, verification: &[Gate]) -> Vec<String> {
    let mut lines = Vec::new();
    if verification.is_empty() {
        lines.push("Values are not compared field by field: the checks count rows, keys, references and sums.");
    }
    lines.push("Rows that the source gained or changed after the snapshots named here are not part of these numbers.");
    lines.push(match engine {
        Engine::Postgres => {
            "A row counts as edited when another transaction wrote it last; which of its values changed is not looked for."
        }
        Engine::Sqlite => {
            "SQLite does not say who wrote a row last: edits made in the target after the run are not seen."
        }
    });
    if engine == Engine::Sqlite {
        lines.push("SQLite adds up in floating point: sums over it are added up by the program, value by value, in exact decimals.");
    }
    lines.into_iter().map(ToOwned::to_owned).collect()
}
