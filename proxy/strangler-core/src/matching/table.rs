//! The element trie.

use super::{Pattern, Predicates};
use crate::words::{RouteId, SliceId};

/// One route as the table sees it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// What it matches.
    pub pattern: &'a Pattern,
    /// Conditions beside it.
    pub when: &'a Predicates,
    /// Decides between routes of equal specificity.
    pub priority: i64,
    /// Its slice.
    pub slice: SliceId,
    /// Whether the slice's `except` applies to it.
    pub listed: bool,
}

/// What is wrong between two routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Equal specificity and priority, and `example` matches both: an error.
    Tie {
        /// The earlier in the order given.
        first: RouteId,
        /// The later.
        second: RouteId,
        /// A request that both match, such as `GET /payments/1`.
        example: String,
    },
    /// `loser` never wins: a warning.
    NeverWins {
        /// The hidden route.
        loser: RouteId,
        /// The route that hides it.
        winner: Option<RouteId>,
        /// A request that the loser matches and the winner takes.
        example: String,
    },
}

/// Routes compiled for lookup.
#[derive(Debug, Default)]
pub struct Table {}

impl Table {
    /// Compiles routes (their index is their [`RouteId`]) and, per slice, what is excepted.
    /// A table is always built; conflicts are returned beside it.
    pub fn build(entries: &[Entry<'_>], excepts: &[Vec<Pattern>]) -> (Table, Vec<Conflict>) {
        let _ = (entries, excepts);
        (Table::default(), Vec::new())
    }
}
