//! What a trigger does, as far as its text says: the columns it rewrites, the tables it writes, and what
//! leaves the database, which no rollback takes back.
//!
//! Reading is meant to err towards naming too much: the owner looks at what is named and says `effects`.

use std::collections::BTreeSet;

use crate::catalog::{Trigger, TriggerCode};
use crate::catalog::{Word, words};

/// What one trigger does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// What leaves the database: `pg_notify`, `net.http_post` …
    pub(super) outside: BTreeSet<String>,
    /// Columns of the row that it sets; `*` for a row it makes itself.
    pub(super) rewrites: BTreeSet<String>,
    /// Other tables it writes.
    pub(super) writes: BTreeSet<String>,
    /// It may let a row vanish.
    pub(super) drops: bool,
    /// A function whose text cannot be read.
    pub(super) opaque: Option<String>,
}

/// Functions that reach out, whatever schema they are in.
const OUTSIDE: [&str; 8] = [
    "pg_notify",
    "dblink",
    "dblink_exec",
    "dblink_send_query",
    "pg_logical_emit_message",
    "broadcast_changes",
    "lo_export",
    "add_job",
];

/// Schemas whose functions and tables only exist to reach out.
const OUTSIDE_SCHEMAS: [&str; 6] = [
    "net",
    "pgmq",
    "pgmq_public",
    "realtime",
    "cron",
    "supabase_functions",
];

/// Triggers in C that come with Postgres and set the column that is their first argument.
const SETS_ITS_ARGUMENT: [&str; 4] = [
    "moddatetime",
    "insert_username",
    "autoinc",
    "tsvector_update_trigger",
];

/// Everything the functions of `trigger` do.
pub(super) fn effects(trigger: &Trigger, code: &[TriggerCode], own: &str) -> Effects {
    let mut found = Effects::default();
    let before = trigger.timing != "AFTER";
    for function in code.iter().filter(|c| c.trigger == trigger.name) {
        let (schema, name) = function
            .function
            .split_once('.')
            .unwrap_or(("", &function.function));
        let is_entry = name == trigger.function;
        if reaches_out(schema, name) {
            found.outside.insert(called(schema, name));
            // what it does to get there is its own business
            continue;
        }
        match function.language.as_str() {
            "plpgsql" | "sql" => {
                let words = words(&function.body);
                statements(&words, own, &mut found);
                if is_entry && before {
                    rows(&words, &mut found);
                }
            }
            _ if SETS_ITS_ARGUMENT.contains(&name) => {
                found
                    .rewrites
                    .extend(function.arguments.lines().next().map(str::to_owned));
            }
            _ if name == "suppress_redundant_updates_trigger" => {}
            _ => found.opaque = Some(called(schema, name)),
        }
    }
    found
}

fn called(schema: &str, name: &str) -> String {
    if schema.is_empty() || schema == "public" || schema == "pg_catalog" {
        name.to_owned()
    } else {
        format!("{schema}.{name}")
    }
}

fn reaches_out(schema: &str, name: &str) -> bool {
    OUTSIDE.contains(&name) || OUTSIDE_SCHEMAS.contains(&schema) || name.starts_with("http")
}

/// Is the word at `at` the first of its statement?
fn begins(words: &[Word], at: usize) -> bool {
    match at.checked_sub(1).map(|before| &words[before]) {
        None | Some(Word::Sign(';')) => true,
        Some(Word::Name(word)) => {
            ["begin", "then", "else", "loop", "execute"].contains(&word.as_str())
        }
        Some(_) => false,
    }
}

fn name_at(words: &[Word], at: usize) -> Option<&str> {
    match words.get(at) {
        Some(Word::Name(name)) => Some(name),
        _ => None,
    }
}

fn is_sign(words: &[Word], at: usize, sign: char) -> bool {
    words.get(at) == Some(&Word::Sign(sign))
}

