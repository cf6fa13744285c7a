//! The final report: gathered once into one serialisable [`Report`], rendered by templates.
//!
//! Every number comes from the state in the target by a query; nothing is remembered from a run. Cell
//! values never enter a report: keys, codes, the rules' own sentences and counts do.

mod evidence;
mod issue;
mod render;
mod standing;
mod story;

use serde::Serialize;

pub use evidence::{Gate, Reading, Reconciliation, Run, last_run};
pub use issue::{Issue, rejections};
pub use render::{Format, render, thousands, visible};
pub use standing::{Standing, standings};
pub use story::{Story, story};

use crate::db::Session;
use crate::rule::RuleSet;
use crate::state::{State, StateError};

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
    /// Business sums.
    pub reconciliations: Vec<Reconciliation>,
    /// Checks before and after each table.
    pub gates: Vec<Gate>,
    /// Who ran what, oldest first.
    pub runs: Vec<Run>,
    /// Server time and log position before the first write.
    pub restore_point: Option<String>,
    /// What this report cannot know.
    pub unseen: Vec<String>,
}

/// The answer to one of the owner's questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `good`, `attention` or `bad`.
    pub level: &'static str,
    /// Two or three words.
    pub short: String,
    /// A sentence.
    pub text: String,
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

/// Reads everything a report shows; writes nothing.
pub async fn gather(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
) -> Result<Report, StateError> {
    let tables = standings(session, Some(state), rules).await?;
    let issues = issue::all(session, state, rules, &tables).await?;
    let (gates, mut reconciliations) = evidence::gates(session, state).await?;
    for sum in &mut reconciliations {
        sum.rejected_for = codes_of(&issues, &sum.rule, "reject");
        sum.skipped_for = codes_of(&issues, &sum.rule, "skip");
    }
    let runs = evidence::runs(session, state).await?;
    let totals = add_up(&tables);
    Ok(Report {
        version: VERSION,
        made_by: format!("runner {}", env!("CARGO_PKG_VERSION")),
        made_at: evidence::server_time(session, state).await?,
        done: is_it_done(&tables),
        right: is_it_right(&tables, &gates, &reconciliations),
        decide: what_to_decide(&issues, &tables),
        totals,
        restore_point: runs.iter().find_map(|run| run.restore_point.clone()),
        tables,
        issues,
        reconciliations,
        gates,
        runs,
        unseen: unseen(),
    })
}

