//! One request end to end.
//!
//! Owns everything between a parsed head and the last byte of its answer: checks, the decision, headers,
//! retries, relaying, and the answers the proxy makes itself. Refuses sockets' lifetimes (see
//! [`crate::server`] and [`crate::upstream`]).
//!
//! Reading order: `inbound` (what may be routed), `outbound` (what the upstream is sent), `attempt` (to whom,
//! and how often), `outcome` (what the client gets), `body` (how it gets there).

mod answer;
mod attempt;
mod body;
mod error;
mod forwarded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hop;
mod identity;
mod inbound;
pub(crate) mod local;
mod location;
mod outbound;
mod outcome;
mod record;
mod rewrite;
#[cfg(test)]
pub(crate) mod tests;
mod tunnel;

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{ACCEPT, EXPECT, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, request};
use hyper::body::{Body as _, Incoming};
use strangler_core::routing::{Facts, RequestView, Verdict, decide};
use strangler_core::words::Owner;

use crate::telemetry::Limit;
use crate::upstream::upload::{Gate, RequestBody, Upload, UploadFault, UploadLimits};
pub(crate) use body::AnswerBody;
use error::{ForwardError, Side};
use inbound::Checked;
use local::{Client, Pin};
use outbound::Plan;
use record::Record;
pub(crate) use tunnel::Tunnel;

/// Answers one request of a client. Dropping the future means that the client left: the exchange with the
/// upstream is cut at once.
///
/// What needs no waiting is done before the future is made, so that the future stays small.
pub(crate) fn serve(
    client: Rc<Client>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> {
    let now = Instant::now();
    client.begin(now);
    let pin = client.local.pin();
    let (head, body) = request.into_parts();
    let mut record = Record::new(&client, &pin, now, &head);
    let accept = head.headers.get(ACCEPT).cloned();
    let has_body = !body.is_end_stream();
    let mut prepared = prepare(&client, &pin, head, body, &mut record);
    async move {
        let outcome = match &mut prepared {
            Ok(Prepared::AboutProxy) => return Ok(answer::options(record)),
            Ok(Prepared::Forward(outbound)) => relay(&client, &pin, outbound, &mut record).await,
            Err(error) => Err(*error),
        };
        let error = match outcome {
            Ok(exchange) => return Ok(exchange.into_response(record)),
            Err(error) => error,
        };
        let unread = has_body && !record.upload.as_ref().is_some_and(|upload| upload.finished.get());
        // After a request that broke a rule nothing on its connection is trusted.
        let broken = error.side() == Side::Client && !matches!(error, ForwardError::Refused(_));
        let mut response = answer::refuse(error, answer::Format::of(accept.as_ref()), record);
        if unread || broken {
            client.unread.set(true);
            answer::close(&mut response);
        }
        Ok(response)
    }
}

/// Counts and logs a request whose head the codec refused before anybody here saw it.
pub(crate) fn refused_by_codec(client: &Rc<Client>, status: StatusCode) {
    let pin = client.local.pin();
    let head = Request::new(()).into_parts().0;
    let mut record = Record::new(client, &pin, Instant::now(), &head);
    record.answered_by_proxy(status, Some("http_request_error"));
    record.complete();
}

/// What is to be done with a request that was not refused.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one, and is not moved")]
enum Prepared {
    Forward(Outbound),
    AboutProxy,
}

/// A request on its way to an upstream.
struct Outbound {
    plan: Plan,
    /// `None` while it is being sent.
    request: Option<Request<RequestBody>>,
    gate: Option<Arc<Gate>>,
}

fn prepare(
    client: &Rc<Client>,
    pin: &Pin,
    mut head: request::Parts,
    body: Incoming,
    record: &mut Record,
) -> Result<Prepared, ForwardError> {
    let settings = &pin.snapshot.server;
    // Measured before the proxy adds a line of its own.
    let sizes = inbound::check_sizes(&head, &pin.snapshot.limits);
    record.request_id = identity::request_id(&mut head.headers, settings.request_id);
    sizes?;
    if client.had_fragment() {
        return Err(ForwardError::BadRequest("The request target has a fragment."));
    }
    let checked = inbound::check(&mut head)?;
    record.host = head.headers.get(HOST).cloned();
    if checked == Checked::AboutProxy {
        return Ok(Prepared::AboutProxy);
    }
    let (client_ip, trust) = forwarded::client_ip(&head.headers, client.peer, &settings.trusted_proxies);
    record.client_ip = client_ip;
    let mut plan = Plan::new(decision(client, pin, &head, record)?, trust);
    outbound::prepare(&mut head, client, pin, &mut plan)?;
    if body.size_hint().exact().is_some_and(|length| pin.snapshot.limits.body.is_some_and(|max| length > max))
    {
        return Err(ForwardError::Upload(UploadFault::TooLarge));
    }
    let (body, gate) = upload(pin, &head, body, record);
    let mut request = Request::from_parts(head, body);
    if let Some(gate) = &gate {
        let gate = Arc::clone(gate);
        hyper::ext::on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                gate.open();
            }
        });
    }
    Ok(Prepared::Forward(Outbound { plan, request: Some(request), gate }))
}

