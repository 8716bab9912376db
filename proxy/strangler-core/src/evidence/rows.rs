//! What a ledger holds as rows that a store can keep one by one.
//!
//! Owns the rows' shape and restoring a ledger from them. Refuses to write: a store asks for what changed,
//! and puts or deletes by key. Rows that do not fit together any more (a crash cut a batch) are left out and
//! counted; no row makes restoring fail.

mod route;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::epoch::Epoch;
use super::latency::Latencies;
use super::ledger::{Ledger, SliceEvidence};
use super::limits::{Dropped, Limits};
use super::noise::Discordance;
use super::observation::{Difference, Example};
use super::route::RouteEvidence;
use super::signatures::Entry;
use super::tally::Count;
use crate::compare::{Kind, NotCompared, Signature};

/// One row. Its identity is slice, epoch, route and key; `part` is what a store encodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The slice's name.
    pub slice: Arc<str>,
    /// The epoch's number.
    pub epoch: u32,
    /// The route's id; empty: about the slice.
    pub route: Arc<str>,
    /// Unique within slice, epoch and route; at most 64 KiB.
    pub key: String,
    /// What it says.
    pub part: Part,
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The slice's epoch.
    Slice {
        /// The epoch.
        epoch: Epoch,
        /// Observations of requests from before it.
        late: u64,
        /// Requests not compared of which the route is not known, by reason.
        #[serde(default)]
        elsewhere: BTreeMap<String, u64>,
    },
    /// A route's counts.
    Route(RouteRow),
    /// One signature of a route.
    Signature(SignatureRow),
    /// How many requests showed one set of signatures.
    Tally {
        /// Places in the route's table, ascending.
        set: Vec<u32>,
        /// The requests.
        #[serde(flatten)]
        count: Count,
        /// Why they were set aside, where they were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        set_aside: Option<String>,
    },
    /// How often shapes were counted.
    Shapes {
        /// Shape and count.
        shapes: Vec<(u64, u8)>,
    },
    /// What asking twice showed.
    Noise {
        /// Where.
        path: String,
        /// For which kind.
        kind: String,
        /// The counts.
        #[serde(flatten)]
        counts: Discordance,
    },
}

/// A route's counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteRow {
    /// Not compared, by reason.
    pub not_compared: BTreeMap<String, u64>,
    /// Requests whose set is not kept.
    pub spilled: Count,
    /// Requests for which legacy was asked twice.
    pub repeated: u64,
    /// Latencies.
    pub latencies: Latencies,
    /// First and last comparison.
    pub span: Option<(Timestamp, Timestamp)>,
    /// What did not fit.
    pub dropped: Dropped,
}

/// One signature of a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignatureRow {
    /// Its place in the route's table.
    pub place: u32,
    /// Which; `None`: the rest.
    pub what: Option<DifferenceRow>,
    /// The rule without whose text in force it counts.
    pub by_text: Option<Box<str>>,
    /// The rule that hid it last.
    pub last_rule: Option<Box<str>>,
    /// Requests with it.
    pub requests: u64,
    /// Differences.
    pub times: u64,
    /// Seen first.
    pub first: Timestamp,
    /// Seen last.
    pub last: Timestamp,
    /// The smallest ones.
    pub examples: Vec<Example>,
    /// Requests with it among those that were spilled.
    pub spilled: Count,
}

/// A class of differences, in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferenceRow {
    /// Its name.
    pub signature: Signature,
    /// Where.
    pub path: String,
    /// Of which kind, in full.
    pub kind: String,
    /// What legacy has there.
    pub left: Box<str>,
    /// What the extracted service has there.
    pub right: Box<str>,
    /// What makes one of the other.
    pub relation: Option<Box<str>>,
}

/// What a store has to do; in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Forget all rows of an epoch.
    DeleteEpoch {
        /// The slice's name.
        slice: Arc<str>,
        /// The epoch's number.
        epoch: u32,
    },
    /// Forget all rows of a route in an epoch; new ones follow.
    DeleteRoute {
        /// The slice's name.
        slice: Arc<str>,
        /// The epoch's number.
        epoch: u32,
        /// The route's id.
        route: Arc<str>,
    },
    /// Write a row, over the one of the same identity where there is one.
    Put(Box<Row>),
}

type PartsByRoute = BTreeMap<Arc<str>, Vec<Part>>;

