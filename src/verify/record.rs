//! `--record`: what was found, kept in the state. The only part of a verification that writes.

use super::VerifyError;
use super::outcome::{Check, TableProof, Verification};
use crate::config::Config;
use crate::db::{Role, Session, point};
use crate::state::{Claim, RunRecord, State, host_name, os_user};

/// Keys named per class in a stored sentence.
const KEYS_NAMED: usize = 3;

/// Stores one finding per table, as a run of its own.
pub async fn record(config: &Config, found: &Verification) -> Result<i64, VerifyError> {
    let url = config.target()?;
    let mut writer = Session::open(url, Role::TargetWriter).await?;
    let state = State::new(writer.engine());
    let record = RunRecord {
        command: "verify".into(),
        options: serde_json::json!({ "record": true }).to_string(),
        os_user: os_user(),
        host: host_name(),
        pid: std::process::id(),
        ..RunRecord::default()
    };
    let lock = Session::open(url, Role::TargetWriter).await?;
    let claim = Claim::take(state, lock, &record).await?;
    let mut sql = Vec::new();
    for proof in &found.tables {
        let snapshot = snapshots(found, proof);
        let status = if proof.differences() > 0 {
            "failed"
        } else {
            "ok"
        };
        let detail = serde_json::json!({
            "message": sentence(proof),
            "snapshot": snapshot,
            "transform": proof.transform_fp,
            "classes": proof.classes.iter().map(|(class, tally)| (class.word(), tally.count)).collect::<std::collections::BTreeMap<_, _>>(),
            "rows": proof.compared,
        });
        sql.push(state.finding_sql(
            claim.run,
            &proof.rule,
            "verify",
            "every_row",
            status,
            &detail,
        )?);
        for fit in &proof.fitness {
            let status = match fit.ok {
                Some(true) => "ok",
                Some(false) => "failed",
                None => "remark",
            };
            let detail = serde_json::json!({
                "message": fit.text, "what": fit.what, "role": fit.role, "of": fit.of, "found": fit.found,
                "query": fit.query, "snapshot": snapshot,
            });
            let rule = &proof.rule;
            sql.push(state.finding_sql(claim.run, rule, "verify", fit.name, status, &detail)?);
        }
    }
    let begin = writer.begin_sql();
    writer.execute(&begin).await?;
    writer.execute(&sql.join(";")).await?;
    let (root, chunks) = state.root(&mut writer, claim.run).await?;
    writer
        .execute(&state.root_sql(claim.run, &root, chunks)?)
        .await?;
    point("record.commit")?;
    writer.execute("commit").await?;
    let exit = if found.differences() > 0 { 4 } else { 0 };
    let run = claim.run;
    claim.finish(state, "finished", exit).await?;
    writer.close().await;
    Ok(run)
}

/// The snapshots that a table was seen in: two or more where a verification was stopped and gone on with.
fn snapshots(found: &Verification, proof: &TableProof) -> String {
    let now = format!(
        "source {}, target {}",
        found.source_snapshot, found.target_snapshot
    );
    match &proof.resumed {
        None => now,
        Some(before) => format!(
            "{now}; {} rows before: {}",
            before.rows,
            before.moments.join("; ")
        ),
    }
}

/// What was proved of a table, and what differs: the first by key and column, all of them by one hash.
pub fn sentence(proof: &TableProof) -> String {
    let mut parts = vec![format!(
        "{} source rows derived again, {} target rows compared in {} cells",
        proof.derived, proof.compared, proof.cells
    )];
    for (class, tally) in &proof.classes {
        let named: Vec<String> = tally
            .rows
            .iter()
            .take(KEYS_NAMED)
            .map(|row| match &row.columns[..] {
                [] => row.key.clone(),
                columns => format!("{}: {}", row.key, columns.join(" ")),
            })
            .collect();
        let named = match &named[..] {
            [] => String::new(),
            some => format!(" ({})", some.join("; ")),
        };
        parts.push(format!("{} {}{named}", tally.count, class.word()));
    }
    parts.extend(
        proof
            .digest()
            .map(|digest| format!("hash over all of them {digest}")),
    );
    let failed = |check: &&Check| check.ok == Some(false);
    parts.extend(
        proof
            .checks
            .iter()
            .filter(failed)
            .map(|check| check.text.clone()),
    );
    parts.join(", ")
}
