//! Besides the rows of a rule's own table: profiles that were made of them, whether people can sign in, and
//! whether the files that rows name are there.

use super::VerifyError;
use super::derive::Chunk;
use super::outcome::{Check, Class, Difference, TableProof};
use crate::catalog::Table;
use crate::db::Session;
use crate::plan::readiness::{self, Asked, CAN_SIGN_IN, FILE_ABSENT, Told};
use crate::row::{OutRow, Verdict};
use crate::rule::Rule;
use crate::target::{Destination, Found, Lookup, find, normalise};

/// Keys of profiles that are named.
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
    session: &mut Session,
    rule: &Rule,
    table: &Table,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    if let Some(asked) = readiness::sign_in(rule, table, session).await? {
        let classes = classes("sign_in", asked, session, proof).await?;
        let all: u64 = classes.iter().map(|class| class.count).sum();
        let can = classes.iter().find(|class| class.code == CAN_SIGN_IN);
        if all > 0 {
            let can = can.map_or(0, |class| class.count);
            proof
                .notes
                .push(format!("{can} of {all} can sign in with the old password"));
        }
        for class in classes.iter().filter(|class| class.code != CAN_SIGN_IN) {
            let more = if class.count > class.keys.len() as u64 {
                ", …"
            } else {
                ""
            };
            proof.notes.push(format!(
                "sign-in {} {}, {}: {}{more}",
                class.code,
                class.count,
                readiness::meaning(&class.code),
                class.keys.join(", ")
            ));
        }
    }
    if let Some(asked) = readiness::files(rule, table, session).await? {
        let classes = classes("files", asked, session, proof).await?;
        if let Some(absent) = classes.into_iter().find(|class| class.code == FILE_ABSENT) {
            let tally = proof.classes.entry(Class::FileAbsent).or_default();
            tally.count = absent.count;
            tally
                .rows
                .extend(absent.keys.into_iter().map(|key| Difference {
                    key,
                    id: None,
                    columns: vec![],
                }));
        }
    }
    Ok(())
}

/// Counts and first keys by class; the question itself becomes a check.
async fn classes(
    name: &str,
    asked: Asked,
    session: &mut Session,
    proof: &mut TableProof,
) -> Result<Vec<Told>, VerifyError> {
    let mut check = Check {
        name: name.into(),
        ok: None,
        text: String::new(),
        query: String::new(),
    };
    let mut found = Vec::new();
    match asked {
        Asked::Unasked(why) => check.text = why.into(),
        Asked::Query(question) => {
            match readiness::told(session, &question).await? {
                None => {
                    check.text = "the target refuses the question; `runner check` says why".into();
                }
                Some(told) => {
                    let texts = told
                        .iter()
                        .map(|class| format!("{} {}", class.code, class.count));
                    check.text = texts.collect::<Vec<_>>().join(", ");
                    check.ok = Some(true);
                    found = told;
                }
            }
            check.query = question;
        }
    }
    proof.checks.push(check);
    Ok(found)
}
