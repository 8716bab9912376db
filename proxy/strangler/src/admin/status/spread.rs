//! Where the routes of a slice stand: each may have a phase of its own.
//!
//! Owns the phases in effect, of all slices in one look at the routes. Refuses words: `sentence` has them.

use strangler_core::snapshot::Route;
use strangler_core::words::{Phase, SliceId};

use crate::live::Running;

/// The phases of one slice's routes; where it has none, its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spread {
    /// How many routes.
    pub(super) routes: usize,
    /// How many of them are in effect in another phase than the slice.
    pub(super) elsewhere: usize,
    /// The highest that the file states.
    pub(super) stated: Phase,
    /// The lowest in effect.
    pub(super) lowest: Phase,
    /// The highest in effect.
    pub(super) highest: Phase,
}

impl Spread {
    /// Of one slice.
    pub(super) fn of(running: &Running, id: SliceId) -> Spread {
        let mut spread = Spread::without_routes(running, id);
        let routes = running.snapshot.routes.iter().filter(|route| route.slice == id);
        routes.for_each(|route| spread.add(running, id, route));
        spread
    }

    fn without_routes(running: &Running, id: SliceId) -> Spread {
        let stated = running.snapshot.slice(id).phase;
        let effective = in_effect(running, id, stated);
        Spread { routes: 0, elsewhere: 0, stated, lowest: effective, highest: effective }
    }

    fn add(&mut self, running: &Running, id: SliceId, route: &Route) {
        let effective = in_effect(running, id, route.phase);
        if self.routes == 0 {
            (self.stated, self.lowest, self.highest) = (route.phase, effective, effective);
        }
        self.routes += 1;
        self.elsewhere += usize::from(effective != in_effect(running, id, running.snapshot.slice(id).phase));
        self.stated = self.stated.max(route.phase);
        self.lowest = self.lowest.min(effective);
        self.highest = self.highest.max(effective);
    }
}

/// Of all slices.
pub(super) fn of_slices(running: &Running) -> Vec<Spread> {
    let ids = (0..).map(SliceId).take(running.snapshot.slices.len());
    let mut all: Vec<Spread> = ids.map(|id| Spread::without_routes(running, id)).collect();
    for route in &running.snapshot.routes {
        if let Some(spread) = all.get_mut(route.slice.0 as usize) {
            spread.add(running, route.slice, route);
        }
    }
    all
}

fn in_effect(running: &Running, id: SliceId, phase: Phase) -> Phase {
    running.facts().retreat(id).map_or(phase, |held| held.min(phase))
}
