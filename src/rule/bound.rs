//! A rule bound to the shapes of both sides.

use std::sync::Arc;

use uuid::Uuid;

use super::Rule;
use crate::catalog::Table;
use crate::diagnostic::Diagnostic;
use crate::row::{Answers, Judged, Key, Reject, Rows, Stage, Verdict};
use crate::value::Logical;

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
}

impl Bound {
    /// Binds `rule` to the columns of its rows, in order, and to the table it fills. All problems at once.
    pub fn new(
        rule: Arc<Rule>,
        source: Arc<[(String, Logical)]>,
        target: Arc<Table>,
        namespace: Uuid,
    ) -> Result<Self, Vec<Diagnostic>> {
        Ok(Self {
            inner: Arc::new(Inner {
                rule,
                source,
                target,
                namespace,
            }),
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

    /// A judge for this thread, with an engine of its own.
    pub fn judge(&self) -> Result<Judge, Diagnostic> {
        Ok(Judge {
            bound: self.clone(),
        })
    }
}

/// Says what becomes of a row. Stays on its thread.
pub struct Judge {
    bound: Bound,
}

impl Judge {
    /// The verdict on one row. Never panics; a fault of the script is a rejection with `fault` set.
    pub fn judge(
        &mut self,
        _rows: &Arc<Rows>,
        _row: usize,
        _key: &Key,
        _answers: &Arc<Answers>,
    ) -> Judged {
        let _ = (&self.bound.inner.source, self.bound.inner.namespace);
        let reject = Reject::new(Stage::Rule, "fault", "not judged");
        Judged {
            verdict: Verdict::Reject(Box::new(reject)),
            notes: vec![],
        }
    }
}
