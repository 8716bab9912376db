//! The signatures seen on one route: how often, when, and what they looked like.
//!
//! Owns the table and what happens when it is full: the rarest quarter, and of those the longest unseen, is
//! merged into one line of the rest (as in lossy counting: G. Manku and R. Motwani, VLDB 2002), so that a
//! service that makes a new signature each time neither grows the table nor keeps a frequent one out of it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::limits::{Dropped, Limits};
use super::observation::{Difference, Example, Recount, Seen};
use super::tally::{Count, Member};
use crate::compare::Signature;

/// Examples kept of each signature.
const EXAMPLES: usize = 3;

/// Lines of the rest: one that counts, and one for each rule that hid what is in it.
const MOST_RESTS: usize = 64;

/// One signature, or what is left of several that are not kept apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Which; `None`: the rest.
    pub(super) what: Option<Difference>,
    /// The rule without whose text in force it counts.
    pub(super) by_text: Option<Box<str>>,
    /// The rule that hid it last.
    pub(super) last_rule: Option<Box<str>>,
    /// Requests with it; for the rest an upper bound.
    pub(super) requests: u64,
    /// Differences.
    pub(super) times: u64,
    /// Seen first.
    pub(super) first: Timestamp,
    /// Seen last.
    pub(super) last: Timestamp,
    /// The smallest ones.
    pub(super) examples: Vec<Example>,
    /// Requests with it among those that were spilled.
    pub(super) spilled: Count,
    /// Whether it changed since it was last asked for.
    pub(super) changed: bool,
}

type Name = (Option<Signature>, Option<Box<str>>);

impl Entry {
    fn name(&self) -> Name {
        (self.what.as_ref().map(|what| what.signature), self.by_text.clone())
    }

    fn example_bytes(&self) -> usize {
        self.examples.iter().map(Example::weight).sum()
    }
}

/// How much room there is for more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) signatures: usize,
    pub(super) example_bytes: usize,
}

/// The signatures of one route.
#[derive(Clone, Debug, Default)]
pub(super) struct Signatures {
    entries: Vec<Entry>,
    by_name: BTreeMap<Name, Member>,
    rests: usize,
    example_bytes: usize,
    /// Places that were new in the request just recorded.
    new: Vec<Member>,
}

