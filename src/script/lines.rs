//! What each line of a rule costs: a clock that the engine moves on at every step.
//!
//! Only a program that was asked for it has the clock; all others run without.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::Engine;
use rhai::debugger::DebuggerCommand;

use super::program::Program;
use crate::diagnostic::Place;

/// What a line of a rule came to.
#[derive(Clone, Debug)]
pub struct LineTime {
    /// The line; no column.
    pub place: Place,
    /// Time in it, functions of other lines left out.
    pub time: Duration,
}

/// The time so far by file and line, and the line that runs.
#[derive(Default)]
pub(super) struct Clock {
    files: RefCell<Vec<String>>,
    lines: RefCell<HashMap<(usize, usize), Duration>>,
    running: Cell<Option<((usize, usize), Instant)>>,
}

impl Clock {
    fn step(&self, file: &str, line: usize) {
        self.stop();
        let mut files = self.files.borrow_mut();
        let known = files.iter().position(|known| known == file);
        let file = known.unwrap_or_else(|| {
            files.push(file.to_owned());
            files.len() - 1
        });
        // the clock's own work lies between the two readings
        self.running.set(Some(((file, line), Instant::now())));
    }

    /// The call has ended, or another line begins.
    pub(super) fn stop(&self) {
        if let Some((line, since)) = self.running.take() {
            let time = since.elapsed();
            *self.lines.borrow_mut().entry(line).or_default() += time;
        }
    }
}

impl Program {
    /// From now on the time of each line is kept. Every step gets dearer by it.
    pub fn time_lines(&mut self) {
        let clock = Rc::new(Clock::default());
        // what is done without the engine has no steps
        self.context.watch.set_followed();
        follow(&mut self.engine, &clock);
        self.is_followed = true;
        self.clock = Some(clock);
    }

    /// The time of each line that ran so far, in no order.
    pub fn line_times(&self) -> Vec<LineTime> {
        let Some(clock) = &self.clock else {
            return vec![];
        };
        let files = clock.files.borrow();
        let lines = clock.lines.borrow();
        let mut told: Vec<LineTime> = Vec::new();
        for ((file, line), time) in lines.iter() {
            let name = &files[*file];
            let file = self.files.iter().find(|f| f.path == *name);
            // the engine does not always say the name of the rule's own file
            let place = file.unwrap_or(&self.files[0]).place(*line, 0);
            match told.iter_mut().find(|known| known.place == place) {
                Some(known) => known.time += *time,
                None => told.push(LineTime { place, time: *time }),
            }
        }
        told
    }
}

fn follow(engine: &mut Engine, clock: &Rc<Clock>) {
    let clock = Rc::clone(clock);
    #[expect(
        deprecated,
        reason = "volatile by its documentation; the engine's version is pinned"
    )]
    engine.register_debugger(
        |_, debugger| debugger,
        move |_, _, _, file, position| {
            if let Some(line) = position.line() {
                clock.step(file.unwrap_or_default(), line);
            }
            Ok(DebuggerCommand::StepInto)
        },
    );
}
