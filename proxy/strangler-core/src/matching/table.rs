//! Routes compiled for lookup.
//!
//! Owns the index of all routes, the indexes of what slices except, and near misses. Refuses the decision
//! itself: it names routes.

use std::sync::Arc;

use super::index::{Index, Item};
use super::near::NearIndex;
use super::{Pattern, Predicates, Reading, conflict};
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
        /// The route that hides it; `None` where its slice's `except` takes all its requests, or its
        /// conditions contradict one another.
        winner: Option<RouteId>,
        /// A request that the loser matches and the winner takes; empty where nothing can match the loser.
        example: String,
    },
}

/// Routes compiled for lookup.
#[derive(Debug, Default)]
pub struct Table {
    routes: Index,
    /// Per slice, its `except`; `None` where it has none.
    excepts: Vec<Option<Excepts>>,
    near: NearIndex,
    /// Per route, the slice whose `except` applies to it.
    listed_in: Vec<Option<SliceId>>,
}

/// The `except` of one slice.
#[derive(Debug)]
struct Excepts {
    index: Index,
    near: NearIndex,
}

impl Table {
    /// Compiles routes (their index is their [`RouteId`]) and, per slice, what is excepted.
    /// A table is always built; conflicts are returned beside it.
    pub fn build(entries: &[Entry<'_>], excepts: &[Vec<Pattern>]) -> (Table, Vec<Conflict>) {
        let routes: Vec<Item<'_>> = (0..)
            .zip(entries)
            .map(|(id, entry)| Item {
                id,
                pattern: entry.pattern,
                when: (!entry.when.is_empty()).then(|| Arc::new(entry.when.clone())),
                priority: entry.priority,
            })
            .collect();
        let table = Table {
            routes: Index::build(routes.iter().cloned()),
            near: NearIndex::build(&routes),
            excepts: excepts.iter().map(|patterns| Excepts::build(patterns)).collect(),
            listed_in: entries.iter().map(|entry| entry.listed.then_some(entry.slice)).collect(),
        };
        (table, conflict::conflicts(entries, excepts))
    }

    /// The most specific route that a request matches.
    pub fn find(&self, reading: &Reading<'_>) -> Option<RouteId> {
        self.routes.find(&reading.path, reading).map(RouteId)
    }

    /// Which `except` of its slice keeps a request of this route with legacy: an index into the slice's list.
    pub fn excepted(&self, route: RouteId, reading: &Reading<'_>) -> Option<u32> {
        let excepts = self.excepts_of(route)?;
        excepts.index.find(&reading.path, reading)
    }

    /// The route that an unmatched request would match if it were spelt slightly differently. None where the
    /// better spelling would be excepted.
    pub fn near(&self, reading: &Reading<'_>) -> Option<RouteId> {
        let route = RouteId(self.near.find(&self.routes, reading)?);
        let excepted = self.excepts_of(route).is_some_and(|excepts| {
            excepts.index.find(&reading.path, reading).is_some()
                || excepts.near.find(&excepts.index, reading).is_some()
        });
        (!excepted).then_some(route)
    }

    fn excepts_of(&self, route: RouteId) -> Option<&Excepts> {
        let slice = (*self.listed_in.get(route.0 as usize)?)?;
        self.excepts.get(slice.0 as usize)?.as_ref()
    }
}

impl Excepts {
    fn build(patterns: &[Pattern]) -> Option<Excepts> {
        if patterns.is_empty() {
            return None;
        }
        let items: Vec<Item<'_>> =
            (0..).zip(patterns).map(|(id, pattern)| Item { id, pattern, when: None, priority: 0 }).collect();
        Some(Excepts { index: Index::build(items.iter().cloned()), near: NearIndex::build(&items) })
    }
}

#[cfg(test)]
mod tests;
