//! A stand-in for a Supabase project: Postgres with TLS under an authority of its own, passwords by SCRAM,
//! `postgres` that is no superuser, the API's roles, schemas of other owners, and poolers in front.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{ChildStdin, Command};
use std::sync::{Mutex, PoisonError};

use super::database::{Db, Engine};
use super::project::{NAMESPACE, Project};
use super::server::{
    command, find_binaries, free_port, log_of, own_dir, succeed, supervise, unprivileged,
    wait_until_ready,
};
use certificates::{authority, certificate, written};
use poolers::Pooler;

mod certificates;
mod poolers;

/// What everybody of the stand-in says at the door.
const SECRET: &str = "p%40ss%3Aword%2F1";
pub(super) const SECRET_PLAIN: &str = "p@ss:word/1";

/// Schema `auth` with the columns that are documented, as any server can hold it.
pub const AUTH: &str = include_str!("supabase/auth.sql");
/// The trigger on new accounts that makes a bare profile.
pub const HANDLE_NEW_USER: &str = include_str!("supabase/handle_new_user.sql");
/// Rows of storage are not deleted by SQL.
pub const PROTECT_DELETE: &str = include_str!("supabase/protect_delete.sql");
const STORAGE: &str = include_str!("supabase/storage.sql");
const ROLES: &str = include_str!("supabase/roles.sql");
const VENDOR: &str = include_str!("supabase/vendor.sql");
const SETTLED: &str = include_str!("supabase/settled.sql");

/// How a client gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The database itself.
    Direct,
    /// A pooler that keeps a session's connection.
    SessionPooler,
    /// A pooler that gives each transaction another one.
    TransactionPooler,
    /// The same with a single connection behind it.
    SinglePooler,
    /// A pooler whose certificate has expired.
    ExpiredPooler,
    /// A pooler for sessions with a single connection behind it: a second client waits.
    PoolOfOne,
    /// The same with four.
    PoolOfFour,
    /// A pooler that lets one client in and turns the second away.
    OneClient,
}

/// A running project. Everything ends with the value.
pub struct Standin {
    port: u16,
    dir: PathBuf,
    poolers: Mutex<BTreeMap<Way, Pooler>>,
    /// What keeps the server alive: it ends when this is closed.
    _life: ChildStdin,
}

impl Standin {
    pub fn start() -> Self {
        let binaries = find_binaries().expect("PostgreSQL (`tests/run --tools` installs it)");
        let ids = unprivileged();
        let dir = own_dir("runner-test-supabase-", ids);
        let data = dir.join("data");
        let mut initdb = command(binaries.join("initdb"), ids);
        initdb.args(["-A", "scram-sha-256", "--auth-local", "trust", "-N"]);
        initdb.args(["-U", "supabase_admin", "-E", "UTF8", "--locale=C"]);
        initdb
            .arg("--pwfile")
            .arg(written(&dir, "first", SECRET_PLAIN, ids))
            .arg("-D")
            .arg(&data);
        succeed(&mut initdb);
        for name in ["ca", "other-ca"] {
            authority(&dir, name, ids);
        }
        certificate(&dir, "server", 3650, ids);
        certificate(&dir, "expired", -1, ids);
        let access = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), access).expect("pg_hba.conf");
        let port = free_port();
        let mut server = Command::new(binaries.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&dir);
        server.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in [
            "fsync=off",
            "full_page_writes=off",
            "synchronous_commit=off",
            "max_connections=60",
            "autovacuum=off",
            "timezone=UTC",
            "ssl=on",
            "password_encryption=scram-sha-256",
        ] {
            server.args(["-c", setting]);
        }
        let file = |name: &str| dir.join(name).display().to_string();
        server.args(["-c", &format!("ssl_cert_file={}", file("server.crt"))]);
        server.args(["-c", &format!("ssl_key_file={}", file("server.key"))]);
        let life = supervise(&server, &dir, ids);
        assert!(wait_until_ready(&dir), "{}", log_of(&dir));
        let standin = Self {
            port,
            dir,
            poolers: Mutex::default(),
            _life: life,
        };
        let admin = standin.admin();
        admin.exec(&ROLES.replace("SECRET", SECRET_PLAIN));
        admin.exec(&format!("{AUTH}{STORAGE}{PROTECT_DELETE}{VENDOR}"));
        standin
    }

    /// A project of nine tables as its owner has it on the day of the migration: the demo's rows, row level
    /// security, the usual triggers.
    pub fn demo(&self, scale: &str) -> Project {
        let project = Project::empty(Engine::Postgres, Engine::Postgres);
        project.use_shipped_rules();
        let (source, target) = (project.source.url(), self.admin().url());
        project
            .runner(&[
                "demo", "seed", "--source", &source, "--target", &target, "--scale", scale,
            ])
            .ends_with(0);
        let admin = self.admin();
        admin.exec(HANDLE_NEW_USER);
        admin.exec(SETTLED);
        project
    }

    /// The superuser, by the socket, for what only a vendor does.
    pub fn admin(&self) -> Db {
        self.local("supabase_admin")
    }

    /// Anybody, by the socket: an owner at the dashboard's SQL editor is `postgres`.
    pub fn local(&self, user: &str) -> Db {
        Db::at(&format!(
            "postgres://{user}@localhost:{}/postgres?host={}&sslmode=disable",
            self.port,
            self.dir.display()
        ))
    }

    /// What goes into `.env` for a user of the project. `sslmode` is what the default is on other machines.
    pub fn url(&self, way: Way, user: &str) -> String {
        let mut poolers = self.poolers.lock().unwrap_or_else(PoisonError::into_inner);
        if !poolers.contains_key(&way)
            && let Some(pooler) = poolers::start(way, self.port, &self.dir)
        {
            poolers.insert(way, pooler);
        }
        let port = poolers.get(&way).map_or(self.port, |pooler| pooler.port);
        format!(
            "postgresql://{user}:{SECRET}@127.0.0.1:{port}/postgres?pgbouncer=true&sslmode=verify-full"
        )
    }

    /// Writes the `.env` of somebody who takes this way.
    pub fn take(&self, project: &Project, way: Way, user: &str) {
        self.settings(project, &self.url(way, user), "ca");
    }

    /// Writes an `.env` with this target and authority.
    pub fn settings(&self, project: &Project, url: &str, authority: &str) {
        let (source, ca) = (project.source.url(), self.authority(authority));
        project.write(
            ".env",
            &format!(
                "SOURCE_DATABASE_URL='{source}'\nDATABASE_URL='{url}'\nTARGET_SSLROOTCERT={ca}\nRUNNER_NAMESPACE={NAMESPACE}\n"
            ),
        );
    }

    /// Everything the server has written down so far.
    pub fn log(&self) -> String {
        log_of(&self.dir)
    }

    /// The file of an authority: `ca` has signed the server's certificate, `other-ca` has not.
    pub fn authority(&self, name: &str) -> String {
        self.dir.join(format!("{name}.crt")).display().to_string()
    }
}
