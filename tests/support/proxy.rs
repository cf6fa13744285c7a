//! A wire with faults, between the program and a server: cut at a byte, mute, slow, and with an ear for COMMIT.
//!
//! Understands as much of the protocol as is needed to count what a client asks (`sslmode=disable` on loopback,
//! so everything is in clear text).

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// What the wire does to those that use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: bytes and questions are counted.
    None,
    /// The connection that carries this byte (of all connections, from 0) ends before it; later ones work.
    Cut { way: Way, byte: u64 },
    /// From this byte on nothing passes any more, on no connection; nobody is told.
    MuteAtByte { way: Way, byte: u64 },
    /// The question with this number (of all connections, from 0) gets no answer, and after it nothing passes
    /// any more, on no connection. `arrives`: the server gets this question yet.
    Mute { question: u64, arrives: bool },
    /// As [`Fault::Mute`], on the one connection that asks it: all others work.
    HalfOpen { question: u64, arrives: bool },
    /// The nth COMMIT of a chunk (from 0) is the last that its connection sends. `arrives`: the server commits, and
    /// the reply is lost.
    LoseCommit { nth: u64, arrives: bool },
    /// The server gets ROLLBACK where the client sends the nth COMMIT of a chunk, and answers honestly.
    SwallowCommit { nth: u64 },
    /// Whatever a server sends takes so long.
    Slow { millis: u64 },
}

