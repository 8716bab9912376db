//! An origin that can be killed and brought back on its port, and that fails in every way an upstream can.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::ledger::{Arrival, Ledger, Role};
use super::payload::{Sum, Way, content, sum};
use super::wire::{Framing, Head, read_body, read_head};

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Resets the connection when the head has arrived.
    ResetAtHead,
    /// Resets it when the whole request has arrived.
    ResetUnanswered,
    /// Closes it then.
    CloseUnanswered,
    /// Closes it inside the answer.
    Cut,
    /// Resets it inside the answer.
    ResetInside,
    /// Says nothing at all.
    Stall,
    /// Says nothing more, inside the answer.
    StallInside,
    /// Sends more than it announced: what looks like another answer.
    Surplus,
    /// Sends what is not HTTP.
    Garbage,
    /// Closes after the answer, without having said so.
    CloseIdle,
    /// Resets after the answer.
    ResetIdle,
}

impl Fault {
    pub(crate) const ALL: [Fault; 11] = [
        Fault::ResetAtHead,
        Fault::ResetUnanswered,
        Fault::CloseUnanswered,
        Fault::Cut,
        Fault::ResetInside,
        Fault::Stall,
        Fault::StallInside,
        Fault::Surplus,
        Fault::Garbage,
        Fault::CloseIdle,
        Fault::ResetIdle,
    ];
}

/// A violation that this origin commits in the proxy's name, so that the judge can be seen to find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// Gives the answer of another request.
    SwapAnswer,
    /// Gives another request's body under the right id.
    SwapBody,
    /// Ends an answer cleanly half-way.
    CutAnswer,
    /// Has an unsafe request executed by another origin, too.
    Repeat(SocketAddr),
    /// Has another origin get a copy of an unsafe request.
    Copy(SocketAddr),
    /// Answers a read of what is tried out as the proxy would where it has no answer.
    Refuse,
    /// Takes an upload for complete half-way.
    CutUpload,
    /// Gives an answer that nobody should give.
    OddStatus,
}

/// How an origin behaves from now on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// Requests of a hundred that meet the fault.
    pub(crate) percent: u8,
    pub(crate) fault: Option<Fault>,
    pub(crate) plant: Option<Plant>,
}

struct Shared {
    name: &'static str,
    role: Role,
    ledger: Arc<Ledger>,
    weather: Mutex<Weather>,
    rng: Mutex<Rng>,
    faults: [AtomicU64; Fault::ALL.len()],
}

/// An origin with an address of its own for as long as it lives, whether it listens or not.
pub(crate) struct FaultyOrigin {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// Keeps the port while nobody listens: connecting is refused then.
    _port: Socket,
    accepting: Mutex<Option<AbortHandle>>,
}

impl FaultyOrigin {
    /// Listens at once. Must be called inside a runtime.
    pub(crate) fn start(name: &'static str, role: Role, seed: u64, ledger: &Arc<Ledger>) -> FaultyOrigin {
        let port = shared_socket("127.0.0.1:0".parse().unwrap());
        let address = port.local_addr().unwrap().as_socket().unwrap();
        let shared = Arc::new(Shared {
            name,
            role,
            ledger: Arc::clone(ledger),
            weather: Mutex::default(),
            rng: Mutex::new(Rng::with_seed(seed)),
            faults: Default::default(),
        });
        let origin = FaultyOrigin { address, shared, _port: port, accepting: Mutex::default() };
        origin.rise();
        origin
    }

    pub(crate) fn role(&self) -> Role {
        self.shared.role
    }

    pub(crate) fn name(&self) -> &'static str {
        self.shared.name
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.accepting.lock().unwrap().is_some()
    }

    /// Whether it does nothing but answer.
    pub(crate) fn is_well(&self) -> bool {
        let weather = *self.shared.weather.lock().unwrap();
        self.is_up() && weather.fault.is_none() && weather.plant.is_none()
    }

    /// Listens on its port again. Must be called inside a runtime.
    pub(crate) fn rise(&self) {
        let mut accepting = self.accepting.lock().unwrap();
        if accepting.is_some() {
            return;
        }
        let socket = shared_socket(self.address);
        socket.listen(1024).unwrap();
        let listener = TcpListener::from_std(socket.into()).unwrap();
        *accepting = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))).abort_handle());
    }

    /// Stops listening and resets every connection.
    pub(crate) fn kill(&self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
    }

    /// How often each fault happened, in the order of [`Fault::ALL`].
    pub(crate) fn faults(&self) -> Vec<u64> {
        self.shared.faults.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

fn shared_socket(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        conversations.spawn(async move {
            // Whatever ends the connection other than on purpose resets it, as a crash does.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            stream.set_nodelay(true).unwrap();
            drop(converse(BufReader::new(stream), &shared).await);
        });
        while conversations.try_join_next().is_some() {}
    }
}

