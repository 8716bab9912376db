//! What a window says of the limits, in figures and in a sentence.
//!
//! Owns which limit applies. Where legacy answers enough keyed clients in the same window, failures are judged
//! against its own: what breaks both sides is no reason to go from one to the other. Where it does not, `max` is the
//! limit, because there is nothing to compare with. Latency has no limit of its own kind, so it waits for legacy.

use std::fmt;
use std::time::Duration;

use super::bound::{self, Rate, Threshold};
use super::window::LOOK;
use super::{Counts, FailureKind, latency};
use crate::snapshot::policy::Guardrails;

/// Percentiles less than this apart are no breach, whatever the limit: a millisecond is nobody's loss, and two local
/// services can differ by half of it for ever.
const LATENCY_FLOOR_MICROS: u64 = 1_000;

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `error_rate.above_legacy`.
    ErrorsAboveLegacy,
    /// `error_rate.max`.
    Errors,
    /// `latency_p95.above_legacy`.
    LatencyAboveLegacy,
}

impl Measure {
    /// As its key is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Measure::ErrorsAboveLegacy => "error_rate.above_legacy",
            Measure::Errors => "error_rate.max",
            Measure::LatencyAboveLegacy => "latency_p95.above_legacy",
        }
    }
}

/// What a window holds of both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Reads that legacy was to answer.
    pub legacy: Rate,
    /// Reads that the extracted service was to answer.
    pub extracted: Rate,
    /// Failures of the extracted service by kind, in the order of [`FailureKind::ALL`].
    pub kinds: [u64; FailureKind::ALL.len()],
    /// 95th percentile of legacy's answers, in microseconds, where it answered.
    pub legacy_p95: Option<u64>,
    /// The same of the extracted service.
    pub extracted_p95: Option<u64>,
}

/// What one look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Too little to say anything.
    Hold,
    /// No limit is broken for certain.
    Within,
    /// This one is.
    Broken(Measure),
}

/// A limit that was broken, with everything the judgement rested on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breach {
    /// Which.
    pub measure: Measure,
    /// What was seen.
    pub seen: Seen,
    /// What the value is at least, for certain: a rate, a difference of rates, or, of latencies, the share by which
    /// they are above.
    pub bound: f64,
    /// What it may be at most.
    pub limit: f64,
    /// The window's length.
    pub window: Duration,
}

impl Seen {
    /// What is counted in a window, legacy first.
    pub fn of([legacy, extracted]: &[Counts; 2]) -> Seen {
        let rate = |side: &Counts| Rate { all: side.reads, bad: side.failed.iter().sum() };
        Seen {
            legacy: rate(legacy),
            extracted: rate(extracted),
            kinds: extracted.failed,
            legacy_p95: p95(&legacy.latency),
            extracted_p95: p95(&extracted.latency),
        }
    }
}

/// Judges a window, of which there are so many looks that it is judged at.
pub fn judge(limits: &Guardrails, counts: &[Counts; 2]) -> Verdict {
    let seen = Seen::of(counts);
    let enough = u64::from(limits.min_requests);
    if seen.extracted.all < enough {
        return Verdict::Hold;
    }
    let threshold = threshold(limits);
    let has_legacy = seen.legacy.all >= enough;
    let mut judged = false;
    match (limits.error_rate_above_legacy, limits.error_rate_max) {
        (Some(points), _) if has_legacy => {
            judged = true;
            if bound::is_difference_above(seen.extracted, seen.legacy, share(points), threshold) {
                return Verdict::Broken(Measure::ErrorsAboveLegacy);
            }
        }
        (_, Some(max)) => {
            judged = true;
            if bound::is_above(seen.extracted, share(max.basis_points().into()), threshold) {
                return Verdict::Broken(Measure::Errors);
            }
        }
        (_, None) => {}
    }
    if let (Some(percent), true) = (limits.latency_p95_above_legacy, has_legacy) {
        judged = true;
        if is_slower(counts, share(percent), threshold) {
            return Verdict::Broken(Measure::LatencyAboveLegacy);
        }
    }
    if judged { Verdict::Within } else { Verdict::Hold }
}

