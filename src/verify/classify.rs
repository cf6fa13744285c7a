//! Why a row differs: the only place where a verification asks the state. It says which chunk had the last word on
//! a key, what went in then, by which version of the rule, and whose transaction wrote the row last.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::VerifyError;
use super::compare::{Kind, Now, Suspect};
use super::locate::Layout;
use super::outcome::{Class, Difference, TableProof};
use super::refused;
use crate::db::Session;
use crate::row::Key;
use crate::rule::{Existing, Rule};
use crate::state::{Applied, Before, ChunkLine, LastWord, State, Why, Writers};
use crate::target::{Destination, Found, Lookup, find};

/// What is known of a table's history.
pub(super) struct Explainer<'w> {
    state: State,
    rule: &'w Rule,
    to: &'w Destination,
    transform_fp: &'w str,
    lines: Vec<ChunkLine>,
    writers: Writers,
    /// Rows that a sync left as they stand.
    standing: HashSet<Uuid>,
    /// The table is through.
    done: bool,
}

impl<'w> Explainer<'w> {
    pub(super) async fn new(
        session: &mut Session,
        state: State,
        rule: &'w Rule,
        to: &'w Destination,
        applied: &'w Applied,
    ) -> Result<Self, VerifyError> {
        Ok(Self {
            state,
            rule,
            to,
            transform_fp: &applied.transform_fp,
            lines: state.lines(session, &rule.name).await?,
            writers: state.writers(session, &rule.name).await?,
            standing: state
                .standing(session, &rule.name)
                .await?
                .into_iter()
                .filter(|row| row.why != Why::Edited)
                .map(|row| row.id)
                .collect(),
            done: state.account(session, &rule.name).await?.done,
        })
    }

    /// What this table's history does not tell.
    pub(super) fn notes(&self, proof: &mut TableProof) {
        if !self.done {
            proof.notes.push(
                "the table is not through yet: rows whose turn has not come are `pending`".into(),
            );
        }
        if self.to.engine == crate::db::Engine::Sqlite {
            proof.notes.push("SQLite does not say who wrote a row last: nothing can be called `corrupt` here, a row that differs is `target-edited`".into());
        } else if !self.writers.provable {
            proof.notes.push("the ledger was restored from a dump: which rows we wrote last cannot be proved, so nothing is called `corrupt`, a row that differs is `target-edited`".into());
        }
        if self.to.legacy.is_none() {
            proof.notes.push("without a legacy column a row that nobody derives cannot be told from the application's own".into());
        }
    }

    /// Chunks that may have had a word on these keys: of ranges, those that hold one of them.
    fn which(&self, suspects: &[Suspect]) -> Vec<usize> {
        let numbers: Option<Vec<i64>> = suspects.iter().map(|s| s.key.parse().ok()).collect();
        let bounds = numbers.and_then(|n| Some((*n.iter().min()?, *n.iter().max()?)));
        let moved = suspects.iter().any(|s| s.kind == Kind::Extra);
        let number = |key: &Option<Key>| match key.as_ref().map(|k| &k.0[..]) {
            Some([one]) => one.parse::<i64>().ok(),
            _ => None,
        };
        let may = |line: &ChunkLine| match (bounds, number(&line.hi)) {
            (Some((least, most)), Some(hi)) if !moved => {
                least <= hi && number(&line.lo).is_none_or(|lo| most > lo)
            }
            _ => true,
        };
        (0..self.lines.len())
            .filter(|at| may(&self.lines[*at]))
            .collect()
    }
}

/// What was looked up for a batch of suspects.
struct Facts {
    words: HashMap<String, LastWord>,
    /// Rows as they are, with the transaction that wrote them last.
    there: Found,
    before: HashMap<Uuid, Vec<Before>>,
    refusals: HashMap<String, (String, String)>,
}

