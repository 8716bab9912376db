//! Epochs: evidence counts from here, because what it is about has changed.
//!
//! Owns what begins a new epoch and what of a configuration that depends on. Refuses to begin one for a new
//! `ignore` or `accept`: those are recounted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::snapshot::Snapshot;
use crate::words::SliceId;

/// A stretch of time in which evidence of one slice is about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub number: u32,
    /// Requests before it do not count.
    pub began: Timestamp,
    /// Why it began.
    pub cause: Cause,
    /// What the extracted side says its version is.
    pub version: Option<Box<str>>,
    /// Versions that were replaced, and when last; the latest last.
    pub replaced: Vec<(Box<str>, Timestamp)>,
    /// What it is about.
    pub basis: Basis,
}

/// Why an epoch began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// There was none.
    First,
    /// A person said so.
    Restarted {
        /// Their reason.
        reason: Box<str>,
    },
    /// The extracted side says that it is another version.
    Version {
        /// Which it was.
        from: Box<str>,
        /// Which it is.
        to: Box<str>,
    },
    /// The slice has another upstream, or its upstream none of its former endpoints.
    Upstream,
    /// The slice has other routes.
    Routes,
    /// Bodies are compared otherwise (`arrays`, `numbers`, `mode`), which no recount can tell.
    Comparison,
}

impl Cause {
    /// In a few words.
    pub fn in_words(&self) -> String {
        match self {
            Cause::First => "first comparisons".to_owned(),
            Cause::Restarted { reason } => format!("restarted: {reason}"),
            Cause::Version { from, to } => format!("version {to} after {from}"),
            Cause::Upstream => "another upstream".to_owned(),
            Cause::Routes => "other routes".to_owned(),
            Cause::Comparison => "bodies are compared otherwise".to_owned(),
        }
    }
}

/// What evidence of a slice is about, as far as the configuration says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The upstream's name.
    pub upstream: Box<str>,
    /// Its endpoints, sorted.
    pub endpoints: Vec<Box<str>>,
    /// Hash of the routes.
    pub routes: u64,
    /// Hash of what bodies are compared by.
    pub comparison: u64,
}

impl Basis {
    /// Of a slice of a snapshot.
    pub fn of(snapshot: &Snapshot, id: SliceId) -> Basis {
        let slice = snapshot.slice(id);
        let upstream = snapshot.upstream(slice.upstream);
        let mut endpoints: Vec<Box<str>> =
            upstream.endpoints.iter().map(|endpoint| endpoint.origin().into()).collect();
        endpoints.sort();
        let mut routes = Vec::new();
        let mut comparison = Vec::new();
        for route in snapshot.routes.iter().filter(|route| route.slice == id) {
            routes.push(format!(
                "{} {} {:?} {:?} {} {:?}",
                route.id, route.pattern.text, route.when, route.effect, route.priority, route.policy.rewrite
            ));
            let rules = &route.policy.compare;
            comparison.push(format!("{} {:?} {:?} {:?}", route.id, rules.arrays, rules.numbers, rules.mode));
        }
        routes.extend(slice.except.iter().map(|pattern| format!("except {}", pattern.text)));
        Basis {
            upstream: upstream.name.as_str().into(),
            endpoints,
            routes: hash(routes),
            comparison: hash(comparison),
        }
    }

    /// Why evidence gathered on this basis says nothing about `new`; `None`: it does.
    pub fn superseded_by(&self, new: &Basis) -> Option<Cause> {
        let replaced = !self.endpoints.iter().any(|endpoint| new.endpoints.contains(endpoint));
        if self.upstream != new.upstream || replaced {
            Some(Cause::Upstream)
        } else if self.routes != new.routes {
            Some(Cause::Routes)
        } else if self.comparison != new.comparison {
            Some(Cause::Comparison)
        } else {
            None
        }
    }
}

/// Hash of lines in any order.
fn hash(mut lines: Vec<String>) -> u64 {
    lines.sort();
    xxh3_64(lines.join("\n").as_bytes())
}