impl Ledger {
    /// What changed since the last call, for a store to apply in one transaction.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.gone);
        for (name, slice) in &mut self.slices {
            let epoch = slice.epoch.number;
            let row = |route: &Arc<str>, key: String, part| {
                let (slice, route) = (name.clone(), route.clone());
                Change::Put(Box::new(Row { slice, epoch, route, key, part }))
            };
            if std::mem::take(&mut slice.changed) {
                let part = Part::Slice {
                    epoch: slice.epoch.clone(),
                    late: slice.late,
                    elsewhere: by_word(&slice.elsewhere),
                };
                changes.push(row(&Arc::from(""), "slice".to_owned(), part));
            }
            for (id, route) in &mut slice.routes {
                if std::mem::take(&mut route.renumbered) {
                    let (slice, route_id) = (name.clone(), id.clone());
                    changes.push(Change::DeleteRoute { slice, epoch, route: route_id });
                    route.mark_all_changed();
                }
                route.take_changes(|key, part| changes.push(row(id, key, part)));
            }
        }
        changes
    }

    /// Makes the next [`Ledger::take_changes`] answer everything there is: for a store that begins anew.
    pub fn mark_all_changed(&mut self) {
        self.gone.clear();
        for slice in self.slices.values_mut() {
            slice.changed = true;
            slice.routes.values_mut().for_each(|route| route.renumbered = true);
        }
    }

    /// A ledger of stored rows, in any order. Also answers how many rows did not fit.
    ///
    /// [`Ledger::follow`] must be called before it is used.
    pub fn restore(rows: impl IntoIterator<Item = Row>, limits: Limits) -> (Ledger, u64) {
        let mut ledger = Ledger::new(limits);
        let mut lost = 0_u64;
        let mut newest: BTreeMap<Arc<str>, SliceEvidence> = BTreeMap::new();
        let mut parts: BTreeMap<(Arc<str>, u32), PartsByRoute> = BTreeMap::new();
        for row in rows {
            if let Part::Slice { epoch, late, elsewhere } = row.part {
                let known = newest.get(&row.slice);
                if known.is_none_or(|known| known.epoch.number <= epoch.number) {
                    let elsewhere = by_reason(elsewhere);
                    let slice =
                        SliceEvidence { epoch, routes: BTreeMap::new(), late, elsewhere, changed: false };
                    newest.insert(row.slice, slice);
                } else {
                    lost += 1;
                }
            } else {
                parts.entry((row.slice, row.epoch)).or_default().entry(row.route).or_default().push(row.part);
            }
        }
        for (name, mut slice) in newest {
            for (id, parts) in parts.remove(&(name.clone(), slice.epoch.number)).unwrap_or_default() {
                let mut route = RouteEvidence::default();
                lost += route.restore(parts, &ledger.limits);
                slice.routes.insert(id, route);
            }
            ledger.size = ledger.size.plus(slice.size());
            ledger.slices.insert(name, slice);
        }
        lost += parts.values().flat_map(BTreeMap::values).map(|parts| parts.len() as u64).sum::<u64>();
        (ledger, lost)
    }
}

fn by_word(counts: &BTreeMap<NotCompared, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect()
}

/// Without the reasons that this program does not know.
fn by_reason(counts: BTreeMap<String, u64>) -> BTreeMap<NotCompared, u64> {
    counts.into_iter().filter_map(|(word, count)| Some((reason_of(&word)?, count))).collect()
}

fn reason_of(word: &str) -> Option<NotCompared> {
    NotCompared::ALL.into_iter().find(|reason| reason.as_str() == word)
}

impl SignatureRow {
    fn of(place: u32, entry: &Entry) -> SignatureRow {
        SignatureRow {
            place,
            what: entry.what.as_ref().map(DifferenceRow::of),
            by_text: entry.by_text.clone(),
            last_rule: entry.last_rule.clone(),
            requests: entry.requests,
            times: entry.times,
            first: entry.first,
            last: entry.last,
            examples: entry.examples.clone(),
            spilled: entry.spilled,
        }
    }

    /// `None`: it names a kind, class or path that this program does not know.
    fn into_entry(self) -> Option<Entry> {
        let what = match self.what {
            Some(row) => Some(row.into_difference()?),
            None => None,
        };
        Some(Entry {
            what,
            by_text: self.by_text,
            last_rule: self.last_rule,
            requests: self.requests,
            times: self.times,
            first: self.first,
            last: self.last,
            examples: self.examples,
            spilled: self.spilled,
            changed: false,
        })
    }
}

impl DifferenceRow {
    fn of(difference: &Difference) -> DifferenceRow {
        DifferenceRow {
            signature: difference.signature,
            path: difference.path.to_string(),
            kind: difference.kind.as_str().to_owned(),
            left: difference.left.clone(),
            right: difference.right.clone(),
            relation: difference.relation.clone(),
        }
    }

    fn into_difference(self) -> Option<Difference> {
        Some(Difference {
            signature: self.signature,
            path: self.path.parse().ok()?,
            kind: Kind::named(&self.kind)?,
            left: self.left,
            right: self.right,
            relation: self.relation,
        })
    }
}
