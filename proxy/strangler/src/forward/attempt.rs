//! To which endpoint a request is sent, and whether it may be sent again.
//!
//! Invariant: an unsafe request is never sent again once a byte of it may have reached an application
//! ([`strangler_core::upstreams::repeat()`] says when it may be, unless nobody listened).

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use strangler_core::snapshot::{HostPolicy, Timeouts, Upstream};
use strangler_core::upstreams::{Repeat, Unanswered, repeat};
use strangler_core::words::{Effect, UpstreamId};

use super::error::{ForwardError, Retry};
use super::in_flight::{Admitted, InFlight, Visit};
use super::local::{Pin, Presence, Session};
use super::outbound::Plan;
use super::record::Record;
use super::upload::Upload;
use super::waiting::{NoAnswer, Waiting};
use crate::http1::{Known, RequestHead, ResponseHead, Wire};
use crate::telemetry::Limit;
use crate::upstream::connect::connect;
use crate::upstream::connection::{AnswerFault, Connection};
use crate::upstream::endpoint::ConnectionPermit;
use crate::upstream::members::{Chosen, View};
use crate::upstream::pool::Look;
use crate::upstream::{EndpointState, balance};

/// How often a request that waits for a place under `max_connections` looks for one.
const STARVED_LOOK: Duration = Duration::from_millis(2);

/// Addresses of one name that are tried beyond `retries`, where nobody listens at those before.
const SIBLINGS_MAX: usize = 8;

/// An upstream's answer, as it came.
pub(crate) struct Answered {
    pub(crate) head: Box<ResponseHead>,
    pub(crate) connection: Box<Connection>,
    pub(crate) in_flight: InFlight,
}

/// What the tries of one request share.
struct Tries<'a> {
    pin: &'a Pin,
    id: UpstreamId,
    upstream: &'a Upstream,
    timeouts: Timeouts,
    plan: &'a Plan,
    /// When the first one begins.
    began: Instant,
    left: u32,
    /// Other addresses of the same name that may still be tried.
    siblings: Option<usize>,
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
    began: Instant,
) -> Result<Answered, ForwardError> {
    let id = plan.decided.upstream;
    let mut admitted = Admitted::enter(pin, id, began)?;
    let upstream = &**pin.snapshot.upstream(id);
    let mut tries = Tries {
        pin,
        id,
        upstream,
        timeouts: plan.timeouts(pin, upstream),
        plan,
        began,
        left: upstream.retry_attempts,
        siblings: None,
        failed: None,
        replayable: !plan.unsafe_request && upload.is_none(),
        fresh_only: false,
        look: if record.pipelined { Look::Socket } else { Look::Reactor },
    };
    let view = match tries.members() {
        Some(view) => view,
        None => Box::pin(tries.wait_for_members(session)).await.map_err(|error| admitted.failed(error))?,
    };
    let state = pin.upstream(id);
    let mut head = session.client.local.response_head();
    loop {
        let at = balance::choose(&view, upstream.balance, &state.turn, tries.failed)
            .ok_or(ForwardError::NoEndpoint)?;
        let endpoint = view.get(at).ok_or(ForwardError::NoEndpoint)?;
        record.endpoint = Some((id, Chosen::new(&view, at)));
        let visit = Visit::new(&view, at);
        let (mut connection, reused) = match tries.connection(session, endpoint).await {
            Ok(found) => found,
            Err(error) => {
                visit.failed(state, error);
                tries.may_connect_again(session, error, &view, at).map_err(|error| admitted.failed(error))?;
                record.retries += 1;
                continue;
            }
        };
        set_host(request, plan, upstream, endpoint);
        request.write(connection.wire.outbox());
        if let Some(upload) = upload {
            upload.replay(connection.wire.outbox());
        }
        let sent = connection.wire.sent();
        // Whoever had a connection at once has waited for nothing yet.
        let now = if reused && tries.failed.is_none() && !tries.fresh_only { began } else { Instant::now() };
        let mut waiting = Waiting {
            session,
            connection: &mut connection,
            upload,
            tap: &mut record.tap,
            head: &mut head,
            began: now,
            patience: plan.patience(tries.timeouts.response, now),
            informational: 0,
            version: record.version,
        };
        let fault = match poll_fn(|cx| waiting.poll(cx)).await {
            Ok(()) => {
                let now = Instant::now();
                record.responded(now);
                let in_flight = InFlight::answered(admitted, visit, head.status, now);
                return Ok(Answered { head, connection, in_flight });
            }
            Err(NoAnswer::Because(error)) => {
                visit.failed(state, error);
                return Err(admitted.failed(error));
            }
            Err(NoAnswer::Fault(fault)) => fault,
        };
        let unsent = connection.wire.sent() == sent && !upload.as_ref().is_some_and(Upload::has_begun);
        if let Err(error) = tries.again(session, fault, (unsent, reused)) {
            visit.failed(state, error);
            return Err(admitted.failed(error));
        }
        record.retries += 1;
    }
}

