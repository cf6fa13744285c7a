//! A user's folder: rules, `.env`, two databases, and the program run in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::database::{Db, Engine};
use super::process::{Output, Running, run_limited};
use super::secrets::{Searched, search_state};

/// The namespace of every test project, so that ids can be compared between two of them.
pub const NAMESPACE: &str = "6f1d2c3b-4a59-4e68-9f70-8a1b2c3d4e5f";

/// No single command of a test may take longer.
const LIMIT: Duration = Duration::from_mins(3);

/// A user's folder. Removed with its databases after the test, unless `RUNNER_TEST_KEEP` is set.
pub struct Project {
    dir: TempDir,
    pub source: Db,
    pub target: Db,
    binary: PathBuf,
    /// Databases that others go on using are not removed.
    owns_source: bool,
    owns_target: bool,
    searched: Searched,
}

impl Project {
    /// Postgres to Postgres, each filled by its SQL.
    pub fn pg(source_sql: &str, target_sql: &str) -> Self {
        Self::between(Engine::Postgres, source_sql, Engine::Postgres, target_sql)
    }

    /// SQLite to SQLite, each filled by its SQL.
    pub fn sqlite(source_sql: &str, target_sql: &str) -> Self {
        Self::between(Engine::Sqlite, source_sql, Engine::Sqlite, target_sql)
    }

    /// From any engine to any other.
    pub fn between(from: Engine, source_sql: &str, to: Engine, target_sql: &str) -> Self {
        let project = Self::empty(from, to);
        project.source.exec(source_sql);
        project.target.exec(target_sql);
        project
    }

    /// The shipped rules over the demo's databases at `scale`, both of one engine.
    pub fn demo(scale: &str, engine: Engine) -> Self {
        let project = Self::empty(engine, engine);
        project.use_shipped_rules();
        project.seed(&["--scale", scale]);
        project
    }

    /// Two empty databases, an empty `rules` folder and an `.env`.
    pub fn empty(from: Engine, to: Engine) -> Self {
        let dir = temporary_folder();
        let open = |engine, file: &str| match engine {
            Engine::Postgres => Db::postgres(),
            Engine::Sqlite => Db::sqlite(&dir.path().join(file)),
        };
        let source = open(from, "legacy.db");
        let target = open(to, "target.db");
        fs::create_dir(dir.path().join("rules")).expect("rules");
        let project = Self {
            dir,
            source,
            target,
            binary: env!("CARGO_BIN_EXE_runner").into(),
            owns_source: true,
            owns_target: true,
            searched: Searched::default(),
        };
        project.write_env(&[]);
        project
    }

    /// Uses another build of the program from here on.
    pub fn with_binary(mut self, binary: &Path) -> Self {
        binary.clone_into(&mut self.binary);
        self
    }

    /// The shipped rules over databases that already are; the source is not removed afterwards.
    pub fn over(source: &Db, target: Db) -> Self {
        let dir = temporary_folder();
        let binary = env!("CARGO_BIN_EXE_runner").into();
        let project = Self {
            dir,
            source: source.clone(),
            target,
            binary,
            owns_source: false,
            owns_target: true,
            searched: Searched::default(),
        };
        project.use_shipped_rules();
        project.write_env(&[]);
        project
    }

    /// The same rules over the same source, into another target.
    pub fn towards(&self, target: Db) -> Self {
        let project = Self::over(&self.source, target);
        fs::remove_dir_all(project.path("rules")).expect("rules");
        copy_tree(&self.path("rules"), &project.path("rules"));
        project
    }

    /// Gives up the folder and keeps both databases, for tests that start from copies of them.
    pub fn into_databases(mut self) -> (Db, Db) {
        self.owns_source = false;
        let databases = (self.source.clone(), self.target.clone());
        self.owns_target = false;
        databases
    }

    /// Fills both databases with the demo's data; `options` go to `demo seed`.
    pub fn seed(&self, options: &[&str]) {
        let (source, target) = (self.source.url(), self.target.url());
        let mut arguments = vec!["demo", "seed", "--source", &source, "--target", &target];
        arguments.extend(options);
        self.runner(&arguments).ends_with(0);
    }

