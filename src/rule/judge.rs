//! The verdict on one row: the script's answer, held against the target's columns and encoded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bound::Inner;
use super::encode::Encoder;
use crate::diagnostic::Diagnostic;
use crate::ids::id_for;
use crate::row::{Answers, Judged, Key, Note, OutRow, Person, Reject, Rows, Stage, Verdict};
use crate::script::{LineTime, Made, Program, Said};
use crate::value::Logical;

/// Says what becomes of a row. Stays on its thread.
pub struct Judge {
    pub(super) bound: Arc<Inner>,
    pub(super) program: Program,
    pub(super) encoder: Encoder,
    /// The host's own remarks on the row.
    pub(super) remarks: Vec<Note>,
    /// What comes along with the row.
    pub(super) along: Option<Box<Person>>,
    /// How long the encoding took so far, when somebody wants to know.
    encoding: Option<Duration>,
}

impl Judge {
    pub(super) fn new(bound: Arc<Inner>, program: Program) -> Self {
        let encoder = Encoder::new(&bound.target);
        Self {
            bound,
            program,
            encoder,
            remarks: vec![],
            along: None,
            encoding: None,
        }
    }

    /// From now on the time of encoding is kept.
    pub fn time_encoding(&mut self) {
        self.encoding = Some(Duration::ZERO);
    }

    /// How long it took so far; nothing when nobody asked.
    pub fn encoded(&self) -> Duration {
        self.encoding.unwrap_or_default()
    }

    /// From now on the time of each line is kept. Every row gets dearer by it.
    pub fn time_lines(&mut self) {
        self.program.time_lines();
    }

    /// The time of each line so far.
    pub fn line_times(&self) -> Vec<LineTime> {
        self.program.line_times()
    }

    /// The verdict on one row. Never panics; a fault of the script is a rejection with `fault` set.
    pub fn judge(
        &mut self,
        rows: &Arc<Rows>,
        row: usize,
        key: &Key,
        answers: &Arc<Answers>,
    ) -> Judged {
        self.remarks.clear();
        self.along = None;
        let verdict = match self.program.transform(rows, row, answers) {
            Said::Made(made) => self.write(std::slice::from_ref(&made), rows, row, key, answers),
            Said::Many(made) => self.write_many(&made, rows, row, key, answers),
            said => Err(said),
        };
        let verdict = match verdict {
            Ok(out) => Verdict::Write(out),
            Err(said) => as_verdict(said),
        };
        let mut notes = self.program.take_notes();
        notes.append(&mut self.remarks);
        let is_written = matches!(verdict, Verdict::Write(_));
        Judged {
            verdict,
            notes: if is_written { notes } else { vec![] },
            person: self.along.take().filter(|_| is_written),
        }
    }

    /// The last fault with its call stack and hints.
    pub fn last_fault(&self) -> Option<&Diagnostic> {
        self.program.last_fault()
    }

    /// Why no further row should be tried: the rule takes too long for rows that it then fails on.
    pub fn gave_up(&self) -> Option<&Diagnostic> {
        self.program.gave_up()
    }

    fn write_many(
        &mut self,
        made: &[Made],
        rows: &Arc<Rows>,
        row: usize,
        key: &Key,
        answers: &Arc<Answers>,
    ) -> Result<Vec<OutRow>, Said> {
        if !self.bound.rule.header.many {
            return Err(self.wrong(
                "`transform` must return a map of target columns, it returned an array",
                "a rule that makes many rows of one says `rows: \"many\"`",
            ));
        }
        if made.is_empty() {
            return Err(self.wrong(
                "`transform` returned an array without rows",
                "call `skip(code)` for a row that becomes nothing",
            ));
        }
        self.write(made, rows, row, key, answers)
    }

    fn write(
        &mut self,
        made: &[Made],
        rows: &Arc<Rows>,
        row: usize,
        key: &Key,
        answers: &Arc<Answers>,
    ) -> Result<Vec<OutRow>, Said> {
        let many = self.bound.rule.header.many;
        let mut out: Vec<OutRow> = Vec::with_capacity(made.len());
        let mut seen: Vec<Vec<String>> = Vec::new();
        for one in made {
            let began = self.encoding.map(|_| Instant::now());
            let encoded = self.encode(one, rows, row);
            self.add_encoding(began);
            encoded?;
            self.person(rows, row, answers)?;
            self.complete()?;
            let matched = if many { self.match_values()? } else { vec![] };
            if seen.contains(&matched) {
                let columns = self.bound.rule.header.match_.join(", ");
                let why = format!("two of the row's target rows have the same {columns}");
                return Err(refuse(Stage::Rule, "duplicate_match", why));
            }
            self.validate(one, rows, row)?;
            let began = self.encoding.map(|_| Instant::now());
            let extra: Vec<&str> = matched.iter().map(String::as_str).collect();
            let header = &self.bound.rule.header;
            let id = id_for(self.bound.namespace, &header.target, key, &extra, header.id);
            let (set, line) = self.encoder.line();
            out.push(OutRow { id, set, line });
            self.add_encoding(began);
            if many {
                seen.push(matched);
            }
        }
        Ok(out)
    }

    fn add_encoding(&mut self, began: Option<Instant>) {
        if let Some((so_far, began)) = self.encoding.as_mut().zip(began) {
            *so_far += began.elapsed();
        }
    }

