//! How many requests showed which set of differences.
//!
//! Owns counts per distinct set of signatures, from which the accounts under any rules follow exactly: a
//! request matches where its set is empty, is ignored where every member is hidden, and is a mismatch
//! otherwise. Where sets become too many, the rest is *spilled*: the requests are counted, and for each
//! signature how many of them had it. Under other rules the mismatches among them are at most the sum over
//! the signatures that count, and that bound is what is used: it errs towards "hold".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A number of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// All of them.
    pub seen: u64,
    /// Those among the first twenty of their shape: what the gate counts.
    pub counted: u64,
}

impl Count {
    /// Adds another count.
    pub const fn add(&mut self, other: Count) {
        self.seen = self.seen.saturating_add(other.seen);
        self.counted = self.counted.saturating_add(other.counted);
    }

    /// The smaller of each.
    #[must_use]
    pub fn at_most(self, other: Count) -> Count {
        Count { seen: self.seen.min(other.seen), counted: self.counted.min(other.counted) }
    }

    /// What is left without `other`.
    #[must_use]
    pub const fn without(self, other: Count) -> Count {
        Count {
            seen: self.seen.saturating_sub(other.seen),
            counted: self.counted.saturating_sub(other.counted),
        }
    }
}

/// Place of a signature in its route's table.
pub(super) type Member = u32;

/// Requests of one route by the set of signatures they showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    /// Members ascending, each once; the empty set: no difference.
    sets: BTreeMap<Box<[Member]>, Tally>,
    /// Of all sets.
    members: usize,
    /// Requests whose set found no room.
    spilled: Count,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: Count,
    changed: bool,
}

/// Whether a set found room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It has a tally of its own.
    Apart,
    /// Its members must be counted one by one.
    Spilled,
}

impl Tallies {
    /// Counts requests of one set, where its tally exists or there is room for `sets` and `members` more.
    pub(super) fn add(&mut self, set: &[Member], count: Count, sets: usize, members: usize) -> Kept {
        if let Some(tally) = self.sets.get_mut(set) {
            tally.count.add(count);
            tally.changed = true;
        } else if self.fits(set, sets, members) {
            self.members += set.len();
            self.sets.insert(set.into(), Tally { count, changed: true });
        } else {
            self.spilled.add(count);
            return Kept::Spilled;
        }
        Kept::Apart
    }

    /// Whether a set has a tally, or there is room for one.
    pub(super) fn fits(&self, set: &[Member], sets: usize, members: usize) -> bool {
        set.is_empty() || self.sets.contains_key(set) || (sets > 0 && members >= set.len())
    }

    /// Replaces members by others: what is the same set afterwards is added up.
    pub(super) fn renumber(&mut self, new: impl Fn(Member) -> Member) {
        let mut sets: BTreeMap<Box<[Member]>, Tally> = BTreeMap::new();
        for (set, tally) in std::mem::take(&mut self.sets) {
            let mut renumbered: Vec<Member> = set.iter().map(|member| new(*member)).collect();
            renumbered.sort_unstable();
            renumbered.dedup();
            let merged = sets.entry(renumbered.into()).or_default();
            merged.count.add(tally.count);
            merged.changed = true;
        }
        self.members = sets.keys().map(|set| set.len()).sum();
        self.sets = sets;
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = (&[Member], Count)> {
        self.sets.iter().map(|(set, tally)| (&**set, tally.count))
    }

    pub(super) fn spilled(&self) -> Count {
        self.spilled
    }

    pub(super) fn restore_spilled(&mut self, spilled: Count) {
        self.spilled = spilled;
    }

    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// What changed since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<(Box<[Member]>, Count)> {
        let mut changed = Vec::new();
        for (set, tally) in &mut self.sets {
            if std::mem::take(&mut tally.changed) {
                changed.push((set.clone(), tally.count));
            }
        }
        changed
    }
}
