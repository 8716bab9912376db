//! The evidence of all slices: slice → epoch → route.
//!
//! Owns adding observations, beginning epochs, and the bound on everything together. Refuses rules and
//! clocks: the accounts are judged when somebody asks (see [`super::judge`]), and time comes with what is
//! observed.
//!
//! What it holds can be stored and restored as [`super::rows`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::epoch::{Basis, Cause, Epoch};
use super::limits::{Limits, Size};
use super::observation::{Difference, Observation, Outcome};
use super::route::RouteEvidence;
use super::rows::Change;
use crate::compare::NotCompared;
use crate::snapshot::Snapshot;
use crate::words::SliceId;

/// Answers of a version that was replaced so lately may come from instances that are still being replaced;
/// later ones mean that it came back.
const ROLLING: SignedDuration = SignedDuration::from_mins(10);

/// New signatures that wait to be told; a flood of them is told by the report.
const MOST_NEW: usize = 64;

/// Replaced versions that are remembered.
const MOST_REPLACED: usize = 16;

/// All evidence.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) slices: BTreeMap<Arc<str>, SliceEvidence>,
    pub(super) limits: Limits,
    pub(super) size: Size,
    /// Epochs and routes that are no more, to be told by the next [`Ledger::take_changes`].
    pub(super) gone: Vec<Change>,
    strays: u64,
    new: Vec<NewSignature>,
}

/// A signature that counts, seen for the first time in its epoch (or again after it was so rare that it was
/// merged with others).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignature {
    /// The slice's name.
    pub slice: Arc<str>,
    /// The route's id.
    pub route: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// What differs.
    pub difference: Difference,
}

/// Evidence of one slice in its present epoch.
#[derive(Clone, Debug)]
pub(super) struct SliceEvidence {
    pub(super) epoch: Epoch,
    pub(super) routes: BTreeMap<Arc<str>, RouteEvidence>,
    /// Observations of requests that came before the epoch began.
    pub(super) late: u64,
    /// Requests that were not compared and of which the route is not known.
    pub(super) elsewhere: BTreeMap<NotCompared, u64>,
    pub(super) changed: bool,
}

/// What an observation did beside being counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It was counted.
    Counted,
    /// It was counted, as the first of a new epoch.
    NewEpoch(Cause),
    /// Its request is older than the epoch: it says nothing about what is compared now.
    Late,
    /// Its slice or route is not in the configuration that the ledger follows.
    Stray,
}

/// The ledger follows no slice of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no slice `{0}`")]
pub struct UnknownSlice(pub String);

impl Ledger {
    /// An empty one.
    pub fn new(limits: Limits) -> Ledger {
        Ledger {
            slices: BTreeMap::new(),
            limits,
            size: Size::default(),
            gone: Vec::new(),
            strays: 0,
            new: Vec::new(),
        }
    }

    /// How much it holds.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Observations of slices and routes that the configuration does not have.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Signatures that were new since the last call, at most 64.
    pub fn take_new(&mut self) -> Vec<NewSignature> {
        std::mem::take(&mut self.new)
    }

    /// The present epoch of a slice.
    pub fn epoch(&self, slice: &str) -> Option<&Epoch> {
        self.slices.get(slice).map(|slice| &slice.epoch)
    }

    /// Follows a configuration: begins an epoch for every slice that is new or is about something else now.
    /// What evidence there is of a slice that was taken out is kept until the slice comes back otherwise.
    ///
    /// To be called with every new snapshot, and after restoring. Answers which epochs began.
    pub fn follow(&mut self, snapshot: &Snapshot, now: Timestamp) -> Vec<(Arc<str>, Cause)> {
        let mut begun = Vec::new();
        for (id, slice) in (0..).map(SliceId).zip(&snapshot.slices) {
            let basis = Basis::of(snapshot, id);
            let cause = match self.slices.get(&slice.name) {
                None => Some(Cause::First),
                Some(known) => known.epoch.basis.superseded_by(&basis),
            };
            if let Some(cause) = cause {
                self.begin(&slice.name, cause.clone(), Some(basis.clone()), now);
                begun.push((slice.name.clone(), cause));
            }
            let Some(known) = self.slices.get_mut(&slice.name) else { continue };
            if known.epoch.basis != basis {
                known.epoch.basis = basis;
                known.changed = true;
            }
            let routes = snapshot.routes.iter().filter(|route| route.slice == id);
            for route in routes {
                known.routes.entry(route.id.clone()).or_default();
            }
        }
        self.forget_removed(snapshot);
        begun
    }

    /// Slices that the configuration no longer has make room when there are more of them than it has.
    fn forget_removed(&mut self, snapshot: &Snapshot) {
        let present = |name: &Arc<str>| snapshot.slices.iter().any(|slice| slice.name == *name);
        let mut removed: Vec<(Timestamp, Arc<str>)> = self
            .slices
            .iter()
            .filter(|(name, _)| !present(name))
            .map(|(name, slice)| (slice.epoch.began, name.clone()))
            .collect();
        removed.sort();
        let surplus = removed.len().saturating_sub(snapshot.slices.len().max(8));
        for (_, name) in removed.into_iter().take(surplus) {
            if let Some(slice) = self.slices.remove(&name) {
                self.size = self.size.minus(slice.size());
                self.gone.push(Change::DeleteEpoch { slice: name, epoch: slice.epoch.number });
            }
        }
    }

    /// Begins a new epoch of a slice because a person says so; its number.
    ///
    /// # Errors
    ///
    /// There is no such slice.
    pub fn restart(&mut self, slice: &str, reason: &str, now: Timestamp) -> Result<u32, UnknownSlice> {
        let Some((name, _)) = self.slices.get_key_value(slice) else {
            return Err(UnknownSlice(slice.to_owned()));
        };
        let name = name.clone();
        Ok(self.begin(&name, Cause::Restarted { reason: reason.into() }, None, now))
    }