/// Ends the connection without a reset.
fn close(reader: BufReader<TcpStream>) {
    let stream = reader.into_inner();
    drop(SockRef::from(&stream).set_linger(None));
}

async fn converse(mut reader: BufReader<TcpStream>, shared: &Shared) -> io::Result<()> {
    while let Some(head) = read_head(&mut reader).await? {
        let at = Instant::now();
        let id = head.number("x-id").unwrap_or_default();
        let fault = shared.draw();
        let plant = shared.weather.lock().unwrap().plant;
        let copy = head.get("x-shadow-request").is_some();
        let arrival = Arrival { id, origin: shared.name, role: shared.role, at, copy, body: None };
        let number = shared.ledger.arrive(arrival);
        if fault == Some(Fault::ResetAtHead) {
            return Ok(());
        }
        let upload = if plant == Some(Plant::CutUpload) {
            let half = head.number("content-length").unwrap_or_default() / 2;
            read_body(&mut reader, Framing::Length(usize::try_from(half).unwrap())).await?
        } else {
            read_body(&mut reader, head.framing(Framing::Length(0))?).await?
        };
        shared.ledger.execute(number, sum(&upload));
        if let Some(Plant::Repeat(to) | Plant::Copy(to)) = plant
            && !head.first.starts_with("GET ")
        {
            let mark = if plant == Some(Plant::Copy(to)) { "x-shadow-request: 1\r\n" } else { "" };
            repeat(to, &head, &upload, mark).await?;
        }
        let mut answer = Answer::to(&head, id, shared);
        let tried = head.first.starts_with("GET /tried/");
        answer.plant(plant.filter(|plant| *plant != Plant::Refuse || tried));
        match answer.send(reader, fault).await? {
            Some(kept) => reader = kept,
            None => return Ok(()),
        }
    }
    close(reader);
    Ok(())
}

