//! Retreats: what has latched, what may retreat, what lifts a latch.
//!
//! Owns the machine of latches: a slice's effective phase is the lower of its file's and of what is latched,
//! by the slice's name, so that edits, removal and re-adding do not lose it. Refuses files and clocks: when and
//! by whom are arguments. No retreat moves a writer: there is nothing of it here.

pub mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::snapshot::{Route, Slice, Snapshot};
use crate::words::{Cause, Owner, Phase, SliceId};

/// Latches kept at most. Only slices that existed when they retreated have one, so that this bounds what years
/// of renaming leave behind; of those whose slice is gone the oldest goes first.
pub const LATCHES_MAX: usize = 10_000;

/// A retreat in force: until somebody resumes the slice, or the file itself goes so low.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latch {
    /// The phase above which the slice does not go.
    pub to: Phase,
    /// When.
    pub since: Timestamp,
    /// What caused it.
    pub cause: Cause,
    /// Who asked for it.
    pub who: String,
    /// Why.
    pub reason: String,
}

/// All retreats in force.
///
/// Invariant: a latch goes only by [`Latches::resume`] or [`Latches::absorb`], and gets higher by neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latches {
    by_slice: BTreeMap<Arc<str>, Latch>,
    everywhere: Option<Everywhere>,
}

/// What had been latched could not be read: every slice counts as retreated but those lifted since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Everywhere {
    /// What every slice counts as.
    pub latch: Latch,
    /// Slices for which it has been lifted.
    pub except: BTreeSet<Arc<str>>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This phase, and nothing above the one in effect.
    Phase(Phase),
    /// This phase, or whichever below it is in effect.
    AtMost(Phase),
    /// What the slice's guardrails name; `shadow` where they are off.
    Default,
}

/// Whether reads may be answered by a side that the writer's data does not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// No.
    Refused,
    /// A person has said so.
    Accepted,
}

/// What a retreat would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The slice goes down.
    Down {
        /// From this phase: the highest in effect of its routes.
        from: Phase,
        /// To this one.
        to: Phase,
    },
    /// It is there already, or below.
    Already {
        /// The highest phase in effect of its routes.
        at: Phase,
    },
}

/// Why a retreat is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would be a step forward.
    Forward {
        /// The highest phase in effect.
        at: Phase,
        /// What was asked for.
        to: Phase,
    },
    /// Reads would be answered by a side that the writer's data does not reach.
    StaleReads {
        /// What was asked for.
        to: Phase,
        /// That side.
        side: Owner,
    },
}

/// The highest phase in effect of a slice's routes; the slice's own where it has no routes.
pub fn effective_phase(snapshot: &Snapshot, id: SliceId, latched: Option<Phase>) -> Phase {
    let stated = file_phase(snapshot, id);
    latched.map_or(stated, |latched| latched.min(stated))
}

/// The highest phase that the file states of a slice's routes; the slice's own where it has no routes.
pub fn file_phase(snapshot: &Snapshot, id: SliceId) -> Phase {
    let of_routes = snapshot.routes.iter().filter(|route| route.slice == id).map(|route| route.phase).max();
    of_routes.unwrap_or(snapshot.slice(id).phase)
}

/// The phase that a slice retreats to where nobody says otherwise.
pub fn default_target(slice: &Slice) -> Phase {
    slice.policy.guardrails.map_or(Phase::Shadow, |guardrails| guardrails.retreat_to)
}

/// Judges a retreat; nothing is changed. `lagging` is the side whose data is known or feared to be too far behind, or
/// none.
///
/// # Errors
///
/// Where it would be a step forward, or where reads would be answered by a side that the writer's data does not reach
/// and nobody accepts that.
pub fn judge(
    snapshot: &Snapshot,
    id: SliceId,
    latched: Option<Phase>,
    target: Target,
    stale: Stale,
    lagging: Option<Owner>,
) -> Result<Move, Refused> {
    let slice = snapshot.slice(id);
    let at = effective_phase(snapshot, id, latched);
    let to = match target {
        Target::Phase(to) if to > at => return Err(Refused::Forward { at, to }),
        Target::Phase(to) | Target::AtMost(to) => to,
        Target::Default => default_target(slice),
    };
    if to >= at {
        return Ok(Move::Already { at });
    }
    if stale == Stale::Refused
        && let Some(side) = unreached(snapshot, id, latched, to, lagging)
    {
        return Err(Refused::StaleReads { to, side });
    }
    Ok(Move::Down { from: at, to })
}

