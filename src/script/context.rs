//! What the host's functions share while a script runs: the chunk's answers, and what was said so far.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, NativeCallContext, Position};

use super::row::Shape;
use super::text::Read;
use super::trace::Watch;
use super::wording::Wording;
use crate::row::{Answers, Note, Stage};

pub(super) type Fallible<T> = Result<T, Box<EvalAltResult>>;

/// What a rule declared that its script may ask for.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Target tables of `ids`.
    pub entities: Vec<String>,
    /// Lookups and the columns they take.
    pub lookups: Vec<(String, Vec<String>)>,
    /// The rule has `missing_profile`.
    pub missing_profile: bool,
}

/// A verdict raised inside a script. It is kept here, so that a `catch` cannot swallow it.
#[derive(Clone, Debug)]
pub(super) struct Raised {
    pub(super) verdict: RaisedVerdict,
    /// File, line and column of the call.
    pub(super) file: Option<String>,
    pub(super) position: Position,
}

#[derive(Clone, Debug)]
pub(super) enum RaisedVerdict {
    Skip(String),
    Reject {
        stage: Stage,
        code: String,
        why: String,
        waiting_for: Option<(String, String)>,
    },
}

impl RaisedVerdict {
    pub(super) fn rule(code: &str, why: impl Into<String>) -> Self {
        Self::Reject {
            stage: Stage::Rule,
            code: code.to_owned(),
            why: why.into(),
            waiting_for: None,
        }
    }

    pub(super) fn code(&self) -> &str {
        match self {
            Self::Skip(code) | Self::Reject { code, .. } => code,
        }
    }
}

/// Marks an error as a verdict while it travels up through the engine.
#[derive(Clone, Debug)]
pub(super) struct Verdicted;

/// A mistake in a rule that a host function found.
#[derive(Clone, Debug)]
pub(super) struct HostFault {
    pub(super) message: String,
    /// One line each, below the excerpt.
    pub(super) details: Vec<String>,
    pub(super) hint: Option<String>,
}

impl HostFault {
    /// As an engine error; the engine fills in the place of the call.
    pub(super) fn fail<T>(message: impl Into<String>) -> Fallible<T> {
        Self::raise(message.into(), vec![], None)
    }

    pub(super) fn with_hint<T>(message: impl Into<String>, hint: impl Into<String>) -> Fallible<T> {
        Self::raise(message.into(), vec![], Some(hint.into()))
    }

    pub(super) fn with_details<T>(message: impl Into<String>, details: Vec<String>) -> Fallible<T> {
        Self::raise(message.into(), details, None)
    }

    fn raise<T>(message: String, details: Vec<String>, hint: Option<String>) -> Fallible<T> {
        let fault = Dynamic::from(Self {
            message,
            details,
            hint,
        });
        Err(Box::new(EvalAltResult::ErrorRuntime(fault, Position::NONE)))
    }
}

/// One per engine.
#[derive(Default)]
pub(super) struct Context {
    pub(super) declared: Declared,
    pub(super) answers: RefCell<Arc<Answers>>,
    pub(super) shapes: RefCell<HashMap<String, Rc<Shape>>>,
    /// Getter names in the order of their slots.
    pub(super) slots: Vec<String>,
    /// Columns that the script reads, for fakes in tests.
    pub(super) known_columns: Vec<String>,
    pub(super) raised: RefCell<Option<Raised>>,
    pub(super) notes: RefCell<Vec<Note>>,
    pub(super) printed: RefCell<Vec<String>>,
    /// The JSON text that was read last: a rule asks `is_json`, and then takes what it holds.
    pub(super) json: RefCell<Option<Read>>,
    /// The call that runs.
    pub(super) watch: Rc<Watch>,
    /// What may be kept of codes and messages.
    pub(super) wording: RefCell<Wording>,
    /// Parents and lookups come from fakes; what no fake names is not there.
    pub(super) testing: Cell<bool>,
    pub(super) fake_ids: RefCell<HashMap<(String, String), uuid::Uuid>>,
    pub(super) fake_rows: RefCell<HashMap<(String, String), rhai::Array>>,
}

impl Context {
    /// Raises a verdict: remembered here, and as an error so that the script stops.
    pub(super) fn raise<T>(&self, call: &NativeCallContext, verdict: RaisedVerdict) -> Fallible<T> {
        let position = call.call_position();
        // the first one counts: a second can only come from a script that caught the first
        self.raised.borrow_mut().get_or_insert_with(|| Raised {
            verdict,
            file: call.call_source().map(ToOwned::to_owned),
            position,
        });
        Err(Box::new(EvalAltResult::ErrorRuntime(
            Dynamic::from(Verdicted),
            position,
        )))
    }

    /// Forgets the row before.
    pub(super) fn begin(&self) {
        self.watch.begin();
        self.raised.borrow_mut().take();
        self.notes.borrow_mut().clear();
    }

    /// Uses another chunk's answers.
    pub(super) fn set_answers(&self, answers: &Arc<Answers>) {
        if Arc::ptr_eq(&self.answers.borrow(), answers) {
            return;
        }
        let mut shapes = self.shapes.borrow_mut();
        for (name, answer) in &answers.lookups {
            let fits = shapes
                .get(name)
                .is_some_and(|s| s.is_of(answer.rows.columns(), &answer.types));
            if !fits {
                let what = format!("lookup `{name}`");
                let shape = Shape::new(what, answer.rows.columns(), &answer.types, &self.slots);
                shapes.insert(name.clone(), Rc::new(shape));
            }
        }
        *self.answers.borrow_mut() = Arc::clone(answers);
    }
}
