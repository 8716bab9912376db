//! Traffic of the last minute: what is wrong now, not what was wrong since the start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::telemetry::Telemetry;

/// Time between two samples.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// Samples kept: a minute.
const SAMPLES: usize = 6;

/// Requests and failures of one owner of one slice (empty where no route won).
pub(super) type Tally = BTreeMap<(String, String), Counts>;

/// What was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Requests.
    pub(super) requests: u64,
    /// Answers from 500 on.
    pub(super) errors: u64,
}

#[derive(Debug, Default)]
pub(super) struct Recent {
    samples: Mutex<VecDeque<Tally>>,
}

impl Recent {
    pub(super) fn sample(&self, telemetry: &Telemetry) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(tally(telemetry));
    }

    /// What was answered since the oldest sample.
    pub(super) fn since_oldest(&self, total: &Tally) -> Tally {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(oldest) = samples.front() else { return total.clone() };
        let since = |key: &(String, String), now: &Counts| {
            let then = oldest.get(key).copied().unwrap_or_default();
            Counts {
                requests: now.requests.saturating_sub(then.requests),
                errors: now.errors.saturating_sub(then.errors),
            }
        };
        total.iter().map(|(key, now)| (key.clone(), since(key, now))).collect()
    }
}

/// Everything answered since the process started.
pub(super) fn tally(telemetry: &Telemetry) -> Tally {
    let mut tally = Tally::new();
    for row in telemetry.traffic() {
        let counts = tally.entry((row.slice.to_string(), row.owner.to_owned())).or_default();
        counts.requests += row.count;
        if row.code >= 500 {
            counts.errors += row.count;
        }
    }
    tally
}
