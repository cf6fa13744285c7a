//! The draft as a file that an author can read from top to bottom.

use std::fmt::Write;

use super::{Draft, Origin};
use crate::script::quoted;

/// Stands for a parent's id in the drafted tests.
const PARENT: &str = "00000000-0000-0000-0000-000000000001";

pub(super) fn written(draft: &Draft) -> String {
    let (base, target) = (
        draft.sheet.base.name.to_string(),
        draft.sheet.target.name.to_string(),
    );
    let mut out = format!(
        "//! {target}: what each row of {base} becomes.\n//!\n\
         //! A first draft. `runner check {target}` holds it against both databases, `runner repl {target}` tries it\n\
         //! on single rows, `runner test {target}` runs the tests below.\n\n"
    );
    out.push_str(&header(draft, &base, &target));
    out.push_str(&transform(draft));
    out.push_str(&left_over(draft, &base, &target));
    out.push_str(&tests(draft));
    out
}

/// A parent, its legacy column, and the row's columns that hold its keys.
fn parents<'d>(draft: &'d Draft) -> Vec<(&'d str, &'d str, Vec<&'d str>)> {
    let mut found: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for plan in &draft.plans {
        let Origin::Parent { table, legacy, key } = &plan.origin else {
            continue;
        };
        match found.iter_mut().find(|(known, ..)| known == table) {
            Some((.., keys)) => keys.push(key),
            None => found.push((table, legacy, vec![key])),
        }
    }
    found
}

fn header(draft: &Draft, base: &str, target: &str) -> String {
    let mut out = String::from("const RULE = #{\n");
    let _ = writeln!(out, "    base:   {},", quoted(base));
    if !draft.joins.is_empty() {
        let takes = draft
            .joins
            .iter()
            .filter_map(|join| Some((join, join.take.as_ref()?)));
        let takes: Vec<String> = takes
            .map(|(join, take)| format!(", {}.{take}", join.alias))
            .collect();
        let joins: Vec<String> = draft
            .joins
            .iter()
            .map(|join| format!(" left join {} {} on {}", join.table, join.alias, join.on))
            .collect();
        let _ = writeln!(
            out,
            "    // one row per row of the base, with the keys that other tables hold"
        );
        let select = format!(
            "select b.*{} from {base} b{}",
            takes.concat(),
            joins.concat()
        );
        let _ = writeln!(out, "    from:   {},", quoted(&select));
    }
    let keys: Vec<String> = draft
        .sheet
        .base
        .primary_key
        .iter()
        .map(|key| quoted(key))
        .collect();
    match &keys[..] {
        [key] => {
            let _ = writeln!(out, "    key:    {key},");
        }
        keys => {
            let _ = writeln!(out, "    key:    [{}],", keys.join(", "));
        }
    }
    let _ = writeln!(out, "    target: {},", quoted(target));
    if let Some(legacy) = &draft.legacy {
        let _ = writeln!(
            out,
            "    // the target column that keeps the legacy key\n    legacy: {},",
            quoted(legacy)
        );
    }
    if let Some(columns) = natural_key(draft) {
        let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(
            out,
            "    // rows that are there already are known by these\n    match:  [{}],",
            columns.join(", ")
        );
    }
    let parents = parents(draft);
    if !parents.is_empty() {
        out.push_str("    // parents: which column of theirs keeps the legacy key, which of the row names it\n    ids: #{\n");
        for (table, legacy, keys) in parents {
            let keys: Vec<String> = keys.into_iter().map(quoted).collect();
            let name = if table.contains('.') {
                quoted(table)
            } else {
                table.to_owned()
            };
            let _ = writeln!(
                out,
                "        {name}: #{{ legacy: {}, from: [{}] }},",
                quoted(legacy),
                keys.join(", ")
            );
        }
        out.push_str("    },\n");
    }
    out.push_str("    // columns that go over as they are, without passing through the script\n    copy: #{\n");
    for plan in &draft.plans {
        if let Origin::Copy(source) = &plan.origin {
            let _ = writeln!(out, "        {}: {},", plan.column.name, quoted(source));
        }
    }
    out.push_str("    },\n");
    let volatile = draft.plans.iter().filter(|plan| {
        plan.origin == Origin::Default
            && plan
                .column
                .default
                .as_ref()
                .is_some_and(|default| !default.immutable)
    });
    let volatile: Vec<String> = volatile.map(|plan| quoted(&plan.column.name)).collect();
    if !volatile.is_empty() {
        let _ = writeln!(
            out,
            "    // filled by the target itself\n    volatile: [{}],",
            volatile.join(", ")
        );
    }
    out.push_str(
        "    // columns whose values may be shown outside the database; all others are masked\n    public: [],\n    \
         // the share of rows that has to arrive\n    // expect: #{ min_success: 0.95 },\n    fix: #{\n",
    );
    if draft
        .plans
        .iter()
        .any(|plan| matches!(plan.origin, Origin::Parent { .. }) && plan.column.not_null)
    {
        let _ = writeln!(out, "        orphan: \"migrate the parent first\",");
    }
    for plan in made_up(draft) {
        let _ = writeln!(
            out,
            "        {}: \"say in the rule what `{}` is\",",
            code(&plan.column.name),
            plan.column.name
        );
    }
    out.push_str("    },\n};\n\n");
    out
}

