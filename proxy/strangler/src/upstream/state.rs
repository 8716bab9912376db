//! One upstream at run time, process-wide: who its members are and how they stand, its breaker, what is in flight.
//!
//! Owns every change of [`Members`]: it happens under one lock, is told, and is published by one store. Refuses to
//! make a request wait: what fails on the request path tries the lock, and leaves it to the next where it is taken.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use strangler_core::snapshot::{HealthCheck, Upstream};
use strangler_core::upstreams::standing::FAILURES;
use strangler_core::upstreams::{
    Admission, Breaker, BreakerChange, BreakerPosition, Outcome, StandingChange, Window,
};
use tokio::sync::Notify;

use super::ledger::{Ledger, News};
use super::{EndpointState, Members, since_start};

/// Retries are budgeted over this long where no breaker says how long to look back.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// One upstream at run time.
#[derive(Debug)]
pub struct UpstreamState {
    /// Its name in the configuration.
    pub name: String,
    settings: Arc<Upstream>,
    members: Arc<ArcSwap<Members>>,
    ledger: Mutex<Ledger>,
    /// Requests in flight over all endpoints and threads, those to addresses that went away included.
    in_flight: Arc<InFlightCount>,
    outcomes: Arc<Outcomes>,
    /// Told when the members have changed.
    changed: Notify,
    /// Requests so far, for round-robin.
    pub(crate) turn: AtomicUsize,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct InFlightCount(AtomicU64);

/// How requests ended, and what the breaker makes of it.
#[derive(Debug)]
struct Outcomes {
    window: Window,
    breaker: Option<Breaker>,
    /// Since when the breaker stands where it does, and why it opened last.
    turned: Mutex<(Timestamp, Box<str>)>,
}

impl Outcomes {
    fn new(upstream: &Upstream) -> Outcomes {
        Outcomes {
            window: Window::new(upstream.breaker.map_or(BUDGET_WINDOW, |breaker| breaker.window)),
            breaker: upstream.breaker.map(Breaker::new),
            turned: Mutex::new((Timestamp::now(), Box::default())),
        }
    }
}

/// How a breaker stands.
#[derive(Clone, Debug)]
pub struct BreakerReport {
    /// Its position.
    pub position: BreakerPosition,
    /// Since when it is not closed, or has been closed.
    pub since: Timestamp,
    /// Why it opened last; empty where it never did.
    pub why: Box<str>,
}

impl UpstreamState {
    /// State for an upstream. What `old` knows of the same endpoints is carried over.
    pub fn new(upstream: &Arc<Upstream>, old: Option<&UpstreamState>) -> UpstreamState {
        // What one service did says nothing about another.
        let same =
            old.filter(|old| old.settings.breaker == upstream.breaker && old.shares_endpoints(upstream));
        let outcomes = same.map(|old| Arc::clone(&old.outcomes));
        let mut ledger = old.map(|old| old.lock().clone()).unwrap_or_default();
        // The old one tells its own.
        ledger.news.clear();
        let state = UpstreamState {
            name: upstream.name.clone(),
            settings: Arc::clone(upstream),
            members: Arc::default(),
            ledger: Mutex::new(ledger),
            in_flight: old.map(|old| Arc::clone(&old.in_flight)).unwrap_or_default(),
            outcomes: outcomes.unwrap_or_else(|| Arc::new(Outcomes::new(upstream))),
            changed: Notify::new(),
            turn: AtomicUsize::new(0),
        };
        state.change(
            |ledger| {
                if upstream.health.is_none() { ledger.standings.unchecked() } else { Vec::new() }
            },
        );
        state
    }

    /// What of this one serves under another configuration of it.
    pub fn next(self: &Arc<UpstreamState>, upstream: &Arc<Upstream>) -> Arc<UpstreamState> {
        if *self.settings == **upstream {
            return Arc::clone(self);
        }
        Arc::new(UpstreamState::new(upstream, Some(self)))
    }

    /// No configuration has this upstream any more: nothing is kept for it.
    pub fn leave(&self) {
        self.lock().members.iter().for_each(|endpoint| endpoint.leave());
    }

