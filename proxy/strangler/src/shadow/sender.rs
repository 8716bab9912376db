//! Sending one copy and receiving its reply: the only file here that knows a codec.
//!
//! Connections are the shadow thread's own, so that nothing a copy meets can hold up a client's. Owns when a
//! connection is used again, the bound on a reply, and how a failure is named. Refuses to send again what may have
//! an effect.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use strangler_core::compare::{End, NotCompared, Reply, Transport};
use strangler_core::routing::shadow::CopyHead;
use strangler_core::snapshot::{Balance, Upstream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::budget::Reserved;
use super::message::{Body, Full as NoRoom};
use crate::telemetry::Recorder;
use crate::upstream::connect::{ConnectError, Resolver, connect};
use crate::upstream::state::ConnectionPermit;
use crate::upstream::{EndpointState, UpstreamState, balance};

/// Bytes of a reply's head, and of what is buffered per connection.
const MAX_BUFFER: usize = 128 * 1024;

/// Header lines of a reply.
const MAX_HEADERS: usize = 256;

/// Idle connections kept per endpoint.
const IDLE_MAX: usize = 32;

/// What one header line of a reply costs beside its bytes.
const LINE_COST: usize = 64;

/// Names and values of a reply's header lines.
type ReplyLines = Vec<(Box<str>, Box<[u8]>)>;

/// A copy that is to be sent.
pub(super) struct Outgoing<'a> {
    pub(super) method: &'a str,
    pub(super) head: CopyHead<'a>,
    pub(super) body: Bytes,
    pub(super) framing: Framing,
    pub(super) repeatable: Repeatable,
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// As its length says.
    Length,
    /// In chunks.
    Chunked,
}

/// Whether a copy may be sent again on another connection where a used one turns out to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// It only reads.
    Yes,
    /// It gets a fresh connection, once.
    No,
}

/// Bounds on one copy.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// When it is given up.
    pub(super) deadline: Instant,
    /// The longest body that is compared, in bytes.
    pub(super) body: u64,
}

/// What a copy was answered.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) reply: Reply,
    /// `host:port` that was asked.
    pub(super) endpoint: Arc<EndpointState>,
    /// Until the reply's head.
    pub(super) responded: Option<Duration>,
    /// From the first byte sent to the reply's last.
    pub(super) took: Duration,
    /// What the reply takes of the budget.
    pub(super) reserved: Reserved,
}

/// The shadow thread's own connections.
pub(super) struct Sender {
    resolver: Resolver,
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
    recorder: Rc<Recorder>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    _permit: ConnectionPermit,
}

struct Idle {
    connection: Connection,
    until: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Why there is no head.
enum Failure {
    Reply(Transport),
    NotCompared(NotCompared),
}

impl Sender {
    pub(super) fn new(recorder: Rc<Recorder>) -> Sender {
        Sender { resolver: Resolver::default(), idle: RefCell::default(), recorder }
    }

