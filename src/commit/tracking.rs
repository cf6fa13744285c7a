//! The old scripts' tracking tables, which dashboards read: kept current in our transactions when they have
//! the one shape that we know, left alone in any other.

use crate::catalog::{Table, table};
use crate::db::{DbError, Engine, Session, TableName, literal};
use crate::state::{SegmentRecord, State, StateError, number};
use crate::value::Logical;

/// Which legacy key became which id.
pub const MAPPINGS: &str = "migration_mappings";
/// How far each table is: one line per run and table.
pub const CONTROL: &str = "migration_control";
/// What the lines of this program say they are.
const OPERATION: &str = "runner";
/// The largest count that an `integer` column holds.
const COUNT_MAX: i64 = i32::MAX as i64;

/// A tracking table of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// There is none.
    Absent,
    /// In the known shape: its quoted name.
    Known(String),
    /// In another shape, or closed to this role: why it is left alone.
    Foreign(String),
}

impl Tracking {
    /// Looks at [`MAPPINGS`] or [`CONTROL`].
    pub async fn look(session: &mut Session, name: &'static str) -> Result<Self, DbError> {
        let name = TableName::parse(name);
        let engine = session.engine();
        let Some(found) = table(session, &name).await? else {
            return Ok(Self::Absent);
        };
        let strange = if name.name == MAPPINGS {
            strange_mappings(&found)
        } else {
            strange_control(&found, engine)
        };
        Ok(match strange.or_else(|| closed(&found)) {
            Some(why) => Self::Foreign(why),
            None => Self::Known(name.sql(engine)),
        })
    }

    /// Its quoted name, when it is kept current.
    pub fn known(self) -> Option<String> {
        match self {
            Self::Known(name) => Some(name),
            Self::Absent | Self::Foreign(_) => None,
        }
    }
}

/// What a column has to hold.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Count,
    Time,
    Id,
}

impl Holds {
    fn fits(self, logical: &Logical) -> bool {
        match self {
            Self::Text => matches!(logical, Logical::Text(_)),
            Self::Count => matches!(logical, Logical::Int4 | Logical::Int8),
            Self::Time => matches!(logical, Logical::Timestamp | Logical::TimestampTz),
            Self::Id => *logical == Logical::Uuid,
        }
    }
}

fn strange_mappings(found: &Table) -> Option<String> {
    let columns = [
        ("entity_type", Holds::Text),
        ("legacy_id", Holds::Count),
        ("new_id", Holds::Id),
        ("migrated_at", Holds::Time),
        ("migration_batch", Holds::Text),
    ];
    strange(found, &columns).or_else(|| {
        let key = ["entity_type", "legacy_id"];
        let named = |columns: &[String]| {
            columns.len() == key.len() && key.iter().all(|k| columns.iter().any(|c| c == k))
        };
        let unique = found
            .uniques
            .iter()
            .any(|u| u.of_all_rows() && !u.deferrable && named(&u.columns));
        (!named(&found.primary_key) && !unique)
            .then(|| "(entity_type, legacy_id) is not unique".to_owned())
    })
}

fn strange_control(found: &Table, engine: Engine) -> Option<String> {
    let columns = [
        ("id", Holds::Count),
        ("phase", Holds::Text),
        ("table_name", Holds::Text),
        ("operation", Holds::Text),
        ("status", Holds::Text),
        ("records_processed", Holds::Count),
        ("total_records", Holds::Count),
        ("started_at", Holds::Time),
        ("completed_at", Holds::Time),
        ("error_message", Holds::Text),
        ("batch_size", Holds::Count),
        ("worker_id", Holds::Count),
        ("source_query", Holds::Text),
        ("validation_query", Holds::Text),
    ];
    strange(found, &columns).or_else(|| {
        let id = found.column("id")?;
        let numbered = id.default.is_some()
            || id.identity.is_some()
            || (engine == Engine::Sqlite && found.primary_key == ["id"]);
        if !numbered {
            return Some("its id does not number itself".to_owned());
        }
        let check = found.checks.first()?;
        Some(format!(
            "check constraint {} may refuse our lines",
            check.name
        ))
    })
}

