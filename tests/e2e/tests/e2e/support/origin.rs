//! An upstream that says who it is, remembers what it was asked, and fails as it is told.
//!
//! Paths with a meaning: `/sse` streams what [`Origin::tell`] is given; a request for a WebSocket is
//! accepted and echoed, the origin's name in front.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use super::client::read_head;

/// What an origin does with requests from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    /// Answers 200.
    Answer,
    /// Answers with this status.
    Status(u16),
}

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        lines.next().map(|(_, value)| value.as_str())
    }
}

struct Shared {
    name: String,
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    asked: AtomicU64,
    remembers: AtomicBool,
    listeners: Mutex<Vec<TcpStream>>,
}

/// A running origin; its thread ends with the process.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    pub(crate) fn start(name: &str) -> Origin {
        Origin::listen(name, TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn listen(name: &str, listener: TcpListener) -> Origin {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            script: Mutex::new(Script::Answer),
            seen: Mutex::new(Vec::new()),
            asked: AtomicU64::new(0),
            remembers: AtomicBool::new(true),
            listeners: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || drop(converse(stream, &shared)));
            }
        });
        Origin { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn script(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Everything it was asked so far, health and load aside.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many requests that was.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }

    /// Remembers nothing from now on, under load.
    pub(crate) fn stop_remembering(&self) {
        self.shared.remembers.store(false, Ordering::Relaxed);
    }

    /// Sends one event on every open `/sse` stream.
    pub(crate) fn tell(&self, event: &str) {
        let chunk = format!("data: {event}\n\n");
        let frame = format!("{:x}\r\n{chunk}\r\n", chunk.len());
        let mut listeners = self.shared.listeners.lock().unwrap();
        listeners.retain_mut(|stream| stream.write_all(frame.as_bytes()).is_ok());
    }

    /// How many `/sse` streams are open.
    pub(crate) fn listeners(&self) -> usize {
        self.shared.listeners.lock().unwrap().len()
    }
}

fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let (line, headers) = read_head(&mut reader)?;
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut seen = Seen { method, target, headers, body: Vec::new() };
        seen.body = read_body(&mut reader, &seen)?;
        shared.asked.fetch_add(1, Ordering::Relaxed);
        if shared.remembers.load(Ordering::Relaxed) {
            shared.seen.lock().unwrap().push(seen.clone());
        }
        if let Some(key) = seen.header("sec-websocket-key") {
            return echo(reader, key, &shared.name);
        }
        if seen.target == "/sse" {
            let head = format!(
                "HTTP/1.1 200 OK\r\nx-origin: {}\r\ncontent-type: text/event-stream\r\n\
                 transfer-encoding: chunked\r\n\r\n",
                shared.name
            );
            let mut stream = reader.into_inner();
            stream.write_all(head.as_bytes())?;
            shared.listeners.lock().unwrap().push(stream);
            return Ok(());
        }
        let script = shared.script.lock().unwrap().clone();
        let status = match script {
            Script::Answer => 200,
            Script::Status(status) => status,
        };
        let body = format!("{} {} {}", shared.name, seen.method, seen.target);
        let shown = if seen.method == "HEAD" { "" } else { body.as_str() };
        let answer = format!(
            "HTTP/1.1 {status} Said\r\nx-origin: {}\r\ncontent-length: {}\r\n\r\n{shown}",
            shared.name,
            body.len()
        );
        reader.get_mut().write_all(answer.as_bytes())?;
    }
}

fn read_body(reader: &mut BufReader<TcpStream>, seen: &Seen) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if let Some(length) = seen.header("content-length") {
        body.resize(length.parse().map_err(|_| io::ErrorKind::InvalidData)?, 0);
        reader.read_exact(&mut body)?;
    }
    Ok(body)
}

/// Accepts a WebSocket and answers every text with the origin's name in front.
fn echo(reader: BufReader<TcpStream>, key: &str, name: &str) -> io::Result<()> {
    let mut stream = reader.into_inner();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nx-origin: {name}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(head.as_bytes())?;
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                let answer = Message::text(format!("{name}: {text}"));
                socket.send(answer).map_err(io::Error::other)?;
            }
            Ok(_) => {}
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}
