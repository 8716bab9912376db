//! To which endpoint a request is sent, and whether it may be sent again.
//!
//! Invariant: an unsafe request is never sent again once a byte of it may have reached an application. Only
//! three things lead to another try: nobody listened, not a byte had been written, or a kept-alive connection
//! was found closed before any byte of the answer to a safe request without a body.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use strangler_core::snapshot::{HostPolicy, Timeouts, Upstream};
use strangler_core::words::{Effect, UpstreamId};

use super::error::{ForwardError, Retry};
use super::hop;
use super::local::{Pin, Presence, Session};
use super::outbound::Plan;
use super::record::Record;
use super::tap::Tap;
use super::upload::{Progress, Upload};
use crate::http1::{Known, RequestHead, ResponseHead, Version, Wire};
use crate::telemetry::Limit;
use crate::upstream::connect::connect;
use crate::upstream::connection::{AnswerFault, Connection};
use crate::upstream::pool::Look;
use crate::upstream::{EndpointState, balance};

/// How often a request that waits for a place under `max_connections` looks for one.
const STARVED_LOOK: Duration = Duration::from_millis(2);

/// Informational responses that one request may have.
const MAX_INFORMATIONAL: u32 = 100;

/// What a client that waits for it is told when the body is wanted.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An upstream's answer, as it came.
pub(crate) struct Answered {
    pub(crate) head: Box<ResponseHead>,
    pub(crate) connection: Connection,
    pub(crate) in_flight: InFlight,
}

/// A request in flight at an endpoint, as counted over all threads.
pub(crate) struct InFlight {
    pin: Pin,
    upstream: UpstreamId,
    endpoint: usize,
}

impl InFlight {
    fn new(pin: &Pin, upstream: UpstreamId, endpoint: usize) -> InFlight {
        let in_flight = InFlight { pin: Rc::clone(pin), upstream, endpoint };
        if let Some(state) = in_flight.state() {
            state.in_flight.fetch_add(1, Ordering::Relaxed);
        }
        in_flight
    }

