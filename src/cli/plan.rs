//! `runner plan`: order, counts, what is done, what would run.

use clap::Args;
use serde_json::json;

use crate::cli::exit::Failure;
use crate::cli::screen::{self, Answer, table, thousands};
use crate::cli::setup::{self, Global};
use crate::config::Config;
use crate::db::TableName;
use crate::diagnostic::Diagnostic;
use crate::plan;
use crate::report::{Standing, standings};
use crate::rule::Rule;
use crate::source::{PageQuery, Source};

/// Show the order of the rules, what is done and what would run
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    /// Rules to plan, by name or file; all when none is given
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
}

pub(super) async fn run(global: &Global, args: &PlanArgs) -> Result<Answer, Failure> {
    let config = global.config()?;
    let set = setup::some_rules(&config, &args.rules)?;
    set.problems.iter().for_each(screen::tell);
    let ordered = plan::order(&set.rules).map_err(Failure::refused)?;
    let known = known_standings(&config, &set).await;
    let mut source = open_source(&config).await;
    let (mut lines, mut steps) = (Vec::new(), Vec::new());
    for (index, rule) in ordered.iter().enumerate() {
        let counts = match &mut source {
            Some(source) if !rule.has.run => count_rows(source, rule).await,
            _ => None,
        };
        let standing = known.iter().find(|s| s.name == rule.name);
        let next = what_next(rule, standing);
        lines.push(vec![
            (index + 1).to_string(),
            rule.name.clone(),
            rule.header.base.clone(),
            rule.header.target.clone(),
            counts.map_or("?".into(), |(base, _)| thousands(base as i64)),
            counts.map_or("?".into(), |(_, read)| thousands(read as i64)),
            next.to_owned(),
        ]);
        steps.push(json!({
            "name": rule.name,
            "base_table": rule.header.base,
            "target": rule.header.target,
            "base": counts.map(|c| c.0),
            "read": counts.map(|c| c.1),
            "next": next,
        }));
    }
    let text = table(
        &["", "rule", "from", "to", "base", "read", "next"],
        &[0, 4, 5],
        lines,
    );
    Ok(Answer::done(text, json!({ "steps": steps })))
}

/// What the state knows; a plan without it is still a plan.
async fn known_standings(config: &Config, set: &crate::rule::RuleSet) -> Vec<Standing> {
    let read = async {
        let (mut session, state) = setup::target_state(config).await?;
        let found = standings(&mut session, state, set).await?;
        session.close().await;
        Ok::<_, Failure>(found)
    };
    read.await.unwrap_or_else(|failure| {
        screen::aside("what is done already is not known:");
        failure.problems.iter().for_each(screen::tell);
        vec![]
    })
}

async fn open_source(config: &Config) -> Option<Source> {
    let opened = match config.source() {
        Ok(url) => Source::open(url).await.map_err(Diagnostic::from),
        Err(problem) => Err(problem),
    };
    opened
        .map_err(|problem| {
            screen::aside("rows are not counted:");
            screen::tell(&problem);
        })
        .ok()
}

async fn count_rows(source: &mut Source, rule: &Rule) -> Option<(u64, u64)> {
    let query = PageQuery {
        base: TableName::parse(&rule.header.base),
        condition: rule.header.where_.clone(),
        from: None,
        key: rule.header.key.clone(),
        key_types: vec![],
        columns: vec![],
    };
    source
        .counts(&query)
        .await
        .map_err(|error| screen::tell(&Diagnostic::from(error)))
        .ok()
}

fn what_next(rule: &Rule, standing: Option<&Standing>) -> &'static str {
    match standing {
        Some(s) if s.done && s.transform_fp != rule.fingerprints.transform => {
            "done with an older version of the rule"
        }
        Some(s) if s.done && s.undecided > 0 => "done, rows to decide",
        Some(s) if s.done => "done",
        Some(s) if s.base > 0 => "go on",
        None | Some(_) => "run",
    }
}