    /// Adds so many eligible requests that were not compared; `route` may be empty where it is not known.
    pub fn not_compared(&mut self, slice: &str, route: &str, reason: NotCompared, count: u64) -> Noted {
        let Some(slice) = self.slices.get_mut(slice) else {
            self.strays = self.strays.saturating_add(count);
            return Noted::Stray;
        };
        let counts = match slice.routes.get_mut(route) {
            Some(route) => {
                route.head_changed = true;
                &mut route.not_compared
            }
            None if route.is_empty() => {
                slice.changed = true;
                &mut slice.elsewhere
            }
            None => {
                self.strays = self.strays.saturating_add(count);
                return Noted::Stray;
            }
        };
        let known = counts.entry(reason).or_default();
        *known = known.saturating_add(count);
        Noted::Counted
    }

    /// Adds one eligible request.
    pub fn observe(&mut self, observation: &Observation) -> Noted {
        let known = self.slices.get(&observation.slice);
        let known = known.filter(|slice| slice.routes.contains_key(&observation.route));
        let Some(slice) = known else {
            self.strays = self.strays.saturating_add(1);
            return Noted::Stray;
        };
        let version = of_version(&slice.epoch, observation);
        // The first answer of a new version begins its epoch; others of that version may have come before it.
        let of_this_version = observation.version.is_some() && version == OfVersion::Present;
        let begun_by_version = matches!(slice.epoch.cause, Cause::Version { .. });
        if observation.at < slice.epoch.began && !(of_this_version && begun_by_version) {
            if let Some(slice) = self.slices.get_mut(&observation.slice) {
                slice.late = slice.late.saturating_add(1);
                slice.changed = true;
            }
            return Noted::Late;
        }
        let noted = match version {
            OfVersion::Present => Noted::Counted,
            OfVersion::New { from, to } => {
                let cause = Cause::Version { from, to };
                self.begin(&observation.slice, cause.clone(), None, observation.at);
                Noted::NewEpoch(cause)
            }
            OfVersion::First(version) => {
                if let Some(slice) = self.slices.get_mut(&observation.slice) {
                    slice.epoch.version = Some(version);
                    slice.changed = true;
                }
                Noted::Counted
            }
            OfVersion::Replaced => {
                let stale =
                    Observation { outcome: Outcome::NotCompared(NotCompared::Stale), ..observation.clone() };
                self.add(&stale);
                return Noted::Counted;
            }
        };
        self.add(observation);
        noted
    }

    fn add(&mut self, observation: &Observation) {
        let room = self.limits.all.minus(self.size);
        let slice = self.slices.get_mut(&observation.slice);
        let Some(route) = slice.and_then(|slice| slice.routes.get_mut(&observation.route)) else { return };
        let before = route.size();
        route.observe(observation, &self.limits, room);
        self.size = self.size.minus(before).plus(route.size());
        for difference in route.signatures.take_new() {
            if self.new.len() < MOST_NEW {
                let (slice, route) = (observation.slice.clone(), observation.route.clone());
                self.new.push(NewSignature { slice, route, at: observation.at, difference });
            }
        }
    }

    fn begin(&mut self, name: &Arc<str>, cause: Cause, basis: Option<Basis>, now: Timestamp) -> u32 {
        let mut number = 1;
        let mut kept_basis = Basis::default();
        let mut replaced = Vec::new();
        let mut routes = BTreeMap::new();
        if let Some(old) = self.slices.remove(name) {
            self.size = self.size.minus(old.size());
            number = old.epoch.number.saturating_add(1);
            kept_basis = old.epoch.basis;
            replaced = old.epoch.replaced;
            routes = old.routes.into_keys().map(|route| (route, RouteEvidence::default())).collect();
            self.gone.push(Change::DeleteEpoch { slice: name.clone(), epoch: old.epoch.number });
        }
        if basis.is_some() {
            // The routes of the configuration are filled in by whoever brings one.
            routes.clear();
        }
        let version = if let Cause::Version { from, to } = &cause {
            replaced.retain(|(version, _)| version != to && version != from);
            replaced.push((from.clone(), now));
            if replaced.len() > MOST_REPLACED {
                replaced.remove(0);
            }
            Some(to.clone())
        } else {
            None
        };
        let basis = basis.unwrap_or(kept_basis);
        let epoch = Epoch { number, began: now, cause, version, replaced, basis };
        self.slices.insert(
            name.clone(),
            SliceEvidence { epoch, routes, late: 0, elsewhere: BTreeMap::new(), changed: true },
        );
        number
    }
}

impl SliceEvidence {
    pub(super) fn size(&self) -> Size {
        self.routes.values().fold(Size::default(), |sum, route| sum.plus(route.size()))
    }
}

/// What an observation's version means for the present epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OfVersion {
    /// It is the epoch's, or none is told.
    Present,
    /// The first that is told.
    First(Box<str>),
    /// Another.
    New { from: Box<str>, to: Box<str> },
    /// One that is just being replaced.
    Replaced,
}

fn of_version(epoch: &Epoch, observation: &Observation) -> OfVersion {
    let Some(version) = &observation.version else { return OfVersion::Present };
    match &epoch.version {
        Some(present) if present == version => OfVersion::Present,
        Some(present) => {
            let replaced = epoch.replaced.iter().find(|(old, _)| old == version);
            if replaced.is_some_and(|(_, at)| observation.at.duration_since(*at) < ROLLING) {
                OfVersion::Replaced
            } else {
                OfVersion::New { from: present.clone(), to: version.clone() }
            }
        }
        None => OfVersion::First(version.clone()),
    }
}
