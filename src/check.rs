//! The check before anything is written: rules against both catalogs, all findings at once.

mod accounts;
mod asked;
mod checks;
mod hazards;
mod keys;
mod server;
mod triggers;
#[cfg(test)]
mod triggers_tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::{self, Table};
use crate::config::Config;
use crate::db::{DbError, Engine, ErrorKind, Role, Session, TableName};
use crate::diagnostic::{Diagnostic, Place, Severity};
use crate::plan::{Job, Step, order, unfilled};
use crate::rule::{Rule, RuleSet, Shapes};
use asked::Once;
use hazards::Ground;

pub use server::{no_room, size};

/// What a check came to.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Errors first, by file and place.
    pub findings: Vec<Diagnostic>,
    /// By rule: columns that the target fills, which are no part of a comparison.
    pub volatile: Vec<(String, Vec<String>)>,
    /// What a full load comes to, when every rule could be counted.
    pub load: Option<Load>,
    /// The target lets one session in at a time.
    pub is_alone: bool,
}

/// How much there is to load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Source rows.
    pub rows: u64,
    /// Estimated bytes at the target, with indexes and log.
    pub bytes: u64,
}

/// Every finding about `rules`. Reads only. Without databases in the configuration only what the
/// scripts themselves show is found, and the last finding says so.
///
/// # Errors
/// A database that is configured and cannot be asked.
pub async fn check(
    config: &Config,
    all: &RuleSet,
    rules: &[Arc<Rule>],
) -> Result<Checked, Diagnostic> {
    let mut checked = Checked {
        findings: all.problems.clone(),
        ..Checked::default()
    };
    if let Err(cycles) = order(rules) {
        checked.findings.extend(cycles);
    }
    if config.source.is_none() && config.target.is_none() {
        for rule in rules {
            checked.findings.extend(rule.lint(&Shapes::default()));
        }
        checked.findings.push(Diagnostic::new(
            Severity::Warning,
            "no databases are set, so columns, types and keys were not checked: put SOURCE_DATABASE_URL and TARGET_DATABASE_URL into .env",
        ));
        sort(&mut checked.findings);
        return Ok(checked);
    }
    // No transaction around it: a question that the server refuses must not end the others. The
    // sessions are read-only, so is each statement.
    let (source, target) = (config.source()?, config.target()?);
    let opened = async {
        let source = Session::open(source, Role::Source).await?;
        Ok::<_, DbError>((source, Session::open(target, Role::TargetReader).await?))
    };
    let (mut source, mut target) = match opened.await {
        Ok(sessions) => sessions,
        // an address that is refused for what it leads to is a finding
        Err(e) if e.kind == ErrorKind::Pooler => {
            checked.findings.push(e.into());
            sort(&mut checked.findings);
            return Ok(checked);
        }
        Err(e) => return Err(e.into()),
    };
    let mut look = Look {
        source: &mut source,
        target: &mut target,
        checked: &mut checked,
        once: Once::default(),
        told: BTreeSet::new(),
        loads: Some((0, 0)),
    };
    let mut sound = Vec::new();
    for rule in rules {
        if look.rule(rule).await? {
            sound.push(Arc::clone(rule));
        }
    }
    for rule in rules {
        asked::of_target(rule, look.target, &look.told, &mut look.once).await?;
    }
    let Look { once, loads, .. } = look;
    checked.findings.extend(once.0);
    for rule in &sound {
        match unfilled(
            std::slice::from_ref(rule),
            &all.rules,
            &all.rules,
            &mut target,
        )
        .await
        {
            Ok(found) => checked.findings.extend(found),
            // told above, with the table's name
            Err(e) if e.kind == ErrorKind::Permission => {}
            Err(e) => return Err(e.into()),
        }
    }
    checked
        .findings
        .extend(server::hazards(&mut source, &mut target).await?);
    checked.is_alone = target.is_alone();
    if let Some((rows, bytes)) = loads {
        let free = config
            .target
            .as_ref()
            .and_then(crate::config::DatabaseUrl::free_disk);
        let each = bytes.checked_div(rows).unwrap_or(0);
        let (load, finding) = server::room(rows, each, &mut target, free).await?;
        checked.load = Some(load);
        checked.findings.extend(finding);
    }
    source.close().await;
    target.close().await;
    sort(&mut checked.findings);
    Ok(checked)
}

