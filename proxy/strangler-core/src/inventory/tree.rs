//! Templates as a tree, element by element, within bounds.

use std::collections::{BTreeMap, BTreeSet};

use super::template::REST;
use super::{Changes, METHODS_MAX, OTHER_METHOD, Tally};

/// Elements of all templates together.
const NODES_MAX: usize = 8_192;

/// Names below one element; above it they are values, and become one: `{name}`.
const FAN_OUT_MAX: usize = 64;

/// Below the root there are more: a monolith has many beginnings.
const ROOT_FAN_OUT_MAX: usize = 512;

/// What stands for too many names.
const VALUE: &str = "{name}";

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    root: Node,
    nodes: usize,
    changed: BTreeSet<(String, String)>,
    /// Templates were merged: rows on disk may be of templates that are no more.
    pub(super) merged: bool,
    /// Requests whose template found no room of its own.
    pub(super) collapsed: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) children: BTreeMap<Box<str>, Node>,
    pub(super) tallies: BTreeMap<Box<str>, Tally>,
}

impl Tree {
    /// Adds to the tally of a template and method.
    pub(super) fn add(&mut self, elements: &[String], method: &str, tally: &Tally) {
        let mut path = String::new();
        let mut node = &mut self.root;
        let mut limit = ROOT_FAN_OUT_MAX;
        for element in elements {
            let mut name: &str = element;
            if !node.children.contains_key(name) {
                if !is_placeholder(name)
                    && node.children.contains_key(VALUE)
                    && node.children.len() >= limit / 2
                {
                    // Names became values here before.
                    name = VALUE;
                } else if !is_placeholder(name) && node.names() >= limit {
                    self.nodes -= node.merge_names();
                    self.merged = true;
                    name = VALUE;
                }
                if !node.children.contains_key(name) {
                    if self.nodes >= NODES_MAX {
                        name = REST;
                        self.collapsed = self.collapsed.saturating_add(tally.calls);
                    }
                    if !node.children.contains_key(name) {
                        self.nodes += 1;
                    }
                }
            }
            path.push('/');
            path.push_str(name);
            node = node.children.entry(name.into()).or_default();
            limit = FAN_OUT_MAX;
            if name == REST {
                break;
            }
        }
        let is_known = node.tallies.contains_key(method) || node.tallies.len() < METHODS_MAX;
        let method = if is_known { method } else { OTHER_METHOD };
        node.tally(method, tally);
        self.changed.insert((path, method.to_owned()));
    }

    pub(super) fn take_changed(&mut self) -> Changes {
        let changed = std::mem::take(&mut self.changed);
        if std::mem::take(&mut self.merged) {
            let mut rows = Vec::new();
            self.each(&mut |path, node| {
                rows.extend(
                    node.tallies
                        .iter()
                        .map(|(method, tally)| (path.to_owned(), method.to_string(), tally.clone())),
                );
            });
            return Changes::All(rows);
        }
        let row = |(path, method): (String, String)| {
            let mut node = &self.root;
            for element in path.split('/').skip(1) {
                node = node.children.get(element)?;
            }
            let tally = node.tallies.get(&*method)?.clone();
            Some((path, method, tally))
        };
        Changes::Rows(changed.into_iter().filter_map(row).collect())
    }

    /// Shows every template with its tallies.
    pub(super) fn each(&self, show: &mut impl FnMut(&str, &Node)) {
        self.root.each("", show);
    }
}

impl Node {
    fn each(&self, path: &str, show: &mut impl FnMut(&str, &Node)) {
        if !self.tallies.is_empty() {
            show(path, self);
        }
        for (name, child) in &self.children {
            child.each(&format!("{path}/{name}"), show);
        }
    }

    fn tally(&mut self, method: &str, tally: &Tally) {
        match self.tallies.get_mut(method) {
            Some(known) => known.add(tally),
            None => {
                self.tallies.insert(method.into(), tally.clone());
            }
        }
    }

    /// Names below this one that are no placeholders.
    fn names(&self) -> usize {
        self.children.keys().filter(|name| !is_placeholder(name)).count()
    }

    /// Makes one of all names below this one that were seldom called; of all, where that makes no room. How many
    /// elements there are less.
    fn merge_names(&mut self) -> usize {
        let before = self.size();
        let calls: u64 = self.children.values().map(Node::calls).sum();
        let seldom = (calls / 100).max(10);
        let total = self.names();
        let mut merged = self.children.remove(VALUE).unwrap_or_default();
        for limit in [seldom, u64::MAX] {
            let names: Vec<Box<str>> = self
                .children
                .iter()
                .filter(|(name, child)| !is_placeholder(name) && child.calls() <= limit)
                .map(|(name, _)| name.clone())
                .collect();
            for name in names {
                if let Some(child) = self.children.remove(&name) {
                    merged.absorb(child);
                }
            }
            if self.names() * 2 <= total {
                break;
            }
        }
        self.children.insert(VALUE.into(), merged);
        before.saturating_sub(self.size())
    }

    fn absorb(&mut self, other: Node) {
        for (method, tally) in other.tallies {
            self.tally(&method, &tally);
        }
        for (name, child) in other.children {
            self.children.entry(name).or_default().absorb(child);
        }
    }

    fn calls(&self) -> u64 {
        self.tallies.values().map(|tally| tally.calls).sum::<u64>()
            + self.children.values().map(Node::calls).sum::<u64>()
    }

    fn size(&self) -> usize {
        self.children.values().map(|child| 1 + child.size()).sum()
    }
}

fn is_placeholder(name: &str) -> bool {
    name.starts_with('{')
}
