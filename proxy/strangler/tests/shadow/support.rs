//! A shadow thread in this process, origins that answer by script, and a data thread played by the test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use strangler::live::{Live, Running};
use strangler::shadow::{Finished, Lane, PrimaryEnd, Shadows, Sink, Ticket};
use strangler::telemetry::Telemetry;
use strangler_core::compare::{Account, Compared, FieldLines, NotCompared};
use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::matching::path::split_target;
use strangler_core::routing::{Decision, Facts, RequestView, decide};
use strangler_core::snapshot::Snapshot;

/// Nothing in a test takes longer unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One request as an origin saw it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub line: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// What an origin does with a request.
pub enum Act {
    /// Sends these bytes and goes on.
    Answer(Vec<u8>),
    /// Sends these bytes and closes.
    Last(Vec<u8>),
    /// Sends these bytes and resets the connection.
    Reset(Vec<u8>),
    /// Sends the first bytes, then the others again and again until the peer leaves.
    Endless(Vec<u8>, Vec<u8>),
    /// Says nothing until the peer leaves.
    Stall,
}

pub fn ok(body: &str) -> Act {
    Act::Answer(answer("200 OK", &[], body))
}

pub fn answer(status: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text =
        format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// An origin that answers by script and keeps what it was asked.
pub struct Origin {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<u32>>,
}

impl Origin {
    pub fn new(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let connections = Arc::<Mutex<u32>>::default();
        let (kept, counted, script) = (Arc::clone(&asked), Arc::clone(&connections), Arc::new(script));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                *counted.lock().unwrap() += 1;
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                std::thread::spawn(move || serve(stream, &kept, &*script));
            }
        });
        Origin { address, asked, connections }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u32 {
        *self.connections.lock().unwrap()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Asked>>, script: &(dyn Fn(&Asked) -> Act + Send + Sync)) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    while let Some(asked) = request(&mut stream, &mut buffer) {
        kept.lock().unwrap().push(asked.clone());
        let sent = match script(&asked) {
            Act::Answer(bytes) => stream.write_all(&bytes),
            Act::Last(bytes) => {
                let _gone = stream.write_all(&bytes);
                return;
            }
            Act::Reset(bytes) => {
                let _gone = stream.write_all(&bytes);
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
                return;
            }
            Act::Endless(first, again) => {
                let mut sent = stream.write_all(&first);
                while sent.is_ok() {
                    sent = stream.write_all(&again);
                }
                return;
            }
            Act::Stall => {
                let _until_it_leaves = stream.read(&mut [0; 1]);
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

fn request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    let mut more = |buffer: &mut Vec<u8>| {
        let mut piece = [0; 64 * 1024];
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        buffer.extend_from_slice(&piece[..count]);
        Some(())
    };
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        more(buffer)?;
    };
    let head = String::from_utf8(buffer.drain(..end).collect()).unwrap();
    let mut asked = Asked { line: head.lines().next().unwrap().to_owned(), head, body: Vec::new() };
    if asked.header("transfer-encoding").is_some() {
        while !buffer.ends_with(b"0\r\n\r\n") {
            more(buffer)?;
        }
        asked.body = std::mem::take(buffer);
    } else {
        let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
        while buffer.len() < length {
            more(buffer)?;
        }
        asked.body = buffer.drain(..length).collect();
    }
    Some(asked)
}

/// A configuration of one slice.
pub fn snapshot(text: &str) -> Arc<Snapshot> {
    let main = SourceText { name: "test.toml".to_owned(), text: format!("version = 1\n{text}") };
    let options = LoadOptions { base: Path::new(""), env: &|_| None, today: jiff::civil::date(2026, 6, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    let said: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect();
    loaded.snapshot.unwrap_or_else(|| panic!("{said:?}"))
}

/// A slice `s` with every path, in phase shadow.
pub fn in_shadow(legacy: &Origin, extracted: &str, shadow: &str) -> String {
    format!(
        "legacy = {:?}\n[slices.s]\nupstream = {extracted:?}\nphase = \"shadow\"\nsync = \"stateless\"\n\
         routes = [\"/**\", {{ match = \"POST /search\", effect = \"read\" }}, {{ match = \"GET /logout\", effect = \"write\" }}]\n\
         [slices.s.shadow]\n{shadow}\n",
        legacy.url()
    )
}

/// What a sink was told of one request.
#[derive(Clone, Debug)]
pub struct Told {
    pub account: Account,
    pub findings: Vec<String>,
    /// What had been found before asking again set it aside.
    pub set_aside: Option<Vec<String>>,
    pub repeated: Option<Vec<String>>,
}

#[derive(Default)]
struct Book {
    told: Vec<Told>,
    elsewhere: BTreeMap<NotCompared, u64>,
}

/// Keeps what a sink is told.
#[derive(Clone, Default)]
pub struct Keeper(Arc<(Mutex<Book>, Condvar)>);

impl Sink for Keeper {
    fn finished(&mut self, finished: &Finished<'_>) {
        let names = |comparison: &strangler_core::compare::Comparison| {
            let one = |finding: &strangler_core::compare::Finding| {
                format!("{} {}", finding.difference.kind.as_str(), finding.difference.path)
            };
            comparison.differences.iter().map(one).collect::<Vec<_>>()
        };
        let findings = match finished.compared {
            Compared::Compared(comparison) => names(comparison),
            Compared::NotCompared(_) => Vec::new(),
        };
        let itself = |repeated: &strangler_core::evidence::Repeated| {
            repeated.legacy.iter().map(|(path, kind)| format!("{kind} {path}")).collect()
        };
        let told = Told {
            account: finished.compared.account(),
            findings,
            set_aside: finished.set_aside.map(names),
            repeated: finished.repeated.map(itself),
        };
        self.0.0.lock().unwrap().told.push(told);
        self.0.1.notify_all();
    }

    fn not_compared(&mut self, _: &Arc<str>, _: &Arc<str>, reason: NotCompared, count: u64) {
        *self.0.0.lock().unwrap().elsewhere.entry(reason).or_default() += count;
        self.0.1.notify_all();
    }
}

/// Everything that is needed to play a data thread.
pub struct Kit {
    pub live: Arc<Live>,
    pub telemetry: Arc<Telemetry>,
    pub lane: Lane,
    pub shadows: Shadows,
    keeper: Keeper,
}

impl Kit {
    pub fn new(text: &str) -> Kit {
        let live = Live::new(Running::first(snapshot(text)));
        let telemetry = Telemetry::new();
        let keeper = Keeper::default();
        let shadows = Shadows::start(&live, &telemetry, Box::new(keeper.clone())).unwrap();
        let lane = shadows.entry().lane(Rc::new(telemetry.recorder()));
        Kit { live, telemetry, lane, shadows, keeper }
    }

    pub fn publish(&self, text: &str) {
        let next = self.live.pin().next(snapshot(text));
        self.live.publish(Arc::new(next));
    }

    /// The ticket of a request, if it is copied; its head is in, its body is to come.
    pub fn ticket(&self, request: &str, headers: &[&str]) -> Option<Ticket> {
        let running = self.live.pin();
        let (method, target) = request.split_once(' ').unwrap();
        let lines: Vec<(&str, &str)> = [("Host", "shop.example")]
            .into_iter()
            .chain(headers.iter().map(|line| line.split_once(": ").unwrap()))
            .collect();
        let decision = decision(&running.snapshot, method, target, &lines);
        let mut ticket = self.lane.ticket(&running, &decision, Instant::now())?;
        let lines: FieldLines = lines.into_iter().collect();
        ticket.request_head(&method.parse().unwrap(), target.as_bytes(), &lines);
        Some(ticket)
    }

    /// A request without a body that its primary answers with 200 and this body.
    pub fn exchange(&self, request: &str, headers: &[&str], reply: &str) -> bool {
        let Some(mut ticket) = self.ticket(request, headers) else { return false };
        ticket.request_end();
        answered(&mut ticket, reply);
        ticket.finish(PrimaryEnd::Complete);
        true
    }

    /// Waits until the sink was told of so many requests, and says which accounts they are in.
    pub fn accounts(&self, count: u64) -> BTreeMap<String, u64> {
        let total = |book: &Book| book.told.len() as u64 + book.elsewhere.values().sum::<u64>();
        let book = self.keeper.0.0.lock().unwrap();
        let (book, timeout) =
            self.keeper.0.1.wait_timeout_while(book, PATIENCE, |book| total(book) < count).unwrap();
        assert!(!timeout.timed_out(), "{} of {count}: {:?}", total(&book), book.elsewhere);
        let mut accounts = BTreeMap::new();
        for told in &book.told {
            *accounts.entry(text(told.account)).or_default() += 1;
        }
        for (reason, count) in &book.elsewhere {
            *accounts.entry(text(Account::NotCompared(*reason))).or_default() += count;
        }
        assert_eq!(accounts.values().sum::<u64>(), count, "each request ends once: {accounts:?}");
        accounts
    }

    /// What the sink was told of the only request so far.
    pub fn told(&self) -> Told {
        self.accounts(1);
        self.keeper
            .0
            .0
            .lock()
            .unwrap()
            .told
            .first()
            .cloned()
            .expect("an exchange that reached the shadow thread")
    }

    pub fn all_told(&self) -> Vec<Told> {
        self.keeper.0.0.lock().unwrap().told.clone()
    }

    /// The same accounts as metrics count them.
    pub fn counted(&self) -> BTreeMap<String, u64> {
        let mut accounts = BTreeMap::new();
        for ((_, account), count) in self.telemetry.accounts() {
            *accounts.entry(text(account)).or_default() += count;
        }
        accounts
    }

    pub fn drain(self, grace: Duration) -> Keeper {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.shadows.drain(grace));
        self.keeper
    }
}

pub fn answered(ticket: &mut Ticket, body: &str) {
    let length = body.len().to_string();
    let lines = [("Content-Type", "application/json"), ("Content-Length", &length)];
    ticket.reply_head(200, &lines.into_iter().collect::<FieldLines>());
    ticket.reply_piece(body.as_bytes());
}

fn text(account: Account) -> String {
    match account {
        Account::NotCompared(reason) => reason.as_str().to_owned(),
        account => account.as_str().to_owned(),
    }
}

fn decision(snapshot: &Snapshot, method: &str, target: &str, lines: &[(&str, &str)]) -> Decision {
    let headers: HeaderMap = lines
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let (path, query) = split_target(target);
    let view = RequestView { method, host: "shop.example", path, query, headers: &headers, client_ip: None };
    decide(snapshot, &view, Facts::NONE)
}

/// Calls `look` until it finds something or patience ends.
pub fn poll<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it did not happen");
        std::thread::yield_now();
    }
}

/// An address where nobody listens, nor will while this process lives: its port is taken, and by nobody else.
pub fn nobody() -> SocketAddr {
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    held.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = held.local_addr().unwrap().as_socket().unwrap();
    let _never_closed = std::os::fd::IntoRawFd::into_raw_fd(held);
    address
}
