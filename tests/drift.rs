//! Targets that differ from what the shipped rules expect: `check` names each difference where the rule
//! meets it, and the edit that `docs/drift.md` gives settles it.

use std::collections::BTreeSet;

use crate::support::{Db, Engine, Project, canonical_dump};

const GUIDE: &str = include_str!("../docs/drift.md");

/// A table that differs, the SQL that makes it so, and columns that only exist in one of the two shapes
/// or whose values differ on purpose.
const DRIFTS: &[(&str, &str, &[&str])] = &[
    (
        "technician_roles",
        include_str!("drift/technician_roles.sql"),
        &["technician_id"],
    ),
    ("brackets", include_str!("drift/brackets.sql"), &[]),
    (
        "order_cases",
        include_str!("drift/order_cases.sql"),
        &["legacy_order_id", "legacy_case_id"],
    ),
    (
        "treatment_discussions",
        include_str!("drift/treatment_discussions.sql"),
        &[
            "treatment_id",
            "comment_id",
            "case_id",
            "treatment_plan_id",
            "participants",
            "discussion_type",
            "status",
            "is_visible_to_patient",
            "started_at",
            "last_activity_at",
            "legacy_comment_id",
            "metadata",
        ],
    ),
    (
        "template_view_groups",
        include_str!("drift/template_view_groups.sql"),
        &["permissions", "metadata"],
    ),
];

/// What the guide says of a table: the lines that `check` prints, and the edits.
struct Advice {
    findings: BTreeSet<String>,
    edits: Vec<Edit>,
}

#[derive(Default)]
struct Edit {
    old: Vec<String>,
    new: Vec<String>,
    removed: usize,
    added: usize,
}

fn advice(table: &str) -> Advice {
    let from = GUIDE
        .find(&format!("\n## {table}:"))
        .unwrap_or_else(|| panic!("the guide says nothing of {table}"));
    let text = &GUIDE[from + 4..];
    let text = &text[..text.find("\n## ").unwrap_or(text.len())];
    let mut advice = Advice {
        findings: text
            .lines()
            .filter_map(|line| line.strip_prefix("    rules/"))
            .map(|line| format!("rules/{line}"))
            .collect(),
        edits: Vec::new(),
    };
    for block in text.split("```diff\n").skip(1) {
        let mut edit = Edit::default();
        let (block, _) = block.split_once("```").expect("a closed block");
        for line in block.lines() {
            let rest = line[1..].to_owned();
            match &line[..1] {
                "-" => {
                    edit.old.push(rest);
                    edit.removed += 1;
                }
                "+" => {
                    edit.new.push(rest);
                    edit.added += 1;
                }
                _ => {
                    edit.old.push(rest.clone());
                    edit.new.push(rest);
                }
            }
        }
        advice.edits.push(edit);
    }
    advice
}

/// The differences that `check` prints, without the lines it shows of the rule.
fn findings(project: &Project, table: &str) -> BTreeSet<String> {
    let output = project.runner(&["check", table]);
    let found = output.stdout.lines().filter(|line| {
        line.starts_with("rules/") && (line.contains(": error: ") || line.contains(": warning: "))
    });
    found.map(str::to_owned).collect()
}

fn lines(parts: &[String]) -> String {
    parts
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect()
}

/// The rows of a table, without ids' dependence on the shape and without what differs on purpose.
fn dump(db: &Db, table: &str, besides: &[&str]) -> Vec<String> {
    let mut left_out = vec!["updated_at"];
    if ["brackets", "template_view_groups"].contains(&table) {
        left_out.push("created_at");
    }
    left_out.extend(besides);
    canonical_dump(db, &[table], &left_out)
}

#[test]
fn each_known_difference_is_named_and_settled_by_a_few_lines() {
    let project = Project::demo("0.005", Engine::Postgres);
    project.runner(&["run", "technicians"]).ends_with(3);
    let fresh = project.target.copy();
    let tables: Vec<&str> = DRIFTS.iter().map(|(table, ..)| *table).collect();
    project
        .runner(&[&["run"], &tables[..]].concat())
        .ends_with(3);

    // All differences in one target: each rule meets only its own.
    let drifted = Project::over(&project.source, fresh);
    for (_, sql, _) in DRIFTS {
        drifted.target.exec(sql);
    }
    for (table, _, besides) in DRIFTS {
        let advice = advice(table);
        assert_eq!(findings(&drifted, table), advice.findings, "{table}");
        let refused = advice.findings.iter().any(|line| line.contains("error"));
        drifted
            .runner(&["exec", table, "--dry-run", "--limit", "1"])
            .ends_with(if refused { 5 } else { 0 });

        let changed: usize = advice
            .edits
            .iter()
            .map(|edit| edit.removed.max(edit.added))
            .sum();
        assert!(changed <= 10, "{table}: {changed} lines");
        for edit in &advice.edits {
            let file = format!("rules/{table}.rhai");
            drifted.edit(&file, &lines(&edit.old), &lines(&edit.new));
        }
        drifted.runner(&["check", table]).ends_with(0);
        let left: Vec<String> = findings(&drifted, table)
            .into_iter()
            .filter(|line| line.contains("error"))
            .collect();
        assert!(left.is_empty(), "{left:#?}");

        let run = drifted.runner(&["run", table]);
        assert!([0, 3].contains(&run.code), "{table}\n{run}");
        assert_eq!(
            (drifted.accounts(table), &drifted.status(table)["codes"]),
            (project.accounts(table), &project.status(table)["codes"]),
            "{table}"
        );
        let [here, there] = [&drifted, &project].map(|it| dump(&it.target, table, besides));
        let wrong: Vec<_> = here
            .iter()
            .zip(&there)
            .filter(|(a, b)| a != b)
            .take(3)
            .collect();
        assert!(here.len() == there.len() && wrong.is_empty(), "{wrong:#?}");
    }
    let target = &drifted.target;
    for (what, sql) in [
        (
            "roles hang on people",
            "select count(*) from technician_roles r left join profiles p on p.id = r.technician_id
             left join technicians t on t.profile_id = p.id where t.id is null",
        ),
        (
            "comments hang on treatments",
            "select count(*) from treatment_discussions d left join treatment_plans p on p.id = d.treatment_id
             where d.treatment_id is not null and p.id is null",
        ),
    ] {
        assert_eq!(target.count(sql), 0, "{what}");
    }

    // What the missing constraint would have refused, the run's own gate names.
    target.exec(
        "insert into brackets (id, name, bracket_type, legacy_bracket_id)
         select gen_random_uuid(), name, bracket_type, legacy_bracket_id from brackets limit 1",
    );
    drifted
        .runner(&["run", "brackets", "--restart"])
        .ends_with(1)
        .tells("carried by more than one row of brackets");
}
