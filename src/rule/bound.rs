//! A rule bound to the shapes of both sides: what is decided once, so that a row costs little.

use std::sync::Arc;

use uuid::Uuid;

use super::Rule;
use super::judge::Judge;
use super::person::PersonPlan;
use crate::catalog::Table;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::row::{Answers, Rows};
use crate::script::{Declared, Host, Procedure, Program, Session, SourceText, Steps};
use crate::value::{Logical, Pair, pair};

/// A rule that knows the columns it reads and the table it fills. Cheap to clone, crosses threads.
#[derive(Clone)]
pub struct Bound {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) rule: Arc<Rule>,
    pub(super) source: Arc<[(String, Logical)]>,
    pub(super) target: Arc<Table>,
    pub(super) namespace: Uuid,
    /// Target columns by name, for the walk along a map ordered by name.
    pub(super) by_name: Vec<(String, u16)>,
    pub(super) copies: Vec<Copied>,
    /// The key into the legacy column, unless the rule sets that column.
    pub(super) legacy: Option<Copied>,
    /// Columns of `match`.
    pub(super) matched: Vec<u16>,
    /// Columns that the database would refuse to find absent.
    pub(super) required: Vec<u16>,
    /// Index of the id column.
    pub(super) id: u16,
    /// For a rule about people.
    pub(super) person: Option<PersonPlan>,
}

/// A column that does not enter the script.
pub(super) struct Copied {
    pub(super) target: u16,
    pub(super) source: usize,
    pub(super) pair: Pair,
}

impl Bound {
    /// Binds `rule` to the columns of its rows, in order, and to the table it fills. All problems at once.
    pub fn new(
        rule: Arc<Rule>,
        source: Arc<[(String, Logical)]>,
        target: Arc<Table>,
        namespace: Uuid,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut binding = Binding {
            rule: &rule,
            source: &source,
            target: &target,
            problems: vec![],
        };
        let id = binding.id();
        let copies = binding.copies();
        let legacy = binding.legacy(&copies);
        let matched = rule
            .header
            .match_
            .iter()
            .filter_map(|name| binding.target_column("match", name))
            .collect();
        let problems = binding.problems;
        if !problems.is_empty() {
            return Err(problems);
        }
        let index = |at: usize| u16::try_from(at).expect("a table has at most 1,600 columns");
        let mut by_name: Vec<(String, u16)> = target
            .columns
            .iter()
            .enumerate()
            .map(|(at, c)| (c.name.clone(), index(at)))
            .collect();
        by_name.sort();
        let required = target
            .columns
            .iter()
            .enumerate()
            .filter(|(at, c)| {
                c.not_null
                    && c.default.is_none()
                    && !c.generated
                    && c.identity.is_none()
                    && index(*at) != id
            })
            .map(|(at, _)| index(at))
            .collect();
        let inner = Inner {
            rule,
            source,
            target,
            namespace,
            by_name,
            copies,
            legacy,
            matched,
            required,
            id,
            person: None,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The rule.
    pub fn rule(&self) -> &Arc<Rule> {
        &self.inner.rule
    }

    /// The table it fills.
    pub fn target(&self) -> &Arc<Table> {
        &self.inner.target
    }

    /// Columns of the rows it reads, in order.
    pub fn source(&self) -> &Arc<[(String, Logical)]> {
        &self.inner.source
    }

    /// A judge for this thread, with an engine of its own.
    pub fn judge(&self) -> Result<Judge, Diagnostic> {
        let rule = &self.inner.rule;
        let program = Program::new(
            &rule.source(),
            &rule.lib_sources(),
            rule.declared(),
            &self.inner.source,
        )?;
        Ok(Judge::new(Arc::clone(&self.inner), program))
    }

    /// A row's way through `transform`, line by line. `visible` are the columns whose values are shown,
    /// `None` shows all; `stand_in` stands for the others.
    pub fn steps(
        &self,
        rows: &Arc<Rows>,
        row: usize,
        answers: &Arc<Answers>,
        visible: Option<Vec<String>>,
        stand_in: &'static str,
    ) -> Result<Steps, Diagnostic> {
        let rule = &self.inner.rule;
        let (source, libs) = (rule.source(), rule.lib_sources());
        let mut program = Program::new(&source, &libs, rule.declared(), &self.inner.source)?;
        Ok(program.steps(rows, row, answers, visible, stand_in))
    }
}

impl Rule {
    /// Its hooks, or its `run`, with `host` to answer them. Stays on this thread.
    pub fn procedure(&self, host: Box<dyn Host>) -> Result<Procedure, Diagnostic> {
        Procedure::new(&self.source(), &self.lib_sources(), self.declared(), host)
    }

    /// A conversation with a rule, or with none. Stays on this thread.
    pub fn session(rule: Option<&Self>, host: Box<dyn Host>) -> Result<Session, Diagnostic> {
        if let Some(rule) = rule {
            return Session::new(&rule.source(), &rule.lib_sources(), rule.declared(), host);
        }
        let nothing = SourceText {
            path: "input".to_owned(),
            text: "".into(),
        };
        Session::new(&nothing, &[], Declared::default(), host)
    }

    /// Hands an edited rule to a conversation that goes on.
    pub fn reload_into(&self, session: &mut Session) -> Result<(), Diagnostic> {
        session.reload(&self.source(), &self.lib_sources(), self.declared())
    }

    /// The file.
    pub(super) fn source(&self) -> SourceText {
        SourceText {
            path: self.path.display().to_string(),
            text: Arc::clone(&self.text),
        }
    }

    /// The libraries it reaches.
    pub(super) fn lib_sources(&self) -> Vec<SourceText> {
        let file = |(path, text): &(String, Arc<str>)| SourceText {
            path: path.clone(),
            text: Arc::clone(text),
        };
        self.libs.iter().map(file).collect()
    }

    /// What its script may ask for.
    pub(super) fn declared(&self) -> Declared {
        Declared {
            entities: self.header.ids.iter().map(|d| d.entity.clone()).collect(),
            lookups: self
                .header
                .lookups
                .iter()
                .map(|d| (d.name.clone(), d.take.clone()))
                .collect(),
            missing_profile: self.header.missing_profile.is_some(),
        }
    }
}

struct Binding<'a> {
    rule: &'a Rule,
    source: &'a [(String, Logical)],
    target: &'a Table,
    problems: Vec<Diagnostic>,
}

impl Binding<'_> {
    fn id(&mut self) -> u16 {
        let at = self
            .target
            .id_column()
            .and_then(|c| self.target.index(&c.name));
        if let Some(at) = at.and_then(|at| u16::try_from(at).ok()) {
            return at;
        }
        let problem = Diagnostic::error(format!(
            "`{}` has no single uuid primary key",
            self.target.name
        ));
        self.report(
            &["target"],
            problem.hint("new ids are uuids; the rule needs a table keyed by one"),
        );
        0
    }