    /// Closes connections that were idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|_, idle| {
            idle.retain(|idle| idle.until > now && !idle.connection.sender.is_closed());
            !idle.is_empty()
        });
    }

    /// Sends a copy and reads its reply, whatever becomes of it.
    ///
    /// # Errors
    ///
    /// Why it cannot be compared.
    pub(super) async fn send(
        &self,
        upstream: &Upstream,
        state: &UpstreamState,
        outgoing: &Outgoing<'_>,
        bounds: Bounds,
        mut reserved: Reserved,
    ) -> Result<Received, NotCompared> {
        let at = balance::choose(state, Balance::LeastRequests, None);
        let endpoint = state.endpoints.get(at).ok_or(NotCompared::Paused)?;
        let began = Instant::now();
        let received = |reply, responded, reserved| Received {
            reply,
            endpoint: Arc::clone(endpoint),
            responded,
            took: began.elapsed(),
            reserved,
        };
        let (connection, response) = match self.head(upstream, endpoint, outgoing, bounds.deadline).await {
            Ok(answered) => answered,
            Err(Failure::NotCompared(reason)) => return Err(reason),
            Err(Failure::Reply(transport)) => return Ok(received(failed(transport), None, reserved)),
        };
        let responded = Some(began.elapsed());
        let (head, mut incoming) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(received(failed(Transport::Malformed), responded, reserved));
        }
        let headers = header_lines(&head.headers, &mut reserved).ok_or(NotCompared::Shed)?;
        let mut body = Body::default();
        let end = loop {
            let frame = match timeout_at(bounds.deadline, incoming.frame()).await {
                Ok(None) => break End::Complete,
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_broken))) => break End::Truncated,
                Err(_elapsed) => break End::Truncated,
            };
            let Ok(data) = frame.into_data() else { continue };
            match body.hold(&data, bounds.body, &mut reserved) {
                Ok(()) => {}
                Err(NoRoom::TooLarge) => break End::TooLarge,
                Err(NoRoom::Budget) => return Err(NotCompared::Shed),
            }
        };
        if end == End::Complete {
            self.keep(upstream, endpoint, connection);
        }
        let reply = Reply { end, status: head.status.as_u16(), headers, body: body.into_bytes() };
        Ok(received(reply, responded, reserved))
    }

    async fn head(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<EndpointState>,
        outgoing: &Outgoing<'_>,
        deadline: Instant,
    ) -> Result<(Connection, Response<Incoming>), Failure> {
        let request =
            |endpoint| request(outgoing, endpoint).ok_or(Failure::NotCompared(NotCompared::NotSent));
        if outgoing.repeatable == Repeatable::Yes
            && let Some(mut connection) = self.idle_connection(endpoint)
        {
            let sending = connection.sender.send_request(request(endpoint)?);
            match timeout_at(deadline, sending).await {
                Ok(Ok(response)) => return Ok((connection, response)),
                // It may have been closed while it was idle: that says nothing about the service.
                Ok(Err(error)) if !error.is_parse() => {}
                Ok(Err(error)) => return Err(Failure::Reply(named(&error))),
                Err(_elapsed) => return Err(Failure::Reply(Transport::Timeout)),
            }
        }
        let mut connection = self.open(upstream, endpoint, deadline).await?;
        let sending = connection.sender.send_request(request(endpoint)?);
        match timeout_at(deadline, sending).await {
            Ok(Ok(response)) => Ok((connection, response)),
            Ok(Err(error)) => Err(Failure::Reply(named(&error))),
            Err(_elapsed) => Err(Failure::Reply(Transport::Timeout)),
        }
    }

    async fn open(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<EndpointState>,
        deadline: Instant,
    ) -> Result<Connection, Failure> {
        let limit = upstream.max_connections;
        // Clients come first: copies take at most half of the places there are.
        if limit != 0 && endpoint.connections.load(Ordering::Relaxed) >= limit.div_ceil(2) {
            return Err(Failure::NotCompared(NotCompared::Shed));
        }
        let permit = endpoint.permit(limit, &self.recorder).ok_or(Failure::NotCompared(NotCompared::Shed))?;
        let patience = upstream.timeouts.connect.min(deadline.saturating_duration_since(Instant::now()));
        let tcp = match connect(endpoint, &self.resolver, patience).await {
            Ok(tcp) => tcp,
            // This process has no socket left: that says nothing about the service.
            Err(ConnectError::Exhausted(_) | ConnectError::NotBuilt) => {
                return Err(Failure::NotCompared(NotCompared::Shed));
            }
            Err(_unreachable) => return Err(Failure::Reply(Transport::Connect)),
        };
        let mut builder = Builder::new();
        builder.max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
        let (sender, mut connection) =
            builder.handshake(TokioIo::new(tcp)).await.map_err(|_broken| Failure::Reply(Transport::Reset))?;
        let driver = tokio::task::spawn_local(async move {
            // Whoever waits for a reply was told of an error.
            drop(std::future::poll_fn(|cx| Pin::new(&mut connection).poll(cx)).await);
        });
        Ok(Connection { sender, driver, _permit: permit })
    }

    fn idle_connection(&self, endpoint: &EndpointState) -> Option<Connection> {
        let mut all = self.idle.borrow_mut();
        let idle = all.get_mut(&endpoint.id)?;
        let now = Instant::now();
        while let Some(Idle { connection, until }) = idle.pop() {
            if until > now && connection.sender.is_ready() && !connection.sender.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, upstream: &Upstream, endpoint: &EndpointState, connection: Connection) {
        // Where places are few, none is kept from clients.
        if upstream.max_connections != 0 || connection.sender.is_closed() {
            return;
        }
        let mut all = self.idle.borrow_mut();
        let idle = all.entry(endpoint.id).or_default();
        if idle.len() < IDLE_MAX {
            idle.push(Idle { connection, until: Instant::now() + upstream.pool_idle });
        }
    }
}

fn failed(transport: Transport) -> Reply {
    Reply { end: End::Failed(transport), status: 0, headers: Vec::new(), body: Bytes::new() }
}

fn named(error: &hyper::Error) -> Transport {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        Transport::Malformed
    } else {
        Transport::Reset
    }
}

fn request(outgoing: &Outgoing<'_>, endpoint: &EndpointState) -> Option<Request<Full<Bytes>>> {
    let target = PathAndQuery::try_from(&*outgoing.head.target).ok()?;
    let mut request = Request::new(Full::new(outgoing.body.clone()));
    *request.method_mut() = Method::from_bytes(outgoing.method.as_bytes()).ok()?;
    *request.uri_mut() = Uri::from(target);
    let headers = request.headers_mut();
    headers.reserve(outgoing.head.lines.len() + 1);
    for (name, value) in &outgoing.head.lines {
        headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    }
    if !headers.contains_key(HOST) {
        headers.insert(HOST, endpoint.authority.clone());
    }
    if outgoing.framing == Framing::Chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Some(request)
}

/// A reply's header lines; `None` where the budget has no room for them.
fn header_lines(headers: &HeaderMap, reserved: &mut Reserved) -> Option<ReplyLines> {
    let bytes: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + LINE_COST).sum();
    reserved.grow(bytes).then(|| {
        headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
    })
}