    fn shares_endpoints(&self, upstream: &Upstream) -> bool {
        upstream.endpoints.iter().any(|endpoint| self.settings.endpoints.contains(endpoint))
    }

    /// Its settings.
    pub fn settings(&self) -> &Arc<Upstream> {
        &self.settings
    }

    /// Its members now, for threads that ask rarely.
    pub fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// Where members are published.
    pub(crate) fn published(&self) -> &Arc<ArcSwap<Members>> {
        &self.members
    }

    /// Told when the members have changed.
    pub(crate) fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Requests in flight over all endpoints and threads.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.0.load(Ordering::Relaxed)
    }

    /// One request more; whether that is within `limit`. Where it is not, it is not counted.
    pub fn enter(&self, limit: u32) -> bool {
        let fits = self.in_flight.0.fetch_add(1, Ordering::Relaxed) < u64::from(limit);
        if !fits {
            self.exit();
        }
        fits
    }

    /// One request less.
    pub fn exit(&self) {
        self.in_flight.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a request may be sent; `None` where there is no breaker, which always admits.
    ///
    /// # Errors
    ///
    /// The breaker is open; after how long another may.
    pub(crate) fn admit(&self, now: Instant) -> Result<Option<Admission>, Duration> {
        self.outcomes.breaker.as_ref().map(|breaker| breaker.admit_at(|| since_start(now))).transpose()
    }

    /// A request that was admitted has ended.
    pub(crate) fn ended(&self, admission: Option<Admission>, outcome: Outcome, now: Instant) {
        let (now, window) = (since_start(now), &self.outcomes.window);
        match (&self.outcomes.breaker, admission) {
            (Some(breaker), Some(admission)) => {
                if let Some(change) = breaker.ended(admission, outcome, window, now) {
                    self.breaker_turned(change);
                }
            }
            _ if outcome == Outcome::Neither => {}
            _ => window.request(now),
        }
    }

    /// The answer to a request that had ended well broke off.
    pub(crate) fn broke(&self, admission: Option<Admission>, now: Instant) {
        if let (Some(breaker), Some(admission)) = (&self.outcomes.breaker, admission)
            && let Some(change) = breaker.failed(admission, &self.outcomes.window, since_start(now))
        {
            self.breaker_turned(change);
        }
    }

    /// Whether one more retry fits the budget, over all threads; counts it where it does.
    pub(crate) fn allow_retry(&self, now: Instant) -> bool {
        self.outcomes.window.retry(self.settings.retry_budget, since_start(now))
    }

    /// Where the breaker stands; `None` where there is none.
    pub fn breaker(&self) -> Option<BreakerReport> {
        let position = self.outcomes.breaker.as_ref()?.position();
        let (since, why) = self.turned().clone();
        Some(BreakerReport { position, since, why })
    }

    /// Whether everybody is admitted.
    pub fn is_closed(&self) -> bool {
        self.outcomes.breaker.as_ref().is_none_or(|breaker| breaker.position() == BreakerPosition::Closed)
    }

    fn turned(&self) -> MutexGuard<'_, (Timestamp, Box<str>)> {
        self.outcomes.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn breaker_turned(&self, change: BreakerChange) {
        if change != BreakerChange::StillOpen {
            let mut turned = self.turned();
            turned.0 = Timestamp::now();
            if let BreakerChange::Opened(counts) = change {
                turned.1 = format!("{} of {} requests failed", counts.failures, counts.requests).into();
            }
        }
        self.lock().tell(News::Breaker(change));
    }

    /// A request to an endpoint failed, as `in_a_row` did before it and with it.
    pub(crate) fn failed(
        &self,
        endpoint: &EndpointState,
        in_a_row: u32,
        why: impl FnOnce() -> String,
        now: Instant,
    ) {
        // Whoever holds the lock changes something already; the next failure is not far.
        if in_a_row >= FAILURES
            && let Ok(mut ledger) = self.ledger.try_lock()
        {
            let why = format!("{in_a_row} requests in a row failed, the last one: {}", why());
            let change = ledger.standings.failed(endpoint.id, in_a_row, &why, since_start(now));
            self.publish(&mut ledger, change.into_iter().collect(), Publish::Changed);
        }
    }

    /// A request to an endpoint was answered, where the one before was not.
    pub(crate) fn answered(&self, endpoint: &EndpointState, now: Instant) {
        let mut ledger = self.lock();
        let change = ledger.standings.answered(endpoint.id, since_start(now));
        self.publish(&mut ledger, change.into_iter().collect(), Publish::Changed);
    }

    /// Lets ejected endpoints return whose time has come.
    pub(crate) fn settle(&self, now: Instant) {
        let mut ledger = self.lock();
        let changes = ledger.standings.settle(since_start(now));
        self.publish(&mut ledger, changes, Publish::Changed);
    }

    /// An endpoint was asked whether it is well.
    pub(crate) fn checked(&self, endpoint: u64, outcome: Result<(), &str>, settings: &HealthCheck) {
        let mut ledger = self.lock();
        let changes = ledger.standings.checked(endpoint, outcome, settings);
        self.publish(&mut ledger, changes, Publish::Changed);
    }

    /// What a name stands for. An answer without addresses, and none at all, leave those that were known in
    /// service.
    pub(crate) fn resolved(&self, host: &str, answer: Result<&[IpAddr], &str>) {
        if !self.settings.endpoints.iter().any(|endpoint| endpoint.host == host) {
            return;
        }
        let mut ledger = self.lock();
        let name = ledger.names.entry(host.to_owned()).or_default();
        let news = match answer {
            Ok(addresses) => {
                name.fault = None;
                if name.addresses == addresses {
                    return;
                }
                name.addresses = addresses.to_vec();
                News::Addresses { name: host.into(), count: addresses.len() }
            }
            Err(why) => {
                let before = name.fault.replace(why.into());
                let news =
                    News::Nameless { name: host.into(), why: why.into(), serving: name.addresses.len() };
                if before.is_some() {
                    return;
                }
                news
            }
        };
        ledger.tell(news);
        self.publish(&mut ledger, Vec::new(), Publish::Always);
    }

    /// Names among the endpoints.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        let names = self.settings.endpoints.iter().map(|endpoint| endpoint.host.as_str());
        names.filter(|host| host.parse::<IpAddr>().is_err())
    }

