//! A stand-in for a Supabase project: Postgres with TLS under an authority of its own, passwords by SCRAM,
//! `postgres` that is no superuser, the API's roles, schemas of other owners, and two poolers in front.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::{Duration, Instant};

use super::database::Db;
use super::server::{
    command, find_binaries, free_port, log_of, own_dir, succeed, supervise, unprivileged,
    wait_until_ready,
};

/// What `postgres` of the stand-in says at the door.
const SECRET: &str = "p%40ss%3Aword%2F1";
const SECRET_PLAIN: &str = "p@ss:word/1";

/// How a client gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

/// A running project. Everything ends with the value.
pub struct Standin {
    port: u16,
    dir: PathBuf,
    poolers: [u16; 4],
    /// What keeps the servers alive: they end when these are closed.
    lives: Vec<ChildStdin>,
}

/// The roles and rights that a project comes with, and tables of `auth` and `storage` that only their owners
/// may change.
const ROLES: &str = "
    create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
    create role supabase_auth_admin nologin; create role supabase_storage_admin nologin;
    create role postgres login createdb createrole replication bypassrls password 'SECRET';
    grant anon, authenticated, service_role, pg_monitor, pg_read_all_data, pg_signal_backend to postgres;
    alter role anon set statement_timeout = '3s'; alter role authenticated set statement_timeout = '8s';
    alter database postgres owner to postgres; alter schema public owner to postgres;
    alter database postgres set statement_timeout = '2min';";

/// After the demo has filled the tables as superuser: whose they are.
const OWNERS: &str = "
    do $$ declare t record; begin
      for t in select tablename from pg_tables where schemaname = 'public' loop
        execute format('alter table public.%I owner to postgres', t.tablename);
        execute format('alter table public.%I enable row level security', t.tablename);
        execute format('create policy mine on public.%I for select to authenticated using (false)', t.tablename);
      end loop;
      for t in select typname from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e' loop
        execute format('alter type public.%I owner to postgres', t.typname);
      end loop;
    end $$;
    alter table migration_mappings disable row level security; alter table migration_control disable row level security;
    alter schema auth owner to supabase_auth_admin; alter schema storage owner to supabase_storage_admin;
    alter table auth.users owner to supabase_auth_admin; alter table auth.identities owner to supabase_auth_admin;
    alter table storage.objects owner to supabase_storage_admin;
    alter table auth.users enable row level security; alter table storage.objects enable row level security;
    grant usage on schema auth, storage to postgres, service_role;
    grant select, insert, update, delete on all tables in schema auth, storage to postgres;
    create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id, profile_type, email) values (new.id, 'user', new.email);
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();";

impl Standin {
    pub fn start() -> Self {
        let binaries = find_binaries().expect("PostgreSQL (`tests/run --tools` installs it)");
        let ids = unprivileged();
        let dir = own_dir("runner-test-supabase-", ids);
        let data = dir.join("data");
        succeed(
            command(binaries.join("initdb"), ids)
                .args([
                    "-A",
                    "scram-sha-256",
                    "--auth-local",
                    "trust",
                    "-U",
                    "supabase_admin",
                    "-E",
                    "UTF8",
                    "--locale=C",
                    "-N",
                ])
                .arg("--pwfile")
                .arg(written(&dir, "first", SECRET_PLAIN, ids))
                .arg("-D")
                .arg(&data),
        );
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
        let lives = vec![supervise(&server, &dir, ids)];
        assert!(wait_until_ready(&dir), "{}", log_of(&dir));
        let mut standin = Self {
            port,
            dir,
            poolers: [0; 4],
            lives,
        };
        standin.admin().exec(&ROLES.replace("SECRET", SECRET_PLAIN));
        for (index, (mode, size)) in [
            ("session", 15),
            ("transaction", 3),
            ("transaction", 1),
            ("session", 2),
        ]
        .into_iter()
        .enumerate()
        {
            let (pooler, life) =
                standin.pooler(mode, size, if index == 3 { "expired" } else { "server" });
            standin.poolers[index] = pooler;
            standin.lives.push(life);
        }
        standin
    }

    /// Fills the target with the demo's, as it would stand in a project.
    pub fn settle(&self) {
        self.admin().exec(OWNERS);
    }

