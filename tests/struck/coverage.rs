//! Which command was struck where, as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use runner::db::POINTS;

use super::Blow;
use super::cases::Case;
use super::stage::Stage;

/// What a set of strikes came to.
#[derive(Default)]
pub(super) struct Coverage {
    struck: BTreeMap<(String, &'static str), usize>,
    pub(super) missed: usize,
    pub(super) failed: Vec<String>,
    slowest: Option<(Duration, String)>,
}

impl Coverage {
    pub(super) fn add(&mut self, stage: &Stage, case: &Case, blow: &Blow) {
        if blow.hit {
            *self
                .struck
                .entry((case.point.clone(), stage.name))
                .or_default() += 1;
        } else {
            self.missed += 1;
            eprintln!("struck: not hit: {}: {case}", stage.name);
        }
        if self
            .slowest
            .as_ref()
            .is_none_or(|(most, _)| *most < blow.slowest)
        {
            self.slowest = Some((blow.slowest, format!("{}: {case}", stage.name)));
        }
    }

    /// A line for each point, a column for each command: how many strikes there ended as if nobody had disturbed it,
    /// `-` where there was none, and nothing where the command does not come by.
    pub(super) fn print(&self, stages: &[Stage]) {
        let line = |name: &str, cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>7}")).collect();
            let cells = cells.concat();
            eprintln!("struck: {name:<22}{cells}");
        };
        let names: Vec<String> = stages.iter().map(|stage| stage.name.to_owned()).collect();
        line("", &names);
        for (point, _) in POINTS {
            let cells: Vec<String> = stages
                .iter()
                .map(|stage| {
                    let there = stage.passes.keys().any(|(passed, _)| passed == point);
                    match self.struck.get(&((*point).to_owned(), stage.name)) {
                        Some(strikes) => strikes.to_string(),
                        None if there => "-".to_owned(),
                        None => String::new(),
                    }
                })
                .collect();
            line(point, &cells);
        }
        let statements: Vec<String> = stages
            .iter()
            .map(|stage| {
                let words: BTreeSet<&str> = stage
                    .passes
                    .keys()
                    .map(|(_, words)| words.as_str())
                    .collect();
                words.len().saturating_sub(1).to_string()
            })
            .collect();
        line("distinct statements", &statements);
        let took = |stage: &Stage| format!("{:.1}", stage.took.as_secs_f64());
        let took: Vec<String> = stages.iter().map(took).collect();
        line("undisturbed, s", &took);
        let of = |kind: &str| {
            stages
                .iter()
                .map(|s| s.undisturbed.count(kind).to_string())
                .collect::<Vec<_>>()
        };
        line("rows compared", &of("rows"));
        line("in quarantine", &of("quarantine"));
        if let Some((took, what)) = &self.slowest {
            eprintln!(
                "struck: the slowest process took {:.1} s: {what}",
                took.as_secs_f64()
            );
        }
        let strikes: usize = self.struck.values().sum();
        eprintln!(
            "struck: {strikes} strikes, {} hit nothing, {} left something else",
            self.missed,
            self.failed.len()
        );
    }
}