/// Columns of a unique constraint of which the rule sets all.
fn natural_key<'d>(draft: &'d Draft) -> Option<&'d [String]> {
    let is_set = |name: &String| {
        draft.plans.iter().any(|plan| {
            plan.column.name == *name
                && matches!(plan.origin, Origin::Parent { .. } | Origin::Copy(_))
        })
    };
    let uniques = draft.sheet.target.uniques.iter();
    let mut fitting = uniques.filter(|unique| {
        unique.columns.len() > 1
            && !unique.partial
            && !unique.expression
            && unique.columns.iter().all(is_set)
    });
    fitting.next().map(|unique| &unique.columns[..])
}

fn made_up<'d>(draft: &'d Draft) -> impl Iterator<Item = &'d super::Plan<'d>> {
    draft
        .plans
        .iter()
        .filter(|plan| matches!(plan.origin, Origin::MadeUp(_)))
}

fn code(column: &str) -> String {
    format!("undecided_{column}")
}

fn transform(draft: &Draft) -> String {
    let mut out = String::from(
        "fn transform(row) {\n    // Leave a row behind on purpose:  if row.deleted { skip(\"deleted\"); }\n    \
         // Refuse a row that is wrong:      if row.total < 0 { reject(\"negative\", \"a total below zero\"); }\n",
    );
    for plan in made_up(draft) {
        let name = &plan.column.name;
        let _ = writeln!(
            out,
            "    note({}, \"nothing in the source says what {name} is\");",
            quoted(&code(name))
        );
    }
    out.push_str("    #{\n");
    for plan in &draft.plans {
        let name = &plan.column.name;
        match &plan.origin {
            Origin::Parent { table, key, .. } => {
                let function = if plan.column.not_null {
                    "id_of"
                } else {
                    "id_of_or_null"
                };
                let _ = writeln!(
                    out,
                    "        {name}: {function}({}, row.{key}),",
                    quoted(table)
                );
            }
            Origin::MadeUp(value) => {
                let _ = writeln!(
                    out,
                    "        {name}: {value}, // stands in until you decide"
                );
            }
            _ => {}
        }
    }
    out.push_str("    }\n}\n\n");
    out
}

fn left_over(draft: &Draft, base: &str, target: &str) -> String {
    let mut out = String::new();
    let mut unfilled = String::new();
    for plan in &draft.plans {
        let why = match &plan.origin {
            Origin::Left(why) => why.as_str(),
            Origin::Default => "has a default",
            _ => continue,
        };
        let _ = writeln!(
            unfilled,
            "//   {} {}: {why}",
            plan.column.name, plan.column.type_name
        );
    }
    if !unfilled.is_empty() {
        let _ = write!(
            out,
            "// Columns of {target} that this rule leaves alone:\n{unfilled}\n"
        );
    }
    let is_used = |name: &str| {
        draft.sheet.base.primary_key.iter().any(|key| key == name)
            || draft.plans.iter().any(|plan| match &plan.origin {
                Origin::Copy(source) => source == name,
                Origin::Parent { key, .. } => key == name,
                _ => false,
            })
    };
    let unread = draft
        .sheet
        .base
        .columns
        .iter()
        .filter(|column| !is_used(&column.name));
    let unread: Vec<String> = unread
        .map(|column| format!("//   {} {}\n", column.name, column.type_name))
        .collect();
    if !unread.is_empty() {
        let _ = write!(
            out,
            "// Columns of {base} that nothing reads yet:\n{}\n",
            unread.concat()
        );
    }
    out
}

/// Tests that pass, to be filled with what the author knows.
fn tests(draft: &Draft) -> String {
    let parents = parents(draft);
    let mut columns: Vec<&str> = draft
        .sheet
        .base
        .primary_key
        .iter()
        .map(String::as_str)
        .collect();
    for key in parents.iter().flat_map(|(.., keys)| keys) {
        if !columns.contains(key) {
            columns.push(key);
        }
    }
    let cells: Vec<String> = columns
        .iter()
        .map(|column| format!("{column}: 1"))
        .collect();
    let sample = format!("    let row = sample(#{{ {} }});\n", cells.join(", "));
    let known: Vec<String> = parents
        .iter()
        .map(|(table, ..)| {
            let name = if table.contains('.') {
                quoted(table)
            } else {
                (*table).to_owned()
            };
            format!("{name}: #{{ \"1\": \"{PARENT}\" }}")
        })
        .collect();
    let mut out = String::from("fn test_a_row_goes_over() {\n");
    if !known.is_empty() {
        let _ = writeln!(out, "    ids(#{{ {} }});", known.join(", "));
    }
    out.push_str(&sample);
    out.push_str("    let out = assert_ok(|| transform(row));\n");
    for plan in &draft.plans {
        if matches!(plan.origin, Origin::Parent { .. }) {
            let _ = writeln!(
                out,
                "    assert_eq(out.{}, uuid(\"{PARENT}\"));",
                plan.column.name
            );
        }
    }
    out.push_str("}\n");
    let is_needed =
        |plan: &super::Plan| matches!(plan.origin, Origin::Parent { .. }) && plan.column.not_null;
    if draft.plans.iter().any(is_needed) {
        let _ = write!(
            out,
            "\nfn test_a_row_without_its_parent_is_an_orphan() {{\n{sample}    assert_reject(\"orphan\", || transform(row));\n}}\n"
        );
    }
    out
}
