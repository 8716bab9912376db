//! What the client gets of an upstream's answer.
//!
//! Owns the rules an answer must keep (RFC 9112, 6.3), what is taken out of it, mapped in it, and how its
//! body is framed anew.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, response};
use hyper::body::{Body as _, Incoming};
use strangler_core::snapshot::HostPolicy;

use super::attempt::Answered;
use super::body::{AnswerBody, Lease};
use super::error::ForwardError;
use super::hop::{self, Marks};
use super::local::Pin;
use super::outbound::{self, Plan};
use super::record::Record;
use super::{answer, location};
use crate::upstream::upload::Gate;

/// An accepted answer, ready to be relayed.
pub(crate) struct Exchange {
    head: response::Parts,
    incoming: Incoming,
    lease: Lease,
    /// Announced by the head.
    length: Option<u64>,
    idle: Duration,
    /// The answer came before the client's body was taken.
    early: bool,
}

/// Checks an answer and prepares it for the client.
///
/// # Errors
///
/// Where the answer breaks a rule; its connection is then closed.
pub(crate) fn accept(
    answered: Answered,
    pin: &Pin,
    plan: &Plan,
    gate: Option<&Gate>,
    record: &mut Record,
) -> Result<Exchange, ForwardError> {
    let Answered { response, connection, in_flight, local } = answered;
    let (mut head, incoming) = response.into_parts();
    let marks = Marks::of(&head.headers, |_| false);
    let length = check(&mut head, &marks)?;
    let upstream = pin.snapshot.upstream(plan.decided.upstream);
    let keep = keep_for(&head, &marks, upstream.pool_idle);
    let switched = switched(&head, plan)?;
    record.answered_by(plan.decided.owner, head.status);

    marks.doomed.remove_from(&mut head.headers, &local.spare);
    if let Some(protocol) = switched {
        head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(UPGRADE, protocol);
    }
    // What hyper keeps for its own upgrades; reason phrase and header-name case stay with the head.
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        head.extensions.remove::<hyper::upgrade::OnUpgrade>();
    }
    head.version = Version::HTTP_11;
    if marks.location {
        map_locations(&mut head.headers, pin, plan);
    }
    if let Some(policy) = plan.policy(&pin.snapshot) {
        outbound::apply(&policy.response_headers, &mut head.headers);
    }

    let upload = record.upload.clone();
    let unfinished = upload.as_ref().is_some_and(|upload| !upload.finished.get());
    let unasked = gate.is_some_and(|gate| !gate.is_open());
    if unasked && let Some(gate) = gate {
        gate.abandon();
    }
    let early = unfinished && (unasked || head.status.is_client_error() || head.status.is_server_error());
    let idle = plan.timeouts(pin, upstream).idle;
    let lease = Lease { local, connection, in_flight, keep, upload };
    Ok(Exchange { head, incoming, lease, length, idle, early })
}

impl Exchange {
    /// The response for the client; `record` lives until its last byte.
    pub(crate) fn into_response(self, record: Record) -> Response<AnswerBody> {
        let Exchange { head, incoming, lease, length, idle, early } = self;
        let client = std::rc::Rc::clone(record.client());
        let status = head.status;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            client.tunnel.replace(Some(super::tunnel::Tunnel::new(lease, record)));
            return Response::from_parts(head, AnswerBody::Empty);
        }
        let body = if incoming.is_end_stream() {
            lease.release();
            // A 204 has no length (RFC 9110, 8.6).
            AnswerBody::announced(length.filter(|_| status != StatusCode::NO_CONTENT), record)
        } else {
            AnswerBody::relay(incoming, lease, record, idle)
        };
        let mut response = Response::from_parts(head, body);
        if early {
            client.unread.set(true);
            answer::close(&mut response);
        }
        response
    }
}

/// The rules of an answer's head; returns the length it announces.
fn check(head: &mut response::Parts, marks: &Marks) -> Result<Option<u64>, ForwardError> {
    if head.status.as_u16() > 599 {
        return Err(ForwardError::Malformed);
    }
    if !marks.transfer_encoding {
        return if marks.content_length { length(&mut head.headers) } else { Ok(None) };
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !chunked || codings.next().is_some() || head.headers.contains_key(CONTENT_LENGTH) {
            return Err(ForwardError::Malformed);
        }
    }
    Ok(None)
}

/// One length, in digits only; equal repetitions are made one (RFC 9110, 8.6).
fn length(headers: &mut HeaderMap) -> Result<Option<u64>, ForwardError> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    let mut repeated = false;
    for line in lines {
        repeated = true;
        if line != first {
            return Err(ForwardError::Malformed);
        }
    }
    let text = std::str::from_utf8(first.as_bytes()).map_err(|_| ForwardError::Malformed)?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ForwardError::Malformed);
    }
    let length = text.parse().map_err(|_| ForwardError::Malformed)?;
    if repeated {
        let first = first.clone();
        headers.insert(CONTENT_LENGTH, first);
    }
    Ok(Some(length))
}

/// The protocol that both sides agreed on.
fn switched(head: &response::Parts, plan: &Plan) -> Result<Option<HeaderValue>, ForwardError> {
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    match (&plan.upgrade, head.headers.get(UPGRADE)) {
        (Some(asked), Some(accepted)) if hop::upgrade_matches(asked, accepted) => Ok(Some(accepted.clone())),
        _ => Err(ForwardError::UnsolicitedUpgrade),
    }
}

/// How long the connection may be idle: as configured, less if the upstream says that it closes earlier.
fn keep_for(head: &response::Parts, marks: &Marks, pool_idle: Duration) -> Duration {
    // A codec that has seen HTTP/1.0 speaks it to the end of the connection, which rules out chunked bodies.
    if head.version != Version::HTTP_11 {
        return Duration::ZERO;
    }
    let closes = |line: &HeaderValue| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    if marks.connection && head.headers.get_all(CONNECTION).iter().any(closes) {
        return Duration::ZERO;
    }
    if !marks.keep_alive {
        return pool_idle;
    }
    let hint = head.headers.get("keep-alive").and_then(|value| value.to_str().ok()).and_then(|value| {
        value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.trim().parse::<u64>().ok())
    });
    match hint {
        // A little earlier than the upstream, so that a request does not meet its closing.
        Some(seconds) => {
            pool_idle.min(Duration::from_millis(seconds.saturating_mul(1000).saturating_sub(250)))
        }
        None => pool_idle,
    }
}

fn map_locations(headers: &mut HeaderMap, pin: &Pin, plan: &Plan) {
    let mut names: Vec<&str> = Vec::new();
    if let Some(host) = plan.host.as_ref().and_then(|host| host.to_str().ok()) {
        names.push(host);
    }
    if let HostPolicy::Literal(name) = &pin.snapshot.upstream(plan.decided.upstream).host {
        names.push(name);
    }
    location::map(headers, &pin.snapshot, plan.public.as_ref(), &names);
}
