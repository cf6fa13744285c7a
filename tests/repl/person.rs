//! Somebody at a terminal: types, waits for what appears, and remembers all of it.

use std::process::Command;

use rexpect::session::{PtySession, spawn_with_options};

use crate::support::Project;

/// How long an answer may take; only a broken program takes longer.
const LIMIT_MS: u64 = 30_000;

pub struct Person {
    session: PtySession,
    /// Everything that was on the screen.
    transcript: String,
}

impl Person {
    /// Starts `runner ARGUMENTS` at a terminal of so many columns.
    pub fn at(project: &Project, columns: u16, arguments: &[&str]) -> Self {
        let program = project.command(arguments);
        let mut command = Command::new("/bin/sh");
        command
            .args([
                "-c",
                &format!("stty cols {columns} rows 50; exec \"$0\" \"$@\""),
            ])
            .arg(program.get_program())
            .args(program.get_args())
            .current_dir(program.get_current_dir().unwrap())
            .env_clear();
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", project.path("state"))
            .env("EDITOR", "false");
        let options = rexpect::reader::Options::new()
            .timeout_ms(Some(LIMIT_MS))
            .strip_ansi_escape_codes(true);
        let session = spawn_with_options(command, options).expect("a terminal");
        Self {
            session,
            transcript: String::new(),
        }
    }

    /// Waits until the screen shows `text`; what came before it.
    #[track_caller]
    pub fn sees(&mut self, text: &str) -> String {
        match self.session.exp_string(text) {
            Ok(before) => {
                self.transcript.push_str(&before);
                self.transcript.push_str(text);
                before
            }
            Err(error) => panic!(
                "{text:?} does not appear: {error}\n--- so far\n{}",
                self.transcript
            ),
        }
    }

    /// As [`Self::sees`], without the pauses between two looks: for measuring.
    #[track_caller]
    pub fn sees_at_once(&mut self, text: &str) {
        let started = std::time::Instant::now();
        let mut seen = String::new();
        while !seen.ends_with(text) {
            match self.session.try_read() {
                Some(letter) => seen.push(letter),
                None => std::thread::sleep(std::time::Duration::from_micros(500)),
            }
            let late = started.elapsed().as_millis() > u128::from(LIMIT_MS);
            assert!(!late, "{text:?} does not appear\n{}{seen}", self.transcript);
        }
        self.transcript.push_str(&seen);
    }

    /// Types a line.
    pub fn types(&mut self, line: &str) {
        self.keys(line);
        self.keys("\r");
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &str) {
        self.session.send(keys).expect("typed");
        self.session.flush().expect("typed");
    }

    /// Types a line and waits for what it is answered; returns what came before that.
    #[track_caller]
    pub fn asks(&mut self, line: &str, answer: &str) -> String {
        self.types(line);
        self.sees(answer)
    }

    /// Leaves, and waits for the program to end. All that was on the screen.
    #[track_caller]
    pub fn leaves(mut self, keys: &str) -> String {
        self.keys(keys);
        let rest = self.session.exp_eof().unwrap_or_else(|error| {
            panic!("still there: {error}\n--- so far\n{}", self.transcript)
        });
        self.transcript.push_str(&rest);
        let status = self.session.process().wait().expect("an end");
        let ended = format!("{status:?}");
        assert!(
            ended.starts_with("Exited") && ended.ends_with(", 0)"),
            "{ended}\n{}",
            self.transcript
        );
        self.transcript
    }
}
