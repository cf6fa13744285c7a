//! What an undo is about, and why it may not be: decided before anything is written.

use std::sync::Arc;

use super::Undo;
use crate::catalog::{Rights, referrers, table};
use crate::commit::{MadeTable, Tracking, Undoing, tracking};
use crate::db::{Engine, Session, TableName};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::pipeline::RunError;
use crate::rule::Rule;
use crate::state::{Kind, Part, RunRecord, SegmentRecord, State, host_name, os_user};
use crate::target::Destination;

/// Segments whose chunks list the ids that they inserted and keep images of what they changed.
const KNOWN: [Kind; 6] = [
    Kind::Pass,
    Kind::Sweep,
    Kind::Trial,
    Kind::Procedure,
    Kind::Retry,
    Kind::Sync,
];

/// The tables of the run that was asked for, the last one first.
pub(super) async fn parts(
    state: State,
    session: &mut Session,
    asked: &Undo,
) -> Result<Vec<Part>, RunError> {
    let run = asked.run;
    let Some(past) = state.past_run(session, run).await? else {
        return Err(Diagnostic::error(format!("there is no run {run}"))
            .hint("`runner status` names the last run, `runner report` lists them; a dry run is none: it wrote nothing")
            .into());
    };
    if past.command == "undo" {
        return Err(
            Diagnostic::error(format!("run {run} is itself an undo; nothing was written"))
                .hint("what it took back comes again with `runner run`, under the same ids")
                .into(),
        );
    }
    let mut parts = state.parts(session, run).await?;
    for name in &asked.rules {
        if !parts.iter().any(|part| part.rule == *name) {
            let names = parts.iter().map(|part| part.rule.as_str());
            let problem = Diagnostic::error(format!(
                "run {run} did nothing to the table of a rule `{name}`; nothing was written"
            ));
            return Err(match did_you_mean(name, names) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("take back all that it did: runner undo {run}")),
            }
            .into());
        }
    }
    parts.retain(|part| asked.rules.is_empty() || asked.rules.contains(&part.rule));
    for part in parts.iter().filter(|part| part.undone_by.is_none()) {
        if let Some(kind) = part
            .kinds
            .iter()
            .find(|kind| !KNOWN.iter().any(|known| known.word() == kind.as_str()))
        {
            return Err(Diagnostic::error(format!(
                "run {run} is a {kind} of `{}`, which this version cannot take back; nothing was written",
                part.rule
            ))
            .into());
        }
        if let Some((later, rule)) = state.later_run(session, run, &part.target).await? {
            return Err(Diagnostic::error(format!(
                "run {later} worked on `{}` after run {run}; nothing was written",
                part.target
            ))
            .note("the account of a table is taken back from its end, or it would no longer add up")
            .hint(format!(
                "take that one back first: runner undo {later} {rule}"
            ))
            .into());
        }
    }
    Ok(parts)
}

/// The table, who refers to it, and the rights to change it.
pub(super) async fn undoing(
    state: State,
    session: &mut Session,
    part: &Part,
    asked: &Undo,
) -> Result<Undoing, RunError> {
    let name = TableName::parse(&part.target);
    let engine = state.engine();
    let shape = table(session, &name).await?;
    let to = shape.and_then(|shape| Destination::new(None, &[], Arc::new(shape), engine));
    let Some(to) = to else {
        return Err(Diagnostic::error(format!(
            "the target has no table `{name}` with a uuid primary key any more: the rows of run {} cannot be found there",
            asked.run
        ))
        .into());
    };
    let back = part.kinds.iter().any(|kind| kind == Kind::Sync.word());
    may_change(&to, asked, back, "")?;
    let made = made(state, session, part, asked).await?;
    let namespace = state.stored_namespace(session).await?.unwrap_or_default();
    Ok(Undoing {
        state,
        run: 0,
        epoch: 0,
        segment: 0,
        undone: asked.run,
        rule: part.rule.clone(),
        target: part.target.clone(),
        referrers: referrers(session, &name).await?,
        mappings: Tracking::look(session, tracking::MAPPINGS).await?.known(),
        to,
        made,
        namespace,
    })
}

