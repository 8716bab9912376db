//! How many copies are under way, per slice and per upstream, and how often a mismatch may be asked again.
//!
//! Invariant: copies are shed before anything else is: they stop where their target is busy with clients.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
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
    asked_again: RefCell<AskedAgain>,
}

/// When each place that was taken to ask again is free once more, ascending.
#[derive(Default)]
struct AskedAgain(VecDeque<Instant>);

/// More than so many moments are not remembered: a rate above it is spread over equal parts of its time.
const REMEMBERED_MAX: u32 = 128;

/// A place among the copies of a slice.
pub(super) struct Place(Rc<Slice>);

/// A request under way to an upstream.
pub(super) struct UnderWay(Rc<Cell<u32>>);

impl Slices {
    /// A place for one more exchange of a slice; `None` where `concurrency` are under way.
    pub(super) fn place(&self, slice: &Arc<str>, concurrency: u32) -> Option<Place> {
        let mut slices = self.slices.borrow_mut();
        let slice = match slices.get(slice) {
            Some(slice) => Rc::clone(slice),
            None => Rc::clone(slices.entry(Arc::clone(slice)).or_default()),
        };
        if slice.under_way.get() >= concurrency {
            return None;
        }
        slice.under_way.set(slice.under_way.get() + 1);
        Some(Place(slice))
    }

    /// Whether one more copy may be sent to an upstream: clients' requests and copies together may take half of
    /// what it is given, and while its breaker is not closed clients' probes are all it gets.
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
        let copies = match upstreams.get(&upstream.name) {
            Some(copies) => Rc::clone(copies),
            None => Rc::clone(upstreams.entry(upstream.name.clone()).or_default()),
        };
        let half = u64::from(upstream.max_in_flight.div_ceil(2));
        if !state.is_closed() || state.in_flight() + u64::from(copies.get()) >= half {
            return Err(NotCompared::Paused);
        }
        copies.set(copies.get() + 1);
        Ok(UnderWay(copies))
    }

    /// Forgets what nothing is under way for.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        self.slices.borrow_mut().retain(|_, slice| {
            slice.under_way.get() > 0 || slice.asked_again.borrow().0.back().is_some_and(|free| *free > now)
        });
        self.upstreams.borrow_mut().retain(|_, copies| copies.get() > 0);
    }
}

impl Place {
    /// Whether a mismatch of this slice may be asked again now.
    pub(super) fn may_ask_again(&self, rate: Rate) -> bool {
        self.0.asked_again.borrow_mut().take(rate, Instant::now())
    }
}

impl AskedAgain {
    /// Takes one of the places that the rate gives out: as many at once as come, and never more than its count in any
    /// time of its length.
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let parts = rate.count.div_ceil(REMEMBERED_MAX).max(1);
        let count = usize::try_from(rate.count / parts).unwrap_or(usize::MAX).max(1);
        let length = rate.per / parts;
        while self.0.front().is_some_and(|free| *free <= now) {
            self.0.pop_front();
        }
        let may = self.0.len() < count;
        if may {
            self.0.push_back(now + length);
        }
        may
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How many of so many questions a millisecond, for a second, are let through, and at most in any tenth.
    fn let_through(rate: Rate, each_millisecond: u32) -> (usize, usize) {
        let (mut asked, began) = (AskedAgain::default(), Instant::now());
        let mut taken: Vec<Duration> = Vec::new();
        for millisecond in 0..1000 {
            let passed = Duration::from_millis(millisecond);
            for _ in 0..each_millisecond {
                if asked.take(rate, began + passed) {
                    taken.push(passed);
                }
            }
            assert!(asked.0.len() <= usize::try_from(REMEMBERED_MAX).unwrap());
        }
        let tenth = Duration::from_millis(100);
        let most =
            taken.iter().map(|from| taken.iter().filter(|at| **at >= *from && **at < *from + tenth).count());
        (taken.len(), most.max().unwrap_or_default())
    }

    #[test]
    fn what_comes_at_once_is_asked_at_once_and_never_more_than_the_rate_says() {
        let rate = |count, millis| Rate { count, per: Duration::from_millis(millis) };
        assert_eq!(let_through(rate(20, 1000), 50), (20, 20));
        assert_eq!(let_through(rate(20, 100), 50), (200, 20));
        assert_eq!(let_through(rate(1, 100), 1), (10, 1));
        assert_eq!(let_through(rate(1, 3_600_000), 1), (1, 1));
        // More than are remembered: spread.
        let (all, most) = let_through(rate(1000, 1000), 5);
        assert!((900..=1000).contains(&all) && most <= 128, "{all} {most}");
        let (all, _) = let_through(rate(1_000_000, 1000), 5);
        assert_eq!(all, 5000);
    }
}
