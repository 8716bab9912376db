//! The bounds are right at least as often as they say, for every count, and find what is there.

use std::time::Duration;

use super::*;
use crate::guardrail::latency;

fn binomial(rng: &mut fastrand::Rng, all: u64, rate: f64) -> Rate {
    Rate { all, bad: (0..all).map(|_| u64::from(rng.f64() < rate)).sum() }
}

/// A window as it fills up, and the threshold of each of its looks.
const LOOKS: u64 = 300;

#[test]
fn the_threshold_is_where_the_tail_is_as_small_as_a_look_may_err() {
    for looks in [1, 10, 300, 86_400] {
        let Threshold { one, two } = Threshold::for_looks(looks);
        let error = ERROR_PER_WINDOW / real(looks);
        assert!(((-one).exp() / error - 1.0).abs() < 1e-9, "{looks}");
        assert!(((1.0 + two) * (-two).exp() / error - 1.0).abs() < 1e-9, "{looks}");
    }
}

#[test]
fn a_single_bound_is_wrong_less_often_than_it_may() {
    // Looked at once, the tail that is allowed is 0.1 %: of 20,000 at most 20 are expected, 40 is 4.5 deviations.
    let threshold = Threshold::for_looks(1);
    let mut rng = fastrand::Rng::with_seed(5);
    let check = |rng: &mut fastrand::Rng, all, rate: f64| {
        let wrong = (0..20_000).filter(|_| is_above(binomial(rng, all, rate), rate, threshold)).count();
        assert!(wrong <= 40, "{all} at {rate}: {wrong} of 20,000");
    };
    for all in [20, 200] {
        for rate in [0.001, 0.01, 0.2, 0.5] {
            check(&mut rng, all, rate);
        }
    }
}

#[test]
fn without_a_real_difference_hardly_a_window_of_a_thousand_is_broken_however_often_it_is_looked_at() {
    let threshold = Threshold::for_looks(LOOKS);
    let mut rng = fastrand::Rng::with_seed(11);
    // Legacy's rate, by how much the extracted service's is above it, the limit, reads a look of both.
    let check =
        |rng: &mut fastrand::Rng, base: f64, above: f64, limit: f64, [legacy, extracted]: [u64; 2]| {
            let mut broken = 0;
            for _ in 0..1_000 {
                let (mut l, mut e) = (Rate::default(), Rate::default());
                let mut is_broken = false;
                for _ in 0..LOOKS {
                    let (more_l, more_e) =
                        (binomial(rng, legacy, base), binomial(rng, extracted, base + above));
                    l = Rate { all: l.all + more_l.all, bad: l.bad + more_l.bad };
                    e = Rate { all: e.all + more_e.all, bad: e.bad + more_e.bad };
                    is_broken |= e.all >= 20 && is_difference_above(e, l, limit, threshold);
                }
                broken += u32::from(is_broken);
            }
            // 99.9 % is promised; ten of a thousand are demanded.
            assert!(broken <= 3, "{base} + {above} against {limit}: {broken} of 1,000 windows");
        };
    for base in [0.001, 0.05] {
        for reads in [[1, 1], [10, 1]] {
            check(&mut rng, base, 0.0, 0.005, reads);
            check(&mut rng, base, 0.0, 0.0, reads);
        }
        // The hardest: exactly at the limit.
        check(&mut rng, base, 0.005, 0.005, [2, 2]);
    }
}

#[test]
fn a_real_difference_is_found() {
    let threshold = Threshold::for_looks(LOOKS);
    let check = |extracted: (u64, u64), legacy: (u64, u64), limit: f64, wanted: bool| {
        let rate = |(bad, all)| Rate { all, bad };
        let (e, l) = (rate(extracted), rate(legacy));
        assert_eq!(is_difference_above(e, l, limit, threshold), wanted, "{extracted:?} {legacy:?} {limit}");
        let bound = lower_difference(e, l, threshold);
        assert_eq!(bound >= limit, wanted, "{extracted:?} {legacy:?}: {bound}");
        assert!(bound <= e.seen() - l.seen() + 1e-9);
    };
    check((20, 20), (0, 20), 0.005, true);
    check((200, 200), (0, 200), 0.005, true);
    check((24, 200), (0, 200), 0.005, true);
    check((10, 200), (0, 200), 0.005, false);
    check((20, 200), (0, 2_000), 0.005, true);
    check((60, 1_000), (10, 9_000), 0.005, true);
    check((1, 200), (0, 200), 0.005, false);
    check((300, 1_000), (300, 1_000), 0.005, false);
    check((0, 200), (200, 200), 0.005, false);
    check((0, 0), (0, 0), 0.005, false);
    check((9, 0), (9, 0), 0.0, false);
    let check = |bad, all, limit, wanted| {
        let rate = Rate { all, bad };
        assert_eq!(is_above(rate, limit, threshold), wanted, "{bad} of {all} against {limit}");
        assert_eq!(lower(rate, threshold) >= limit, wanted);
    };
    check(200, 200, 0.02, true);
    check(18, 200, 0.02, true);
    check(8, 200, 0.02, false);
    check(100, 2_000, 0.02, true);
    check(0, 1_000, 0.02, false);
    check(0, 0, 0.02, false);
}

