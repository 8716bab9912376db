//! One request end to end.
//!
//! Owns everything between a parsed head and the last byte of its answer: checks, the decision, headers,
//! retries, relaying, and the answers the proxy makes itself. Refuses sockets' lifetimes (see
//! [`crate::server`] and [`crate::upstream`]).
//!
//! Reading order: `inbound` (what may be routed), `outbound` (what the upstream is sent), `attempt` (to whom,
//! and how often), `fallback` (legacy in its place), `upload` (the client's body), `outcome` (what the client gets), `relay` (how it gets there).

mod answer;
mod attempt;
mod cohort_cookie;
mod deadline;
mod error;
mod fallback;
mod forwarded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hop;
mod identity;
mod in_flight;
mod inbound;
pub(crate) mod local;
mod location;
mod outbound;
mod outcome;
mod pace;
mod pinned;
pub(crate) mod recent_writes;
mod record;
mod relay;
mod tap;
#[cfg(test)]
pub(crate) mod tests;
mod tunnel;
mod upload;
mod waiting;

use std::borrow::Cow;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use strangler_core::routing::{Facts, Refusal, RequestView, Verdict, decide};
use strangler_core::words::Owner;

use crate::http1::chunked::TrailerLimits;
use crate::http1::{Framing, Known, RequestHead, Version};
use crate::telemetry::Limit;
pub(crate) use deadline::Deadline;
use error::{ForwardError, Side};
use inbound::Checked;
use local::{Client, Pin, Session};
use outbound::{Passing, Plan, split_target};
use outcome::{Downstream, Follows};
use record::Record;
use relay::Relayed;
use tap::HasBody;
pub(crate) use tunnel::Tunnel;
use upload::{Upload, UploadFault, UploadLimits};

/// How long a client may take to take an answer of the proxy's own.
const OWN_ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of a client's connection after one request.
pub(crate) enum Next {
    /// Another request may follow.
    Request,
    /// It is closed: the client has its answer.
    Close,
    /// It is closed once the client, which may still be sending, had time to read its answer.
    Linger,
    /// It is reset: its end would look like the clean end of an answer that broke off.
    Reset,
    /// It belongs to another protocol.
    Tunnel(Box<Tunnel>),
}

/// Why a head could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is not HTTP.
    Malformed,
    /// More lines than allowed.
    TooManyLines,
    /// The head is beyond its limit before it is whole.
    HeadTooLarge,
    /// The request line is.
    TargetTooLong,
    /// It did not come in time.
    TooLate,
}

/// Answers one request of a client. Dropping the future cuts the exchange with the upstream at once.
pub(crate) async fn serve(session: &mut Session, request: &mut RequestHead, pipelined: bool) -> Next {
    let now = Instant::now();
    let client = Rc::clone(&session.client);
    let pin = client.local.pin();
    let mut record = Record::new(&client, &pin, now, request);
    record.pipelined = pipelined;
    let mut downstream = Downstream { version: request.version, persistent: stays_open(request) };
    let accept = request.fields.place(Known::Accept);
    let framing = inbound::framing(request);
    let mut upload = None;
    let outcome = match prepare(&client, &pin, request, framing, &mut record) {
        Ok(Prepared::AboutProxy) => {
            let has_body = framing != Ok(Framing::None);
            let downstream = Downstream { persistent: downstream.persistent && !has_body, ..downstream };
            answer::options(downstream, &mut record, &mut session.wire);
            return finish_own(session, downstream, has_body, &mut record).await;
        }
        Ok(Prepared::Forward(mut plan, body)) => {
            upload = body;
            let answered =
                fallback::exchange(session, &pin, &mut plan, request, &mut upload, &mut record).await;
            record.bytes_in = upload.as_ref().map_or(0, Upload::received);
            downstream.persistent &= !client.local.draining.get();
            answered.map(|answered| {
                outcome::accept(answered, &pin, &plan, upload.as_mut(), downstream, &mut record)
            })
        }
        Err(error) => Err(error),
    };
    match outcome {
        Ok((head, Follows::Tunnel(lease))) => {
            head.write(session.wire.outbox());
            if flush(session).await {
                Next::Tunnel(Box::new(Tunnel::new(lease, record)))
            } else {
                Next::Close
            }
        }
        Ok((head, Follows::Body(mut relay))) => {
            head.write(session.wire.outbox());
            client.local.recycle_response(head);
            relay_body(session, &mut relay, &mut upload, &mut record).await
        }
        Err(error) => {
            record.failed(error);
            let unread = match &upload {
                Some(upload) => !upload.is_finished(),
                None => !matches!(framing, Ok(Framing::None | Framing::Length(0))),
            };
            // After a request that broke a rule nothing on its connection is trusted.
            let broken = error.side() == Side::Client && !matches!(error, ForwardError::Refused(_));
            let persistent = downstream.persistent && !unread && !broken;
            if error == ForwardError::ClientGone {
                record.client_gone();
                return Next::Close;
            }
            let downstream = Downstream { persistent, ..downstream };
            // As the client sent it, whatever has become of the line since.
            let format = answer::Format::of(accept.map(|place| request.fields.at(place)));
            answer::refuse(error, format, downstream, &mut record, &mut session.wire);
            finish_own(session, downstream, unread || broken, &mut record).await
        }
    }
}

