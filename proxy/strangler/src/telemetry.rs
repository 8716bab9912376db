//! What the data path counts and logs: metrics and the access log.
//!
//! Data threads write only to counters of their own (one [`Recorder`] each); the control thread adds them up
//! when asked. Refuses to slow a request down: nothing here waits, and what does not fit is dropped and counted.

pub mod access_log;
pub mod feed;
pub mod judged;
pub mod labels;
pub mod recorder;
mod render;
mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) use access_log::loggable_path;
pub use access_log::{AccessLogWriter, AccessRecord};
pub use judged::{Judged, JudgedSums};
pub use labels::{Answerer, Limit, Role, Side};
pub use recorder::{Recorder, RequestOutcome};

use strangler_core::compare::Account;
use strangler_core::routing::fallback::Trouble;

use crate::live::Running;
use shard::Shard;

/// Everything that is counted in this process.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// `strangler_config_stale`: the files on disk are not what serves.
    pub config_stale: AtomicBool,
    /// The access log.
    pub access_log: Arc<AccessLogWriter>,
    /// The requests that ended last.
    pub feed: Arc<feed::Feed>,
    shards: Mutex<Vec<Arc<Shard>>>,
    stopped: Mutex<Vec<Stopped>>,
    retreats: Mutex<BTreeMap<(String, String), u64>>,
}

/// A route whose copying has stopped: a copied write was not rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Its slice.
    pub slice: Arc<str>,
    /// Its id.
    pub route: Arc<str>,
    /// When the reply came that did not say `X-Shadow-Mode: rollback`.
    pub since: jiff::Timestamp,
    /// Status of that reply.
    pub status: u16,
}

/// Requests answered so far, added up over all threads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrafficRow {
    /// Slice; empty where no route won.
    pub slice: Arc<str>,
    /// Route id; empty where no route won.
    pub route: Arc<str>,
    /// `legacy`, `extracted`, or `proxy` where the proxy itself answered.
    pub owner: &'static str,
    /// Status code; 499 where the client left first.
    pub code: u16,
    /// How many.
    pub count: u64,
}

impl Telemetry {
    /// Counters at zero.
    pub fn new() -> Arc<Telemetry> {
        Arc::new(Telemetry::default())
    }

    /// Counters for one data thread.
    pub fn recorder(&self) -> Recorder {
        self.recorder_of(Role::Primary)
    }

    /// Counters for the thread that sends copies.
    pub fn shadow_recorder(&self) -> Recorder {
        self.recorder_of(Role::Shadow)
    }

    fn recorder_of(&self, role: Role) -> Recorder {
        // A copy is no request of a client: it is found by its primary.
        let ring = (role == Role::Primary).then(|| self.feed.ring());
        let shard = Arc::new(Shard::new(role, self.access_log.lane(), ring));
        self.lock().push(Arc::clone(&shard));
        Recorder::new(shard, Arc::clone(&self.access_log))
    }

    /// Requests that were to be compared, by slice and account, since the process started.
    pub fn accounts(&self) -> BTreeMap<(Arc<str>, Account), u64> {
        let mut sums = BTreeMap::new();
        for shard in self.lock().iter() {
            shard.add_accounts(&mut sums);
        }
        sums
    }

    /// What guardrails judge, since the process started. What is no longer watched is forgotten.
    pub fn judged(&self, running: &Running) -> JudgedSums {
        let watched: BTreeSet<_> = running
            .watches
            .all
            .iter()
            .map(|watch| (Arc::clone(&running.snapshot.slice(watch.slice).name), watch.guardrails))
            .collect();
        let mut sums = JudgedSums::new();
        for shard in self.lock().iter() {
            shard
                .forget_judged(&|(slice, guardrails, _)| watched.contains(&(Arc::clone(slice), *guardrails)));
            shard.add_judged(&mut sums);
        }
        sums
    }

    /// Requests of clients by slice, route, owner and code since the process started, sorted.
    pub fn traffic(&self) -> Vec<TrafficRow> {
        self.traffic_of(Role::Primary)
    }

    /// Copies sent, likewise: the owner is the side that got them.
    pub fn copies(&self) -> Vec<TrafficRow> {
        self.traffic_of(Role::Shadow)
    }

    fn traffic_of(&self, role: Role) -> Vec<TrafficRow> {
        let mut sums = BTreeMap::new();
        for shard in self.lock().iter().filter(|shard| shard.role() == role) {
            shard.add_requests(&mut sums);
        }
        sums.into_iter()
            .map(|(key, count)| TrafficRow {
                slice: key.slice,
                route: key.route,
                owner: key.answerer.as_str(),
                code: key.code,
                count,
            })
            .collect()
    }

    /// Near misses per slice since the process started.
    pub fn near_misses(&self) -> BTreeMap<Arc<str>, u64> {
        let mut sums = BTreeMap::new();
        for shard in self.lock().iter() {
            shard.add_near_misses(&mut sums);
        }
        sums
    }

    /// Reads that legacy was asked because the extracted side failed, by slice and failure, since the process
    /// started.
    pub fn fallbacks(&self) -> BTreeMap<(Arc<str>, Trouble), u64> {
        let mut sums = BTreeMap::new();
        for shard in self.lock().iter() {
            shard.add_fallbacks(&mut sums);
        }
        sums
    }

    /// The same by the word for the failure: two failures may have one.
    pub fn fallbacks_by_reason(&self) -> BTreeMap<(Arc<str>, String), u64> {
        let mut sums = BTreeMap::new();
        for ((slice, trouble), count) in self.fallbacks() {
            *sums.entry((slice, trouble.to_string())).or_default() += count;
        }
        sums
    }

    /// Routes whose copying has stopped.
    pub fn stopped(&self) -> Vec<Stopped> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows which routes' copying has stopped.
    pub fn show_stopped(&self, stopped: Vec<Stopped>) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = stopped;
    }

    /// Counts a retreat of a slice, or one that was called for and could not be (`blocked`).
    pub fn retreated(&self, slice: &str, cause: &str) {
        let mut retreats = self.retreats.lock().unwrap_or_else(PoisonError::into_inner);
        *retreats.entry((slice.to_owned(), cause.to_owned())).or_default() += 1;
    }

    /// Retreats by slice and cause since the process started.
    pub fn retreats(&self) -> BTreeMap<(String, String), u64> {
        self.retreats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Open connections of one side, now.
    pub fn connections(&self, side: Side) -> u64 {
        self.lock().iter().map(|shard| shard.connections(side)).sum()
    }

    /// Peers that speak for others (`X-Forwarded-*`) without being trusted, and in how many requests.
    pub fn untrusted_forwarders(&self) -> BTreeMap<std::net::IpAddr, u64> {
        let mut sums = BTreeMap::new();
        self.lock().iter().for_each(|shard| shard.add_forwarders(&mut sums));
        sums
    }

    /// How often a limit was hit.
    pub fn limit(&self, limit: Limit) -> u64 {
        self.lock().iter().map(|shard| shard.limit(limit)).sum()
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    pub fn render_prometheus(&self, running: &Running) -> String {
        let fallbacks = self.fallbacks_by_reason();
        render::render(self, &self.lock(), &fallbacks, running, self.config_stale.load(Ordering::Relaxed))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Shard>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
