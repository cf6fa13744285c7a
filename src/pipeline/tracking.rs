//! The old scripts' tracking tables during a run: found, told about, and the lines of `migration_control`.

use super::{Event, RunError, World};
use crate::commit::{ControlLine, Tracking, tracking};
use crate::db::point;
use crate::state::SegmentRecord;

/// `migration_control` of this run.
#[derive(Debug, Default)]
pub(super) struct Control {
    /// Its quoted name, when it has the known shape.
    table: Option<String>,
    /// The line of the table being worked on.
    pub(super) line: Option<ControlLine>,
}

/// Looks for both tables once the target is claimed. A table in a foreign shape is a finding; lines that a
/// killed run left open are closed.
pub(super) async fn begin(world: &mut World<'_>) -> Result<(), RunError> {
    let Some(writer) = &mut world.writer else {
        return Ok(());
    };
    point("run.claimed")?;
    for name in [tracking::MAPPINGS, tracking::CONTROL] {
        match Tracking::look(writer, name).await? {
            Tracking::Known(table) if name == tracking::CONTROL => {
                writer.write(&tracking::close_killed_sql(&table)).await?;
                world.control.table = Some(table);
            }
            Tracking::Absent | Tracking::Known(_) => {}
            Tracking::Foreign(why) => {
                let message = format!(
                    "`{name}` is not of the shape we keep current and is left alone: {why}"
                );
                let detail = serde_json::json!({ "table": name, "message": message });
                let sql = world.state.finding_sql(
                    world.run,
                    "",
                    "run",
                    "foreign_tracking_table",
                    "warning",
                    &detail,
                )?;
                writer.write(&sql).await?;
                world.watcher.event(Event::Message(&message));
            }
        }
    }
    Ok(())
}

/// What a line says whose table has not come to its end: somebody asked to stop, or something broke.
pub(super) fn stopped(asked: bool) -> &'static str {
    if asked { "interrupted" } else { "failed" }
}

impl Control {
    /// The same table, for another table's line.
    pub(super) fn beside(&self) -> Self {
        Self {
            table: self.table.clone(),
            line: None,
        }
    }
}

impl World<'_> {
    /// The line of a segment, in the transaction that opens it.
    pub(super) async fn track(&mut self, segment: &SegmentRecord) -> Result<(), RunError> {
        self.control.line = None;
        let (Some(table), Some(writer)) = (&self.control.table, &mut self.writer) else {
            return Ok(());
        };
        if segment.accounted {
            let batch = self.chunk_rows;
            let line = ControlLine::open(writer, self.state, table, segment, batch).await?;
            self.control.line = Some(line);
        }
        Ok(())
    }

    /// Says in the line that its table has not come to its end. The run ends anyway: what the database says to
    /// this does not matter, and the next run says it again.
    pub(super) async fn untrack(&mut self, status: &str) {
        if let (Some(line), Some(writer)) = (self.control.line.take(), &mut self.writer) {
            let _ = writer.execute("rollback").await;
            let _ = writer.write(&line.stop_sql(status)).await;
        }
    }
}