impl Tries<'_> {
    /// How long a connection may take.
    fn patience(&self) -> Duration {
        self.plan.patience(self.timeouts.connect, self.began)
    }

    /// The upstream's members; `None` where nobody is to be asked, or not yet.
    fn members(&self) -> Option<View> {
        let mut view = self.pin.members(self.id);
        if view.is_due(self.began) {
            self.pin.upstream(self.id).settle(self.began);
            view = self.pin.members(self.id);
        }
        (!view.usable().is_empty()).then_some(view)
    }

    /// A name that nobody has asked for before is waited for, as long as a connection is.
    async fn wait_for_members(&self, session: &mut Session) -> Result<View, ForwardError> {
        let state = self.pin.upstream(self.id);
        let until = tokio::time::Instant::now() + self.patience();
        loop {
            let mut changed = std::pin::pin!(state.changed().notified());
            // From here on, nothing that changes while this looks is missed.
            changed.as_mut().enable();
            let view = self.pin.members(self.id);
            if !view.usable().is_empty() {
                return Ok(view);
            }
            if !view.is_pending() || tokio::time::Instant::now() >= until {
                let error =
                    if view.all.is_empty() { ForwardError::Unresolved } else { ForwardError::NoEndpoint };
                return Err(error);
            }
            // Elapsed or changed, it is time to look again.
            drop(watched(session, tokio::time::timeout_at(until, changed)).await?);
        }
    }

    /// An idle connection that this request may use, or a fresh one.
    async fn connection(
        &self,
        session: &mut Session,
        endpoint: &Arc<EndpointState>,
    ) -> Result<(Box<Connection>, bool), ForwardError> {
        // The first try begins with the exchange.
        let now = if self.failed.is_none() && !self.fresh_only { self.began } else { Instant::now() };
        match poll_fn(|cx| Poll::Ready(self.idle(session, endpoint, now, cx))).await {
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
    ) -> Result<(Box<Connection>, bool), ForwardError> {
        let local = Rc::clone(&session.client.local);
        let limit = self.upstream.max_connections;
        let permit = match endpoint.permit(limit, &local.recorder) {
            Some(permit) => permit,
            None => match self.wait_for_place(session, endpoint).await? {
                Place::Permit(permit) => permit,
                Place::Idle(connection) => return Ok((connection, true)),
            },
        };
        let connecting = connect(endpoint, self.patience());
        let tcp = watched(session, connecting).await??;
        Ok((Connection::new(Wire::new(tcp, &local.buffers), permit), false))
    }

    fn idle(
        &self,
        session: &Session,
        endpoint: &EndpointState,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Option<Box<Connection>> {
        if self.fresh_only {
            return None;
        }
        // What cannot be sent again gets no connection that its upstream may just be closing.
        let use_for = if self.replayable { (Effect::Read, self.look) } else { (Effect::Write, Look::Socket) };
        session.client.local.pool.take(endpoint, use_for, now, self.upstream.pool_idle, cx)
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
        let until = Instant::now() + self.patience();
        while Instant::now() < until {
            watched(session, tokio::time::sleep(STARVED_LOOK)).await?;
            let look = |cx: &mut Context<'_>| Poll::Ready(self.idle(session, endpoint, Instant::now(), cx));
            if let Some(connection) = poll_fn(look).await {
                return Ok(Place::Idle(connection));
            }
            if let Some(permit) = endpoint.permit(self.upstream.max_connections, &local.recorder) {
                return Ok(Place::Permit(permit));
            }
        }
        Err(ForwardError::NoConnection)
    }

    /// Says why a failed connection leads to no other try, where it does not.
    fn may_connect_again(
        &mut self,
        session: &Session,
        error: ForwardError,
        view: &View,
        at: usize,
    ) -> Result<(), ForwardError> {
        if error.retry() != Retry::Harmless {
            return Err(error);
        }
        let now = Instant::now();
        view.get(at).inspect(|endpoint| endpoint.avoid(now));
        // Waiting for one endpoint twice as long as configured is no better answer.
        let elsewhere = view.all.len() > 1 || error == ForwardError::ConnectRefused;
        if !elsewhere || !(self.is_sibling_left(error, view, at) || self.spend(session, now)) {
            return Err(error);
        }
        self.failed = Some(at);
        Ok(())
    }

    /// Whether another address of the same name is to be tried: a name may stand for both families of addresses
    /// while its service listens on one, and finding that out takes no time and is no retry.
    fn is_sibling_left(&mut self, error: ForwardError, view: &View, at: usize) -> bool {
        if !matches!(error, ForwardError::ConnectRefused | ForwardError::Unreachable) {
            return false;
        }
        let left = self.siblings.get_or_insert_with(|| view.siblings(at).min(SIBLINGS_MAX));
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }

    /// Says why there is no other try, where there is none.
    fn again(
        &mut self,
        session: &Session,
        fault: AnswerFault,
        (unsent, reused): (bool, bool),
    ) -> Result<(), ForwardError> {
        let how = Unanswered { written: !unsent, reused, silent: fault == AnswerFault::Silent };
        let may = match repeat(self.replayable, how) {
            Repeat::Never => false,
            Repeat::Free => true,
            Repeat::ForATry => self.spend(session, Instant::now()),
        };
        if !may {
            return Err(fault.into());
        }
        self.fresh_only = true;
        Ok(())
    }

    /// Takes one try, where one is left and the budget has room.
    fn spend(&mut self, session: &Session, now: Instant) -> bool {
        if self.left == 0 {
            return false;
        }
        if !self.pin.upstream(self.id).allow_retry(now) {
            session.client.local.recorder.limit(Limit::RetryBudget);
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

/// What a starved request found.
enum Place {
    Permit(ConnectionPermit),
    Idle(Box<Connection>),
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
