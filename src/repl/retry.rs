//! `:retry`: the rows in quarantine once more through the rule, by the engine that `runner retry` is.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use super::reply::Reply;
use super::talk::Talk;
use crate::diagnostic::Diagnostic;
use crate::pipeline::{self, Event, Options, Outcome, RunError, Stop, Watcher};
use crate::rule::RuleSet;

/// Connections that commit: a person waits for a handful of rows.
const WRITERS: usize = 2;

/// Keeps what a run has to say until it has ended.
#[derive(Default)]
struct Messages(Mutex<Vec<String>>);

impl Watcher for Messages {
    fn event(&self, event: Event<'_>) {
        if let Event::Message(text) = event {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(text.to_owned());
        }
    }
}

impl Talk {
    /// Judges the rule's rejected rows again and writes those that it lets through now.
    pub(super) fn retry(&mut self) -> Result<Reply, Reply> {
        let rule = Arc::clone(self.rule()?);
        if !self.write {
            return Err(Reply::problem(
                "`:retry` writes into the target: say `:write on` first",
            ));
        }
        let path = rule.path.display().to_string();
        let named = RuleSet::named(&self.config.rules, &[path])?;
        if !named.problems.is_empty() {
            return Err(named.problems.into());
        }
        let all = RuleSet::load(&self.config.rules)?;
        let options = Options {
            command: "retry",
            dry_run: false,
            limit: None,
            row: None,
            restart: false,
            accept_rule_change: false,
            writers: WRITERS,
            connections: None,
            batch_rows: self.config.batch_rows,
            profile: false,
            retry: Some(vec![rule.name.clone()]),
            sync: None,
        };
        let (messages, stop) = (Messages::default(), Stop::new());
        let ended = self.runtime.block_on(async {
            let run = pipeline::run(&self.config, named.rules, &all, &options, &messages, &stop);
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => ended,
                () = self.interrupt.raised() => {
                    // the chunk in flight lands, or does not, as a whole
                    stop.ask();
                    run.await
                }
            }
        });
        let outcome = ended.map_err(|error| match error {
            RunError::Refused(problems) | RunError::Failed(problems) => Reply::from(problems),
        })?;
        let mut text = messages
            .0
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&told(&outcome));
        Ok(Reply::said(text))
    }
}

fn told(outcome: &Outcome) -> String {
    let mut text = String::new();
    for rule in &outcome.rules {
        let Some(it) = &rule.retried else { continue };
        let _ = writeln!(
            text,
            "{}: {} retried, {} written, {} skipped, {} rejected",
            rule.rule,
            it.rows,
            it.written,
            it.skipped,
            it.refused()
        );
        for (code, rows) in &it.still_bad {
            let _ = writeln!(text, "  {rows} still {code}");
        }
        for moved in &it.bad_in_a_new_way {
            let keys = moved.keys.join(", ");
            let _ = writeln!(
                text,
                "  {} from {} to {}: {keys}",
                moved.rows, moved.from, moved.to
            );
        }
        if !it.gone.is_empty() {
            let _ = writeln!(text, "  not in the source any more: {}", it.gone.join(", "));
        }
        text.extend(
            rule.problems
                .iter()
                .map(|problem: &Diagnostic| format!("{problem}\n")),
        );
    }
    if text.is_empty() {
        text.push_str("no row of the rule is in quarantine\n");
    }
    text
}
