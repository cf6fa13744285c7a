//! Gates: each table is checked before its first row and after its last one, by questions to both
//! databases, and the answers are kept as evidence.

use super::{RunError, World, reconcile};
use crate::db::{Engine, Session};
use crate::diagnostic::Diagnostic;
use crate::plan::{Job, Step};
use crate::rule::Rule;
use crate::source::PageQuery;
use crate::state::{Kind, SegmentRecord};
use crate::target::Destination;

/// What is gated.
#[derive(Clone, Copy)]
pub(super) struct Gate<'a> {
    pub(super) rule: &'a Rule,
    pub(super) to: &'a Destination,
    /// The rows to account for; a procedure may name none.
    pub(super) query: Option<&'a PageQuery>,
}

impl<'a> Gate<'a> {
    /// A question about legacy ids; with `rows: "many"` one source row has several rows of the same id.
    fn legacy_sql(self, question: impl Fn(&Destination) -> Option<String>) -> Option<String> {
        question(self.to).filter(|_| !self.rule.header.many)
    }

    /// Of an ordinary rule.
    pub(super) fn of(step: &'a Step) -> Self {
        Self {
            rule: &step.rule,
            to: &step.to,
            query: Some(&step.query),
        }
    }

    /// Of a procedure.
    pub(super) fn of_job(job: &'a Job) -> Self {
        Self {
            rule: &job.rule,
            to: &job.to,
            query: job.base.as_ref(),
        }
    }
}

/// One answer.
struct Finding {
    name: &'static str,
    ok: bool,
    why: String,
    detail: serde_json::Value,
}

/// Before the first row: what is there, and what is wrong with it already.
pub(super) async fn before(
    world: &mut World<'_>,
    gate: Gate<'_>,
    base: u64,
    read: u64,
) -> Result<(), RunError> {
    let mut findings = Vec::new();
    if let Some(query) = gate.query {
        findings.push(Finding {
            name: "counts",
            ok: true,
            why: String::new(),
            detail: serde_json::json!({
                "base": base, "read": read, "filtered": base - read,
                "condition": query.condition, "snapshot": world.snapshot.label,
            }),
        });
    }
    findings.extend(asked(world, gate, None).await?);
    store(world, gate, "before", &findings).await
}

/// After the last row: does everything add up? Failed gates come back as problems.
pub(super) async fn after(
    world: &mut World<'_>,
    gate: Gate<'_>,
    pass: i64,
    segment: &SegmentRecord,
) -> Result<Vec<Diagnostic>, RunError> {
    let account = world.account(&gate.rule.name).await?;
    let segments = world
        .state
        .segments(&mut world.target, &gate.rule.name)
        .await?;
    // a retry reads again what a segment before it has counted
    let mut counting = segments
        .iter()
        .filter(|s| s.pass == pass && s.kind != Kind::Retry);
    let (segment, single) = match (counting.next(), counting.next()) {
        (Some(only), None) => (only, true),
        _ => (segment, false),
    };
    let c = account.counts;
    let counted = single && gate.query.is_some();
    let balanced = c.balanced() && (!counted || (c.base == segment.base && c.read == segment.read));
    let mut findings = vec![Finding {
        name: "balance",
        ok: balanced,
        why: format!(
            "base {} = filtered {} + read {}, read = {} written + {} skipped + {} rejected; the source counts base {} and read {}",
            c.base,
            c.filtered,
            c.read,
            c.inserted + c.updated + c.unchanged,
            c.skipped,
            c.rejected,
            segment.base,
            segment.read
        ),
        detail: serde_json::json!({
            "base": c.base, "filtered": c.filtered, "read": c.read, "inserted": c.inserted, "updated": c.updated,
            "unchanged": c.unchanged, "skipped": c.skipped, "rejected": c.rejected,
            "source_base": segment.base, "source_read": segment.read, "one_snapshot": single,
        }),
    }];
    let written = c.inserted + c.updated + c.unchanged;
    findings.extend(asked(world, gate, Some(written)).await?);
    for sum in reconcile::check(world, gate, &account).await? {
        findings.push(Finding {
            name: "reconcile",
            ok: sum.ok,
            why: sum.why,
            detail: sum.detail,
        });
    }
    let problems = findings
        .iter()
        .filter(|f| !f.ok)
        .map(|f| {
            Diagnostic::error(format!(
                "{}: gate `{}` failed: {}",
                gate.rule.name, f.name, f.why
            ))
            .hint(if f.name == "balance" && gate.rule.has.run {
                "stream every row of `base` and skip those that stay behind, or leave `base` out of `RULE`: then what was streamed is the account"
            } else {
                "the rows are committed; `runner report` shows the evidence"
            })
        })
        .collect();
    store(world, gate, "after", &findings).await?;
    Ok(problems)
}

