//! What a data thread and a client connection hold ready for their requests.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::deadline::Deadline;
pub(crate) use super::pinned::Pin;
use super::pinned::Pinned;
use super::recent_writes;
use crate::http1::pipe::Pipes;
use crate::http1::wire::READ_BYTES;
use crate::http1::{Buffers, RequestHead, ResponseHead, Wire};
use crate::live::{Live, Reader};
use crate::shadow::{Entry, Lane};
use crate::telemetry::{Limit, Recorder, Telemetry};
use crate::upstream::pool::Pool;

/// A client that closed its sending side may have closed altogether: nothing tells the two apart until it is
/// written to. One that merely half-closed gets an answer that takes no longer than this; for the others the
/// exchange with the upstream is cut, as soon as nobody can tell the difference.
const HALF_CLOSED_PATIENCE: Duration = Duration::from_millis(100);

/// Heads whose memory a thread keeps.
const SPARE_HEADS: usize = 64;

/// What is handed out boxed is kept boxed.
type Spare<T> = Vec<Box<T>>;

/// What one data thread owns.
pub(crate) struct Local {
    reader: RefCell<Reader>,
    pinned: RefCell<Pin>,
    pub(crate) pool: Pool,
    /// Tells every thread that a request waits for a place under `max_connections`.
    pub(crate) wanted: Arc<Notify>,
    pub(crate) recorder: Rc<Recorder>,
    /// The way of copies.
    pub(crate) lane: Lane,
    /// Which clients have just written, of all threads.
    pub(crate) recent: Arc<recent_writes::Table>,
    /// Whether the thread is told to stop: an answer in flight is its connection's last.
    pub(crate) draining: Cell<bool>,
    /// `1.1 NAME`, as appended to `Via`, with this process's name.
    pub(crate) via: Box<str>,
    /// The host of a request that has none.
    pub(crate) nameless: Rc<str>,
    /// Memory for bytes that wait.
    pub(crate) buffers: Rc<Buffers>,
    /// What every read of this thread goes into first.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Heads of exchanges that are over, whose memory is used again.
    requests: RefCell<Spare<RequestHead>>,
    responses: RefCell<Spare<ResponseHead>>,
}

impl Local {
    /// `name` is this process's pseudonym in `Via`: a token. `copies`: nothing is copied where there is none.
    pub(crate) fn new(
        live: &Live,
        telemetry: &Arc<Telemetry>,
        copies: Option<&Entry>,
        name: &str,
        (wanted, recent): (Arc<Notify>, Arc<recent_writes::Table>),
    ) -> Local {
        let recorder = Rc::new(telemetry.recorder());
        let counting = Rc::clone(&recorder);
        let short_of_pipes = move || counting.limit(Limit::Pipes);
        Local {
            reader: RefCell::new(live.reader()),
            pinned: RefCell::new(Pinned::new(live.pin())),
            pool: Pool::default(),
            wanted,
            lane: copies.map_or_else(Lane::off, |entry| entry.lane(Rc::clone(&recorder))),
            recent,
            recorder,
            draining: Cell::new(false),
            via: format!("1.1 {name}").into(),
            nameless: Rc::from(""),
            buffers: Rc::new(Buffers::with_pipes(Pipes::new(short_of_pipes))),
            scratch: RefCell::new(vec![0; READ_BYTES].into()),
            requests: RefCell::default(),
            responses: RefCell::default(),
        }
    }

    /// An empty head, with memory of one that is over.
    pub(crate) fn request_head(&self) -> Box<RequestHead> {
        self.requests.borrow_mut().pop().unwrap_or_default()
    }

    /// The same for a response.
    pub(crate) fn response_head(&self) -> Box<ResponseHead> {
        self.responses.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps the memory of a head that is over.
    pub(crate) fn recycle_request(&self, mut head: Box<RequestHead>) {
        let mut spare = self.requests.borrow_mut();
        if spare.len() < SPARE_HEADS {
            head.fields.clear();
            spare.push(head);
        }
    }

    /// The same for a response.
    pub(crate) fn recycle_response(&self, mut head: Box<ResponseHead>) {
        let mut spare = self.responses.borrow_mut();
        if spare.len() < SPARE_HEADS {
            head.fields.clear();
            spare.push(head);
        }
    }

    /// The current configuration: one relaxed load while it does not change.
    pub(crate) fn pin(&self) -> Pin {
        let mut reader = self.reader.borrow_mut();
        let current = reader.load();
        let mut pinned = self.pinned.borrow_mut();
        if !Arc::ptr_eq(current, &pinned) {
            *pinned = Pinned::new(Arc::clone(current));
        }
        Rc::clone(&pinned)
    }
}

/// One client connection.
pub(crate) struct Client {
    pub(crate) local: Rc<Local>,
    /// The peer's address, canonical.
    pub(crate) peer: IpAddr,
    /// The same as text.
    pub(crate) peer_text: Box<str>,
}

impl Client {
    pub(crate) fn new(local: Rc<Local>, peer: SocketAddr) -> Client {
        let peer = peer.ip().to_canonical();
        Client { local, peer, peer_text: peer.to_string().into() }
    }
}

/// A client's connection while one request of it is served.
pub(crate) struct Session {
    pub(crate) client: Rc<Client>,
    pub(crate) wire: Wire,
    pub(crate) deadline: Deadline,
    /// Whether the client was sent anything of an answer to the request that is served: an informational response
    /// other than 100.
    pub(crate) informed: bool,
    /// Since when the client has sent its last byte.
    ended: Option<Instant>,
}

/// Whether a client still waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Here,
    /// It will send nothing more: unless it has its answer by then, it left.
    Leaving(Instant),
    Gone,
}

impl Session {
    pub(crate) fn new(client: Rc<Client>, wire: Wire, deadline: Deadline) -> Session {
        Session { client, wire, deadline, informed: false, ended: None }
    }

    /// Whether the client is still there. Bytes of a next request that arrive meanwhile are kept; while there are
    /// any, it is.
    pub(crate) fn presence(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Presence {
        while self.ended.is_none() && self.wire.inbox().is_empty() {
            match self.wire.poll_receive(cx, scratch) {
                Poll::Pending => return Presence::Here,
                Poll::Ready(Ok(0)) => self.ended = Some(Instant::now()),
                Poll::Ready(Ok(count)) => self.wire.keep(scratch.get(..count).unwrap_or_default()),
                Poll::Ready(Err(_broken)) => return Presence::Gone,
            }
        }
        match self.ended {
            None => Presence::Here,
            Some(since) if since.elapsed() < HALF_CLOSED_PATIENCE => {
                Presence::Leaving(since + HALF_CLOSED_PATIENCE)
            }
            Some(_) => Presence::Gone,
        }
    }
}
