//! Buckets of a latency histogram that is fine enough for a percentile: 32 for each doubling, so that a bucket is
//! at most a thirty-second of its latency wide.

use std::time::Duration;

/// Buckets: from a microsecond to two minutes; what is above goes to the last.
pub const BUCKETS: usize = 23 * PER_DOUBLING;

const PER_DOUBLING: usize = 32;

/// ln2 of [`PER_DOUBLING`].
const BITS: u32 = 5;

/// The bucket of a latency.
pub fn bucket(latency: Duration) -> usize {
    let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let doublings = 63 - (micros | 1).leading_zeros();
    if doublings < BITS {
        return usize::try_from(micros).unwrap_or_default();
    }
    let shift = doublings - BITS;
    let within = usize::try_from(micros >> shift).unwrap_or_default() - PER_DOUBLING;
    let at = (usize::try_from(shift).unwrap_or_default() + 1) * PER_DOUBLING + within;
    at.min(BUCKETS - 1)
}

/// The least latency of a bucket, in microseconds.
pub fn least_micros(bucket: usize) -> u64 {
    let within = u64::try_from(bucket % PER_DOUBLING).unwrap_or_default();
    match (bucket / PER_DOUBLING).checked_sub(1) {
        None => within,
        Some(shift) => (within + (1 << BITS)) << shift.min(58),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_hold_what_they_say() {
        for at in 0..BUCKETS {
            assert!(least_micros(at) < least_micros(at + 1));
            assert_eq!(bucket(Duration::from_micros(least_micros(at))), at);
            assert_eq!(bucket(Duration::from_micros(least_micros(at + 1) - 1)), at);
        }
    }

    #[test]
    fn a_bucket_is_at_most_a_thirty_second_wide() {
        for at in PER_DOUBLING..BUCKETS {
            assert!((least_micros(at + 1) - least_micros(at)) * 32 <= least_micros(at), "{at}");
        }
    }

    #[test]
    fn what_takes_longer_than_any_bucket_is_in_the_last() {
        assert!(least_micros(BUCKETS) > 120_000_000);
        for latency in [Duration::from_secs(3600), Duration::MAX] {
            assert_eq!(bucket(latency), BUCKETS - 1);
        }
    }
}
