//! What has to be in order on the target before it is handed over, as it is now.

use super::Proof;
use super::first_day::FirstDay;
use crate::catalog;
use crate::db::{Session, TableName};
use crate::plan::handover::{self, Point};
use crate::plan::readiness::FILE_ABSENT;
use crate::rule::RuleSet;
use crate::state::StateError;

/// Classes of people for whom the auth server fails, or lets somebody else in.
const BROKEN: &[&str] = &[
    "null_column",
    "not_found",
    "other_account",
    "email_case",
    "not_linked",
];

/// Every table of the rules, and the query behind each answer.
pub(super) async fn points(
    session: &mut Session,
    rules: &RuleSet,
    first_day: &[FirstDay],
) -> Result<(Vec<Point>, Vec<Proof>), StateError> {
    let (mut points, mut proofs) = (Vec::new(), Vec::new());
    for rule in &rules.rules {
        let name = TableName::parse(&rule.header.target);
        let Some(table) = catalog::table(session, &name).await? else {
            continue;
        };
        let (found, answers) = handover::asked(rule, &table, session).await?;
        points.extend(found);
        proofs.extend(answers.into_iter().map(|answer| Proof {
            of: rule.name.clone(),
            what: format!("readiness, {}", answer.about),
            value: answer.found,
            side: "target",
            query: answer.query,
            role: None,
            snapshot: None,
        }));
    }
    points.extend(first_day.iter().filter_map(signing_in));
    points.extend(first_day.iter().filter_map(files));
    Ok((points, proofs))
}

fn signing_in(answer: &FirstDay) -> Option<Point> {
    let broken = answer
        .classes
        .iter()
        .filter(|class| BROKEN.contains(&class.code.as_str()));
    let (mut people, mut codes) = (0, Vec::new());
    for class in broken {
        people += class.count;
        codes.push(class.code.as_str());
    }
    (people > 0).then(|| Point {
        rule: answer.rule.clone(),
        about: "sign in",
        level: "bad",
        text: format!(
            "{people} have an account that does not work or is not theirs: {}",
            codes.join(", ")
        ),
        fix: "see “The first day” for whom and why".into(),
    })
}

/// A file that is lost is told row by row; a bucket that is not there is another thing.
fn files(answer: &FirstDay) -> Option<Point> {
    let count = |code: &str| {
        let mut classes = answer.classes.iter();
        classes
            .find(|class| class.code == code)
            .map_or(0, |class| class.count)
    };
    let (absent, there) = (count(FILE_ABSENT), count("file_there"));
    (absent > 0).then(|| Point {
        rule: answer.rule.clone(),
        about: "files",
        level: if there == 0 { "bad" } else { "attention" },
        text: match there {
            0 => format!("storage holds none of the {absent} files that rows name"),
            _ => format!(
                "storage does not hold {absent} of the {} files that rows name",
                absent + there
            ),
        },
        fix: "copy them into the bucket that the rule names, under the same paths".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::first_day::FirstDayClass;
    use super::*;

    fn answer(classes: &[(&str, i64)]) -> FirstDay {
        FirstDay {
            rule: "technicians".into(),
            question: "sign in",
            classes: classes
                .iter()
                .map(|(code, count)| FirstDayClass {
                    code: (*code).to_owned(),
                    meaning: "",
                    count: *count,
                    keys: vec![],
                })
                .collect(),
            unasked: None,
            query: None,
        }
    }

    #[test]
    fn who_has_to_set_a_password_is_no_fault_and_a_broken_account_is() {
        assert_eq!(
            signing_in(&answer(&[
                ("can_sign_in", 3),
                ("must_reset_password", 4),
                ("no_auth_user", 1)
            ])),
            None
        );
        let point = signing_in(&answer(&[("null_column", 2), ("email_case", 1)])).expect("a point");
        assert_eq!(
            (point.level, &*point.text),
            (
                "bad",
                "3 have an account that does not work or is not theirs: null_column, email_case"
            )
        );
    }

    #[test]
    fn a_lost_file_is_told_and_a_lost_bucket_is_a_fault() {
        assert_eq!(files(&answer(&[("file_there", 3)])), None);
        let level = |classes: &[(&str, i64)]| files(&answer(classes)).expect("a point").level;
        assert_eq!(level(&[("file_absent", 1), ("file_there", 3)]), "attention");
        assert_eq!(level(&[("file_absent", 4)]), "bad");
    }
}
