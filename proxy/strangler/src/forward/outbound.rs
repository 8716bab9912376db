//! What an upstream is sent: the client's head without what is not its to say, and what the proxy adds.

use std::cell::RefCell;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderValue, Version, request};
use strangler_core::snapshot::{HeaderOps, Policy, Snapshot, Timeouts, Upstream};
use strangler_core::words::{Effect, Owner, RouteId, SliceId, UpstreamId};

use super::error::ForwardError;
use super::forwarded::{self, Trust, X_FORWARDED_HOST, X_FORWARDED_PREFIX};
use super::hop::{self, Marks};
use super::identity;
use super::local::{Client, Pin};
use super::location::PublicOrigin;
use super::rewrite;

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
    pub(crate) upgrade: Option<HeaderValue>,
    /// Replaces `Host`, whatever the upstream's own setting.
    pub(crate) host: Option<HeaderValue>,
    /// How the client knows this site.
    pub(crate) public: Option<PublicOrigin>,
    /// Whether the request may only be sent where nobody can have seen it before.
    pub(crate) unsafe_request: bool,
}

impl Plan {
    pub(crate) fn new(decided: Decided, trust: Trust) -> Plan {
        let unsafe_request = decided.effect == Effect::Write;
        Plan { decided, trust, upgrade: None, host: None, public: None, unsafe_request }
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
}

/// Turns a client's head into the one that is sent upstream.
///
/// # Errors
///
/// Where the request passed this proxy twice already, or a rewrite does not give a target.
pub(crate) fn prepare(
    head: &mut request::Parts,
    client: &Client,
    pin: &Pin,
    plan: &mut Plan,
) -> Result<(), ForwardError> {
    let local = &client.local;
    let passing = Passing { via: &local.via, peer: &client.peer_text, spare: &local.spare };
    prepare_for(head, passing, &pin.snapshot, plan)
}

/// What [`prepare`] needs of the connection.
#[derive(Clone, Copy)]
pub(super) struct Passing<'a> {
    /// What this process appends to `Via`.
    pub(super) via: &'a HeaderValue,
    /// The peer's address as text.
    pub(super) peer: &'a HeaderValue,
    /// An empty map whose memory is used.
    pub(super) spare: &'a RefCell<HeaderMap>,
}

pub(super) fn prepare_for(
    head: &mut request::Parts,
    passing: Passing<'_>,
    snapshot: &Snapshot,
    plan: &mut Plan,
) -> Result<(), ForwardError> {
    let trust = plan.trust;
    let marks = Marks::of(&head.headers, |name| forwarded::is_not_the_clients(name, trust));
    if marks.via && identity::is_looping(&head.headers, passing.via) {
        return Err(ForwardError::Loop);
    }
    // What hyper keeps for its own upgrades; header-name case stays with the head.
    if marks.upgrade {
        head.extensions.remove::<hyper::upgrade::OnUpgrade>();
    }
    if marks.upgrade && head.version == Version::HTTP_11 {
        plan.upgrade = hop::upgrade_of(&head.headers);
    }
    let trailers = marks.te && hop::takes_trailers(&head.headers);
    marks.doomed.remove_from(&mut head.headers, passing.spare);

    forwarded::tell(&mut head.headers, passing.peer, plan.trust);
    identity::trace(&mut head.headers, snapshot.server.request_id);
    head.headers.append(VIA, passing.via.clone());
    plan.public = public_origin(&head.headers, plan.trust);
    if trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = &plan.upgrade {
        head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(UPGRADE, upgrade.clone());
        plan.unsafe_request = true;
    }
    head.version = Version::HTTP_11;
    apply_policy(head, snapshot, plan)
}

fn apply_policy(head: &mut request::Parts, snapshot: &Snapshot, plan: &mut Plan) -> Result<(), ForwardError> {
    let Some(policy) = plan.policy(snapshot) else { return Ok(()) };
    if let Some(rule) = &policy.rewrite {
        if let Some(route) = plan.decided.route {
            let pattern = &snapshot.route(route).pattern;
            let rewritten = rewrite::rewrite(&head.uri, rule, pattern).ok_or(ForwardError::Internal)?;
            head.uri = rewritten.target;
            if let Some(prefix) = rewritten.stripped.and_then(|prefix| HeaderValue::try_from(prefix).ok()) {
                head.headers.insert(X_FORWARDED_PREFIX.clone(), prefix);
            }
        }
        if let Some(host) = rule.host.as_ref().filter(|host| !host.is_empty()) {
            plan.host = HeaderValue::from_str(host).ok();
        }
    }
    apply(&policy.request_headers, &mut head.headers);
    Ok(())
}

/// Applies header operations; framing and the connection are not theirs.
pub(crate) fn apply(operations: &HeaderOps, headers: &mut HeaderMap) {
    let framing = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];
    for name in operations.remove.iter().filter(|name| !framing.contains(name)) {
        headers.remove(name);
    }
    for (name, value) in operations.set.iter().filter(|(name, _)| !framing.contains(name)) {
        headers.insert(name.clone(), value.clone());
    }
}

fn public_origin(headers: &HeaderMap, trust: Trust) -> Option<PublicOrigin> {
    let said = headers.get(&X_FORWARDED_HOST).filter(|_| trust == Trust::Believed);
    let host = said.or_else(|| headers.get(HOST))?.clone();
    Some(PublicOrigin { scheme: forwarded::scheme(headers, trust), host })
}
