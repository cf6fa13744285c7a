//! The check before anything is written: rules against both catalogs, all findings at once.

use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::Table;
use crate::config::Config;
use crate::db::{Role, Session};
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::plan::{Job, Step, order, unfilled};
use crate::rule::{Rule, RuleSet, Shapes};
use crate::source::Source;

/// Every finding about `rules`, errors first by file and place. Reads only. Without databases in the
/// configuration only what the scripts themselves show is found, and the last finding says so.
///
/// # Errors
/// A database that is configured and cannot be asked.
pub async fn check(
    config: &Config,
    all: &RuleSet,
    rules: &[Arc<Rule>],
) -> Result<Vec<Diagnostic>, Diagnostic> {
    let mut findings = all.problems.clone();
    if let Err(cycles) = order(rules) {
        findings.extend(cycles);
    }
    if config.source.is_none() && config.target.is_none() {
        for rule in rules {
            findings.extend(rule.lint(&Shapes::default()));
        }
        findings.push(Diagnostic::new(
            Severity::Warning,
            "no databases are set, so columns, types and keys were not checked: put SOURCE_DATABASE_URL and TARGET_DATABASE_URL into .env",
        ));
        return Ok(sorted(findings));
    }
    let mut source = Source::open(config.source()?).await?;
    let mut target = Session::open(config.target()?, Role::TargetReader).await?;
    source.snapshot().await?;
    let mut sound = Vec::new();
    for rule in rules {
        if rule.has.run {
            match Job::prepare(rule.clone(), source.session(), &mut target).await {
                Ok(job) => {
                    findings.extend(job.remarks);
                    findings.extend(hazards(rule, &job.to.table));
                }
                Err(problems) => findings.extend(problems),
            }
            continue;
        }
        match Step::prepare(rule.clone(), source.session(), &mut target, Uuid::nil()).await {
            Ok(step) => {
                findings.extend(step.remarks.clone());
                findings.extend(keys(&step, &mut source).await?);
                findings.extend(hazards(rule, &step.to.table));
                sound.push(rule.clone());
            }
            Err(problems) => findings.extend(problems),
        }
    }
    findings.extend(unfilled(&sound, &all.rules, &all.rules, &mut target).await?);
    Ok(sorted(findings))
}

fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by(|a, b| {
        let place = |d: &Diagnostic| {
            d.place().map_or((String::new(), 0, 0), |p| {
                (p.path.clone(), p.line, p.column)
            })
        };
        a.severity()
            .cmp(&b.severity())
            .then_with(|| place(a).cmp(&place(b)))
    });
    findings.dedup();
    findings
}

/// One row per key, as the source counts it.
async fn keys(step: &Step, source: &mut Source) -> Result<Vec<Diagnostic>, Diagnostic> {
    let rule = &step.rule;
    let (_, read) = source.counts(&step.query).await?;
    let mut findings = Vec::new();
    if let Some(from) = &rule.header.from {
        let names: Vec<String> = rule
            .header
            .key
            .iter()
            .map(|k| crate::db::ident(k))
            .collect();
        let keys = names.join(", ");
        let sql = format!(
            "select count(*), (select count(*) from (select distinct {keys} from ({from}) f) d) from ({from}) f"
        );
        let rows = source.session().query(&sql).await?;
        let number = |column| {
            rows.cell(0, column)
                .and_then(|c| String::from_utf8_lossy(&c).parse::<u64>().ok())
                .unwrap_or(0)
        };
        let (all, distinct) = (number(0), number(1));
        if all != distinct || distinct != read {
            findings.push(
                at(rule, &["from"], Diagnostic::error(format!(
                    "`from` must give exactly one row per key: {read} rows of `{}` satisfy `where`, `from` gives {all} rows with {distinct} keys",
                    rule.header.base
                )))
                .hint("use left joins to tables that are unique on the joined column, and repeat `where` inside `from`"),
            );
        }
    }
    Ok(findings)
}

fn hazards(rule: &Rule, table: &Table) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let place = |keys: &[&str], severity, message: String| {
        at(rule, keys, Diagnostic::new(severity, message))
    };
    if table.row_security {
        findings.push(
            place(&["target"], Severity::Error, format!("row level security hides rows of `{}` from this role", table.name))
                .hint("connect as a role with BYPASSRLS, or give this one a policy `for all using (true) with check (true)`"),
        );
    }
    if !table.rights.insert {
        findings.push(place(
            &["target"],
            Severity::Warning,
            format!(
                "this role may not insert into `{}`: a run will be refused",
                table.name
            ),
        ));
    }
    if let Some(legacy) = rule.header.legacy.as_ref().filter(|_| !rule.header.many)
        && !table.uniques.iter().any(|unique| {
            !unique.partial
                && !unique.expression
                && matches!(&unique.columns[..], [one] if one == legacy)
        })
    {
        findings.push(
            place(
                &["legacy"],
                Severity::Warning,
                format!(
                    "`{legacy}` of `{}` is not unique: the target would let two rows carry one legacy key",
                    table.name
                ),
            )
            .hint(format!(
                "add `unique ({legacy})` to the table; without it only the run's own gates see a second row"
            )),
        );
    }
    for trigger in table.triggers.iter().filter(|t| t.enabled) {
        if rule.header.effects.contains(&trigger.name) {
            continue;
        }
        findings.push(
            place(
                &["target"],
                Severity::Hazard,
                format!(
                    "trigger `{}` on `{}` runs{} ({} {})",
                    trigger.name,
                    table.name,
                    // SQLite's triggers have a body instead
                    if trigger.function.is_empty() {
                        String::new()
                    } else {
                        format!(" {}", trigger.function)
                    },
                    trigger.timing,
                    trigger.events
                ),
            )
            .hint(format!(
                "if you accept what it does: effects: [\"{}\"]",
                trigger.name
            )),
        );
    }
    let volatile: Vec<&str> = table
        .columns
        .iter()
        .filter(|c| {
            c.default.as_ref().is_some_and(|d| !d.immutable)
                && rule.header.volatile.contains(&c.name)
        })
        .map(|c| c.name.as_str())
        .collect();
    if !volatile.is_empty() {
        findings.push(place(
            &["volatile"],
            Severity::Note,
            format!("left to the target: {}", volatile.join(", ")),
        ));
    }
    findings
}

fn at(rule: &Rule, keys: &[&str], problem: Diagnostic) -> Diagnostic {
    match rule.place_of(keys) {
        Some(place) => problem.at(place),
        None => problem.at(Place::file(rule.path.display().to_string())),
    }
}