/// Gives each suspect its class.
pub(super) async fn explain(
    explainer: &Explainer<'_>,
    session: &mut Session,
    layout: &Layout,
    mut suspects: Vec<Suspect>,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    if suspects.is_empty() {
        return Ok(());
    }
    let (state, rule, to) = (explainer.state, explainer.rule, explainer.to);
    let keys: HashSet<&str> = suspects.iter().map(|s| s.key.as_str()).collect();
    let words = state
        .last_words(
            session,
            &explainer.lines,
            &explainer.which(&suspects),
            &keys,
            &HashSet::new(),
        )
        .await?;
    under_recorded_ids(explainer, session, layout, &words, &mut suspects).await?;
    let ids: Vec<Uuid> = suspects.iter().filter_map(|s| s.id).collect();
    let there = find(session, to, &Lookup::Ids(ids)).await?;
    let adopted: Vec<Uuid> = suspects
        .iter()
        .filter(|s| s.kind == Kind::Differs && s.id != s.out.as_ref().map(|out| out.id))
        .filter_map(|s| s.id)
        .collect();
    let before = state.before_images(session, &rule.name, &adopted).await?;
    let rejected: Vec<&str> = suspects
        .iter()
        .filter(|s| {
            words
                .get(&s.key)
                .is_some_and(|word| word.entry.verdict == 2)
        })
        .map(|s| s.key.as_str())
        .collect();
    let refusals = state.refusals(session, &rule.name, &rejected).await?;
    let facts = Facts {
        words,
        there,
        before,
        refusals,
    };
    for suspect in suspects {
        let mut columns = suspect.columns.clone();
        let Some(mut class) = class_of(explainer, &facts, &suspect, &mut columns) else {
            continue;
        };
        if class == Class::Refused
            && let Some(out) = &suspect.out
            && !refused::is_still(session, to, out, &facts.refusals[&suspect.key]).await?
        {
            class = Class::Missing;
        }
        let columns = columns
            .into_iter()
            .map(|column| to.table.columns[usize::from(column)].name.clone())
            .collect();
        proof.add(
            class,
            Difference {
                key: suspect.key,
                id: suspect.id,
                columns,
            },
        );
    }
    Ok(())
}

