//! `runner why`: one row's story, as far as the state tells it, and the source row as it stands now.

mod now;

use clap::Args;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::exit::Failure;
use crate::cli::quarantine::shell_word;
use crate::cli::screen::{self, Answer};
use crate::cli::setup::{self, Global};
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::report::{Story, story};
use now::Now;

/// Show what became of one source row, or where a target row comes from
#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    /// The rule, by name or file
    rule: String,
    /// The source row's key, or the target row's uuid
    #[arg(value_name = "KEY-or-UUID", allow_negative_numbers = true)]
    row: String,
}

pub(super) async fn run(global: &Global, args: &WhyArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let rule = setup::rule_name(&args.rule);
    let (mut session, state) = setup::existing_state(&config).await?;
    let found = story(&mut session, state, rule, &args.row).await?;
    session.close().await;
    let Some(story) = found else {
        // a name that is no rule's is the likelier mistake
        setup::named_rules(&config, std::slice::from_ref(&args.rule))?;
        let kind = if args.row.parse::<Uuid>().is_ok() {
            "row with this id"
        } else {
            "row with this key"
        };
        return Err(Diagnostic::error(format!("`{rule}` has gone through no {kind}"))
            .hint("it may be newer than the last run, or outside the rule's `where`: `runner status`")
            .into());
    };
    let today = today(&config, &args.rule, &story.key).await;
    let mut json = json!(story);
    json["now"] = match &today {
        Ok(now) => json!(now),
        Err(why) => json!({ "unread": why }),
    };
    Ok(Answer::done(text(&story, &today), json))
}

/// The source row, or why it cannot be read: the story stands without it.
async fn today(config: &Config, rule: &str, key: &str) -> Result<Option<Now>, String> {
    let set = setup::named_rules(config, &[rule.to_owned()]);
    let rule = set.ok().and_then(|set| set.rules.into_iter().next());
    let Some(rule) = rule else {
        return Err("the rule cannot be read: `runner check` says more".into());
    };
    let read = now::now(config, &rule, key).await;
    read.map_err(|problems| {
        let first = problems.into_iter().next();
        first.map_or_else(String::new, |problem| problem.message().to_owned())
    })
}

fn text(story: &Story, today: &Result<Option<Now>, String>) -> String {
    let mut lines = vec![
        vec!["rule".into(), story.rule.clone()],
        vec!["key".into(), story.key.clone()],
        vec!["verdict".into(), story.verdict.to_owned()],
    ];
    if let Some(outcome) = story.outcome {
        lines.push(vec!["outcome".into(), outcome.to_owned()]);
    }
    for id in &story.ids {
        lines.push(vec!["target row".into(), format!("{} {id}", story.target)]);
    }
    lines.push(vec![
        "chunk".into(),
        format!(
            "{} of run {}, {}",
            story.chunk, story.run, story.committed_at
        ),
    ]);
    if let Some(code) = &story.code {
        lines.push(vec!["code".into(), code.clone()]);
        lines.push(vec![
            "why".into(),
            story.message.clone().unwrap_or_default(),
        ]);
    }
    match today {
        Ok(Some(now)) => {
            let says = [&[now.verdict.to_owned()], &now.codes[..]]
                .concat()
                .join(" ");
            lines.push(vec!["rule says now".into(), says]);
        }
        Ok(None) => lines.push(vec![
            "source row".into(),
            "not there any more, or outside the rule's `where`".into(),
        ]),
        Err(why) => lines.push(vec!["source row".into(), format!("not read: {why}")]),
    }
    let mut out = screen::plain(lines);
    if let Ok(Some(now)) = today {
        out.push_str("\nsource row, as it stands now\n");
        out.push_str(&screen::plain(now.values.iter().map(|(name, value)| {
            let value = match value {
                Value::Null => "NULL".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            vec![format!("  {name}"), value]
        })));
    }
    if story.code.is_some() {
        out.push_str(&format!(
            "\nmore: `runner quarantine show {} {}`\n",
            story.rule,
            shell_word(&story.key)
        ));
    }
    out
}
