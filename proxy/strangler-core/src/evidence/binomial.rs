//! Exact binomial probabilities: the tail of a count, and the most a rate can be after a count.
//!
//! Owns the regularised incomplete beta function and the Clopper–Pearson bound. Refuses approximations that
//! are wrong for small counts. Sources: C. Clopper and E. Pearson, *The use of confidence or fiducial limits
//! illustrated in the case of the binomial*, Biometrika 26 (1934); C. Loader, *Fast and accurate computation
//! of binomial probabilities* (2000); the continued fraction is DLMF 8.17.22.

use std::f64::consts::PI;

use crate::words::Share;

/// The greatest rate that `bad` of `all` leave possible at `confidence`, one-sided: the rate at which `bad`
/// or fewer would be seen with probability 1 − confidence. 1 where nothing was seen, or all was bad.
pub fn upper_bound(bad: u64, all: u64, confidence: Share) -> f64 {
    if bad >= all {
        return 1.0;
    }
    let target = probability(confidence);
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // Each step halves the interval; 1,100 would exhaust the exponents of an f64 as well.
    for _ in 0..1_100 {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if incomplete_beta(middle, bad.saturating_add(1), all - bad) < target {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// How many more comparisons without a mismatch bring [`upper_bound`] below `limit`; 0: it is there.
pub fn more_needed(bad: u64, all: u64, confidence: Share, limit: Share) -> u64 {
    let limit = probability(limit);
    first_count(|more| upper_bound(bad, all.saturating_add(more), confidence) < limit)
}

/// Probability of `at_least` or more heads in `tosses` of a fair coin.
pub fn fair_tail(at_least: u64, tosses: u64) -> f64 {
    if at_least == 0 {
        1.0
    } else if at_least > tosses {
        0.0
    } else {
        incomplete_beta(0.5, at_least, tosses - at_least + 1)
    }
}

/// The least count from 0 at which `enough` holds; it must go on holding from there. At most 2^62.
pub(super) fn first_count(enough: impl Fn(u64) -> bool) -> u64 {
    if enough(0) {
        return 0;
    }
    let mut high = 1_u64;
    while high < 1 << 62 && !enough(high) {
        high *= 2;
    }
    let mut low = high / 2;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    high
}

/// A share as a number in 0..=1.
pub(super) fn probability(share: Share) -> f64 {
    f64::from(share.basis_points()) / 10_000.0
}

/// A count as a number; above 2^53 neighbours become equal, which no figure here can show.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(super) const fn real(count: u64) -> f64 {
    count as f64
}

/// The regularised incomplete beta function I_x(a, b) for counts a, b ≥ 1.
fn incomplete_beta(x: f64, a: u64, b: u64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let (a, b) = (real(a), real(b));
    // The fraction converges fast on the side of the mean where its value is small.
    if x < (a + 1.0) / (a + b + 2.0) {
        front(x, a, b) * continued_fraction(x, a, b) / a
    } else {
        1.0 - front(1.0 - x, b, a) * continued_fraction(1.0 - x, b, a) / b
    }
}

/// x^a (1 − x)^b / B(a, b), by way of the binomial probability of a in a + b, which loses no digits for large
/// counts.
fn front(x: f64, a: f64, b: f64) -> f64 {
    let n = a + b;
    let log = stirling_error(n)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, n * x)
        - deviance(b, n * (1.0 - x));
    a * b / n * log.exp() * (n / (2.0 * PI * a * b)).sqrt()
}

/// ln(n!) less Stirling's formula.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        let mut log_factorial = 0.0;
        let mut factor = 2.0;
        while factor <= n {
            log_factorial += f64::ln(factor);
            factor += 1.0;
        }
        return log_factorial - (n + 0.5) * n.ln() + n - 0.5 * (2.0 * PI).ln();
    }
    let square = n * n;
    (1.0 / 12.0
        - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square)
        / n
}

