//! The four accounts in which every eligible request ends.
//!
//! Owns their sums and shares. All four are there wherever a rate is.

use std::collections::BTreeMap;

use super::binomial::real;
use crate::compare::NotCompared;

/// Requests by account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// No difference at all.
    pub matched: u64,
    /// A difference that counts.
    pub mismatched: u64,
    /// Differences, all of them hidden.
    pub ignored: u64,
    /// Not compared, by reason.
    pub not_compared: BTreeMap<NotCompared, u64>,
}

impl Accounts {
    /// Requests that were compared.
    pub fn compared(&self) -> u64 {
        self.matched.saturating_add(self.mismatched).saturating_add(self.ignored)
    }

    /// Requests that were not.
    pub fn all_not_compared(&self) -> u64 {
        self.not_compared.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Requests that asked again gave no stable answer: the race was over, or legacy differed from itself.
    pub fn unsettled(&self) -> u64 {
        let of = |reason| self.not_compared.get(&reason).copied().unwrap_or_default();
        of(NotCompared::Transient).saturating_add(of(NotCompared::Unstable))
    }

    /// Mismatches among those compared; 0 where nothing was.
    pub fn mismatch_share(&self) -> f64 {
        share(self.mismatched, self.compared())
    }

    /// Unsettled ones among those compared or unsettled; 0 where there is none.
    pub fn unsettled_share(&self) -> f64 {
        share(self.unsettled(), self.compared().saturating_add(self.unsettled()))
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Accounts) {
        self.matched = self.matched.saturating_add(other.matched);
        self.mismatched = self.mismatched.saturating_add(other.mismatched);
        self.ignored = self.ignored.saturating_add(other.ignored);
        for (reason, more) in &other.not_compared {
            let count = self.not_compared.entry(*reason).or_default();
            *count = count.saturating_add(*more);
        }
    }
}

/// `part` of `whole`, 0..=1; 0 where there is no whole.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { real(part.min(whole)) / real(whole) }
}