/// Why rows of a rule are not in the target: `orphan 2, negative_total 1`, the commonest code first.
fn codes_of(issues: &[Issue], rule: &str, verdict: &str) -> String {
    let mut found: Vec<&Issue> = issues
        .iter()
        .filter(|issue| issue.rule == rule && issue.verdict == verdict)
        .collect();
    found.sort_by_key(|issue| std::cmp::Reverse(issue.count));
    found
        .iter()
        .map(|issue| format!("{} {}", issue.code, thousands(issue.count)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn add_up(tables: &[Standing]) -> Totals {
    tables.iter().fold(Totals::default(), |sum, t| Totals {
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

fn finding(level: &'static str, short: impl Into<String>, text: impl Into<String>) -> Finding {
    Finding {
        level,
        short: short.into(),
        text: text.into(),
    }
}

fn is_it_done(tables: &[Standing]) -> Finding {
    let open: Vec<&str> = tables
        .iter()
        .filter(|t| !t.done)
        .map(|t| t.name.as_str())
        .collect();
    let complete = tables.len() - open.len();
    if tables.is_empty() {
        return finding(
            "attention",
            "No rules",
            "There is no rule in the folder and none was ever run.",
        );
    }
    if open.is_empty() {
        let all = add_up(tables);
        let text = format!(
            "All {} tables were read to their last row: {} rows are in the target, {} were left behind on purpose, {} rejected.",
            tables.len(),
            thousands(all.written),
            thousands(all.skipped),
            thousands(all.rejected)
        );
        return finding("good", "Yes", text);
    }
    let text = format!(
        "{complete} of {} tables are complete. Still open: {}.",
        tables.len(),
        open.join(", ")
    );
    finding("attention", "Not yet", text)
}

fn is_it_right(tables: &[Standing], gates: &[Gate], sums: &[Reconciliation]) -> Finding {
    let unbalanced: Vec<&str> = tables
        .iter()
        .filter(|t| !t.balanced())
        .map(|t| t.name.as_str())
        .collect();
    let failed = gates
        .iter()
        .filter(|g| g.failed() && g.phase != "before")
        .count()
        + sums.iter().filter(|s| !s.agrees).count();
    let checks = gates.len() + sums.len();
    if !unbalanced.is_empty() {
        return finding(
            "bad",
            "No",
            format!("Rows are not accounted for in {}.", unbalanced.join(", ")),
        );
    }
    if failed > 0 {
        return finding(
            "bad",
            "No",
            format!("{failed} of {checks} checks failed; they are listed below."),
        );
    }
    if checks == 0 {
        return finding(
            "attention",
            "Not checked",
            "No table has been checked after its run yet.",
        );
    }
    let rows: i64 = tables.iter().map(|t| t.base).sum();
    let remarks = gates.iter().filter(|g| !g.held()).count();
    let held = match remarks {
        0 => format!("All {checks} checks hold"),
        1 => format!("{} of {checks} checks hold, one has a remark", checks - 1),
        n => format!("{} of {checks} checks hold, {n} have remarks", checks - n),
    };
    let text = format!(
        "{held}; each of {} source rows has exactly one outcome.",
        thousands(rows)
    );
    finding("good", "Yes", text)
}

fn what_to_decide(issues: &[Issue], tables: &[Standing]) -> Finding {
    let open: Vec<&Issue> = issues.iter().filter(|i| i.open > 0).collect();
    let rows: i64 = open.iter().map(|i| i.open).sum();
    let missed = tables.iter().filter(|t| t.missed()).count();
    let below = match missed {
        0 => String::new(),
        1 => " One table is below its expected share.".to_owned(),
        n => format!(" {n} tables are below their expected share."),
    };
    if rows == 0 {
        let level = if missed == 0 { "good" } else { "attention" };
        return finding(level, "Nothing", format!("Every row is decided.{below}"));
    }
    let classes = if open.len() == 1 {
        "1 class".to_owned()
    } else {
        format!("{} classes", open.len())
    };
    let (word, were) = if rows == 1 {
        ("row", "row was")
    } else {
        ("rows", "rows were")
    };
    let rows = thousands(rows);
    finding(
        "attention",
        format!("{rows} {word}"),
        format!("{rows} {were} rejected, in {classes}; each is listed with what to do.{below}"),
    )
}

/// What the numbers above cannot show; printed in every report, so that nobody reads more into them.
fn unseen() -> Vec<String> {
    [
        "Values are not compared field by field: the checks count rows, keys, references and sums.",
        "Rows that the source gained after the snapshots named here are not part of these numbers.",
        "Edits in the target after the run are not looked for.",
    ]
    .map(ToOwned::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(done: bool, rejected: i64) -> Standing {
        Standing {
            name: "purchases".into(),
            done,
            base: 10,
            base_now: 10,
            read: 10,
            inserted: 10 - rejected,
            rejected,
            undecided: rejected,
            ..Standing::default()
        }
    }

    #[test]
    fn the_first_screen_answers_three_questions() {
        assert_eq!(is_it_done(&[table(true, 0)]).short, "Yes");
        assert!(
            is_it_done(&[table(false, 0)])
                .text
                .contains("Still open: purchases")
        );
        assert_eq!(
            is_it_right(&[table(true, 0)], &[], &[]).short,
            "Not checked"
        );
        assert_eq!(what_to_decide(&[], &[table(true, 0)]).short, "Nothing");
    }

    #[test]
    fn an_unbalanced_table_is_wrong_whatever_else_holds() {
        let mut wrong = table(true, 0);
        wrong.inserted -= 1;
        assert_eq!(is_it_right(&[wrong], &[], &[]).level, "bad");
    }
}