/// Findings about the target that refuse a run of `rule` and that its shapes do not show: rows hidden
/// from this role, and effects outside the database that nobody has accepted.
///
/// # Errors
/// The target cannot be asked.
pub async fn refusals(
    rules: &[Arc<Rule>],
    target: &mut Session,
) -> Result<Vec<Diagnostic>, DbError> {
    let mut findings = Vec::new();
    let mut once = Once::default();
    let mut told = BTreeSet::new();
    for rule in rules {
        if let Some(table) = catalog::table(target, &TableName::parse(&rule.header.target)).await? {
            let ground = Ground::look(rule, &table, None, target).await?;
            if ground.visibility.hides {
                told.insert(table.name.to_string());
            }
            findings.extend(ground.refusals());
        }
    }
    for rule in rules {
        asked::of_target(rule, target, &told, &mut once).await?;
    }
    findings.extend(once.0);
    Ok(findings)
}

struct Look<'a> {
    source: &'a mut Session,
    target: &'a mut Session,
    checked: &'a mut Checked,
    once: Once,
    /// Target tables of which it was said that this role does not see them.
    told: BTreeSet<String>,
    /// Rows to read and their bytes; `None` once a rule could not be counted.
    loads: Option<(u64, u64)>,
}

impl Look<'_> {
    /// Whether nothing refuses the rule.
    async fn rule(&mut self, rule: &Arc<Rule>) -> Result<bool, Diagnostic> {
        let mut is_sound = true;
        let mut step = None;
        if rule.has.run {
            match Job::prepare(rule.clone(), self.source, self.target).await {
                Ok(job) => self.checked.findings.extend(job.remarks),
                Err(problems) => {
                    self.checked.findings.extend(problems);
                    is_sound = false;
                }
            }
        } else {
            match Step::prepare(rule.clone(), self.source, self.target, Uuid::nil()).await {
                Ok(prepared) => {
                    self.checked
                        .findings
                        .extend(prepared.remarks.iter().cloned());
                    step = Some(prepared);
                }
                Err(problems) => {
                    self.checked.findings.extend(problems);
                    is_sound = false;
                }
            }
        }
        asked::of_source(rule, self.source, &mut self.once).await?;
        match &step {
            Some(step) => self.count(step).await?,
            None => self.loads = None,
        }
        let name = TableName::parse(&rule.header.target);
        if let Some(table) = catalog::table(self.target, &name).await? {
            self.table(rule, &table).await?;
        }
        Ok(is_sound)
    }

    /// Keys, pages, rows to read.
    async fn count(&mut self, step: &Step) -> Result<(), Diagnostic> {
        let counted = match keys::keys(step, self.source).await {
            Ok((findings, read)) => {
                self.checked.findings.extend(findings);
                self.checked
                    .findings
                    .extend(keys::pages(step, self.source).await?);
                Some((read, keys::row_bytes(step, self.source).await?))
            }
            // told with the select that it is about
            Err(e) if e.kind == ErrorKind::Permission => None,
            Err(e) => return Err(e.into()),
        };
        self.loads = self
            .loads
            .zip(counted)
            .map(|((rows, bytes), (read, each))| (rows + read, bytes + read * each));
        Ok(())
    }

    async fn table(&mut self, rule: &Rule, table: &Table) -> Result<(), Diagnostic> {
        let (literals, sets) = if rule.has.run {
            (vec![], None)
        } else {
            rule.written(&Shapes {
                target: Some(table),
                ..Shapes::default()
            })
        };
        let findings = &mut self.checked.findings;
        if self.target.engine() == Engine::Postgres {
            findings.extend(checks::refused(&literals, table, self.target).await?);
        }
        let ground = Ground::look(rule, table, sets, self.target).await?;
        if ground.visibility.hides || !table.rights.select {
            self.told.insert(table.name.to_string());
        }
        findings.extend(ground.refusals());
        findings.extend(ground.hazards());
        findings.extend(accounts::hazards(rule, self.target).await?);
        let volatile = ground.volatile();
        if !volatile.is_empty() {
            self.checked.volatile.push((rule.name.clone(), volatile));
        }
        Ok(())
    }
}

fn sort(findings: &mut Vec<Diagnostic>) {
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
}

fn at(rule: &Rule, keys: &[&str], problem: Diagnostic) -> Diagnostic {
    let place = (1..=keys.len())
        .rev()
        .find_map(|length| rule.place_of(&keys[..length]));
    match place {
        Some(place) => problem.at(place),
        None => problem.at(Place::file(rule.path.display().to_string())),
    }
}
