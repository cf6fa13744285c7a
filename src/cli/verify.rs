//! `runner verify`: every migrated row derived again and compared.

mod fitness;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::screen::{Answer, count, table, thousands};
use crate::cli::setup::{self, Global};
use crate::cli::signals;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::pipeline::{Event, Stop, Watcher as _};
use crate::verify::{self, Class, LIMITS, Options, Resume, TableProof, Verification, VerifyError};

/// Keys shown per class and table; `--json` has more.
const KEYS_SHOWN: usize = 10;

/// Derive every row again and compare it with the target
#[derive(Debug, Default, Args)]
pub(super) struct VerifyArgs {
    /// Rules to verify, by name or file; all that ran when none is given
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Only N source rows of each table, drawn at random
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// Begin with the first row, also where a verification was stopped before its end
    #[arg(long)]
    restart: bool,
    /// Base rows that are read and compared at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    batch_rows: Option<u64>,
    /// Keep what was found in the state, for the report
    #[arg(long, conflicts_with = "sample")]
    pub(super) record: bool,
}

impl VerifyArgs {
    /// Everything, and kept.
    pub(super) fn recorded() -> Self {
        Self {
            record: true,
            ..Self::default()
        }
    }
}

pub(super) async fn run(global: &Global, args: &VerifyArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let found = verified(global, &config, args).await?;
    Ok(answer(&found))
}

/// Verifies, and tells about it on stderr.
pub(super) async fn verified(
    global: &Global,
    config: &Config,
    args: &VerifyArgs,
) -> Result<Verification, Failure> {
    let folder = setup::all_rules(config)?;
    let names: Vec<String> = args
        .rules
        .iter()
        .map(|name| setup::rule_name(name).to_owned())
        .collect();
    let options = Options {
        sample: args.sample,
        resume: if args.restart {
            Resume::Anew
        } else {
            Resume::GoOn
        },
        chunk_rows: args.batch_rows.unwrap_or(Options::default().chunk_rows),
    };
    let progress = Progress::new(global.json);
    let stop = Stop::new();
    let watch = Watch {
        progress: &progress,
        stop: &stop,
    };
    let found = tokio::select! {
        found = verify::verify(config, &names, &folder, options, &watch) => found,
        () = signals::insisted(&stop, &progress) => Err(VerifyError::Interrupted),
    };
    let found = found.map_err(Failure::from)?;
    if args.record {
        verify::record(config, &found).await?;
    }
    Ok(found)
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Failed(problems) => Self::failed(problems),
            VerifyError::State(error) => error.into(),
            VerifyError::Interrupted => Self {
                exit: Exit::Interrupted,
                problems: vec![
                    Diagnostic::error("interrupted before every row was compared").hint(
                        "nothing was written to a database; the same command goes on where this one stopped, with `--restart` it begins again",
                    ),
                ],
            },
        }
    }
}

/// Shows on stderr how far it is.
pub(super) struct Watch<'a> {
    pub(super) progress: &'a Progress,
    pub(super) stop: &'a Stop,
}

impl verify::Watcher for Watch<'_> {
    fn table(&self, rule: &str, rows: u64) {
        self.progress.event(Event::RuleStarted {
            rule,
            base: rows,
            done: 0,
        });
    }

    fn resumed(&self, rule: &str, rows: u64) {
        let text = format!(
            "{rule}: going on, {} were compared before (`--restart` begins again)",
            count(rows as i64, "row")
        );
        self.progress.event(Event::Message(&text));
        self.compared(rule, rows);
    }

    fn compared(&self, rule: &str, rows: u64) {
        self.progress.event(Event::Chunk {
            rule,
            base: rows,
            read: rows,
            rejected: 0,
        });
    }

    fn done(&self, proof: &TableProof) {
        let note = match proof.differences() {
            0 => "agrees".to_owned(),
            n => count(n as i64, "difference"),
        };
        self.progress.event(Event::RuleFinished {
            rule: &proof.rule,
            note: &note,
        });
    }

    fn stop(&self) -> bool {
        self.stop.asked()
    }
}

pub(super) fn answer(found: &Verification) -> Answer {
    let exit = if found.differences() > 0 {
        Exit::Differences
    } else {
        Exit::Done
    };
    Answer {
        exit,
        text: text(found),
        json: json_of(found),
    }
}

/// The whole result as one document.
pub(super) fn json_of(found: &Verification) -> Value {
    let mut document = serde_json::to_value(found).unwrap_or_default();
    document["differences"] = json!(found.differences());
    document["not_run"] = found
        .not_run
        .iter()
        .map(|(rule, why)| json!({ "rule": rule, "why": why }))
        .collect();
    document["limits"] = json!(LIMITS);
    document
}

