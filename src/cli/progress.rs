//! How far a run is: bars on a terminal, now and then a line elsewhere, nothing with `--json`.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::screen::{aside, printable, span, thousands};
use crate::pipeline::{Event, Watcher};

/// Least time between two lines about one rule.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows a run's events on stderr.
pub(super) struct Progress {
    how: How,
    rules: Mutex<HashMap<String, Line>>,
}

enum How {
    Silent,
    Lines,
    Bars(MultiProgress),
}

struct Line {
    total: u64,
    done: u64,
    rejected: u64,
    /// Rows that were done before this run: they do not count for its speed.
    before: u64,
    since: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Silent, or as stderr allows.
    pub(super) fn new(silent: bool) -> Self {
        let how = if silent {
            How::Silent
        } else if std::io::stderr().is_terminal() {
            How::Bars(MultiProgress::with_draw_target(
                ProgressDrawTarget::stderr_with_hz(8),
            ))
        } else {
            How::Lines
        };
        Self {
            how,
            rules: Mutex::default(),
        }
    }

    /// Says a sentence without disturbing the bars.
    pub(super) fn say(&self, text: &str) {
        let text = printable(text);
        match &self.how {
            How::Silent => {}
            How::Lines => aside(&text),
            How::Bars(bars) => {
                if bars.println(&text).is_err() {
                    aside(&text);
                }
            }
        }
    }

    fn started(&self, rule: &str, total: u64, done: u64) {
        let bar = match &self.how {
            How::Bars(bars) => {
                let bar = bars.add(
                    ProgressBar::new(total)
                        .with_style(style())
                        .with_prefix(rule.to_owned())
                        .with_position(done),
                );
                bar.reset_eta();
                Some(bar)
            }
            How::Lines | How::Silent => None,
        };
        let now = Instant::now();
        let line = Line {
            total,
            done,
            rejected: 0,
            before: done,
            since: now,
            said: now,
            bar,
        };
        self.lines().insert(rule.to_owned(), line);
    }

    fn chunk(&self, rule: &str, base: u64, rejected: u64) {
        let mut lines = self.lines();
        let Some(line) = lines.get_mut(rule) else {
            return;
        };
        line.done += base;
        line.rejected += rejected;
        if let Some(bar) = &line.bar {
            bar.set_position(line.done);
            if line.rejected > 0 {
                bar.set_message(format!("{} rejected", thousands(line.rejected as i64)));
            }
        } else if matches!(self.how, How::Lines) && line.said.elapsed() >= LINE_EVERY {
            line.said = Instant::now();
            aside(&line.text(rule));
        }
    }

    fn finished(&self, rule: &str, note: &str) {
        let line = self.lines().remove(rule);
        if let Some(bar) = line.and_then(|line| line.bar) {
            bar.finish_and_clear();
        }
        self.say(&format!("{rule}: {note}"));
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<String, Line>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn text(&self, rule: &str) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        let rate = (self.done - self.before) as f64 / seconds;
        let left = self.total.saturating_sub(self.done) as f64 / rate.max(0.001);
        format!(
            "{rule}: {} of {} rows, {} rows/s, about {} left, {} rejected",
            thousands(self.done as i64),
            thousands(self.total as i64),
            thousands(rate as i64),
            span(left),
            thousands(self.rejected as i64)
        )
    }
}

impl Watcher for Progress {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::RuleStarted { rule, base, done } => self.started(rule, base, done),
            Event::Chunk {
                rule,
                base,
                rejected,
                ..
            } => self.chunk(rule, base, rejected),
            Event::RuleFinished { rule, note } => self.finished(rule, note),
            Event::Message(text) => self.say(text),
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix:<22} {bar:28} {percent:>3}%  {human_pos}/{human_len}  {per_sec}  {eta} left  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