    fn copies(&mut self) -> Vec<Copied> {
        let mut out = Vec::new();
        for pair in &self.rule.header.copy {
            let target = self.target_column("copy", &pair.target);
            let source = self.source_column(&["copy", &pair.target], &pair.source);
            if let Some((target, source)) = target.zip(source) {
                out.extend(self.copied(&["copy", &pair.target], target, source));
            }
        }
        out
    }

    fn legacy(&mut self, copies: &[Copied]) -> Option<Copied> {
        let name = self.rule.header.legacy.as_deref()?;
        let target = self.target_column("legacy", name)?;
        let [key] = &self.rule.header.key[..] else {
            return None;
        };
        if copies.iter().any(|c| c.target == target) {
            return None;
        }
        let source = self.source_column(&["key"], key)?;
        self.copied(&["legacy"], target, source)
    }

    fn copied(&mut self, path: &[&str], target: u16, source: usize) -> Option<Copied> {
        let column = &self.target.columns[usize::from(target)];
        let (name, logical) = &self.source[source];
        match pair(logical, &column.logical, self.rule.header.zone.as_deref()) {
            Pair::Refuse(why) => {
                let problem = Diagnostic::error(format!(
                    "`{name}` ({logical}) cannot be copied to `{}`: {why}",
                    column.name
                ));
                self.report(path, problem);
                None
            }
            pair => Some(Copied {
                target,
                source,
                pair,
            }),
        }
    }

    fn target_column(&mut self, key: &str, name: &str) -> Option<u16> {
        let Some(at) = self.target.index(name) else {
            let known = self.target.columns.iter().map(|c| c.name.as_str());
            let problem = Diagnostic::error(format!(
                "`{name}` is not a column of `{}`",
                self.target.name
            ));
            let problem = suggest(problem, name, known);
            self.report(&[key, name], problem);
            return None;
        };
        if self.target.columns[at].generated {
            let problem = Diagnostic::error(format!(
                "`{name}` is computed by the target and cannot be written"
            ));
            self.report(&[key, name], problem);
            return None;
        }
        u16::try_from(at).ok()
    }

    fn source_column(&mut self, path: &[&str], name: &str) -> Option<usize> {
        let at = self.source.iter().position(|(column, _)| column == name);
        if at.is_none() {
            let known = self.source.iter().map(|(column, _)| column.as_str());
            let problem = Diagnostic::error(format!("`{name}` is not a column of the rule's rows"));
            let problem = suggest(problem, name, known);
            self.report(path, problem);
        }
        at
    }

    fn report(&mut self, path: &[&str], problem: Diagnostic) {
        let place = self
            .rule
            .place_of(path)
            .or_else(|| self.rule.place_of(&path[..1]));
        self.problems.push(match place {
            Some(place) => problem.at(place),
            None => problem,
        });
    }
}

/// Adds the nearest name, or all of them.
pub(super) fn suggest<'a>(
    problem: Diagnostic,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("columns: {}", known.join(", "))),
    }
}