    /// The endpoint.
    pub(crate) fn state(&self) -> Option<&Arc<EndpointState>> {
        self.pin.upstream(self.upstream).endpoints.get(self.endpoint)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(state) = self.state() {
            state.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What the tries of one request share.
struct Tries<'a> {
    upstream: &'a Upstream,
    timeouts: Timeouts,
    left: u32,
    /// The endpoint that failed last.
    failed: Option<usize>,
    /// Whether the request can be sent again as it is: it is safe and has no body.
    replayable: bool,
    /// No idle connection is trusted any more.
    fresh_only: bool,
    look: Look,
}

/// Sends a request until there is an answer, or no try is left.
///
/// # Errors
///
/// Why there is no answer.
pub(crate) async fn exchange(
    session: &mut Session,
    pin: &Pin,
    plan: &Plan,
    request: &mut RequestHead,
    upload: &mut Option<Upload>,
    record: &mut Record,
) -> Result<Answered, ForwardError> {
    let upstream = &**pin.snapshot.upstream(plan.decided.upstream);
    let state = pin.upstream(plan.decided.upstream);
    if state.in_flight() >= u64::from(upstream.max_in_flight) {
        return Err(ForwardError::Busy);
    }
    let mut tries = Tries {
        upstream,
        timeouts: plan.timeouts(pin, upstream),
        left: upstream.retry_attempts,
        failed: None,
        replayable: !plan.unsafe_request && upload.is_none(),
        fresh_only: false,
        look: if record.pipelined { Look::Socket } else { Look::Reactor },
    };
    let mut head = session.client.local.response_head();
    loop {
        let at = balance::choose(state, upstream.balance, tries.failed);
        let endpoint = state.endpoints.get(at).ok_or(ForwardError::ConnectFailed)?;
        record.endpoint = Some((plan.decided.upstream, at));
        let in_flight = InFlight::new(pin, plan.decided.upstream, at);
        let (mut connection, reused) = match tries.connection(session, endpoint).await {
            Ok(found) => found,
            Err(error) if tries.may_connect_again(session, error, endpoint, at) => {
                record.retries += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        set_host(request, plan, upstream, endpoint);
        request.write(connection.wire.outbox());
        let sent = connection.wire.sent();
        let mut waiting = Waiting {
            session,
            connection: &mut connection,
            upload,
            tap: &mut record.tap,
            head: &mut head,
            began: Instant::now(),
            patience: tries.timeouts.response,
            informational: 0,
            version: record.version,
        };
        let fault = match poll_fn(|cx| waiting.poll(cx)).await {
            Ok(()) => {
                record.responded = Some(record.elapsed());
                return Ok(Answered { head, connection, in_flight });
            }
            Err(NoAnswer::Because(error)) => return Err(error),
            Err(NoAnswer::Fault(fault)) => fault,
        };
        let unsent = connection.wire.sent() == sent && !upload.as_ref().is_some_and(Upload::has_begun);
        tries.again(session, fault, (unsent, reused), endpoint)?;
        record.retries += 1;
    }
}

impl Tries<'_> {
    /// An idle connection that this request may use, or a fresh one.
    async fn connection(
        &self,
        session: &mut Session,
        endpoint: &Arc<EndpointState>,
    ) -> Result<(Connection, bool), ForwardError> {
        match poll_fn(|cx| Poll::Ready(self.idle(session, endpoint, cx))).await {
            Some(connection) => Ok((connection, true)),
            // Boxed, because most requests do not need the room that connecting takes.
            None => Box::pin(self.open(session, endpoint)).await,
        }
    }

    /// A fresh connection, or one that came free meanwhile. A client that leaves ends the waiting.
    async fn open(
        &self,
        session: &mut Session,
        endpoint: &Arc<EndpointState>,
    ) -> Result<(Connection, bool), ForwardError> {
        let local = Rc::clone(&session.client.local);
        let limit = self.upstream.max_connections;
        let permit = match endpoint.permit(limit, &local.recorder) {
            Some(permit) => permit,
            None => match self.wait_for_place(session, endpoint).await? {
                Place::Permit(permit) => permit,
                Place::Idle(connection) => return Ok((connection, true)),
            },
        };
        let connecting = connect(endpoint, &local.resolver, self.timeouts.connect);
        let tcp = watched(session, connecting).await??;
        Ok((Connection::new(Wire::new(tcp, &local.buffers), permit), false))
    }

    fn idle(&self, session: &Session, endpoint: &EndpointState, cx: &mut Context<'_>) -> Option<Connection> {
        if self.fresh_only {
            return None;
        }
        // What cannot be sent again gets no connection that its upstream may just be closing.
        let use_for = if self.replayable { (Effect::Read, self.look) } else { (Effect::Write, Look::Socket) };
        session.client.local.pool.take(endpoint, use_for, Instant::now(), self.upstream.pool_idle, cx)
    }

    /// Waits, at most for the time a connection may take, until another request gives one up.
    async fn wait_for_place(
        &self,
        session: &mut Session,
        endpoint: &Arc<EndpointState>,
    ) -> Result<Place, ForwardError> {
        let _starved = Starved::new(endpoint);
        let local = Rc::clone(&session.client.local);
        local.wanted.notify_waiters();
        let until = Instant::now() + self.timeouts.connect;
        while Instant::now() < until {
            watched(session, tokio::time::sleep(STARVED_LOOK)).await?;
            if let Some(connection) = poll_fn(|cx| Poll::Ready(self.idle(session, endpoint, cx))).await {
                return Ok(Place::Idle(connection));
            }
            if let Some(permit) = endpoint.permit(self.upstream.max_connections, &local.recorder) {
                return Ok(Place::Permit(permit));
            }
        }
        Err(ForwardError::NoConnection)
    }

    /// Whether a failed connection leads to another try.
    fn may_connect_again(
        &mut self,
        session: &Session,
        error: ForwardError,
        endpoint: &EndpointState,
        at: usize,
    ) -> bool {
        // Waiting for one endpoint twice as long as configured is no better answer.
        let elsewhere = self.upstream.endpoints.len() > 1 || error == ForwardError::ConnectRefused;
        if error.retry() == Retry::Harmless {
            endpoint.avoid();
        }
        if error.retry() != Retry::Harmless || !elsewhere || !self.spend(session, endpoint) {
            return false;
        }
        self.failed = Some(at);
        true
    }

    /// Says why there is no other try, where there is none.
    fn again(
        &mut self,
        session: &Session,
        fault: AnswerFault,
        (unsent, reused): (bool, bool),
        endpoint: &EndpointState,
    ) -> Result<(), ForwardError> {
        // Not a byte was written: on an idle connection that was closed meanwhile this says nothing about the
        // endpoint, and costs no try.
        let harmless = unsent && (reused || self.spend(session, endpoint));
        let replayable = reused && self.replayable && fault == AnswerFault::Silent;
        if !harmless && !replayable {
            return Err(fault.into());
        }
        self.fresh_only = true;
        Ok(())
    }

    /// Takes one try, where one is left and the budget has room.
    fn spend(&mut self, session: &Session, endpoint: &EndpointState) -> bool {
        if self.left == 0 {
            return false;
        }
        let local = &session.client.local;
        if !local.pool.allow_retry(endpoint, self.upstream.retry_budget, Instant::now()) {
            local.recorder.limit(Limit::RetryBudget);
            return false;
        }
        self.left -= 1;
        true
    }
}

/// Waits for something while the client is there.
async fn watched<F: Future>(session: &mut Session, future: F) -> Result<F::Output, ForwardError> {
    let mut future = std::pin::pin!(future);
    let local = Rc::clone(&session.client.local);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match session.presence(cx, &mut local.scratch.borrow_mut()) {
            Presence::Gone => return Poll::Ready(Err(ForwardError::ClientGone)),
            // A look at the clock follows.
            Presence::Leaving(at) if session.deadline.poll(cx, at).is_ready() => cx.waker().wake_by_ref(),
            Presence::Leaving(_) | Presence::Here => {}
        }
        Poll::Pending
    })
    .await
}

/// Why a request that was given to a connection has no answer.
enum NoAnswer {
    /// The connection failed it.
    Fault(AnswerFault),
    /// Something that no other connection would mend.
    Because(ForwardError),
}

/// A request on its way, until the head of its answer is there.
struct Waiting<'a> {
    session: &'a mut Session,
    connection: &'a mut Connection,
    upload: &'a mut Option<Upload>,
    tap: &'a mut Tap,
    head: &'a mut ResponseHead,
    began: Instant,
    patience: Duration,
    informational: u32,
    version: Version,
}

