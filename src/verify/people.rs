//! Besides the rows of a rule's own table: profiles that were made of them, whether people can sign in, and
//! whether the files that rows name are there.

use super::derive::Chunk;
use super::outcome::{Check, Class, Difference, TableProof};
use super::{VerifyError, World};
use crate::catalog::Table;
use crate::db::Session;
use crate::plan::readiness::{self, Asked, CAN_SIGN_IN, FILE_ABSENT};
use crate::row::{OutRow, Rows, Verdict};
use crate::rule::Rule;
use crate::target::{Destination, Found, Lookup, find, normalise};

/// Keys named per class; the query beside them gives the others.
const KEYS_NAMED: usize = 20;

/// Profiles that were made, held against what their rule makes.
pub(super) struct MadeProfiles {
    to: Option<Destination>,
    compared: u64,
    /// Legacy keys of those that are other.
    differ: Vec<String>,
}

impl MadeProfiles {
    pub(super) fn new(to: Option<Destination>) -> Self {
        Self {
            to,
            compared: 0,
            differ: vec![],
        }
    }

    /// A profile that is not there is the business of the row that refers to it.
    pub(super) async fn chunk(
        &mut self,
        session: &mut Session,
        chunk: &Chunk,
    ) -> Result<(), VerifyError> {
        let Some(to) = &self.to else {
            return Ok(());
        };
        let made: Vec<(&str, &OutRow)> = chunk
            .judged
            .iter()
            .filter(|judged| matches!(judged.verdict, Verdict::Write(_)))
            .filter_map(|judged| judged.person.as_deref())
            .filter_map(|person| Some((person.key.as_str(), person.profile.as_ref()?)))
            .collect();
        let ids = made.iter().map(|(_, row)| row.id).collect();
        let found = find(session, to, &Lookup::Ids(ids)).await?;
        for (key, row) in made {
            if let Some(there) = found.row(row.id) {
                self.compared += 1;
                if !same(session, to, row, &found, there).await? {
                    self.differ.push(key.to_owned());
                }
            }
        }
        Ok(())
    }

    pub(super) fn end(self, proof: &mut TableProof) {
        let Some(to) = self.to else {
            return;
        };
        let text = match &self.differ[..] {
            [] => format!("{} made profiles are as the rule makes them", self.compared),
            some => format!(
                "{} of {} made profiles are other than the rule makes them, by legacy key: {}",
                some.len(),
                self.compared,
                some[..some.len().min(KEYS_NAMED)].join(", ")
            ),
        };
        proof.checks.push(Check {
            name: "made_profiles".into(),
            ok: Some(self.differ.is_empty()),
            text,
            query: format!(
                "-- derived from the source, compared with rows of {}",
                to.table.name
            ),
        });
    }
}

async fn same(
    session: &mut Session,
    to: &Destination,
    row: &OutRow,
    found: &Found,
    there: usize,
) -> Result<bool, VerifyError> {
    for column in row.set.iter() {
        let wanted = row.cell(*column).flatten();
        if wanted == found.raw(there, usize::from(*column)) {
            continue;
        }
        let text = found.text(there, usize::from(*column));
        let (Some(wanted), Some(text)) = (super::locate::text_of(row, *column), text) else {
            return Ok(false);
        };
        if normalise(session, to, *column, &[wanted]).await? != [text] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Asks what people will find on the first day. Nothing of it is a difference: the rule wrote what it says.
pub(super) async fn readiness(
    world: &mut World<'_>,
    rule: &Rule,
    table: &Table,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let session = &mut world.target;
    if let Some(asked) = readiness::sign_in(rule, table, session).await? {
        let classes = classes("sign_in", asked, session, proof).await?;
        let all: u64 = classes.iter().map(|(_, tally)| tally.0).sum();
        let can = classes.iter().find(|(code, _)| code == CAN_SIGN_IN);
        if all > 0 {
            let can = can.map_or(0, |(_, tally)| tally.0);
            proof
                .notes
                .push(format!("{can} of {all} can sign in with the old password"));
        }
        for (code, (count, keys)) in classes.iter().filter(|(code, _)| code != CAN_SIGN_IN) {
            let more = if *count > keys.len() as u64 {
                ", …"
            } else {
                ""
            };
            proof.notes.push(format!(
                "sign-in {code} {count}, {}: {}{more}",
                readiness::meaning(code),
                keys.join(", ")
            ));
        }
    }
    if let Some(asked) = readiness::files(rule, table, session).await? {
        for (code, (count, keys)) in classes("files", asked, session, proof).await? {
            if code == FILE_ABSENT {
                let tally = proof.classes.entry(Class::FileAbsent).or_default();
                tally.count = count;
                tally.rows.extend(keys.into_iter().map(|key| Difference {
                    key,
                    id: None,
                    columns: vec![],
                }));
            }
        }
    }
    Ok(())
}

type Classes = Vec<(String, (u64, Vec<String>))>;

/// Counts and first keys by class; the question itself becomes a check.
async fn classes(
    name: &str,
    asked: Asked,
    session: &mut Session,
    proof: &mut TableProof,
) -> Result<Classes, VerifyError> {
    let question = match asked {
        Asked::Query(question) => question,
        Asked::Unasked(why) => {
            proof.checks.push(Check {
                name: name.into(),
                ok: None,
                text: why.into(),
                query: String::new(),
            });
            return Ok(vec![]);
        }
    };
    let Some(counted) = readiness::ask(session, &readiness::counts_sql(&question)).await? else {
        proof.checks.push(Check {
            name: name.into(),
            ok: None,
            text: "the target refuses the question; `runner check` says why".into(),
            query: question,
        });
        return Ok(vec![]);
    };
    let mut found = Vec::new();
    for row in 0..counted.len() {
        let (code, count) = (text(&counted, row, 0), text(&counted, row, 1));
        let keys = session
            .query(&readiness::keys_sql(&question, &code, KEYS_NAMED))
            .await?;
        let keys = (0..keys.len()).map(|row| text(&keys, row, 0)).collect();
        found.push((code, (count.parse().unwrap_or(0), keys)));
    }
    let told: Vec<String> = found
        .iter()
        .map(|(code, (count, _))| format!("{code} {count}"))
        .collect();
    proof.checks.push(Check {
        name: name.into(),
        ok: Some(true),
        text: told.join(", "),
        query: question,
    });
    Ok(found)
}

fn text(rows: &Rows, row: usize, column: usize) -> String {
    let text = rows.text(row, column).and_then(Result::ok);
    text.map(std::borrow::Cow::into_owned).unwrap_or_default()
}
