//! Guardrails: what is watched together, and when its limits are broken.
//!
//! Owns which routes are judged as one, windows over what was counted, the bounds, and what follows from a breach.
//! Refuses clocks and counters: what was counted, and when, are arguments.

pub mod bound;
pub mod latency;
pub mod verdict;
pub mod watcher;
pub mod window;

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::Xxh3;

use crate::snapshot::policy::Guardrails;
use crate::snapshot::{Route, Snapshot};
use crate::words::{Phase, RouteId, SliceId};

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
    /// The highest phase that the file states of its routes.
    pub highest: Phase,
    /// A number that changes when who answers does: routes, phases, shares. What was counted before is then no
    /// comparison of sides at one time.
    pub scope: u64,
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
        let mut scopes: Vec<Vec<u64>> = Vec::new();
        let mut of_slice: Vec<Vec<usize>> = vec![Vec::new(); snapshot.slices.len()];
        let mut of_route = Vec::with_capacity(snapshot.routes.len());
        for route in &snapshot.routes {
            let watch = route.policy.guardrails.and_then(|guardrails| {
                let known = of_slice.get_mut(route.slice.0 as usize)?;
                let same = |at: &usize| all.get(*at).is_some_and(|watch| watch.guardrails == guardrails);
                let at = known.iter().copied().find(same).unwrap_or_else(|| {
                    all.push(Watch { slice: route.slice, guardrails, highest: route.phase, scope: 0 });
                    scopes.push(Vec::new());
                    known.push(all.len() - 1);
                    all.len() - 1
                });
                let watch = all.get_mut(at)?;
                watch.highest = watch.highest.max(route.phase);
                if route.phase >= Phase::Canary {
                    scopes.get_mut(at)?.push(scope(route));
                }
                u32::try_from(at).ok().map(WatchId)
            });
            of_route.push(watch);
        }
        for (watch, mut scopes) in all.iter_mut().zip(scopes) {
            // Their order in the file does not matter.
            scopes.sort_unstable();
            let mut hasher = Xxh3::new();
            scopes.hash(&mut hasher);
            watch.scope = hasher.finish();
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

/// Who answers a route's reads, in a number.
fn scope(route: &Route) -> u64 {
    let mut hasher = Xxh3::new();
    (&*route.pattern.text, route.phase, &route.canary, &route.policy.cohort_by).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