impl Waiting<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), NoAnswer>> {
        let local = Rc::clone(&self.session.client.local);
        let mut scratch = local.scratch.borrow_mut();
        loop {
            // An upload that moves is not a slow answer.
            let mut until = self.began + self.patience;
            let mut wake = until;
            let mut uploading = false;
            if let Some(upload) = self.upload {
                let (client, upstream) = (&mut self.session.wire, &mut self.connection.wire);
                let progress = upload
                    .advance(cx, client, upstream, &mut scratch, self.tap)
                    .map_err(|fault| NoAnswer::Because(fault.into()))?;
                until = until.max(upload.moved() + self.patience);
                wake = until;
                if let Progress::Waiting(client_owes) = progress {
                    wake = client_owes.map_or(until, |owed| owed.min(until));
                    uploading = !upload.is_held();
                }
            }
            // A connection that broke while it was written to may still hold an answer.
            let _broken = self.connection.wire.poll_flush(cx);
            match self.connection.poll_head(cx, self.head, &mut scratch) {
                Poll::Ready(Ok(())) if self.head.status < 200 && self.head.status != 101 => {
                    self.inform()?;
                    continue;
                }
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(AnswerFault::Silent)) if self.informational > 0 => {
                    return Poll::Ready(Err(NoAnswer::Fault(AnswerFault::Cut)));
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Err(NoAnswer::Fault(fault))),
                Poll::Pending => {}
            }
            let deaf = matches!(self.session.wire.poll_flush(cx), Poll::Ready(Err(_)));
            let presence = if uploading { Presence::Here } else { self.session.presence(cx, &mut scratch) };
            if deaf || presence == Presence::Gone {
                return Poll::Ready(Err(NoAnswer::Because(ForwardError::ClientGone)));
            }
            if let Presence::Leaving(at) = presence {
                wake = wake.min(at);
            }
            if self.session.deadline.poll(cx, wake).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= until {
                return Poll::Ready(Err(NoAnswer::Because(ForwardError::ResponseTimeout)));
            }
            // The upstream does not say whether it wants the body: the client is not kept waiting for ever.
            if self.upload.as_ref().is_some_and(Upload::is_overdue) {
                self.open();
            }
        }
    }

    /// Lets a body that is held back pass, and tells the client.
    fn open(&mut self) {
        if self.upload.as_mut().is_some_and(Upload::open) {
            self.session.wire.outbox().extend_from_slice(CONTINUE);
        }
    }

    /// Passes an informational response on (RFC 9110, 15.2). 100 is for the client that asked for it.
    fn inform(&mut self) -> Result<(), NoAnswer> {
        self.informational += 1;
        if self.informational > MAX_INFORMATIONAL {
            return Err(NoAnswer::Fault(AnswerFault::Malformed));
        }
        if self.head.status == 100 {
            self.open();
        } else if self.version == Version::Http11 {
            hop::strip(&mut self.head.fields, None, |_| false);
            self.head.fields.remove(Known::ContentLength);
            self.head.fields.remove(Known::TransferEncoding);
            self.head.write(self.session.wire.outbox());
        }
        Ok(())
    }
}

/// What a starved request found.
enum Place {
    Permit(crate::upstream::state::ConnectionPermit),
    Idle(Connection),
}

/// A request that waits for a connection: others do not keep theirs meanwhile.
struct Starved<'a>(&'a EndpointState);

impl<'a> Starved<'a> {
    fn new(endpoint: &'a EndpointState) -> Starved<'a> {
        endpoint.starved.fetch_add(1, Ordering::Relaxed);
        Starved(endpoint)
    }
}

impl Drop for Starved<'_> {
    fn drop(&mut self) {
        self.0.starved.fetch_sub(1, Ordering::Relaxed);
    }
}

fn set_host(request: &mut RequestHead, plan: &Plan, upstream: &Upstream, endpoint: &EndpointState) {
    let host = match (&plan.host, &upstream.host) {
        (Some(host), _) => host.as_bytes(),
        (None, HostPolicy::Literal(name)) => name.as_bytes(),
        (None, HostPolicy::Endpoint) => endpoint.authority.as_bytes(),
        // Only HTTP/1.0 requests come without one.
        (None, HostPolicy::Preserve) if !request.fields.contains(Known::Host) => {
            endpoint.authority.as_bytes()
        }
        (None, HostPolicy::Preserve) => return,
    };
    request.fields.set(Known::Host, host);
}
