//! TCP settings that the driver leaves out.
//!
//! sqlx 0.9 leaves Nagle's algorithm on. The end of every COPY is a small message behind a large one, so it
//! waited for the server's delayed acknowledgement: 40 ms per COPY, measured on loopback. Client keepalives
//! let us notice a network that went away without a word.
//!
//! The driver does not show its socket. On Linux the process may take a second handle to each of its own
//! sockets (`pidfd_getfd`); settings belong to the socket, not the handle. Elsewhere, or where a sandbox
//! says no, sessions work as before, only slower.

#[cfg(target_os = "linux")]
pub(super) fn tune() {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    use std::time::Duration;

    let Ok(own) = pidfd_open(getpid(), PidfdFlags::empty()) else {
        return;
    };
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    for entry in open.flatten() {
        let is_socket = std::fs::read_link(entry.path())
            .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
        let number = entry.file_name().to_str().and_then(|n| n.parse().ok());
        let Some(number) = number.filter(|_| is_socket) else {
            continue;
        };
        // sockets that are no TCP connections refuse these settings, which is as well
        if let Ok(socket) = pidfd_getfd(&own, number, PidfdGetfdFlags::empty())
            && rustix::net::sockopt::set_tcp_nodelay(&socket, true).is_ok()
        {
            let _ = rustix::net::sockopt::set_socket_keepalive(&socket, true);
            let _ = rustix::net::sockopt::set_tcp_keepidle(&socket, Duration::from_secs(30));
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn tune() {}
