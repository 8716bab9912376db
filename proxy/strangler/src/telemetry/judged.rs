//! Counters that guardrails judge: reads of clients with a cohort key, per watch and side.
//!
//! As all counters of a data thread they have one writer. Refuses windows: whoever samples keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use strangler_core::guardrail::{Counts, FailureKind, latency};
use strangler_core::snapshot::policy::Guardrails;
use strangler_core::words::Owner;

use super::shard::Counter;

/// How one read ended.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// How it failed, if it did.
    pub failed: Option<FailureKind>,
    /// From the request's head to the answer's head, or to the failure.
    pub latency: Duration,
}

/// What is counted together: the slice, its limits, and the side that was to answer.
pub(super) type JudgedKey = (Arc<str>, Guardrails, Owner);

/// What was counted of both sides, legacy first, by slice and limits.
pub type JudgedSums = BTreeMap<(Arc<str>, Guardrails), [Counts; 2]>;

/// Counters of one side of a watch.
#[derive(Debug)]
pub(super) struct JudgedCounters {
    reads: Counter,
    failed: [Counter; FailureKind::ALL.len()],
    latency: Box<[Counter]>,
}

impl Default for JudgedCounters {
    fn default() -> JudgedCounters {
        let latency = std::iter::repeat_with(Counter::default).take(latency::BUCKETS).collect();
        JudgedCounters { reads: Counter::default(), failed: Default::default(), latency }
    }
}

impl JudgedCounters {
    pub(super) fn count(&self, judged: &Judged) {
        self.reads.add(1);
        let counter = match judged.failed {
            Some(kind) => self.failed.get(kind as usize),
            None => self.latency.get(latency::bucket(judged.latency)),
        };
        if let Some(counter) = counter {
            counter.add(1);
        }
    }

    pub(super) fn add_to(&self, sums: &mut Counts) {
        sums.latency.resize(latency::BUCKETS, 0);
        // What is read first is never more than what it is part of, while the thread goes on counting.
        for (sum, counter) in sums.latency.iter_mut().zip(&self.latency) {
            *sum += counter.get();
        }
        for (sum, counter) in sums.failed.iter_mut().zip(&self.failed) {
            *sum += counter.get();
        }
        sums.reads += self.reads.get();
    }
}
