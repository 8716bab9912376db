//! Requests, failures and retries over a sliding window.
//!
//! Invariant: counting is one atomic addition to a line that belongs to one bucket; nothing waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::words::Share;

/// Buckets of a window: it looks back over nine tenths of its length at least.
const BUCKETS: usize = 10;

/// Low bits of a counter that hold the count; those above say which bucket of time it counts.
const COUNT_BITS: u32 = 40;

/// Retries that are always allowed within a window, so that a quiet upstream has any.
pub const RETRY_FLOOR: u64 = 10;

/// What a window has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that ended one way or the other.
    pub requests: u64,
    /// Those of them that failed; never more.
    pub failures: u64,
    /// Extra tries.
    pub retries: u64,
}

/// A sliding window.
#[derive(Debug)]
pub struct Window {
    bucket_millis: u64,
    buckets: [Bucket; BUCKETS],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Bucket {
    requests: Counter,
    failures: Counter,
    retries: Counter,
}

/// A count that belongs to one stretch of time.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, epoch: u64) {
        let mut seen = self.0.load(Relaxed);
        while seen >> COUNT_BITS != epoch {
            match self.0.compare_exchange_weak(seen, epoch << COUNT_BITS | 1, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
        self.0.fetch_add(1, Relaxed);
    }

    fn get(&self, epoch: u64) -> u64 {
        let seen = self.0.load(Relaxed);
        if seen >> COUNT_BITS == epoch { seen & ((1 << COUNT_BITS) - 1) } else { 0 }
    }
}

impl Window {
    /// An empty window of this length.
    pub fn new(length: Duration) -> Window {
        let bucket = length.as_millis() / BUCKETS as u128;
        Window {
            bucket_millis: u64::try_from(bucket).unwrap_or(u64::MAX).max(1),
            buckets: Default::default(),
        }
    }

    /// A request has ended.
    pub fn request(&self, now: Duration) {
        let (bucket, epoch) = self.at(now);
        bucket.requests.add(epoch);
    }

    /// A request that was counted, or is counted besides, has failed.
    pub fn failure(&self, now: Duration) {
        let (bucket, epoch) = self.at(now);
        bucket.failures.add(epoch);
    }

    /// Whether one more retry fits into `budget`, a share of the requests; counts it where it does.
    pub fn retry(&self, budget: Share, now: Duration) -> bool {
        let counts = self.counts(now);
        let allowed = RETRY_FLOOR + counts.requests * u64::from(budget.basis_points()) / 10_000;
        if counts.retries >= allowed {
            return false;
        }
        let (bucket, epoch) = self.at(now);
        bucket.retries.add(epoch);
        true
    }

    /// What was counted within the window that ends now.
    pub fn counts(&self, now: Duration) -> Counts {
        let last = self.number(now);
        let mut sum = Counts::default();
        for number in last.saturating_sub(BUCKETS as u64 - 1)..=last {
            let (bucket, epoch) = self.numbered(number);
            sum.requests += bucket.requests.get(epoch);
            sum.failures += bucket.failures.get(epoch);
            sum.retries += bucket.retries.get(epoch);
        }
        // A failure may be counted later than its request, which the window has left meanwhile.
        sum.failures = sum.failures.min(sum.requests);
        sum
    }

    /// Forgets requests and failures, not what was spent on retries.
    pub fn reset(&self) {
        for bucket in &self.buckets {
            bucket.requests.0.store(0, Relaxed);
            bucket.failures.0.store(0, Relaxed);
        }
    }

    fn number(&self, now: Duration) -> u64 {
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX) / self.bucket_millis
    }

    fn at(&self, now: Duration) -> (&Bucket, u64) {
        self.numbered(self.number(now))
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
    fn numbered(&self, number: u64) -> (&Bucket, u64) {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of ten")]
        let index = (number % BUCKETS as u64) as usize;
        (&self.buckets[index], number & ((1 << (64 - COUNT_BITS)) - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BUCKETS, RETRY_FLOOR, Window};
    use crate::words::Share;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let window = Window::new(Duration::from_secs(10));
        for at in [0, 500, 1500] {
            window.request(millis(at));
            window.failure(millis(at));
        }
        assert_eq!(window.counts(millis(9_999)).requests, 3);
        assert_eq!(window.counts(millis(10_000)).requests, 1);
        assert_eq!(window.counts(millis(12_000)).failures, 0);
    }

    #[test]
    fn retries_are_a_share_of_requests_beyond_a_floor() {
        let window = Window::new(Duration::from_secs(10));
        let tenth = Share::from_basis_points(1000).unwrap();
        (0..200).for_each(|_| window.request(millis(1)));
        let allowed = (0..1000).filter(|_| window.retry(tenth, millis(2))).count();
        assert_eq!(allowed as u64, RETRY_FLOOR + 20);
        assert!(window.retry(tenth, millis(20_000)), "a new window has a new budget");
    }

    proptest! {
        #[test]
        fn a_window_counts_what_a_list_of_times_says(
            length in 10_u64..5_000,
            steps in proptest::collection::vec((0_u64..700, any::<bool>()), 1..200),
        ) {
            let window = Window::new(millis(length));
            let bucket = (length / BUCKETS as u64).max(1);
            let (mut now, mut times) = (0, Vec::new());
            for (step, failed) in steps {
                now += step;
                window.request(millis(now));
                if failed {
                    window.failure(millis(now));
                }
                times.push((now, failed));
                let oldest = (now / bucket).saturating_sub(BUCKETS as u64 - 1) * bucket;
                let within: Vec<_> = times.iter().filter(|(at, _)| *at >= oldest).collect();
                let counts = window.counts(millis(now));
                prop_assert_eq!(counts.requests, within.len() as u64);
                prop_assert_eq!(counts.failures, within.iter().filter(|(_, failed)| *failed).count() as u64);
            }
        }
    }
}
