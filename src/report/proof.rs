//! The query behind each number, so that whoever doubts one can ask for it again.

use serde::Serialize;

use super::answer::Evidence;
use super::{Gate, Run, Standing};
use crate::db::{Engine, TableName};

/// A number with the query that gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The rule or table it is about.
    pub of: String,
    /// What it counts; several are parted by `|`, as their values are.
    pub what: String,
    /// The value when the report was made.
    pub value: String,
    /// `source` or `target`.
    pub side: &'static str,
    /// One row.
    pub query: String,
    /// The role of the API that the query is asked as.
    pub role: Option<String>,
    /// The snapshot it was asked in; without one it gives the same today.
    pub snapshot: Option<String>,
}

/// The ledger's columns of an account.
const ACCOUNT: &[&str] = &[
    "base",
    "filtered",
    "read",
    "inserted",
    "updated",
    "unchanged",
    "skipped",
    "rejected",
    "target_rows",
    "kept",
];

/// Every number that one query gives.
pub(super) fn proofs(evidence: &Evidence<'_>, runs: &[Run]) -> Vec<Proof> {
    let mut all = Vec::new();
    let sqlite = |run: &Run| run.source.starts_with("SQLite");
    let engine = match runs.last() {
        Some(run) if sqlite(run) => Engine::Sqlite,
        _ => Engine::Postgres,
    };
    for table in evidence.tables {
        all.extend(counted(table, engine));
        all.extend(account(table));
    }
    for issue in evidence.issues {
        all.push(Proof {
            of: issue.rule.clone(),
            what: format!("{} {}", issue.verdict, issue.code),
            value: issue.count.to_string(),
            side: "target",
            query: issue.query.clone(),
            role: None,
            snapshot: None,
        });
    }
    // the rows of a table are counted once more, with whose they are
    let after = |g: &&Gate| g.phase == "after" && g.name != "target_rows";
    for gate in evidence.gates.iter().filter(after) {
        if let (Some(query), Some(found)) = (&gate.query, &gate.found) {
            all.push(Proof {
                of: gate.rule.clone(),
                what: gate.name.replace('_', " "),
                value: found.clone(),
                side: "target",
                query: query.clone(),
                role: None,
                snapshot: None,
            });
        }
    }
    for sum in evidence.sums {
        let sides = [
            ("source", &sum.source_query, &sum.source),
            ("target", &sum.target_query, &sum.target),
        ];
        for (side, query, value) in sides {
            // where the engine has no exact sums, the query gives the single values instead
            let added = |q: &&String| q.starts_with("select coalesce(sum(");
            if let Some(query) = query.as_ref().filter(added) {
                all.push(Proof {
                    of: sum.rule.clone(),
                    what: format!("sum {}", sum.name),
                    value: value.clone(),
                    side,
                    query: query.clone(),
                    role: None,
                    snapshot: None,
                });
            }
        }
    }
    for table in evidence.coverage.iter().filter(|c| c.unknown.is_none()) {
        all.push(Proof {
            of: table.target.clone(),
            what: "rows in the table".to_owned(),
            value: table.rows.to_string(),
            side: "target",
            query: table.query.clone(),
            role: None,
            snapshot: None,
        });
    }
    for fit in evidence.fitness {
        if let (Some(of), Some(found)) = (fit.of, fit.found) {
            let story = fit.name == "story";
            all.push(Proof {
                of: fit.rule.clone(),
                what: match &fit.role {
                    Some(role) => format!("visible to {role}"),
                    None => format!("rows|leading to {}", fit.what),
                },
                value: if story {
                    format!("{of}|{found}")
                } else {
                    found.to_string()
                },
                side: "target",
                query: fit.query.clone(),
                role: fit.role.clone(),
                snapshot: None,
            });
        }
    }
    all
}

/// What the source counted in its snapshot.
fn counted(table: &Standing, engine: Engine) -> Vec<Proof> {
    let (Some(counted), Some(base)) = (&table.counted, &table.source) else {
        return vec![];
    };
    let from = format!(
        "select count(*) from {}",
        TableName::parse(base).sql(engine)
    );
    let one = |what: &str, value: i64, query: String| Proof {
        of: table.name.clone(),
        what: what.to_owned(),
        value: value.to_string(),
        side: "source",
        query,
        role: None,
        snapshot: Some(format!("{} at {}", counted.snapshot, counted.at)),
    };
    let mut both = vec![one("base", counted.base, from.clone())];
    if let Some(condition) = &table.condition {
        both.push(one(
            "read",
            counted.read,
            format!("{from} where {condition}"),
        ));
    }
    both
}

/// The account, added up from the ledger.
fn account(table: &Standing) -> Option<Proof> {
    let values = [
        table.base,
        table.filtered,
        table.read,
        table.inserted,
        table.updated,
        table.unchanged,
        table.skipped,
        table.rejected,
        table.target_rows,
        table.kept,
    ];
    let sums: Vec<String> = ACCOUNT.iter().map(|name| format!("sum({name})")).collect();
    (!table.ledger.is_empty()).then(|| Proof {
        of: table.name.clone(),
        what: ACCOUNT.join("|"),
        value: values.map(|v| v.to_string()).join("|"),
        side: "target",
        query: format!("select {} {}", sums.join(", "), table.ledger),
        role: None,
        snapshot: None,
    })
}
