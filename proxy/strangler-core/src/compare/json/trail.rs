//! Paths under way: each step knows only the one before it, and is made a path when it is shown.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::super::{Element, Path, path};

/// A path under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trail(u32);

#[derive(Clone, Debug)]
enum Step {
    Root,
    Member(Box<str>),
    Index(u32),
    Each,
}

/// All paths under way.
#[derive(Debug)]
pub(super) struct Trails {
    steps: Vec<(Trail, Step, u64)>,
}

impl Trails {
    pub(super) const ROOT: Trail = Trail(0);

    /// The root only.
    pub(super) fn new() -> Self {
        Trails { steps: vec![(Trails::ROOT, Step::Root, 0)] }
    }

    /// A hash of the path without indices and without names that are keys of a map.
    pub(super) fn general(&self, trail: Trail) -> u64 {
        self.steps.get(trail.0 as usize).map_or(0, |(_, _, general)| *general)
    }

    /// To a member.
    pub(super) fn member(&mut self, from: Trail, key: &[u8]) -> Trail {
        let name = path::name_of(key);
        let general = if path::is_key_of_map(&name) { 1 } else { xxh3_64(key) };
        self.push(from, Step::Member(name.into()), general)
    }

    /// To an element.
    pub(super) fn element(&mut self, from: Trail, index: u32) -> Trail {
        self.push(from, Step::Index(index), 1)
    }

    /// To no element in particular.
    pub(super) fn each(&mut self, from: Trail) -> Trail {
        self.push(from, Step::Each, 1)
    }

    fn push(&mut self, from: Trail, step: Step, general: u64) -> Trail {
        let general = xxh3_64_with_seed(&general.to_le_bytes(), self.general(from));
        self.steps.push((from, step, general));
        Trail(u32::try_from(self.steps.len() - 1).unwrap_or(0))
    }

    /// The path as it is shown.
    pub(super) fn path(&self, trail: Trail) -> Path {
        let mut elements = Vec::new();
        let mut at = trail;
        while let Some((before, step, _)) = self.steps.get(at.0 as usize) {
            elements.push(match step {
                Step::Root => break,
                Step::Member(name) => Element::Name(name.clone()),
                Step::Index(index) => Element::Index(*index),
                Step::Each => Element::Each,
            });
            at = *before;
        }
        elements.reverse();
        Path::Body(elements)
    }
}
