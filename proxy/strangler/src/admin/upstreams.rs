//! Upstreams as `/api/status` sends them: who is asked, who is not, and why.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strangler_core::upstreams::State;

use super::fallbacks;
use crate::live::Running;
use crate::upstream::UpstreamState;
use crate::upstream::members::{Member, Members, Nameless};

/// One upstream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpstreamReport {
    /// Its name.
    pub name: String,
    /// It is the monolith.
    pub is_legacy: bool,
    /// Requests in flight over all endpoints and threads.
    #[serde(default)]
    pub in_flight: u64,
    /// Its breaker, where it has one.
    #[serde(default)]
    pub breaker: Option<BreakerReport>,
    /// Its addresses.
    pub endpoints: Vec<EndpointReport>,
}

/// The breaker of an upstream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BreakerReport {
    /// `closed`, `half-open` or `open`.
    pub state: String,
    /// Since when it is closed, or is not, RFC 3339 in UTC.
    pub since: String,
    /// Why it opened last, where it ever did.
    pub why: Option<String>,
}

/// One address of an upstream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EndpointReport {
    /// Its origin, as written.
    pub url: String,
    /// `ip:port`; none where a name has no address.
    #[serde(default)]
    pub address: Option<String>,
    /// Requests in flight over all threads.
    pub in_flight: u32,
    /// As written; each address of a name has its name's.
    pub weight: u32,
    /// The share of the upstream's requests that its weight is worth among those that are asked now, such as
    /// `"33.33%"`; none where nobody is.
    #[serde(default)]
    pub share: Option<String>,
    /// `available`, `ejected`, `unhealthy`, or `unresolved` where a name has no address.
    #[serde(default)]
    pub state: String,
    /// Since when, RFC 3339 in UTC.
    #[serde(default)]
    pub since: Option<String>,
    /// Why it is not available.
    #[serde(default)]
    pub why: Option<String>,
}

/// All upstreams, as they stand now.
pub(super) fn report(running: &Running) -> Vec<UpstreamReport> {
    let legacy = &running.snapshot.upstream(running.snapshot.legacy).name;
    running.upstreams.iter().map(|state| upstream(state, state.name == *legacy)).collect()
}

fn upstream(state: &UpstreamState, is_legacy: bool) -> UpstreamReport {
    let members = state.members();
    let breaker = state.breaker().map(|breaker| BreakerReport {
        state: breaker.position.as_str().to_owned(),
        since: time(breaker.since),
        why: said(&breaker.why),
    });
    UpstreamReport {
        name: state.name.clone(),
        is_legacy,
        in_flight: state.in_flight(),
        breaker,
        endpoints: members
            .all
            .iter()
            .map(|member| endpoint(&members, member))
            .chain(members.nameless.iter().map(unresolved))
            .collect(),
    }
}

fn endpoint(members: &Members, member: &Member) -> EndpointReport {
    let state = &member.endpoint;
    EndpointReport {
        url: state.endpoint.origin(),
        address: Some(state.address.to_string()),
        in_flight: state.in_flight.load(Ordering::Relaxed),
        weight: member.weight,
        share: fallbacks::share(members.weight_of(member), members.weights()),
        state: member.state.as_str().to_owned(),
        since: Some(time(member.since)),
        why: said(&member.why).filter(|_| member.state != State::Available),
    }
}

fn unresolved(nameless: &Nameless) -> EndpointReport {
    EndpointReport {
        url: nameless.endpoint.origin(),
        address: None,
        in_flight: 0,
        weight: nameless.endpoint.weight,
        share: None,
        state: "unresolved".to_owned(),
        since: None,
        why: nameless.why.as_deref().map(str::to_owned),
    }
}

fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn said(why: &str) -> Option<String> {
    (!why.is_empty()).then(|| why.to_owned())
}
