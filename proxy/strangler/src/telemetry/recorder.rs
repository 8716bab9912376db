//! What one data thread counts and logs with.
//!
//! A lock is taken only when a series is met for the first time; the counters are `shard`'s.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use strangler_core::compare::Account;
use strangler_core::routing::fallback::Trouble;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Owner, RouteId, SliceId};

use super::access_log::{AccessLogWriter, AccessRecord};
use super::judged::{Judged, JudgedCounters};
use super::labels::{Answerer, Limit, Side};
use super::shard::{Counter, Histogram, SeriesKey, Shard, lock};
use crate::live::Running;

/// Untrusted peers that a thread remembers.
const FORWARDERS_MAX: usize = 8;

/// Series of one thread beyond this go to one series of their slice: a bound on memory, not on counting.
const SERIES_MAX: usize = 50_000;

/// How one request ended.
#[derive(Clone, Copy, Debug)]
pub struct RequestOutcome {
    /// The route that won.
    pub route: Option<RouteId>,
    /// The slice of the route, or of the near miss.
    pub slice: Option<SliceId>,
    /// Who answered.
    pub answerer: Answerer,
    /// Status code as the client got it; 499 where the client left first.
    pub code: u16,
    /// From the request's head to the answer's last byte.
    pub duration: Duration,
}

/// What one data thread counts and logs with. Not shared between threads.
#[derive(Debug)]
pub struct Recorder {
    shard: Arc<Shard>,
    log: Arc<AccessLogWriter>,
    cache: RefCell<Cache>,
}

/// Counters of the current generation by index, so that a known series costs no comparison of names.
#[derive(Debug, Default)]
struct Cache {
    generation: u64,
    /// By route index + 1; 0: no route.
    requests: Vec<Vec<(Answerer, u16, Arc<Counter>)>>,
    /// By slice index + 1; 0: no slice.
    durations: Vec<Vec<(Answerer, Arc<Histogram>)>>,
    /// By watch.
    judged: Vec<Vec<(Owner, Arc<JudgedCounters>)>>,
}

impl Recorder {
    pub(super) fn new(shard: Arc<Shard>, log: Arc<AccessLogWriter>) -> Recorder {
        Recorder { shard, log, cache: RefCell::default() }
    }

    /// Counts a request that has ended. `running` is what the request had pinned.
    pub fn request(&self, running: &Running, outcome: &RequestOutcome) {
        let mut cache = self.cache_of(running);
        let index = outcome.route.map_or(0, |id| id.0 as usize + 1);
        let known = cache.requests.get(index).and_then(|known| {
            known.iter().find(|(answerer, code, _)| *answerer == outcome.answerer && *code == outcome.code)
        });
        if let Some((_, _, counter)) = known {
            counter.add(1);
        } else {
            let counter = self.request_series(&running.snapshot, outcome);
            counter.add(1);
            slot(&mut cache.requests, index, |known| known.push((outcome.answerer, outcome.code, counter)));
        }
        let index = outcome.slice.map_or(0, |id| id.0 as usize + 1);
        let known =
            cache.durations.get(index).and_then(|known| known.iter().find(|(a, _)| *a == outcome.answerer));
        if let Some((_, histogram)) = known {
            histogram.observe(outcome.duration);
        } else {
            let histogram = self.duration_series(&running.snapshot, outcome);
            histogram.observe(outcome.duration);
            slot(&mut cache.durations, index, |known| known.push((outcome.answerer, histogram)));
        }
    }

    /// Counts a read of a client with a cohort key for the guardrails of its route: `owner` was decided to answer
    /// it. `running` is what the request had pinned.
    pub fn judged(&self, running: &Running, route: RouteId, owner: Owner, judged: &Judged) {
        let Some(id) = running.watches.of_route(route) else { return };
        let index = id.0 as usize;
        let mut cache = self.cache_of(running);
        let known = cache.judged.get(index).and_then(|known| known.iter().find(|(known, _)| *known == owner));
        if let Some((_, counters)) = known {
            return counters.count(judged);
        }
        let Some(watch) = running.watches.get(id) else { return };
        let slice = Arc::clone(&running.snapshot.slice(watch.slice).name);
        let counters =
            Arc::clone(lock(&self.shard.judged).entry((slice, watch.guardrails, owner)).or_default());
        counters.count(judged);
        slot(&mut cache.judged, index, |known| known.push((owner, counters)));
    }

