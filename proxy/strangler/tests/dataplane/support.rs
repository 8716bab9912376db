//! A proxy in this process, an origin that a test plays by hand, and a client that sends bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use strangler::live::{Live, Running};
use strangler::server::Server;
use strangler::telemetry::Telemetry;
use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::snapshot::Snapshot;

/// Nothing in a test takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// An origin: the test accepts its connections and plays the server.
pub struct Origin {
    listener: TcpListener,
}

impl Origin {
    pub fn new() -> Origin {
        Origin { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection.
    pub fn accept(&self) -> Wire {
        self.listener.set_nonblocking(true).unwrap();
        let found = poll(|| self.listener.accept().ok()).expect("a connection to the origin");
        found.0.set_nonblocking(false).unwrap();
        Wire::new(found.0)
    }

    /// Whether a connection waits to be accepted.
    pub fn has_connection(&self) -> bool {
        self.listener.set_nonblocking(true).unwrap();
        self.listener.accept().is_ok()
    }

    /// The connection that waits to be accepted, or nothing once `given_up`.
    pub fn accept_unless(&self, mut given_up: impl FnMut() -> bool) -> Option<Wire> {
        self.listener.set_nonblocking(true).unwrap();
        let found = poll(|| match self.listener.accept() {
            Ok((stream, _)) => Some(Some(stream)),
            Err(_) => given_up().then_some(None),
        });
        let stream = found.expect("a connection, or none")?;
        stream.set_nonblocking(false).unwrap();
        Some(Wire::new(stream))
    }

    /// Answers every request of every connection with what `answer` makes of its head and body, until the test
    /// ends.
    pub fn serve(self, answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + Clone + 'static) -> SocketAddr {
        let address = self.address();
        self.listener.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = self.listener.accept() {
                let answer = answer.clone();
                std::thread::spawn(move || {
                    let mut wire = Wire::new(stream);
                    while let Some((head, body)) = wire.try_message() {
                        if wire.stream.write_all(&answer(&head, &body)).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }
}

/// An address where nobody listens, nor will while this process lives: its port is taken, and by nobody else.
pub fn nobody() -> SocketAddr {
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    let _never_closed = held.into_raw_fd();
    address
}

/// Calls `look` until it finds something or patience ends.
pub fn poll<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > until {
            return None;
        }
        std::thread::yield_now();
    }
}

/// One end of a connection, played by hand.
pub struct Wire {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Wire {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Wire { stream, buffer: Vec::new() }
    }

    pub fn connect(address: SocketAddr) -> Wire {
        Wire::new(TcpStream::connect(address).unwrap())
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Wire {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    fn fill(&mut self) -> std::io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    /// Everything up to and with `end`.
    pub fn read_until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = find(&self.buffer, end.as_bytes()) {
                let rest = self.buffer.split_off(at + end.len());
                let found = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8_lossy(&found).into_owned();
            }
            match self.fill() {
                Ok(0) => panic!("ended before {end:?}: {:?}", String::from_utf8_lossy(&self.buffer)),
                Ok(_) => {}
                Err(error) => panic!("{error} before {end:?}: {:?}", String::from_utf8_lossy(&self.buffer)),
            }
        }
    }

    /// A message's head, with its empty line.
    pub fn head(&mut self) -> String {
        self.read_until("\r\n\r\n")
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert_ne!(self.fill().unwrap(), 0, "ended early: {:?}", String::from_utf8_lossy(&self.buffer));
        }
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Exactly this text comes next.
    pub fn expect(&mut self, text: &str) -> &mut Wire {
        let found = self.bytes(text.len());
        assert_eq!(String::from_utf8_lossy(&found), text);
        self
    }

    /// What comes until the other side ends the connection, and whether that was a clean end.
    pub fn rest(&mut self) -> (String, bool) {
        let clean = loop {
            match self.fill() {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break false,
                Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&self.buffer)),
            }
        };
        (String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned(), clean)
    }

    /// The other side ends the connection without another byte.
    pub fn ended(&mut self) {
        assert_eq!(self.rest().0, "");
    }

    /// A whole message with a length or no body.
    pub fn message(&mut self) -> (String, Vec<u8>) {
        let head = self.head();
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = self.bytes(length);
        (head, body)
    }

    fn try_message(&mut self) -> Option<(String, Vec<u8>)> {
        while find(&self.buffer, b"\r\n\r\n").is_none() {
            if !matches!(self.fill(), Ok(count) if count > 0) {
                return None;
            }
        }
        Some(self.message())
    }

    /// Whether bytes are there to be read.
    pub fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let there = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_nonblocking(false).unwrap();
        there
    }

    /// Nothing has come for a moment that is long enough for this machine to deliver what was sent.
    pub fn is_silent(&mut self, moment: Duration) -> bool {
        self.stream.set_read_timeout(Some(moment)).unwrap();
        let outcome = self.fill();
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.buffer.is_empty() && outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The first value of a header, by name in any case.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// All header lines as sent, the start line left out.
pub fn lines(head: &str) -> Vec<&str> {
    head.trim_end().split("\r\n").skip(1).collect()
}

/// The status of an answer.
pub fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A running proxy. Dropping it cuts its connections.
pub struct Proxy {
    pub address: SocketAddr,
    pub live: Arc<Live>,
    pub telemetry: Arc<Telemetry>,
    server: Option<Server>,
}

impl Proxy {
    pub fn start(snapshot: Snapshot) -> Proxy {
        Proxy::start_with(snapshot, 1)
    }

    pub fn start_with(snapshot: Snapshot, workers: usize) -> Proxy {
        let live = Live::new(Running::first(Arc::new(snapshot)));
        let telemetry = Telemetry::new();
        let server =
            Server::start(&["127.0.0.1:0".parse().unwrap()], workers, &live, &telemetry, None).unwrap();
        Proxy { address: server.addresses()[0], live, telemetry, server: Some(server) }
    }

    /// A proxy in front of one legacy origin.
    pub fn before(origin: &Origin) -> Proxy {
        Proxy::start(legacy(origin.address()))
    }

    pub fn connect(&self) -> Wire {
        Wire::connect(self.address)
    }

    /// A client that has sent `request`, and the origin's end of it, its head read.
    pub fn asks(&self, origin: &Origin, request: impl AsRef<[u8]>) -> (Wire, Wire) {
        let mut client = self.connect();
        client.send(request);
        let mut upstream = origin.accept();
        upstream.head();
        (client, upstream)
    }

    /// Publishes another configuration.
    pub fn reload(&self, snapshot: Snapshot) {
        let next = self.live.pin().next(Arc::new(snapshot));
        self.live.publish(Arc::new(next));
    }

    /// Begins to drain on a thread of its own, which gives the number of cut connections.
    pub fn drain(&mut self, grace: Duration) -> std::thread::JoinHandle<u64> {
        let server = self.server.take().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(server.drain(grace))
        })
    }

    /// Waits until a request with this status was counted, and returns the row's owner.
    pub fn counted(&self, code: u16) -> &'static str {
        poll(|| self.telemetry.traffic().into_iter().find(|row| row.code == code))
            .unwrap_or_else(|| panic!("no {code} in {:?}", self.telemetry.traffic()))
            .owner
    }
}

