//! What the client gets of an upstream's answer.
//!
//! Owns the rules an answer must keep (RFC 9112, 6.3), what is taken out of it, mapped in it, and how its
//! body is framed anew.

use std::time::Duration;

use http::Method;
use strangler_core::snapshot::HostPolicy;
use strangler_core::snapshot::slice::KeySource;

use super::attempt::Answered;
use super::error::ForwardError;
use super::local::Pin;
use super::outbound::{self, Plan};
use super::record::Record;
use super::relay::{Lease, Relay};
use super::upload::Upload;
use super::{cohort_cookie, hop, location};
use crate::http1::chunked::TrailerLimits;
use crate::http1::relay::Outgoing;
use crate::http1::{Fields, Framing, Incoming, Known, ResponseHead, Version};

/// What an upstream's trailers may be.
const TRAILERS: TrailerLimits = TrailerLimits { lines: 128, bytes: 64 * 1024 };

/// What the client's connection is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Downstream {
    pub(crate) version: Version,
    /// Whether another request may follow on it.
    pub(crate) persistent: bool,
}

/// What follows an answer's head.
pub(crate) enum Follows {
    Body(Relay),
    /// Bytes of another protocol.
    Tunnel(Lease),
}

/// What holds of an answer that may be passed on.
pub(crate) struct Judged {
    framing: Framing,
    /// The protocol that both sides agreed on.
    switched: Option<Vec<u8>>,
}

/// Checks an answer.
///
/// # Errors
///
/// Where the answer breaks a rule; its connection is then closed.
pub(crate) fn judge(answered: &mut Answered, plan: &Plan, method: &Method) -> Result<Judged, ForwardError> {
    let framing = answered.head.framing(method).map_err(|_| {
        answered.in_flight.broke();
        ForwardError::Malformed
    })?;
    let switched = switched(&answered.head, plan).inspect_err(|_| answered.in_flight.broke())?;
    Ok(Judged { framing, switched })
}

/// Makes an answer's head the one the client gets.
pub(crate) fn accept(
    (answered, judged): (Answered, Judged),
    pin: &Pin,
    plan: &Plan,
    upload: Option<&mut Upload>,
    downstream: Downstream,
    record: &mut Record,
) -> (Box<ResponseHead>, Follows) {
    let Answered { mut head, connection, in_flight } = answered;
    let Judged { framing, switched } = judged;
    let upstream = pin.snapshot.upstream(plan.decided.upstream);
    let keep =
        if framing == Framing::UntilClose { Duration::ZERO } else { keep_for(&head, upstream.pool_idle) };
    record.answered_by(plan.decided.owner, head.status);
    record.wrote(head.status);
    record.tap.answer(&head);
    hop::strip(&mut head.fields, switched.as_deref(), |_| false);
    map_locations(&mut head.fields, pin, plan);
    if let Some(policy) = plan.policy(&pin.snapshot) {
        outbound::apply(&policy.response_headers, &mut head.fields);
    }
    if switched.is_some() {
        return (head, Follows::Tunnel(Lease { connection, in_flight, keep: Duration::ZERO }));
    }
    issue_cookie(&mut head, pin, plan, record);
    let unfinished = upload.as_ref().is_some_and(|upload| !upload.is_finished());
    let unasked = upload.as_ref().is_some_and(|upload| upload.is_held());
    if let Some(upload) = upload {
        upload.abandon();
    }
    // The answer came before the client's body was taken.
    let early = unfinished && (unasked || head.status >= 400);
    let (outgoing, ends) = reframe(&mut head, framing, downstream.version);
    let persistent = downstream.persistent && !early && !ends;
    if !persistent {
        head.fields.add(Known::Connection, b"close");
    } else if downstream.version == Version::Http10 {
        head.fields.add(Known::Connection, b"keep-alive");
    }
    let lease = Lease { connection, in_flight, keep };
    let body = Incoming::new(framing, TRAILERS);
    let idle = plan.idle(pin, upstream);
    (head, Follows::Body(Relay::new(body, outgoing, lease, idle, persistent, ends)))
}

/// Gives a client without a cohort key one, while a canary asks for it.
fn issue_cookie(head: &mut ResponseHead, pin: &Pin, plan: &Plan, record: &mut Record) {
    let Some(cookie) = record.decision().and_then(|decision| decision.cookie_to_issue(&pin.snapshot)) else {
        return;
    };
    let source = KeySource::Cookie(cookie.name.clone());
    if let Some(value) = cohort_cookie::issue(head, cookie, &pin.snapshot, plan.public.as_ref()) {
        record.is_known_by(&source, &value, head.status);
    }
}

/// How the body is written to a client of this version, and whether its end is the connection's.
fn reframe(head: &mut ResponseHead, framing: Framing, version: Version) -> (Outgoing, bool) {
    match (framing, version) {
        (Framing::None, _) => {
            // Neither has content, and says so by its status (RFC 9110, 8.6; RFC 9112, 6.1).
            if head.status == 204 {
                head.fields.remove(Known::ContentLength);
                head.fields.remove(Known::TransferEncoding);
            }
            if version == Version::Http10 {
                head.fields.remove(Known::TransferEncoding);
            }
            (Outgoing::Plain, false)
        }
        (Framing::Length(_), _) => (Outgoing::Plain, false),
        (Framing::Chunked, Version::Http11) => (Outgoing::Chunked, false),
        (Framing::UntilClose, Version::Http11) => {
            head.fields.add(Known::TransferEncoding, b"chunked");
            (Outgoing::Chunked, false)
        }
        (Framing::Chunked | Framing::UntilClose, Version::Http10) => {
            head.fields.remove(Known::TransferEncoding);
            (Outgoing::Plain, true)
        }
    }
}

/// The protocol that both sides agreed on.
fn switched(head: &ResponseHead, plan: &Plan) -> Result<Option<Vec<u8>>, ForwardError> {
    if head.status != 101 {
        return Ok(None);
    }
    match (&plan.upgrade, head.fields.get(Known::Upgrade)) {
        (Some(asked), Some(accepted)) if hop::upgrade_matches(asked, accepted) => Ok(Some(accepted.to_vec())),
        _ => Err(ForwardError::UnsolicitedUpgrade),
    }
}

/// How long the connection may be idle: as configured, less if the upstream says that it closes earlier.
fn keep_for(head: &ResponseHead, pool_idle: Duration) -> Duration {
    let says = |option| head.fields.contains(Known::Connection) && hop::connection_says(&head.fields, option);
    // What speaks HTTP/1.0 may close whenever it likes.
    if head.version == Version::Http10 || says(b"close") {
        return Duration::ZERO;
    }
    let hint = head.fields.get(Known::KeepAlive).and_then(|value| std::str::from_utf8(value).ok()).and_then(
        |value| {
            value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.trim().parse::<u64>().ok())
        },
    );
    match hint {
        // A little earlier than the upstream, so that a request does not meet its closing.
        Some(seconds) => {
            pool_idle.min(Duration::from_millis(seconds.saturating_mul(1000).saturating_sub(250)))
        }
        None => pool_idle,
    }
}

fn map_locations(fields: &mut Fields, pin: &Pin, plan: &Plan) {
    if !fields.contains(Known::Location) && !fields.contains(Known::ContentLocation) {
        return;
    }
    let mut names: Vec<&str> = Vec::new();
    if let Some(host) = &plan.host {
        names.push(host);
    }
    if let HostPolicy::Literal(name) = &pin.snapshot.upstream(plan.decided.upstream).host {
        names.push(name);
    }
    location::map(fields, &pin.snapshot, plan.public.as_ref(), &names);
}
