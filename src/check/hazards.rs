//! What the target does besides keeping rows: triggers, publications, row level security, missing rights.

use std::collections::BTreeSet;

use super::at;
use super::triggers::effects;
use crate::catalog::{self, Table, TriggerCode, Visibility};
use crate::db::{DbError, Session, TableName};
use crate::diagnostic::{Diagnostic, Severity};
use crate::rule::{Existing, Rule};

/// What can be said of the table that a rule fills.
pub(super) struct Ground<'a> {
    pub(super) rule: &'a Rule,
    pub(super) table: &'a Table,
    /// Columns that the rule sets; `None` when not all of them can be seen.
    pub(super) sets: Option<BTreeSet<String>>,
    pub(super) code: Vec<TriggerCode>,
    pub(super) publications: Vec<String>,
    pub(super) visibility: Visibility,
}

impl<'a> Ground<'a> {
    pub(super) async fn look(
        rule: &'a Rule,
        table: &'a Table,
        sets: Option<BTreeSet<String>>,
        target: &mut Session,
    ) -> Result<Self, DbError> {
        let name = TableName::parse(&rule.header.target);
        let code = if table.triggers.iter().any(|t| t.enabled) {
            catalog::trigger_code(target, &name).await?
        } else {
            vec![]
        };
        Ok(Self {
            rule,
            table,
            sets,
            code,
            publications: catalog::publications(target, &name).await?,
            visibility: catalog::visibility(target, &name).await?,
        })
    }

    fn say(&self, keys: &[&str], severity: Severity, message: String) -> Diagnostic {
        at(self.rule, keys, Diagnostic::new(severity, message))
    }

    fn accepts(&self, name: &str) -> bool {
        self.rule.header.effects.iter().any(|e| e == name)
    }