    /// Changes since this was last asked, and how many there were beyond those.
    pub(super) fn take_news(&self) -> (Vec<News>, u64) {
        let mut ledger = self.lock();
        (std::mem::take(&mut ledger.news), std::mem::take(&mut ledger.lost_news))
    }

    fn change(&self, how: impl FnOnce(&mut Ledger) -> Vec<StandingChange>) {
        let mut ledger = self.lock();
        let changes = how(&mut ledger);
        self.publish(&mut ledger, changes, Publish::Always);
    }

    /// Publishes who the members are now.
    fn publish(&self, ledger: &mut Ledger, mut changes: Vec<StandingChange>, when: Publish) {
        if changes.is_empty() && when == Publish::Changed {
            return;
        }
        let wanted = ledger.wanted(&self.settings);
        let endpoints: Vec<_> = wanted.iter().map(|(_, endpoint)| Arc::clone(endpoint)).collect();
        let ids: Vec<u64> = endpoints.iter().map(|endpoint| endpoint.id).collect();
        for left in std::mem::replace(&mut ledger.members, endpoints) {
            if !ids.contains(&left.id) {
                left.leave();
            }
        }
        changes.extend(ledger.standings.keep(&ids));
        ledger.since.retain(|id, _| ids.contains(id));
        for change in changes {
            ledger.since.insert(change.endpoint, Timestamp::now());
            let endpoint = ledger.members.iter().find(|endpoint| endpoint.id == change.endpoint);
            if let Some(endpoint) = endpoint.map(|endpoint| endpoint.label.clone()) {
                ledger.tell(News::Standing { endpoint, change });
            }
        }
        let members = ledger.build(&self.settings, wanted);
        self.members.store(Arc::new(members));
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When members are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publish {
    /// Where the standing of one has changed.
    Changed,
    /// In any case.
    Always,
}