fn text(found: &Verification) -> String {
    let mut text = table(
        &[
            "rule",
            "derived",
            "compared",
            "cells",
            "differences",
            "not differences",
        ],
        &[1, 2, 3, 4],
        found.tables.iter().map(|proof| {
            let others = proof
                .classes
                .iter()
                .filter(|(class, _)| !class.differs())
                .map(|(class, tally)| format!("{} {}", thousands(tally.count as i64), class.word()))
                .collect::<Vec<_>>()
                .join(", ");
            vec![
                proof.rule.clone(),
                thousands(proof.derived as i64),
                thousands(proof.compared as i64),
                thousands(proof.cells as i64),
                thousands(proof.differences() as i64),
                others,
            ]
        }),
    );
    for proof in &found.tables {
        details(&mut text, proof);
    }
    text.push_str(&fitness::section(found));
    text.push_str(&notes(found));
    for point in &found.handover {
        let word = if point.level == "bad" {
            "not ready"
        } else {
            "remark"
        };
        text.push_str(&format!(
            "\n{}: {word}: {} ({})\n",
            point.rule, point.text, point.fix
        ));
    }
    for (rule, why) in &found.not_run {
        text.push_str(&format!("\n{rule}: {why}\n"));
    }
    let (rows, cells) = found
        .tables
        .iter()
        .fold((0, 0), |(r, c), t| (r + t.compared, c + t.cells));
    text.push_str(&match found.differences() {
        0 => format!(
            "\nno differences: {} compared cell by cell, {} cells. What this cannot see: docs/verification.md\n",
            count(rows as i64, "row"),
            thousands(cells as i64)
        ),
        n => format!("\n{}\n", count(n as i64, "difference")),
    });
    text
}

fn details(text: &mut String, proof: &TableProof) {
    let classes = proof.classes.iter().filter(|(class, tally)| {
        tally.count > 0 && (class.differs() || matches!(class, Class::Kept | Class::FileAbsent))
    });
    for (class, tally) in classes {
        text.push_str(&format!(
            "\n{}: {} {} ({})\n",
            proof.rule,
            thousands(tally.count as i64),
            class.word(),
            meaning(*class)
        ));
        for row in tally.rows.iter().take(KEYS_SHOWN) {
            text.push_str(&format!("  key {}", row.key));
            if !row.columns.is_empty() {
                text.push_str(&format!("  {}", row.columns.join(", ")));
            }
            if let Some(id) = row.id {
                text.push_str(&format!("  {id}"));
            }
            text.push('\n');
        }
        if tally.count > KEYS_SHOWN as u64 {
            text.push_str(&format!(
                "  … and {} more\n",
                thousands((tally.count - tally.rows.len().min(KEYS_SHOWN) as u64) as i64)
            ));
        }
    }
    for check in proof.checks.iter().filter(|check| check.ok != Some(true)) {
        let word = if check.ok.is_none() {
            "not asked"
        } else {
            "failed"
        };
        text.push_str(&format!(
            "\n{}: {} {word}: {}\n",
            proof.rule, check.name, check.text
        ));
    }
}

/// A sentence that is true of every table is said once.
fn notes(found: &Verification) -> String {
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for proof in &found.tables {
        for note in &proof.notes {
            match seen.iter_mut().find(|(text, _)| text == note) {
                Some((_, rules)) => rules.push(&proof.rule),
                None => seen.push((note, vec![&proof.rule])),
            }
        }
    }
    let line = |(note, rules): (&str, Vec<&str>)| {
        if rules.len() == found.tables.len() && rules.len() > 1 {
            format!("\n{note}\n")
        } else {
            format!("\n{}: {note}\n", rules.join(", "))
        }
    };
    seen.into_iter().map(line).collect()
}

fn meaning(class: Class) -> &'static str {
    match class {
        Class::Missing => "the rule writes it, the target does not hold it",
        Class::Extraneous => "the target holds it, nothing derives it",
        Class::TargetEdited => "somebody else wrote it last",
        Class::SourceChanged => {
            "the source row is not what it was: a run or a restart brings it over"
        }
        Class::LookupChanged => "a parent or related row is not what it was",
        Class::RuleChanged => "decided by another version of the rule",
        Class::Corrupt => {
            "nothing changed and we wrote it last: a fault of this program, please report it"
        }
        Class::Withdrawn => "its source row is gone, or left behind now",
        Class::Kept => "adopted, and left as it was: no difference",
        Class::Refused => "refused by the target, in quarantine: no difference",
        Class::Pending => "its turn has not come: no difference",
        Class::FileAbsent => "row migrated, file absent in storage: no difference",
        Class::NotRederived => "written by a script: not compared",
    }
}