async fn store(
    world: &mut World<'_>,
    gate: Gate<'_>,
    phase: &str,
    findings: &[Finding],
) -> Result<(), RunError> {
    let mut sql = Vec::new();
    for finding in findings {
        let status = if finding.ok { "ok" } else { "failed" };
        sql.push(world.state.finding_sql(
            world.run,
            &gate.rule.name,
            phase,
            finding.name,
            status,
            &finding.detail,
        )?);
    }
    if let Some(writer) = &mut world.writer {
        writer.write(&sql.join(";")).await?;
    }
    Ok(())
}

/// What the target says; `written`: how many rows should be there. A large table is asked on two connections,
/// so that the one who waits for the answers waits less.
async fn asked(
    world: &mut World<'_>,
    gate: Gate<'_>,
    written: Option<i64>,
) -> Result<Vec<Finding>, RunError> {
    let (mut findings, orphans) = match &mut world.writer {
        Some(writer) => {
            let numbers = numbers(&mut world.target, gate, written);
            let others = async {
                if written.is_some_and(|rows| rows > 0) {
                    statistics(writer, gate).await;
                }
                orphans(writer, gate).await
            };
            tokio::join!(numbers, others)
        }
        None => (
            numbers(&mut world.target, gate, written).await,
            orphans(&mut world.target, gate).await,
        ),
    };
    if let Ok(findings) = &mut findings {
        findings.extend(orphans);
    }
    findings
}

/// A table that was just filled has no statistics: whoever joins it next, the application first of all, would get
/// plans for an empty table until the server looks by itself. Only its owner may do so; for others it stays
/// the server's business.
async fn statistics(target: &mut Session, gate: Gate<'_>) {
    if target.engine() == Engine::Postgres {
        // whatever the refusal, nothing that was promised depends on it; a broken session says so at the next question
        let _ = target.execute(&format!("analyze {}", gate.to.sql())).await;
    }
}

async fn numbers(
    target: &mut Session,
    gate: Gate<'_>,
    written: Option<i64>,
) -> Result<Vec<Finding>, RunError> {
    let mut findings = vec![target_rows(target, gate).await?];
    if let Some(written) = written {
        findings.extend(legacy_ids(target, gate, written).await?);
    }
    findings.extend(duplicate_legacy(target, gate).await?);
    Ok(findings)
}

async fn count(target: &mut Session, sql: &str) -> Result<i64, RunError> {
    let rows = target.query(sql).await?;
    Ok(rows
        .cell(0, 0)
        .and_then(|c| String::from_utf8_lossy(&c).parse().ok())
        .unwrap_or(0))
}

async fn target_rows(target: &mut Session, gate: Gate<'_>) -> Result<Finding, RunError> {
    let sql = format!("select count(*) from {}", gate.to.sql());
    let rows = count(target, &sql).await?;
    Ok(Finding {
        name: "target_rows",
        ok: true,
        why: String::new(),
        detail: serde_json::json!({ "rows": rows, "query": sql }),
    })
}

/// A legacy id that two rows carry makes every child of it ambiguous.
async fn duplicate_legacy(
    target: &mut Session,
    gate: Gate<'_>,
) -> Result<Option<Finding>, RunError> {
    let Some(sql) = gate.legacy_sql(Destination::duplicates_sql) else {
        return Ok(None);
    };
    let rows = count(target, &sql).await?;
    Ok(Some(Finding {
        name: "duplicate_legacy_ids",
        ok: rows == 0,
        why: format!(
            "{rows} legacy ids are carried by more than one row of {}",
            gate.rule.header.target
        ),
        detail: serde_json::json!({ "duplicates": rows, "query": sql }),
    }))
}

/// Every written source row is one row of the target.
async fn legacy_ids(
    target: &mut Session,
    gate: Gate<'_>,
    written: i64,
) -> Result<Option<Finding>, RunError> {
    let Some(sql) = gate.legacy_sql(Destination::legacy_keys_sql) else {
        return Ok(None);
    };
    let found = count(target, &sql).await?;
    Ok(Some(Finding {
        name: "legacy_ids",
        ok: found >= written,
        why: format!("{written} source rows were written, the target holds {found} legacy ids"),
        detail: serde_json::json!({ "written": written, "found": found, "query": sql }),
    }))
}

async fn orphans(target: &mut Session, gate: Gate<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in &gate.to.table.foreign_keys {
        let sql = gate.to.orphans_sql(key);
        // the role may lack rights on a parent that no rule needs; the constraint itself still holds
        let Ok(rows) = count(target, &sql).await else {
            continue;
        };
        findings.push(Finding {
            name: "foreign_key",
            ok: rows == 0,
            why: format!(
                "{rows} rows of {} refer to rows that are not in {}",
                gate.rule.header.target, key.table
            ),
            detail: serde_json::json!({ "constraint": key.name, "orphans": rows, "query": sql }),
        });
    }
    findings
}
