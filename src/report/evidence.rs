//! Runs and findings as the state keeps them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::db::Session;
use crate::report::render::thousands;
use crate::row::Rows;
use crate::state::{State, StateError, number, text};

/// Runs a report lists; older ones are in the state.
const RUNS_MAX: u32 = 50;

/// Who ran what.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// Its number.
    pub id: i64,
    /// `run`, `exec` …
    pub command: String,
    /// `running`, `finished`, `failed`, `interrupted` or `abandoned`.
    pub status: String,
    /// Account on the host it ran on.
    pub os_user: Option<String>,
    /// That host.
    pub host: Option<String>,
    /// Version of the program.
    pub version: Option<String>,
    /// Database user and server version, source.
    pub source: String,
    /// Database user and server version, target.
    pub target: String,
    /// Git revision of the rules.
    pub rules_revision: Option<String>,
    /// Server time and log position before its first write.
    pub restore_point: Option<String>,
    /// Target server's clock.
    pub started_at: String,
    /// Target server's clock.
    pub finished_at: Option<String>,
    /// Between the two.
    pub seconds: Option<f64>,
    /// One hash over what it wrote down, as kept when it ended.
    pub root: Option<String>,
    /// What it read.
    pub readings: Vec<Reading>,
}

/// One reading of a source table under one snapshot.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    /// The rule.
    pub rule: String,
    /// `pass`, `sweep`, `trial` or `procedure`.
    pub kind: String,
    /// The source's name for the snapshot.
    pub snapshot: String,
    /// The source's clock.
    pub source_time: String,
    /// What decided rows.
    pub transform_fp: String,
    /// What judged the result.
    pub gate_fp: String,
}

/// A check of a table, before or after its run.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// The run.
    pub run: i64,
    /// The rule.
    pub rule: String,
    /// `before` or `after`.
    pub phase: String,
    /// What was checked.
    pub name: String,
    /// `ok`, `failed` or something in between.
    pub status: String,
    /// A sentence or the numbers that were compared.
    pub detail: String,
    /// The query that tells.
    pub query: Option<String>,
    /// What the query gives, when it is one number.
    pub found: Option<String>,
    /// The snapshot it was asked in.
    pub snapshot: Option<String>,
    /// When, by the target server's clock.
    pub at: String,
}

impl Gate {
    /// The check did not hold.
    pub fn failed(&self) -> bool {
        self.status == "failed"
    }

    /// The check held without a remark.
    pub fn held(&self) -> bool {
        matches!(self.status.as_str(), "ok" | "passed")
    }
}

/// A business sum on both sides. `source = target + rejected + skipped`, as exact decimal texts.
#[derive(Clone, Debug, Serialize)]
pub struct Reconciliation {
    /// The rule.
    pub rule: String,
    /// The rule's name for the sum.
    pub name: String,
    /// Sum over base rows.
    pub source: String,
    /// Sum over target rows.
    pub target: String,
    /// Sum over rejected source rows.
    pub rejected: String,
    /// Sum over skipped source rows.
    pub skipped: String,
    /// Both sides are equal.
    pub agrees: bool,
    /// Codes of the rejected rows with their counts, `orphan 2, negative_total 1`.
    pub rejected_for: String,
    /// Codes of the skipped rows with their counts.
    pub skipped_for: String,
    /// The query that tells.
    pub query: Option<String>,
    /// The source's side of it.
    pub source_query: Option<String>,
    /// The target's side of it.
    pub target_query: Option<String>,
}

/// The newest run.
pub async fn last_run(session: &mut Session, state: State) -> Result<Option<Run>, StateError> {
    Ok(read_runs(session, state, 1).await?.pop())
}