    /// The superuser, by the socket, for what only a vendor does.
    pub fn admin(&self) -> Db {
        Db::at(&format!(
            "postgres://supabase_admin@localhost:{}/postgres?host={}&sslmode=disable",
            self.port,
            self.dir.display()
        ))
    }

    /// What goes into `.env` for a user of the project. `sslmode` is left to the default for other machines.
    pub fn url(&self, way: Way, user: &str) -> String {
        let port = match way {
            Way::Direct => self.port,
            Way::SessionPooler => self.poolers[0],
            Way::TransactionPooler => self.poolers[1],
            Way::SinglePooler => self.poolers[2],
            Way::ExpiredPooler => self.poolers[3],
        };
        format!(
            "postgresql://{user}:{SECRET}@127.0.0.1:{port}/postgres?pgbouncer=true&sslmode=verify-full"
        )
    }

    /// The file of an authority: `ca` has signed the server's certificate, `other-ca` has not.
    pub fn authority(&self, name: &str) -> String {
        self.dir.join(format!("{name}.crt")).display().to_string()
    }

    fn pooler(&self, mode: &str, size: u32, shown: &str) -> (u16, ChildStdin) {
        let ids = unprivileged();
        let dir = own_dir("runner-test-pooler-", ids);
        let port = free_port();
        let users = format!("\"postgres\" \"{SECRET_PLAIN}\"\n\"mover\" \"{SECRET_PLAIN}\"\n");
        let users = written(&dir, "users", &users, ids);
        let file = |name: &str| self.dir.join(name).display().to_string();
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\npool_mode = {mode}\ndefault_pool_size = {size}\nauth_type = scram-sha-256\n\
             auth_file = {}\nignore_startup_parameters = extra_float_digits\n\
             client_tls_sslmode = require\nclient_tls_cert_file = {}\nclient_tls_key_file = {}\n\
             server_tls_sslmode = require\n",
            self.port,
            users.display(),
            file(&format!("{shown}.crt")),
            file(&format!("{shown}.key"))
        );
        let settings = written(&dir, "pgbouncer.ini", &settings, ids);
        let mut program = Command::new(program("pgbouncer"));
        program.arg(settings);
        let life = supervise(&program, &dir, ids);
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "pgbouncer did not start:\n{}",
                log_of(&dir)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        (port, life)
    }
}

fn program(name: &str) -> PathBuf {
    [
        "/usr/sbin",
        "/usr/bin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
    ]
    .iter()
    .map(|folder| Path::new(folder).join(name))
    .find(|path| path.is_file())
    .unwrap_or_else(|| panic!("no {name}: run `tests/run --tools`, or install it"))
}

type Owner = Option<super::server::Ids>;

/// A file that only the server's user can read.
fn written(dir: &Path, name: &str, text: &str, ids: Owner) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("permissions");
    if let Some(ids) = ids {
        std::os::unix::fs::chown(&path, Some(ids.uid), Some(ids.gid)).expect("chown");
    }
    path
}

fn openssl(dir: &Path, arguments: &[&str], ids: Owner) {
    succeed(
        command(program("openssl"), ids)
            .current_dir(dir)
            .args(arguments),
    );
}

fn authority(dir: &Path, name: &str, ids: Owner) {
    let (key, crt, subject) = (
        format!("{name}.key"),
        format!("{name}.crt"),
        format!("/CN={name}"),
    );
    openssl(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &crt,
            "-days",
            "3650",
            "-subj",
            &subject,
        ],
        ids,
    );
}

/// A certificate for 127.0.0.1, signed by `ca`, that is good for so many days.
fn certificate(dir: &Path, name: &str, days: i32, ids: Owner) {
    let (key, csr, crt) = (
        format!("{name}.key"),
        format!("{name}.csr"),
        format!("{name}.crt"),
    );
    openssl(
        dir,
        &[
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &csr,
            "-subj",
            "/CN=127.0.0.1",
        ],
        ids,
    );
    written(
        dir,
        "names",
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        ids,
    );
    let days = days.to_string();
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-in",
            &csr,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-out",
            &crt,
            "-days",
            &days,
            "-extfile",
            "names",
        ],
        ids,
    );
}
