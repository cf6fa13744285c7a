//! A server of one test's own, which may be stopped, killed and started again.

use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};

use super::database::Db;
use super::server::{
    Ids, command, empty_data, find_binaries, free_port, own_dir, succeed, unprivileged,
};

/// A running server. Everything ends with the value.
pub struct OwnServer {
    pub port: u16,
    dir: PathBuf,
    binaries: PathBuf,
    ids: Option<Ids>,
    _life: ChildStdin,
}

impl OwnServer {
    /// Starts one with settings like `wal_writer_delay = 10s`.
    pub fn start(settings: &[&str]) -> Self {
        let binaries = find_binaries().expect("PostgreSQL (`tests/run --tools` installs it)");
        let ids = unprivileged();
        let dir = own_dir("runner-test-own-", ids);
        empty_data(&binaries, ids, &dir);
        let port = free_port();
        let mut text = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nshared_buffers = 32MB\n\
             autovacuum = off\ntimezone = 'UTC'\nfull_page_writes = off\n",
            dir.display()
        );
        for setting in settings {
            text.push_str(&format!("{setting}\n"));
        }
        std::fs::write(dir.join("data/postgresql.conf"), text).expect("postgresql.conf");
        // stops the server when this process ends in any way
        let script = r#"cat >/dev/null; "$1" -D "$2/data" -m immediate stop; rm -rf "$2""#;
        let mut shell = command("/bin/sh", ids);
        shell
            .args(["-c", script, "sh"])
            .arg(binaries.join("pg_ctl"))
            .arg(&dir);
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut shell, 0);
        let life = shell
            .spawn()
            .expect("sh")
            .stdin
            .take()
            .expect("a piped stdin");
        let server = Self {
            port,
            dir,
            binaries,
            ids,
            _life: life,
        };
        server.up();
        server
    }

    /// Starts it again.
    pub fn up(&self) {
        let log = self.dir.join("log");
        succeed(self.control().arg("-l").arg(log).args(["-w", "start"]));
    }

    /// Stops it: `fast` ends all sessions, `immediate` is a crash.
    pub fn down(&self, mode: &str) {
        succeed(self.control().args(["-w", "-m", mode, "stop"]));
    }

    /// What it has written down so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// A folder of the server's user beside its data.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.join(name);
        std::fs::create_dir(&folder).expect("a folder");
        if let Some(Ids { uid, gid }) = self.ids {
            std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).expect("chown");
        }
        folder
    }

    /// Its database, as this user.
    pub fn db(&self, user: &str) -> Db {
        let port = self.port;
        Db::at(&format!(
            "postgres://{user}@127.0.0.1:{port}/postgres?sslmode=disable"
        ))
    }

    fn control(&self) -> Command {
        let mut command = command(self.binaries.join("pg_ctl"), self.ids);
        command.arg("-D").arg(self.dir.join("data"));
        // what it starts keeps the pipes of whoever waits for it
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}
