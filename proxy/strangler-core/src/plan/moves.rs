//! Counts of requests that another side answers: those that are known, and those that a share lets expect.

use serde::{Deserialize, Serialize};

/// Requests that another side would answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Of so many it is known.
    pub known: u64,
    /// So many more are expected, by the share.
    pub expected: f64,
}

impl Moved {
    /// All of them, rounded.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count that is not negative, and far below what a float holds exactly"
    )]
    pub fn about(&self) -> u64 {
        self.known.saturating_add(self.expected.max(0.0).round() as u64)
    }

    /// Whether nothing moves.
    pub fn is_none(&self) -> bool {
        self.known == 0 && self.expected <= 0.0
    }

    /// Counts one request that moves for certain.
    pub(super) fn add(&mut self) {
        self.known += 1;
    }

    /// Counts one that moves with such a probability.
    pub(super) fn expect(&mut self, chance: f64) {
        self.expected += chance;
    }
}

/// What becomes of remembered requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Moves {
    /// All of them.
    pub requests: u64,
    /// Legacy answered, or would have; the extracted service does now.
    pub to_extracted: Moved,
    /// The other way.
    pub to_legacy: Moved,
    /// The proxy refuses them now.
    pub refused: Moved,
    /// The proxy refused them.
    pub taken: Moved,
    /// Of those that move, unsafe ones: another side writes them.
    pub writes: Moved,
    /// What is known of them is not enough to say which route takes them.
    pub undecided: u64,
}

impl Moves {
    /// All requests that another side answers.
    pub fn moved(&self) -> Moved {
        let all = [self.to_extracted, self.to_legacy, self.refused, self.taken];
        Moved {
            known: all.iter().map(|one| one.known).sum(),
            expected: all.iter().map(|one| one.expected).sum(),
        }
    }
}

/// What becomes of the requests of one route, as it takes them afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteMoves {
    /// Its id; empty: no route takes them.
    pub route: String,
    /// Its slice; empty: none.
    pub slice: String,
    /// The counts.
    #[serde(flatten)]
    pub moves: Moves,
}

/// What an edit does to remembered requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrafficImpact {
    /// All of them.
    #[serde(flatten)]
    pub all: Moves,
    /// Routes of which any moves or is undecided, by id.
    pub routes: Vec<RouteMoves>,
}