/// x ln(x / mean) + mean − x, without cancellation where the two are close.
fn deviance(x: f64, mean: f64) -> f64 {
    if (x - mean).abs() >= 0.1 * (x + mean) {
        return x * (x / mean).ln() + mean - x;
    }
    let v = (x - mean) / (x + mean);
    let mut sum = (x - mean) * v;
    let mut term = 2.0 * x * v;
    let mut odd = 3.0;
    // The terms shrink a hundredfold each.
    for _ in 0..1_000 {
        term *= v * v;
        let next = sum + term / odd;
        if next.to_bits() == sum.to_bits() {
            break;
        }
        sum = next;
        odd += 2.0;
    }
    sum
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    // Steps grow with the root of the counts; this is enough for counts up to 10^12.
    const MOST_STEPS: u32 = 5_000_000;
    let keep = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / keep(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..MOST_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        let factor = d * c;
        fraction *= factor;
        if (factor - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(points: u16) -> Share {
        Share::from_basis_points(points).unwrap()
    }

    /// The tail P(X ≤ bad) of a binomial, term by term.
    fn tail_by_sum(bad: u64, all: u64, p: f64) -> f64 {
        let mut log_term = real(all) * (-p).ln_1p();
        let mut sum = log_term.exp();
        for k in 0..bad {
            log_term += (real(all - k) / real(k + 1)).ln() + (p / (1.0 - p)).ln();
            sum += log_term.exp();
        }
        sum
    }

    #[test]
    fn the_bound_is_the_published_one() {
        // Two-sided 95 % limits use 97.5 % on each side: Clopper and Pearson's chart and every table since
        // (0 of 10: 0.3085; 1 of 10: 0.4450; 5 of 10: 0.8129; 10 of 100: 0.1762), and the rule of three.
        let check = |bad, all, points, expected: f64| {
            let bound = upper_bound(bad, all, share(points));
            assert!((bound - expected).abs() < 5e-5, "{bad} of {all} at {points}: {bound}, not {expected}");
        };
        check(0, 10, 9_750, 0.3085);
        check(1, 10, 9_750, 0.4450);
        check(5, 10, 9_750, 0.8129);
        check(9, 10, 9_750, 0.9975);
        check(10, 100, 9_750, 0.1762);
        check(0, 100, 9_750, 0.0362);
        check(50, 100, 9_750, 0.6017);
        check(0, 20, 9_500, 0.1391);
        check(0, 59, 9_500, 0.0495);
        check(0, 300, 9_500, 0.0099);
        check(1, 1_000, 9_500, 0.0047);
    }

    #[test]
    fn at_the_bound_so_few_would_be_seen_with_the_rest_of_the_confidence() {
        let check = |bad, all, points| {
            let bound = upper_bound(bad, all, share(points));
            let tail = tail_by_sum(bad, all, bound);
            let rest = 1.0 - probability(share(points));
            assert!((tail - rest).abs() < 1e-9, "{bad} of {all} at {points}: tail {tail}, not {rest}");
        };
        for all in [1, 2, 3, 7, 31, 100, 640] {
            for bad in [0, 1, 2, 3, 30, 300] {
                if bad < all {
                    for points in [1, 5_000, 9_000, 9_500, 9_900, 9_999] {
                        check(bad, all, points);
                    }
                }
            }
        }
        check(500, 100_000, 9_500);
        check(12, 100_000_000, 9_500);
    }

    #[test]
    fn nothing_seen_or_all_bad_leaves_every_rate_possible() {
        for (bad, all) in [(0, 0), (1, 1), (7, 7), (9, 7)] {
            assert!((upper_bound(bad, all, share(9_500)) - 1.0).abs() < f64::EPSILON, "{bad} of {all}");
        }
    }

    #[test]
    fn what_is_said_to_be_needed_is_enough_and_one_less_is_not() {
        let (confidence, limit) = (share(9_500), share(50));
        for (bad, all, expected) in
            [(0, 0, Some(598)), (0, 590, Some(8)), (3, 400, None), (0, 5_000, Some(0))]
        {
            let more = more_needed(bad, all, confidence, limit);
            if let Some(expected) = expected {
                assert_eq!(more, expected, "{bad} of {all}");
            }
            assert!(upper_bound(bad, all + more, confidence) < 0.005);
            assert!(more == 0 || upper_bound(bad, all + more - 1, confidence) >= 0.005);
        }
    }

    #[test]
    fn the_tail_of_a_fair_coin_is_a_sum_of_binomial_coefficients() {
        let check = |at_least, tosses, expected: f64| {
            let tail = fair_tail(at_least, tosses);
            assert!((tail - expected).abs() <= 1e-12 * expected.max(1e-3), "{at_least} of {tosses}: {tail}");
        };
        check(0, 0, 1.0);
        check(1, 0, 0.0);
        check(1, 1, 0.5);
        check(5, 5, 1.0 / 32.0);
        check(8, 10, 56.0 / 1024.0);
        check(3, 10, 968.0 / 1024.0);
        check(15, 20, 21_700.0 / 1_048_576.0);
        check(60, 100, 0.028_443_966_820_490_395);
    }
}
