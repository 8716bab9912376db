//! What a data thread and a client connection hold ready for their requests.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use tokio::sync::Notify;

use super::tunnel::Tunnel;
use crate::live::{Live, Reader, Running};
use crate::telemetry::{Recorder, Telemetry};
use crate::upstream::connect::Resolver;
use crate::upstream::pool::Pool;
use crate::upstream::stream::Stream;

/// One configuration, pinned by requests of one thread without touching a shared counter.
pub(crate) type Pin = Rc<Arc<Running>>;

/// What one data thread owns.
pub(crate) struct Local {
    reader: RefCell<Reader>,
    pinned: RefCell<Pin>,
    pub(crate) pool: Pool,
    pub(crate) resolver: Resolver,
    /// Tells every thread that a request waits for a place under `max_connections`.
    pub(crate) wanted: Arc<Notify>,
    pub(crate) recorder: Rc<Recorder>,
    /// `1.1 NAME`, as appended to `Via`, with this process's name.
    pub(crate) via: HeaderValue,
    /// An empty map whose memory is used again, see [`super::hop`].
    pub(crate) spare: RefCell<HeaderMap>,
}

impl Local {
    /// `name` is this process's pseudonym in `Via`: a token.
    pub(crate) fn new(live: &Live, telemetry: &Arc<Telemetry>, name: &str, wanted: Arc<Notify>) -> Local {
        let via = HeaderValue::from_str(&format!("1.1 {name}"))
            .unwrap_or_else(|_| HeaderValue::from_static("1.1 strangler"));
        Local {
            reader: RefCell::new(live.reader()),
            pinned: RefCell::new(Rc::new(live.pin())),
            pool: Pool::default(),
            resolver: Resolver::default(),
            wanted,
            recorder: Rc::new(telemetry.recorder()),
            via,
            spare: RefCell::default(),
        }
    }

    /// The current configuration: one relaxed load while it does not change.
    pub(crate) fn pin(&self) -> Pin {
        let mut reader = self.reader.borrow_mut();
        let current = reader.load();
        let mut pinned = self.pinned.borrow_mut();
        if !Arc::ptr_eq(current, &pinned) {
            *pinned = Rc::new(Arc::clone(current));
        }
        Rc::clone(&pinned)
    }
}

/// One client connection, as its requests and its driver see it.
pub(crate) struct Client {
    pub(crate) local: Rc<Local>,
    stream: Stream,
    /// The peer's address, canonical.
    pub(crate) peer: IpAddr,
    /// The same as text.
    pub(crate) peer_text: HeaderValue,
    /// Whether a request is being answered.
    pub(crate) busy: Cell<bool>,
    /// Since when `busy` is what it is, or since when a head has been arriving.
    pub(crate) since: Cell<Instant>,
    /// Requests that ended.
    pub(crate) served: Cell<u64>,
    /// Bytes received when the last request ended.
    pub(crate) seen: Cell<u64>,
    /// When the request being answered has waited for long enough.
    pub(crate) deadline: Cell<Option<Instant>>,
    /// Set by the driver when `deadline` has passed.
    pub(crate) expired: Cell<bool>,
    /// A request's body was not read to its end: closing must leave the client time to read the answer.
    pub(crate) unread: Cell<bool>,
    /// A response broke off: closing must not look like its end.
    pub(crate) broken: Cell<bool>,
    /// What follows the connection's last response.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
}

impl Client {
    pub(crate) fn new(local: Rc<Local>, stream: Stream, peer: SocketAddr, now: Instant) -> Client {
        stream.expect_request();
        let peer = peer.ip().to_canonical();
        let peer_text =
            HeaderValue::from_str(&peer.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Client {
            local,
            peer,
            peer_text,
            busy: Cell::new(false),
            since: Cell::new(now),
            served: Cell::new(0),
            seen: Cell::new(0),
            stream,
            deadline: Cell::new(None),
            expired: Cell::new(false),
            unread: Cell::new(false),
            broken: Cell::new(false),
            tunnel: RefCell::new(None),
        }
    }

    pub(crate) fn begin(&self, now: Instant) {
        self.busy.set(true);
        self.since.set(now);
    }

    pub(crate) fn end(&self, now: Instant) {
        self.busy.set(false);
        self.served.set(self.served.get().wrapping_add(1));
        self.seen.set(self.stream.received());
        self.stream.expect_request();
        self.since.set(now);
        self.deadline.set(None);
        self.expired.set(false);
    }

    /// Whether the request that began last has a fragment in its target.
    pub(crate) fn had_fragment(&self) -> bool {
        self.stream.had_fragment()
    }

    /// Runs `future` until `at`; `None` when that comes first.
    pub(crate) async fn until<F: Future>(&self, at: Instant, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        self.expired.set(false);
        self.deadline.set(Some(at));
        let outcome = std::future::poll_fn(|cx| {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(cx) {
                return std::task::Poll::Ready(Some(output));
            }
            if self.expired.take() {
                return std::task::Poll::Ready(None);
            }
            std::task::Poll::Pending
        })
        .await;
        self.deadline.set(None);
        outcome
    }
}