/// The side that would begin to answer reads without having the writer's data.
fn unreached(
    snapshot: &Snapshot,
    id: SliceId,
    latched: Option<Phase>,
    to: Phase,
    lagging: Option<Owner>,
) -> Option<Owner> {
    let slice = snapshot.slice(id);
    let is_fresh = |side: Owner| slice.is_reached(side) && lagging != Some(side);
    let effective = |phase: Phase| latched.map_or(phase, |latched| latched.min(phase));
    let mut moved = snapshot.routes.iter().filter(|route| route.slice == id && route.reads());
    // Whatever is below canary is answered by legacy, in canary some of it is.
    let to_legacy = moved.any(|route| effective(route.phase) > to) && to <= Phase::Canary;
    (to_legacy && !is_fresh(Owner::Legacy)).then_some(Owner::Legacy)
}

/// Slices of which a retreat in force would have reads answered by legacy without the writer's data, and had not under
/// `old`: a file may not bring about what a retreat may not.
pub fn newly_stale(old: Option<&Snapshot>, new: &Snapshot, latches: &Latches) -> Vec<SliceId> {
    let was = |name: &str| {
        old.is_some_and(|old| {
            slices(old).any(|(id, slice)| *slice.name == *name && is_stale(old, id, latches))
        })
    };
    let newly =
        |(id, slice): (SliceId, &Arc<Slice>)| (is_stale(new, id, latches) && !was(&slice.name)).then_some(id);
    slices(new).filter_map(newly).collect()
}

fn slices(snapshot: &Snapshot) -> impl Iterator<Item = (SliceId, &Arc<Slice>)> {
    (0..).map(SliceId).zip(&snapshot.slices)
}

/// Whether what holds a slice has legacy answer reads that its data does not reach. That of a slice of which nobody
/// knows whether it has retreated is not judged.
fn is_stale(snapshot: &Snapshot, id: SliceId, latches: &Latches) -> bool {
    let slice = snapshot.slice(id);
    let Some(latch) = latches.by_slice.get(&slice.name).filter(|latch| latch.to <= Phase::Canary) else {
        return false;
    };
    let held = |route: &Arc<Route>| route.slice == id && route.reads() && route.phase > latch.to;
    !slice.is_reached(Owner::Legacy) && snapshot.routes.iter().any(held)
}

impl Latches {
    /// What every slice is held at when what was latched cannot be read.
    pub fn unreadable(since: Timestamp, reason: String) -> Latches {
        let latch =
            Latch { to: Phase::Shadow, since, cause: Cause::Unreadable, who: "strangler".to_owned(), reason };
        Latches { by_slice: BTreeMap::new(), everywhere: Some(Everywhere { latch, except: BTreeSet::new() }) }
    }

    /// Where what was latched cannot be read: holds each slice of a snapshot by its own name as well, unless that has been
    /// lifted. One that is gone from the file when all others have been lifted is then still held when it comes back.
    #[must_use]
    pub fn named(mut self, snapshot: &Snapshot) -> Latches {
        let Some(Everywhere { latch, except }) = &self.everywhere else { return self };
        let names = snapshot.slices.iter().map(|slice| &slice.name).filter(|name| !except.contains(*name));
        for name in names {
            if self.by_slice.len() < LATCHES_MAX {
                self.by_slice.entry(Arc::clone(name)).or_insert_with(|| latch.clone());
            }
        }
        self
    }

    /// Latches as they were kept.
    pub fn restored(by_slice: BTreeMap<Arc<str>, Latch>, everywhere: Option<Everywhere>) -> Latches {
        Latches { by_slice, everywhere }
    }

