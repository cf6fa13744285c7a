//! `runner state`: the state as a document for whoever takes over, and its end.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::exit::Failure;
use crate::cli::screen::{self, Answer, count};
use crate::cli::setup::{self, Global};
use crate::cli::sink::Sink;
use crate::db::{Engine, ErrorKind, Role, Session, point};
use crate::diagnostic::Diagnostic;
use crate::state::{HANDOVER, State, StateError, VERSION, begin_alone};

/// Hand over what is known of the migration, or remove it from the target
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All that happened, as JSON lines: ids, keys, codes, counts, hashes, rule texts; no values
    Export(ExportArgs),
    /// Remove the schema `runner` from the target; the migrated rows stay
    Purge(PurgeArgs),
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// Write here, readable by you alone, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PurgeArgs {
    /// Yes: without it, this only says what would be lost
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(global: &Global, args: &StateArgs) -> Result<Answer, Failure> {
    match &args.what {
        What::Export(args) => export(global, args).await,
        What::Purge(args) => purge(global, args).await,
    }
}

async fn export(global: &Global, args: &ExportArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let (mut session, state) = setup::existing_state(&config).await?;
    // one moment for all tables, whatever runs beside
    session
        .execute(match state.engine() {
            Engine::Postgres => "begin isolation level repeatable read read only",
            Engine::Sqlite => "begin",
        })
        .await?;
    let mut all: Vec<Value> = Vec::new();
    let mut out = match &args.output {
        Some(file) => Some(Sink::file(file)?),
        None if global.json => None,
        None => Some(Sink::Stdout),
    };
    let mut lines = 0;
    let mut put = |line: Value| -> Result<(), Failure> {
        lines += 1;
        if let Some(out) = &mut out {
            return out.write(&format!("{line}\n"));
        }
        all.push(line);
        Ok(())
    };
    put(
        json!({ "document": "runner state", "version": HANDOVER, "state_version": VERSION, "engine": match state.engine() { Engine::Postgres => "postgres", Engine::Sqlite => "sqlite" } }),
    )?;
    for table in state.told_tables() {
        for line in state.told(&mut session, table).await? {
            put(line)?;
        }
        point("export.table")?;
    }
    let mut after = 0;
    loop {
        let told = state.told_manifests(&mut session, after).await?;
        let Some((last, _)) = told.last() else { break };
        after = *last;
        for (_, line) in told {
            put(line)?;
        }
    }
    session.execute("rollback").await?;
    session.close().await;
    let Some(out) = out else {
        return Ok(Answer::done("", json!({ "lines": all })));
    };
    out.finish(args.output.as_deref())?;
    let Some(file) = &args.output else {
        return Ok(Answer::done("", Value::Null));
    };
    let shown = file.display().to_string();
    Ok(Answer::done(
        format!(
            "wrote {} to {shown}: what happened to every row, and nothing of what it holds",
            count(lines, "line")
        ),
        json!({ "written": shown, "lines": lines }),
    ))
}

async fn purge(global: &Global, args: &PurgeArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let mut reader = Session::open(config.target()?, Role::TargetReader).await?;
    let state = State::new(reader.engine());
    if !state.exists(&mut reader).await? {
        return Err(setup::nothing_there());
    }
    // a damaged state is what one wants to be rid of
    sound_or_damaged(state.check_version(&mut reader).await)?;
    let mut sizes = Vec::new();
    for table in ["run", "chunk", "quarantine", "before_image", "accepted"] {
        sizes.push((table, state.size(&mut reader, table).await?));
    }
    let namespace = sound_or_damaged(state.stored_namespace(&mut reader).await)?.flatten();
    reader.close().await;
    let size = |table| {
        sizes
            .iter()
            .find(|(name, _)| *name == table)
            .map_or(0, |(_, n)| *n)
    };
    let lost = format!(
        "{} with {}, {}, {}, {}",
        count(size("run"), "run"),
        count(size("chunk"), "ledger line"),
        count(size("quarantine"), "row in quarantine")
            .replace("row in quarantines", "rows in quarantine"),
        count(size("before_image"), "before-image"),
        count(size("accepted"), "acceptance"),
    );
    if !args.yes {
        return Err(Failure::usage(
            Diagnostic::error("this removes what is known of the migration; nothing was changed")
                .note(format!("lost would be: {lost}"))
                .note("without it nothing can be resumed, retried or undone, and `verify` cannot say why a row differs; the migrated rows stay")
                .hint("keep a copy: `runner state export -o state.jsonl`")
                .hint("then: `runner state purge --yes`"),
        ));
    }
    let mut session = Session::open(config.target()?, Role::TargetWriter).await?;
    begin_alone(state, &mut session).await.map_err(refused)?;
    if let Err(error) = state.purge(&mut session).await {
        let _ = session.execute("rollback").await;
        return Err(refused(error));
    }
    point("purge.commit")?;
    session.execute("commit").await?;
    session.close().await;
    if let (Some(namespace), false) = (namespace, global.json) {
        screen::aside(&format!(
            "ids were computed in a namespace that goes with it; to get the same ids again, keep this line in .env:\nRUNNER_NAMESPACE={namespace}"
        ));
    }
    let mut json = json!({ "purged": true });
    for (table, rows) in sizes {
        json[table] = json!(rows);
    }
    Ok(Answer::done(
        format!(
            "removed: {lost}\nthe migrated rows are as they were; a later run finds them again by their legacy keys\n"
        ),
        json,
    ))
}

/// What the state says, if it can be read.
fn sound_or_damaged<T>(read: Result<T, StateError>) -> Result<Option<T>, StateError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StateError::Damaged(_)) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Why it stays.
fn refused(error: StateError) -> Failure {
    match error {
        StateError::Db(error)
            if matches!(error.kind, ErrorKind::Permission | ErrorKind::ReadOnly) =>
        {
            Diagnostic::from(error)
                .hint(
                    "the role that owns the schema `runner` may remove it: the one that ran first",
                )
                .into()
        }
        StateError::Db(error) if error.sqlstate.as_deref() == Some("2BP01") => Diagnostic::error(
            "something of yours depends on the schema `runner`, or lies in it; nothing was changed",
        )
        .note(error.message.clone())
        .hint("drop that first: it would have gone with it")
        .into(),
        other => other.into(),
    }
}
