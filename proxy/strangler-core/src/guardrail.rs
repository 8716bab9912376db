//! Guardrails: what is watched together, and when its limits are broken.
//!
//! Owns which routes are judged as one. Refuses clocks and counters: what was counted, and when, are
//! arguments.

pub mod latency;

use crate::snapshot::Snapshot;
use crate::snapshot::policy::Guardrails;
use crate::words::{RouteId, SliceId};

/// How a read failed that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// An answer from 500 on.
    ServerError,
    /// No answer, none in time, or one that broke off.
    Transport,
    /// The other side had to stand in.
    Fallback,
}

impl FailureKind {
    /// Every kind, in the order of [`Counts::failed`].
    pub const ALL: [FailureKind; 3] =
        [FailureKind::ServerError, FailureKind::Transport, FailureKind::Fallback];
}

/// What was counted of one side of a watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads of keyed clients that ended.
    pub reads: u64,
    /// Those that failed, by kind.
    pub failed: [u64; FailureKind::ALL.len()],
    /// Latency of those that did not fail, by [`latency::bucket`].
    pub latency: Vec<u64>,
}

/// Routes of one slice under the same limits: they are counted and judged together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The slice.
    pub slice: SliceId,
    /// Its limits.
    pub guardrails: Guardrails,
}

/// Index of a watch in one snapshot; meaningless in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId(pub u32);

/// What is watched of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watches {
    /// Indexed by [`WatchId`].
    pub all: Vec<Watch>,
    of_route: Box<[Option<WatchId>]>,
}

impl Watches {
    /// What is watched of a snapshot: routes whose guardrails are off are not.
    pub fn of(snapshot: &Snapshot) -> Watches {
        let mut all: Vec<Watch> = Vec::new();
        let mut last: Vec<Vec<usize>> = vec![Vec::new(); snapshot.slices.len()];
        let mut of_route = Vec::with_capacity(snapshot.routes.len());
        for route in &snapshot.routes {
            let watch = route.policy.guardrails.and_then(|guardrails| {
                let watch = Watch { slice: route.slice, guardrails };
                let known = last.get_mut(route.slice.0 as usize)?;
                let at = known.iter().copied().find(|at| all.get(*at) == Some(&watch)).unwrap_or_else(|| {
                    all.push(watch);
                    known.push(all.len() - 1);
                    all.len() - 1
                });
                u32::try_from(at).ok().map(WatchId)
            });
            of_route.push(watch);
        }
        Watches { all, of_route: of_route.into() }
    }

    /// The watch that a route belongs to.
    pub fn of_route(&self, route: RouteId) -> Option<WatchId> {
        self.of_route.get(route.0 as usize).copied().flatten()
    }

    /// What an id of this snapshot stands for.
    pub fn get(&self, id: WatchId) -> Option<&Watch> {
        self.all.get(id.0 as usize)
    }
}
