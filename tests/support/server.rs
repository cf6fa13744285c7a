//! A real PostgreSQL server per test process, thrown away afterwards.
//!
//! Works as root (the server runs as an unprivileged user then), on any machine that has the server's
//! binaries. A machine without them fails the tests: nothing is skipped.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a server may take to accept connections.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Settings of a server whose data nobody will miss.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "shared_buffers=64MB",
    "max_connections=200",
    "autovacuum=off",
    "log_min_messages=warning",
    // so that a test can count the statements of its own database (see `Db::statements`)
    "log_line_prefix=%d|",
    "timezone=UTC",
];

/// Who logs in with a password; everybody else is trusted.
pub const PASSWORD_USER: &str = "locked";

/// A running server. A `sh` that reads our end of a pipe stops it and removes its files when this
/// process ends in any way, SIGKILL included.
pub struct Server {
    pub port: u16,
    dir: PathBuf,
    _life: ChildStdin,
}

impl Server {
    /// Everything the server has written down so far.
    pub fn log(&self) -> String {
        log_of(&self.dir)
    }
}

/// A program that comes with the server: `pg_dump`, `psql`.
pub fn server_tool(name: &str) -> PathBuf {
    let path = find_binaries().expect("a PostgreSQL server").join(name);
    assert!(path.is_file(), "{} is missing", path.display());
    path
}

/// User and group to run a server as: it refuses root.
#[derive(Clone, Copy)]
pub(super) struct Ids {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// The server of this test process, started by the first test that asks.
///
/// # Panics
/// When there is no PostgreSQL on this machine, with the sentence that says what to install.
pub fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

fn start() -> Server {
    let binaries = find_binaries().expect(
        "no PostgreSQL server found: run `tests/run`, or install it (Debian: apt-get install postgresql), \
         or set RUNNER_TEST_PG_BIN to the folder that holds `postgres` and `initdb`",
    );
    let ids = unprivileged();
    let dir = own_dir("runner-test-", ids);
    empty_data(&binaries, ids, &dir);
    // A port that was free a moment ago may be taken now: the next one then.
    for _ in 0..5 {
        let port = free_port();
        let mut server = Command::new(binaries.join("postgres"));
        server.arg("-D").arg(dir.join("data")).arg("-k").arg(&dir);
        server.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        let life = supervise(&server, &dir, ids);
        if wait_until_ready(&dir) {
            return Server {
                port,
                dir,
                _life: life,
            };
        }
    }
    panic!("PostgreSQL did not start:\n{}", log_of(&dir));
}

/// Puts the data of an empty server into `dir`.
pub(super) fn empty_data(binaries: &Path, ids: Option<Ids>, dir: &Path) {
    let template = template(binaries, ids);
    succeed(
        command("/bin/cp", ids)
            .arg("-R")
            .arg(&template)
            .arg(dir.join("data")),
    );
}

pub(super) fn find_binaries() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(std::env::var_os("RUNNER_TEST_PG_BIN").map(PathBuf::from));
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    for root in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        let Ok(entries) = fs::read_dir(root) else {
            continue;
        };
        let mut found: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path().join("bin"))
            .collect();
        found.sort();
        folders.extend(found.into_iter().rev());
    }
    folders.push("/usr/local/pgsql/bin".into());
    folders.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    folders.into_iter().find(|folder| {
        ["postgres", "initdb"]
            .iter()
            .all(|tool| folder.join(tool).is_file())
    })
}

pub(super) fn unprivileged() -> Option<Ids> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let user = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| nix::unistd::User::from_name(name).ok().flatten());
    Some(user.map_or(
        Ids {
            uid: 65_534,
            gid: 65_534,
        },
        |user| Ids {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        },
    ))
}

pub(super) fn command(program: impl AsRef<Path>, ids: Option<Ids>) -> Command {
    let mut command = Command::new(program.as_ref());
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
    if let Some(Ids { uid, gid }) = ids {
        command.gid(gid).uid(uid);
    }
    command
}

pub(super) fn succeed(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
}

pub(super) fn own_dir(prefix: &str, ids: Option<Ids>) -> PathBuf {
    let dir = tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .expect("a temporary folder")
        .keep();
    if let Some(Ids { uid, gid }) = ids {
        chown(&dir, Some(uid), Some(gid)).expect("chown");
    }
    dir
}

/// A data directory made once per machine, server version and user. Built aside and renamed, so that
/// of two processes that make it at the same time one wins and neither sees half of it.
fn template(binaries: &Path, ids: Option<Ids>) -> PathBuf {
    let output = Command::new(binaries.join("postgres"))
        .arg("--version")
        .output()
        .expect("postgres --version");
    let version = String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .nth(2)
        .unwrap_or("unknown")
        .to_owned();
    let uid = ids.map_or_else(|| nix::unistd::getuid().as_raw(), |ids| ids.uid);
    let dir = std::env::temp_dir().join(format!("runner-test-template-{version}-{uid}"));
    let ours = |dir: &Path| {
        dir.symlink_metadata()
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == uid)
    };
    if !ours(&dir) {
        let aside = own_dir("runner-test-making-", ids);
        let data = aside.join("data");
        let mut initdb = command(binaries.join("initdb"), ids);
        initdb
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
                "-D",
            ])
            .arg(&data);
        succeed(&mut initdb);
        let access = data.join("pg_hba.conf");
        let rules = fs::read_to_string(&access).expect("pg_hba.conf");
        let rules = format!("host all {PASSWORD_USER} 127.0.0.1/32 scram-sha-256\n{rules}");
        fs::write(&access, rules).expect("pg_hba.conf");
        if fs::rename(&aside, &dir).is_err() {
            fs::remove_dir_all(&aside).ok();
        }
        assert!(
            ours(&dir),
            "{} belongs to somebody else: remove it",
            dir.display()
        );
    }
    dir.join("data")
}

pub(super) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

/// A `sh` owns the server: it waits for the end of its input, stops the server (INT is a fast
/// shutdown) and removes the folder.
pub(super) fn supervise(server: &Command, dir: &Path, ids: Option<Ids>) -> ChildStdin {
    let script = r#"d=$1; shift; "$@" </dev/null >"$d/log" 2>&1 & p=$!
        cat >/dev/null; kill -INT $p 2>/dev/null && wait $p && rm -rf "$d""#;
    let mut shell = command("/bin/sh", ids);
    shell
        .arg("-c")
        .arg(script)
        .arg("sh")
        .arg(dir)
        .arg(server.get_program())
        .args(server.get_args());
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    shell
        .spawn()
        .expect("sh")
        .stdin
        .take()
        .expect("a piped stdin")
}

pub(super) fn log_of(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

pub(super) fn wait_until_ready(dir: &Path) -> bool {
    let started = Instant::now();
    loop {
        let state = fs::read_to_string(dir.join("data/postmaster.pid")).unwrap_or_default();
        if state
            .lines()
            .nth(7)
            .is_some_and(|line| line.trim() == "ready")
        {
            return true;
        }
        if log_of(dir).contains("could not bind") {
            return false;
        }
        assert!(
            started.elapsed() < START_LIMIT,
            "PostgreSQL did not start:\n{}",
            log_of(dir)
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
