//! Which retreats somebody was promised.
//!
//! Owns a person's view of them: told is told. Refuses the program's own latches.

use std::collections::{BTreeMap, BTreeSet};

use strangler_core::words::Phase;

use crate::file::{FileModel, SLICES, SliceModel};

/// A retreat that somebody was told of.
#[derive(Clone, Copy, Debug)]
struct Promise {
    to: Phase,
    /// A restart finds it.
    kept: bool,
}

/// What was promised.
#[derive(Debug, Default)]
pub(super) struct Notebook {
    promises: BTreeMap<usize, Promise>,
    /// Slices of which somebody has accepted stale reads, whether or not they were told that it was done.
    stale: BTreeSet<usize>,
    /// All slices but these are held at `shadow`.
    everywhere: Option<BTreeSet<usize>>,
}

impl Notebook {
    pub(super) fn retreating(&mut self, slice: usize, stale: bool) {
        if stale {
            self.stale.insert(slice);
        }
    }

    pub(super) fn retreated(&mut self, slice: usize, to: Phase, kept: bool) {
        let new = Promise { to, kept };
        let held = self.promises.get(&slice).copied().filter(|held| held.to < to);
        self.promises.insert(slice, held.unwrap_or(new));
    }

    pub(super) fn resumed(&mut self, slice: usize, file: &FileModel) {
        self.promises.remove(&slice);
        self.stale.remove(&slice);
        if let Some(except) = &mut self.everywhere {
            except.insert(slice);
            if file.slices.iter().all(|slice| except.contains(&slice.name)) {
                self.everywhere = None;
            }
        }
    }

    /// A file that goes as low itself ends a retreat.
    pub(super) fn absorb(&mut self, file: &FileModel) {
        for slice in &file.slices {
            if self.held(slice.name).is_some_and(|held| slice.highest() <= held) {
                self.resumed(slice.name, file);
            }
        }
    }

    pub(super) fn crashed(&mut self) {
        self.promises.retain(|_, promise| promise.kept);
    }

    /// A slice of the file is held until it is lifted itself, whatever becomes of the file; any other until all that
    /// there are have been.
    pub(super) fn unreadable(&mut self, file: &FileModel) {
        let held = |slice: &SliceModel| (slice.name, Promise { to: Phase::Shadow, kept: true });
        self.promises = file.slices.iter().map(held).collect();
        self.everywhere = Some(BTreeSet::new());
    }

    /// What a slice is held at.
    pub(super) fn held(&self, slice: usize) -> Option<Phase> {
        let everywhere = self.everywhere.as_ref().filter(|except| !except.contains(&slice));
        let own = self.promises.get(&slice).map(|promise| promise.to);
        own.into_iter().chain(everywhere.map(|_| Phase::Shadow)).min()
    }

    /// Whether somebody accepts that its reads are stale, or nobody could be asked.
    pub(super) fn accepts_stale(&self, slice: usize) -> bool {
        let everywhere = self.everywhere.as_ref().is_some_and(|except| !except.contains(&slice));
        everywhere || self.stale.contains(&slice)
    }

    pub(super) fn describe(&self, slice: usize) -> String {
        match self.held(slice) {
            Some(phase) => format!("{} is promised to be at {phase} at most", SLICES[slice]),
            None => format!("{} is held by nothing", SLICES[slice]),
        }
    }
}
