//! Sending one copy and receiving its reply.
//!
//! Connections are the shadow thread's own, so that nothing a copy meets can hold up a client's. Owns when a
//! connection is used again, the bound on a reply, and how a failure is named. Refuses to send again what may have
//! an effect.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use strangler_core::compare::{End, FieldLines, NotCompared, Reply, Transport};
use strangler_core::routing::shadow::CopyHead;
use strangler_core::snapshot::{Balance, Upstream};
use tokio::time::{Instant, sleep_until};

use super::budget::Reserved;
use super::message::{Body, Full as NoRoom};
use super::patience::{Patience, Toil, TooLate, Waiting};
use crate::http1::body::Piece;
use crate::http1::chunked::{self, TrailerLimits};
use crate::http1::wire::READ_BYTES;
use crate::http1::{self, Buffers, Fields, Incoming, Known, ResponseHead, Version, Wire};
use crate::telemetry::Recorder;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::connection::{AnswerFault, Connection};
use crate::upstream::{EndpointState, UpstreamState, balance};

/// Idle connections kept per endpoint.
const IDLE_MAX: usize = 32;

/// Bytes of a head beside its target and lines: the method, the version, Host and framing, each with its line end.
const ROOM: usize = 192;

/// Informational responses that one copy may have.
const INFORMATIONAL_MAX: u32 = 100;

/// What a reply's trailers may be; nobody looks at them.
const TRAILERS: TrailerLimits = TrailerLimits { lines: 128, bytes: 64 * 1024 };

/// A copy that is to be sent.
pub(super) struct Outgoing<'a> {
    pub(super) method: &'a Method,
    pub(super) head: CopyHead<'a>,
    pub(super) body: Bytes,
    pub(super) framing: Framing,
    pub(super) repeatable: Repeatable,
}

/// How a body is delimited, as its client did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
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
pub(super) struct Bounds<'t> {
    /// When it is given up.
    pub(super) patience: Patience<'t>,
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
    idle: RefCell<HashMap<u64, Vec<Idle>>>,
    recorder: Rc<Recorder>,
    /// Work of this thread while nobody reads.
    pub(super) toil: Toil,
    /// What every read goes into first.
    scratch: RefCell<Box<[u8]>>,
    /// Memory for bytes that wait.
    buffers: Rc<Buffers>,
    /// Heads of replies that were read, whose memory is used again.
    heads: RefCell<Vec<ResponseHead>>,
}

struct Idle {
    connection: Box<Connection>,
    until: Instant,
}

/// Why there is no head.
enum Failure {
    Reply(Transport),
    NotCompared(NotCompared),
}

impl From<AnswerFault> for Failure {
    fn from(fault: AnswerFault) -> Failure {
        Failure::Reply(match fault {
            AnswerFault::Silent | AnswerFault::Cut => Transport::Reset,
            AnswerFault::Malformed | AnswerFault::TooLarge => Transport::Malformed,
        })
    }
}

impl Sender {
    pub(super) fn new(recorder: Rc<Recorder>) -> Sender {
        Sender {
            idle: RefCell::default(),
            recorder,
            toil: Toil::default(),
            scratch: RefCell::new(vec![0; READ_BYTES].into()),
            buffers: Rc::default(),
            heads: RefCell::default(),
        }
    }

    /// Keeps the memory of a head that was read.
    fn recycle(&self, mut head: ResponseHead) {
        let mut heads = self.heads.borrow_mut();
        if heads.len() < IDLE_MAX {
            head.fields.clear();
            heads.push(head);
        }
    }