    /// Copies the shipped rules (with `lib` and `examples`) into the project, where tests may edit them.
    pub fn use_shipped_rules(&self) {
        copy_tree(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"),
            &self.path("rules"),
        );
    }

    /// Writes `.env`: both databases, the namespace, and `more`.
    pub fn write_env(&self, more: &[(&str, &str)]) {
        let (source, target) = (self.source.url(), self.target.url());
        let mut text = format!(
            "SOURCE_DATABASE_URL=\"{source}\"\nTARGET_DATABASE_URL=\"{target}\"\nRUNNER_NAMESPACE={NAMESPACE}\n"
        );
        for (name, value) in more {
            text.push_str(&format!("{name}=\"{value}\"\n"));
        }
        self.write(".env", &text);
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if relative == ".env" {
            // As a careful person keeps it; the program warns of any other.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
        }
    }

    pub fn read(&self, relative: &str) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes `rules/NAME.rhai`.
    pub fn rule(&self, name: &str, text: &str) {
        self.write(&format!("rules/{name}.rhai"), text);
    }

    /// The names of the project's rules, in order; the shipped ones are named after their tables.
    pub fn rules(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("rules")).expect("rules");
        let names = entries.map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("a name")
        });
        let mut rules: Vec<String> = names
            .filter_map(|name| name.strip_suffix(".rhai").map(str::to_owned))
            .collect();
        rules.sort();
        rules
    }

    /// Replaces `old`, which must be there exactly once, in a file.
    #[track_caller]
    pub fn edit(&self, relative: &str, old: &str, new: &str) {
        let text = self.read(relative);
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {relative}");
        self.write(relative, &text.replace(old, new));
    }

    /// The program in this folder, with nothing of the tester's own environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear();
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("NO_COLOR", "1");
        command.env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs the program to its end. It must never panic or abort, whatever it was asked.
    #[track_caller]
    pub fn runner(&self, arguments: &[&str]) -> Output {
        let output = run_limited(&mut self.command(arguments), LIMIT);
        output.never_says("panicked at");
        assert!(
            output.code < 128 || output.code == 130,
            "`runner {}` died\n{output}",
            arguments.join(" ")
        );
        self.searched.look(self.dir.path());
        output
    }

    /// Runs the program with a failpoint: `name[:nth][:action]`. It may die.
    #[track_caller]
    pub fn runner_failing(&self, failpoint: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let output = run_limited(command.env("RUNNER_FAILPOINT", failpoint), LIMIT);
        output.never_says("panicked at");
        self.searched.look(self.dir.path());
        output
    }

    /// Starts the program and comes back at once.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }

    /// What `status --json` says of a rule.
    #[track_caller]
    pub fn status(&self, rule: &str) -> serde_json::Value {
        let status = self.runner(&["status", "--json"]).ends_with(0).json();
        let rules = status["rules"]
            .as_array()
            .unwrap_or_else(|| panic!("no rules in {status:#}"));
        let found = rules.iter().find(|entry| entry["name"] == rule);
        found
            .unwrap_or_else(|| panic!("no {rule} in {status:#}"))
            .clone()
    }

    /// The accounts of a rule: base filtered read inserted updated unchanged skipped rejected.
    #[track_caller]
    pub fn accounts(&self, rule: &str) -> [i64; 8] {
        let status = self.status(rule);
        [
            "base",
            "filtered",
            "read",
            "inserted",
            "updated",
            "unchanged",
            "skipped",
            "rejected",
        ]
        .map(|name| {
            status[name]
                .as_i64()
                .unwrap_or_else(|| panic!("no {name} in {status:#}"))
        })
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.owns_target && !std::thread::panicking() {
            self.searched.look(self.dir.path());
            search_state(&self.target);
        }
        if std::env::var_os("RUNNER_TEST_KEEP").is_some() {
            self.dir.disable_cleanup(true);
            eprintln!("kept {}", self.dir.path().display());
        } else {
            if self.owns_source {
                self.source.drop_database();
            }
            if self.owns_target {
                self.target.drop_database();
            }
        }
    }
}

fn temporary_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("runner-project-")
        .tempdir()
        .expect("a temporary folder")
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let path = entry.expect("entry").path();
        let goal = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_tree(&path, &goal);
        } else {
            fs::copy(&path, &goal).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}
