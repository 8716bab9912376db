//! Requests that ended on a data thread without being compared, until the shadow thread tells the evidence.
//!
//! They are counted in metrics at once; here they only wait to be told of, together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use strangler_core::compare::NotCompared;

/// Slice, route and reason.
type Key = (Arc<str>, Arc<str>, NotCompared);

/// Entries of one thread between two looks; beyond, all routes of a slice share one without a name.
const ENTRIES_MAX: usize = 4096;

/// One data thread's counts.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<Key, u64>>);

impl Tally {
    /// Counts one request.
    pub(super) fn add(&self, slice: &Arc<str>, route: &Arc<str>, reason: NotCompared) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (Arc::clone(slice), Arc::clone(route), reason);
        if counts.len() >= ENTRIES_MAX && !counts.contains_key(&key) {
            key.1 = Arc::from("");
        }
        *counts.entry(key).or_default() += 1;
    }

    /// All counts since the last time.
    pub(super) fn take(&self) -> BTreeMap<Key, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