    /// Fills the encoder with one target row.
    fn encode(&mut self, made: &Made, rows: &Rows, row: usize) -> Result<(), Said> {
        let bound = Arc::clone(&self.bound);
        self.encoder.begin();
        let mut names = bound.by_name.iter();
        for (name, value) in made.entries() {
            // both sides are ordered by name
            let Some((_, at)) = names
                .by_ref()
                .find(|(column, _)| column.as_str() >= name)
                .filter(|(c, _)| c == name)
            else {
                return Err(self.unknown_column(name));
            };
            let column = &bound.target.columns[usize::from(*at)];
            if *at == bound.id {
                let place = self.program.key_place("transform", name);
                return Err(self.program.fault(
                    Diagnostic::error(format!(
                        "`{name}` is computed from the key and cannot be set by the rule"
                    ))
                    .at(place),
                ));
            }
            if column.generated {
                let place = self.program.key_place("transform", name);
                let message = format!("`{name}` is computed by the target and cannot be written");
                return Err(self.program.fault(Diagnostic::error(message).at(place)));
            }
            self.encoder
                .value(*at, value, column, bound.rule.header.zone.as_deref())
                .map_err(|misfit| {
                    refuse(
                        Stage::Fit,
                        misfit.code,
                        format!("column `{name}`: {}", misfit.why),
                    )
                })?;
        }
        for copied in bound.copies.iter().chain(&bound.legacy) {
            let is_legacy = bound
                .legacy
                .as_ref()
                .is_some_and(|l| l.target == copied.target);
            if self.encoder.has(copied.target) && is_legacy {
                continue;
            }
            if self.encoder.has(copied.target) {
                let name = &bound.target.columns[usize::from(copied.target)].name;
                let place = self.program.key_place("transform", name);
                let message = format!("column `{name}` is set by `transform` and by `copy`");
                return Err(self.program.fault(Diagnostic::error(message).at(place)));
            }
            let source = &bound.source[copied.source];
            let column = &bound.target.columns[usize::from(copied.target)];
            self.encoder
                .copy(copied, rows, row, source, column)
                .map_err(|(stage, misfit)| refuse(stage, misfit.code, misfit.why))?;
        }
        Ok(())
    }

    /// Nothing is absent that the database would miss.
    fn complete(&self) -> Result<(), Said> {
        for at in &self.bound.required {
            if !self.encoder.has(*at) {
                let name = &self.bound.target.columns[usize::from(*at)].name;
                let why = format!("column `{name}` is not set and has no default");
                return Err(refuse(Stage::Fit, "null_not_allowed", why));
            }
        }
        Ok(())
    }

    fn unknown_column(&mut self, name: &str) -> Said {
        let place = self.program.key_place("transform", name);
        let known = self.bound.target.columns.iter().map(|c| c.name.as_str());
        let name = self.program.shown_name(name);
        let problem = Diagnostic::error(format!(
            "`{name}` is not a column of `{}`",
            self.bound.target.name
        ))
        .at(place);
        let problem = super::bound::suggest(problem, name, known);
        self.program.fault(problem)
    }

    fn match_values(&self) -> Result<Vec<String>, Said> {
        let text = |at: &u16| {
            let name = &self.bound.target.columns[usize::from(*at)].name;
            self.encoder.text(*at).ok_or_else(|| {
                let why = format!("column `{name}` tells the rows apart and cannot be empty");
                refuse(Stage::Fit, "null_not_allowed", why)
            })
        };
        self.bound.matched.iter().map(text).collect()
    }

    fn validate(&mut self, made: &Made, rows: &Rows, row: usize) -> Result<(), Said> {
        if !self.bound.rule.has.validate {
            return Ok(());
        }
        let texts: Vec<_> = self
            .bound
            .copies
            .iter()
            .chain(&self.bound.legacy)
            .filter(|c| {
                let column = &self.bound.target.columns[usize::from(c.target)];
                self.program.validates(&column.name)
            })
            .map(|c| {
                let column = &self.bound.target.columns[usize::from(c.target)];
                (
                    column,
                    self.bound.source[c.source].1.clone(),
                    rows.text(row, c.source).and_then(Result::ok),
                )
            })
            .filter(|(column, ..)| !made.sets(&column.name))
            .collect();
        let copied: Vec<(&str, Option<&str>, &Logical)> = texts
            .iter()
            .map(|(column, logical, text)| (column.name.as_str(), text.as_deref(), logical))
            .collect();
        match self.program.validate(made, &copied) {
            Some(said) => Err(said),
            None => Ok(()),
        }
    }

    fn wrong(&mut self, message: &str, hint: &str) -> Said {
        let place = self.program.key_place("transform", "");
        self.program
            .fault(Diagnostic::error(message).at(place).hint(hint))
    }
}

pub(super) fn refuse(stage: Stage, code: &str, why: String) -> Said {
    Said::Reject(Box::new(Reject::new(stage, code, why)))
}

fn as_verdict(said: Said) -> Verdict {
    match said {
        Said::Skip(code) => Verdict::Skip(code),
        Said::Reject(reject) => Verdict::Reject(reject),
        Said::Made(_) | Said::Many(_) => Verdict::Write(vec![]),
    }
}
