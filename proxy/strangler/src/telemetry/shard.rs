//! The counters of one thread, and how others read them.
//!
//! Invariant: a counter has one writing thread, so that counting is a plain load and store on a line that no other
//! thread writes; scraping only reads. Refuses to say what is counted when: that is [`super::recorder`]'s.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strangler_core::compare::Account;
use strangler_core::routing::fallback::Trouble;
use strangler_core::words::Owner;

use super::access_log::Lane;
use super::feed::Ring;
use super::judged::{JudgedCounters, JudgedKey, JudgedSums};
use super::labels::{Answerer, Limit, Role, Side};

/// Upper bounds of the duration histogram's buckets, in seconds.
pub(super) const BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

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
    pub(super) fn observe(&self, duration: Duration) {
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

    pub(super) fn subtract(&self, less: u64) {
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
    pub(super) role: Role,
    pub(super) requests: Mutex<BTreeMap<SeriesKey, Arc<Counter>>>,
    pub(super) durations: Mutex<BTreeMap<HistogramKey, Arc<Histogram>>>,
    pub(super) near_misses: Mutex<BTreeMap<Arc<str>, u64>>,
    pub(super) accounts: Mutex<BTreeMap<AccountKey, u64>>,
    pub(super) fallbacks: Mutex<BTreeMap<FallbackKey, u64>>,
    pub(super) judged: Mutex<BTreeMap<JudgedKey, Arc<JudgedCounters>>>,
    pub(super) limits: [Counter; Limit::ALL.len()],
    pub(super) connections: [Counter; Side::ALL.len()],
    pub(super) forwarders: Mutex<Vec<(IpAddr, u64)>>,
    pub(super) lane: Arc<Lane>,
    pub(super) ring: Option<Arc<Ring>>,
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
