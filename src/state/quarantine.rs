//! Rows that could not go over, kept in the target beside the data they belong to.

use crate::db::Session;
use crate::row::Reject;
use crate::state::{State, StateError, number, text};

/// A refused row on its way into quarantine.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Display form of its key.
    pub key: String,
    /// Why.
    pub reject: Reject,
    /// The columns the rule reads, as JSON; secrets only as length and hash.
    pub data: String,
    /// The manifest's input hash, hex.
    pub input_hash: String,
    /// `open`, `accepted` or `trial`.
    pub status: &'static str,
}

/// A row in quarantine as it is read back.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Quarantined {
    /// The rule's name.
    pub rule: String,
    /// Display form of the key.
    pub key: String,
    /// Stable code.
    pub code: String,
    /// `read`, `rule`, `fit`, `adopt` or `database`.
    pub stage: String,
    /// The sentence.
    pub message: String,
    /// The server's error class.
    pub sqlstate: Option<String>,
    /// The constraint that refused.
    pub constraint: Option<String>,
    /// File of the rule.
    pub path: Option<String>,
    /// Line, 0 when unknown.
    pub line: i64,
    /// Column, 0 when unknown.
    pub col: i64,
    /// `entity key` whose arrival would release it.
    pub waiting_for: Option<String>,
    /// `open` or `accepted`.
    pub status: String,
    /// The stored columns as JSON. Not serialised: private.
    #[serde(skip)]
    pub data: String,
}

/// Rows per insert statement: keeps one statement well under a megabyte for ordinary rows.
const ROWS_PER_INSERT: usize = 500;

impl State {
    /// Statements that put `rows` into quarantine and take out `cleared` keys (rows of the same chunk that
    /// were there before and are fine now). A trial says nothing about rows that the account holds as rejected.
    pub fn quarantine_sql(
        self,
        rule: &str,
        run: i64,
        chunk: i64,
        transform_fp: &str,
        rows: &[Refused],
        cleared: &[&str],
    ) -> Result<String, StateError> {
        let t = self.table("quarantine");
        let rule = self.text(rule)?;
        let mut sql = String::new();
        for keys in cleared.chunks(ROWS_PER_INSERT) {
            let keys = keys
                .iter()
                .map(|key| self.text(key))
                .collect::<Result<Vec<_>, _>>()?;
            sql.push_str(&format!(
                ";delete from {t} where rule = {rule} and key in ({})",
                keys.join(",")
            ));
        }
        for rows in rows.chunks(ROWS_PER_INSERT) {
            let mut values = Vec::with_capacity(rows.len());
            for row in rows {
                let r = &row.reject;
                let place = r.place.as_ref();
                let (entity, key) = r
                    .waiting_for
                    .as_ref()
                    .map_or((None, None), |(e, k)| (Some(e.as_str()), Some(k.as_str())));
                values.push(format!(
                    "({rule},{},{chunk},{run},{},'{}',{},{},{},{},{},{},{},'{}','{transform_fp}',{},{},'{}',{})",
                    self.text(&row.key)?,
                    self.text(&r.code)?,
                    r.stage.word(),
                    self.text(&r.why)?,
                    self.text_or_null(r.sqlstate.as_deref())?,
                    self.text_or_null(r.constraint.as_deref())?,
                    self.text_or_null(place.map(|p| p.path.as_str()))?,
                    place.map_or("null".into(), |p| p.line.to_string()),
                    place.map_or("null".into(), |p| p.column.to_string()),
                    self.text(&row.data)?,
                    row.input_hash,
                    self.text_or_null(entity)?,
                    self.text_or_null(key)?,
                    row.status,
                    self.now(),
                ));
            }
            sql.push_str(&format!(
                ";insert into {t} as q (rule, key, chunk_id, run_id, code, stage, message, sqlstate, constraint_name, path, line, col, data, input_hash, \
                 transform_fp, waiting_entity, waiting_key, status, at) values {} on conflict (rule, key) do update set chunk_id = excluded.chunk_id, \
                 run_id = excluded.run_id, code = excluded.code, stage = excluded.stage, message = excluded.message, sqlstate = excluded.sqlstate, \
                 constraint_name = excluded.constraint_name, path = excluded.path, line = excluded.line, col = excluded.col, data = excluded.data, \
                 input_hash = excluded.input_hash, transform_fp = excluded.transform_fp, waiting_entity = excluded.waiting_entity, \
                 waiting_key = excluded.waiting_key, status = excluded.status, at = excluded.at \
                 where q.status = 'trial' or excluded.status <> 'trial'",
                values.join(",")
            ));
        }
        Ok(sql)
    }