async fn relay(
    client: &Rc<Client>,
    pin: &Pin,
    outbound: &mut Outbound,
    record: &mut Record,
) -> Result<outcome::Exchange, ForwardError> {
    let Outbound { plan, request, gate } = outbound;
    let answered = attempt::exchange(client, pin, plan, request, record).await?;
    outcome::accept(answered, pin, plan, gate.as_deref(), record)
}

/// Where the request goes.
fn decision(
    client: &Rc<Client>,
    pin: &Pin,
    head: &request::Parts,
    record: &mut Record,
) -> Result<outbound::Decided, ForwardError> {
    let view = RequestView {
        method: head.method.as_str(),
        host: head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &head.headers,
        client_ip: Some(record.client_ip),
    };
    let decision = decide(&pin.snapshot, &view, Facts::NONE);
    let recorder = &client.local.recorder;
    if let (Some(_), Some(slice)) = (decision.near_miss, decision.slice) {
        recorder.near_miss(&pin.snapshot.slice(slice).name);
    }
    let ambiguous = decision.reported.is_some()
        || matches!(decision.verdict, Verdict::Refuse(strangler_core::routing::Refusal::AmbiguousPath(_)));
    if ambiguous {
        recorder.limit(Limit::Strictness);
    }
    let verdict = decision.verdict;
    let decided = outbound::Decided {
        route: decision.route,
        slice: decision.slice,
        effect: decision.effect,
        owner: Owner::Legacy,
        upstream: pin.snapshot.legacy,
    };
    record.decided(decision);
    match verdict {
        Verdict::Forward { owner, upstream } => Ok(outbound::Decided { owner, upstream, ..decided }),
        Verdict::Refuse(refusal) => Err(ForwardError::Refused(refusal)),
    }
}

/// The request's body towards the upstream, held back where the client waits to be asked for it.
fn upload(
    pin: &Pin,
    head: &request::Parts,
    body: Incoming,
    record: &mut Record,
) -> (RequestBody, Option<Arc<Gate>>) {
    if body.is_end_stream() {
        return (RequestBody::Empty, None);
    }
    let limits = &pin.snapshot.limits;
    let limits = UploadLimits {
        bytes: limits.body,
        trailer_lines: limits.headers,
        trailer_bytes: limits.header_bytes,
        pause: limits.body_timeout,
        rate: limits.body_rate,
    };
    let gate = expects_continue(&head.headers, record.version).then(Arc::default);
    let upload = Upload::new(body, limits, gate.clone());
    record.upload = Some(upload.progress());
    (RequestBody::Upload(upload), gate)
}

/// RFC 9110, 10.1.1: ignored on HTTP/1.0.
fn expects_continue(headers: &HeaderMap, version: Version) -> bool {
    let expects = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue");
    version != Version::HTTP_10 && headers.get(EXPECT).is_some_and(expects)
}