/// Answers what is not a request, as far as it can be read.
pub(crate) async fn refuse(session: &mut Session, why: Unreadable) -> Next {
    let client = Rc::clone(&session.client);
    let pin = client.local.pin();
    let mut record = Record::new(&client, &pin, Instant::now(), &RequestHead::default());
    record.request_id = pin.snapshot.server.request_id.then(identity::new_id);
    let error = match why {
        Unreadable::Malformed => ForwardError::BadRequest("The request is not valid HTTP."),
        Unreadable::TooManyLines => ForwardError::HeadersTooLarge(Limit::Headers),
        Unreadable::HeadTooLarge => ForwardError::HeadersTooLarge(Limit::HeaderBytes),
        Unreadable::TargetTooLong => ForwardError::TargetTooLong,
        Unreadable::TooLate => ForwardError::HeadTimeout,
    };
    let downstream = Downstream { version: Version::Http11, persistent: false };
    answer::refuse(error, answer::Format::Text, downstream, &mut record, &mut session.wire);
    finish_own(session, downstream, true, &mut record).await
}

/// Whether another request may follow, as far as the client says (RFC 9112, 9.3).
fn stays_open(request: &RequestHead) -> bool {
    if !request.fields.contains(Known::Connection) {
        return request.version == Version::Http11;
    }
    let says = |option| hop::connection_says(&request.fields, option);
    !says(b"close") && (request.version == Version::Http11 || says(b"keep-alive"))
}

/// Sends what waits; whether that worked in time.
async fn flush(session: &mut Session) -> bool {
    let until = Instant::now() + OWN_ANSWER_PATIENCE;
    poll_fn(|cx| match session.wire.poll_flush(cx) {
        Poll::Ready(outcome) => Poll::Ready(outcome.is_ok()),
        Poll::Pending => session.deadline.poll(cx, until).map(|()| false),
    })
    .await
}

/// Sends an answer of the proxy's own.
async fn finish_own(
    session: &mut Session,
    downstream: Downstream,
    unread: bool,
    record: &mut Record,
) -> Next {
    if !flush(session).await {
        record.client_gone();
        return Next::Close;
    }
    record.complete();
    match (downstream.persistent, unread) {
        (_, true) => Next::Linger,
        (true, false) => Next::Request,
        (false, false) => Next::Close,
    }
}

/// Sends an upstream's answer.
async fn relay_body(
    session: &mut Session,
    relay: &mut relay::Relay,
    upload: &mut Option<Upload>,
    record: &mut Record,
) -> Next {
    let relayed = poll_fn(|cx| relay.poll(cx, session, upload, &mut record.tap)).await;
    record.bytes_out = relay.bytes();
    record.bytes_in = upload.as_ref().map_or(0, Upload::received);
    relayed.note(record);
    let unread = upload.as_ref().is_some_and(|upload| !upload.is_finished());
    match relayed {
        Relayed::Complete if unread => Next::Linger,
        Relayed::Complete if relay.persistent => Next::Request,
        Relayed::Complete | Relayed::ClientGone => Next::Close,
        Relayed::Broken(_) if relay.ends_connection => Next::Reset,
        Relayed::Broken(_) => {
            // What came before is the client's; no end follows it.
            if flush(session).await { Next::Close } else { Next::Reset }
        }
    }
}

