//! What an upstream is sent: the client's head without what is not its to say, and what the proxy adds.

use std::rc::Rc;
use std::time::{Duration, Instant};

use strangler_core::routing::rewrite::rewrite;
use strangler_core::snapshot::{HeaderOps, Policy, Snapshot, Timeouts, Upstream};
use strangler_core::words::{Effect, Owner, RouteId, SliceId, UpstreamId};

use super::error::ForwardError;
use super::fallback::Spare;
use super::forwarded::{self, Trust};
use super::local::Pin;
use super::location::PublicOrigin;
use super::{hop, identity};
use crate::http1::{Fields, Known, RequestHead, Version};

/// What routing said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) route: Option<RouteId>,
    pub(crate) slice: Option<SliceId>,
    pub(crate) effect: Effect,
    pub(crate) owner: Owner,
    pub(crate) upstream: UpstreamId,
}

/// What is known about one exchange before it begins.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) decided: Decided,
    pub(crate) trust: Trust,
    /// Protocols the client asked to upgrade to.
    pub(crate) upgrade: Option<Vec<u8>>,
    /// Replaces `Host`, whatever the upstream's own setting.
    pub(crate) host: Option<String>,
    /// How the client knows this site.
    pub(crate) public: Option<PublicOrigin>,
    /// Whether the request may only be sent where nobody can have seen it before.
    pub(crate) unsafe_request: bool,
    /// What legacy is asked where the extracted side fails.
    pub(crate) spare: Option<Spare>,
}

impl Plan {
    pub(crate) fn new(decided: Decided, trust: Trust) -> Plan {
        let unsafe_request = decided.effect == Effect::Write;
        Plan { decided, trust, upgrade: None, host: None, public: None, unsafe_request, spare: None }
    }

    /// The policy that applies to this exchange: only the extracted side has one.
    pub(crate) fn policy<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Policy> {
        if self.decided.owner != Owner::Extracted {
            return None;
        }
        match (self.decided.route, self.decided.slice) {
            (Some(route), _) => Some(&*snapshot.route(route).policy),
            (None, Some(slice)) => Some(&*snapshot.slice(slice).policy),
            (None, None) => None,
        }
    }

    /// The upstream's time-outs with the route's on top.
    pub(crate) fn timeouts(&self, pin: &Pin, upstream: &Upstream) -> Timeouts {
        let own = upstream.timeouts;
        let route = self.policy(&pin.snapshot).map(|policy| policy.timeouts).unwrap_or_default();
        Timeouts {
            connect: route.connect.unwrap_or(own.connect),
            response: route.response.unwrap_or(own.response),
            idle: route.idle.unwrap_or(own.idle),
        }
    }

    /// Time between two pieces of an answer.
    pub(crate) fn idle(&self, pin: &Pin, upstream: &Upstream) -> Duration {
        let route = self.policy(&pin.snapshot).and_then(|policy| policy.timeouts.idle);
        route.unwrap_or(upstream.timeouts.idle)
    }

    /// How long something is waited for from now on: a read that legacy can answer waits no longer in all than its
    /// policy says.
    pub(crate) fn patience(&self, limit: Duration, now: Instant) -> Duration {
        match self.spare.as_ref().and_then(|spare| spare.answer_by) {
            Some(by) => limit.min(by.saturating_duration_since(now)),
            None => limit,
        }
    }
}

/// What [`prepare`] needs of the connection.
#[derive(Clone, Copy)]
pub(crate) struct Passing<'a> {
    /// What this process appends to `Via`.
    pub(crate) via: &'a str,
    /// The peer's address as text.
    pub(crate) peer: &'a str,
    /// The authority that the request is for.
    pub(crate) host: &'a Rc<str>,
}

/// Turns a client's head into the one that every upstream would be sent.
///
/// # Errors
///
/// Where the request passed this proxy twice already.
pub(crate) fn prepare(
    head: &mut RequestHead,
    passing: Passing<'_>,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<(), ForwardError> {
    let trust = plan.trust;
    let fields = &mut head.fields;
    if fields.contains(Known::Via) && identity::is_looping(fields, passing.via) {
        return Err(ForwardError::Loop);
    }
    if head.version == Version::Http11 {
        plan.upgrade = hop::upgrade_of(fields);
    }
    let trailers = fields.contains(Known::Te) && hop::takes_trailers(fields);
    hop::strip(fields, plan.upgrade.as_deref(), |known| forwarded::is_not_the_clients(known, trust));
    let host = passing.host;
    forwarded::tell(fields, passing.peer.as_bytes(), host.as_bytes(), trust);
    identity::trace(fields, snapshot.server.request_id);
    fields.add(Known::Via, passing.via.as_bytes());
    plan.public = public_origin(fields, host, trust);
    if trailers {
        fields.add(Known::Te, b"trailers");
    }
    plan.unsafe_request |= plan.upgrade.is_some();
    Ok(())
}

/// Applies the slice's own operations, where the extracted side answers.
///
/// # Errors
///
/// Where a rewrite does not give a target.
pub(crate) fn apply_policy(
    head: &mut RequestHead,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<(), ForwardError> {
    let Some(policy) = plan.policy(snapshot) else { return Ok(()) };
    if let Some(rule) = &policy.rewrite {
        if let Some(route) = plan.decided.route {
            let target = head.target_text();
            let (path, query) = split_target(&target);
            let rewritten = rewrite(path, query, rule, &snapshot.route(route).pattern);
            if !is_target(&rewritten.target) {
                return Err(ForwardError::Internal);
            }
            head.target = rewritten.target.into_bytes();
            if let Some(prefix) = rewritten.stripped {
                head.fields.set(Known::XForwardedPrefix, prefix.as_bytes());
            }
        }
        if let Some(host) = rule.host.as_ref().filter(|host| !host.is_empty()) {
            plan.host = Some(host.clone());
        }
    }
    apply(&policy.request_headers, &mut head.fields);
    Ok(())
}

/// A target in origin-form as path and query.
pub(crate) fn split_target(target: &str) -> (&str, Option<&str>) {
    // A target is short: looking at its bytes is cheaper than setting out to search.
    match target.bytes().position(|byte| byte == b'?') {
        Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..)),
        None => (target, None),
    }
}

/// Whether a made target can stand in a request line.
fn is_target(text: &str) -> bool {
    text.bytes().all(|byte| byte > b' ' && byte != 0x7f && byte != b'#')
}

/// Applies header operations; framing and the connection are not theirs.
pub(crate) fn apply(operations: &HeaderOps, fields: &mut Fields) {
    for name in operations.remove.iter().filter(|name| !Known::from(*name).is_framing()) {
        fields.remove_named(name);
    }
    for (name, value) in operations.set.iter().filter(|(name, _)| !Known::from(name).is_framing()) {
        fields.set_named(name, value.as_bytes());
    }
}

fn public_origin(fields: &Fields, host: &Rc<str>, trust: Trust) -> Option<PublicOrigin> {
    let said = fields.get(Known::XForwardedHost).filter(|_| trust == Trust::Believed);
    let host = match said.and_then(|said| std::str::from_utf8(said).ok()) {
        Some(said) => said.into(),
        None if host.is_empty() => return None,
        None => Rc::clone(host),
    };
    Some(PublicOrigin { scheme: forwarded::scheme(fields, trust), host })
}