/// A compiled configuration. `[server]` and `[limits]` may be set in `text`.
pub fn compiled(text: &str) -> Snapshot {
    let main = SourceText { name: "test.toml".to_owned(), text: format!("version = 1\n{text}") };
    let sources = Sources { main, included: Vec::new() };
    let options = LoadOptions { base: Path::new("."), env: &|_| None, today: jiff::civil::date(2026, 1, 1) };
    let loaded = load(&sources, &options);
    let snapshot = loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    Arc::into_inner(snapshot).unwrap()
}

/// One legacy origin, no slice.
pub fn legacy(address: SocketAddr) -> Snapshot {
    compiled(&format!("legacy = \"http://{address}\"\n"))
}

/// One legacy origin with these keys in its upstream table, and whatever else `rest` says.
pub fn legacy_with(addresses: &[SocketAddr], keys: &str, rest: &str) -> Snapshot {
    let endpoints: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
    compiled(&format!(
        "legacy = \"monolith\"\n[upstreams.monolith]\nendpoints = {endpoints:?}\n{keys}\n{rest}\n"
    ))
}

/// Legacy, and one slice in phase extracted with these keys in its table.
pub fn extracted(legacy: SocketAddr, service: SocketAddr, keys: &str) -> Snapshot {
    compiled(&format!(
        "legacy = \"http://{legacy}\"\n[slices.products]\nupstream = \"http://{service}\"\n\
         phase = \"extracted\"\nsync = \"stateless\"\n{keys}\n"
    ))
}
