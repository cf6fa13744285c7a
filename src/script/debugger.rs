//! A rule run line by line: where it was, and what every variable held there.
//!
//! Steps are written down while the row passes through an engine of its own, so that a person can go
//! forth and back in them, and so that no other engine has a debugger to pay for.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use rhai::debugger::{DebuggerCommand, DebuggerEvent};
use rhai::{ASTNode, Dynamic, Engine, Position, Scope};

use super::listing::{Look, Mask};
use super::program::Program;
use super::row::Row;
use super::{literal, testing};
use crate::diagnostic::Place;
use crate::row::{Answers, Rows};

/// Steps that are written down; a loop may have very many.
const STEPS_MAX: usize = 500;
/// Characters of a value.
const VALUE_MAX: usize = 120;

/// A line that is about to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Where.
    pub place: Place,
    /// Functions around it: 0 in `transform`.
    pub depth: usize,
    /// Variables and what they hold, in the order in which they were made.
    pub locals: Vec<(String, String)>,
}

/// The way of one row through a rule.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Lines in the order in which they ran.
    pub steps: Vec<Stepped>,
    /// There were more than could be kept.
    pub is_cut: bool,
}

/// A stop: file, place, depth, variables.
struct Stop {
    file: Option<String>,
    position: Position,
    depth: usize,
    locals: Vec<(String, Dynamic)>,
}

#[derive(Default)]
struct Notebook {
    stops: Vec<Stop>,
    is_cut: bool,
}

impl Notebook {
    fn write(&mut self, node: ASTNode, file: Option<&str>, depth: usize, scope: &Scope) {
        let position = match node {
            ASTNode::Stmt(stmt) => stmt.position(),
            ASTNode::Expr(expr) => expr.start_position(),
            _ => Position::NONE,
        };
        if position.is_none() {
            return;
        }
        // the engine stops at each part of an expression: a line is one step, unless it is run again
        let is_same_line = self.stops.last().is_some_and(|last| {
            last.position.line() == position.line() && last.file.as_deref() == file
        });
        let is_again = self
            .stops
            .last()
            .is_some_and(|last| node.is_stmt() && last.position == position && last.depth == depth);
        if is_same_line && !is_again {
            return;
        }
        if self.stops.len() == STEPS_MAX {
            self.is_cut = true;
            return;
        }
        let locals = scope
            .iter()
            .map(|(name, _, value)| (name.to_owned(), value.flatten_clone()))
            .collect();
        self.stops.push(Stop {
            file: file.map(ToOwned::to_owned),
            position,
            depth,
            locals,
        });
    }
}

impl Program {
    /// Runs `transform` on one row and writes every line down. `visible` are the columns whose values are
    /// shown, `None` shows all; `stand_in` stands for the others.
    pub fn steps(
        &mut self,
        rows: &Arc<Rows>,
        row: usize,
        answers: &Arc<Answers>,
        visible: Option<Vec<String>>,
        stand_in: &'static str,
    ) -> Steps {
        let notebook = Rc::new(RefCell::new(Notebook::default()));
        self.context.watch.set_followed();
        follow(&mut self.engine, &notebook);
        // how it ends is told by the judge
        let _ = self.transform(rows, row, answers);
        let notebook = std::mem::take(&mut *notebook.borrow_mut());
        let mask = visible.map(|visible| Mask { visible, stand_in });
        let wording = self.context.wording.borrow();
        let look = Look {
            mask: mask.as_ref(),
            is_private: true,
            wording: &wording,
            width: None,
        };
        let outermost = notebook.stops.first().map_or(0, |stop| stop.depth);
        let steps = notebook.stops.iter().map(|stop| {
            let (line, column) = literal::line_column(stop.position);
            let file = self
                .files
                .iter()
                .find(|f| Some(&f.path) == stop.file.as_ref());
            Stepped {
                place: file.unwrap_or(&self.files[0]).place(line, column),
                depth: stop.depth.saturating_sub(outermost),
                locals: stop
                    .locals
                    .iter()
                    .map(|(name, value)| (name.clone(), shown(value, &look)))
                    .collect(),
            }
        });
        Steps {
            steps: steps.collect(),
            is_cut: notebook.is_cut,
        }
    }
}

fn follow(engine: &mut Engine, notebook: &Rc<RefCell<Notebook>>) {
    let notebook = Rc::clone(notebook);
    #[expect(
        deprecated,
        reason = "volatile by its documentation; the engine's version is pinned"
    )]
    engine.register_debugger(
        |_, debugger| debugger,
        move |context, event, node, file, _| {
            let depth = context.call_level();
            if matches!(event, DebuggerEvent::Step) {
                notebook
                    .borrow_mut()
                    .write(node, file, depth, context.scope());
            }
            Ok(DebuggerCommand::StepInto)
        },
    );
}

fn shown(value: &Dynamic, look: &Look) -> String {
    if value.read_lock::<Row>().is_some() {
        return "(a row)".to_owned();
    }
    let text = testing::show(&look.masked(value, ""));
    if text.chars().count() <= VALUE_MAX {
        return text;
    }
    text.chars().take(VALUE_MAX - 1).chain(['…']).collect()
}
