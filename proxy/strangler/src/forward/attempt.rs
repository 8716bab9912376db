//! To which endpoint a request is sent, and whether it may be sent again.
//!
//! Invariant: an unsafe request is never sent again once a byte of it may have reached an application. Only
//! three things lead to another try: nobody listened, the codec had not written a byte, or a kept-alive
//! connection was found closed before any byte of the answer to a safe request without a body.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use strangler_core::snapshot::{HostPolicy, Timeouts, Upstream};
use strangler_core::words::Effect;

use super::body::InFlight;
use super::error::{ForwardError, Retry};
use super::local::Client;
use super::local::Pin as Pinned;
use super::outbound::Plan;
use super::record::Record;
use crate::telemetry::Limit;
use crate::upstream::connect::connect;
use crate::upstream::http1::{Connection, SendError, SendErrorKind};
use crate::upstream::stream::Stream;
use crate::upstream::upload::{RequestBody, UploadProgress};
use crate::upstream::{EndpointState, balance};

/// How often a request that waits for a place under `max_connections` looks for one.
const STARVED_LOOK: Duration = Duration::from_millis(2);

/// An upstream's answer, as it came.
pub(crate) struct Answered {
    pub(crate) response: Response<Incoming>,
    pub(crate) connection: Connection,
    pub(crate) in_flight: InFlight,
    pub(crate) local: Rc<super::local::Local>,
}

/// What the tries of one request share.
struct Tries<'a> {
    client: &'a Client,
    upstream: &'a Upstream,
    timeouts: Timeouts,
    left: u32,
    /// The endpoint that failed last.
    failed: Option<usize>,
    /// Whether the request can be sent again as it is: it is safe and has no body.
    replayable: bool,
    /// No idle connection is trusted any more.
    fresh_only: bool,
}

