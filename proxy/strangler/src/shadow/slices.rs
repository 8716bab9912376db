//! How many copies are under way, per slice and per upstream, and how often a mismatch may be asked again.
//!
//! Invariant: copies are shed before anything else is: they stop where their target is busy with clients.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use strangler_core::compare::NotCompared;
use strangler_core::snapshot::Upstream;
use strangler_core::snapshot::policy::Rate;
use tokio::time::Instant;

use crate::upstream::UpstreamState;

/// What the shadow thread knows of each slice and each upstream, by name: it outlives configurations.
#[derive(Default)]
pub(super) struct Slices {
    slices: RefCell<HashMap<Arc<str>, Rc<Slice>>>,
    upstreams: RefCell<HashMap<String, Rc<Cell<u32>>>>,
}

/// One slice.
#[derive(Default)]
pub(super) struct Slice {
    under_way: Cell<u32>,
    asked_again: Cell<Option<Instant>>,
}

/// A place among the copies of a slice.
pub(super) struct Place(Rc<Slice>);

/// A request under way to an upstream.
pub(super) struct UnderWay(Rc<Cell<u32>>);

impl Slices {
    /// A place for one more exchange of a slice; `None` where `concurrency` are under way.
    pub(super) fn place(&self, slice: &Arc<str>, concurrency: u32) -> Option<Place> {
        let mut slices = self.slices.borrow_mut();
        let slice = Rc::clone(slices.entry(Arc::clone(slice)).or_default());
        if slice.under_way.get() >= concurrency {
            return None;
        }
        slice.under_way.set(slice.under_way.get() + 1);
        Some(Place(slice))
    }

    /// Whether one more copy may be sent to an upstream: clients' requests and copies together may take half of
    /// what it is given. An open breaker belongs here as well.
    ///
    /// # Errors
    ///
    /// It is paused.
    pub(super) fn under_way(
        &self,
        upstream: &Upstream,
        state: &UpstreamState,
    ) -> Result<UnderWay, NotCompared> {
        let mut upstreams = self.upstreams.borrow_mut();
        if !upstreams.contains_key(&upstream.name) {
            upstreams.insert(upstream.name.clone(), Rc::default());
        }
        let Some(copies) = upstreams.get(&upstream.name) else { return Err(NotCompared::Paused) };
        let half = u64::from(upstream.max_in_flight.div_ceil(2));
        if state.in_flight() + u64::from(copies.get()) >= half {
            return Err(NotCompared::Paused);
        }
        copies.set(copies.get() + 1);
        Ok(UnderWay(Rc::clone(copies)))
    }

    /// Forgets what nothing is under way for.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.slices.borrow_mut().retain(|_, slice| {
            slice.under_way.get() > 0 || slice.asked_again.get().is_some_and(|next| next > now)
        });
        self.upstreams.borrow_mut().retain(|_, copies| copies.get() > 0);
    }
}

impl Place {
    /// Whether a mismatch of this slice may be asked again now. They are spread evenly: at `10/m` one every six
    /// seconds.
    pub(super) fn may_ask_again(&self, rate: Rate) -> bool {
        let now = Instant::now();
        if self.0.asked_again.get().is_some_and(|next| next > now) {
            return false;
        }
        self.0.asked_again.set(Some(now + rate.per / rate.count.max(1)));
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get().saturating_sub(1));
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