#[test]
fn the_bound_of_a_difference_grows_with_what_is_seen() {
    let threshold = Threshold::for_looks(LOOKS);
    let bound =
        |bad, all, legacy| lower_difference(Rate { all, bad }, Rate { all: 500, bad: legacy }, threshold);
    for legacy in [0, 5, 50] {
        for all in [100, 1_000] {
            let bounds: Vec<f64> = (0..=all).step_by(10).map(|bad| bound(bad, all, legacy)).collect();
            assert!(bounds.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9), "{bounds:?}");
        }
    }
}

/// Latencies of a service with a long tail.
fn histogram(rng: &mut fastrand::Rng, count: u64, factor: f64) -> Vec<u64> {
    let mut buckets = vec![0; latency::BUCKETS];
    for _ in 0..count {
        // Log-normal, more or less: the sum of twelve uniform values is nearly normal.
        let normal: f64 = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
        let millis = 20.0 * (0.6 * normal).exp() * factor;
        buckets[latency::bucket(Duration::from_secs_f64(millis / 1_000.0))] += 1;
    }
    buckets
}

/// Whether it is slower by so many percent, for certain.
fn is_slower(extracted: &[u64], legacy: &[u64], by: u64, threshold: Threshold) -> bool {
    let raised = |micros: u64| micros + micros * by / 100;
    is_p95_above(extracted, legacy, latency::least_micros, raised, threshold)
}

#[test]
fn equal_services_are_not_found_slower_however_often_it_is_looked() {
    let threshold = Threshold::for_looks(LOOKS);
    let mut rng = fastrand::Rng::with_seed(7);
    let check = |rng: &mut fastrand::Rng, factor: f64, by: u64, [legacy, extracted]: [u64; 2]| {
        let mut broken = 0;
        for _ in 0..1_000 {
            let mut sums = [vec![0; latency::BUCKETS], vec![0; latency::BUCKETS]];
            let mut is_broken = false;
            // Every tenth look: the others would only see less.
            for _ in 0..LOOKS / 10 {
                for (sum, (count, factor)) in sums.iter_mut().zip([(legacy, 1.0), (extracted, factor)]) {
                    let more = histogram(rng, count * 10, factor);
                    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                }
                is_broken |= is_slower(&sums[1], &sums[0], by, threshold);
            }
            broken += u32::from(is_broken);
        }
        assert!(broken <= 3, "×{factor} against {by}: {broken} of 1,000 windows");
    };
    check(&mut rng, 1.0, 0, [1, 1]);
    check(&mut rng, 1.0, 20, [2, 1]);
    check(&mut rng, 1.2, 20, [2, 2]);
}

#[test]
fn a_slow_service_is_found() {
    let threshold = Threshold::for_looks(LOOKS);
    let mut rng = fastrand::Rng::with_seed(3);
    let mut check = |factor, [legacy, extracted]: [u64; 2], wanted| {
        let (l, e) = (histogram(&mut rng, legacy, 1.0), histogram(&mut rng, extracted, factor));
        assert_eq!(is_slower(&e, &l, 20, threshold), wanted, "×{factor} of {extracted} beside {legacy}");
    };
    check(2.0, [2_000, 1_000], true);
    check(5.0, [500, 200], true);
    check(1.5, [20_000, 10_000], true);
    check(1.2, [20_000, 10_000], false);
    check(100.0, [50, 1_000], false);
    check(100.0, [1_000, 5], false);
    check(2.0, [0, 1_000], false);
    check(2.0, [1_000, 0], false);
}
