//! How long both sides took for the same requests.
//!
//! Owns a bounded sketch of a distribution of durations, good to 2 % of each value (C. Masson, J. Rim and
//! H. Lee, *DDSketch*, VLDB 2019). Refuses to keep single values.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::binomial::real;
use super::observation::PairedLatency;

/// Neighbouring bounds differ by this factor: the middle of a bucket is within 2 % of everything in it.
const GROWTH: f64 = 1.04;

/// The last bucket takes everything of about an hour and more; the first, a microsecond and less.
const LAST_BUCKET: u16 = 562;

/// A distribution of durations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    buckets: BTreeMap<u16, u64>,
}

impl Sketch {
    /// Adds one.
    pub fn add(&mut self, duration: Duration) {
        let count = self.buckets.entry(bucket(duration)).or_default();
        *count = count.saturating_add(1);
    }

    /// How many were added.
    pub fn count(&self) -> u64 {
        self.buckets.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration that `percent` of them do not exceed, within 2 %; `None` where there is none.
    pub fn percentile(&self, percent: u8) -> Option<Duration> {
        let wanted = self.count().saturating_mul(u64::from(percent.min(100))).div_ceil(100).max(1);
        let mut below = 0_u64;
        for (bucket, count) in &self.buckets {
            below = below.saturating_add(*count);
            if below >= wanted {
                return Some(middle(*bucket));
            }
        }
        None
    }

    /// Adds another distribution's.
    pub fn merge(&mut self, other: &Sketch) {
        for (bucket, more) in &other.buckets {
            let count = self.buckets.entry(*bucket).or_default();
            *count = count.saturating_add(*more);
        }
    }
}

/// Both sides' distributions over the same requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies {
    /// Legacy's.
    pub legacy: Sketch,
    /// The extracted service's.
    pub extracted: Sketch,
    /// Requests for which the extracted service took longer.
    pub extracted_slower: u64,
}

impl Latencies {
    /// Adds one request.
    pub fn add(&mut self, pair: PairedLatency) {
        self.legacy.add(pair.legacy);
        self.extracted.add(pair.extracted);
        if pair.extracted > pair.legacy {
            self.extracted_slower = self.extracted_slower.saturating_add(1);
        }
    }

    /// Adds another route's.
    pub fn merge(&mut self, other: &Latencies) {
        self.legacy.merge(&other.legacy);
        self.extracted.merge(&other.extracted);
        self.extracted_slower = self.extracted_slower.saturating_add(other.extracted_slower);
    }
}

fn bucket(duration: Duration) -> u16 {
    let microseconds = real(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)).max(1.0);
    let index = (microseconds.ln() / GROWTH.ln()).ceil().min(f64::from(LAST_BUCKET));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=562 by the lines above")]
    let index = index as u16;
    index
}

/// The value within 2 % of all in the bucket (GROWTHⁿ⁻¹, GROWTHⁿ]. Stored numbers may be any.
fn middle(bucket: u16) -> Duration {
    let bucket = bucket.min(LAST_BUCKET);
    Duration::from_secs_f64(2.0 * GROWTH.powi(i32::from(bucket)) / (GROWTH + 1.0) / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_two_percent() {
        let mut random = fastrand::Rng::with_seed(11);
        let mut sketch = Sketch::default();
        let mut values: Vec<u64> = (0..5_000).map(|_| random.u64(200..90_000) * random.u64(1..40)).collect();
        values.iter().for_each(|value| sketch.add(Duration::from_micros(*value)));
        values.sort_unstable();
        for percent in [1, 50, 95, 99, 100] {
            let exact = real(values[(values.len() * usize::from(percent)).div_ceil(100) - 1]) / 1e6;
            let shown = sketch.percentile(percent).unwrap().as_secs_f64();
            assert!((shown / exact - 1.0).abs() < 0.0201, "p{percent}: {shown}, not {exact}");
        }
    }

    #[test]
    fn it_holds_any_duration_in_bounded_room() {
        let mut sketch = Sketch::default();
        for power in 0..64 {
            sketch.add(Duration::from_micros(1 << power));
        }
        sketch.add(Duration::ZERO);
        sketch.add(Duration::MAX);
        for micros in 0..200_000 {
            sketch.add(Duration::from_micros(micros * 50_000));
        }
        assert!(sketch.buckets.len() <= usize::from(LAST_BUCKET) + 1);
        assert_eq!(sketch.count(), 200_066);
    }

    #[test]
    fn merging_two_is_adding_to_one() {
        let (mut left, mut right, mut both) = (Sketch::default(), Sketch::default(), Sketch::default());
        for micros in 1..900 {
            let duration = Duration::from_micros(micros * micros);
            both.add(duration);
            if micros % 3 == 0 { left.add(duration) } else { right.add(duration) }
        }
        left.merge(&right);
        assert_eq!(left, both);
        assert_eq!(Sketch::default().percentile(50), None);
    }
}
