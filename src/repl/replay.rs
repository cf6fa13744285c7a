//! `:step`: a row's way through the rule, line by line, forth and back.

use std::fmt::Write;

use super::reply::Reply;
use super::talk::{MASK, Talk};
use crate::script::{Stepped, Steps};

/// Where a person is on a row's way.
pub(super) struct Replay {
    steps: Steps,
    at: usize,
    verdict: String,
}

impl Replay {
    pub(super) fn prompt(&self) -> String {
        format!("step {}/{}> ", self.at + 1, self.steps.steps.len())
    }

    fn shown(&self) -> String {
        let before = self.at.checked_sub(1).map(|at| &self.steps.steps[at]);
        shown(&self.steps.steps[self.at], before)
    }

    fn end(&self) -> String {
        let cut = if self.steps.is_cut {
            "… more steps than can be kept\n"
        } else {
            ""
        };
        format!("{cut}{}", self.verdict)
    }
}

impl Talk {
    /// Runs the rule on the row on screen and writes every line down. Somebody who types goes through
    /// them; anybody else gets them all.
    pub(super) fn step(&mut self) -> Result<Reply, Reply> {
        let Some(found) = &self.current else {
            return Err(Reply::problem("no row: `:step KEY`, or `:row KEY` first"));
        };
        let header = &found.step.rule.header;
        let visible = (!self.show).then(|| [&header.public[..], &header.key[..]].concat());
        let steps = found
            .step
            .bound
            .steps(&found.rows, 0, &found.answers, visible, MASK)?;
        let verdict = self.judge()?.text;
        let replay = Replay {
            steps,
            at: 0,
            verdict,
        };
        if self.is_interactive && !replay.steps.steps.is_empty() {
            let text = format!(
                "{}(Enter goes on, `b` back, `a` shows all, `q` leaves)",
                replay.shown()
            );
            self.replay = Some(replay);
            return Ok(Reply::said(text));
        }
        Ok(Reply::said(all(&replay)))
    }

    /// Answers a line that belongs to a replay; any other line ends the replay and is answered as usual.
    pub(super) fn replayed(&mut self, line: &str) -> Option<Reply> {
        let mut replay = self.replay.take()?;
        match line.trim() {
            "" | "n" | ":next" => {
                if replay.at + 1 == replay.steps.steps.len() {
                    return Some(Reply::said(replay.end()));
                }
                replay.at += 1;
            }
            "b" | ":prev" => replay.at = replay.at.saturating_sub(1),
            "a" => return Some(Reply::said(all(&replay))),
            "q" => return Some(Reply::default()),
            _ => return None,
        }
        let text = replay.shown();
        self.replay = Some(replay);
        Some(Reply::said(text))
    }
}

fn all(replay: &Replay) -> String {
    let mut text = String::new();
    let mut before = None;
    for step in &replay.steps.steps {
        text.push_str(&shown(step, before));
        before = Some(step);
    }
    text.push_str(&replay.end());
    text
}

/// A line of the rule, and below it the variables; what is new or changed since the step before is
/// marked with `*`.
fn shown(step: &Stepped, before: Option<&Stepped>) -> String {
    let place = &step.place;
    let indent = "  ".repeat(step.depth);
    let mut text = format!(
        "{}:{}  {indent}{}\n",
        place.path,
        place.line,
        place.excerpt.trim()
    );
    let width = step
        .locals
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    for local in &step.locals {
        let is_old = before
            .is_some_and(|before| before.depth == step.depth && before.locals.contains(local));
        let mark = if is_old { ' ' } else { '*' };
        let (name, value) = local;
        let _ = writeln!(text, "    {mark} {name:<width$}  {value}");
    }
    text
}
