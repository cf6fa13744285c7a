//! Opening and closing a segment: what belongs to it goes in one transaction with it.

use super::{RunError, World};
use crate::db::{Session, point};
use crate::rule::Rule;
use crate::state::{Claim, SegmentRecord, State, StateError};

/// Opens a transaction, as long as nobody took the run over.
pub(super) async fn begin(
    writer: &mut Session,
    state: State,
    (run, epoch): (i64, i64),
) -> Result<(), RunError> {
    let begin = writer.begin_sql();
    let fence = Claim::fence_sql(state, run, epoch);
    let fenced = writer.query(&format!("{begin}; {fence}")).await?;
    if fenced.is_empty() {
        let _ = writer.execute("rollback").await;
        return Err(StateError::Fenced { run }.into());
    }
    Ok(())
}

impl World<'_> {
    /// Opens a segment, its rule's texts with it. A new pass takes the table's quarantine with it: every row
    /// of it will be judged again.
    pub(super) async fn open(
        &mut self,
        rule: &Rule,
        segment: &mut SegmentRecord,
        forget: bool,
    ) -> Result<(), RunError> {
        let state = self.state;
        let opening = self.opening.clone();
        let _opening = opening.lock().await;
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let texts: Vec<_> =
            std::iter::once((rule.path.display().to_string(), rule.text.to_string()))
                .chain(
                    rule.libs
                        .iter()
                        .map(|(path, text)| (path.clone(), text.to_string())),
                )
                .collect();
        let texts = serde_json::json!(texts).to_string();
        begin(writer, state, (self.run, self.epoch)).await?;
        let f = &rule.fingerprints;
        let mut first = vec![state.rule_sql(&rule.name, &f.transform, &f.gate, &texts)?];
        if forget {
            first.push(state.image_quarantine_sql(segment.run, 0, &rule.name, None)?);
            first.push(state.forget_quarantine_sql(&rule.name)?);
        } else if segment.accounted {
            first.push(state.lapse_sql(&rule.name, &f.transform)?);
        }
        writer.execute(&first.join(";")).await?;
        state.open_segment(writer, segment).await?;
        self.track(segment).await?;
        point("segment.begin")?;
        if let Some(writer) = &mut self.writer {
            writer.execute("commit").await?;
        }
        point("segment.open")?;
        Ok(())
    }

    /// Marks a segment as read to its end, and its line as completed.
    pub(super) async fn close(&mut self, segment: &SegmentRecord) -> Result<(), RunError> {
        let state = self.state;
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        begin(writer, state, (self.run, self.epoch)).await?;
        let mut last = vec![state.close_segment_sql(segment.id)];
        if let Some(line) = self.control.line.take() {
            last.push(line.complete_sql(state, segment)?);
        }
        writer.execute(&last.join(";")).await?;
        point("segment.close")?;
        writer.execute("commit").await?;
        Ok(())
    }
}
