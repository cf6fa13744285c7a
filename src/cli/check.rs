//! `runner check`: is everything in order before the first row is read?

use std::path::Path;
use std::time::{Duration, SystemTime};

use clap::Args;
use serde_json::json;

use crate::check::{self, Checked};
use crate::cli::exit::{Exit, Failure, problem_json};
use crate::cli::screen::{self, Answer, count};
use crate::cli::setup::{self, Global};
use crate::commit::{Tracking, tracking};
use crate::config::Config;
use crate::db::{ErrorKind, Role, Session};
use crate::diagnostic::{Diagnostic, Severity};
use crate::state::{State, StateError};

/// How often `--watch` looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Compile and lint rules, and compare them with both databases
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Rules to check, by name or file; all when none is given
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Check again whenever a rule changes
    #[arg(long, conflicts_with = "json")]
    watch: bool,
}

pub(super) async fn run(global: &Global, args: &CheckArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    global.warn(&config);
    if !args.watch {
        return once(global, args).await;
    }
    let mut seen = None;
    loop {
        let newest = newest(&config.rules);
        if seen != Some(newest) {
            seen = Some(newest);
            // editors clear what they showed before
            screen::aside("checking");
            screen::finish(once(global, args).await, false);
            screen::aside("\nwatching; Ctrl-C ends\n");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn once(global: &Global, args: &CheckArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let set = setup::some_rules(&config, &args.rules)?;
    let mut checked = check::check(&config, &set, &set.rules).await?;
    let found = standing(&config, &checked).await?;
    checked.findings.extend(found);
    Ok(answer(&checked, set.rules.len()))
}

/// What earlier runs and older tools left in the target, as far as it concerns the next run.
async fn standing(config: &Config, checked: &Checked) -> Result<Vec<Diagnostic>, Failure> {
    let mut findings = Vec::new();
    if config.target.is_none() {
        return Ok(findings);
    }
    let mut session = match Session::open(config.target()?, Role::TargetReader).await {
        Ok(session) => session,
        // told already
        Err(e) if e.kind == ErrorKind::Pooler => return Ok(findings),
        // the session before this one may not be gone yet, and that it was alone is told
        Err(_) if checked.is_alone => return Ok(findings),
        Err(e) => return Err(e.into()),
    };
    for name in [tracking::MAPPINGS, tracking::CONTROL] {
        if let Tracking::Foreign(why) = Tracking::look(&mut session, name).await? {
            findings.push(Diagnostic::new(
                Severity::Hazard,
                format!("`{name}` is left alone, dashboards that read it will not move: {why}"),
            ));
        }
    }
    let state = State::new(session.engine());
    let known = match state.exists(&mut session).await {
        Ok(true) => state.check_version(&mut session).await,
        Ok(false) => Ok(()),
        Err(e) => Err(e),
    };
    match known {
        Ok(()) => {}
        Err(StateError::Db(e)) if e.kind == ErrorKind::Permission => findings.push(
            Diagnostic::new(
                Severity::Warning,
                "this role may not read the schema `runner`: what was migrated before is not taken into account",
            )
            .hint("`runner print grants` shows what the role needs"),
        ),
        Err(StateError::Db(e)) => return Err(e.into()),
        Err(other) => findings.push(Diagnostic::error(other.to_string())),
    }
    session.close().await;
    Ok(findings)
}

fn answer(checked: &Checked, rules: usize) -> Answer {
    let findings = &checked.findings;
    let of = |severity| findings.iter().filter(|f| f.severity() == severity).count() as i64;
    let (errors, warnings, hazards) = (
        of(Severity::Error),
        of(Severity::Warning),
        of(Severity::Hazard),
    );
    let mut text: String = findings.iter().map(shown).collect();
    if !checked.volatile.is_empty() {
        text.push_str("volatile: filled by the target, no part of a comparison\n");
        for (rule, columns) in &checked.volatile {
            text.push_str(&format!("  {rule}: {}\n", columns.join(", ")));
        }
    }
    if let Some(load) = checked.load {
        text.push_str(&format!(
            "to load: {}, about {} with indexes\n",
            count(i64::try_from(load.rows).unwrap_or(i64::MAX), "source row"),
            check::size(load.bytes)
        ));
    }
    text.push_str(&format!(
        "{}: {}, {}, {}\n",
        count(rules as i64, "rule"),
        count(errors, "error"),
        count(warnings, "warning"),
        count(hazards, "hazard")
    ));
    Answer {
        exit: if errors > 0 {
            Exit::Refused
        } else {
            Exit::Done
        },
        text,
        json: json!({
            "errors": errors,
            "warnings": warnings,
            "hazards": hazards,
            "findings": findings.iter().map(problem_json).collect::<Vec<_>>(),
            "volatile": checked
                .volatile
                .iter()
                .map(|(rule, columns)| (rule.clone(), json!(columns)))
                .collect::<serde_json::Map<_, _>>(),
            "load": checked.load.map(|load| json!({ "rows": load.rows, "bytes": load.bytes })),
        }),
    }
}

/// The line that editors understand, then the excerpt, the facts and the hints.
fn shown(finding: &Diagnostic) -> String {
    let mut out = finding.line();
    for line in finding.to_string().lines().skip(1) {
        if !line.is_empty() && !line.trim_start().starts_with("--> ") {
            out.push_str("\n    ");
            out.push_str(line);
        }
    }
    screen::printable(&out) + "\n"
}

/// When the newest rule was changed, and how many there are.
fn newest(folder: &Path) -> (usize, Option<SystemTime>) {
    let mut folders = vec![folder.to_owned()];
    let (mut files, mut newest) = (0, None);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rhai") {
                files += 1;
                newest = newest.max(entry.metadata().and_then(|m| m.modified()).ok());
            }
        }
    }
    (files, newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Place;

    #[test]
    fn a_finding_begins_with_the_line_for_editors() {
        let place = Place::in_text("rules/a.rhai", "let x = row.emial;", 1, 13);
        let finding = Diagnostic::error("column `emial` is not in the row")
            .at(place)
            .hint("did you mean `email`?");
        let text = shown(&finding);
        assert!(text.starts_with("rules/a.rhai:1:13: error: column `emial` is not in the row\n"));
        assert!(text.contains("^^^^^") && text.contains("hint: did you mean `email`?"));
    }

    #[test]
    fn only_errors_refuse() {
        let exit = |finding| {
            let checked = Checked {
                findings: vec![finding],
                ..Checked::default()
            };
            answer(&checked, 1).exit
        };
        assert_eq!(
            exit(Diagnostic::new(Severity::Hazard, "a trigger")),
            Exit::Done
        );
        assert_eq!(exit(Diagnostic::error("bad")), Exit::Refused);
    }
}
