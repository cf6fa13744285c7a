//! Questions about a table as a whole, each answered by the databases: references, legacy ids, sums, sequences.

use rust_decimal::Decimal;

use super::derive::Chunk;
use super::outcome::{Check, Class, TableProof};
use super::{VerifyError, World, fitness, people};
use crate::db::{Engine, Session, ident, literal, sum_text, total};
use crate::row::Verdict;
use crate::rule::Rule;
use crate::source::PageQuery;
use crate::target::Destination;

/// The reconciled source columns added up by what the rule says about their rows, in exact decimals.
pub(super) struct Sums(Vec<Sum>);

struct Sum {
    column: String,
    skipped: Option<Decimal>,
    rejected: Option<Decimal>,
}

impl Sums {
    pub(super) fn new(rule: &Rule) -> Self {
        Self(
            rule.header
                .reconcile
                .iter()
                .map(|pair| Sum {
                    column: pair.source.clone(),
                    skipped: Some(Decimal::ZERO),
                    rejected: Some(Decimal::ZERO),
                })
                .collect(),
        )
    }

    /// As [`Sums::kept`] wrote them down.
    pub(super) fn restore(&mut self, kept: &[(Option<String>, Option<String>)]) {
        let read = |text: &Option<String>| Decimal::from_str_exact(text.as_deref()?).ok();
        for (sum, (skipped, rejected)) in self.0.iter_mut().zip(kept) {
            (sum.skipped, sum.rejected) = (read(skipped), read(rejected));
        }
    }

    /// Per reconciliation what was skipped and rejected.
    pub(super) fn kept(&self) -> Vec<(Option<String>, Option<String>)> {
        let text = |sum: Option<Decimal>| sum.map(|sum| sum.to_string());
        let one = |sum: &Sum| (text(sum.skipped), text(sum.rejected));
        self.0.iter().map(one).collect()
    }

    pub(super) fn add(&mut self, chunk: &Chunk) {
        for sum in &mut self.0 {
            let Some(column) = chunk.rows.column(&sum.column) else {
                continue;
            };
            for (row, judged) in chunk.judged.iter().enumerate() {
                let side = match &judged.verdict {
                    Verdict::Write(_) => continue,
                    Verdict::Skip(_) => &mut sum.skipped,
                    Verdict::Reject(_) => &mut sum.rejected,
                };
                if let Some(text) = chunk.rows.text(row, column) {
                    let value = text.ok().and_then(|t| Decimal::from_str_exact(&t).ok());
                    *side = side.zip(value).and_then(|(a, b)| a.checked_add(b));
                }
            }
        }
    }
}

/// Holds the sums of an ordinary rule's table against those of its source.
pub(super) async fn sums(
    world: &mut World<'_>,
    rule: &Rule,
    query: &PageQuery,
    to: &Destination,
    sums: Sums,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    // a row that was refused is in neither sum of what the rule says, so sums are held where there is none
    if proof.whole && proof.count(Class::Refused) == 0 && proof.count(Class::Pending) == 0 {
        reconcile(world, rule, query, to, sums, proof).await?;
    }
    Ok(())
}

/// A script writes this table: its rows cannot be derived, the table as a whole can be asked about.
pub(super) async fn procedure(
    world: &mut World<'_>,
    rule: &Rule,
    to: &Destination,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let account = world.state.account(&mut world.target, &rule.name).await?;
    let tally = proof.classes.entry(Class::NotRederived).or_default();
    tally.count = u64::try_from(account.counts.target_rows).unwrap_or(0);
    proof.rows_written = tally.count;
    proof
        .notes
        .push("a script wrote these rows: they are counted, and not derived again".into());
    questions(world, rule, to, proof).await
}

/// What is asked of every table; it needs nothing that is derived. Both sessions have the same snapshot: one asks
/// about people and files, which takes the longest where there are any, the other everything else.
pub(super) async fn questions(
    world: &mut World<'_>,
    rule: &Rule,
    to: &Destination,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let mut beside = TableProof::default();
    let rules: Vec<&Rule> = world.rules.iter().map(AsRef::as_ref).collect();
    let known = (&rules[..], &world.api_roles[..]);
    let (people, table) = tokio::join!(
        people::readiness(&mut world.target, rule, &to.table, proof),
        about_rows(&mut world.asked, known, rule, to, &mut beside),
    );
    people?;
    table?;
    proof.checks.append(&mut beside.checks);
    proof.fitness.append(&mut beside.fitness);
    Ok(())
}