impl Signatures {
    /// What was new, and counted, since the last call.
    pub(super) fn take_new(&mut self) -> Vec<Difference> {
        let counting = |entry: &&Entry| entry.last_rule.is_none();
        let entry = |member: Member| self.entries.get(member as usize).filter(counting)?.what.clone();
        std::mem::take(&mut self.new).into_iter().filter_map(entry).collect()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn example_bytes(&self) -> usize {
        self.example_bytes
    }

    /// Whether these need more lines than there may be.
    pub(super) fn overflow(&self, seen: &[Seen], limits: &Limits) -> bool {
        let new = |one: &&Seen| one.what.is_some() && !self.by_name.contains_key(&name_of(one));
        let new = seen.iter().filter(new).count();
        new > 0 && self.apart() + new > limits.signatures_per_route
    }

    /// Lines of one signature each.
    pub(super) fn apart(&self) -> usize {
        self.entries.len() - self.rests
    }

    /// Notes a signature of a request that was set aside; the place of its line.
    pub(super) fn note(
        &mut self,
        seen: &Seen,
        at: Timestamp,
        limits: &Limits,
        room: Room,
        dropped: &mut Dropped,
    ) -> Member {
        let member = self.place(seen, at, limits, room, dropped);
        if let Some(entry) = self.entries.get_mut(member as usize) {
            entry.changed = true;
            entry.last_rule = seen.hidden.as_ref().map(|hidden| hidden.text.clone());
        }
        member
    }

    /// Counts one signature of one request; the place of its line.
    pub(super) fn record(
        &mut self,
        seen: &Seen,
        at: Timestamp,
        limits: &Limits,
        room: Room,
        dropped: &mut Dropped,
    ) -> Member {
        let member = self.place(seen, at, limits, room, dropped);
        let Some(entry) = self.entries.get_mut(member as usize) else { return member };
        entry.changed = true;
        if entry.requests == 0 {
            entry.first = at;
            entry.last = at;
            self.new.push(member);
        }
        entry.requests = entry.requests.saturating_add(1);
        entry.times = entry.times.saturating_add(u64::from(seen.times));
        entry.first = entry.first.min(at);
        entry.last = entry.last.max(at);
        entry.last_rule = seen.hidden.as_ref().map(|hidden| hidden.text.clone());
        if let Some(example) = &seen.example {
            let before = entry.example_bytes();
            let wanted = |entry: &Entry| {
                entry.examples.len() < EXAMPLES
                    || entry.examples.last().is_some_and(|largest| example.weight() < largest.weight())
            };
            let fits = example.weight() <= limits.example_bytes && example.weight() <= room.example_bytes;
            if wanted(entry) && fits {
                let weight = example.weight();
                let index = entry.examples.partition_point(|kept| kept.weight() <= weight);
                entry.examples.insert(index, example.clone());
                entry.examples.truncate(EXAMPLES);
                self.example_bytes = self.example_bytes + entry.example_bytes() - before;
            } else if wanted(entry) {
                dropped.examples = dropped.examples.saturating_add(1);
            }
        }
        member
    }

    /// The line of a signature: its own, a new one, or the rest's.
    fn place(
        &mut self,
        seen: &Seen,
        at: Timestamp,
        limits: &Limits,
        room: Room,
        dropped: &mut Dropped,
    ) -> Member {
        let name = name_of(seen);
        if let Some(member) = self.by_name.get(&name) {
            return *member;
        }
        if seen.what.is_some() && self.apart() < limits.signatures_per_route && room.signatures > 0 {
            return self.insert(seen.what.clone(), name.1, at);
        }
        if seen.what.is_some() {
            dropped.signatures = dropped.signatures.saturating_add(1);
        }
        self.rest(seen.hidden.as_ref().map(|hidden| hidden.text.clone()), at)
    }

    /// The line of the rest that this rule hides.
    fn rest(&mut self, rule: Option<Box<str>>, at: Timestamp) -> Member {
        let name = (None, rule);
        if let Some(member) = self.by_name.get(&name) {
            return *member;
        }
        let rule = if self.rests < MOST_RESTS { name.1 } else { None };
        match self.by_name.get(&(None, rule.clone())) {
            Some(member) => *member,
            None => self.insert(None, rule, at),
        }
    }

    fn insert(&mut self, what: Option<Difference>, by_text: Option<Box<str>>, at: Timestamp) -> Member {
        let entry = Entry {
            what,
            by_text,
            last_rule: None,
            requests: 0,
            times: 0,
            first: at,
            last: at,
            examples: Vec::new(),
            spilled: Count::default(),
            changed: true,
        };
        self.push(entry)
    }

    /// Adds a line as it is.
    pub(super) fn push(&mut self, entry: Entry) -> Member {
        let member = Member::try_from(self.entries.len()).unwrap_or(Member::MAX);
        self.by_name.insert(entry.name(), member);
        self.rests += usize::from(entry.what.is_none());
        self.example_bytes += entry.example_bytes();
        self.entries.push(entry);
        member
    }

    /// Counts a spilled request's signatures one by one.
    pub(super) fn spill(&mut self, set: &[Member], count: Count) {
        for member in set {
            if let Some(entry) = self.entries.get_mut(*member as usize) {
                entry.spilled.add(count);
                entry.changed = true;
            }
        }
    }

    /// Merges the rarest quarter into the rest. Answers where each line is now.
    pub(super) fn merge_rarest(&mut self, dropped: &mut Dropped) -> Vec<Member> {
        let mut apart: Vec<(u64, Timestamp, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.what.is_some())
            .map(|(index, entry)| (entry.requests, entry.last, index))
            .collect();
        apart.sort_unstable();
        let quarter = apart.len().div_ceil(4);
        let victims: std::collections::BTreeSet<usize> =
            apart.iter().take(quarter).map(|(_, _, index)| *index).collect();
        dropped.signatures = dropped.signatures.saturating_add(victims.len() as u64);

        let old = std::mem::take(self);
        let mut new = vec![0; old.entries.len()];
        let mut merged = Vec::new();
        for (index, mut entry) in old.entries.into_iter().enumerate() {
            if victims.contains(&index) {
                merged.push((index, entry));
                continue;
            }
            entry.changed = true;
            let member = self.push(entry);
            if let Some(place) = new.get_mut(index) {
                *place = member;
            }
        }
        for (index, entry) in merged {
            let member = self.rest(entry.last_rule, entry.first);
            if let Some(rest) = self.entries.get_mut(member as usize) {
                rest.requests = rest.requests.saturating_add(entry.requests);
                rest.times = rest.times.saturating_add(entry.times);
                rest.first = rest.first.min(entry.first);
                rest.last = rest.last.max(entry.last);
                rest.spilled.add(entry.spilled);
            }
            if let Some(place) = new.get_mut(index) {
                *place = member;
            }
        }
        new
    }
}

fn name_of(seen: &Seen) -> Name {
    let signature = seen.what.as_ref().map(|what| what.signature);
    let by_text = match &seen.hidden {
        Some(hidden) if hidden.recount == Recount::ByText || signature.is_none() => Some(hidden.text.clone()),
        _ => None,
    };
    (signature, by_text)
}
