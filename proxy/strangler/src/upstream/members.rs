//! The addresses of one upstream at one moment.
//!
//! Invariant: never changed, only replaced; a request looks at one and the same from its first try to its last.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use strangler_core::snapshot::Endpoint;
use strangler_core::upstreams::State;

use super::{EndpointState, since_start};

/// One address.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its state.
    pub endpoint: Arc<EndpointState>,
    /// Which of the upstream's endpoints as written: addresses of one name share it.
    pub source: usize,
    /// Relative share of requests.
    pub weight: u32,
    /// Whether it is asked.
    pub state: State,
    /// Since when that is so.
    pub since: Timestamp,
    /// Why it is not asked; empty where it is.
    pub why: Box<str>,
}

/// An endpoint that is written as a name and has no address yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameless {
    /// As written.
    pub endpoint: Endpoint,
    /// What the last answer was; `None` while the first is awaited.
    pub why: Option<Box<str>>,
}

/// All addresses of an upstream.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// In the order in which they are written; those of one name by address.
    pub all: Box<[Member]>,
    /// Names without an address.
    pub nameless: Box<[Nameless]>,
    /// Places in `all` of those that are asked.
    usable: Box<[usize]>,
    /// Of each of those, the sum of its weight and of those before it.
    bounds: Box<[u64]>,
    /// When the next ejected one returns, since the start of the process.
    returns_at: Option<Duration>,
}

impl Members {
    pub(super) fn new(all: Vec<Member>, nameless: Vec<Nameless>, returns_at: Option<Duration>) -> Members {
        let available = |(at, member): (usize, &Member)| (member.state == State::Available).then_some(at);
        let usable: Box<[usize]> = all.iter().enumerate().filter_map(available).collect();
        let weights = usable.iter().filter_map(|at| all.get(*at)).scan(0, |sum, member| {
            *sum += u64::from(member.weight.max(1));
            Some(*sum)
        });
        let bounds = weights.collect();
        Members { all: all.into(), nameless: nameless.into(), usable, bounds, returns_at }
    }

    /// One of them.
    pub fn get(&self, at: usize) -> Option<&Arc<EndpointState>> {
        self.all.get(at).map(|member| &member.endpoint)
    }

    /// Those that are asked, as places in `all`.
    pub(crate) fn usable(&self) -> &[usize] {
        &self.usable
    }

    /// Whether one that is ejected is to return by now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.returns_at.is_some_and(|at| at <= since_start(now))
    }

    /// Sum of the weights of those that are asked.
    pub(crate) fn weights(&self) -> u64 {
        self.bounds.last().copied().unwrap_or_default()
    }

    /// The weight with which one is asked: 0 where it is not.
    pub(crate) fn weight_of(&self, member: &Member) -> u64 {
        if member.state == State::Available { u64::from(member.weight.max(1)) } else { 0 }
    }

    /// Which of those that are asked owns place `at` when each has as many places as its weight.
    pub(super) fn at_weight(&self, at: u64) -> usize {
        // Most weights are 1.
        match self.bounds.get(usize::try_from(at).unwrap_or_default()) {
            Some(bound) if *bound == at + 1 => usize::try_from(at).unwrap_or_default(),
            _ => self.bounds.partition_point(|bound| *bound <= at),
        }
    }

    /// Whether a name still waits for its first answer.
    pub(crate) fn is_pending(&self) -> bool {
        self.nameless.iter().any(|nameless| nameless.why.is_none())
    }

    /// How many other addresses the endpoint as written has that this one is of.
    pub(crate) fn siblings(&self, at: usize) -> usize {
        let Some(source) = self.all.get(at).map(|member| member.source) else { return 0 };
        self.all.iter().filter(|member| member.source == source).count().saturating_sub(1)
    }

    /// How many are in a state.
    pub fn count(&self, state: State) -> usize {
        self.all.iter().filter(|member| member.state == state).count()
    }
}

/// The members that a data thread's requests look at, without touching a shared counter.
pub(crate) type View = Rc<Arc<Members>>;

/// One member of a view.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    view: View,
    at: usize,
}

impl Chosen {
    pub(crate) fn new(view: &View, at: usize) -> Chosen {
        Chosen { view: Rc::clone(view), at }
    }

    /// Its state.
    pub(crate) fn endpoint(&self) -> Option<&Arc<EndpointState>> {
        self.view.get(self.at)
    }

    /// Whether it is asked, as of then.
    pub(crate) fn state(&self) -> Option<State> {
        self.view.all.get(self.at).map(|member| member.state)
    }

    /// Whether it has others that could be asked instead.
    pub(crate) fn has_peers(&self) -> bool {
        self.view.all.len() > 1
    }
}
