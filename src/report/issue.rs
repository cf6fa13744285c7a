//! What happened to rows, by code: how many, which for example, and what to do.

use serde::Serialize;

use crate::db::{Engine, Session};
use crate::report::standing::Standing;
use crate::row::Rows;
use crate::rule::RuleSet;
use crate::state::{Exact, State, StateError, number, text};

/// Keys per code: all of a small class, examples of a large one.
pub(super) const KEYS_MAX: i64 = 12;
/// Different reasons per code.
const REASONS_MAX: usize = 5;

/// One code of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// The rule.
    pub rule: String,
    /// `reject`, `skip` or `note`.
    pub verdict: &'static str,
    /// The code.
    pub code: String,
    /// Source rows.
    pub count: i64,
    /// Of those, rejected rows that nobody has decided on.
    pub open: i64,
    /// The lowest keys; only rejected rows are kept one by one.
    pub keys: Vec<String>,
    /// The sentence of one of them.
    pub message: Option<String>,
    /// The different sentences with how many rows each has, the commonest first.
    pub reasons: Vec<Reason>,
    /// Parents that rows wait for.
    pub waiting: Vec<Waiting>,
    /// What these rows amount to in each sum that the rule reconciles.
    pub amounts: Vec<Amount>,
    /// The rule's own advice, or ours for a code of the program's.
    pub fix: Option<String>,
    /// The query that counts them.
    pub query: String,
}

/// Rows of one code that were refused with the same sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The sentence.
    pub message: String,
    /// Source rows.
    pub count: i64,
}

/// Rows that wait for rows of another table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// That table.
    pub entity: String,
    /// Source rows that wait.
    pub rows: i64,
    /// Different rows they wait for.
    pub parents: i64,
}

/// A share of a business sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// The rule's name for the sum.
    pub name: String,
    /// An exact decimal.
    pub amount: String,
}

/// Rejected rows by rule and code.
pub async fn rejections(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
) -> Result<Vec<Issue>, StateError> {
    let t = state.table("quarantine");
    let kept = "status in ('open', 'accepted')";
    let sql = format!(
        "select rule, code, count(*), sum(case when status = 'open' then 1 else 0 end), min(message) from {t} where {kept} \
         group by rule, code order by rule, code"
    );
    let rows = session.query(&sql).await?;
    let mut issues = Vec::new();
    for row in 0..rows.len() {
        let rule = text(&rows, row, 0)?.unwrap_or_default();
        let code = text(&rows, row, 1)?.unwrap_or_default();
        issues.push(Issue {
            fix: advice(rules, &rule, &code),
            count: number(&rows, row, 2)?,
            open: number(&rows, row, 3)?,
            message: text(&rows, row, 4)?.filter(|m| !m.is_empty()),
            verdict: "reject",
            query: format!(
                "select count(*) from {t} where rule = {} and code = {} and {kept}",
                state.text(&rule)?,
                state.text(&code)?
            ),
            rule,
            code,
            ..Issue::default()
        });
    }
    let sql = format!(
        "select rule, code, key from (select rule, code, key, row_number() over (partition by rule, code order by length(key), key) as place \
         from {t} where {kept}) as ranked where place <= {KEYS_MAX} order by rule, code, place"
    );
    let keys = session.query(&sql).await?;
    for row in 0..keys.len() {
        if let (Some(issue), Some(key)) = (of(&mut issues, &keys, row)?, text(&keys, row, 2)?) {
            issue.keys.push(key);
        }
    }
    let sql = format!(
        "select rule, code, message, count(*) from {t} where {kept} group by rule, code, message order by rule, code, count(*) desc, message"
    );
    let reasons = session.query(&sql).await?;
    for row in 0..reasons.len() {
        let message = text(&reasons, row, 2)?.unwrap_or_default();
        let count = number(&reasons, row, 3)?;
        if let Some(issue) = of(&mut issues, &reasons, row)?
            && issue.reasons.len() < REASONS_MAX
            && !message.is_empty()
        {
            issue.reasons.push(Reason { message, count });
        }
    }
    let sql = format!(
        "select rule, code, waiting_entity, count(*), count(distinct waiting_key) from {t} where {kept} and waiting_entity is not null \
         group by rule, code, waiting_entity order by rule, code, count(*) desc, waiting_entity"
    );
    let waiting = session.query(&sql).await?;
    for row in 0..waiting.len() {
        let one = Waiting {
            entity: text(&waiting, row, 2)?.unwrap_or_default(),
            rows: number(&waiting, row, 3)?,
            parents: number(&waiting, row, 4)?,
        };
        if let Some(issue) = of(&mut issues, &waiting, row)? {
            issue.waiting.push(one);
        }
    }
    Ok(issues)
}

