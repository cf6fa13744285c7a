//! `runner quarantine`: the rows that could not go over.

mod decide;
mod export;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::exit::Failure;
use crate::cli::screen::{self, Answer, count, table, thousands};
use crate::cli::setup::{self, Global};
use crate::diagnostic::Diagnostic;
use crate::report::{self, Issue};
use crate::rule::RuleSet;
use crate::state::{Acceptance, Quarantined};

/// Keys per line of the list.
const KEYS_MAX: usize = 3;

/// List rejected rows, show one, accept them as missing, export them
#[derive(Debug, Args)]
pub(super) struct QuarantineArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Rejected rows by rule and code, with what to do about them
    List {
        /// Only these rules
        #[arg(value_name = "RULE")]
        rules: Vec<String>,
    },
    /// Everything known of one rejected row; values of columns that are not `public` are masked
    Show {
        /// The rule, by name or file
        rule: String,
        /// The source row's key
        #[arg(allow_negative_numbers = true)]
        key: String,
    },
    /// Decide that rows may stay behind: they count as decided until their rule or source row changes
    Accept(decide::AcceptArgs),
    /// Rejected rows with their values, as JSON lines or CSV
    Export(export::ExportArgs),
}

pub(super) async fn run(global: &Global, args: &QuarantineArgs) -> Result<Answer, Failure> {
    match &args.what {
        None => list(global, &[]).await,
        Some(What::List { rules }) => list(global, rules).await,
        Some(What::Show { rule, key }) => show(global, setup::rule_name(rule), key).await,
        Some(What::Accept(args)) => decide::run(global, args).await,
        Some(What::Export(args)) => export::run(global, args).await,
    }
}

async fn list(global: &Global, given: &[String]) -> Result<Answer, Failure> {
    let config = global.config()?;
    let rules = setup::all_rules(&config)?;
    let (mut session, state) = setup::target_state(&config).await?;
    let mut issues = match state {
        Some(state) => report::rejections(&mut session, state, &rules).await?,
        None => vec![],
    };
    session.close().await;
    for name in given.iter().map(|name| setup::rule_name(name)) {
        if !rules.rules.iter().any(|r| r.name == name) && !issues.iter().any(|i| i.rule == name) {
            return Err(unknown_rule(name, &rules).into());
        }
    }
    if !given.is_empty() {
        issues.retain(|issue| {
            given
                .iter()
                .any(|name| setup::rule_name(name) == issue.rule)
        });
    }
    Ok(Answer::done(
        list_text(&issues),
        json!({ "issues": issues }),
    ))
}

fn unknown_rule(name: &str, rules: &RuleSet) -> Diagnostic {
    let known = rules.rules.iter().map(|r| r.name.as_str());
    let problem = Diagnostic::error(format!("there is no rule `{name}`"));
    match crate::diagnostic::did_you_mean(name, known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("`runner plan` lists the rules"),
    }
}

fn list_text(issues: &[Issue]) -> String {
    if issues.is_empty() {
        return "no row is in quarantine\n".into();
    }
    let head = [
        "rule",
        "code",
        "rows",
        "open",
        "accepted",
        "keys",
        "what to do",
    ];
    let lines = issues.iter().map(|issue| {
        let keys: Vec<String> = issue
            .keys
            .iter()
            .take(KEYS_MAX)
            .map(|key| screen::shorten(key, 24))
            .collect();
        vec![
            issue.rule.clone(),
            issue.code.clone(),
            thousands(issue.count),
            thousands(issue.open),
            thousands(issue.count - issue.open),
            keys.join(" ")
                + if issue.count > keys.len() as i64 {
                    " …"
                } else {
                    ""
                },
            issue.fix.clone().unwrap_or_default(),
        ]
    });
    let open: i64 = issues.iter().map(|i| i.open).sum();
    let decide = match issues.iter().find(|i| i.open > 0) {
        Some(issue) => format!(
            "to leave rows behind: `runner quarantine accept {} --reason {} --note TEXT`\n",
            issue.rule,
            shell_word(&issue.code)
        ),
        None => String::new(),
    };
    let first = &issues[0];
    format!(
        "{}\n{} to decide; one of them in full: `runner quarantine show {} {}`\n{decide}",
        table(&head, &[2, 3, 4], lines),
        count(open, "row"),
        first.rule,
        shell_word(first.keys.first().map_or("KEY", String::as_str))
    )
}

