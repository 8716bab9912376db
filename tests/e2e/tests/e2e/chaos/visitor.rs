//! A client: requests of every shape, one after the other, some of which it does not wait for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::ledger::{Asked, Ending, Ledger, Place};
use super::payload::{Sum, Way, content, sum};
use super::wire::{Framing, read_body, read_head};

/// Longer than any limit of the proxy under test.
const PATIENCE: Duration = Duration::from_secs(15);

/// What all clients of a run share.
pub(crate) struct Crowd {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) next_id: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) stop: AtomicBool,
}

/// What a client does in the middle of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Stays,
    InUpload,
    BeforeAnswer,
    InAnswer,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Any,
    /// With a body that can be left in the middle.
    Upload,
    /// So small that several and their answers fit into the buffers on the way.
    Small,
}

/// One request before it is sent.
struct Draft {
    id: u64,
    method: &'static str,
    place: Place,
    upload: Vec<u8>,
    chunked: bool,
    want: usize,
    key: u64,
}

/// One client.
pub(crate) struct Visitor {
    crowd: Arc<Crowd>,
    /// What a canary knows it by.
    key: u64,
    rng: Rng,
    connection: Option<BufReader<TcpStream>>,
}

impl Visitor {
    pub(crate) fn new(crowd: &Arc<Crowd>, seed: u64) -> Visitor {
        Visitor { crowd: Arc::clone(crowd), key: seed, rng: Rng::with_seed(seed), connection: None }
    }

    /// Asks until it is told to stop.
    pub(crate) async fn stay(mut self) {
        while !self.crowd.stop.load(Ordering::Relaxed) {
            if self.rng.u8(0..10) == 0 {
                self.connection = None;
            }
            if self.rng.u8(0..12) == 0 {
                self.pipeline().await;
                continue;
            }
            let leaving = match self.rng.u8(0..30) {
                0 => Leaving::InUpload,
                1 => Leaving::BeforeAnswer,
                2 => Leaving::InAnswer,
                _ => Leaving::Stays,
            };
            self.visit(leaving).await;
        }
    }

    /// One request that is waited for, on whatever connection there is; whether it was answered with 200.
    pub(crate) async fn ask(&mut self) -> bool {
        matches!(self.visit(Leaving::Stays).await, Ending::Answered { status: 200, .. })
    }

    async fn visit(&mut self, leaving: Leaving) -> Ending {
        let draft = self.draft(if leaving == Leaving::InUpload { Shape::Upload } else { Shape::Any });
        let sent = Instant::now();
        let ending = match tokio::time::timeout(PATIENCE, self.exchange(&draft, leaving)).await {
            Ok(ending) => ending,
            Err(_) => Ending::Hung,
        };
        self.note(&draft, sent, ending.clone());
        ending
    }

    fn draft(&mut self, shape: Shape) -> Draft {
        let rng = &mut self.rng;
        let method = match rng.u8(0..10) {
            _ if shape == Shape::Upload => "POST",
            0..=4 => "GET",
            5..=7 => "POST",
            8 => "PUT",
            _ => "DELETE",
        };
        let id = self.crowd.next_id.fetch_add(1, Ordering::Relaxed);
        let most = if shape == Shape::Small { 2_000 } else { usize::MAX };
        let least = if shape == Shape::Upload { 64 } else { 0 };
        let length = if method == "GET" { 0 } else { size(rng).clamp(least, most) };
        Draft {
            id,
            method,
            // Half of it is asked of what is tried out.
            place: Place::ALL.get(rng.usize(0..2 * Place::ALL.len())).copied().unwrap_or(Place::Tried),
            upload: content(id, Way::Up, length),
            chunked: length > 0 && rng.bool(),
            // Of an empty answer nothing can be cut.
            want: size(rng).clamp(2, most),
            key: self.key,
        }
    }

    fn note(&self, draft: &Draft, sent: Instant, ending: Ending) {
        self.crowd.ledger.records().asked.push(Asked {
            id: draft.id,
            place: draft.place,
            is_unsafe: draft.method != "GET",
            upload: sum(&draft.upload),
            want: draft.want,
            sent,
            ended: Instant::now(),
            ending,
        });
        self.crowd.finished.fetch_add(1, Ordering::Relaxed);
    }