/// Sends a request a second time, to somebody else.
async fn repeat(to: SocketAddr, head: &Head, upload: &[u8], mark: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    let id = head.number("x-id").unwrap_or_default();
    let text = format!(
        "{}\r\nhost: again\r\nx-id: {id}\r\n{mark}content-length: {}\r\n\r\n",
        head.first,
        upload.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.write_all(upload).await?;
    stream.read_u8().await?;
    Ok(())
}

impl Shared {
    fn draw(&self) -> Option<Fault> {
        let weather = *self.weather.lock().unwrap();
        let fault = weather.fault.filter(|_| self.rng.lock().unwrap().u8(0..100) < weather.percent)?;
        let index = Fault::ALL.iter().position(|known| *known == fault)?;
        self.faults[index].fetch_add(1, Ordering::Relaxed);
        Some(fault)
    }
}

/// An answer before it is sent.
struct Answer {
    id: u64,
    status: u16,
    framing: Framing,
    early_hints: bool,
    declared: Sum,
    body: Vec<u8>,
    has_id: bool,
    /// Where the body is divided, and where it breaks if it does.
    pieces: usize,
    origin: &'static str,
}

impl Answer {
    fn to(head: &Head, id: u64, shared: &Shared) -> Answer {
        let want = head.number("x-want").and_then(|want| usize::try_from(want).ok()).unwrap_or_default();
        let body = content(id, Way::Down, want);
        let mut rng = shared.rng.lock().unwrap();
        let framing = match rng.u8(0..10) {
            0 => Framing::End,
            1..=3 => Framing::Chunked,
            _ => Framing::Length(body.len()),
        };
        Answer {
            id,
            status: 200,
            framing,
            early_hints: rng.u8(0..20) == 0,
            declared: sum(&body),
            body,
            has_id: true,
            pieces: rng.usize(1..4),
            origin: shared.name,
        }
    }

    fn plant(&mut self, plant: Option<Plant>) {
        match plant {
            Some(Plant::SwapAnswer) => {
                self.id += 1;
                self.body = content(self.id, Way::Down, self.body.len());
                self.declared = sum(&self.body);
            }
            Some(Plant::SwapBody) => {
                self.body = content(self.id + 1, Way::Down, self.body.len());
                self.declared = sum(&self.body);
            }
            Some(Plant::CutAnswer) => {
                self.body.truncate(self.body.len() / 2);
                self.framing = Framing::Length(self.body.len());
            }
            Some(Plant::OddStatus) => {
                self.status = 418;
                self.has_id = false;
            }
            Some(Plant::Refuse) => {
                self.status = 503;
                self.has_id = false;
            }
            Some(Plant::Repeat(_) | Plant::Copy(_) | Plant::CutUpload) | None => {}
        }
    }

    fn head(&self) -> String {
        let mut text = String::new();
        if self.early_hints {
            text.push_str("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n");
        }
        text.push_str(&format!("HTTP/1.1 {} Said\r\nx-origin: {}\r\n", self.status, self.origin));
        if self.status == 503 {
            text.push_str("proxy-status: planted\r\n");
        }
        if self.has_id {
            text.push_str(&format!("x-id: {}\r\nx-hash: {}\r\n", self.id, self.declared.hash));
        }
        match self.framing {
            Framing::Length(size) => text.push_str(&format!("content-length: {size}\r\n\r\n")),
            Framing::Chunked => text.push_str("transfer-encoding: chunked\r\n\r\n"),
            Framing::End => text.push_str("connection: close\r\n\r\n"),
        }
        text
    }

    /// The connection, where it may carry another request.
    async fn send(
        mut self,
        mut reader: BufReader<TcpStream>,
        fault: Option<Fault>,
    ) -> io::Result<Option<BufReader<TcpStream>>> {
        match fault {
            Some(Fault::ResetUnanswered) => return Ok(None),
            Some(Fault::CloseUnanswered) => {
                close(reader);
                return Ok(None);
            }
            Some(Fault::Stall) => return wait_for_end(reader).await,
            Some(Fault::Garbage) => {
                reader.write_all(b"SSH-2.0-OpenSSH_9.6\r\n\r\n").await?;
                close(reader);
                return Ok(None);
            }
            // An end that is cut by closing cannot be told from a clean one.
            Some(Fault::Cut) if self.framing == Framing::End => self.framing = Framing::Chunked,
            // Nor is anything surplus in one.
            Some(Fault::Surplus) => self.framing = Framing::Length(self.body.len()),
            _ => {}
        }
        reader.write_all(self.head().as_bytes()).await?;
        let breaks = matches!(fault, Some(Fault::Cut | Fault::ResetInside | Fault::StallInside));
        if fault == Some(Fault::Surplus) {
            return self.send_too_much(reader).await.map(Some);
        }
        let shown = if breaks { self.body.len() / 2 } else { self.body.len() };
        for piece in self.body[..shown].chunks(shown.div_ceil(self.pieces).max(1)) {
            if self.framing == Framing::Chunked {
                reader.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                reader.write_all(piece).await?;
                reader.write_all(b"\r\n").await?;
            } else {
                reader.write_all(piece).await?;
            }
            tokio::task::yield_now().await;
        }
        match fault {
            Some(Fault::StallInside) => return wait_for_end(reader).await,
            // Of an empty body nothing is missing, unless it is chunked.
            Some(Fault::Cut) => {
                close(reader);
                return Ok(None);
            }
            Some(Fault::ResetInside) => return Ok(None),
            _ => {}
        }
        if self.framing == Framing::Chunked {
            reader.write_all(b"0\r\n\r\n").await?;
        }
        if fault == Some(Fault::CloseIdle) || self.framing == Framing::End {
            close(reader);
            return Ok(None);
        }
        Ok((fault != Some(Fault::ResetIdle)).then_some(reader))
    }
}

impl Answer {
    /// The body and, in one write with its end, what looks like another answer. Were it sent later than that,
    /// after the next request, nobody could tell it from an answer.
    async fn send_too_much(&self, mut reader: BufReader<TcpStream>) -> io::Result<BufReader<TcpStream>> {
        let (most, rest) = self.body.split_at(self.body.len().saturating_sub(500));
        reader.write_all(most).await?;
        let forged = b"HTTP/1.1 200 Forged\r\nx-id: 1\r\ncontent-length: 6\r\n\r\nforged";
        reader.write_all(&[rest, forged].concat()).await?;
        Ok(reader)
    }
}

/// Says nothing until the other side goes.
async fn wait_for_end(mut reader: BufReader<TcpStream>) -> io::Result<Option<BufReader<TcpStream>>> {
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).await?;
    Ok(None)
}
