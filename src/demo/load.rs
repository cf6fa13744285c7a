//! Puts the generated rows into two databases.

use super::cells::Cells;
use super::classes::SCALE_MIN;
use super::tables::Table;
use super::world::World;
use super::{Plan, expected_of, source, target};
use crate::config::DatabaseUrl;
use crate::db::{DbError, Engine, ErrorKind, Role, Session, TableName};
use crate::value::Logical;

/// Rows are made and sent in blocks of this many places: a few megabytes at most.
const BLOCK: u64 = 10_000;
/// Legacy keys are 32-bit integers.
const ROWS_MAX: u64 = 100_000_000;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tables and their rows, in the order they were filled; source first.
    pub tables: Vec<(String, u64)>,
    /// Rows in all.
    pub rows: u64,
}

/// One of the two databases as it must look.
struct Shape {
    side: &'static str,
    ddl: [&'static str; 2],
    filled: &'static [Table],
    empty: &'static [&'static str],
}

const SOURCE: Shape = Shape {
    side: "source",
    ddl: [
        include_str!("source/pg.sql"),
        include_str!("source/sqlite.sql"),
    ],
    filled: source::FILLED,
    empty: source::EMPTY,
};

const TARGET: Shape = Shape {
    side: "target",
    ddl: [
        include_str!("target/pg.sql"),
        include_str!("target/sqlite.sql"),
    ],
    filled: target::FILLED,
    empty: target::EMPTY,
};

/// Makes the tables of both databases and fills them. `progress` hears a table's name and its rows so
/// far. Refuses databases that hold rows in any of these tables, before anything is made.
pub async fn seed(
    source: &DatabaseUrl,
    target: &DatabaseUrl,
    plan: &Plan,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<Summary, DbError> {
    check(plan)?;
    let world = World::new(plan);
    let mut summary = Summary::default();
    for (url, shape) in [(source, &SOURCE), (target, &TARGET)] {
        let mut session = open(url, shape).await?;
        let refused = refuse_rows(&mut session, shape).await;
        session.close().await;
        refused.map_err(|error| on(shape, error))?;
    }
    for (url, shape) in [(source, &SOURCE), (target, &TARGET)] {
        let mut session = open(url, shape).await?;
        let filled = fill(&mut session, shape, &world, &mut summary, progress).await;
        session.close().await;
        filled.map_err(|error| on(shape, error))?;
    }
    Ok(summary)
}

fn check(plan: &Plan) -> Result<(), DbError> {
    let wrong = |what: String| Err(DbError::new(ErrorKind::Other, "source", what));
    if !(plan.scale >= SCALE_MIN && plan.scale <= 1_000.0) {
        return wrong(format!(
            "a scale of {} is out of range: give {SCALE_MIN} to 1000",
            plan.scale
        ));
    }
    let Some((rule, rows)) = &plan.rows else {
        return Ok(());
    };
    let rules = expected_of(&Plan::default());
    let Some(at_one) = rules.iter().find(|it| it.rule == rule) else {
        let names: Vec<_> = rules.iter().map(|it| it.rule).collect();
        return wrong(format!(
            "the demo has no rule `{rule}`: it has {}",
            names.join(", ")
        ));
    };
    let codes = at_one.skipped.len() + at_one.rejected.len() + at_one.notes.len();
    let least = 10 * codes as u64 + 10;
    if !(least..=ROWS_MAX).contains(rows) {
        return wrong(format!(
            "{rows} rows of `{rule}` are out of range: give {least} to {ROWS_MAX}"
        ));
    }
    Ok(())
}

/// Both sides are written here, so the session is a writer's even for the source.
async fn open(url: &DatabaseUrl, shape: &Shape) -> Result<Session, DbError> {
    Session::open(url, Role::TargetWriter)
        .await
        .map_err(|error| on(shape, error))
}

fn on(shape: &Shape, mut error: DbError) -> DbError {
    error.side = shape.side;
    error
}

async fn refuse_rows(session: &mut Session, shape: &Shape) -> Result<(), DbError> {
    let filled = shape.filled.iter().map(|table| table.name);
    for name in filled.chain(shape.empty.iter().copied()) {
        let table = TableName::parse(name).sql(session.engine());
        let select = format!("select 1 from {table} limit 1");
        match session.query(&select).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) => {
                let side = shape.side;
                let message = format!("the {side} database already holds rows in `{name}`");
                return Err(DbError::new(ErrorKind::Other, side, message)
                    .with_hint("the demo's data goes into empty databases only: create new ones"));
            }
            Err(error) if error.kind == ErrorKind::Missing => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn fill(
    session: &mut Session,
    shape: &Shape,
    world: &World,
    summary: &mut Summary,
    progress: &mut dyn FnMut(&str, u64),
) -> Result<(), DbError> {
    let [postgres, sqlite] = shape.ddl;
    session
        .execute(match session.engine() {
            Engine::Postgres => postgres,
            Engine::Sqlite => sqlite,
        })
        .await?;
    let mut cells = Cells::default();
    for table in shape.filled {
        let name = TableName::parse(table.name);
        let columns = columns(table, session.engine());
        let places = (table.places)(world);
        let mut written = 0;
        for from in (0..places).step_by(BLOCK as usize) {
            cells.clear();
            let rows = table.fill(world, from, places.min(from + BLOCK), &mut cells);
            if rows > 0 {
                session
                    .copy_in(&name, &columns, cells.bytes(), rows)
                    .await?;
            }
            written += rows;
            progress(table.name, written);
        }
        summary.tables.push((table.name.to_owned(), written));
        summary.rows += written;
    }
    if session.engine() == Engine::Postgres {
        // the key that was given by hand does not move the sequence
        if shape.side == "target" {
            let sql = "select setval('migration_control_id_seq', (select max(id) from migration_control))";
            session.query(sql).await?;
        }
    }
    session.execute("analyze").await?;
    Ok(())
}

/// The columns as the engine has them: SQLite keeps a decimal without limits as text (see its DDL).
fn columns(table: &Table, engine: Engine) -> Vec<(String, Logical)> {
    let columns = table.columns.iter();
    columns
        .map(|(name, logical)| {
            let logical = match (engine, logical) {
                (Engine::Sqlite, Logical::Numeric(None)) => Logical::Text(None),
                _ => logical.clone(),
            };
            ((*name).to_owned(), logical)
        })
        .collect()
}
