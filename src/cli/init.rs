//! `runner init`: settings and a first rule, without touching anything that is there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use uuid::Uuid;

use crate::catalog::{self, Table};
use crate::cli::exit::Failure;
use crate::cli::screen::Answer;
use crate::cli::setup::Global;
use crate::config::Config;
use crate::db::{Role, Session, TableName};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::rule::{self, Sheet};
use crate::source::Source;
use crate::state::State;

/// Tables of the source that are looked at on the way to a parent's key.
const OTHERS_MAX: usize = 40;

/// Write `.env` and a first rule from a source and a target table
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The source table
    #[arg(value_name = "SOURCE_TABLE", requires = "target_table")]
    source_table: Option<String>,
    /// The target table
    #[arg(value_name = "TARGET_TABLE")]
    target_table: Option<String>,
    /// Name of the rule [default: the target table]
    #[arg(long, value_name = "NAME", requires = "target_table")]
    name: Option<String>,
}

pub(super) async fn run(global: &Global, args: &InitArgs) -> Result<Answer, Failure> {
    let path = global
        .env_file
        .clone()
        .unwrap_or_else(|| PathBuf::from(".env"));
    let is_new = !path.exists();
    let config = if is_new {
        global.without_env_file().config()?
    } else {
        global.config()?
    };
    let mut done = Vec::new();
    let mut json = json!({ "env_file": null, "rule": null });
    if is_new {
        let namespace = kept_namespace(&config).await.unwrap_or_else(Uuid::new_v4);
        Config::create_env_file(&path, &settings(global, namespace))?;
        done.push(format!("wrote {}", path.display()));
        json["env_file"] = json!(path);
    } else if config.namespace.is_none() {
        let namespace = kept_namespace(&config).await.unwrap_or_else(Uuid::new_v4);
        let file = config.save_namespace(namespace)?;
        done.push(format!("added RUNNER_NAMESPACE to {}", file.display()));
        json["env_file"] = json!(file);
    } else {
        done.push(format!(
            "{} is there already and stays as it is",
            path.display()
        ));
    }
    if let (Some(base), Some(target)) = (&args.source_table, &args.target_table) {
        let name = args
            .name
            .as_deref()
            .unwrap_or(target.rsplit('.').next().unwrap_or(target));
        let file = config.rules.join(format!("{name}.rhai"));
        if file.exists() {
            return Err(Diagnostic::error(format!(
                "{} is there already; nothing was changed in it",
                file.display()
            ))
            .hint("give the new rule another name: `--name NAME`")
            .into());
        }
        let text = first_rule(&config, base, target).await?;
        std::fs::create_dir_all(&config.rules)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|error| {
                Diagnostic::error(format!("cannot write {}: {error}", file.display()))
            })?;
        done.push(format!("wrote {}", file.display()));
        done.push(format!(
            "next: read it, then `runner check {name}`, `runner test {name}`, `runner repl {name}`"
        ));
        json["rule"] = json!(file);
    } else {
        done.push(
            "next: fill in the two URLs, then `runner init SOURCE_TABLE TARGET_TABLE`".to_owned(),
        );
    }
    Ok(Answer::done(done.join("\n"), json))
}

/// The namespace that the target's ids were made in, when something was migrated there before.
async fn kept_namespace(config: &Config) -> Option<Uuid> {
    let mut session = Session::open(config.target().ok()?, Role::TargetReader)
        .await
        .ok()?;
    let state = State::new(session.engine());
    let kept = match state.exists(&mut session).await {
        Ok(true) => state.stored_namespace(&mut session).await.ok().flatten(),
        _ => None,
    };
    session.close().await;
    kept
}

fn settings(global: &Global, namespace: Uuid) -> String {
    let line = |name: &str, given: &Option<String>, example: &str| match given {
        Some(url) => format!("{name}='{url}'\n"),
        None => format!("# {name}='{example}'\n"),
    };
    format!(
        "# Settings of `runner`. Passwords are in here: keep the file to yourself and out of version control.\n\n\
         # the legacy database; it is only read\n{}\n\
         # the Supabase database (dashboard, Connect: direct connection, or session pooler on port 5432)\n{}\n\
         # new ids are computed from this and the legacy keys: keep it, another one would give other ids\n\
         RUNNER_NAMESPACE={namespace}\n",
        line(
            "SOURCE_DATABASE_URL",
            &global.source,
            "postgres://user:password@host:5432/name"
        ),
        line(
            "TARGET_DATABASE_URL",
            &global.target,
            "postgres://postgres:password@db.project.supabase.co:5432/postgres"
        ),
    )
}

async fn first_rule(config: &Config, base: &str, target: &str) -> Result<String, Failure> {
    let mut source = Source::open(config.source()?).await?;
    let mut session = Session::open(config.target()?, Role::TargetReader).await?;
    let base = table(source.session(), base, "source").await?;
    let target = table(&mut session, target, "target").await?;
    let mut parents = Vec::new();
    for key in &target.foreign_keys {
        if key.table != target.name && parents.iter().all(|known: &Table| known.name != key.table) {
            parents.extend(catalog::table(&mut session, &key.table).await?);
        }
    }
    let others = others(source.session(), &base).await?;
    let sheet = Sheet {
        base: &base,
        target: &target,
        parents: &parents,
        others: &others,
    };
    let text = rule::draft(&sheet)?;
    source.close().await;
    session.close().await;
    Ok(text)
}

/// Tables that the base's columns name, and those that theirs do: `plan_id` names `dispatch_plan`.
async fn others(session: &mut Session, base: &Table) -> Result<Vec<Table>, Failure> {
    let names: Vec<String> = catalog::table_names(session)
        .await?
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut found: BTreeMap<String, Table> = BTreeMap::new();
    let mut open = vec![base.clone()];
    while let Some(table) = open.pop() {
        for column in &table.columns {
            let name = rule::named_table(&column.name, names.iter().map(String::as_str));
            let Some(name) =
                name.filter(|name| !found.contains_key(*name) && found.len() < OTHERS_MAX)
            else {
                continue;
            };
            if let Some(other) = catalog::table(session, &TableName::parse(name)).await? {
                open.push(other.clone());
                found.insert(name.to_owned(), other);
            }
        }
    }
    Ok(found.into_values().collect())
}

async fn table(session: &mut Session, name: &str, side: &str) -> Result<Table, Failure> {
    if let Some(table) = catalog::table(session, &TableName::parse(name)).await? {
        return Ok(table);
    }
    let names: Vec<String> = catalog::table_names(session)
        .await?
        .iter()
        .map(ToString::to_string)
        .collect();
    let problem = Diagnostic::error(format!("the {side} has no table `{name}`"));
    Err(match did_you_mean(name, names.iter().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("tables: {}", names.join(", "))),
    }
    .into())
}
