//! How much evidence is kept: every table has a bound, and the tables together have one.
//!
//! Owns the bounds and the counters of what did not fit. What does not fit is never a match: it is counted
//! among the mismatches, or not counted at all where it could only have helped.

use serde::{Deserialize, Serialize};

/// Bounds of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Signatures kept apart on one route.
    pub signatures_per_route: usize,
    /// Distinct sets of signatures on one route.
    pub sets_per_route: usize,
    /// Members of all sets of one route.
    pub members_per_route: usize,
    /// Request shapes on one route.
    pub shapes_per_route: usize,
    /// Paths, by kind, that were asked twice on one route.
    pub noise_per_route: usize,
    /// Longer examples are not kept, in bytes.
    pub example_bytes: usize,
    /// The same for all routes together.
    pub all: Size,
    /// What each route has beside, so that one cannot take everything.
    pub least: Size,
}

impl Limits {
    /// Bounds for one process: below 100 MiB at the worst.
    pub const DEFAULT: Limits = Limits {
        signatures_per_route: 256,
        sets_per_route: 1_024,
        members_per_route: 16_384,
        shapes_per_route: 4_096,
        noise_per_route: 512,
        example_bytes: 4_096,
        all: Size {
            signatures: 20_000,
            members: 1_000_000,
            sets: 100_000,
            shapes: 400_000,
            noise: 20_000,
            example_bytes: 32 << 20,
        },
        least: Size { signatures: 8, members: 64, sets: 16, shapes: 64, noise: 8, example_bytes: 4_096 },
    };
}

/// How much is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Signatures.
    pub signatures: usize,
    /// Distinct sets of signatures.
    pub sets: usize,
    /// Members of those sets.
    pub members: usize,
    /// Request shapes.
    pub shapes: usize,
    /// Paths, by kind, that were asked twice.
    pub noise: usize,
    /// Bytes of examples.
    pub example_bytes: usize,
}

impl Size {
    /// This and another.
    #[must_use]
    pub const fn plus(self, other: Size) -> Size {
        Size {
            signatures: self.signatures.saturating_add(other.signatures),
            sets: self.sets.saturating_add(other.sets),
            members: self.members.saturating_add(other.members),
            shapes: self.shapes.saturating_add(other.shapes),
            noise: self.noise.saturating_add(other.noise),
            example_bytes: self.example_bytes.saturating_add(other.example_bytes),
        }
    }

    /// The greater of each.
    #[must_use]
    pub fn at_least(self, other: Size) -> Size {
        Size {
            signatures: self.signatures.max(other.signatures),
            sets: self.sets.max(other.sets),
            members: self.members.max(other.members),
            shapes: self.shapes.max(other.shapes),
            noise: self.noise.max(other.noise),
            example_bytes: self.example_bytes.max(other.example_bytes),
        }
    }

    /// What of this is left when `other` is taken.
    #[must_use]
    pub const fn minus(self, other: Size) -> Size {
        Size {
            signatures: self.signatures.saturating_sub(other.signatures),
            sets: self.sets.saturating_sub(other.sets),
            members: self.members.saturating_sub(other.members),
            shapes: self.shapes.saturating_sub(other.shapes),
            noise: self.noise.saturating_sub(other.noise),
            example_bytes: self.example_bytes.saturating_sub(other.example_bytes),
        }
    }
}

/// What did not fit into the tables of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Signatures that are no longer, or never were, kept apart.
    pub signatures: u64,
    /// Requests whose set of signatures found no room; see the tally of signature sets.
    pub sets: u64,
    /// Requests of a shape that found no room: they are in the accounts, not in the gate's count.
    pub shapes: u64,
    /// Observations of asking twice that found no room.
    pub noise: u64,
    /// Examples.
    pub examples: u64,
}

impl Dropped {
    /// Adds another route's.
    pub fn add(&mut self, other: Dropped) {
        let Dropped { signatures, sets, shapes, noise, examples } = other;
        self.signatures = self.signatures.saturating_add(signatures);
        self.sets = self.sets.saturating_add(sets);
        self.shapes = self.shapes.saturating_add(shapes);
        self.noise = self.noise.saturating_add(noise);
        self.examples = self.examples.saturating_add(examples);
    }

    /// Whether nothing was dropped.
    pub fn is_none(&self) -> bool {
        *self == Dropped::default()
    }
}
