//! What is known of one route.
//!
//! Owns the four accounts' raw counts, from which they are judged under the rules of the day (see
//! [`super::judge`]), the shapes, the noise counts and the latencies. Every table is bounded.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::latency::Latencies;
use super::limits::{Dropped, Limits, Size};
use super::noise::Discordance;
use super::observation::{Observation, Outcome, Repeated, Seen};
use super::signatures::{Room, Signatures};
use super::tally::{Count, Kept, Member, Tallies};
use crate::compare::{Kind, NotCompared, Path};

/// A shape is counted so often in the gate: a thousand requests alike are not a thousand pieces of evidence.
pub const COUNTS_PER_SHAPE: u8 = 20;

/// Rows of shapes that are stored together.
pub(super) const SHAPE_ROWS: u32 = 64;

/// What is known of one route in one epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteEvidence {
    pub(super) not_compared: BTreeMap<NotCompared, u64>,
    pub(super) signatures: Signatures,
    pub(super) tallies: Tallies,
    /// Requests that were set aside, by reason.
    pub(super) set_aside: BTreeMap<NotCompared, Tallies>,
    /// How often each shape was counted.
    pub(super) shapes: BTreeMap<u64, u8>,
    pub(super) shape_rows_changed: u64,
    pub(super) noise: BTreeMap<(Path, Kind), Noise>,
    /// Requests for which legacy was asked twice.
    pub(super) repeated: u64,
    pub(super) latencies: Latencies,
    /// First and last comparison.
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) dropped: Dropped,
    pub(super) head_changed: bool,
    /// Places of signatures changed: all rows must be written anew.
    pub(super) renumbered: bool,
}

/// Counts of asking twice at one path, for one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Noise {
    pub(super) counts: Discordance,
    pub(super) changed: bool,
}

impl RouteEvidence {
    /// How much it holds.
    pub(super) fn size(&self) -> Size {
        Size {
            signatures: self.signatures.len(),
            sets: self.all_tallies().map(Tallies::len).sum(),
            members: self.all_tallies().map(Tallies::members).sum(),
            shapes: self.shapes.len(),
            noise: self.noise.len(),
            example_bytes: self.signatures.example_bytes(),
        }
    }

    fn all_tallies(&self) -> impl Iterator<Item = &Tallies> {
        std::iter::once(&self.tallies).chain(self.set_aside.values())
    }

    /// Adds one request. `room` is what all routes together may still grow by.
    pub(super) fn observe(&mut self, observation: &Observation, limits: &Limits, room: Size) {
        let room = room.at_least(limits.least.minus(self.size()));
        self.head_changed = true;
        match &observation.outcome {
            Outcome::NotCompared(reason) => {
                let count = self.not_compared.entry(*reason).or_default();
                *count = count.saturating_add(1);
            }
            Outcome::SetAside { .. } => {}
            Outcome::Compared(seen) => {
                let at = observation.at;
                self.span = Some(match self.span {
                    Some((first, last)) => (first.min(at), last.max(at)),
                    None => (at, at),
                });
                self.compared(seen, at, observation.shape, limits, room);
                if let Some(pair) = observation.latency {
                    self.latencies.add(pair);
                }
            }
        }
        if let Outcome::SetAside { reason, seen } = &observation.outcome {
            self.set_aside(*reason, seen, observation.at, limits, room);
        }
        if let Some(repeated) = &observation.repeated {
            self.asked_twice(repeated, limits, room.noise);
        }
    }

    fn compared(&mut self, seen: &[Seen], at: Timestamp, shape: u64, limits: &Limits, room: Size) {
        let counted = u64::from(self.count_shape(shape, limits, room.shapes));
        let count = Count { seen: 1, counted };
        let set = self.members(seen, limits, room, |signatures, one, room, dropped| {
            signatures.record(one, at, limits, room, dropped)
        });
        let (sets, members) = self.room_for_sets(limits, room);
        if self.tallies.add(&set, count, sets, members) == Kept::Spilled {
            self.dropped.sets = self.dropped.sets.saturating_add(1);
            self.signatures.spill(&set, count);
        }
    }