fn strange(found: &Table, columns: &[(&str, Holds)]) -> Option<String> {
    if found.is_view {
        return Some("it is a view".to_owned());
    }
    for (name, holds) in columns {
        match found.column(name) {
            None => return Some(format!("it has no column {name}")),
            Some(column) if !holds.fits(&column.logical) => {
                return Some(format!("its column {name} is {}", column.type_name));
            }
            Some(_) => {}
        }
    }
    let needs = found.columns.iter().find(|column| {
        column.not_null
            && column.default.is_none()
            && column.identity.is_none()
            && !column.generated
            && !columns.iter().any(|(name, _)| *name == column.name)
    });
    needs.map(|column| format!("its column {} has to be filled as well", column.name))
}

fn closed(found: &Table) -> Option<String> {
    if found.row_security {
        return Some("row level security hides its rows from this role".to_owned());
    }
    let rights = found.rights;
    (!rights.select || !rights.insert || !rights.update)
        .then(|| "this role may not read and write it".to_owned())
}

/// The line of one run and table in [`CONTROL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlLine {
    table: String,
    id: i64,
}

impl ControlLine {
    /// Writes the line of a segment that was opened in the same transaction. What the pass has done before
    /// counts as processed.
    pub async fn open(
        session: &mut Session,
        state: State,
        table: &str,
        segment: &SegmentRecord,
        batch_rows: u64,
    ) -> Result<Self, StateError> {
        let target = TableName::parse(&segment.target).name;
        // a procedure that names no base does not know how many rows there are
        let total = match segment.read {
            0 if segment.base == 0 && segment.kind == crate::state::Kind::Procedure => {
                "null".to_owned()
            }
            read => read.min(COUNT_MAX).to_string(),
        };
        let sql = format!(
            "insert into {table} (phase, table_name, operation, status, records_processed, total_records, started_at, batch_size) \
             values ('run {}', {}, '{OPERATION}', 'running', ({}), {total}, {}, {}) returning id",
            segment.run,
            literal(session.engine(), &target)?,
            processed(state, segment)?,
            state.now(),
            batch_rows.min(COUNT_MAX as u64),
        );
        let rows = session.query(&sql).await?;
        Ok(Self {
            table: table.to_owned(),
            id: number(&rows, 0, 0)?,
        })
    }

    /// A statement that counts a chunk's rows; the last of its transaction, because all writers wait for this
    /// row. Empty when there is nothing to count.
    pub(super) fn advance_sql(&self, rows: i64) -> String {
        if rows == 0 {
            return String::new();
        }
        format!(
            "update {} set records_processed = case when records_processed > {COUNT_MAX} - {rows} then {COUNT_MAX} \
             else records_processed + {rows} end where id = {};",
            self.table, self.id
        )
    }

    /// A statement that says the table is complete, as the ledger counts it.
    pub fn complete_sql(
        &self,
        state: State,
        segment: &SegmentRecord,
    ) -> Result<String, StateError> {
        Ok(format!(
            "update {} set status = 'completed', completed_at = {}, records_processed = ({}) where id = {}",
            self.table,
            state.now(),
            processed(state, segment)?,
            self.id
        ))
    }

    /// A statement that says why there is no end: `failed` or `interrupted`.
    pub fn stop_sql(&self, status: &str) -> String {
        format!(
            "update {} set status = '{status}' where id = {} and status = 'running'",
            self.table, self.id
        )
    }
}

/// A statement for the lines of runs that were killed: nobody else can say so.
pub fn close_killed_sql(table: &str) -> String {
    format!(
        "update {table} set status = 'interrupted' where operation = '{OPERATION}' and status = 'running'"
    )
}

/// A statement that takes a run's lines of one table out again.
pub fn forget_sql(engine: Engine, table: &str, run: i64, target: &str) -> Result<String, DbError> {
    Ok(format!(
        "delete from {table} where operation = '{OPERATION}' and phase = 'run {run}' and table_name = {}",
        literal(engine, &TableName::parse(target).name)?
    ))
}

/// The rows that the ledger says this pass has judged.
fn processed(state: State, segment: &SegmentRecord) -> Result<String, StateError> {
    let sum = "coalesce(sum(read), 0)";
    Ok(format!(
        "select case when {sum} > {COUNT_MAX} then {COUNT_MAX} else {sum} end from {} \
         where rule = {} and pass = {} and accounted = 1",
        state.table("chunk"),
        state.text(&segment.rule)?,
        segment.pass,
    ))
}