/// Rows that were adopted by other means than legacy key or natural key are where the manifest says.
async fn under_recorded_ids(
    explainer: &Explainer<'_>,
    session: &mut Session,
    layout: &Layout,
    words: &HashMap<String, LastWord>,
    suspects: &mut Vec<Suspect>,
) -> Result<(), VerifyError> {
    let mut ids = HashMap::new();
    for (at, suspect) in suspects.iter().enumerate() {
        let computed = suspect.out.as_ref().map(|out| out.id);
        if suspect.kind == Kind::Missing
            && !explainer.rule.header.many
            && let Some(word) = words.get(&suspect.key)
            && let Some(id) = word.entry.ids.iter().find(|id| Some(**id) != computed)
        {
            ids.insert(*id, at);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let wanted: Vec<Uuid> = ids.keys().copied().collect();
    let mut finder = super::locate::Finder {
        session,
        to: explainer.to,
        layout,
    };
    let found = finder.ids(&wanted).await?;
    let mut equal = HashSet::new();
    for rows in &found {
        for row in 0..rows.len() {
            let Some((id, at)) = layout
                .id(rows, row)
                .and_then(|id| Some((id, *ids.get(&id)?)))
            else {
                continue;
            };
            let Some(out) = suspects[at].out.clone() else {
                continue;
            };
            let (mut differs, mut doubts) = (Vec::new(), Vec::new());
            super::cells::compare(layout, &out, (rows, row), 0, &mut differs, &mut doubts);
            let decided = super::cells::decide(session, explainer.to, doubts).await?;
            differs.extend(decided.into_iter().map(|doubt| doubt.column));
            differs.sort_unstable();
            if differs.is_empty() {
                equal.insert(at);
            }
            suspects[at].kind = Kind::Differs;
            suspects[at].id = Some(id);
            suspects[at].columns = differs;
        }
    }
    let mut at = 0;
    suspects.retain(|_| {
        at += 1;
        !equal.contains(&(at - 1))
    });
    Ok(())
}

/// `None`: it is as it should be after all.
fn class_of(
    explainer: &Explainer<'_>,
    facts: &Facts,
    suspect: &Suspect,
    columns: &mut Vec<u16>,
) -> Option<Class> {
    let to = explainer.to;
    let word = facts.words.get(&suspect.key);
    let ours = suspect
        .id
        .and_then(|id| facts.there.row(id))
        .is_some_and(|row| explainer.writers.wrote(facts.there.xmin(row).as_deref()));
    let by_somebody = |otherwise| if ours { Class::Corrupt } else { otherwise };
    let stands = |id| explainer.standing.contains(&id);
    if suspect.kind == Kind::Extra && suspect.id.is_some_and(stands) {
        return Some(Class::Withdrawn);
    }
    let Some(word) = word else {
        return Some(match (suspect.kind, suspect.now) {
            (Kind::Missing, _) if explainer.done => Class::SourceChanged,
            (Kind::Missing | Kind::Adopted, _) => Class::Pending,
            (Kind::Differs, _) if !explainer.done => Class::Pending,
            (Kind::Differs, _) => by_somebody(Class::TargetEdited),
            (Kind::Extra, _) => by_somebody(Class::Extraneous),
        });
    };
    let line = &explainer.lines[word.line];
    if line.kind == "procedure" {
        return Some(Class::NotRederived);
    }
    let changed = changed(suspect, word);
    let other_rule = (line.transform_fp != explainer.transform_fp).then_some(Class::RuleChanged);
    let recorded = suspect.id.is_some_and(|id| word.entry.ids.contains(&id));
    let written = word.entry.verdict == 0;
    Some(match suspect.kind {
        Kind::Adopted if recorded => return None,
        Kind::Adopted | Kind::Differs if written && !recorded => {
            columns.insert(0, to.id);
            by_somebody(Class::TargetEdited)
        }
        Kind::Adopted => by_somebody(Class::TargetEdited),
        Kind::Differs if !written => changed
            .or(other_rule)
            .unwrap_or(by_somebody(Class::TargetEdited)),
        Kind::Differs => {
            if let Some(class) = changed.or(other_rule) {
                return Some(class);
            }
            if suspect.id != suspect.out.as_ref().map(|out| out.id) {
                columns.retain(|column| !kept(explainer, facts, (suspect, line.id, ours), *column));
                if columns.is_empty() {
                    columns.clone_from(&suspect.columns);
                    return Some(Class::Kept);
                }
            }
            by_somebody(Class::TargetEdited)
        }
        Kind::Missing if written => {
            let named = suspect
                .out
                .as_ref()
                .is_some_and(|out| word.entry.ids.contains(&out.id));
            if explainer.rule.header.many && !named {
                changed.or(other_rule).unwrap_or(Class::Missing)
            } else {
                Class::Missing
            }
        }
        Kind::Missing if line.kind == "later" => Class::Refused,
        Kind::Missing => changed.or(other_rule).unwrap_or_else(|| {
            let stage = facts
                .refusals
                .get(&suspect.key)
                .map(|(stage, _)| stage.as_str());
            match stage {
                Some("adopt" | "database") => Class::Refused,
                _ => Class::Corrupt,
            }
        }),
        Kind::Extra if written && recorded => match suspect.now {
            Now::Gone => Class::Withdrawn,
            Now::Skipped if changed.is_some() => Class::Withdrawn,
            _ => changed
                .or(other_rule)
                .unwrap_or(by_somebody(Class::Extraneous)),
        },
        Kind::Extra => by_somebody(Class::Extraneous),
    })
}

/// What went in is not what went in then: the row itself, or only what it may see.
fn changed(suspect: &Suspect, word: &LastWord) -> Option<Class> {
    let (now, then) = (suspect.input?, word.entry.input);
    if now[..8] != then[..8] {
        Some(Class::SourceChanged)
    } else if now != then {
        Some(Class::LookupChanged)
    } else {
        None
    }
}

/// An adopted row keeps this value on purpose: it had it before we came, or when the chunk that had the last word on
/// it looked at it, or we never wrote to the row. `last`: that chunk, and whether we are proved to have written the row.
fn kept(
    explainer: &Explainer<'_>,
    facts: &Facts,
    (suspect, last, ours): (&Suspect, i64, bool),
    column: u16,
) -> bool {
    if !matches!(
        explainer.rule.header.existing,
        Existing::Fill | Existing::Keep
    ) {
        return false;
    }
    let Some(id) = suspect.id else { return false };
    let Some(before) = facts.before.get(&id) else {
        return true;
    };
    let name = &explainer.to.table.columns[usize::from(column)].name;
    let there = facts.there.row(id);
    let now = there.and_then(|row| facts.there.stored(row, usize::from(column)));
    let is_now =
        |before: &Before| before.image.get(name).and_then(|v| v.as_str()) == now.as_deref();
    let found_by_last = match before.iter().find(|before| before.chunk == last) {
        Some(before) => is_now(before),
        // it left the row as an earlier chunk of ours had made it, unless somebody came between
        None => ours || !explainer.writers.provable,
    };
    found_by_last || before.first().is_some_and(is_now)
}
