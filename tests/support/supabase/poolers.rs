//! Poolers in front of the stand-in, each started when it is first asked for.

use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::{Duration, Instant};

use super::certificates::{program, written};
use super::{SECRET_PLAIN, Way};
use crate::support::server::{free_port, log_of, own_dir, supervise, unprivileged};

/// A pooler; it ends with the value.
pub(super) struct Pooler {
    pub(super) port: u16,
    _life: ChildStdin,
}

/// Pool mode, connections to the server, clients, and the certificate that is shown; `None` for the database itself.
fn shape(way: Way) -> Option<(&'static str, u32, u32, &'static str)> {
    match way {
        Way::Direct => None,
        Way::SessionPooler => Some(("session", 15, 100, "server")),
        Way::TransactionPooler => Some(("transaction", 3, 100, "server")),
        Way::SinglePooler => Some(("transaction", 1, 100, "server")),
        Way::ExpiredPooler => Some(("session", 2, 100, "expired")),
        Way::PoolOfOne => Some(("session", 1, 100, "server")),
        Way::PoolOfFour => Some(("session", 4, 100, "server")),
        Way::OneClient => Some(("session", 1, 1, "server")),
    }
}

/// Starts the pooler of a way, in front of the server at `port` whose certificates are in `certificates`.
pub(super) fn start(way: Way, server: u16, certificates: &Path) -> Option<Pooler> {
    let (mode, size, clients, shown) = shape(way)?;
    let ids = unprivileged();
    let dir = own_dir("runner-test-pooler-", ids);
    let port = free_port();
    let users: String = ["postgres", "mover", "onlooker"]
        .map(|name| format!("\"{name}\" \"{SECRET_PLAIN}\"\n"))
        .concat();
    let users = written(&dir, "users", &users, ids);
    let file = |name: &str| certificates.join(name).display().to_string();
    let settings = format!(
        "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\npool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = {clients}\n\
         auth_type = scram-sha-256\nauth_file = {}\nignore_startup_parameters = extra_float_digits\n\
         client_tls_sslmode = require\nclient_tls_cert_file = {}\nclient_tls_key_file = {}\nserver_tls_sslmode = require\n",
        users.display(),
        file(&format!("{shown}.crt")),
        file(&format!("{shown}.key"))
    );
    let settings = written(&dir, "pgbouncer.ini", &settings, ids);
    let mut pgbouncer = Command::new(program("pgbouncer"));
    pgbouncer.arg(settings);
    let life = supervise(&pgbouncer, &dir, ids);
    let started = Instant::now();
    // its log, not its port: with one client allowed, a knock would be that client
    while !log_of(&dir).contains("process up") {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "pgbouncer did not start:\n{}",
            log_of(&dir)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(Pooler { port, _life: life })
}
