//! What the inventory learns from the requests that ended last.

use std::collections::HashMap;
use std::sync::Arc;

use strangler_core::inventory::{Call, Inventory};
use strangler_core::snapshot::{Route, Snapshot};

use crate::telemetry::feed::Feed;

/// Requests of each thread that are looked at, four times a second; they stand for the others. What is learned from
/// more of them is not worth its time.
const SAMPLE_MAX: usize = 500;

/// The inventory, and what it learns with.
#[derive(Debug)]
pub(super) struct Learner {
    feed: Arc<Feed>,
    routes: HashMap<Arc<str>, Arc<Route>>,
}

impl Learner {
    pub(super) fn new(feed: Arc<Feed>) -> Learner {
        Learner { feed, routes: HashMap::new() }
    }

    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        self.routes =
            snapshot.routes.iter().map(|route| (Arc::clone(&route.id), Arc::clone(route))).collect();
    }

    /// Learns from what has ended since the last call. Whether anything has.
    pub(super) fn learn(&self, inventory: &mut Inventory) -> bool {
        let sample = self.feed.sample(SAMPLE_MAX);
        for (ended, stands_for) in &sample {
            let route = self.routes.get(ended.route.as_str());
            inventory.note(&Call {
                at: ended.time,
                method: &ended.method,
                path: &ended.path,
                route: route.map(|route| (&*route.id, &route.pattern)),
                slice: Some(ended.slice.as_str()).filter(|slice| !slice.is_empty()),
                owner: ended.owner,
                status: ended.status,
                writes: ended.effect == "write",
                near_miss: !ended.near_miss.is_empty(),
                stands_for: *stands_for,
            });
        }
        !sample.is_empty()
    }
}