    /// What refuses a run: rows that cannot be seen, and effects that nobody has accepted.
    pub(super) fn refusals(&self) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        let name = &self.table.name;
        if self.visibility.hides {
            findings.push(
                self.say(&["target"], Severity::Error, format!("row level security hides rows of `{name}` from this role"))
                    .hint("connect as a role with BYPASSRLS, or give this one a policy `for all using (true) with check (true)`"),
            );
        } else if self.visibility.refuses {
            findings.push(
                self.say(
                    &["target"],
                    Severity::Error,
                    format!("row level security refuses new rows of `{name}` from this role"),
                )
                .hint("give the role a policy `for all using (true) with check (true)`"),
            );
        }
        for trigger in self.triggers() {
            let found = effects(trigger, &self.code, &name.name);
            if found.outside.is_empty() {
                continue;
            }
            findings.push(
                self.say(
                    &["target"],
                    Severity::Error,
                    format!(
                        "trigger `{}` on `{name}` reaches outside the database ({}), for every row and beyond any rollback",
                        trigger.name,
                        list(&found.outside)
                    ),
                )
                .hint(format!(
                    "accept it in the rule, effects: [\"{0}\"], or switch it off for the load: alter table {name} disable trigger {0}",
                    trigger.name
                )),
            );
        }
        for publication in self.publications.iter().filter(|p| !self.accepts(p)) {
            findings.push(
                self.say(
                    &["target"],
                    Severity::Error,
                    format!("publication `{publication}` passes every row of `{name}` on to its subscribers"),
                )
                .hint(format!(
                    "accept it in the rule, effects: [\"{publication}\"], or take the table out for the load: alter publication {publication} drop table {name}"
                )),
            );
        }
        findings
    }

    /// Enabled triggers that a migration fires and the rule does not accept.
    fn triggers(&self) -> impl Iterator<Item = &crate::catalog::Trigger> {
        self.table.triggers.iter().filter(|t| {
            let fires = t.events.contains("INSERT") || t.events.contains("UPDATE");
            t.enabled && fires && !self.accepts(&t.name)
        })
    }

    /// What the owner should know of; refuses nothing.
    pub(super) fn hazards(&self) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        findings.extend(self.rights());
        findings.extend(self.legacy());
        for trigger in self.triggers() {
            let found = effects(trigger, &self.code, &self.table.name.name);
            if !found.outside.is_empty() {
                continue;
            }
            let mut does = Vec::new();
            let carried = self.carried(&found.rewrites);
            if !carried.is_empty() {
                does.push(format!(
                    "rewrites {}, which the rule sets",
                    carried.join(", ")
                ));
            }
            if !found.writes.is_empty() {
                does.push(format!("writes {}", list(&found.writes)));
            }
            if found.drops {
                does.push("can let a row vanish".to_owned());
            }
            if let Some(function) = &found.opaque {
                does.push(format!("runs `{function}`, whose text cannot be read"));
            }
            if does.is_empty() {
                continue;
            }
            let choice = match &carried[..] {
                [] => String::new(),
                columns => format!(
                    ", say that the target decides, volatile: [{}]",
                    columns
                        .iter()
                        .map(|c| c.replace('`', "\""))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            };
            findings.push(
                self.say(
                    &["target"],
                    Severity::Hazard,
                    format!(
                        "trigger `{}` on `{}` ({} {}) {}",
                        trigger.name,
                        self.table.name,
                        trigger.timing.to_lowercase(),
                        trigger.events.to_lowercase(),
                        does.join(" and ")
                    ),
                )
                .hint(format!(
                    "accept it in the rule, effects: [\"{}\"]{choice}, or switch the trigger off for the load",
                    trigger.name
                )),
            );
        }
        findings
    }

    /// Of `rewrites`, the columns that the rule sets and does not leave to the target.
    fn carried(&self, rewrites: &BTreeSet<String>) -> Vec<String> {
        let header = &self.rule.header;
        let is_set = |name: &str| match &self.sets {
            Some(sets) => sets.contains(name),
            None => {
                header.legacy.as_deref() == Some(name)
                    || header.copy.iter().any(|c| c.target == name)
            }
        };
        self.table
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .filter(|name| rewrites.contains("*") || rewrites.contains(*name))
            .filter(|name| is_set(name) && !header.volatile.iter().any(|v| v == name))
            .map(|name| format!("`{name}`"))
            .collect()
    }

    /// One finding for all rights that are missing on the table.
    fn rights(&self) -> Option<Diagnostic> {
        let rights = self.table.rights;
        let updates = !matches!(
            self.rule.header.existing,
            Existing::Keep | Existing::Conflict
        );
        let missing: Vec<&str> = [
            ("read", rights.select),
            ("insert into", rights.insert),
            ("update", rights.update || !updates),
        ]
        .into_iter()
        .filter_map(|(what, may)| (!may).then_some(what))
        .collect();
        if missing.is_empty() {
            return None;
        }
        // a preview needs no right to write, so this refuses nothing that could have worked
        let severity = if rights.select {
            Severity::Warning
        } else {
            Severity::Error
        };
        Some(
            self.say(
                &["target"],
                severity,
                format!(
                    "this role may not {} `{}`: a run will be refused",
                    missing.join(" or "),
                    self.table.name
                ),
            )
            .hint("`runner print grants` shows the rights that a migration needs"),
        )
    }

    fn legacy(&self) -> Option<Diagnostic> {
        let legacy = self
            .rule
            .header
            .legacy
            .as_ref()
            .filter(|_| !self.rule.header.many)?;
        self.table.column(legacy)?;
        let alone = |columns: &[String]| matches!(columns, [one] if one == legacy);
        let is_unique = alone(&self.table.primary_key)
            || self
                .table
                .uniques
                .iter()
                .any(|unique| !unique.partial && !unique.expression && alone(&unique.columns));
        if is_unique {
            return None;
        }
        Some(
            self.say(
                &["legacy"],
                Severity::Warning,
                format!(
                    "`{legacy}` of `{}` is not unique: the target would let two rows carry one legacy key",
                    self.table.name
                ),
            )
            .hint(format!(
                "add `unique ({legacy})` to the table; without it only the run's own gates see a second row"
            )),
        )
    }

    /// Columns whose values the target decides: they are no part of a comparison.
    pub(super) fn volatile(&self) -> Vec<String> {
        let header = &self.rule.header;
        let id = self.table.id_column().map(|c| c.name.as_str());
        self.table
            .columns
            .iter()
            .filter(|c| {
                let moves =
                    c.default.as_ref().is_some_and(|d| !d.immutable) || c.identity.is_some();
                let left = self
                    .sets
                    .as_ref()
                    .is_some_and(|sets| !sets.contains(&c.name));
                header.volatile.contains(&c.name)
                    || (moves && left && !c.generated && id != Some(c.name.as_str()))
            })
            .map(|c| c.name.clone())
            .collect()
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}