/// Refuses a role that may not do it, before anything is written. `back`: rows may have to be put in again; `what`
/// else than the rule's table it is about.
fn may_change(to: &Destination, asked: &Undo, back: bool, what: &str) -> Result<(), RunError> {
    let Rights {
        insert,
        update,
        delete,
        ..
    } = to.table.rights;
    let name = &to.table.name;
    if asked.dry_run || update && delete && (insert || !back) {
        return Ok(());
    }
    let insert = if back { "insert, " } else { "" };
    Err(Diagnostic::error(format!(
        "this role may not take rows out of `{name}`{what}; nothing of it was written"
    ))
    .hint(format!(
        "undo as the owner of the table, or: grant {insert}update, delete on {name} to the role, until it is done"
    ))
    .into())
}

/// The tables that the run made people in, in the order in which they go: profiles refer to accounts.
async fn made(
    state: State,
    session: &mut Session,
    part: &Part,
    asked: &Undo,
) -> Result<Vec<MadeTable>, RunError> {
    let mut entities = state.stated_tables(session, asked.run, &part.rule).await?;
    entities.retain(|entity| *entity != part.target);
    entities.sort_by_key(|entity| match entity.as_str() {
        "auth.users" => 2,
        "auth.identities" => 1,
        _ => 0,
    });
    let mut made = Vec::new();
    for entity in entities {
        let name = TableName::parse(&entity);
        let shape = table(session, &name).await?;
        let to =
            shape.and_then(|shape| Destination::new(None, &[], Arc::new(shape), state.engine()));
        if let Some(to) = to {
            may_change(&to, asked, false, ", where the run made people")?;
            made.push(MadeTable {
                entity,
                to,
                referrers: referrers(session, &name).await?,
            });
        }
    }
    Ok(made)
}

/// The segment of an undo: `run N` stands where others name the snapshot that they read.
pub(super) fn segment(part: &Part, undone: i64) -> SegmentRecord {
    SegmentRecord {
        id: 0,
        run: 0,
        rule: part.rule.clone(),
        target: part.target.clone(),
        pass: part.pass,
        kind: Kind::Undo,
        accounted: part.accounted,
        snapshot: format!("run {undone}"),
        source_time: String::new(),
        base: 0,
        read: 0,
        transform_fp: part.transform_fp.clone(),
        gate_fp: part.gate_fp.clone(),
        complete: false,
    }
}

/// Rules of which a run was half taken back: until that is through, nothing else may touch their tables.
pub(in crate::pipeline) async fn half_undone(
    state: State,
    session: &mut Session,
    rules: &[Arc<Rule>],
) -> Result<Vec<Diagnostic>, RunError> {
    let mut refused = Vec::new();
    for rule in rules {
        if let Some(run) = state.open_undo(session, &rule.name).await? {
            refused.push(
                Diagnostic::error(format!(
                    "run {run} is half taken back from the table of `{}`; nothing was written now",
                    rule.name
                ))
                .hint(format!("take it back to the end first: runner undo {run}")),
            );
        }
    }
    Ok(refused)
}

/// What is kept of the undo as a run.
pub(super) async fn record(asked: &Undo, reader: &mut Session) -> Result<RunRecord, RunError> {
    let user = match reader.engine() {
        Engine::Postgres => "select current_user, current_setting('server_version')",
        Engine::Sqlite => "select '', 'SQLite ' || sqlite_version()",
    };
    let rows = reader.query(user).await?;
    let cell = |column| {
        let text = rows.text(0, column).and_then(Result::ok);
        text.map(std::borrow::Cow::into_owned).unwrap_or_default()
    };
    Ok(RunRecord {
        command: "undo".to_owned(),
        options: serde_json::json!({ "undo": asked.run, "rules": asked.rules, "batch_rows": asked.batch_rows }).to_string(),
        os_user: os_user(),
        host: host_name(),
        pid: std::process::id(),
        target_user: cell(0),
        target_server: cell(1),
        ..RunRecord::default()
    })
}