    async fn connection(&mut self) -> io::Result<BufReader<TcpStream>> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let stream = TcpStream::connect(self.crowd.address).await?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    async fn exchange(&mut self, draft: &Draft, leaving: Leaving) -> Ending {
        let Ok(mut connection) = self.connection().await else { return Ending::Dropped };
        let request = draft.render();
        if leaving == Leaving::InUpload {
            let cut = request.len() - self.rng.usize(1..draft.upload.len().min(60));
            // The last piece of a chunked body is more than its content.
            drop(connection.write_all(&request[..cut]).await);
            return Ending::Left { uploaded: false };
        }
        for piece in request.chunks(request.len().div_ceil(self.rng.usize(1..4)).max(1)) {
            // Where the proxy has refused the request already, its answer is still there to be read.
            if connection.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if leaving == Leaving::BeforeAnswer {
            return Ending::Left { uploaded: true };
        }
        if leaving == Leaving::InAnswer {
            drop(read_head(&mut connection).await);
            return Ending::Left { uploaded: true };
        }
        let (ending, keeps) = read_answer(&mut connection).await;
        if keeps {
            self.connection = Some(connection);
        }
        ending
    }

    /// A few requests at once; their answers must come in their order.
    async fn pipeline(&mut self) {
        let drafts: Vec<Draft> = (0..self.rng.usize(2..5)).map(|_| self.draft(Shape::Small)).collect();
        let sent = Instant::now();
        let mut endings = Vec::new();
        let reading = async {
            let Ok(mut connection) = self.connection().await else { return };
            let requests: Vec<u8> = drafts.iter().flat_map(Draft::render).collect();
            // What was not written is not answered.
            drop(connection.write_all(&requests).await);
            for _ in &drafts {
                let (ending, keeps) = read_answer(&mut connection).await;
                endings.push(ending);
                if !keeps {
                    return;
                }
            }
            self.connection = Some(connection);
        };
        let hung = tokio::time::timeout(PATIENCE, reading).await.is_err();
        for (index, draft) in drafts.iter().enumerate() {
            let ending = match endings.get(index) {
                Some(ending) => ending.clone(),
                None if hung && index == endings.len() => Ending::Hung,
                None => Ending::Orphaned,
            };
            self.note(draft, sent, ending);
        }
    }
}

impl Draft {
    fn render(&self) -> Vec<u8> {
        let Draft { id, method, place, upload, chunked, want, key } = self;
        let mut text = format!(
            "{method} /{}/{id} HTTP/1.1\r\nhost: shop.example\r\nx-id: {id}\r\nx-want: {want}\r\n\
             x-client: {key}\r\n",
            place.name()
        );
        if *chunked {
            text.push_str("transfer-encoding: chunked\r\n\r\n");
            let mut bytes = text.into_bytes();
            for piece in upload.chunks(upload.len().div_ceil(3)) {
                bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            return bytes;
        }
        if *method != "GET" {
            text.push_str(&format!("content-length: {}\r\n", upload.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(upload);
        bytes
    }
}

/// Mostly small, sometimes larger than any buffer on the way.
fn size(rng: &mut Rng) -> usize {
    match rng.u8(0..20) {
        0 => rng.usize(100_000..300_000),
        1..=4 => rng.usize(4_000..40_000),
        5 => 0,
        _ => rng.usize(1..2_000),
    }
}

/// The next final answer, and whether the connection may carry another request.
async fn read_answer(connection: &mut BufReader<TcpStream>) -> (Ending, bool) {
    let head = loop {
        match read_head(connection).await {
            Ok(Some(head)) if head.second_word().starts_with('1') => {}
            Ok(Some(head)) => break head,
            Ok(None) => return (Ending::Dropped, false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return (Ending::Dropped, false),
            Err(_) => return (Ending::Broken, false),
        }
    };
    let Ok(framing) = head.framing(Framing::End) else { return (Ending::Broken, false) };
    let Ok(body) = read_body(connection, framing).await else { return (Ending::Broken, false) };
    let body: Sum = sum(&body);
    let ending = Ending::Answered {
        status: head.second_word().parse().unwrap_or_default(),
        id: head.number("x-id"),
        declared: head.number("x-hash"),
        body,
        by_proxy: head.get("proxy-status").is_some(),
    };
    (ending, framing != Framing::End && !head.closes())
}
