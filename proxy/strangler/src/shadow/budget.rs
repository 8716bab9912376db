//! One bound on the bytes that all copies hold together.
//!
//! Invariant: what is reserved is never more than the limit; whoever cannot reserve gives the copy up. Given back
//! by dropping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that captured exchanges and replies to copies may hold together.
pub(super) const BYTES: u64 = 64 << 20;

/// Bytes are reserved in steps of so many, so that a small exchange touches the shared counter once.
const STEP: u64 = 4096;

/// The bound, and what is reserved of it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
    most: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Arc<Budget> {
        Arc::new(Budget { limit, used: AtomicU64::new(0), most: AtomicU64::new(0) })
    }

    /// Bytes reserved now.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most bytes that were ever reserved at once.
    pub(super) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(before) => {
                let now = before + bytes;
                // Read first: a counter that all threads write would be one more line they share.
                if now > self.most() {
                    self.most.fetch_max(now, Ordering::Relaxed);
                }
                true
            }
            Err(_full) => false,
        }
    }
}

/// A part of the budget.
#[derive(Debug)]
pub(super) struct Reserved {
    budget: Arc<Budget>,
    bytes: u64,
    needed: u64,
}

impl Reserved {
    /// Nothing yet.
    pub(super) fn none(budget: &Arc<Budget>) -> Reserved {
        Reserved { budget: Arc::clone(budget), bytes: 0, needed: 0 }
    }

    /// Makes room for so many bytes more. Where there is none, nothing changes.
    #[must_use]
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let needed = self.needed.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        if needed > self.bytes {
            let step = needed.div_ceil(STEP).saturating_mul(STEP) - self.bytes;
            if !self.budget.take(step) {
                return false;
            }
            self.bytes += step;
        }
        self.needed = needed;
        true
    }

    /// Another reservation of the same budget.
    pub(super) fn sibling(&self) -> Reserved {
        Reserved::none(&self.budget)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Reserved, STEP};

    const PIECE: usize = 4096;

    #[test]
    fn a_reservation_grows_within_the_limit_and_is_given_back() {
        let budget = Budget::new(3 * STEP);
        let mut one = Reserved::none(&budget);
        assert!(one.grow(1) && one.grow(PIECE - 1));
        assert_eq!(budget.used(), STEP);
        let mut two = one.sibling();
        assert!(two.grow(2 * PIECE));
        assert!(!one.grow(1), "the budget is full");
        assert!(!two.grow(usize::MAX), "an absurd size is refused");
        drop(two);
        assert!(one.grow(1));
        drop(one);
        assert_eq!((budget.used(), budget.most()), (0, 3 * STEP));
    }

    #[test]
    fn threads_together_never_exceed_the_limit() {
        let budget = Budget::new(16 * STEP);
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let budget = &budget;
                scope.spawn(move || {
                    let mut chance = fastrand::Rng::with_seed(seed);
                    let mut held: Vec<Reserved> = Vec::new();
                    for _ in 0..20_000 {
                        if chance.bool() {
                            let mut reserved = Reserved::none(budget);
                            if reserved.grow(chance.usize(0..3 * PIECE)) {
                                held.push(reserved);
                            }
                        } else if let Some(last) = held.last_mut().filter(|_| chance.bool()) {
                            let _may_fail = last.grow(chance.usize(0..1000));
                        } else {
                            held.pop();
                        }
                    }
                });
            }
        });
        assert!(budget.most() <= 16 * STEP && budget.most() > 8 * STEP, "{}", budget.most());
        assert_eq!(budget.used(), 0);
    }
}
