//! `runner quarantine accept`: a person decides that rows stay behind, or takes that back.

use std::collections::BTreeMap;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::{Answer, count, printable};
use crate::cli::setup::{self, Global};
use crate::db::{ErrorKind, Role, Session, point};
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::row::Key;
use crate::rule::RuleSet;
use crate::state::{Decision, State, StateError, begin_alone, os_user};

/// Keys that a message names.
const KEYS_SHOWN: usize = 5;

#[derive(Debug, Args)]
pub(super) struct AcceptArgs {
    /// The rule, by name or file
    rule: String,
    /// The code that the rows were rejected with
    #[arg(long, value_name = "CODE")]
    reason: String,
    /// Only these keys [default: all rows with this code]
    #[arg(long, value_name = "KEY", num_args = 1.., allow_negative_numbers = true)]
    key: Vec<String>,
    /// Why they may stay behind; kept with who and when
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "revoke",
        value_parser = NonEmptyStringValueParser::new()
    )]
    note: Option<String>,
    /// Take the acceptance back: the rows are to be decided again
    #[arg(long)]
    revoke: bool,
}

pub(super) async fn run(global: &Global, args: &AcceptArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let rules = setup::all_rules(&config)?;
    let rule = setup::rule_name(&args.rule);
    let note = args.note.as_deref().map_or("", str::trim);
    if note.is_empty() && !args.revoke {
        let problem = Diagnostic::error("the note is blank")
            .hint("say why these rows may stay behind: it is what the owner signs");
        return Err(Failure::usage(problem));
    }
    let (mut reader, state) = setup::existing_state(&config).await?;
    let codes = state.quarantined_codes(&mut reader, rule).await?;
    if codes.is_empty() && rules.get(rule).is_none() {
        return Err(super::unknown_rule(rule, &rules).into());
    }
    let there = codes.get(&args.reason).copied();
    let Some(there) = there else {
        return Err(unknown_code(rule, &args.reason, &codes).into());
    };
    let keys = keys(&rules, rule, &args.key);
    missing(&mut reader, state, rule, &args.reason, &keys).await?;
    reader.close().await;
    if args.revoke && there.1 == 0 {
        let problem = format!("no row of `{rule}` with code `{}` is accepted", args.reason);
        return Err(Diagnostic::error(problem).into());
    }

    let decision = Decision {
        rule,
        code: &args.reason,
        keys: &keys,
    };
    let mut session = Session::open(config.target()?, Role::TargetWriter).await?;
    begin_alone(state, &mut session).await.map_err(denied)?;
    let who = os_user();
    let changed = if args.revoke {
        state.revoke(&mut session, &decision).await
    } else {
        state.accept(&mut session, &decision, note, &who).await
    };
    let changed = match changed {
        Ok(changed) => changed,
        Err(error) => {
            let _ = session.execute("rollback").await;
            return Err(denied(error));
        }
    };
    point("accept.commit")?;
    session.execute("commit").await?;
    let (open, accepted) = state.open_and_accepted(&mut session, rule).await?;
    session.close().await;
    let verb = if args.revoke {
        "to decide again"
    } else {
        "accepted"
    };
    let mut text = format!(
        "{} of `{rule}` with code `{}`: {verb}",
        count(changed, "row"),
        printable(&args.reason)
    );
    if changed == 0 {
        text.push_str(" (nothing changed)");
    }
    text.push_str(&format!(
        "\n`{rule}`: {} to decide, {accepted} accepted\n",
        count(open, "row")
    ));
    let changed_as = if args.revoke { "revoked" } else { "accepted" };
    let mut json = json!({
        "rule": rule, "code": args.reason, "undecided": open, "accepted_in_all": accepted, "who": who,
    });
    json[changed_as] = json!(changed);
    Ok(Answer::done(text, json))
}

/// The keys as the state spells them.
fn keys(rules: &RuleSet, rule: &str, given: &[String]) -> Vec<String> {
    let width = rules.get(rule).map_or(1, |rule| rule.header.key.len());
    let spell = |text: &String| {
        let parsed = Key::parse(text, width.max(1));
        parsed.map_or_else(|| text.clone(), |key| key.to_string())
    };
    given.iter().map(spell).collect()
}

fn unknown_code(rule: &str, code: &str, codes: &BTreeMap<String, (i64, i64)>) -> Diagnostic {
    let problem = Diagnostic::error(format!(
        "no row of `{rule}` is in quarantine with code `{code}`"
    ));
    if codes.is_empty() {
        return problem.note(format!("no row of `{rule}` is in quarantine"));
    }
    let there: Vec<String> = codes
        .iter()
        .map(|(code, (open, accepted))| format!("{code} ({open} open, {accepted} accepted)"))
        .collect();
    let problem = problem.note(format!("there are: {}", there.join(", ")));
    match did_you_mean(code, codes.keys().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}

/// Refuses keys that are not in quarantine with this code: a decision about a row that is not there is a
/// mistake.
async fn missing(
    session: &mut Session,
    state: State,
    rule: &str,
    code: &str,
    keys: &[String],
) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for key in keys {
        let row = state.quarantined_row(session, rule, key).await?;
        match row {
            Some(row) if row.code == code && row.status != "trial" => {}
            Some(row) if row.status != "trial" => wrong.push(format!("{key} ({})", row.code)),
            _ => wrong.push(format!("{key} (not in quarantine)")),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(KEYS_SHOWN);
    wrong.truncate(KEYS_SHOWN);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    Err(Diagnostic::error(format!(
        "not in quarantine of `{rule}` with code `{code}`: {}; nothing was changed",
        wrong.join(", ")
    ))
    .hint(format!("`runner quarantine list {rule}` shows what is"))
    .into())
}

/// A role that may only look cannot decide.
fn denied(error: StateError) -> Failure {
    match error {
        StateError::Db(error)
            if matches!(error.kind, ErrorKind::Permission | ErrorKind::ReadOnly) =>
        {
            Diagnostic::from(error)
                .hint("to accept rows the role needs the rights of one that runs: `runner print grants`")
                .into()
        }
        other => other.into(),
    }
}
