//! What happened to rows, by code: how many, which for example, and what to do.

use serde::Serialize;

use crate::db::Session;
use crate::report::standing::Standing;
use crate::rule::RuleSet;
use crate::state::{State, StateError, number, text};

/// Keys per code: all of a small class, examples of a large one.
const KEYS_MAX: i64 = 12;

/// One code of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    /// The rule's own advice, or ours for a code of the program's.
    pub fix: Option<String>,
}

/// Rejected rows by rule and code.
pub async fn rejections(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
) -> Result<Vec<Issue>, StateError> {
    let t = state.table("quarantine");
    let sql = format!(
        "select rule, code, count(*), sum(case when status = 'open' then 1 else 0 end), min(message) from {t} where status <> 'trial' \
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
            keys: vec![],
            verdict: "reject",
            rule,
            code,
        });
    }
    let sql = format!(
        "select rule, code, key from (select rule, code, key, row_number() over (partition by rule, code order by length(key), key) as place \
         from {t} where status <> 'trial') as ranked where place <= {KEYS_MAX} order by rule, code, place"
    );
    let keys = session.query(&sql).await?;
    for row in 0..keys.len() {
        let (rule, code) = (text(&keys, row, 0)?, text(&keys, row, 1)?);
        let issue = issues
            .iter_mut()
            .find(|i| Some(&i.rule) == rule.as_ref() && Some(&i.code) == code.as_ref());
        if let (Some(issue), Some(key)) = (issue, text(&keys, row, 2)?) {
            issue.keys.push(key);
        }
    }
    Ok(issues)
}

/// Rejections, then what was skipped, then remarks on written rows.
pub(super) async fn all(
    session: &mut Session,
    state: State,
    rules: &RuleSet,
    tables: &[Standing],
) -> Result<Vec<Issue>, StateError> {
    let mut issues = rejections(session, state, rules).await?;
    for verdict in ["skip", "note"] {
        for table in tables {
            let codes = if verdict == "skip" {
                &table.codes.skip
            } else {
                &table.codes.note
            };
            issues.extend(codes.iter().map(|(code, count)| {
                Issue {
                    rule: table.name.clone(),
                    verdict,
                    code: code.clone(),
                    count: *count,
                    open: 0,
                    keys: vec![],
                    message: None,
                    fix: rules
                        .get(&table.name)
                        .and_then(|rule| rule.header.fix.get(code))
                        .cloned(),
                }
            }));
        }
    }
    Ok(issues)
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