/// The figures of a breach.
pub fn breach(limits: &Guardrails, counts: &[Counts; 2], measure: Measure) -> Breach {
    let seen = Seen::of(counts);
    let threshold = threshold(limits);
    let (bound, limit) = match measure {
        Measure::ErrorsAboveLegacy => (
            bound::lower_difference(seen.extracted, seen.legacy, threshold),
            share(limits.error_rate_above_legacy.unwrap_or_default()),
        ),
        Measure::Errors => {
            let max = limits.error_rate_max.map_or(0, |max| max.basis_points());
            (bound::lower(seen.extracted, threshold), share(max.into()))
        }
        Measure::LatencyAboveLegacy => {
            let limit = share(limits.latency_p95_above_legacy.unwrap_or_default());
            (slower_by(counts, limit, threshold), limit)
        }
    };
    Breach { measure, seen, bound, limit, window: limits.window }
}

fn threshold(limits: &Guardrails) -> Threshold {
    Threshold::for_looks(limits.window.as_secs() / LOOK.as_secs().max(1))
}

/// Hundredths of a percent as a number.
fn share(points: u32) -> f64 {
    f64::from(points) / 10_000.0
}

fn is_slower([legacy, extracted]: &[Counts; 2], by: f64, threshold: Threshold) -> bool {
    let raised = |micros: u64| raised(micros, by).max(micros.saturating_add(LATENCY_FLOOR_MICROS));
    bound::is_p95_above(&extracted.latency, &legacy.latency, latency::least_micros, raised, threshold)
}

/// The most by which the percentile is above legacy's, for certain, to a tenth of a percent.
fn slower_by(counts: &[Counts; 2], at_least: f64, threshold: Threshold) -> f64 {
    let (mut low, mut high) = (at_least, at_least.max(0.1));
    while high < 1e6 && is_slower(counts, high, threshold) {
        (low, high) = (high, high * 2.0);
    }
    while high - low > 0.001 * high.max(1.0) {
        let middle = f64::midpoint(low, high);
        if is_slower(counts, middle, threshold) { low = middle } else { high = middle }
    }
    low
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "minutes in microseconds are far below 2^53, and neither factor is negative"
)]
fn raised(micros: u64, by: f64) -> u64 {
    (micros as f64 * (1.0 + by)).ceil() as u64
}

/// The 95th percentile of a histogram, as the least latency of its bucket.
fn p95(buckets: &[u64]) -> Option<u64> {
    let all: u64 = buckets.iter().sum();
    let rank = all - all / 20;
    let mut below = 0;
    let at = buckets.iter().position(|count| {
        below += count;
        below >= rank
    });
    at.filter(|_| all > 0).map(latency::least_micros)
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Breach { measure, seen, bound, limit, window } = self;
        let minutes = f64::from(u32::try_from(window.as_secs()).unwrap_or(u32::MAX)) / 60.0;
        match measure {
            Measure::ErrorsAboveLegacy => write!(
                f,
                "{} of the extracted service's reads failed, {} of legacy's: at least {} points more, {} are \
                 allowed",
                of(seen.extracted),
                of(seen.legacy),
                percent(*bound),
                percent(*limit)
            )?,
            Measure::Errors => write!(
                f,
                "{} of the extracted service's reads failed: at least {}, {} is allowed",
                of(seen.extracted),
                percent(*bound),
                percent(*limit)
            )?,
            Measure::LatencyAboveLegacy => write!(
                f,
                "the 95th percentile of the extracted service is {}, legacy's {}: at least {} more, {} is allowed",
                millis(seen.extracted_p95),
                millis(seen.legacy_p95),
                percent(*bound),
                percent(*limit)
            )?,
        }
        write!(f, " (window {minutes:.1} min, one-sided 99.9 % over all looks at it)")
    }
}

fn of(rate: Rate) -> String {
    format!("{} of {} ({})", rate.bad, rate.all, percent(rate.seen()))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn millis(micros: Option<u64>) -> String {
    match micros {
        None => "unknown".to_owned(),
        Some(micros) => format!("{}.{:03} ms", micros / 1_000, micros % 1_000),
    }
}