/// Sends a request until there is an answer, or no try is left.
///
/// # Errors
///
/// Why there is no answer.
pub(crate) async fn exchange(
    client: &Client,
    pin: &Pinned,
    plan: &Plan,
    request: &mut Option<Request<RequestBody>>,
    record: &mut Record,
) -> Result<Answered, ForwardError> {
    let upstream = &**pin.snapshot.upstream(plan.decided.upstream);
    let state = pin.upstream(plan.decided.upstream);
    if state.in_flight() >= u64::from(upstream.max_in_flight) {
        return Err(ForwardError::Busy);
    }
    let mut tries = Tries {
        client,
        upstream,
        timeouts: plan.timeouts(pin, upstream),
        left: upstream.retry_attempts,
        failed: None,
        replayable: !plan.unsafe_request
            && matches!(request.as_ref().map(Request::body), Some(RequestBody::Empty)),
        fresh_only: false,
    };
    loop {
        let at = balance::choose(state, upstream.balance, tries.failed);
        let endpoint = state.endpoints.get(at).ok_or(ForwardError::ConnectFailed)?;
        record.endpoint = Some((plan.decided.upstream, at));
        let in_flight = InFlight::new(pin, plan.decided.upstream, at);
        let (mut connection, reused) = match tries.connection(endpoint).await {
            Ok(found) => found,
            Err(error) if tries.may_connect_again(error, endpoint, at) => {
                record.retries += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut sent = request.take().ok_or(ForwardError::Internal)?;
        set_host(&mut sent, plan, upstream, endpoint);
        *request = tries.copy(&sent, reused);
        let progress = record.upload.clone();
        let sending = pin!(connection.send(sent));
        let failure = match tries.wait(sending, progress.as_deref()).await {
            Ok(response) => {
                record.responded = Some(record.elapsed());
                let local = Rc::clone(&client.local);
                return Ok(Answered { response, connection, in_flight, local });
            }
            Err(failure) => failure,
        };
        tries.again(failure, request, reused, endpoint, progress.as_deref())?;
        record.retries += 1;
    }
}

impl Tries<'_> {
    /// An idle connection that this request may use, or a fresh one.
    async fn connection(&self, endpoint: &Arc<EndpointState>) -> Result<(Connection, bool), ForwardError> {
        match self.idle(endpoint) {
            Some(connection) => Ok((connection, true)),
            // Boxed, because most requests do not need the room that connecting takes.
            None => Box::pin(self.open(endpoint)).await,
        }
    }

    /// A fresh connection, or one that came free meanwhile.
    async fn open(&self, endpoint: &Arc<EndpointState>) -> Result<(Connection, bool), ForwardError> {
        let local = &self.client.local;
        let limit = self.upstream.max_connections;
        let permit = match endpoint.permit(limit, &local.recorder) {
            Some(permit) => permit,
            None => match self.wait_for_place(endpoint).await? {
                Place::Permit(permit) => permit,
                Place::Idle(connection) => return Ok((connection, true)),
            },
        };
        let tcp = connect(endpoint, &local.resolver, self.timeouts.connect).await?;
        let stream = Stream::new(tcp, Some(permit));
        Connection::start(stream)
            .await
            .map(|connection| (connection, false))
            .map_err(|_| ForwardError::Terminated)
    }

    fn idle(&self, endpoint: &EndpointState) -> Option<Connection> {
        if self.fresh_only {
            return None;
        }
        // What cannot be sent again gets no connection that its upstream may just be closing.
        let effect = if self.replayable { Effect::Read } else { Effect::Write };
        self.client.local.pool.take(endpoint, effect, Instant::now(), self.upstream.pool_idle)
    }

    /// Waits, at most for the time a connection may take, until another request gives one up.
    async fn wait_for_place(&self, endpoint: &Arc<EndpointState>) -> Result<Place, ForwardError> {
        let _starved = Starved::new(endpoint);
        self.client.local.wanted.notify_waiters();
        let until = Instant::now() + self.timeouts.connect;
        while Instant::now() < until {
            tokio::time::sleep(STARVED_LOOK).await;
            if let Some(connection) = self.idle(endpoint) {
                return Ok(Place::Idle(connection));
            }
            if let Some(permit) = endpoint.permit(self.upstream.max_connections, &self.client.local.recorder)
            {
                return Ok(Place::Permit(permit));
            }
        }
        Err(ForwardError::NoConnection)
    }

    /// What a second try of a safe request without a body would send.
    fn copy(&self, request: &Request<RequestBody>, reused: bool) -> Option<Request<RequestBody>> {
        (reused && self.replayable).then(|| {
            let mut copy = Request::new(RequestBody::Empty);
            request.method().clone_into(copy.method_mut());
            request.uri().clone_into(copy.uri_mut());
            request.headers().clone_into(copy.headers_mut());
            request.extensions().clone_into(copy.extensions_mut());
            copy
        })
    }

    /// Waits for the head of the answer. An upload that moves is not a slow answer.
    async fn wait<F>(
        &self,
        mut sending: Pin<&mut F>,
        progress: Option<&UploadProgress>,
    ) -> Result<Response<Incoming>, SendFailure>
    where
        F: Future<Output = Result<Response<Incoming>, SendError>>,
    {
        let patience = self.timeouts.response;
        let mut until = Instant::now() + patience;
        loop {
            match self.client.until(until, sending.as_mut()).await {
                Some(outcome) => return outcome.map_err(SendFailure::Broken),
                None => match progress.filter(|progress| !progress.finished.get()) {
                    Some(progress) if progress.moved.get() + patience > Instant::now() => {
                        until = progress.moved.get() + patience;
                    }
                    _ => return Err(SendFailure::TimedOut),
                },
            }
        }
    }

    /// Whether a failed connection leads to another try.
    fn may_connect_again(&mut self, error: ForwardError, endpoint: &EndpointState, at: usize) -> bool {
        // Waiting for one endpoint twice as long as configured is no better answer.
        let elsewhere = self.upstream.endpoints.len() > 1 || error == ForwardError::ConnectRefused;
        if error.retry() == Retry::Harmless {
            endpoint.avoid();
        }
        if error.retry() != Retry::Harmless || !elsewhere || !self.spend(endpoint) {
            return false;
        }
        self.failed = Some(at);
        true
    }

    /// Leaves in `request` what another try sends, or says why there is none. It holds the copy, where one
    /// was made.
    fn again(
        &mut self,
        failure: SendFailure,
        request: &mut Option<Request<RequestBody>>,
        reused: bool,
        endpoint: &EndpointState,
        progress: Option<&UploadProgress>,
    ) -> Result<(), ForwardError> {
        if let Some(fault) = progress.and_then(|progress| progress.fault.get()) {
            return Err(fault.into());
        }
        let SendFailure::Broken(error) = failure else { return Err(ForwardError::ResponseTimeout) };
        // Not a byte was written: on an idle connection that was closed meanwhile this says nothing about the
        // endpoint, and costs no try.
        if let Some(unsent) = error.unsent
            && (reused || self.spend(endpoint))
        {
            *request = Some(*unsent);
        } else if request.is_none() || error.answered || error.kind != SendErrorKind::Closed {
            return Err(error.kind.into());
        }
        self.fresh_only = true;
        Ok(())
    }

    /// Takes one try, where one is left and the budget has room.
    fn spend(&mut self, endpoint: &EndpointState) -> bool {
        if self.left == 0 {
            return false;
        }
        let local = &self.client.local;
        if !local.pool.allow_retry(endpoint, self.upstream.retry_budget, Instant::now()) {
            local.recorder.limit(Limit::RetryBudget);
            return false;
        }
        self.left -= 1;
        true
    }
}

/// Why a request that was given to a connection has no answer.
enum SendFailure {
    TimedOut,
    Broken(SendError),
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

fn set_host(request: &mut Request<RequestBody>, plan: &Plan, upstream: &Upstream, endpoint: &EndpointState) {
    let host = match (&plan.host, &upstream.host) {
        (Some(host), _) => host.clone(),
        (None, HostPolicy::Literal(name)) => match HeaderValue::from_str(name) {
            Ok(host) => host,
            Err(_) => return,
        },
        (None, HostPolicy::Endpoint) => endpoint.authority.clone(),
        // Only HTTP/1.0 requests come without one.
        (None, HostPolicy::Preserve) if !request.headers().contains_key(HOST) => endpoint.authority.clone(),
        (None, HostPolicy::Preserve) => return,
    };
    request.headers_mut().insert(HOST, host);
}
