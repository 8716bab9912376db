//! Bounds that hold for few counts, rare failures and many looks.
//!
//! Owns the statistics. Refuses normal approximations: a limit is looked at every second, so a single look must be
//! wrong less than once in a hundred thousand, and so far out the normal tail is no guide to rare failures (six
//! failures where one is expected are 5 standard deviations and happen once in 1,700 times).
//!
//! For `n` trials of probability p, n·KL⁺(p̂‖p), where KL⁺ is the relative entropy on the side p̂ > p and 0 on the
//! other, exceeds x with probability at most e⁻ˣ (H. Chernoff, *A measure of asymptotic efficiency for tests of a
//! hypothesis based on the sum of observations*, Ann. Math. Stat. 23 (1952); W. Hoeffding, *Probability inequalities
//! for sums of bounded random variables*, JASA 58 (1963)). The two sides are independent, so the sum of theirs
//! exceeds x with probability at most (1 + x)·e⁻ˣ, the tail of a sum of two exponential variables. A hypothesis about
//! both sides is rejected where the least sum that any pair of rates within it leads to exceeds x: the true pair's is
//! not less. This is a likelihood-ratio test whose level is guaranteed for every count.

/// Probability that a bound is wrong once in a window, over all its looks: one-sided 99.9 %.
pub const ERROR_PER_WINDOW: f64 = 0.001;

/// Failures of so many reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Reads.
    pub all: u64,
    /// Those that failed; at most all.
    pub bad: u64,
}

impl Rate {
    /// The rate as seen; 0 of nothing.
    pub fn seen(self) -> f64 {
        if self.all == 0 { 0.0 } else { real(self.bad.min(self.all)) / real(self.all) }
    }
}

/// What a look may conclude from: x such that a true hypothesis exceeds it less often than the look may be wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    one: f64,
    two: f64,
}

impl Threshold {
    /// For one of so many looks at a window: what the window may be wrong is shared out among them (the union
    /// bound), so that however they overlap, all of them together are right with 99.9 %.
    pub fn for_looks(looks: u64) -> Threshold {
        let error = ERROR_PER_WINDOW / real(looks.max(1));
        let one = -error.ln();
        // (1 + x)·e⁻ˣ = error: x = one + ln(1 + x) contracts from any start.
        let mut two = one;
        for _ in 0..64 {
            two = one + two.ln_1p();
        }
        Threshold { one, two }
    }
}

/// Whether the rate is above `limit`, for certain.
pub fn is_above(rate: Rate, limit: f64, threshold: Threshold) -> bool {
    excess(rate, limit) >= threshold.one
}

/// The most that the rate is above, for certain: 0 at least.
pub fn lower(rate: Rate, threshold: Threshold) -> f64 {
    largest(0.0, rate.seen(), |limit| is_above(rate, limit, threshold))
}

/// Whether `extracted` fails by more than `limit` more often than `legacy`, for certain.
pub fn is_difference_above(extracted: Rate, legacy: Rate, limit: f64, threshold: Threshold) -> bool {
    least_sum(extracted, legacy, limit, threshold.two) >= threshold.two
}

/// The most by which `extracted` fails more often, for certain; −1 at least.
pub fn lower_difference(extracted: Rate, legacy: Rate, threshold: Threshold) -> f64 {
    largest(-1.0, extracted.seen() - legacy.seen(), |limit| {
        is_difference_above(extracted, legacy, limit, threshold)
    })
}

/// Whether the 95th percentile of `extracted` is above what `raised` makes of the 95th percentile of `legacy`, for
/// certain. Both are counted in the same buckets; `least` is the least value of a bucket, and the end of the one
/// before; `raised` must grow with its argument.
pub fn is_p95_above(
    extracted: &[u64],
    legacy: &[u64],
    least: impl Fn(usize) -> u64,
    raised: impl Fn(u64) -> u64,
    threshold: Threshold,
) -> bool {
    const TAIL: f64 = 0.05;
    let (n_extracted, n_legacy) = (extracted.iter().sum::<u64>(), legacy.iter().sum::<u64>());
    if n_extracted == 0 || n_legacy == 0 {
        return false;
    }
    // Wherever legacy's percentile truly is, one of its buckets holds it. What is unknown within a bucket is
    // counted for the hypothesis: all of the bucket as above legacy's, none of it as above the raised one.
    let mut legacy_from = n_legacy;
    let mut raised_at = 0;
    let mut extracted_from = n_extracted;
    for (at, count) in legacy.iter().enumerate() {
        let limit = raised(least(at + 1));
        while raised_at < extracted.len() && least(raised_at) < limit {
            extracted_from -= extracted.get(raised_at).copied().unwrap_or_default();
            raised_at += 1;
        }
        let too_slow = excess(Rate { all: n_extracted, bad: extracted_from }, TAIL);
        let too_few = shortfall(Rate { all: n_legacy, bad: legacy_from }, TAIL);
        if too_slow + too_few < threshold.two {
            return false;
        }
        legacy_from -= count;
    }
    true
}

/// n·KL⁺: 0 where no more failed than `rate` expects.
fn excess(seen: Rate, rate: f64) -> f64 {
    if seen.seen() <= rate { 0.0 } else { real(seen.all) * relative_entropy(seen.seen(), rate) }
}

/// n·KL⁻: 0 where no fewer failed than `rate` expects.
fn shortfall(seen: Rate, rate: f64) -> f64 {
    if seen.seen() >= rate { 0.0 } else { real(seen.all) * relative_entropy(seen.seen(), rate) }
}

/// The least of what both sides exceed their rates by, over all pairs of rates that are `limit` apart or less; or
/// anything below `enough` where that is certain not to be reached.
fn least_sum(extracted: Rate, legacy: Rate, limit: f64, enough: f64) -> f64 {
    let (mut low, mut high) = (legacy.seen().max(-limit), (extracted.seen() - limit).min(1.0));
    if low >= high {
        return 0.0;
    }
    let sum = |rate: f64| shortfall(legacy, rate) + excess(extracted, rate + limit);
    // No pair is less than the least: one that is near it usually settles the matter.
    let weight = real(extracted.all) / real((extracted.all + legacy.all).max(1));
    let near = sum(low + (high - low) * weight);
    if near < enough {
        return near;
    }
    // The sum is convex between: legacy's term grows, the other falls, and the least is where their slopes meet.
    let slope = |seen: Rate, rate: f64| {
        let spread = (rate * (1.0 - rate)).max(f64::MIN_POSITIVE);
        real(seen.all) * (rate - seen.seen()) / spread
    };
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if slope(legacy, middle) + slope(extracted, middle + limit) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    sum(low).min(sum(high))
}

/// KL(p‖q) of two coins, in nats.
fn relative_entropy(p: f64, q: f64) -> f64 {
    let part = |p: f64, q: f64| match (p > 0.0, q > 0.0) {
        (false, _) => 0.0,
        (true, false) => f64::INFINITY,
        (true, true) => p * (p / q).ln(),
    };
    (part(p, q) + part(1.0 - p, 1.0 - q)).max(0.0)
}

/// The largest value in `low..=high` up to which `holds` holds; `low` where it holds nowhere.
fn largest(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (low, high.max(low));
    for _ in 0..52 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

/// A count as a number; above 2^53 neighbours become equal, which no figure here can show.
#[expect(clippy::cast_precision_loss, reason = "see above")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