    /// Closes connections that were idle for too long.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.idle.borrow_mut().retain(|_, idle| {
            idle.retain(|idle| idle.until > now);
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
        bounds: Bounds<'_>,
        mut reserved: Reserved,
    ) -> Result<Received, NotCompared> {
        let members = state.members();
        let at = balance::choose(&members, Balance::LeastRequests, &state.turn, None);
        let endpoint = at.and_then(|at| members.get(at)).ok_or(NotCompared::Paused)?;
        // What waits to be written is a second copy of the body.
        if !reserved.grow(outgoing.body.len()) {
            return Err(NotCompared::Shed);
        }
        let began = bounds.patience.began();
        let received = |reply, responded, took, reserved| Received {
            reply,
            endpoint: Arc::clone(endpoint),
            responded,
            took,
            reserved,
        };
        // One timer for all of it: setting one costs more than what it guards.
        let timer = pin!(sleep_until(bounds.patience.deadline()));
        let mut waiting = bounds.patience.by(timer);
        let answered = self.head(upstream, endpoint, outgoing, &mut waiting).await;
        let responded = began.elapsed();
        let framed = answered.and_then(|(connection, mut head)| match head.framing(outgoing.method) {
            Ok(framing) if head.status != 101 => Ok((connection, head, framing)),
            _ => Err(Failure::Reply(Transport::Malformed)),
        });
        let (mut connection, head, framing) = match framed {
            Ok(framed) => framed,
            Err(Failure::NotCompared(reason)) => return Err(reason),
            Err(Failure::Reply(transport)) => {
                return Ok(received(failed(transport), None, responded, reserved));
            }
        };
        if !reserved.grow(head.fields.held_bytes()) {
            return Err(NotCompared::Shed);
        }
        let mut headers = FieldLines::default();
        head.fields.keep_in(&mut headers);
        if matches!(framing, http1::Framing::Length(length) if length > bounds.body) {
            // It says so itself: reading what is not compared would only cost.
            let reply = Reply { end: End::TooLarge, status: head.status, headers, body: Bytes::new() };
            return Ok(received(reply, Some(responded), responded, reserved));
        }
        let mut incoming = Incoming::new(framing, TRAILERS);
        let mut body = Body::default();
        // Nearly always the body has come with the head.
        let mut came_later = false;
        let reading = waiting.until(|cx| {
            let mut scratch = self.scratch.borrow_mut();
            let held = (&mut body, bounds.body, &mut reserved);
            let read = poll_body(cx, &mut connection.wire, &mut incoming, &mut scratch, held);
            came_later |= read.is_pending();
            read
        });
        let end = match reading.await {
            Ok(Ok(end)) => end,
            Ok(Err(NoRoom::TooLarge)) => End::TooLarge,
            Ok(Err(NoRoom::Budget)) => return Err(NotCompared::Shed),
            Err(TooLate) => End::Truncated,
        };
        let took = if came_later { began.elapsed() } else { responded };
        if end == End::Complete && framing != http1::Framing::UntilClose {
            self.keep(upstream, endpoint, (connection, began + took), &head);
        }
        let reply = Reply { end, status: head.status, headers, body: body.into_bytes() };
        self.recycle(head);
        Ok(received(reply, Some(responded), took, reserved))
    }

    async fn head(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<EndpointState>,
        outgoing: &Outgoing<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<(Box<Connection>, ResponseHead), Failure> {
        if outgoing.repeatable == Repeatable::Yes
            && let Some(mut connection) =
                poll_fn(|cx| Poll::Ready(self.idle_connection(endpoint, waiting.patience().began(), cx)))
                    .await
        {
            match self.exchange(&mut connection, endpoint, outgoing, waiting).await {
                // It was closed while it was idle: that says nothing about the service.
                Err(Asked::Fault(AnswerFault::Silent)) => {}
                outcome => return outcome.map(|head| (connection, head)).map_err(Failure::from),
            }
        }
        let mut connection = self.open(upstream, endpoint, waiting.patience()).await?;
        let head = self.exchange(&mut connection, endpoint, outgoing, waiting).await?;
        Ok((connection, head))
    }

    /// Writes the request and waits for the head of the final reply.
    async fn exchange(
        &self,
        connection: &mut Connection,
        endpoint: &EndpointState,
        outgoing: &Outgoing<'_>,
        waiting: &mut Waiting<'_>,
    ) -> Result<ResponseHead, Asked> {
        outgoing.write(endpoint, connection.wire.outbox()).ok_or(Asked::NotSent)?;
        let mut head = self.heads.borrow_mut().pop().unwrap_or_default();
        let mut informational = 0;
        let heard = waiting.until(|cx| {
            let mut scratch = self.scratch.borrow_mut();
            loop {
                // A connection that broke while it was written to may still hold an answer.
                let _broken = connection.wire.poll_flush(cx);
                match ready!(connection.poll_head(cx, &mut head, &mut scratch)) {
                    Ok(()) if head.status < 200 && head.status != 101 => {
                        informational += 1;
                        if informational > INFORMATIONAL_MAX {
                            return Poll::Ready(Err(AnswerFault::Malformed));
                        }
                    }
                    Err(AnswerFault::Silent) if informational > 0 => {
                        return Poll::Ready(Err(AnswerFault::Cut));
                    }
                    outcome => return Poll::Ready(outcome),
                }
            }
        });
        match heard.await {
            Ok(Ok(())) => Ok(head),
            Ok(Err(fault)) => Err(Asked::Fault(fault)),
            Err(TooLate) => Err(Asked::TooLate),
        }
    }

    async fn open(
        &self,
        upstream: &Upstream,
        endpoint: &Arc<EndpointState>,
        patience: Patience<'_>,
    ) -> Result<Box<Connection>, Failure> {
        let limit = upstream.max_connections;
        // Clients come first: copies take at most half of the places there are.
        if limit != 0 && endpoint.connections.load(Ordering::Relaxed) >= limit.div_ceil(2) {
            return Err(Failure::NotCompared(NotCompared::Shed));
        }
        let permit = endpoint.permit(limit, &self.recorder).ok_or(Failure::NotCompared(NotCompared::Shed))?;
        let left = patience.deadline().saturating_duration_since(Instant::now());
        match connect(endpoint, upstream.timeouts.connect.min(left)).await {
            Ok(tcp) => Ok(Connection::new(Wire::new(tcp, &self.buffers), permit)),
            // This process has no socket left: that says nothing about the service.
            Err(ConnectError::Exhausted(_) | ConnectError::NotBuilt) => {
                Err(Failure::NotCompared(NotCompared::Shed))
            }
            Err(_unreachable) => Err(Failure::Reply(Transport::Connect)),
        }
    }

    fn idle_connection(
        &self,
        endpoint: &EndpointState,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Option<Box<Connection>> {
        let mut all = self.idle.borrow_mut();
        let idle = all.get_mut(&endpoint.id)?;
        while let Some(Idle { connection, until }) = idle.pop() {
            if until > now && connection.is_idle(cx) {
                return Some(connection);
            }
        }
        None
    }

    fn keep(
        &self,
        upstream: &Upstream,
        endpoint: &EndpointState,
        (connection, now): (Box<Connection>, Instant),
        head: &ResponseHead,
    ) {
        let closes = head.fields.list(Known::Connection).any(|option| option.eq_ignore_ascii_case(b"close"));
        let clean = connection.wire.inbox().is_empty() && connection.wire.is_flushed();
        // Where places are few, none is kept from clients.
        let unwanted = upstream.max_connections != 0 || endpoint.is_gone();
        if closes || !clean || head.version == Version::Http10 || unwanted {
            return;
        }
        let mut all = self.idle.borrow_mut();
        let idle = all.entry(endpoint.id).or_default();
        if idle.len() < IDLE_MAX {
            idle.push(Idle { connection, until: now + upstream.pool_idle });
        }
    }
}

/// Why a connection gave no head.
enum Asked {
    Fault(AnswerFault),
    TooLate,
    /// The copy cannot be written.
    NotSent,
}

impl From<Asked> for Failure {
    fn from(asked: Asked) -> Failure {
        match asked {
            Asked::Fault(fault) => fault.into(),
            Asked::TooLate => Failure::Reply(Transport::Timeout),
            Asked::NotSent => Failure::NotCompared(NotCompared::NotSent),
        }
    }
}

impl Outgoing<'_> {
    /// Writes the request as it goes over the wire; `None` where it cannot be written.
    fn write(&self, endpoint: &EndpointState, out: &mut Vec<u8>) -> Option<()> {
        let target = self.head.target.as_bytes();
        if target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f || *byte == b'#') {
            return None;
        }
        let lines: usize = self.head.lines.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        out.reserve(target.len() + lines + ROOM);
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &self.head.lines {
            if memchr::memchr3(b'\r', b'\n', 0, value).is_some() {
                return None;
            }
            write_line(name, value, out);
        }
        if self.head.host().is_none() {
            write_line(b"host", endpoint.authority.as_bytes(), out);
        }
        match self.framing {
            Framing::None => out.extend_from_slice(b"\r\n"),
            Framing::Length => {
                write_line(b"content-length", self.body.len().to_string().as_bytes(), out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(&self.body);
            }
            Framing::Chunked => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                if !self.body.is_empty() {
                    chunked::write_size(self.body.len(), out);
                    out.extend_from_slice(&self.body);
                    out.extend_from_slice(chunked::CHUNK_END);
                }
                chunked::write_end(&Fields::default(), out);
            }
        }
        Some(())
    }
}

fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn failed(transport: Transport) -> Reply {
    Reply { end: End::Failed(transport), status: 0, headers: FieldLines::default(), body: Bytes::new() }
}

/// Where a body goes: how long it may be, and the bytes that it may take.
type Held<'a> = (&'a mut Body, u64, &'a mut Reserved);

/// Reads a body to its end, or to where it breaks off.
fn poll_body(
    cx: &mut Context<'_>,
    wire: &mut Wire,
    incoming: &mut Incoming,
    scratch: &mut [u8],
    (body, most, reserved): Held<'_>,
) -> Poll<Result<End, NoRoom>> {
    loop {
        if incoming.is_done() {
            return Poll::Ready(Ok(End::Complete));
        }
        let (inbox, taken) = wire.take_inbox();
        let outcome = if taken < inbox.len() {
            let rest = inbox.get(taken..).unwrap_or_default();
            let (used, outcome) = take(rest, incoming, (body, most, reserved));
            wire.put_inbox(inbox, taken + used);
            outcome
        } else {
            match ready!(wire.poll_receive(cx, scratch)) {
                Ok(0) if incoming.end_of_connection() => Ok(End::Complete),
                Ok(0) | Err(_) => return Poll::Ready(Ok(End::Truncated)),
                Ok(count) => {
                    let bytes = scratch.get(..count).unwrap_or_default();
                    let (used, outcome) = take(bytes, incoming, (body, most, reserved));
                    wire.keep(bytes.get(used..).unwrap_or_default());
                    outcome
                }
            }
        };
        if outcome != Ok(End::Complete) {
            return Poll::Ready(outcome);
        }
    }
}

/// Takes what `bytes` hold of a body: how many of them that was, and whether it may go on.
fn take(
    bytes: &[u8],
    incoming: &mut Incoming,
    (body, most, reserved): Held<'_>,
) -> (usize, Result<End, NoRoom>) {
    let mut at = 0;
    loop {
        let Ok((framing, piece)) = incoming.step(bytes.get(at..).unwrap_or_default()) else {
            return (at, Ok(End::Truncated));
        };
        at += framing;
        match piece {
            Piece::More => return (at, Ok(End::Complete)),
            Piece::Data(count) => {
                if let Err(full) = body.add(bytes.get(at..at + count).unwrap_or_default(), most, reserved) {
                    return (at, Err(full));
                }
                at += count;
            }
            Piece::End => {
                let end = if incoming.finish().is_ok() { End::Complete } else { End::Truncated };
                return (at, Ok(end));
            }
        }
    }
}
