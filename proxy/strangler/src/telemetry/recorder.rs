//! Counters of one data thread.
//!
//! Invariant: a counter has one writing thread, so that counting is a plain load and store on a line that no other
//! thread writes; scraping only reads. A lock is taken only when a series is met for the first time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strangler_core::compare::Account;
use strangler_core::routing::fallback::Trouble;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Owner, RouteId, SliceId};

use super::access_log::{AccessLogWriter, AccessRecord, Lane};
use super::feed::Ring;
use super::judged::{Judged, JudgedCounters, JudgedKey, JudgedSums};
use crate::live::Running;

/// Untrusted peers that a thread remembers.
const FORWARDERS_MAX: usize = 8;

/// Upper bounds of the duration histogram's buckets, in seconds.
pub(super) const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Series of one thread beyond this go to one series of their slice: a bound on memory, not on counting.
const SERIES_MAX: usize = 50_000;

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answerer {
    /// The monolith.
    Legacy,
    /// The extracted service.
    Extracted,
    /// The proxy itself.
    Proxy,
}

impl Answerer {
    /// The value of the `owner` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Answerer::Legacy => "legacy",
            Answerer::Extracted => "extracted",
            Answerer::Proxy => "proxy",
        }
    }
}

impl From<Owner> for Answerer {
    fn from(owner: Owner) -> Answerer {
        match owner {
            Owner::Legacy => Answerer::Legacy,
            Owner::Extracted => Answerer::Extracted,
        }
    }
}

/// What requests a recorder counts; the value of the `role` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Requests of clients.
    Primary,
    /// Copies of them.
    Shadow,
}

impl Role {
    /// The value of the `role` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Shadow => "shadow",
        }
    }
}

/// A limit of `[limits]` or of an upstream; the value of the `limit` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `limits.header_bytes`.
    HeaderBytes,
    /// `limits.headers`.
    Headers,
    /// `limits.target_bytes`.
    TargetBytes,
    /// `limits.body`.
    Body,
    /// `limits.connections`.
    Connections,
    /// `limits.header_timeout`.
    HeaderTimeout,
    /// `limits.body_timeout`.
    BodyTimeout,
    /// `limits.body_rate`.
    BodyRate,
    /// `limits.idle_timeout`.
    IdleTimeout,
    /// The process has no file descriptor left.
    Descriptors,
    /// `upstreams.*.max_connections`.
    MaxConnections,
    /// `upstreams.*.max_in_flight`.
    MaxInFlight,
    /// `upstreams.*.retries.budget`.
    RetryBudget,
    /// Ambiguous path refused or reported (`limits.strictness`).
    Strictness,
    /// Pipes of one thread: large bodies are copied meanwhile.
    Pipes,
    /// The body of a read is too large to be kept for a fallback.
    FallbackBody,
    /// A client whose write was remembered for `read_your_writes` had to give way to others.
    RecentWrites,
}

impl Limit {
    /// Every limit, in the order of the counters.
    pub const ALL: [Limit; 17] = [
        Limit::HeaderBytes,
        Limit::Headers,
        Limit::TargetBytes,
        Limit::Body,
        Limit::Connections,
        Limit::HeaderTimeout,
        Limit::BodyTimeout,
        Limit::BodyRate,
        Limit::IdleTimeout,
        Limit::Descriptors,
        Limit::MaxConnections,
        Limit::MaxInFlight,
        Limit::RetryBudget,
        Limit::Strictness,
        Limit::Pipes,
        Limit::FallbackBody,
        Limit::RecentWrites,
    ];

    /// The value of the `limit` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Limit::HeaderBytes => "header_bytes",
            Limit::Headers => "headers",
            Limit::TargetBytes => "target_bytes",
            Limit::Body => "body",
            Limit::Connections => "connections",
            Limit::HeaderTimeout => "header_timeout",
            Limit::BodyTimeout => "body_timeout",
            Limit::BodyRate => "body_rate",
            Limit::IdleTimeout => "idle_timeout",
            Limit::Descriptors => "descriptors",
            Limit::MaxConnections => "max_connections",
            Limit::MaxInFlight => "max_in_flight",
            Limit::RetryBudget => "retry_budget",
            Limit::Strictness => "strictness",
            Limit::Pipes => "pipes",
            Limit::FallbackBody => "fallback_body",
            Limit::RecentWrites => "recent_writes",
        }
    }
}

/// A side of the proxy, for connection gauges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Connections from clients.
    Client,
    /// Connections to upstreams.
    Upstream,
}

impl Side {
    /// Both sides.
    pub const ALL: [Side; 2] = [Side::Client, Side::Upstream];

    /// The value of the `side` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Upstream => "upstream",
        }
    }
}

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

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) slice: Arc<str>,
    pub(super) route: Arc<str>,
    pub(super) answerer: Answerer,
    pub(super) code: u16,
}

