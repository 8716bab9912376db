//! The one configuration everybody reads, and how another takes its place.
//!
//! Owns the current [`Running`] configuration. Imports only core and [`crate::upstream`]'s state. Refuses
//! partial changes: a new configuration is built whole, then stored once.

pub mod compile;
pub mod points;
pub mod reload;
pub mod report;
pub mod retreat;
pub mod source;
pub mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use strangler_core::guardrail::Watches;
use strangler_core::retreat::Latches;
use strangler_core::routing::Facts;
use strangler_core::snapshot::Snapshot;
use strangler_core::words::{Phase, UpstreamId};
use tokio::sync::watch as channel;

use crate::upstream::UpstreamState;
use crate::upstream::lag::Lags;

/// A snapshot in service, with the run-time state that belongs to it.
///
/// Invariant: immutable once published; a request pins one and uses it to its end.
#[derive(Debug)]
pub struct Running {
    /// The configuration.
    pub snapshot: Arc<Snapshot>,
    /// Its number: 1 for the first one of this process, then counting up.
    pub generation: u64,
    /// State of each upstream, indexed by [`UpstreamId`]; carried over where the upstream did not change.
    pub upstreams: Vec<Arc<UpstreamState>>,
    /// Retreats in force, by the slice's name: they outlive the configuration.
    pub latches: Arc<Latches>,
    /// Indexed by [`strangler_core::words::SliceId`]: what they come to in this configuration.
    pub retreats: Box<[Option<Phase>]>,
    /// What guardrails watch of this configuration.
    pub watches: Arc<Watches>,
    /// How late the data of sides is that do not write; carried over where the same is asked.
    pub lags: Arc<Lags>,
}

impl Running {
    /// The first configuration of a process, without retreats.
    pub fn first(snapshot: Arc<Snapshot>) -> Running {
        let upstreams = snapshot.upstreams.iter().map(|u| Arc::new(UpstreamState::new(u, None))).collect();
        Running::new(snapshot, 1, upstreams, Arc::default(), &Lags::default())
    }

    /// The configuration that follows this one; endpoints that are in both keep their state and pools.
    pub fn next(&self, snapshot: Arc<Snapshot>) -> Running {
        let upstreams = snapshot
            .upstreams
            .iter()
            .map(|upstream| match self.upstreams.iter().find(|state| state.name == upstream.name) {
                Some(old) => old.next(upstream),
                None => Arc::new(UpstreamState::new(upstream, None)),
            })
            .collect();
        for old in &self.upstreams {
            if !snapshot.upstreams.iter().any(|upstream| upstream.name == old.name) {
                old.leave();
            }
        }
        Running::new(snapshot, self.generation + 1, upstreams, Arc::clone(&self.latches), &self.lags)
    }

    /// This configuration, of the same generation and with the same state, under other retreats.
    pub fn with_latches(&self, latches: Arc<Latches>) -> Running {
        Running {
            snapshot: Arc::clone(&self.snapshot),
            generation: self.generation,
            upstreams: self.upstreams.clone(),
            retreats: latches.phases(&self.snapshot),
            latches,
            watches: Arc::clone(&self.watches),
            lags: Arc::clone(&self.lags),
        }
    }

    fn new(
        snapshot: Arc<Snapshot>,
        generation: u64,
        upstreams: Vec<Arc<UpstreamState>>,
        latches: Arc<Latches>,
        known: &Lags,
    ) -> Running {
        let retreats = latches.phases(&snapshot);
        let watches = Arc::new(Watches::of(&snapshot));
        let lags = Arc::new(Lags::of(&snapshot, known));
        Running { snapshot, generation, upstreams, latches, retreats, watches, lags }
    }

    /// What decisions depend on beside the request and the snapshot.
    pub fn facts(&self) -> Facts<'_> {
        Facts { retreats: &self.retreats, ..Facts::NONE }
    }

    /// State of an upstream of this configuration.
    #[expect(clippy::indexing_slicing, reason = "an id is made only for an entry of its own snapshot")]
    pub fn upstream(&self, id: UpstreamId) -> &Arc<UpstreamState> {
        &self.upstreams[id.0 as usize]
    }
}

/// The current configuration.
#[derive(Debug)]
pub struct Live {
    current: Arc<ArcSwap<Running>>,
    published: channel::Sender<u64>,
}

/// A data thread's view of the current configuration: reading it is one relaxed load.
pub type Reader = arc_swap::Cache<Arc<ArcSwap<Running>>, Arc<Running>>;

impl Live {
    /// Starts with a configuration.
    pub fn new(running: Running) -> Arc<Live> {
        let published = channel::Sender::new(0);
        Arc::new(Live { current: Arc::new(ArcSwap::from_pointee(running)), published })
    }

    /// The current configuration, for threads that ask rarely.
    pub fn pin(&self) -> Arc<Running> {
        self.current.load_full()
    }

    /// A cached view for a data thread; call `reader.load()` once per request.
    pub fn reader(&self) -> Reader {
        arc_swap::Cache::new(Arc::clone(&self.current))
    }

    /// Publishes a configuration: one store, after which every new request uses it.
    pub fn publish(&self, running: Arc<Running>) {
        self.current.store(running);
        self.published.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells of every configuration that is published from now on.
    pub fn subscribe(&self) -> channel::Receiver<u64> {
        self.published.subscribe()
    }
}