    /// Tallies a request that was set aside: under other rules, all that was found may be hidden.
    fn set_aside(&mut self, reason: NotCompared, seen: &[Seen], at: Timestamp, limits: &Limits, room: Size) {
        let set = self.members(seen, limits, room, |signatures, one, room, dropped| {
            signatures.note(one, at, limits, room, dropped)
        });
        let (sets, members) = self.room_for_sets(limits, room);
        let tallies = self.set_aside.entry(reason).or_default();
        // Without a set there is nothing that could be hidden.
        let fits = !set.is_empty() && tallies.fits(&set, sets, members);
        if fits {
            tallies.add(&set, Count { seen: 1, counted: 0 }, sets, members);
        } else {
            let count = self.not_compared.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// The places of what was seen, ascending; makes room for them first.
    fn members(
        &mut self,
        seen: &[Seen],
        limits: &Limits,
        room: Size,
        mut place: impl FnMut(&mut Signatures, &Seen, Room, &mut Dropped) -> Member,
    ) -> Vec<Member> {
        if self.signatures.overflow(seen, limits) {
            let places = self.signatures.merge_rarest(&mut self.dropped);
            for tallies in std::iter::once(&mut self.tallies).chain(self.set_aside.values_mut()) {
                tallies.renumber(|member| places.get(member as usize).copied().unwrap_or(member));
            }
            self.renumbered = true;
        }
        let held = self.size();
        let mut set: Vec<Member> = Vec::with_capacity(seen.len());
        for one in seen {
            // What this request added so far counts against the room as well.
            let grown = self.size().minus(held);
            let left = room.minus(grown);
            let room = Room { signatures: left.signatures, example_bytes: left.example_bytes };
            set.push(place(&mut self.signatures, one, room, &mut self.dropped));
        }
        set.sort_unstable();
        set.dedup();
        set
    }

    /// How many sets, and members of sets, may be added.
    fn room_for_sets(&self, limits: &Limits, room: Size) -> (usize, usize) {
        let held = self.size();
        let sets = room.sets.min(limits.sets_per_route.saturating_sub(held.sets));
        (sets, room.members.min(limits.members_per_route.saturating_sub(held.members)))
    }

    /// Whether a request of this shape is among those that the gate counts.
    fn count_shape(&mut self, shape: u64, limits: &Limits, room: usize) -> bool {
        let full = self.shapes.len() >= limits.shapes_per_route || room == 0;
        if full && !self.shapes.contains_key(&shape) {
            self.dropped.shapes = self.dropped.shapes.saturating_add(1);
            return false;
        }
        let counts = self.shapes.entry(shape).or_default();
        if *counts >= COUNTS_PER_SHAPE {
            return false;
        }
        *counts += 1;
        self.shape_rows_changed |= 1 << shape_row(shape);
        true
    }

    /// Counts a request for which legacy was asked twice.
    fn asked_twice(&mut self, repeated: &Repeated, limits: &Limits, room: usize) {
        self.repeated = self.repeated.saturating_add(1);
        let mut both: BTreeMap<&(Path, Kind), (bool, bool)> = BTreeMap::new();
        for place in &repeated.legacy {
            both.entry(place).or_default().0 = true;
        }
        for place in &repeated.extracted {
            both.entry(place).or_default().1 = true;
        }
        let mut room = room.min(limits.noise_per_route.saturating_sub(self.noise.len()));
        for (place, differs) in both {
            if !self.noise.contains_key(place) {
                if room == 0 {
                    self.dropped.noise = self.dropped.noise.saturating_add(1);
                    continue;
                }
                room -= 1;
            }
            let noise = self.noise.entry(place.clone()).or_default();
            noise.changed = true;
            let count = match differs {
                (false, true) => &mut noise.counts.extracted_only,
                (true, false) => &mut noise.counts.legacy_only,
                _ => &mut noise.counts.both,
            };
            *count = count.saturating_add(1);
        }
    }
}

/// The row of shapes that a shape is stored in.
#[expect(clippy::cast_possible_truncation, reason = "a remainder of 64")]
pub(super) const fn shape_row(shape: u64) -> u32 {
    (shape % SHAPE_ROWS as u64) as u32
}
