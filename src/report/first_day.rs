//! What people will find on the first day: can everybody sign in, is every file there? Asked of the target as
//! it is now.

use serde::Serialize;

use super::Proof;
use crate::catalog;
use crate::db::{Session, TableName};
use crate::plan::readiness::{self, Asked};
use crate::rule::{Rule, RuleSet};
use crate::state::StateError;

/// The answer of one table to one question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstDay {
    /// The rule.
    pub rule: String,
    /// `sign in` or `files`.
    pub question: &'static str,
    /// Rows by what they will find, by code.
    pub classes: Vec<FirstDayClass>,
    /// Why nobody could be asked.
    pub unasked: Option<String>,
    /// The query that tells every row's class.
    pub query: Option<String>,
}

/// Rows that will find the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirstDayClass {
    /// `can_sign_in`, `must_reset_password`, `file_absent` …
    pub code: String,
    /// What that means.
    pub meaning: &'static str,
    /// Rows.
    pub count: i64,
    /// The first legacy keys, unless all is well with them.
    pub keys: Vec<String>,
}

/// Both questions to every table that they are about.
pub(super) async fn first_day(
    session: &mut Session,
    rules: &RuleSet,
) -> Result<Vec<FirstDay>, StateError> {
    let mut found = Vec::new();
    for rule in &rules.rules {
        let header = &rule.header;
        if header.auth.is_none() && header.storage.is_none() {
            continue;
        }
        let Some(table) = catalog::table(session, &TableName::parse(&header.target)).await? else {
            continue;
        };
        if let Some(asked) = readiness::sign_in(rule, &table, session).await? {
            found.extend(answer(session, rule, "sign in", asked).await?);
        }
        if let Some(asked) = readiness::files(rule, &table, session).await? {
            found.extend(answer(session, rule, "files", asked).await?);
        }
    }
    Ok(found)
}

/// Nothing for a table that holds no row yet.
async fn answer(
    session: &mut Session,
    rule: &Rule,
    question: &'static str,
    asked: Asked,
) -> Result<Option<FirstDay>, StateError> {
    let mut answer = FirstDay {
        rule: rule.name.clone(),
        question,
        classes: vec![],
        unasked: None,
        query: None,
    };
    let query = match asked {
        Asked::Query(query) => query,
        Asked::Unasked(why) => {
            answer.unasked = Some(why.to_owned());
            return Ok(Some(answer));
        }
    };
    let Some(told) = readiness::told(session, &query).await? else {
        answer.unasked =
            Some("the target refuses the question; `runner check` says why".to_owned());
        return Ok(Some(answer));
    };
    answer.classes = told
        .into_iter()
        .map(|class| FirstDayClass {
            meaning: readiness::meaning(&class.code),
            count: i64::try_from(class.count).unwrap_or(i64::MAX),
            keys: class.keys,
            code: class.code,
        })
        .collect();
    answer.query = Some(query);
    Ok((!answer.classes.is_empty()).then_some(answer))
}

/// The query behind each number.
pub(super) fn proofs(answers: &[FirstDay]) -> Vec<Proof> {
    let mut all = Vec::new();
    for answer in answers {
        let Some(query) = &answer.query else { continue };
        all.extend(answer.classes.iter().map(|class| Proof {
            of: answer.rule.clone(),
            what: format!("{} {}", answer.question, class.code),
            value: class.count.to_string(),
            side: "target",
            query: readiness::count_sql(query, &class.code),
            role: None,
            snapshot: None,
        }));
    }
    all
}
