//! TCP settings that the driver leaves out.
//!
//! sqlx 0.9 leaves Nagle's algorithm on. The end of every COPY is a small message behind a large one, so it
//! waited for the server's delayed acknowledgement: 40 ms per COPY, measured on loopback. Client keepalives
//! let us notice a network that went away without a word while we wait for an answer: after 30 s, and six
//! questions 10 s apart, as the servers are told to ask us; the system's own answer would be two hours. There is
//! no limit for what was sent and is not taken (`TCP_USER_TIMEOUT`): a server that works on a slow trigger does
//! not take rows for as long; there the limit of the statement ends the wait.
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
            let _ = rustix::net::sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(10));
            let _ = rustix::net::sockopt::set_tcp_keepcnt(&socket, 6);
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn tune() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::net::sockopt as of;

    use super::*;

    #[test]
    fn a_network_that_went_away_is_noticed_within_a_minute_and_a_half() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = server.local_addr().expect("an address");
        let client = std::net::TcpStream::connect(address).expect("a connection");
        tune();
        assert!(of::tcp_nodelay(&client).expect("a setting"));
        assert!(of::socket_keepalive(&client).expect("a setting"));
        let idle = of::tcp_keepidle(&client).expect("a setting");
        let asked = of::tcp_keepintvl(&client).expect("a setting");
        let times = of::tcp_keepcnt(&client).expect("a setting");
        assert_eq!((idle + asked * times).as_secs(), 90);
    }
}
