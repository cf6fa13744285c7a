//! The owner's questions: is it done, is it right, what must I decide, and is it ready.

use serde::Serialize;

use crate::plan::handover::Point;

use super::{Coverage, Fitness, Gate, Issue, Reconciliation, Standing, Totals, thousands};

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

fn finding(level: &'static str, short: impl Into<String>, text: impl Into<String>) -> Finding {
    Finding {
        level,
        short: short.into(),
        text: text.into(),
    }
}

pub(super) fn is_it_done(tables: &[Standing]) -> Finding {
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
        let all = Totals::of(tables);
        let text = format!(
            "All {} tables were read to their last row: {} source rows are in the target, {} were left behind on purpose, {} rejected.",
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

/// What a verdict on rightness rests on.
pub(super) struct Evidence<'a> {
    pub(super) tables: &'a [Standing],
    pub(super) issues: &'a [Issue],
    pub(super) gates: &'a [Gate],
    pub(super) sums: &'a [Reconciliation],
    pub(super) coverage: &'a [Coverage],
    pub(super) fitness: &'a [Fitness],
    pub(super) verification: &'a [Gate],
}

impl Evidence<'_> {
    /// Checks that did not hold after a table's run.
    fn failed(&self) -> usize {
        let gates = self
            .gates
            .iter()
            .filter(|g| g.failed() && g.phase != "before");
        let unfit = self.fitness.iter().filter(|fit| fit.status == "failed");
        gates.count() + self.sums.iter().filter(|s| !s.agrees).count() + unfit.count()
    }

    /// Tables whose rows do not add up, in the ledger or beside the quarantine.
    fn unbalanced(&self) -> Vec<&str> {
        let kept = |table: &Standing| -> i64 {
            let of_table = |i: &&Issue| i.rule == table.name && i.verdict == "reject";
            self.issues.iter().filter(of_table).map(|i| i.count).sum()
        };
        let wrong = |t: &&Standing| !t.balanced() || (t.base > 0 && kept(t) != t.rejected);
        let tables = self.tables.iter().filter(wrong);
        tables.map(|t| t.name.as_str()).collect()
    }
}

