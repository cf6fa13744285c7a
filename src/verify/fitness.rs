//! Can an application use what is there? The rows that each role of the API sees under the policies, and the join
//! that a page of the application makes: a row with its parents, and their parents.

use super::VerifyError;
use super::outcome::{Fit, TableProof};
use crate::catalog::{self, ForeignKey};
use crate::db::{DbError, Engine, ErrorKind, Session, TableName, ident};
use crate::rule::{Rule, Side};
use crate::target::Destination;

/// The roles of a Supabase project that requests run as.
const API_ROLES: &str = "anon authenticated service_role";
/// It is not bound by policies, so that what it does not see, no server of the application sees.
const TRUSTED: &str = "service_role";
/// Parents of parents of parents.
const DEPTH_MAX: usize = 3;

/// The API's roles that this server has.
pub(super) async fn api_roles(session: &mut Session) -> Result<Vec<String>, DbError> {
    if session.engine() == Engine::Sqlite {
        return Ok(vec![]);
    }
    let known: Vec<&str> = API_ROLES.split(' ').collect();
    let sql = format!(
        "select rolname from pg_roles where rolname in ('{}') order by rolname",
        known.join("', '")
    );
    let rows = session.query(&sql).await?;
    Ok((0..rows.len())
        .filter_map(|row| rows.cell(row, 0))
        .map(|cell| String::from_utf8_lossy(&cell).into_owned())
        .collect())
}

/// Asks both questions about one table. `lost`: rows that each of its foreign keys leads nowhere.
pub(super) async fn table(
    session: &mut Session,
    api: &[String],
    rules: &[&Rule],
    (rule, to, lost): (&Rule, &Destination, &[Option<i64>]),
    proof: &mut TableProof,
) -> Result<(), VerifyError> {
    let sql = format!("select count(*) from {}", to.sql());
    let all = match asked(session, None, &sql).await? {
        Answer::Numbers(all) => all[0],
        _ => return Ok(()),
    };
    for role in api {
        let answer = asked(session, Some(role), &sql).await?;
        let fit = seen(role, all, &answer, sql.clone());
        proof.fitness.push(fit);
    }
    let Some(story) = Story::of(session, rules, rule, to).await? else {
        return Ok(());
    };
    let sql = story.sql(to);
    // where every reference of the join is known to lead somewhere, it loses nothing: rows are only counted
    let ask = if story.complete(to, lost) {
        format!(
            "select n, n from (select count(*) as n from {}{}) c",
            to.sql(),
            to.migrated_sql("")
        )
    } else {
        sql.clone()
    };
    let fit = match asked(session, None, &ask).await? {
        Answer::Numbers(found) if found.len() == 2 => story.told(found[0], found[1], sql),
        Answer::Refused(why) => Fit {
            text: why,
            ..Fit::story(&story.path, sql)
        },
        _ => Fit {
            text: "this role may not ask".into(),
            ..Fit::story(&story.path, sql)
        },
    };
    proof.fitness.push(fit);
    Ok(())
}

/// What the server said.
enum Answer {
    Numbers(Vec<i64>),
    /// This session may not become the role.
    NotTheRole,
    /// The role may not read the table.
    NoRight,
    /// Some other refusal, in words: a policy that fails, a time limit.
    Refused(String),
}

/// Numbers of one row, asked as another role. What was set is undone, also when the question fails.
async fn asked(
    session: &mut Session,
    role: Option<&str>,
    sql: &str,
) -> Result<Answer, VerifyError> {
    let answer = session
        .attempt(async |session| ask(session, role, sql).await)
        .await?;
    Ok(answer.unwrap_or_else(|error| match error.kind {
        ErrorKind::Permission => Answer::NoRight,
        _ => Answer::Refused(error.unanswered()),
    }))
}

async fn ask(session: &mut Session, role: Option<&str>, sql: &str) -> Result<Answer, DbError> {
    if let Some(role) = role {
        let set = format!("set local role {}", ident(role));
        if let Err(error) = session.execute(&set).await {
            return match error.kind {
                ErrorKind::Permission => Ok(Answer::NotTheRole),
                _ => Err(error),
            };
        }
    }
    let rows = session.query(sql).await?;
    let numbers = (0..rows.columns().len()).filter_map(|column| {
        let cell = rows.cell(0, column)?;
        String::from_utf8_lossy(&cell).parse().ok()
    });
    Ok(Answer::Numbers(numbers.collect()))
}

/// What a role sees. Only the trusted one has to see everything: what others see without anybody logged in is
/// for the policies to say.
fn seen(role: &str, all: i64, answer: &Answer, query: String) -> Fit {
    let fit = Fit {
        name: "visible",
        what: role.to_owned(),
        role: Some(role.to_owned()),
        of: Some(all),
        found: None,
        ok: None,
        text: String::new(),
        query,
    };
    let text = match answer {
        Answer::Numbers(found) if !found.is_empty() => {
            let found = found[0];
            let (ok, text) = match found {
                _ if found == all => (Some(true), format!("{role} sees all {all} rows")),
                _ if role == TRUSTED => (
                    Some(false),
                    format!("{role} sees {found} of {all} rows: a policy hides the others from it"),
                ),
                0 => (
                    None,
                    format!("{role} sees none of {all} rows while nobody is logged in"),
                ),
                _ => (
                    None,
                    format!("{role} sees {found} of {all} rows while nobody is logged in"),
                ),
            };
            return Fit {
                found: Some(found),
                ok,
                text,
                ..fit
            };
        }
        Answer::Numbers(_) => format!("{role}: no answer"),
        Answer::NotTheRole => {
            format!(
                "not asked: this role may not become {role} (`grant {role} to` it, or ask as `postgres`)"
            )
        }
        Answer::NoRight => format!("{role} has no right to read this table"),
        Answer::Refused(why) => why.clone(),
    };
    Fit { text, ..fit }
}

