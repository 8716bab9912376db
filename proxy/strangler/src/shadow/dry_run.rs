//! Routes whose writes are copied to be rolled back, and whether the service keeps that promise.
//!
//! Invariant: until a route's service has once said that it rolled back, one copied write at a time is under way to
//! it, so that a service that knows nothing of it commits one at most. Invariant: the first reply that does not say
//! so stops the route's copying, until its policy or its upstream are changed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use strangler_core::compare::NotCompared;
use strangler_core::routing::shadow::{Copying, Purpose};
use strangler_core::snapshot::{Policy, Snapshot, Upstream};

use crate::telemetry::Stopped;

/// Slice and route.
type Key = (Arc<str>, Arc<str>);

/// What is known of every route with copied writes.
#[derive(Default)]
pub(super) struct DryRuns(RefCell<HashMap<Key, Known>>);

struct Known {
    trust: Trust,
    policy: Arc<Policy>,
    upstream: Arc<Upstream>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    /// Nothing was heard of it.
    Unproven,
    /// The first copied write is under way.
    Asked,
    /// It said so each time.
    Proven,
    /// It did not.
    Stopped { since: jiff::Timestamp, status: u16 },
}

/// What became of a copied write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The reply says that it was rolled back.
    RolledBack,
    /// The reply does not; its status.
    NotRolledBack(u16),
    /// There is no reply.
    Nothing,
}

impl DryRuns {
    /// Whether a copy may be sent.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(super) fn admit(&self, snapshot: &Snapshot, copying: &Copying) -> Result<(), NotCompared> {
        let mut routes = self.0.borrow_mut();
        if routes.is_empty() && copying.purpose != Purpose::DryRun {
            return Ok(());
        }
        let key = key(snapshot, copying);
        match (routes.get_mut(&key), copying.purpose) {
            (Some(Known { trust: Trust::Stopped { .. }, .. }), _) => Err(NotCompared::Unconfirmed),
            (_, Purpose::Read | Purpose::Isolated) => Ok(()),
            (Some(known), Purpose::DryRun) => {
                // A route that is no longer what it was is proved anew, as soon as the old one is forgotten.
                if known.trust == Trust::Asked || !known.is_of(snapshot, copying) {
                    return Err(NotCompared::Shed);
                }
                if known.trust == Trust::Unproven {
                    known.trust = Trust::Asked;
                }
                Ok(())
            }
            (None, Purpose::DryRun) => {
                let policy = Arc::clone(&snapshot.route(copying.route).policy);
                let upstream = Arc::clone(snapshot.upstream(snapshot.slice(copying.slice).upstream));
                routes.insert(key, Known { trust: Trust::Asked, policy, upstream });
                Ok(())
            }
        }
    }

    /// A copied write has ended.
    pub(super) fn heard(&self, snapshot: &Snapshot, copying: &Copying, heard: Heard) {
        let mut routes = self.0.borrow_mut();
        let key = key(snapshot, copying);
        let Some(known) = routes.get_mut(&key) else { return };
        match (heard, &known.trust) {
            (_, Trust::Stopped { .. }) => {}
            (Heard::RolledBack | Heard::Nothing, _) if !known.is_of(snapshot, copying) => {}
            (Heard::RolledBack, _) => known.trust = Trust::Proven,
            (Heard::NotRolledBack(status), _) => {
                tracing::error!(
                    slice = &*key.0,
                    route = &*key.1,
                    status,
                    "a reply to a dry run does not say X-Shadow-Mode: rollback: copying stops on this route"
                );
                known.trust = Trust::Stopped { since: jiff::Timestamp::now(), status };
            }
            (Heard::Nothing, Trust::Asked) => known.trust = Trust::Unproven,
            (Heard::Nothing, _) => {}
        }
    }

    /// Forgets routes that are no longer what they were. Returns those that have stopped.
    pub(super) fn settle(&self, snapshot: &Snapshot) -> Vec<Stopped> {
        let mut routes = self.0.borrow_mut();
        if routes.is_empty() {
            return Vec::new();
        }
        routes.retain(|(slice, route), known| {
            snapshot.routes.iter().any(|now| {
                *now.id == **route
                    && *snapshot.slice(now.slice).name == **slice
                    && known.is(&now.policy, snapshot.upstream(snapshot.slice(now.slice).upstream))
            })
        });
        let mut stopped: Vec<Stopped> = routes
            .iter()
            .filter_map(|((slice, route), known)| match known.trust {
                Trust::Stopped { since, status } => {
                    Some(Stopped { slice: Arc::clone(slice), route: Arc::clone(route), since, status })
                }
                _ => None,
            })
            .collect();
        stopped.sort_by(|a, b| (&a.slice, &a.route).cmp(&(&b.slice, &b.route)));
        stopped
    }
}

impl Known {
    fn is_of(&self, snapshot: &Snapshot, copying: &Copying) -> bool {
        let upstream = snapshot.upstream(snapshot.slice(copying.slice).upstream);
        self.is(&snapshot.route(copying.route).policy, upstream)
    }

    fn is(&self, policy: &Arc<Policy>, upstream: &Arc<Upstream>) -> bool {
        (Arc::ptr_eq(&self.policy, policy) || self.policy == *policy)
            && (Arc::ptr_eq(&self.upstream, upstream) || self.upstream == *upstream)
    }
}

fn key(snapshot: &Snapshot, copying: &Copying) -> Key {
    (Arc::clone(&snapshot.slice(copying.slice).name), Arc::clone(&snapshot.route(copying.route).id))
}
