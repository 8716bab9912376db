//! Traffic of the last minute: what is wrong now, not what was wrong since the start.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::fallbacks::FallbackTally;
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

/// What was counted at one moment, since the process started; or from one moment to another.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    /// Who answered.
    pub(super) answered: Tally,
    /// Reads that legacy was asked in place of the extracted side.
    pub(super) fallbacks: FallbackTally,
}

#[derive(Debug, Default)]
pub(super) struct Recent {
    samples: Mutex<VecDeque<Counted>>,
}

impl Recent {
    pub(super) fn sample(&self, telemetry: &Telemetry) {
        let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(counted(telemetry));
    }

    /// What was answered since the oldest sample.
    pub(super) fn since_oldest(&self, total: &Counted) -> Counted {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(oldest) = samples.front() else { return total.clone() };
        let since = |key: &(String, String), now: &Counts| {
            let then = oldest.answered.get(key).copied().unwrap_or_default();
            Counts {
                requests: now.requests.saturating_sub(then.requests),
                errors: now.errors.saturating_sub(then.errors),
            }
        };
        let asked = |key: &(String, String), now: &u64| {
            now.saturating_sub(oldest.fallbacks.get(key).copied().unwrap_or_default())
        };
        Counted {
            answered: total.answered.iter().map(|(key, now)| (key.clone(), since(key, now))).collect(),
            fallbacks: total.fallbacks.iter().map(|(key, now)| (key.clone(), asked(key, now))).collect(),
        }
    }
}

/// Everything since the process started.
pub(super) fn counted(telemetry: &Telemetry) -> Counted {
    let fallbacks = telemetry.fallbacks_by_reason();
    Counted {
        answered: tally(telemetry),
        fallbacks: fallbacks.into_iter().map(|((slice, why), n)| ((slice.to_string(), why), n)).collect(),
    }
}

fn tally(telemetry: &Telemetry) -> Tally {
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