    fn cache_of(&self, running: &Running) -> std::cell::RefMut<'_, Cache> {
        let mut cache = self.cache.borrow_mut();
        if cache.generation != running.generation {
            *cache = Cache { generation: running.generation, ..Cache::default() };
        }
        cache
    }

    /// Counts a limit that was hit.
    pub fn limit(&self, limit: Limit) {
        if let Some(counter) = self.shard.limits.get(limit as usize) {
            counter.add(1);
        }
    }

    /// Counts a request in which a peer speaks for others (`X-Forwarded-*`) without being trusted. Of each thread a few
    /// peers are remembered, the first.
    pub fn untrusted_forwarder(&self, peer: IpAddr) {
        let mut forwarders = lock(&self.shard.forwarders);
        if let Some((_, count)) = forwarders.iter_mut().find(|(known, _)| *known == peer) {
            *count = count.saturating_add(1);
        } else if forwarders.len() < FORWARDERS_MAX {
            forwarders.push((peer, 1));
        }
    }

    /// Counts a near miss of a slice.
    pub fn near_miss(&self, slice: &Arc<str>) {
        *lock(&self.shard.near_misses).entry(Arc::clone(slice)).or_default() += 1;
    }

    /// Counts the account in which a request of a slice ended that was to be compared.
    pub fn account(&self, slice: &Arc<str>, account: Account) {
        *lock(&self.shard.accounts).entry((Arc::clone(slice), account)).or_default() += 1;
    }

    /// Counts a read of a slice that legacy was asked because the extracted side failed.
    pub fn fallback(&self, slice: &Arc<str>, trouble: Trouble) {
        *lock(&self.shard.fallbacks).entry((Arc::clone(slice), trouble)).or_default() += 1;
    }

    /// Counts a connection that was opened.
    pub fn connection_opened(&self, side: Side) {
        if let Some(gauge) = self.shard.connections.get(side as usize) {
            gauge.add(1);
        }
    }

    /// Counts a connection that was closed.
    pub fn connection_closed(&self, side: Side) {
        if let Some(gauge) = self.shard.connections.get(side as usize) {
            gauge.subtract(1);
        }
    }

    /// Whether anybody takes records of requests that have ended: ask before preparing one.
    pub fn wants_records(&self) -> bool {
        self.shard.ring.is_some() || self.log.enabled()
    }

    /// Tells of a request that has ended: to those who ask about single requests, and to the access log; dropped and
    /// counted where its writer is behind.
    pub fn log(&self, record: &AccessRecord<'_>) {
        if let Some(ring) = &self.shard.ring {
            ring.write(record);
        }
        if self.log.enabled() {
            self.shard.lane.offer(self.shard.role, record, &self.log);
        }
    }

    fn request_series(&self, snapshot: &Snapshot, outcome: &RequestOutcome) -> Arc<Counter> {
        let mut requests = lock(&self.shard.requests);
        let route = outcome.route.map_or_else(|| Arc::from(""), |id| Arc::clone(&snapshot.route(id).id));
        let mut key = SeriesKey {
            slice: slice_name(snapshot, outcome.slice),
            route,
            answerer: outcome.answerer,
            code: outcome.code,
        };
        let full = requests.len() >= SERIES_MAX;
        if full && !requests.contains_key(&key) {
            key.route = Arc::from("(more)");
        }
        match requests.entry(key) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => Arc::clone(entry.insert(Arc::default())),
        }
    }

    fn duration_series(&self, snapshot: &Snapshot, outcome: &RequestOutcome) -> Arc<Histogram> {
        let key = (slice_name(snapshot, outcome.slice), outcome.answerer);
        Arc::clone(lock(&self.shard.durations).entry(key).or_default())
    }
}

fn slice_name(snapshot: &Snapshot, slice: Option<SliceId>) -> Arc<str> {
    slice.map_or_else(|| Arc::from(""), |id| Arc::clone(&snapshot.slice(id).name))
}

fn slot<T>(slots: &mut Vec<Vec<T>>, index: usize, fill: impl FnOnce(&mut Vec<T>)) {
    if slots.len() <= index {
        slots.resize_with(index + 1, Vec::new);
    }
    if let Some(slot) = slots.get_mut(index) {
        fill(slot);
    }
}