/// The last runs with what they read, oldest first.
pub(super) async fn runs(session: &mut Session, state: State) -> Result<Vec<Run>, StateError> {
    let mut runs = read_runs(session, state, RUNS_MAX).await?;
    for (id, root) in state.roots(session).await? {
        if let Some(run) = runs.iter_mut().find(|run| run.id == id) {
            run.root = Some(root);
        }
    }
    let sql = format!(
        "select run_id, rule, kind, snapshot, source_time, transform_fp, gate_fp from {} order by id",
        state.table("segment")
    );
    let rows = session.query(&sql).await?;
    for row in 0..rows.len() {
        let id = number(&rows, row, 0)?;
        let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
        let reading = Reading {
            rule: get(1)?,
            kind: get(2)?,
            snapshot: get(3)?,
            source_time: get(4)?,
            transform_fp: get(5)?,
            gate_fp: get(6)?,
        };
        if let Some(run) = runs.iter_mut().find(|run| run.id == id) {
            run.readings.push(reading);
        }
    }
    Ok(runs)
}

async fn read_runs(session: &mut Session, state: State, most: u32) -> Result<Vec<Run>, StateError> {
    let sql = format!(
        "select id, command, status, os_user, host, version, source_user, source_server, target_user, target_server, rules_revision, \
         restore_point, started_at, finished_at from {} order by id desc limit {most}",
        state.table("run")
    );
    let rows = session.query(&sql).await?;
    let mut runs = Vec::new();
    for row in (0..rows.len()).rev() {
        let get = |column| text(&rows, row, column).map(|found| found.filter(|t| !t.is_empty()));
        let side = |user: Option<String>, server: Option<String>| {
            let server = server.map(|name| product(&name));
            let parts = [user, server].into_iter().flatten();
            parts.collect::<Vec<_>>().join(" on ")
        };
        let (started_at, finished_at) = (get(12)?.unwrap_or_default(), get(13)?);
        runs.push(Run {
            id: number(&rows, row, 0)?,
            command: get(1)?.unwrap_or_default(),
            status: get(2)?.unwrap_or_default(),
            os_user: get(3)?,
            host: get(4)?,
            version: get(5)?,
            source: side(get(6)?, get(7)?),
            target: side(get(8)?, get(9)?),
            rules_revision: get(10)?,
            restore_point: get(11)?,
            seconds: finished_at
                .as_deref()
                .and_then(|end| seconds_between(&started_at, end)),
            started_at,
            finished_at,
            root: None,
            readings: vec![],
        });
    }
    Ok(runs)
}

/// `PostgreSQL 15.18` of however the server says it.
fn product(name: &str) -> String {
    let short = name.split_once(" (").map_or(name, |(name, _)| name);
    if short.starts_with(|c: char| c.is_ascii_digit()) {
        format!("PostgreSQL {short}")
    } else {
        short.to_owned()
    }
}

/// Server time and log position before the very first write.
pub(super) async fn restore_point(
    session: &mut Session,
    state: State,
) -> Result<Option<String>, StateError> {
    let sql = format!(
        "select restore_point from {} where restore_point is not null order by id limit 1",
        state.table("run")
    );
    Ok(list_of_texts(&session.query(&sql).await?)?.pop())
}

/// The newest finding of each check; sums apart.
pub(super) async fn gates(
    session: &mut Session,
    state: State,
) -> Result<(Vec<Gate>, Vec<Reconciliation>), StateError> {
    let sql = format!(
        "select run_id, rule, phase, name, status, detail, at from {} f where not {} order by run_id, at",
        state.table("finding"),
        state.taken_back("f")
    );
    let rows = session.query(&sql).await?;
    let (mut gates, mut sums) = (BTreeMap::new(), BTreeMap::new());
    for row in 0..rows.len() {
        let get = |column| text(&rows, row, column).map(Option::unwrap_or_default);
        let detail: Value = serde_json::from_str(&get(5)?).unwrap_or_default();
        let gate = Gate {
            run: number(&rows, row, 0)?,
            rule: get(1)?,
            phase: get(2)?,
            name: get(3)?,
            status: get(4)?,
            detail: describe(&detail),
            query: queries(&detail),
            found: ["rows", "duplicates", "orphans", "found"]
                .iter()
                .find_map(|name| field(&detail, name)),
            snapshot: field(&detail, "snapshot"),
            at: get(6)?,
        };
        let kept_elsewhere = gate.phase == "run" && gate.name == crate::state::ROOT
            || gate.phase == "verify" && super::fitness::NAMES.contains(&gate.name.as_str());
        if kept_elsewhere {
            continue;
        }
        if gate.name == "reconcile" && gate.phase == "after" {
            let sum = reconciliation(&gate, &detail);
            sums.insert((sum.rule.clone(), sum.name.clone()), sum);
        } else {
            // before comes before after; a table has one check of this name per constraint
            let which = field(&detail, "constraint").or_else(|| field(&detail, "table"));
            let order = (
                gate.rule.clone(),
                gate.phase != "before",
                gate.name.clone(),
                which,
            );
            gates.insert(order, gate);
        }
    }
    Ok((gates.into_values().collect(), sums.into_values().collect()))
}