/// The wire. Everything on it ends with the value.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: u16,
    fault: Mutex<Fault>,
    questions: AtomicU64,
    commits: AtomicU64,
    bytes: [AtomicU64; 2],
    /// The fault happened.
    struck: AtomicBool,
    /// Nothing passes any more.
    silent: AtomicBool,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A wire to the server that listens on this port of the loopback.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            server,
            fault: Mutex::new(Fault::None),
            questions: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            bytes: [AtomicU64::new(0), AtomicU64::new(0)],
            struck: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let kept = shared.clone();
        let accepting = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                shared.clone().carry(client);
            }
        });
        Self {
            port,
            shared: kept,
            accepting: Some(accepting),
        }
    }

    /// The same database by this wire.
    pub fn url(&self, url: &str) -> String {
        let server = format!("127.0.0.1:{}/", self.shared.server);
        assert!(url.contains(&server), "{url} is not behind this wire");
        url.replace(&server, &format!("127.0.0.1:{}/", self.port))
    }

    /// Begins to count anew, with this fault.
    pub fn set(&self, fault: Fault) {
        self.heal();
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// Ends all connections and carries everything again.
    pub fn heal(&self) {
        let shared = &self.shared;
        *shared.fault.lock().unwrap() = Fault::None;
        for stream in shared.open.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
        shared.silent.store(false, Ordering::SeqCst);
        shared.struck.store(false, Ordering::SeqCst);
        let [up, down] = &shared.bytes;
        for count in [&shared.questions, &shared.commits, up, down] {
            count.store(0, Ordering::SeqCst);
        }
    }

    /// Whether the fault has happened.
    pub fn struck(&self) -> bool {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Questions that were asked so far: logins, statements, ends of COPY.
    pub fn questions(&self) -> u64 {
        self.shared.questions.load(Ordering::SeqCst)
    }

    /// Bytes that went one way so far.
    pub fn bytes(&self, way: Way) -> u64 {
        self.shared.bytes[way as usize].load(Ordering::SeqCst)
    }

    /// Commits of chunks so far.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.heal();
        // wakes the thread that accepts
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

/// One connection: what both of its directions know.
struct Link {
    client: TcpStream,
    server: TcpStream,
    /// This connection is mute.
    silent: AtomicBool,
    /// Answers are swallowed.
    deaf: AtomicBool,
}

impl Link {
    fn end(&self) {
        self.client.shutdown(Shutdown::Both).ok();
        self.server.shutdown(Shutdown::Both).ok();
    }
}

impl Shared {
    fn carry(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server)) else {
            return;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
            self.open.lock().unwrap().extend(stream.try_clone().ok());
        }
        let link = Arc::new(Link {
            client,
            server,
            silent: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
        });
        let (shared, down) = (self.clone(), link.clone());
        std::thread::spawn(move || {
            shared.to_client(&down);
            down.end();
        });
        std::thread::spawn(move || {
            self.to_server(&link);
            // as a server does that asks a silent client whether it lives
            link.end();
        });
    }

    fn to_client(&self, link: &Link) {
        let mut from = &link.server;
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if let Fault::Slow { millis } = self.fault() {
                self.struck.store(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(millis));
            }
            if link.deaf.load(Ordering::SeqCst) {
                // what the server answers to the question that is to get no answer: read, and lost
                continue;
            }
            if !self.pass(link, Way::ToClient, &buffer[..count], &link.client) {
                return;
            }
        }
    }

    fn to_server(&self, link: &Link) {
        let mut from = &link.client;
        let mut buffer = vec![0; 64 * 1024];
        let mut waiting: Vec<u8> = Vec::new();
        let mut begun = false;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            waiting.extend_from_slice(&buffer[..count]);
            while let Some(length) = message(&waiting, begun) {
                let mut one: Vec<u8> = waiting.drain(..length).collect();
                let login = !begun;
                begun = true;
                if !self.hear(link, &mut one, login) {
                    return;
                }
            }
        }
    }

    /// Takes a whole message of a client. False when the connection is over.
    fn hear(&self, link: &Link, message: &mut [u8], login: bool) -> bool {
        let kind = if login { b'Q' } else { message[0] };
        let asks = matches!(kind, b'Q' | b'S' | b'c');
        let question = if asks {
            self.questions.fetch_add(1, Ordering::SeqCst)
        } else {
            0
        };
        let commit = kind == b'Q' && !login && commits(message);
        let fault = self.fault();
        match fault {
            Fault::Mute {
                question: at,
                arrives,
            }
            | Fault::HalfOpen {
                question: at,
                arrives,
            } if asks && question == at => {
                self.struck.store(true, Ordering::SeqCst);
                link.deaf.store(true, Ordering::SeqCst);
                if arrives {
                    self.pass(link, Way::ToServer, message, &link.server);
                }
                let all = matches!(fault, Fault::Mute { .. });
                let silent = if all { &self.silent } else { &link.silent };
                silent.store(true, Ordering::SeqCst);
                return true;
            }
            Fault::LoseCommit { nth, arrives }
                if commit && self.commits.fetch_add(1, Ordering::SeqCst) == nth =>
            {
                self.struck.store(true, Ordering::SeqCst);
                link.deaf.store(true, Ordering::SeqCst);
                if arrives {
                    self.pass(link, Way::ToServer, message, &link.server);
                    // the server reads what has arrived before it sees the end
                    link.server.shutdown(Shutdown::Write).ok();
                    std::thread::sleep(Duration::from_millis(300));
                }
                return false;
            }
            Fault::SwallowCommit { nth }
                if commit && self.commits.fetch_add(1, Ordering::SeqCst) == nth =>
            {
                self.struck.store(true, Ordering::SeqCst);
                let at = place_of_commit(message).expect("a commit");
                message[at..at + 6].copy_from_slice(b"abort ");
            }
            Fault::LoseCommit { .. } | Fault::SwallowCommit { .. } => {}
            _ if commit => {
                self.commits.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        self.pass(link, Way::ToServer, message, &link.server)
    }

    /// Sends bytes on, as far as they go. False when the connection is over.
    fn pass(&self, link: &Link, way: Way, bytes: &[u8], mut to: &TcpStream) -> bool {
        if self.silent.load(Ordering::SeqCst) || link.silent.load(Ordering::SeqCst) {
            return true;
        }
        let count = bytes.len() as u64;
        let before = self.bytes[way as usize].fetch_add(count, Ordering::SeqCst);
        let within = |byte: u64| {
            (before..before + count)
                .contains(&byte)
                .then(|| (byte - before) as usize)
        };
        match self.fault() {
            Fault::Cut { way: at, byte } if at == way => {
                if let Some(end) = within(byte) {
                    self.struck.store(true, Ordering::SeqCst);
                    to.write_all(&bytes[..end]).ok();
                    return false;
                }
            }
            Fault::MuteAtByte { way: at, byte } if at == way => {
                if let Some(end) = within(byte) {
                    self.struck.store(true, Ordering::SeqCst);
                    self.silent.store(true, Ordering::SeqCst);
                    to.write_all(&bytes[..end]).ok();
                    return true;
                }
            }
            _ => {}
        }
        to.write_all(bytes).is_ok()
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }
}

/// The length of the first message, when all of it is there. The first one of a connection has no kind.
fn message(bytes: &[u8], begun: bool) -> Option<usize> {
    let at = usize::from(begun);
    let length = bytes.get(at..at + 4)?.try_into().expect("four bytes");
    let length = at + u32::from_be_bytes(length) as usize;
    (bytes.len() >= length).then_some(length)
}

/// A chunk's COMMIT asks for its ledger line behind it.
fn commits(message: &[u8]) -> bool {
    place_of_commit(message).is_some()
}

fn place_of_commit(message: &[u8]) -> Option<usize> {
    let wanted = b"commit; select";
    message
        .windows(wanted.len())
        .position(|found| found == wanted)
}
