//! Is a report still what it says? The data is derived again, the page is rendered again and compared as a whole,
//! the ledger is held against its manifests and root hashes, every query is asked again, and every row is verified.
//!
//! Two answers are told apart: the page or the target is other than it was (*forged or stale*), and the source
//! moved on since the snapshot.

use std::path::Path;

use crate::config::Config;
use crate::db::{ErrorKind, Role, Session, ident};
use crate::diagnostic::Diagnostic;
use crate::report::{self, Format, Proof, Report, Stamp};
use crate::row::Rows;
use crate::rule::RuleSet;
use crate::state::{State, StateError};
use crate::verify::{self, VerifyError, Watcher};

/// Lines of a page that are shown beside one another.
const LINES_SHOWN: usize = 5;
/// Characters of such a line.
const LINE_MAX: usize = 160;

/// What is not as the report says.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Objection {
    /// `forged or stale`, or `source moved`.
    pub kind: &'static str,
    /// Where: a line of the page, a chunk of the ledger, a query, a row.
    pub place: String,
    /// What is there, and what should be.
    pub text: String,
}

/// The page or the target is not what it was.
pub const FORGED: &str = "forged or stale";
/// The target is as it was; the source is not.
pub const MOVED: &str = "source moved";

/// Holds a page against the databases; an empty answer means that all of it still holds.
pub async fn recheck(
    config: &Config,
    folder: &RuleSet,
    page: &str,
    template: Option<&Path>,
    watcher: &dyn Watcher,
) -> Result<Vec<Objection>, VerifyError> {
    let stamp = report::stamp_of(page).ok_or_else(|| {
        Diagnostic::error("this is no report of `runner report`, or its last line was removed")
            .hint("the last line says how and when the report was made: without it it cannot be made again")
    })?;
    let format = Format::of_word(&stamp.format)
        .ok_or_else(|| Diagnostic::error("the report's form is not known to this version"))?;
    let mut target = Session::open(config.target()?, Role::TargetReader).await?;
    let state = State::new(target.engine());
    state.check_version(&mut target).await?;
    let mut report = report::gather(&mut target, state, folder).await?;
    let mut objections = later_runs(&report, &stamp);
    report.made_at.clone_from(&stamp.made_at);
    objections.extend(lines(page, &report::page(&report, format, template)?));
    objections.extend(ledger(&mut target, state).await?);
    let mut source = Session::open(config.source()?, Role::Source).await?;
    objections.extend(queries(&mut source, &mut target, &report).await?);
    source.close().await;
    target.close().await;
    let found = verify::verify(config, &[], folder, verify::Options::default(), watcher).await?;
    objections.extend(rows(&found, &report));
    Ok(objections)
}

/// Somebody went on working after the report was made: it is stale rather than forged.
fn later_runs(report: &Report, stamp: &Stamp) -> Vec<Objection> {
    let later = report
        .runs
        .iter()
        .filter(|run| run.started_at > stamp.made_at);
    later
        .map(|run| Objection {
            kind: FORGED,
            place: format!("run {}", run.id),
            text: format!(
                "`{}` began after the report was made: make a new one",
                run.command
            ),
        })
        .collect()
}