/// The issue that a row of rule, code … is about.
fn of<'a>(
    issues: &'a mut [Issue],
    rows: &Rows,
    row: usize,
) -> Result<Option<&'a mut Issue>, StateError> {
    let (rule, code) = (text(rows, row, 0)?, text(rows, row, 1)?);
    Ok(issues
        .iter_mut()
        .find(|i| Some(&i.rule) == rule.as_ref() && Some(&i.code) == code.as_ref()))
}

/// Rejections, then what was skipped, then remarks on written rows.
pub(super) async fn all(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
    tables: &[Standing],
) -> Result<Vec<Issue>, StateError> {
    let mut issues = rejections(session, state, rules).await?;
    for issue in &mut issues {
        // acceptances do not outlive the rule they were given under
        let lapsed = |t: &&Standing| t.name == issue.rule && t.accepted == 0;
        if tables.iter().any(|t| lapsed(&t)) {
            issue.open = issue.count;
        }
    }
    for verdict in ["skip", "note"] {
        for table in tables {
            let codes = if verdict == "skip" {
                &table.codes.skip
            } else {
                &table.codes.note
            };
            let own = rules.get(&table.name);
            for (code, count) in codes {
                issues.push(Issue {
                    rule: table.name.clone(),
                    verdict,
                    code: code.clone(),
                    count: *count,
                    fix: own.and_then(|rule| rule.header.fix.get(code)).cloned(),
                    query: counted(state, table, verdict, code)?,
                    ..Issue::default()
                });
            }
        }
    }
    for issue in &mut issues {
        let table = tables.iter().find(|t| t.name == issue.rule);
        issue.amounts = table.map_or_else(Vec::new, |t| amounts(t, issue.verdict, &issue.code));
    }
    Ok(issues)
}

/// The ledger's count of a code, added up by the database.
fn counted(
    state: State,
    table: &Standing,
    verdict: &str,
    code: &str,
) -> Result<String, StateError> {
    let codes = match state.engine() {
        Engine::Postgres => "codes::jsonb",
        Engine::Sqlite => "codes",
    };
    let code = state.text(code)?;
    Ok(format!(
        "select coalesce(sum(cast({codes} -> '{verdict}' ->> {code} as bigint)), 0) {}",
        table.ledger
    ))
}

/// The shares of a code, where the ledger's shares of all codes add up to the ledger's own sum.
fn amounts(table: &Standing, verdict: &str, code: &str) -> Vec<Amount> {
    let mut found = Vec::new();
    for (name, sums) in &table.codes.sums {
        let whole = match verdict {
            "skip" => sums.skipped,
            "reject" => sums.rejected,
            _ => None,
        };
        let mut parts = Exact::default();
        let of_verdict = |key: &str| key.split_once(' ').is_some_and(|(v, _)| v == verdict);
        for (_, part) in sums.by_code.iter().filter(|(key, _)| of_verdict(key)) {
            parts.add(part.0);
        }
        let own = sums.by_code.get(&format!("{verdict} {code}"));
        if let Some(amount) = own.and_then(|part| part.0)
            && whole.is_some()
            && parts.0 == whole
        {
            found.push(Amount {
                name: name.clone(),
                amount: amount.to_string(),
            });
        }
    }
    found
}

fn advice(rules: &RuleSet, rule: &str, code: &str) -> Option<String> {
    let own = rules
        .get(rule)
        .and_then(|rule| rule.header.fix.get(code))
        .cloned();
    own.or_else(|| ours(code).map(ToOwned::to_owned))
}

/// Advice for codes that the program itself gives out.
fn ours(code: &str) -> Option<&'static str> {
    Some(match code {
        "orphan" => {
            "the row it points to is not in the target: migrate that one first, or correct the reference in the source"
        }
        "ambiguous_parent" => "two target rows carry the same legacy key: merge them in the target",
        "duplicate_of" => {
            "another source row owns this place in the target: decide which of the two is right"
        }
        "two_ids" => {
            "the target knows this row under two ids: correct the legacy column or the mapping"
        }
        "conflict" => "the target's row was edited: decide which of the two is right",
        "too_long" | "out_of_range" | "would_round" => {
            "the target's column cannot hold the value: widen it, or shorten the value in the rule"
        }
        "not_finite" | "bad_value" | "not_a_label" => {
            "the value means nothing to the target's column: correct it in the source, or translate it in the rule"
        }
        "null_not_allowed" => {
            "the target needs a value here: give it one in the rule, or correct the source"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_program_have_advice() {
        assert!(advice(&RuleSet::default(), "a", "orphan").is_some());
        assert_eq!(advice(&RuleSet::default(), "a", "negative_total"), None);
    }
}
