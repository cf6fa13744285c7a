//! A conversation with a rule: expressions with its functions, a row on screen, variables that stay.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rhai::{AST, Dynamic, Engine, LexError, ParseError, ParseErrorType, Scope};

use super::context::{Context, Declared, RaisedVerdict};
use super::host::Host;
use super::listing::{Look, Mask};
use super::procedure::{self, Desk};
use super::program::Program;
use super::row::{Row, Shape};
use super::{FUNCTIONS, SourceText, fault, literal, testing, unparsed};
use crate::diagnostic::Diagnostic;
use crate::row::{Answers, Rows};
use crate::value::Logical;

/// What a line typed by a person may use.
pub struct Session {
    program: Program,
    desk: Rc<Desk>,
    /// Functions typed so far, and those of the rule.
    known: AST,
    scope: Scope<'static>,
    mask: Option<Mask>,
    /// Variables that may hold what came from a private column.
    private: BTreeSet<String>,
    width: Option<usize>,
    interrupt: Arc<AtomicBool>,
}

impl Session {
    /// Begins with a rule (an empty text for none) and a host for the databases.
    pub fn new(
        rule: &SourceText,
        libs: &[SourceText],
        declared: Declared,
        host: Box<dyn Host>,
    ) -> Result<Self, Diagnostic> {
        let desk = Rc::new(Desk::new(host));
        let interrupt = Arc::new(AtomicBool::new(false));
        let program = build(rule, libs, declared, &desk, &interrupt)?;
        let known = functions_of(&program);
        Ok(Self {
            program,
            desk,
            known,
            scope: Scope::new(),
            mask: None,
            private: BTreeSet::new(),
            width: None,
            interrupt,
        })
    }

    /// What ends an evaluation when it becomes true.
    pub fn interrupt(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupt)
    }

    /// Characters that fit on a line of the terminal.
    pub fn set_width(&mut self, width: Option<usize>) {
        self.width = width;
    }

    /// Takes an edited rule; variables and the row stay. On an error the old rule goes on.
    pub fn reload(
        &mut self,
        rule: &SourceText,
        libs: &[SourceText],
        declared: Declared,
    ) -> Result<(), Diagnostic> {
        self.program = build(rule, libs, declared, &self.desk, &self.interrupt)?;
        self.known = functions_of(&self.program);
        Ok(())
    }

    /// Puts a row on screen: the variable `row`, with what was fetched for it.
    pub fn set_row(
        &mut self,
        rows: &Arc<Rows>,
        types: &Arc<[Logical]>,
        row: usize,
        answers: &Arc<Answers>,
    ) {
        self.program.context.set_answers(answers);
        let shape = Rc::new(Shape::new(
            "the row".to_owned(),
            rows.columns(),
            types,
            &self.program.context.slots,
        ));
        self.scope.set_value(
            "row",
            Row::Read {
                rows: Arc::clone(rows),
                shape,
                row,
            },
        );
    }

    /// Which columns show their values, and what stands for the others; `None` shows all. What a line
    /// computes from other columns is masked as well.
    pub fn mask(&mut self, visible: Option<Vec<String>>, stand_in: &'static str) {
        self.mask = visible.map(|visible| Mask { visible, stand_in });
    }

    /// Whether the rule itself spells this text, so that it tells nothing of a row.
    pub fn spells(&self, text: &str) -> bool {
        self.program.context.wording.borrow().spells(text)
    }

    /// Evaluates a line; the text to show, empty for `()`. A verdict is shown as one, not as an error.
    pub fn eval(&mut self, text: &str) -> Result<String, Diagnostic> {
        let line = SourceText {
            path: "input".to_owned(),
            text: text.into(),
        };
        let mut compile_scope = self.scope.clone();
        for name in super::engine::DATABASE_NAMES {
            compile_scope.push(name, ());
        }
        let engine = &self.program.engine;
        let typed = engine
            .compile_with_scope(&compile_scope, text)
            .map_err(|error| unparsed::problem(&error, &line, &[], &[]))?;
        self.program.context.wording.borrow_mut().add(&line)?;
        self.known = self.known.merge(&typed);
        self.program.context.begin();
        let before = self.scope.len();
        let is_private = self.may_hold_private(text);
        let result = self
            .program
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut self.scope, &self.known);
        self.known.clear_statements();
        if is_private {
            self.mark_private(text, before);
            self.mask_printed();
        }
        if let Some(raised) = self.program.context.raised.borrow_mut().take() {
            self.scope.rewind(before);
            return Ok(match raised.verdict {
                RaisedVerdict::Skip(code) => format!("skip: {code}"),
                RaisedVerdict::Reject { code, why, .. } => format!("reject: {code}: {why}"),
            });
        }
        match result {
            Ok(value) if value.is_unit() => Ok(String::new()),
            Ok(value) => {
                let wording = self.program.context.wording.borrow();
                let look = Look {
                    mask: self.mask.as_ref(),
                    is_private,
                    wording: &wording,
                    width: self.width,
                };
                Ok(look.text(&value))
            }
            Err(error) => {
                self.scope.rewind(before);
                if self.interrupt.load(Ordering::Relaxed) {
                    return Err(Diagnostic::error("interrupted"));
                }
                let files: Vec<SourceText> = std::iter::once(line.clone())
                    .chain(self.program.files.iter().cloned())
                    .collect();
                let wording = self.program.context.wording.borrow();
                Err(fault::runtime_problem(&error, &line, &files, &wording))
            }
        }
    }

    /// Whether a line reads what is not to be shown: another column of the row than the visible ones, a
    /// database, a lookup, or a variable made of one of these.
    fn may_hold_private(&self, text: &str) -> bool {
        let shows = |column: &str| self.mask.as_ref().is_some_and(|mask| mask.shows(column));
        let tokens = super::tokens(text);
        let word = |at: usize| tokens.get(at).map(|token| token.text.as_str());
        (0..tokens.len()).any(|at| match word(at) {
            Some("row") => word(at + 1) != Some(".") || !word(at + 2).is_some_and(shows),
            Some("source" | "target" | "rows_of") => true,
            // a back-tick text holds code of its own
            Some(text) if text.starts_with('`') => text.contains("${"),
            Some(name) => self.private.contains(name),
            None => false,
        })
    }

    /// What a line made or named may now hold what the line read.
    fn mark_private(&mut self, text: &str, before: usize) {
        let made = self
            .scope
            .iter()
            .skip(before)
            .map(|(name, ..)| name.to_owned());
        let named = super::tokens(text).into_iter().map(|token| token.text);
        let known: BTreeSet<String> = self.variables().into_iter().collect();
        let marked: Vec<String> = made
            .chain(named.filter(|name| known.contains(name)))
            .collect();
        self.private
            .extend(marked.into_iter().filter(|name| name != "row"));
    }

    fn mask_printed(&self) {
        let Some(mask) = &self.mask else {
            return;
        };
        let wording = self.program.context.wording.borrow();
        for line in self.program.context.printed.borrow_mut().iter_mut() {
            if !wording.spells(line) {
                mask.stand_in.clone_into(line);
            }
        }
    }

    /// What `print` said, and the notes of the last line.
    pub fn take_printed(&mut self) -> Vec<String> {
        let mut lines = self.program.take_printed();
        lines.extend(
            self.program
                .take_notes()
                .into_iter()
                .map(|note| format!("note: {}: {}", note.code, note.why)),
        );
        lines
    }

    /// Names of the variables that stay.
    pub fn variables(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .scope
            .iter()
            .map(|(name, ..)| name.to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// What completion offers: name, and how it is called.
    pub fn completions(&self) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = FUNCTIONS
            .iter()
            .map(|f| (f.name.to_owned(), f.signature.to_owned()))
            .collect();
        for function in self
            .known
            .iter_functions()
            .filter(|f| !f.name.starts_with("anon$"))
        {
            out.push((
                function.name.to_owned(),
                format!("{}({})", function.name, function.params.join(", ")),
            ));
        }
        out.sort();
        out.dedup();
        out
    }
}