/// A key as one word of a shell, which may be shown as well: what would steer a terminal is written as its bytes.
pub(super) fn shell_word(key: &str) -> String {
    // a line break too: pasted, it would end the command
    if key.contains('\n') || screen::printable(key) != key {
        let mut word = String::from("$'");
        for c in key.chars() {
            match c {
                '\'' | '\\' => word.extend(['\\', c]),
                ' '..='~' => word.push(c),
                _ => {
                    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                        word.push_str(&format!("\\x{byte:02x}"));
                    }
                }
            }
        }
        word.push('\'');
        return word;
    }
    if !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    {
        return key.to_owned();
    }
    format!("'{}'", key.replace('\'', r"'\''"))
}

async fn show(global: &Global, rule: &str, key: &str) -> Result<Answer, Failure> {
    let config = global.config()?;
    let rules = setup::all_rules(&config)?;
    let (mut session, state) = setup::existing_state(&config).await?;
    let found = state.quarantined_row(&mut session, rule, key).await?;
    let accepted = state.acceptance(&mut session, rule, key).await?;
    session.close().await;
    let Some(row) = found else {
        return Err(Diagnostic::error(format!(
            "no row of `{rule}` with this key is in quarantine"
        ))
        .hint(format!(
            "`runner why {rule} {}` shows what became of it",
            shell_word(key)
        ))
        .into());
    };
    let known = rules.rules.iter().find(|r| r.name == rule);
    // the key is shown anyway
    let public: Vec<String> = known
        .map(|r| [&r.header.public[..], &r.header.key[..]].concat())
        .unwrap_or_default();
    let fix = known
        .and_then(|r| r.header.fix.get(&row.code))
        .map(String::as_str);
    Ok(Answer::done(
        show_text(&row, accepted.as_ref(), &masked(&row.data, &public), fix),
        show_json(&row, accepted.as_ref(), &public, fix),
    ))
}

fn show_text(
    row: &Quarantined,
    accepted: Option<&Acceptance>,
    values: &Map<String, Value>,
    fix: Option<&str>,
) -> String {
    let mut lines = vec![
        vec!["rule".into(), row.rule.clone()],
        vec!["key".into(), row.key.clone()],
        vec!["code".into(), row.code.clone()],
        vec!["why".into(), row.message.clone()],
        vec!["refused by".into(), row.stage.clone()],
        vec!["status".into(), row.status.clone()],
    ];
    let place = row
        .path
        .as_ref()
        .filter(|_| row.line > 0)
        .map(|path| format!("{path}:{}:{}", row.line, row.col));
    let more = [
        ("at", place),
        ("sqlstate", row.sqlstate.clone()),
        ("constraint", row.constraint.clone()),
        ("waits for", row.waiting_for.clone()),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            lines.push(vec![name.into(), value]);
        }
    }
    if let Some(accepted) = accepted {
        let Acceptance { who, at, note } = accepted;
        lines.push(vec!["accepted".into(), format!("by {who} at {at}: {note}")]);
    }
    if let Some(fix) = fix {
        lines.push(vec!["what to do".into(), fix.to_owned()]);
    }
    let mut text = screen::plain(lines);
    text.push_str("\nvalues read (•••• = not public)\n");
    text.push_str(&screen::plain(values.iter().map(|(name, value)| {
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), ToOwned::to_owned);
        vec![format!("  {name}"), shown]
    })));
    text
}

fn show_json(
    row: &Quarantined,
    accepted: Option<&Acceptance>,
    public: &[String],
    fix: Option<&str>,
) -> Value {
    let mut json = serde_json::to_value(row).unwrap_or_default();
    json["values"] = Value::Object(masked(&row.data, public));
    json["fix"] = json!(fix);
    json["accepted"] = json!(accepted);
    json
}

/// The stored values with those of columns that are not public replaced; NULL shows as NULL.
fn masked(data: &str, public: &[String]) -> Map<String, Value> {
    let stored: Map<String, Value> = serde_json::from_str(data).unwrap_or_default();
    stored
        .into_iter()
        .map(|(name, value)| {
            let shown = if value.is_null() || public.contains(&name) {
                value
            } else {
                Value::from(report::MASK)
            };
            (name, shown)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_values_are_shown() {
        let values = masked(
            r#"{"email":"a@b.c","status":"paid","phone":null}"#,
            &["status".to_owned()],
        );
        assert_eq!(
            Value::Object(values).to_string(),
            r#"{"email":"••••","status":"paid","phone":null}"#
        );
    }

    #[test]
    fn keys_are_safe_to_paste_into_a_shell() {
        assert_eq!(shell_word("4711"), "4711");
        assert_eq!(shell_word("a'b; rm"), r"'a'\''b; rm'");
        assert_eq!(
            shell_word("\u{1b}[31m\u{9b}'\\\nü"),
            r"$'\x1b[31m\xc2\x9b\'\\\x0a\xc3\xbc'"
        );
    }
}