    /// Latches of single slices, by name.
    pub fn by_slice(&self) -> &BTreeMap<Arc<str>, Latch> {
        &self.by_slice
    }

    /// What holds every slice, where what was latched could not be read.
    pub fn everywhere(&self) -> Option<&Everywhere> {
        self.everywhere.as_ref()
    }

    /// What holds a slice: the lower one where there are two.
    pub fn get(&self, slice: &str) -> Option<&Latch> {
        let everywhere = self.everywhere.as_ref().filter(|all| !all.except.contains(slice));
        let everywhere = everywhere.map(|all| &all.latch);
        match (self.by_slice.get(slice), everywhere) {
            (Some(own), Some(all)) => Some(if all.to < own.to { all } else { own }),
            (own, all) => own.or(all),
        }
    }

    /// What holds each slice of a snapshot, by [`SliceId`].
    pub fn phases(&self, snapshot: &Snapshot) -> Box<[Option<Phase>]> {
        snapshot.slices.iter().map(|slice| self.get(&slice.name).map(|latch| latch.to)).collect()
    }

    /// Latches a slice. A latch that is there and as low stays as it is.
    pub fn latch(&mut self, snapshot: &Snapshot, slice: &Arc<str>, latch: Latch) {
        if self.get(slice).is_some_and(|held| held.to <= latch.to) {
            return;
        }
        if self.by_slice.len() >= LATCHES_MAX && !self.by_slice.contains_key(slice) {
            let is_gone = |name: &Arc<str>| !snapshot.slices.iter().any(|slice| slice.name == *name);
            let oldest = self.by_slice.iter().filter(|(name, _)| is_gone(name)).min_by_key(|(_, l)| l.since);
            if let Some(name) = oldest.map(|(name, _)| Arc::clone(name)) {
                self.by_slice.remove(&name);
            }
        }
        self.by_slice.insert(Arc::clone(slice), latch);
    }

    /// Lifts what holds a slice; `None`: nothing did.
    pub fn resume(&mut self, snapshot: &Snapshot, slice: &Arc<str>) -> Option<Latch> {
        let held = self.get(slice)?.clone();
        self.by_slice.remove(slice);
        if let Some(all) = &mut self.everywhere {
            all.except.insert(Arc::clone(slice));
        }
        self.forget_everywhere(snapshot);
        Some(held)
    }

    /// Lifts what holds slices whose file says no more than that, and says which.
    pub fn absorb(&mut self, snapshot: &Snapshot) -> Vec<(Arc<str>, Latch)> {
        if self.by_slice.is_empty() && self.everywhere.is_none() {
            return Vec::new();
        }
        let mut absorbed = Vec::new();
        for (id, slice) in (0..).map(SliceId).zip(&snapshot.slices) {
            let name = &slice.name;
            let low = self.get(name).is_some_and(|latch| file_phase(snapshot, id) <= latch.to);
            if low && let Some(latch) = self.resume(snapshot, name) {
                absorbed.push((Arc::clone(name), latch));
            }
        }
        absorbed
    }

    /// Both: what either of them holds is held, at the lower phase. Of slices beyond [`LATCHES_MAX`] those of `other` are
    /// left out.
    #[must_use]
    pub fn joined(mut self, other: &Latches) -> Latches {
        for (name, latch) in &other.by_slice {
            let is_lower = self.by_slice.get(name).is_none_or(|own| latch.to < own.to);
            let fits = self.by_slice.len() < LATCHES_MAX || self.by_slice.contains_key(name);
            if is_lower && fits {
                self.by_slice.insert(Arc::clone(name), latch.clone());
            }
        }
        self.everywhere = self.everywhere.or_else(|| other.everywhere.clone());
        self
    }

    /// What holds every slice ends once it has been lifted for each that there is.
    fn forget_everywhere(&mut self, snapshot: &Snapshot) {
        let Some(all) = &self.everywhere else { return };
        if snapshot.slices.iter().all(|slice| all.except.contains(&slice.name)) {
            self.everywhere = None;
        }
    }
}

#[cfg(test)]
mod tests;