    /// A new pass begins: every row of the rule will be judged again.
    pub fn forget_quarantine_sql(self, rule: &str) -> Result<String, StateError> {
        Ok(format!(
            "delete from {} where rule = {}",
            self.table("quarantine"),
            self.text(rule)?
        ))
    }

    /// Rows in quarantine of these rules (all when empty), optionally of one code, by rule, code and key.
    pub async fn quarantined(
        self,
        session: &mut Session,
        rules: &[String],
        code: Option<&str>,
        limit: u64,
    ) -> Result<Vec<Quarantined>, StateError> {
        let mut filter = self.of_rules(rules)?;
        if let Some(code) = code {
            filter.push(format!("code = {}", self.text(code)?));
        }
        self.read_quarantine(
            session,
            &format!(
                "where {} order by rule, code, length(key), key limit {limit}",
                filter.join(" and ")
            ),
        )
        .await
    }

    /// At most `limit` rows in quarantine of these rules (all when empty), by rule and key, after the given
    /// rule and key.
    pub async fn quarantine_page(
        self,
        session: &mut Session,
        rules: &[String],
        after: Option<&(String, String)>,
        limit: u64,
    ) -> Result<Vec<Quarantined>, StateError> {
        let mut filter = self.of_rules(rules)?;
        if let Some((rule, key)) = after {
            filter.push(format!(
                "(rule, key) > ({}, {})",
                self.text(rule)?,
                self.text(key)?
            ));
        }
        let filter = filter.join(" and ");
        let tail = format!("where {filter} order by rule, key limit {limit}");
        self.read_quarantine(session, &tail).await
    }

    /// Conditions on rows of these rules, those of trials left out.
    fn of_rules(self, rules: &[String]) -> Result<Vec<String>, StateError> {
        let mut filter = vec!["status <> 'trial'".to_owned()];
        if !rules.is_empty() {
            let names = rules
                .iter()
                .map(|rule| self.text(rule))
                .collect::<Result<Vec<_>, _>>()?;
            filter.push(format!("rule in ({})", names.join(",")));
        }
        Ok(filter)
    }

    /// One row, trial runs included.
    pub async fn quarantined_row(
        self,
        session: &mut Session,
        rule: &str,
        key: &str,
    ) -> Result<Option<Quarantined>, StateError> {
        let found = self
            .read_quarantine(
                session,
                &format!(
                    "where rule = {} and key = {}",
                    self.text(rule)?,
                    self.text(key)?
                ),
            )
            .await?;
        Ok(found.into_iter().next())
    }

    async fn read_quarantine(
        self,
        session: &mut Session,
        tail: &str,
    ) -> Result<Vec<Quarantined>, StateError> {
        let sql = format!(
            "select rule, key, code, stage, message, sqlstate, constraint_name, path, line, col, waiting_entity, waiting_key, status, data from {} {tail}",
            self.table("quarantine")
        );
        let rows = session.query(&sql).await?;
        let get = |row, column| text(&rows, row, column);
        (0..rows.len())
            .map(|row| {
                let waiting = get(row, 10)?.zip(get(row, 11)?);
                Ok(Quarantined {
                    rule: get(row, 0)?.unwrap_or_default(),
                    key: get(row, 1)?.unwrap_or_default(),
                    code: get(row, 2)?.unwrap_or_default(),
                    stage: get(row, 3)?.unwrap_or_default(),
                    message: get(row, 4)?.unwrap_or_default(),
                    sqlstate: get(row, 5)?,
                    constraint: get(row, 6)?,
                    path: get(row, 7)?,
                    line: number(&rows, row, 8)?,
                    col: number(&rows, row, 9)?,
                    waiting_for: waiting.map(|(entity, key)| format!("{entity} {key}")),
                    status: get(row, 12)?.unwrap_or_default(),
                    data: get(row, 13)?.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// How many rejected rows of a rule are open, and how many were accepted.
    pub async fn open_and_accepted(
        self,
        session: &mut Session,
        rule: &str,
    ) -> Result<(i64, i64), StateError> {
        let rows = session.query(&self.open_and_accepted_sql(rule)?).await?;
        Ok((number(&rows, 0, 0)?, number(&rows, 0, 1)?))
    }

    /// Selects the numbers of open and of accepted rows.
    pub(super) fn open_and_accepted_sql(self, rule: &str) -> Result<String, StateError> {
        Ok(format!(
            "select coalesce(sum(case when status = 'open' then 1 else 0 end), 0), coalesce(sum(case when status = 'accepted' then 1 else 0 end), 0) \
             from {} where rule = {}",
            self.table("quarantine"),
            self.text(rule)?
        ))
    }
}
