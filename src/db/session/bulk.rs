//! Rows in bulk, in either direction.

use std::sync::Arc;

use super::{Link, Session, Wait, none};
use crate::db::classify::{lost, timeout};
use crate::db::postgres::{self, Copied};
use crate::db::quote::ident;
use crate::db::{DbError, Engine, ErrorKind, Lines, TableName, sqlite_copy, sqlite_rows};
use crate::row::Rows;
use crate::value::Logical;

impl Session {
    /// Reads a select's rows in bulk. More than `cap_bytes` is an error.
    pub async fn copy_out(
        &mut self,
        select: &str,
        columns: Arc<[String]>,
        cap_bytes: Option<usize>,
    ) -> Result<Rows, DbError> {
        let copied = self
            .copy(
                select,
                Rows::new(columns),
                &[],
                cap_bytes.unwrap_or(usize::MAX),
            )
            .await?;
        copied.map_err(|_| {
            DbError::new(
                ErrorKind::Other,
                self.role.side(),
                "a bulk read is larger than allowed",
            )
            .with_hint("read fewer rows at a time")
        })
    }

    /// As [`Self::copy_out`], holding each SQLite value against its column's declared type: what
    /// does not fit is kept as it is and listed in [`Rows::faults`].
    pub async fn copy_out_typed(
        &mut self,
        select: &str,
        columns: &[(String, Logical)],
    ) -> Result<Rows, DbError> {
        let rows = self.copy_out_capped(select, columns, usize::MAX).await?;
        rows.map_err(|_| lost("a bulk read was cut short", self.scene()))
    }

    /// As [`Self::copy_out_typed`]; when the rows have more bytes than `cap_bytes`, how many rows fit.
    pub(crate) async fn copy_out_capped(
        &mut self,
        select: &str,
        columns: &[(String, Logical)],
        cap_bytes: usize,
    ) -> Result<Result<Rows, u64>, DbError> {
        let names: Arc<[String]> = columns.iter().map(|(name, _)| name.clone()).collect();
        let types: Vec<&Logical> = columns.iter().map(|(_, logical)| logical).collect();
        self.copy(select, Rows::new(names), &types, cap_bytes).await
    }

    async fn copy(
        &mut self,
        select: &str,
        rows: Rows,
        types: &[&Logical],
        cap_bytes: usize,
    ) -> Result<Result<Rows, u64>, DbError> {
        let width = rows.columns().len();
        let copied = guarded!(self, select, c =>
            postgres::copy_out(c, select, rows, cap_bytes),
            sqlite_rows::copy_out(c, select, rows, types, cap_bytes))?;
        match copied {
            Copied::Whole(rows) => Ok(Ok(rows)),
            Copied::TooLarge(fitting) => Ok(Err(fitting)),
            Copied::Ragged => Err(DbError::new(
                ErrorKind::Other,
                self.role.side(),
                format!("a bulk read does not have the {width} columns that were asked for"),
            )),
        }
    }

    /// Writes COPY text lines, each ended by a newline, all or none of them, and checks that the
    /// server counted `rows`. The error of a guilty row names its line where the server does. After an
    /// error a transaction that was open has to be rolled back, to a savepoint or altogether.
    pub async fn copy_in(
        &mut self,
        table: &TableName,
        columns: &[(String, Logical)],
        lines: &[u8],
        rows: u64,
    ) -> Result<u64, DbError> {
        let mut whole = Some(lines);
        let mut once = |out: &mut Vec<u8>| {
            whole.take().is_some_and(|lines| {
                out.extend_from_slice(lines);
                true
            })
        };
        self.copy_in_lines(table, columns, &mut once, rows).await
    }

    /// As [`Self::copy_in`], line by line as they are needed.
    pub async fn copy_in_lines(
        &mut self,
        table: &TableName,
        columns: &[(String, Logical)],
        lines: &mut Lines<'_>,
        rows: u64,
    ) -> Result<u64, DbError> {
        if rows == 0 {
            return Ok(0);
        }
        let counted = match self.engine() {
            Engine::Postgres => {
                let names: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
                let statement = format!(
                    "COPY {} ({}) FROM STDIN",
                    table.sql(Engine::Postgres),
                    names.join(", ")
                );
                guarded!(self, &statement, c =>
                    postgres::copy_in(c, &statement, lines),
                    none(c))?
            }
            Engine::Sqlite => {
                let mut whole = Vec::new();
                while lines(&mut whole) {}
                sqlite_copy::copy_in(self, table, columns, &whole).await?
            }
        };
        if counted == rows {
            return Ok(counted);
        }
        Err(DbError::new(
            ErrorKind::Other,
            self.role.side(),
            format!("{counted} rows arrived in {table} where {rows} were sent"),
        )
        .with_hint("nothing of this chunk may be committed; please report this"))
    }

    /// Inserts with bound values.
    pub(in crate::db) async fn insert_bound(
        &mut self,
        sql: &Arc<str>,
        values: sqlx::sqlite::SqliteArguments,
    ) -> Result<u64, DbError> {
        guarded!(self, sql, c =>
            none(c),
            sqlite_copy::insert(c, sql, values))
    }
}
