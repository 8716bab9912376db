//! What guardrails must do, worked out from the answers that clients got.
//!
//! Refuses statistics: between what is certain for anybody and what nobody could call a reason lies what the judge has no
//! opinion on. When a watch began anew is known only within bounds, since not every edit changes what is watched: what
//! must be done has to follow from the shortest window and the longest alike.

use strangler_core::words::{Effect, Owner, Phase, Writer};

use super::{Invariant, Judge};
use crate::file::{FileModel, GUARD_MIN, GUARD_WINDOW_MS, LAG_MAX_MS, SLICES, SliceModel};
use crate::script::KEYED;

/// So many reads that failed, beside none of legacy's, are beyond any doubt.
const CERTAIN: usize = 20;

/// What a guardrail did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acted {
    Retreated { to: Phase, kept: bool },
    Alarmed,
}

/// One read of a client with a key.
#[derive(Clone, Copy, Debug)]
struct Read {
    at: u64,
    /// Whose turn it was.
    side: Owner,
    failed: bool,
}

/// What is known of one slice.
#[derive(Debug, Default)]
pub(super) struct Watched {
    reads: Vec<Read>,
    /// Looks at which what is watched may have begun last, and has for certain; `None`: at the next one.
    surely: Option<u64>,
    at_least: Option<u64>,
    alarmed: Option<u64>,
}

/// Reads of a window: all, and those that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    legacy: (usize, usize),
    extracted: (usize, usize),
}

impl Watched {
    /// Who answers has changed, perhaps.
    pub(super) fn changed(&mut self) {
        self.surely = None;
    }

    /// It begins anew, for certain.
    pub(super) fn anew(&mut self) {
        self.changed();
        self.at_least = None;
        self.alarmed = None;
    }

    fn window(&self, since: Option<u64>, now: u64) -> Window {
        let mut window = Window::default();
        let from = since.unwrap_or(now).max(now.saturating_sub(GUARD_WINDOW_MS));
        for read in self.reads.iter().filter(|read| read.at >= from) {
            let (all, bad) =
                if read.side == Owner::Legacy { &mut window.legacy } else { &mut window.extracted };
            *all += 1;
            *bad += usize::from(read.failed);
        }
        window
    }
}

impl Window {
    fn is_certain(self) -> bool {
        self.extracted.0 >= CERTAIN && self.extracted.1 == self.extracted.0 && self.legacy.1 == 0
    }

    /// Whether anybody could take it for a reason.
    fn is_cause(self, is_exact: bool) -> bool {
        let ((legacy, legacy_bad), (all, bad)) = (self.legacy, self.extracted);
        let worse = bad * legacy > legacy_bad * all;
        let compared = legacy >= GUARD_MIN as usize;
        all >= GUARD_MIN as usize && bad > 0 && (worse || !is_exact || !compared)
    }
}

impl Judge {
    /// A request has ended as the client saw it; `failed`: also where legacy stood in.
    pub(crate) fn read_over(&mut self, id: u32, failed: bool) {
        let Some(told) = self.requests.get(&id) else { return };
        let guarded = told.slice().is_some_and(|slice| slice.guarded);
        let judged = told.ask.client < KEYED
            && told.ask.kind.effect() == Effect::Read
            && told.decided.phase >= Phase::Canary;
        if let (Some(side), true, true) = (told.decided.owner, judged, guarded) {
            let (slice, read) = (told.ask.slice, Read { at: self.now, side, failed });
            self.watched[slice].reads.push(read);
        }
    }

    /// Guardrails have looked, and done this. `lag`: how late the other side's data is.
    pub(crate) fn looked(&mut self, acted: &[(usize, Acted)], lag: [Option<u64>; 3]) {
        let now = self.now;
        let Some(file) = self.accepted.clone() else { return };
        for (slice, name) in SLICES.into_iter().enumerate() {
            let done: Vec<Acted> =
                acted.iter().filter(|(of, _)| *of == slice).map(|(_, done)| *done).collect();
            let watched = &self.watched[slice];
            let is_exact = watched.surely == watched.at_least;
            let shortest = watched.window(watched.surely, now);
            let longest = watched.window(watched.at_least, now);
            let was_told = watched.alarmed.is_some();
            let again = watched.alarmed.is_some_and(|before| {
                now - before < GUARD_WINDOW_MS && watched.surely.is_some_and(|began| began <= before)
            });
            // What began before a retreat may end after it.
            let held = self.notebook.held(slice).unwrap_or(Phase::Retired);
            let answers = file.slice(slice).is_some_and(|slice| slice.highest().min(held) >= Phase::Canary);
            let certain = answers && shortest.is_certain() && longest.is_certain();
            self.must(Invariant::Guarded, !certain || !done.is_empty() || was_told, || {
                format!("{name} goes on at {now}, and nobody is told: {longest:?}")
            });
            for done in done {
                let stale = file.slice(slice).is_some_and(|slice| is_stale(slice, lag[slice.name]));
                let cause = is_guarded(&file, slice) && longest.is_cause(is_exact);
                self.must(Invariant::GuardedForCause, cause, || format!("{name}: {done:?}, for {longest:?}"));
                let right = stale == (done == Acted::Alarmed) && !(done == Acted::Alarmed && again);
                self.must(Invariant::AlarmInstead, right, || {
                    format!("{name}: {done:?}; stale {stale}, told a moment ago {again}")
                });
                if done == Acted::Alarmed {
                    self.watched[slice].alarmed = Some(now);
                }
            }
            let watched = &mut self.watched[slice];
            watched.surely.get_or_insert(now);
            watched.at_least.get_or_insert(now);
            watched.reads.retain(|read| read.at + GUARD_WINDOW_MS > now);
        }
    }
}

fn is_guarded(file: &FileModel, slice: usize) -> bool {
    file.slice(slice).is_some_and(|slice| slice.guarded)
}

/// Whether legacy would answer reads without the writer's data.
fn is_stale(slice: &SliceModel, lag: Option<u64>) -> bool {
    let late = slice.lag && slice.writer != Writer::Legacy && lag.is_none_or(|behind| behind > LAG_MAX_MS);
    !slice.reaches(Owner::Legacy) || late
}