/// `schema.name` or `name` at `at`, and where it ends.
fn qualified(words: &[Word], at: usize) -> Option<(&str, &str, usize)> {
    let first = name_at(words, at)?;
    match name_at(words, at + 2).filter(|_| is_sign(words, at + 1, '.')) {
        Some(second) => Some((first, second, at + 3)),
        None => Some(("", first, at + 1)),
    }
}

/// Calls that reach out, and tables that are written.
fn statements(words: &[Word], own: &str, found: &mut Effects) {
    for at in 0..words.len() {
        let Some(word) = name_at(words, at) else {
            continue;
        };
        if is_sign(words, at + 1, '(') {
            let schema = at
                .checked_sub(2)
                .filter(|_| is_sign(words, at - 1, '.'))
                .and_then(|before| name_at(words, before))
                .unwrap_or_default();
            if reaches_out(schema, word) {
                found.outside.insert(called(schema, word));
            }
        }
        let before = at.checked_sub(1).and_then(|before| name_at(words, before));
        let written = match word {
            "notify" if begins(words, at) && name_at(words, at + 1).is_some() => {
                found.outside.insert("notify".to_owned());
                None
            }
            "program" if before == Some("to") => {
                found.outside.insert("copy to program".to_owned());
                None
            }
            "into" if matches!(before, Some("insert" | "merge")) => qualified(words, at + 1),
            "from" if before == Some("delete") => qualified(words, at + 1),
            // not `for update`, `do update`, `on update`
            "update" if begins(words, at) => match name_at(words, at + 1) {
                Some("only") => qualified(words, at + 2),
                _ => qualified(words, at + 1),
            },
            _ => None,
        };
        let Some((schema, table, end)) = written else {
            continue;
        };
        if OUTSIDE_SCHEMAS.contains(&schema) {
            found.outside.insert(called(schema, table));
        } else if table != own.rsplit('.').next().unwrap_or(own) {
            found.writes.insert(called(schema, table));
        } else if word == "update" {
            assigned(words, end, found);
        }
    }
}

/// `set a = …, b = …` of an update of the trigger's own table.
fn assigned(words: &[Word], from: usize, found: &mut Effects) {
    let Some(set) = (from..words.len().min(from + 3)).find(|at| name_at(words, *at) == Some("set"))
    else {
        return;
    };
    let mut depth = 0_i32;
    let mut expects = true;
    for word in &words[set + 1..] {
        match word {
            Word::Sign('(') => depth += 1,
            Word::Sign(')') => depth -= 1,
            Word::Sign(';') => return,
            Word::Sign(',') if depth == 0 => expects = true,
            Word::Name(word) if word == "where" && depth == 0 => return,
            Word::Name(column) if expects => {
                found.rewrites.insert(column.clone());
                expects = false;
            }
            _ => {}
        }
    }
}

/// What a BEFORE trigger does to its row.
fn rows(words: &[Word], found: &mut Effects) {
    for at in 0..words.len() {
        let is_assigned = |end: usize| {
            is_sign(words, end, '=') || (is_sign(words, end, ':') && is_sign(words, end + 1, '='))
        };
        match name_at(words, at) {
            Some("new") if begins(words, at) && is_assigned(at + 1) => {
                found.rewrites.insert("*".to_owned());
            }
            Some("new") if is_sign(words, at + 1, '.') => {
                let Some(column) = name_at(words, at + 2) else {
                    continue;
                };
                let into = at
                    .checked_sub(1)
                    .is_some_and(|before| name_at(words, before) == Some("into"));
                let index = is_sign(words, at + 3, '[');
                if into || (begins(words, at) && (is_assigned(at + 3) || index)) {
                    found.rewrites.insert(column.to_owned());
                }
            }
            Some("return") => match name_at(words, at + 1) {
                Some("null") => found.drops = true,
                Some("new" | "old" | "query" | "next") | None => {}
                Some(_) => {
                    found.rewrites.insert("*".to_owned());
                }
            },
            _ => {}
        }
    }
}
