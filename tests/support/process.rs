//! A program that runs to its end, within a limit, with everything it said.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::secrets::keeps;

/// How a program ended and what it said.
#[must_use = "a test has to look at how the program ended"]
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 + n when signal n ended it, as a shell says it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Output {
    /// The only document on stdout.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON document: {error}\n{self}"))
    }

    /// Passes when the program ended with `code`.
    #[track_caller]
    pub fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "exit code\n{self}");
        self
    }

    /// Passes when stderr says `text`.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(
            self.stderr.contains(text),
            "stderr does not say {text:?}\n{self}"
        );
        self
    }

    /// Passes when stdout prints `text`.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        assert!(
            self.stdout.contains(text),
            "stdout does not print {text:?}\n{self}"
        );
        self
    }

    /// Passes when either stream holds `text`: where it does not matter to anybody which.
    #[track_caller]
    pub fn tells(&self, text: &str) -> &Self {
        let told = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(told, "does not tell {text:?}\n{self}");
        self
    }

    /// Passes when neither stream holds `text`: a secret, a cell value, a panic.
    #[track_caller]
    pub fn never_says(&self, text: &str) -> &Self {
        assert!(
            !self.stdout.contains(text) && !self.stderr.contains(text),
            "says {text:?}\n{self}"
        );
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            took,
        } = self;
        write!(
            f,
            "exit {code} after {took:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

/// A program that is running; its output is read meanwhile, so that it never blocks on a full pipe.
pub struct Running {
    pub child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    started: Instant,
    program: String,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let started = Instant::now();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = drain(child.stdout.take().expect("piped"));
        let stderr = drain(child.stderr.take().expect("piped"));
        Self {
            child,
            stdout,
            stderr,
            started,
            program: command.get_program().display().to_string(),
        }
    }

    /// Waits for the end; kills the program and fails the test when it takes longer than `limit`.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Output {
        let mut nap = Duration::from_micros(500);
        let (status, late) = loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                break (status, false);
            }
            if self.started.elapsed() > limit {
                self.child.kill().ok();
                break (self.child.wait().expect("wait"), true);
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(10));
        };
        let took = self.started.elapsed();
        let code = status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let stdout = self.stdout.join().expect("stdout");
        let stderr = self.stderr.join().expect("stderr");
        let output = Output {
            code,
            stdout,
            stderr,
            took,
        };
        assert!(!late, "still running after {limit:?}\n{output}");
        keeps(&format!("stdout of {}", self.program), &output.stdout);
        keeps(&format!("stderr of {}", self.program), &output.stderr);
        output
    }
}

impl Running {
    /// Sends a signal: `CONT`, `TERM` …
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &pid])
            .status();
        assert!(sent.expect("kill").success(), "kill -{name} {pid}");
    }

    /// Waits for a program with a failpoint that stops it: true when it has stopped, false when it ended. `trace` is
    /// its `RUNNER_FAILPOINT_TRACE`.
    #[track_caller]
    pub fn stops_itself(&mut self, trace: &Path, limit: Duration) -> bool {
        loop {
            if self.child.try_wait().expect("wait").is_some() {
                return false;
            }
            let passed = std::fs::read_to_string(trace).unwrap_or_default();
            if passed.lines().any(|line| line.starts_with('!')) && self.state() == "T" {
                return true;
            }
            assert!(self.started.elapsed() < limit, "it neither stops nor ends");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The first letter of the process's state.
    fn state(&self) -> String {
        let pid = self.child.id().to_string();
        let told = Command::new("ps")
            .args(["-o", "state=", "-p", &pid])
            .output()
            .expect("ps");
        let told = String::from_utf8_lossy(&told.stdout);
        told.trim().chars().take(1).collect()
    }
}

/// Runs a program to its end.
#[track_caller]
pub fn run_limited(command: &mut Command, limit: Duration) -> Output {
    Running::start(command).finish(limit)
}

fn drain(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