/// Lines of the page that are not what they would be now.
fn lines(page: &str, again: &str) -> Vec<Objection> {
    if page == again {
        return vec![];
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (page.lines().collect(), again.lines().collect());
    let mut found = Vec::new();
    for at in 0..old.len().max(new.len()) {
        let (is, should) = (old.get(at).copied(), new.get(at).copied());
        if is != should {
            found.push(Objection {
                kind: FORGED,
                place: format!("line {} of the report", at + 1),
                text: format!(
                    "says `{}`, derived again it is `{}`",
                    shown(is),
                    shown(should)
                ),
            });
        }
        if found.len() == LINES_SHOWN {
            break;
        }
    }
    if found.is_empty() {
        found.push(Objection {
            kind: FORGED,
            place: "the report".into(),
            text: "differs in blanks or line ends from what is derived again".into(),
        });
    }
    found
}

fn shown(line: Option<&str>) -> String {
    let text = line.unwrap_or("").trim();
    if text.chars().count() <= LINE_MAX {
        return report::visible(text);
    }
    let cut: String = text.chars().take(LINE_MAX).collect();
    report::visible(&cut) + "…"
}

/// Ledger lines that their manifests contradict, and runs whose root is no longer theirs.
async fn ledger(target: &mut Session, state: State) -> Result<Vec<Objection>, StateError> {
    let objection = |place: String, text: String| Objection {
        kind: FORGED,
        place,
        text,
    };
    let mut found = Vec::new();
    for line in state.contradicted(target).await? {
        let (place, text) = line.split_once(": ").unwrap_or((&line, ""));
        found.push(objection(place.to_owned(), text.to_owned()));
    }
    for (run, sealed) in state.roots(target).await? {
        let (root, chunks) = state.root(target, run).await?;
        if root != sealed {
            let text = format!(
                "the root hash over its {chunks} chunks is {root} now, it ended with {sealed}: its part of the ledger was edited"
            );
            found.push(objection(format!("ledger of run {run}"), text));
        }
    }
    Ok(found)
}

/// Every number that a query gives, asked again. The queries are made here, not read from the page.
async fn queries(
    source: &mut Session,
    target: &mut Session,
    report: &Report,
) -> Result<Vec<Objection>, VerifyError> {
    let mut found = Vec::new();
    for proof in &report.proofs {
        let session = if proof.side == "source" {
            &mut *source
        } else {
            &mut *target
        };
        let Some(rows) = asked(session, proof).await? else {
            let text = format!(
                "was {}, not asked: this role may not ask any more",
                proof.value
            );
            let place = format!("{} of {}", proof.what, proof.of);
            found.push(Objection {
                kind: FORGED,
                place,
                text,
            });
            continue;
        };
        let cells = (0..if rows.is_empty() {
            0
        } else {
            rows.columns().len()
        })
            .map(|column| {
                let cell = rows.cell(0, column);
                cell.map_or_else(String::new, |c| String::from_utf8_lossy(&c).into_owned())
            });
        let now: Vec<String> = cells.collect();
        let now = now.join("|");
        if now != proof.value {
            found.push(Objection {
                kind: if proof.side == "source" {
                    MOVED
                } else {
                    FORGED
                },
                place: format!("{} of {}", proof.what.replace('|', ", "), proof.of),
                text: format!("was {}, is {now}: {}", proof.value, proof.query),
            });
        }
    }
    Ok(found)
}

/// Asks a query of the report as the role that it was asked as; `None` when that is not allowed any more.
async fn asked(session: &mut Session, proof: &Proof) -> Result<Option<Rows>, VerifyError> {
    let Some(role) = &proof.role else {
        return Ok(Some(session.query(&proof.query).await?));
    };
    session.execute("begin read only").await?;
    let set = format!("set local role {}", ident(role));
    let answer = match session.execute(&set).await {
        Ok(_) => session.query(&proof.query).await,
        Err(error) => Err(error),
    };
    if session.is_broken() {
        return Ok(Some(answer?));
    }
    session.execute("rollback").await?;
    match answer {
        Err(error) if error.kind == ErrorKind::Permission => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

/// Rows that are no longer what their source rows make of them, unless the report says so itself.
fn rows(found: &verify::Verification, report: &Report) -> Vec<Objection> {
    let mut all = Vec::new();
    for table in &found.tables {
        for fit in table.fitness.iter().filter(|fit| fit.ok == Some(false)) {
            let said = report.fitness.iter().any(|known| {
                known.rule == table.rule && known.name == fit.name && known.text == fit.text
            });
            if !said {
                all.push(Objection {
                    kind: FORGED,
                    place: format!("{} of {}", fit.name, table.rule),
                    text: fit.text.clone(),
                });
            }
        }
        // a report that names these differences is right about them
        let sentence = verify::sentence(table);
        let mut recorded = report.verification.iter().filter(|g| g.rule == table.rule);
        if recorded.any(|gate| gate.detail == sentence) {
            continue;
        }
        for (class, tally) in table.classes.iter().filter(|(class, _)| class.differs()) {
            let kind = if class.moved() { MOVED } else { FORGED };
            for row in tally.rows.iter().take(LINES_SHOWN) {
                all.push(Objection {
                    kind,
                    place: format!("{} key {}", table.rule, row.key),
                    text: format!("{} {}", class.word(), row.columns.join(", "))
                        .trim_end()
                        .to_owned(),
                });
            }
            let more = tally.count.saturating_sub(LINES_SHOWN as u64);
            if more > 0 {
                all.push(Objection {
                    kind,
                    place: table.rule.clone(),
                    text: format!("{more} more rows are {}", class.word()),
                });
            }
        }
        for check in table.checks.iter().filter(|check| check.ok == Some(false)) {
            let moved = check.name == verify::Class::RuleChanged.word();
            all.push(Objection {
                kind: if moved { MOVED } else { FORGED },
                place: format!("{} of {}", check.name, table.rule),
                text: check.text.clone(),
            });
        }
    }
    all
}