pub(super) fn is_it_right(evidence: &Evidence<'_>) -> Finding {
    let unbalanced = evidence.unbalanced();
    if !unbalanced.is_empty() {
        return finding(
            "bad",
            "No",
            format!("Rows are not accounted for in {}.", unbalanced.join(", ")),
        );
    }
    let answered = evidence.fitness.iter().filter(|f| f.status != "remark");
    let checks = evidence.gates.len() + evidence.sums.len() + answered.count();
    let failed = evidence.failed();
    if failed > 0 {
        return finding(
            "bad",
            "No",
            format!("{failed} of {checks} checks failed; they are listed below."),
        );
    }
    let gone: i64 = evidence.coverage.iter().map(|c| c.missing).sum();
    if gone > 0 {
        let (were, them) = if gone == 1 {
            ("row is", "it")
        } else {
            ("rows are", "them")
        };
        let text = format!(
            "{} {were} not in the target any more although the migration wrote {them}; see “What is in the target”.",
            thousands(gone)
        );
        return finding("bad", "No", text);
    }
    let differing = evidence.verification.iter().filter(|g| g.failed());
    let differing: Vec<&str> = differing.map(|gate| gate.rule.as_str()).collect();
    if !differing.is_empty() {
        let text = format!(
            "When they were last verified, rows were other than their source rows make them in {}; see “Verification”.",
            differing.join(", ")
        );
        return finding("bad", "No", text);
    }
    if checks == 0 {
        return finding(
            "attention",
            "Not checked",
            "No table has been checked after its run yet.",
        );
    }
    let rows: i64 = evidence.tables.iter().map(|t| t.base).sum();
    let remarks = evidence.gates.iter().filter(|g| !g.held()).count();
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

pub(super) fn what_to_decide(issues: &[Issue], tables: &[Standing]) -> Finding {
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
        let accepted: i64 = tables.iter().map(|t| t.accepted).sum();
        let kept = match accepted {
            0 => String::new(),
            1 => " One rejected row was accepted as missing.".to_owned(),
            n => format!(" {} rejected rows were accepted as missing.", thousands(n)),
        };
        return finding(
            level,
            "Nothing",
            format!("Every row is decided.{kept}{below}"),
        );
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

/// May it be handed over? Not before every answer above is a good one.
pub(super) fn is_it_ready(evidence: &Evidence<'_>, right: &Finding, handover: &[Point]) -> Finding {
    let tables = evidence.tables;
    let undecided: i64 = tables.iter().map(|t| t.undecided).sum();
    let accepted: i64 = tables.iter().map(|t| t.accepted).sum();
    let open = tables.iter().filter(|t| !t.done).count();
    let missed = tables.iter().filter(|t| t.missed()).count();
    let mut reasons = Vec::new();
    let mut count = |number: i64, one: &str, many: &str| {
        if number > 0 {
            let word = if number == 1 { one } else { many };
            reasons.push(format!("{} {word}", thousands(number)));
        }
    };
    count(
        open as i64,
        "table is not complete",
        "tables are not complete",
    );
    count(undecided, "row to decide", "rows to decide");
    if undecided == 0 {
        count(
            missed as i64,
            "table is below its expected share",
            "tables are below their expected share",
        );
    }
    if right.level == "bad" {
        reasons.push("not everything is right".to_owned());
    } else if right.level == "attention" {
        reasons.push("nothing has been checked".to_owned());
    }
    let bad: Vec<String> = handover
        .iter()
        .filter(|point| point.level == "bad")
        .map(|point| format!("{} of {}", point.about, point.rule))
        .collect();
    if !bad.is_empty() {
        reasons.push(format!("to put right on the target: {}", bad.join(", ")));
    }
    if tables.is_empty() || !reasons.is_empty() {
        let level = if right.level == "bad" {
            "bad"
        } else {
            "attention"
        };
        return finding(level, "Not yet", reasons.join(", "));
    }
    let text = match accepted {
        0 => String::new(),
        1 => "with 1 accepted exception".to_owned(),
        n => format!("with {} accepted exceptions", thousands(n)),
    };
    finding("good", "Met", text)
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

    fn issue(count: i64) -> Issue {
        Issue {
            rule: "purchases".into(),
            verdict: "reject",
            code: "odd".into(),
            count,
            open: count,
            ..Issue::default()
        }
    }

    fn judged(tables: &[Standing], issues: &[Issue]) -> Finding {
        is_it_right(&Evidence {
            tables,
            issues,
            gates: &[],
            sums: &[],
            coverage: &[],
            fitness: &[],
            verification: &[],
        })
    }

    #[test]
    fn the_first_screen_answers_three_questions() {
        assert_eq!(is_it_done(&[table(true, 0)]).short, "Yes");
        assert!(
            is_it_done(&[table(false, 0)])
                .text
                .contains("Still open: purchases")
        );
        assert_eq!(judged(&[table(true, 0)], &[]).short, "Not checked");
        assert_eq!(what_to_decide(&[], &[table(true, 0)]).short, "Nothing");
    }

    #[test]
    fn an_unbalanced_table_is_wrong_whatever_else_holds() {
        let mut wrong = table(true, 0);
        wrong.inserted -= 1;
        assert_eq!(judged(&[wrong], &[]).level, "bad");
        // the ledger rejected a row that the quarantine does not hold
        assert_eq!(judged(&[table(true, 1)], &[]).level, "bad");
        assert_eq!(judged(&[table(true, 1)], &[issue(1)]).level, "attention");
    }

    #[test]
    fn readiness_names_what_is_open_and_what_was_accepted() {
        let good = finding("good", "Yes", "");
        let asked = |tables: &[Standing], points: &[Point]| {
            let evidence = Evidence {
                tables,
                issues: &[],
                gates: &[],
                sums: &[],
                coverage: &[],
                fitness: &[],
                verification: &[],
            };
            let answer = is_it_ready(&evidence, &good, points);
            format!("{}: {}", answer.short, answer.text)
        };
        let ready = |tables: &[Standing]| asked(tables, &[]);
        assert_eq!(ready(&[table(true, 2)]), "Not yet: 2 rows to decide");
        assert_eq!(
            ready(&[table(false, 1)]),
            "Not yet: 1 table is not complete, 1 row to decide"
        );
        let mut accepted = table(true, 2);
        (accepted.undecided, accepted.accepted) = (0, 2);
        assert_eq!(ready(&[accepted]), "Met: with 2 accepted exceptions");
        let point = |level| Point {
            rule: "purchases".into(),
            about: "triggers",
            level,
            text: String::new(),
            fix: String::new(),
        };
        let points = [point("attention"), point("bad")];
        assert_eq!(
            asked(&[table(true, 0)], &points),
            "Not yet: to put right on the target: triggers of purchases"
        );
        assert_eq!(asked(&[table(true, 0)], &points[..1]), "Met: ");
    }
}
