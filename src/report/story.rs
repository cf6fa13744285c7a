//! What became of one source row, from the manifests.

use serde::Serialize;

use crate::db::{Engine, Session};
use crate::state::{Manifest, Outcome, State, StateError, from_hex, number, text};

/// Manifests unpacked at a time.
const PAGE: u32 = 64;

/// One source row's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Story {
    /// The rule.
    pub rule: String,
    /// Its target table.
    pub target: String,
    /// The source row's key.
    pub key: String,
    /// `written`, `skipped`, `rejected` or `taken back`.
    pub verdict: &'static str,
    /// `inserted`, `updated` or `unchanged`, of a written row.
    pub outcome: Option<&'static str>,
    /// Target rows.
    pub ids: Vec<uuid::Uuid>,
    /// The chunk that decided.
    pub chunk: i64,
    /// Its run.
    pub run: i64,
    /// Target server's clock.
    pub committed_at: String,
    /// Why it was rejected.
    pub code: Option<String>,
    /// The same as a sentence.
    pub message: Option<String>,
}

/// Finds the row by its key or by the id of a target row; the newest decision that stands wins. A row that was
/// only taken back says so.
pub async fn story(
    session: &mut Session,
    state: State,
    rule: &str,
    row: &str,
) -> Result<Option<Story>, StateError> {
    let stands = state.live_chunk("c");
    if let Some(story) = told(session, state, rule, row, &stands).await? {
        return Ok(Some(story));
    }
    let undone = "c.accounted = 1 and c.kind in ('undo', 'undoing')";
    let story = told(session, state, rule, row, undone).await?;
    Ok(story.map(|story| Story {
        verdict: "taken back",
        outcome: None,
        code: None,
        message: None,
        ..story
    }))
}

async fn told(
    session: &mut Session,
    state: State,
    rule: &str,
    row: &str,
    which: &str,
) -> Result<Option<Story>, StateError> {
    let id = row.parse::<uuid::Uuid>().ok();
    let mut before = i64::MAX;
    loop {
        let packed = match state.engine() {
            Engine::Postgres => "encode(m.packed, 'hex')",
            Engine::Sqlite => "hex(m.packed)",
        };
        let sql = format!(
            "select c.id, c.run_id, c.committed_at, s.target, {packed} from {} c join {} s on s.id = c.segment_id join {} m on m.chunk_id = c.id \
             where c.rule = {} and {which} and c.id < {before} order by c.id desc limit {PAGE}",
            state.table("chunk"),
            state.table("segment"),
            state.table("manifest"),
            state.text(rule)?,
        );
        let rows = session.query(&sql).await?;
        for at in 0..rows.len() {
            before = number(&rows, at, 0)?;
            let manifest = Manifest::unpack(&from_hex(&text(&rows, at, 4)?.unwrap_or_default())?)?;
            let Some(entry) = manifest
                .entries
                .into_iter()
                .find(|e| e.key == row || id.is_some_and(|id| e.ids.contains(&id)))
            else {
                continue;
            };
            let refused = if entry.verdict == 2 {
                state.quarantined_row(session, rule, &entry.key).await?
            } else {
                None
            };
            return Ok(Some(Story {
                rule: rule.to_owned(),
                target: text(&rows, at, 3)?.unwrap_or_default(),
                key: entry.key,
                verdict: ["written", "skipped", "rejected", "withdrawn"]
                    .get(usize::from(entry.verdict))
                    .copied()
                    .unwrap_or("unknown"),
                outcome: word(entry.outcome),
                ids: entry.ids,
                chunk: before,
                run: number(&rows, at, 1)?,
                committed_at: text(&rows, at, 2)?.unwrap_or_default(),
                code: refused.as_ref().map(|r| r.code.clone()),
                message: refused.map(|r| r.message),
            }));
        }
        if rows.len() < PAGE as usize {
            return Ok(None);
        }
    }
}

fn word(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::None => None,
        Outcome::Inserted => Some("inserted"),
        Outcome::Updated => Some("updated"),
        Outcome::Unchanged => Some("unchanged"),
    }
}
