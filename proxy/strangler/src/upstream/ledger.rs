//! Who the members of an upstream are, and why: its endpoints as written, what their names stand for, how each stands.
//!
//! Refuses to publish: that happens under the lock of [`super::state`].

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use strangler_core::snapshot::Upstream;
use strangler_core::upstreams::{BreakerChange, StandingChange, Standings, State};

use super::members::{Member, Nameless};
use super::{EndpointState, Members};

/// Changes that wait to be told; more are counted.
const NEWS_MAX: usize = 64;

/// Who the members are, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) members: Vec<Arc<EndpointState>>,
    pub(super) standings: Standings,
    /// Since when each stands as it does.
    pub(super) since: HashMap<u64, Timestamp>,
    /// What the names among the endpoints stand for.
    pub(super) names: HashMap<String, Name>,
    pub(super) news: Vec<News>,
    pub(super) lost_news: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Name {
    pub(super) addresses: Vec<IpAddr>,
    /// Why there was no answer the last time.
    pub(super) fault: Option<Box<str>>,
}

/// What happened to an upstream, to be told.
#[derive(Clone, Debug)]
pub(super) enum News {
    Standing { endpoint: Box<str>, change: StandingChange },
    Breaker(BreakerChange),
    Addresses { name: Box<str>, count: usize },
    Nameless { name: Box<str>, why: Box<str>, serving: usize },
}

impl Ledger {
    /// The members there should be: of which endpoint as written, and their state.
    pub(super) fn wanted(&self, upstream: &Upstream) -> Vec<(usize, Arc<EndpointState>)> {
        let mut wanted: Vec<(usize, Arc<EndpointState>)> = Vec::new();
        for (source, endpoint) in upstream.endpoints.iter().enumerate() {
            let literal = endpoint.host.parse::<IpAddr>().ok();
            let of_name = self.names.get(&endpoint.host).map(|name| name.addresses.as_slice());
            let addresses = literal.as_slice().iter().chain(of_name.unwrap_or_default());
            for address in addresses.map(|ip| SocketAddr::new(*ip, endpoint.port)) {
                // Two names may stand for one address.
                if wanted.iter().any(|(_, other)| other.address == address) {
                    continue;
                }
                let known = self.members.iter().find(|known| known.is(endpoint, address));
                let new = || Arc::new(EndpointState::new(endpoint.clone(), address));
                wanted.push((source, known.map_or_else(new, Arc::clone)));
            }
        }
        wanted
    }

    pub(super) fn build(&mut self, upstream: &Upstream, wanted: Vec<(usize, Arc<EndpointState>)>) -> Members {
        let mut all = Vec::with_capacity(wanted.len());
        for (source, endpoint) in wanted {
            let state = self.standings.state(endpoint.id);
            let since = *self.since.entry(endpoint.id).or_insert_with(Timestamp::now);
            let standing = self.standings.get(endpoint.id).filter(|_| state != State::Available);
            let why = standing.map(|standing| standing.why().into()).unwrap_or_default();
            let weight = upstream.endpoints.get(source).map_or(1, |endpoint| endpoint.weight);
            all.push(Member { endpoint, source, weight, state, since, why });
        }
        let nameless = |endpoint: &strangler_core::snapshot::Endpoint| {
            let name = self.names.get(&endpoint.host);
            let has_address = endpoint.host.parse::<IpAddr>().is_ok()
                || name.is_some_and(|name| !name.addresses.is_empty());
            (!has_address).then(|| Nameless {
                endpoint: endpoint.clone(),
                why: name.and_then(|name| name.fault.clone()),
            })
        };
        let nameless = upstream.endpoints.iter().filter_map(nameless).collect();
        Members::new(all, nameless, self.standings.next_return())
    }

    pub(super) fn tell(&mut self, news: News) {
        if self.news.len() < NEWS_MAX {
            self.news.push(news);
        } else {
            self.lost_news += 1;
        }
    }
}
