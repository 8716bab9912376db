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
use strangler_core::compare::{End, FieldLines, NotCompared, Reply, Transport};
use strangler_core::snapshot::{Balance, Upstream};
use tokio::time::{Instant, sleep_until};

use super::budget::Reserved;
use super::message::{Body, Full as NoRoom};
use super::outgoing::{Outgoing, Repeatable};
use super::patience::{Patience, Toil, TooLate, Waiting};
use super::reading::poll_body;
use crate::http1::chunked::TrailerLimits;
use crate::http1::wire::READ_BYTES;
use crate::http1::{self, Buffers, Incoming, Known, ResponseHead, Version, Wire};
use crate::telemetry::Recorder;
use crate::upstream::connect::{ConnectError, connect};
use crate::upstream::connection::{AnswerFault, Connection};
use crate::upstream::{EndpointState, UpstreamState, balance};

/// Idle connections kept per endpoint.
const IDLE_MAX: usize = 32;

/// Informational responses that one copy may have.
const INFORMATIONAL_MAX: u32 = 100;

/// What a reply's trailers may be; nobody looks at them.
const TRAILERS: TrailerLimits = TrailerLimits { lines: 128, bytes: 64 * 1024 };

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

fn failed(transport: Transport) -> Reply {
    Reply { end: End::Failed(transport), status: 0, headers: FieldLines::default(), body: Bytes::new() }
}