/// What is to be done with a request that was not refused.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
enum Prepared {
    Forward(Plan, Option<Upload>),
    AboutProxy,
}

fn prepare(
    client: &Rc<Client>,
    pin: &Pin,
    head: &mut RequestHead,
    framing: Result<Framing, ForwardError>,
    record: &mut Record,
) -> Result<Prepared, ForwardError> {
    let settings = &pin.snapshot.server;
    // Measured before the proxy adds a line of its own.
    let sizes = inbound::check_sizes(head, &pin.snapshot.limits);
    record.request_id = identity::request_id(&mut head.fields, settings.request_id);
    sizes?;
    let framing = framing?;
    let checked = inbound::check(head)?;
    record.host = inbound::host(&head.fields).into();
    if checked == Checked::AboutProxy {
        return Ok(Prepared::AboutProxy);
    }
    let (client_ip, trust) = forwarded::client_ip(&head.fields, client.peer, &settings.trusted_proxies);
    record.client_ip = client_ip;
    if trust == forwarded::Trust::Replaced && head.fields.has_forwarding() {
        client.local.recorder.untrusted_forwarder(client.peer);
    }
    let mut plan = Plan::new(decision(client, pin, head, record)?, trust);
    let mut upload = upload(pin, head, framing);
    let passing = Passing { via: &client.local.via, peer: &client.peer_text, host: &record.host };
    outbound::prepare(head, passing, &pin.snapshot, &mut plan)?;
    record.tap.request(head, if upload.is_some() { HasBody::Yes } else { HasBody::No });
    let announced = if let Framing::Length(length) = framing { Some(length) } else { None };
    plan.spare = fallback::spare(pin, &plan, head, upload.as_mut(), announced, record);
    outbound::apply_policy(head, &pin.snapshot, &mut plan)?;
    if let Framing::Length(length) = framing
        && pin.snapshot.limits.body.is_some_and(|max| length > max)
    {
        return Err(ForwardError::Upload(UploadFault::TooLarge));
    }
    Ok(Prepared::Forward(plan, upload))
}

/// Where the request goes.
fn decision(
    client: &Rc<Client>,
    pin: &Pin,
    head: &RequestHead,
    record: &mut Record,
) -> Result<outbound::Decided, ForwardError> {
    // As it was checked: an absolute form has become the path that it names. Nearly always it is what was sent.
    let (sent, host) = (Rc::clone(record.target()), Rc::clone(&record.host));
    let target = if sent.as_bytes() == head.target { Cow::Borrowed(&*sent) } else { head.target_text() };
    let (path, query) = split_target(&target);
    let view = RequestView {
        method: head.method.as_str(),
        host: &host,
        path,
        query,
        headers: &head.fields,
        client_ip: Some(record.client_ip),
    };
    let recent = client.local.recent.at(record.started());
    let decision = decide(&pin.snapshot, &view, Facts { recent: Some(&recent), ..pin.facts() });
    let recorder = &client.local.recorder;
    if let (Some(_), Some(slice)) = (decision.near_miss, decision.slice) {
        recorder.near_miss(&pin.snapshot.slice(slice).name);
    }
    let ambiguous =
        decision.reported.is_some() || matches!(decision.verdict, Verdict::Refuse(Refusal::AmbiguousPath(_)));
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
    record.tap.decided(&client.local.lane, pin, &decision, record.started());
    record.decided(decision);
    match verdict {
        Verdict::Forward { owner, upstream } => Ok(outbound::Decided { owner, upstream, ..decided }),
        Verdict::Refuse(refusal) => Err(ForwardError::Refused(refusal)),
    }
}

/// The request's body towards the upstream, held back where the client waits to be asked for it
/// (RFC 9110, 10.1.1: ignored on HTTP/1.0).
fn upload(pin: &Pin, head: &RequestHead, framing: Framing) -> Option<Upload> {
    if matches!(framing, Framing::None | Framing::Length(0)) {
        return None;
    }
    let limits = &pin.snapshot.limits;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let trailers = TrailerLimits { lines: size(limits.headers.into()), bytes: size(limits.header_bytes) };
    let limits =
        UploadLimits { bytes: limits.body, trailers, pause: limits.body_timeout, rate: limits.body_rate };
    let expects = head.version == Version::Http11
        && head.fields.get(Known::Expect).is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    Upload::new(framing, limits, expects, Instant::now())
}
