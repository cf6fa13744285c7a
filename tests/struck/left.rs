//! What a command leaves behind: all that may not depend on who disturbed it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::stage::TREE;
use crate::kill::nine::tracked;
use crate::support::{Output, Project, canonical_dump, quarantine_dump};
use crate::sync::nine::{TABLES, VOLATILE};

/// Lines by what they are about.
#[derive(Default)]
pub(super) struct Left(Vec<(&'static str, Vec<String>)>);

/// What the state says of rows, without numbers of runs and chunks.
const STATE: &[(&str, &str)] = &[
    (
        "accounts",
        "select rule, sum(base), sum(filtered), sum(read), sum(inserted + updated + unchanged), sum(skipped), sum(rejected)
         from runner.chunk c where accounted = 1 and pass = (select max(pass) from runner.chunk m where m.rule = c.rule)
         group by rule order by rule",
    ),
    ("standing", "select rule, key, target_id, why from runner.standing order by 1, 2, 3"),
    ("later", "select rule, key, target_id from runner.later order by 1, 2, 3"),
    ("accepted", "select distinct rule, code, key from runner.accepted where revoked_at is null order by 1, 2, 3"),
    (
        "kept by an undo",
        "select distinct rule, k ->> 'key', k ->> 'why', k ->> 'by' from runner.finding,
            json_array_elements(detail::json -> 'kept') k where phase = 'undo' and name = 'kept' order by 1, 2, 3, 4",
    ),
    (
        "recorded",
        "select rule, name, status from runner.finding where phase = 'verify'
            and run_id = (select max(run_id) from runner.finding where phase = 'verify') order by 1, 2, 3",
    ),
    (
        "complete tables",
        "select rule from runner.segment s where id = (select max(id) from runner.segment m where m.rule = s.rule) and complete = 1 order by rule",
    ),
];

impl Left {
    pub(super) fn of(name: &str, project: &Project, output: &Output) -> Self {
        let target = &project.target;
        let mut left = if name == TREE {
            vec![("rows", canonical_dump(target, &["nodes"], &[]))]
        } else {
            vec![
                ("rows", canonical_dump(target, TABLES, VOLATILE)),
                ("tracking", tracked(target)),
            ]
        };
        let exists = target.one("select to_regclass('runner.chunk')") != "NULL";
        left.push(("state", vec![exists.to_string()]));
        if exists {
            left.push(("quarantine", quarantine_dump(target)));
            left.extend(STATE.iter().map(|(what, sql)| (*what, target.lines(sql))));
        }
        match name {
            "verify" | "record" => left.push(("findings", findings(output))),
            "export" => left.push(("document", lines(&project.read("state.jsonl")))),
            "report" => {
                let recheck = project.runner(&["report", "--recheck", "report.json"]);
                left.push(("recheck", vec![recheck.code.to_string()]));
            }
            _ => {}
        }
        Self(left)
    }

    /// Compares with the first differences of each kind in sight.
    #[track_caller]
    pub(super) fn assert_same(&self, undisturbed: &Self, what: &str) {
        let names = |of: &Self| of.0.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names(self), names(undisturbed), "{what}");
        for ((name, ours), (_, theirs)) in self.0.iter().zip(&undisturbed.0) {
            let only = |a: &[String], b: &[String]| {
                let b: BTreeSet<&String> = b.iter().collect();
                let only = a.iter().filter(|line| !b.contains(line));
                only.take(4).cloned().collect::<Vec<_>>()
            };
            assert!(
                ours == theirs,
                "{what}: {name}: {} lines, undisturbed {}\nonly here: {:#?}\nonly undisturbed: {:#?}",
                ours.len(),
                theirs.len(),
                only(ours, theirs),
                only(theirs, ours)
            );
        }
    }

    /// How many lines of a kind.
    pub(super) fn count(&self, kind: &str) -> usize {
        let found = self.0.iter().find(|(name, _)| *name == kind);
        found.map_or(0, |(_, lines)| lines.len())
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// What a verification found of each table, but for when and how long.
fn findings(output: &Output) -> Vec<String> {
    let json = output.json();
    let tables = json["tables"].as_array().expect("tables");
    let told = tables.iter().map(|table| {
        let mut table = table.clone();
        for moving in ["seconds", "resumed", "notes"] {
            table.as_object_mut().map(|table| table.remove(moving));
        }
        serde_json::to_string(&table).unwrap_or_else(|_| Value::Null.to_string())
    });
    told.collect()
}