fn build(
    rule: &SourceText,
    libs: &[SourceText],
    declared: Declared,
    desk: &Rc<Desk>,
    interrupt: &Arc<AtomicBool>,
) -> Result<Program, Diagnostic> {
    let desk = Rc::clone(desk);
    let interrupt = Arc::clone(interrupt);
    let special = move |engine: &mut Engine, context: &Rc<Context>| {
        procedure::register(engine, &desk, context);
        testing::register(engine, context);
        engine.on_progress(move |_| interrupt.load(Ordering::Relaxed).then_some(Dynamic::UNIT));
    };
    let program = Program::build(rule, libs, declared, &[], vec![], special)?;
    program.keep_to_its_words()?;
    Ok(program)
}

fn functions_of(program: &Program) -> AST {
    let mut known = program.ast.clone();
    known.clear_statements();
    known
}

thread_local! {
    static PARSER: RefCell<Engine> = RefCell::new({
        let mut engine = Engine::new_raw();
        literal::prepare_parser(&mut engine);
        engine
    });
}

/// Whether more lines must follow before this can be evaluated.
pub fn is_incomplete(text: &str) -> bool {
    let result = PARSER.with_borrow(|engine| engine.compile(text));
    match result {
        Err(error) => wants_more(&error, text),
        Ok(_) => has_open_comment(text),
    }
}

fn wants_more(error: &ParseError, text: &str) -> bool {
    use ParseErrorType as P;
    match error.err_type() {
        P::UnexpectedEOF => true,
        // a plain "abc without its end is a mistake; a back-tick text may span lines
        P::BadInput(LexError::UnterminatedString) => text.matches('`').count() % 2 == 1,
        P::MissingToken(..)
        | P::PropertyExpected
        | P::FnMissingName
        | P::FnMissingParams(_)
        | P::FnMissingBody(_)
        | P::ExprExpected(_)
        | P::VariableExpected => is_past_the_end(error, text),
        _ => false,
    }
}

fn is_past_the_end(error: &ParseError, text: &str) -> bool {
    let (line, column) = literal::line_column(error.position());
    let lines: Vec<&str> = text.split('\n').collect();
    let last = lines.last().map_or(0, |l| l.trim_end().chars().count());
    line == 0 || (line >= lines.len() && column > last)
}

/// The engine takes an open comment for a complete one.
fn has_open_comment(text: &str) -> bool {
    let mut closed = text.to_owned();
    closed.push_str("\n!");
    // what follows an open comment is part of it
    super::tokens(&closed)
        .last()
        .is_none_or(|token| token.text != "!")
}