/// A row with its parents, as joins.
struct Story {
    /// `messages, files`; `technicians → profiles`.
    path: String,
    joins: Vec<Join>,
}

/// One reference, followed from the table with the alias `from`.
struct Join {
    from: String,
    to: String,
    key: ForeignKey,
}

impl Story {
    /// By the foreign keys that lead to what the rule asks for: its `ids`, its lookups in the target, and tables
    /// that other rules fill. `None` when there are none.
    async fn of(
        session: &mut Session,
        rules: &[&Rule],
        rule: &Rule,
        to: &Destination,
    ) -> Result<Option<Self>, VerifyError> {
        let mut joins: Vec<Join> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for key in parents(rules, rule, &to.table.name, &to.table.foreign_keys) {
            let mut path = vec![to.table.name.clone(), key.table.clone()];
            let mut from = format!("p{}", joins.len());
            let mut name = key.table.to_string();
            joins.push(Join {
                from: "c".into(),
                to: from.clone(),
                key,
            });
            // on from the parent, as long as a rule says which of its references belong to the migration
            while path.len() <= DEPTH_MAX {
                let last = &path[path.len() - 1];
                let of = |r: &&&Rule| TableName::parse(&r.header.target) == *last;
                let Some(parent) = rules.iter().find(of) else {
                    break;
                };
                let Some(table) = catalog::table(session, last).await? else {
                    break;
                };
                let next = parents(rules, parent, last, &table.foreign_keys);
                let Some(key) = next.into_iter().find(|key| !path.contains(&key.table)) else {
                    break;
                };
                let alias = format!("p{}", joins.len());
                name.push_str(&format!(" → {}", key.table));
                path.push(key.table.clone());
                joins.push(Join {
                    from: std::mem::replace(&mut from, alias.clone()),
                    to: alias,
                    key,
                });
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok((!joins.is_empty()).then(|| Self {
            path: names.join(", "),
            joins,
        }))
    }

    /// Rows, and those that lead to every row they name.
    fn sql(&self, to: &Destination) -> String {
        let mut conditions = Vec::new();
        let mut tables = String::new();
        for join in &self.joins {
            let on: Vec<String> = join
                .key
                .columns
                .iter()
                .zip(&join.key.ref_columns)
                .map(|(column, referred)| {
                    format!(
                        "{}.{} = {}.{}",
                        join.to,
                        ident(referred),
                        join.from,
                        ident(column)
                    )
                })
                .collect();
            let name = join.key.table.sql(to.engine);
            tables.push_str(&format!(
                " left join {name} {} on {}",
                join.to,
                on.join(" and ")
            ));
            let column = ident(&join.key.columns[0]);
            let referred = ident(&join.key.ref_columns[0]);
            conditions.push(format!(
                "({}.{column} is null or {}.{referred} is not null)",
                join.from, join.to
            ));
        }
        format!(
            "select count(*), count(case when {} then 1 end) from {} c{tables}{}",
            conditions.join(" and "),
            to.sql(),
            to.migrated_sql("c.")
        )
    }

    /// No row is lost, by what was asked of each reference before.
    fn complete(&self, to: &Destination, lost: &[Option<i64>]) -> bool {
        let asked: Vec<_> = to.table.foreign_keys.iter().zip(lost).collect();
        self.joins.iter().all(|join| {
            let known = asked.iter().find(|(key, _)| **key == join.key);
            join.from == "c"
                && join.key.columns.len() == 1
                && known.is_some_and(|(_, lost)| **lost == Some(0))
        })
    }

    fn told(&self, rows: i64, joined: i64, query: String) -> Fit {
        let lost = rows - joined;
        let text = match lost {
            0 => format!("each of {rows} rows leads to its {}", self.path),
            _ => format!(
                "{lost} of {rows} rows do not lead to their {}: the join loses them",
                self.path
            ),
        };
        Fit {
            of: Some(rows),
            found: Some(joined),
            ok: Some(lost == 0),
            text,
            ..Fit::story(&self.path, query)
        }
    }
}

/// References that the migration fills, one per column.
fn parents(rules: &[&Rule], rule: &Rule, own: &TableName, keys: &[ForeignKey]) -> Vec<ForeignKey> {
    let header = &rule.header;
    let ids = header.ids.iter().map(|entry| entry.entity.as_str());
    let lookups = header.lookups.iter().filter(|l| l.db == Side::Target);
    let filled = rules.iter().map(|rule| rule.header.target.as_str());
    let named: Vec<TableName> = ids
        .chain(lookups.map(|lookup| lookup.from.as_str()))
        .chain(filled)
        .map(TableName::parse)
        .collect();
    let mut found: Vec<(usize, &ForeignKey)> = Vec::new();
    for key in keys.iter().filter(|key| key.table != *own) {
        let place = named.iter().position(|name| *name == key.table);
        found.extend(place.map(|place| (place, key)));
    }
    // as the rule names them
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, key)| key.clone()).collect()
}
