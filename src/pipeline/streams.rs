//! What scripts read: selects, and streams of source rows under the run's snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog;
use crate::db::{DbError, Engine, Session};
use crate::diagnostic::did_you_mean;
use crate::row::{Key, Rows};
use crate::script::Answer;
use crate::value::Logical;

/// Rows fetched at a time.
const PAGE_ROWS: usize = 1000;

/// One select that is being read.
struct Stream {
    sql: String,
    columns: Vec<(String, Logical)>,
    key: Vec<usize>,
    /// Rows read so far.
    read: usize,
}

/// A source row that a script was given, until it is committed.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) rows: Arc<Rows>,
    pub(super) row: usize,
    /// Type of its key column, when it has only one.
    pub(super) key_type: Option<Logical>,
}

impl Given {
    /// Why the row cannot be trusted: a value that does not fit its own declared type.
    pub(super) fn fault(&self) -> Option<String> {
        let fault = self.rows.fault_of(self.row)?;
        let column = self.rows.columns().get(fault.column)?;
        Some(format!("column `{column}`: {}", fault.why))
    }
}

/// The open selects of a call, and the rows they gave.
#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<u64, Stream>,
    opened: u64,
    pub(super) given: HashMap<Key, Given>,
}

impl Streams {
    /// Begins to read a select.
    pub(super) async fn open(
        &mut self,
        session: &mut Session,
        sql: &str,
        key: &[String],
    ) -> Result<u64, String> {
        let sql = bare(sql);
        let number = self.opened + 1;
        let columns = guarded(session, async |session: &mut Session| {
            let columns = catalog::describe(session, sql).await?;
            if session.engine() == Engine::Postgres {
                let declare = format!("declare runner_rows_{number} no scroll cursor for {sql}");
                session.execute(&declare).await?;
            }
            Ok(columns)
        })
        .await?;
        let place = |name: &String| {
            let known = columns.iter().map(|(column, _)| column.as_str());
            columns.iter().position(|(c, _)| c == name).ok_or_else(|| {
                let near = did_you_mean(name, known)
                    .map(|near| format!(", did you mean `{near}`?"))
                    .unwrap_or_default();
                format!("`source.rows`: the select has no key column `{name}`{near}")
            })
        };
        let key = key.iter().map(place).collect::<Result<_, _>>()?;
        self.opened = number;
        let stream = Stream {
            sql: sql.to_owned(),
            columns,
            key,
            read: 0,
        };
        self.open.insert(number, stream);
        Ok(number)
    }

    /// The next rows of a select; none are left when there are none.
    pub(super) async fn next(
        &mut self,
        session: &mut Session,
        number: u64,
    ) -> Result<Answer, String> {
        let Some(stream) = self.open.get_mut(&number) else {
            return Ok(Answer::default());
        };
        let rows = guarded(session, async |session: &mut Session| {
            stream.page(session, number).await
        })
        .await?;
        let rows = Arc::new(rows);
        stream.read += rows.len();
        let types = stream.columns.iter().map(|(_, logical)| logical.clone());
        let answer = Answer {
            rows: rows.clone(),
            types: types.collect(),
        };
        let key_type = match stream.key[..] {
            [one] => Some(stream.columns[one].1.clone()),
            _ => None,
        };
        for row in 0..rows.len() {
            let part = |column: &usize| rows.text(row, *column)?.ok().map(String::from);
            // a key that is NULL or no text is refused by the script's side
            if let Some(parts) = stream.key.iter().map(part).collect::<Option<Vec<_>>>() {
                let given = Given {
                    rows: rows.clone(),
                    row,
                    key_type: key_type.clone(),
                };
                self.given.insert(Key(parts), given);
            }
        }
        if rows.is_empty() {
            self.open.remove(&number);
        }
        Ok(answer)
    }
}

impl Stream {
    async fn page(&self, session: &mut Session, number: u64) -> Result<Rows, DbError> {
        if session.engine() == Engine::Sqlite {
            // no cursors here; within one snapshot the same select has the same order
            let sql = format!(
                "select * from ({}) limit {PAGE_ROWS} offset {}",
                self.sql, self.read
            );
            return session.copy_out_typed(&sql, &self.columns).await;
        }
        let rows = session
            .query(&format!(
                "fetch forward {PAGE_ROWS} from runner_rows_{number}"
            ))
            .await?;
        if rows.is_empty() {
            session
                .execute(&format!("close runner_rows_{number}"))
                .await?;
            return Ok(Rows::new(
                self.columns.iter().map(|(name, _)| name.clone()).collect(),
            ));
        }
        Ok(rows)
    }
}

/// All rows of one select.
pub(super) async fn select(session: &mut Session, sql: &str) -> Result<Answer, String> {
    let sql = bare(sql);
    let (columns, rows) = guarded(session, async |session: &mut Session| {
        let columns = catalog::describe(session, sql).await?;
        let rows = session.copy_out_typed(sql, &columns).await?;
        Ok((columns, rows))
    })
    .await?;
    Ok(Answer {
        rows: Arc::new(rows),
        types: columns.into_iter().map(|(_, logical)| logical).collect(),
    })
}

/// Asks inside a savepoint: a statement that fails must not take the run's snapshot with it.
async fn guarded<T>(
    session: &mut Session,
    ask: impl AsyncFnOnce(&mut Session) -> Result<T, DbError>,
) -> Result<T, String> {
    let needed = session.engine() == Engine::Postgres && session.role() == crate::db::Role::Source;
    if needed {
        let begun = session.execute("savepoint runner_asked").await;
        begun.map_err(|error| sentence(&error))?;
    }
    let asked = ask(session).await;
    if needed && !session.is_broken() {
        let end = match &asked {
            Ok(_) => "release savepoint runner_asked",
            Err(_) => "rollback to savepoint runner_asked; release savepoint runner_asked",
        };
        let ended = session.execute(end).await;
        ended.map_err(|error| sentence(&error))?;
    }
    asked.map_err(|error| sentence(&error))
}

pub(super) fn sentence(error: &DbError) -> String {
    format!("the {} refuses: {}", error.side, error.message)
}

/// A select without the `;` that people end it with.
fn bare(sql: &str) -> &str {
    sql.trim_end_matches(|letter: char| letter == ';' || letter.is_whitespace())
}
