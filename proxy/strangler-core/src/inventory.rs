//! The monolith's routes, learned from traffic.
//!
//! Owns turning paths into templates (`/orders/17` is `/orders/{id}`) and counting calls by template and method.
//! Refuses to keep a path: what is kept are the elements that many requests share. A path's named elements are taken
//! from the route that won, the others are recognised by their looks, or by there being too many of them. Bounded: the
//! templates that do not fit are counted in those above them.

mod report;
mod template;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::matching::Pattern;

pub use report::{InventoryReport, MethodReport, TemplateReport};
use tree::Tree;

/// One request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// When.
    pub at: Timestamp,
    /// As sent.
    pub method: &'a str,
    /// As sent, without the query.
    pub path: &'a str,
    /// The route that won, with its pattern.
    pub route: Option<(&'a str, &'a Pattern)>,
    /// Its slice.
    pub slice: Option<&'a str>,
    /// `legacy`, `extracted` or `proxy`.
    pub owner: &'a str,
    /// The status code.
    pub status: u16,
    /// Whether it may have changed something.
    pub writes: bool,
    /// Whether it was spelt almost as a route is.
    pub near_miss: bool,
    /// How many requests it stands for: those that were not told count with the next one that is.
    pub stands_for: u64,
}

/// What is known of one template and method. A row of a store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests.
    pub calls: u64,
    /// Of those, such as may have changed something.
    pub writes: u64,
    /// Of those, spelt almost as a route is.
    pub near_misses: u64,
    /// By who answered: `legacy`, `extracted`, `proxy`.
    pub owners: BTreeMap<String, u64>,
    /// By status class: `2xx`.
    pub statuses: BTreeMap<String, u64>,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// The slice of the last one that had one.
    pub slice: Option<String>,
    /// The route of the last one that had one.
    pub route: Option<String>,
}

/// Longer names of methods, and those that are no words, are counted together.
const METHOD_BYTES_MAX: usize = 16;

/// Methods of one template that are told apart.
const METHODS_MAX: usize = 16;

const OTHER_METHOD: &str = "(other)";

/// All templates.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    tree: Tree,
}

/// What a store has to do after some calls.
#[derive(Clone, Debug, PartialEq)]
pub enum Changes {
    /// Write these rows.
    Rows(Vec<(String, String, Tally)>),
    /// Templates were merged: forget all rows, write these.
    All(Vec<(String, String, Tally)>),
}

impl Inventory {
    /// An inventory of stored rows: template, method, tally.
    pub fn restore(rows: impl IntoIterator<Item = (String, String, Tally)>) -> Inventory {
        let mut inventory = Inventory::default();
        for (path, method, tally) in rows {
            let elements: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
            inventory.tree.add(&elements, &method, &tally);
        }
        inventory.tree.take_changed();
        inventory
    }

    /// Counts one request.
    pub fn note(&mut self, call: &Call<'_>) {
        let elements = template::of(call.path, call.route.map(|(_, pattern)| pattern));
        let count = |name: String| BTreeMap::from([(name, call.stands_for)]);
        let when = |yes: bool| if yes { call.stands_for } else { 0 };
        let tally = Tally {
            calls: call.stands_for,
            writes: when(call.writes),
            near_misses: when(call.near_miss),
            owners: count(call.owner.to_owned()),
            statuses: count(format!("{}xx", (call.status / 100).min(9))),
            first: call.at,
            last: call.at,
            slice: call.slice.map(str::to_owned),
            route: call.route.map(|(id, _)| id.to_owned()),
        };
        self.tree.add(&elements, method(call.method), &tally);
    }

    /// Makes the next [`Inventory::take_changes`] answer everything there is: for a store that begins anew.
    pub fn mark_all_changed(&mut self) {
        self.tree.merged = true;
    }

    /// What changed since the last call, for a store.
    pub fn take_changes(&mut self) -> Changes {
        self.tree.take_changed()
    }

    /// Everything, most called first.
    pub fn report(&self) -> InventoryReport {
        report::of(&self.tree)
    }
}

impl Tally {
    /// Adds another's. The later one tells slice and route.
    fn add(&mut self, other: &Tally) {
        self.calls = self.calls.saturating_add(other.calls);
        self.writes = self.writes.saturating_add(other.writes);
        self.near_misses = self.near_misses.saturating_add(other.near_misses);
        for (mine, others) in [(&mut self.owners, &other.owners), (&mut self.statuses, &other.statuses)] {
            for (name, count) in others {
                let sum = mine.entry(name.clone()).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        let is_later = other.last >= self.last;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        if is_later || self.slice.is_none() {
            self.slice = other.slice.clone().or_else(|| self.slice.take());
        }
        if is_later || self.route.is_none() {
            self.route = other.route.clone().or_else(|| self.route.take());
        }
    }
}

fn method(method: &str) -> &str {
    let is_word = !method.is_empty()
        && method.len() <= METHOD_BYTES_MAX
        && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if is_word { method } else { OTHER_METHOD }
}