/// A histogram written by one thread.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Not cumulative; the last one is above every bound.
    pub(super) buckets: [Counter; BUCKETS.len() + 1],
    /// Sum of durations in nanoseconds.
    pub(super) sum_ns: Counter,
}

impl Histogram {
    fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let index = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.buckets.get(index) {
            bucket.add(1);
        }
        self.sum_ns.add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// A counter with one writing thread.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.get().wrapping_add(more), Ordering::Relaxed);
    }

    fn subtract(&self, less: u64) {
        self.0.store(self.get().saturating_sub(less), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

type HistogramKey = (Arc<str>, Answerer);

/// Slice and account.
type AccountKey = (Arc<str>, Account);

/// Slice and why legacy was asked.
type FallbackKey = (Arc<str>, Trouble);

/// The counters of one data thread, or of the shadow thread, as others read them.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Shard {
    role: Role,
    requests: Mutex<BTreeMap<SeriesKey, Arc<Counter>>>,
    durations: Mutex<BTreeMap<HistogramKey, Arc<Histogram>>>,
    near_misses: Mutex<BTreeMap<Arc<str>, u64>>,
    accounts: Mutex<BTreeMap<AccountKey, u64>>,
    fallbacks: Mutex<BTreeMap<FallbackKey, u64>>,
    judged: Mutex<BTreeMap<JudgedKey, Arc<JudgedCounters>>>,
    limits: [Counter; Limit::ALL.len()],
    connections: [Counter; Side::ALL.len()],
    forwarders: Mutex<Vec<(IpAddr, u64)>>,
    lane: Arc<Lane>,
    ring: Option<Arc<Ring>>,
}

impl Shard {
    pub(super) fn new(role: Role, lane: Arc<Lane>, ring: Option<Arc<Ring>>) -> Shard {
        Shard {
            role,
            requests: Mutex::default(),
            durations: Mutex::default(),
            near_misses: Mutex::default(),
            accounts: Mutex::default(),
            fallbacks: Mutex::default(),
            judged: Mutex::default(),
            limits: Default::default(),
            connections: Default::default(),
            forwarders: Mutex::default(),
            lane,
            ring,
        }
    }

    pub(super) fn add_forwarders(&self, sums: &mut BTreeMap<IpAddr, u64>) {
        for (peer, count) in lock(&self.forwarders).iter() {
            *sums.entry(*peer).or_default() += count;
        }
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn add_requests(&self, sums: &mut BTreeMap<SeriesKey, u64>) {
        for (key, counter) in lock(&self.requests).iter() {
            *sums.entry(key.clone()).or_default() += counter.get();
        }
    }

    pub(super) fn add_durations(&self, sums: &mut BTreeMap<HistogramKey, ([u64; BUCKETS.len() + 1], u64)>) {
        for (key, histogram) in lock(&self.durations).iter() {
            let (buckets, sum_ns) = sums.entry(key.clone()).or_default();
            for (sum, bucket) in buckets.iter_mut().zip(&histogram.buckets) {
                *sum += bucket.get();
            }
            *sum_ns += histogram.sum_ns.get();
        }
    }

    pub(super) fn add_near_misses(&self, sums: &mut BTreeMap<Arc<str>, u64>) {
        for (slice, count) in lock(&self.near_misses).iter() {
            *sums.entry(Arc::clone(slice)).or_default() += count;
        }
    }

    pub(super) fn add_accounts(&self, sums: &mut BTreeMap<AccountKey, u64>) {
        for (key, count) in lock(&self.accounts).iter() {
            *sums.entry(key.clone()).or_default() += count;
        }
    }

    pub(super) fn add_fallbacks(&self, sums: &mut BTreeMap<FallbackKey, u64>) {
        for (key, count) in lock(&self.fallbacks).iter() {
            *sums.entry(key.clone()).or_default() += count;
        }
    }

    pub(super) fn add_judged(&self, sums: &mut JudgedSums) {
        for ((slice, guardrails, owner), counters) in lock(&self.judged).iter() {
            let [legacy, extracted] = sums.entry((Arc::clone(slice), *guardrails)).or_default();
            counters.add_to(match owner {
                Owner::Legacy => legacy,
                Owner::Extracted => extracted,
            });
        }
    }

    pub(super) fn forget_judged(&self, keep: &dyn Fn(&JudgedKey) -> bool) {
        lock(&self.judged).retain(|key, _| keep(key));
    }

    pub(super) fn limit(&self, limit: Limit) -> u64 {
        self.limits.get(limit as usize).map_or(0, Counter::get)
    }

    pub(super) fn connections(&self, side: Side) -> u64 {
        self.connections.get(side as usize).map_or(0, Counter::get)
    }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
