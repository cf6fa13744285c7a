//! Limits: how long a script may take, and where it was when it went too far.
//!
//! The engine drops the place of an exceeded limit on its way out. A row that exceeded one is run once
//! more with every step watched, and the last step is the place; where that would take too long, the
//! function is.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rhai::debugger::DebuggerCommand;
use rhai::{Dynamic, Engine, EvalAltResult, Position};

/// A call may take this long. Only what a limit on steps cannot see takes longer: comparing large lists
/// with one another, again and again.
pub(super) const CALL_TIME_MAX: Duration = Duration::from_secs(3);
/// Calls that went too far may take this long together, when they are more than half of all time.
const LOST_TIME_MAX: Duration = Duration::from_secs(2);
/// Calls that took longer are not made again: watching makes large lists many times dearer.
const TRACED_TIME_MAX: Duration = Duration::from_millis(100);
/// Rows that are run again for their place; a rule with more has the same mistake in them.
const TRACES_MAX: u32 = 16;
/// Steps between two looks at the clock; a power of two.
const STEPS_PER_LOOK: u64 = 128;

/// What is known of the call that runs.
pub(super) struct Watch {
    begun: Cell<Instant>,
    is_tracing: Cell<bool>,
    /// Somebody sees every statement go by, so all of them are left to the engine.
    is_followed: Cell<bool>,
    last_step: RefCell<(Option<String>, Position)>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            begun: Cell::new(Instant::now()),
            is_tracing: Cell::new(false),
            is_followed: Cell::new(false),
            last_step: RefCell::new((None, Position::NONE)),
        }
    }
}

impl Watch {
    /// A call begins.
    pub(super) fn begin(&self) {
        self.begun.set(Instant::now());
    }

    /// How long the call has taken.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.get().elapsed()
    }

    /// Ends calls that take too long.
    pub(super) fn limit_time(watch: &Rc<Self>, engine: &mut Engine) {
        let watch = Rc::clone(watch);
        engine.on_progress(move |steps| {
            let is_late = steps % STEPS_PER_LOOK == 0 && watch.elapsed() > CALL_TIME_MAX;
            is_late.then_some(Dynamic::UNIT)
        });
    }

    /// A debugger sees every statement from now on.
    pub(super) fn set_followed(&self) {
        self.is_followed.set(true);
    }

    /// Whether one does.
    pub(super) fn is_followed(&self) -> bool {
        self.is_followed.get()
    }

    /// Watches every step of calls made between [`Watch::trace`] and [`Watch::traced`].
    pub(super) fn follow(watch: &Rc<Self>, engine: &mut Engine) {
        watch.set_followed();
        let watch = Rc::clone(watch);
        #[expect(
            deprecated,
            reason = "volatile by its documentation; the engine's version is pinned"
        )]
        engine.register_debugger(
            |_, debugger| debugger,
            move |_, _, _, file, position| {
                if !watch.is_tracing.get() {
                    return Ok(DebuggerCommand::Continue);
                }
                if !position.is_none() {
                    let mut last = watch.last_step.borrow_mut();
                    if last.0.as_deref() != file {
                        last.0 = file.map(ToOwned::to_owned);
                    }
                    last.1 = position;
                }
                Ok(DebuggerCommand::StepInto)
            },
        );
    }

    /// A call that went too far is made again.
    pub(super) fn trace(&self) {
        self.begin();
        self.is_tracing.set(true);
        self.last_step.replace((None, Position::NONE));
    }

    /// The last step: its file and its place there.
    pub(super) fn traced(&self) -> (Option<String>, Position) {
        self.is_tracing.set(false);
        self.last_step.replace((None, Position::NONE))
    }
}

/// The error of a limit, which no `catch` sees.
pub(super) fn is_limit(error: &EvalAltResult) -> bool {
    error.unwrap_inner().is_system_exception()
}

/// How much time was lost in calls that went too far.
#[derive(Default)]
pub(super) struct Lost {
    first: Option<Instant>,
    time: Duration,
    traces: u32,
}

impl Lost {
    /// A call begins.
    pub(super) fn begin(&mut self) {
        if self.first.is_none() {
            self.first = Some(Instant::now());
        }
    }

    /// A call went too far. True when going on makes no sense.
    pub(super) fn add(&mut self, time: Duration) -> bool {
        self.time += time;
        let all = self.first.map_or(Duration::ZERO, |first| first.elapsed());
        time > CALL_TIME_MAX || (self.time > LOST_TIME_MAX && self.time * 2 > all)
    }

    /// Whether a call that took this long may be made again.
    pub(super) fn may_trace(&mut self, time: Duration) -> bool {
        self.traces += 1;
        self.traces <= TRACES_MAX && time <= TRACED_TIME_MAX
    }
}