fn reconciliation(gate: &Gate, detail: &Value) -> Reconciliation {
    let side = |name| field(detail, name).unwrap_or_else(|| "?".into());
    Reconciliation {
        rule: gate.rule.clone(),
        name: side("name"),
        source: side("source"),
        target: side("target"),
        rejected: side("rejected"),
        skipped: side("skipped"),
        agrees: !gate.failed(),
        rejected_for: String::new(),
        skipped_for: String::new(),
        query: gate.query.clone(),
        source_query: field(detail, "source_query"),
        target_query: field(detail, "target_query"),
    }
}

pub(super) fn field(detail: &Value, name: &str) -> Option<String> {
    match detail.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The query, or the one of each side.
fn queries(detail: &Value) -> Option<String> {
    let sides = [("source_query", "source"), ("target_query", "target")];
    let both: Vec<String> = sides
        .iter()
        .filter_map(|(name, side)| Some(format!("-- {side}\n{}", field(detail, name)?)))
        .collect();
    field(detail, "query").or_else(|| (!both.is_empty()).then(|| both.join("\n")))
}

/// The message, else `name value` pairs.
fn describe(detail: &Value) -> String {
    if let Some(message) = field(detail, "message") {
        return message;
    }
    let Value::Object(fields) = detail else {
        return String::new();
    };
    let shown = fields.iter().filter(|(name, value)| {
        !name.ends_with("query") && name.as_str() != "snapshot" && !value.is_null()
    });
    shown
        .map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A value as people write it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.to_string(), thousands),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Object(_) => value.to_string(),
    }
}

/// The target's clock.
pub(super) async fn server_time(session: &mut Session, state: State) -> Result<String, StateError> {
    let rows = session.query(&format!("select {}", state.now())).await?;
    Ok(text(&rows, 0, 0)?.unwrap_or_default())
}

/// The first column.
pub(super) fn list_of_texts(rows: &Rows) -> Result<Vec<String>, StateError> {
    (0..rows.len())
        .map(|row| text(rows, row, 0).map(Option::unwrap_or_default))
        .collect()
}

/// Seconds between two server times such as `2026-11-22 10:00:00.5+00`.
pub(super) fn seconds_between(from: &str, to: &str) -> Option<f64> {
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let micros = moment(to)?.as_microsecond() - moment(from)?.as_microsecond();
    Some((micros.max(0)) as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_times_are_subtracted() {
        assert_eq!(
            seconds_between("2026-11-22 10:00:00.5+00", "2026-11-22 10:00:02+00"),
            Some(1.5)
        );
        assert_eq!(seconds_between("soon", "2026-11-22 10:00:02+00"), None);
    }

    #[test]
    fn a_finding_without_a_message_shows_its_numbers() {
        let detail = serde_json::json!({ "rows_before": 3000, "query": "select 1", "one_snapshot": true, "keys": ["7", "9"] });
        assert_eq!(
            describe(&detail),
            "rows before 3,000, one snapshot yes, keys 7 9"
        );
    }
}