/// `known`: the rules, and the API's roles.
async fn about_rows(
    session: &mut Session,
    (rules, api): (&[&Rule], &[String]),
    rule: &Rule,
    to: &Destination,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let lost = references(session, to, proof).await?;
    legacy_ids(session, rule, to, proof).await?;
    sequences(session, to, proof).await?;
    fitness::table(session, api, rules, (rule, to, &lost), proof).await
}

/// A number, or why there is none.
async fn count(session: &mut Session, sql: &str) -> Result<Result<i64, String>, VerifyError> {
    let answer = session
        .attempt(async |session| session.query(sql).await)
        .await?;
    Ok(match answer {
        Ok(rows) => super::cell(&rows, 0)
            .parse()
            .map_err(|_| "not answered: no number".to_owned()),
        Err(refusal) => Err(refusal.unanswered()),
    })
}

/// A check that wants the answer 0.
fn none_of(
    name: &str,
    found: Result<i64, String>,
    what: impl Fn(i64) -> String,
    query: String,
) -> Check {
    Check {
        name: name.into(),
        ok: found.as_ref().ok().map(|n| *n == 0),
        text: found.map_or_else(|why| why, what),
        query,
    }
}

/// Returns for each foreign key how many rows it leads nowhere.
async fn references(
    session: &mut Session,
    to: &Destination,
    proof: &mut TableProof,
) -> Result<Vec<Option<i64>>, VerifyError> {
    let mut lost = Vec::new();
    for key in &to.table.foreign_keys {
        let sql = to.orphans_sql(key);
        let found = count(session, &sql).await?;
        let what = |n| {
            format!(
                "{n} rows refer by {} to rows that are not in {}",
                key.columns.join(", "),
                key.table
            )
        };
        lost.push(found.as_ref().ok().copied());
        proof
            .checks
            .push(none_of("references", found, what, sql.clone()));
    }
    Ok(lost)
}

async fn legacy_ids(
    session: &mut Session,
    rule: &Rule,
    to: &Destination,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let Some(sql) = to.duplicates_sql().filter(|_| !rule.header.many) else {
        return Ok(());
    };
    let found = count(session, &sql).await?;
    let what = |n| format!("{n} legacy keys are carried by more than one row");
    proof
        .checks
        .push(none_of("legacy_ids", found, what, sql.clone()));
    Ok(())
}

/// What a sequence gives next must not be there already.
async fn sequences(
    session: &mut Session,
    to: &Destination,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    if to.engine == Engine::Sqlite {
        return Ok(());
    }
    for column in &to.table.columns {
        let from_sequence = column.identity.is_some()
            || column
                .default
                .as_ref()
                .is_some_and(|d| d.expression.contains("nextval("));
        if !from_sequence {
            continue;
        }
        let table = literal(to.engine, &to.sql())?;
        let name = literal(to.engine, &column.name)?;
        let named = session
            .query(&format!("select pg_get_serial_sequence({table}, {name})"))
            .await?;
        let sequence = super::cell(&named, 0);
        if sequence.is_empty() {
            continue;
        }
        let sql = format!(
            "select case when coalesce((select max({}) from {}), 0) > (select case when is_called then last_value else last_value - 1 end from {sequence}) then 1 else 0 end",
            ident(&column.name),
            to.sql()
        );
        let found = count(session, &sql).await?;
        let what = |n| match n {
            0 => format!("the sequence of {} is ahead of every row", column.name),
            _ => format!(
                "the sequence of {} would give numbers that are taken",
                column.name
            ),
        };
        proof
            .checks
            .push(none_of("sequence", found, what, sql.clone()));
    }
    Ok(())
}

async fn reconcile(
    world: &mut World<'_>,
    rule: &Rule,
    query: &PageQuery,
    to: &Destination,
    sums: Sums,
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    for (pair, parts) in rule.header.reconcile.iter().zip(sums.0) {
        let source_sql = query.sum_sql(world.source.session().engine(), &pair.source);
        let target_sql = to.sum_sql(&pair.target, "");
        let source = total(world.source.session(), &source_sql).await?;
        let target = total(&mut world.target, &target_sql).await?;
        let added = [target, parts.rejected, parts.skipped]
            .into_iter()
            .try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part?));
        proof.checks.push(Check {
            name: "reconcile".into(),
            ok: Some(source.is_some() && source == added),
            text: format!(
                "{}: source {}, target {} + rejected {} + skipped {}",
                pair.name,
                sum_text(source),
                sum_text(target),
                sum_text(parts.rejected),
                sum_text(parts.skipped)
            ),
            query: format!("-- source\n{source_sql}\n-- target\n{target_sql}"),
        });
    }
    Ok(())
}
