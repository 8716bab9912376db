//! Which rules apply at a place of a document, found on the way down.
//!
//! Owns following all paths of the configuration at once: places where the same rules apply, and the same can
//! still come to apply below, are one. Refuses judging: it says what is loose for finding counterparts, how an
//! array is compared and which tolerance a number has.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rules::Progress;
use crate::decimal::Decimal;
use crate::snapshot::compare::{
    Accepted, AcceptedPath, ArrayRule, BodyPath, Compare, ResponsePath, Select, Step,
};

/// A place, as far as rules go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u32);

/// What a place is reached by, as far as rules can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Name(usize),
    OtherName,
    Index(u32),
    OtherIndex,
}

/// How far each path that is not lost has been followed, and which have been followed to their ends here or
/// above, by their places in `paths`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    under_way: Vec<(usize, Progress)>,
    covered: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Role<'r> {
    /// `ignore`: nothing here counts.
    Ignored,
    /// `accept` of every kind: nothing here counts, as long as it holds.
    Accepted,
    /// `accept` of one kind: other differences here count, and have to be found.
    AcceptedKind,
    Array(&'r ArrayRule),
    Tolerance(&'r Decimal),
}

/// What applies at a place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Here<'r> {
    /// Differences are ignored.
    pub(super) ignored: bool,
    /// Differences may be hidden: counterparts are found without looking at it.
    pub(super) loose: bool,
    /// How an array is compared; `None`: in order.
    pub(super) array: Option<&'r ArrayRule>,
    /// How far numbers may be apart.
    pub(super) tolerance: Option<&'r Decimal>,
}

/// All places that were met.
#[derive(Debug)]
pub(super) struct Places<'r> {
    paths: Vec<(&'r BodyPath, Role<'r>)>,
    names: BTreeMap<&'r [u8], usize>,
    indices: BTreeSet<u32>,
    known: BTreeMap<State, Place>,
    states: Vec<(State, Here<'r>)>,
    ways: BTreeMap<(Place, Way), Place>,
}

impl<'r> Places<'r> {
    /// The root, and none other yet.
    pub(super) fn new(rules: &'r Compare) -> Self {
        let mut paths = Vec::new();
        for rule in &rules.ignore {
            if let ResponsePath::Body(path) = rule {
                paths.push((path, Role::Ignored));
            }
        }
        for accept in &rules.accept {
            if let Accepted::Path { path: AcceptedPath::Response(ResponsePath::Body(path)), kind } =
                &accept.what
            {
                let role = if kind.is_some() { Role::AcceptedKind } else { Role::Accepted };
                paths.push((path, role));
            }
        }
        paths.extend(rules.arrays.iter().map(|(path, rule)| (path, Role::Array(rule))));
        paths.extend(rules.numbers.iter().map(|(path, tolerance)| (path, Role::Tolerance(tolerance))));
        let mut names = BTreeMap::new();
        let mut indices = BTreeSet::new();
        for step in paths.iter().flat_map(|(path, _)| &path.steps) {
            match &step.select {
                Select::Name(name) => {
                    let next = names.len();
                    names.entry(name.as_bytes()).or_insert(next);
                }
                Select::Index(index) => {
                    indices.insert(*index);
                }
                Select::Any => {}
            }
        }
        let mut places = Places {
            paths,
            names,
            indices,
            known: BTreeMap::new(),
            states: Vec::new(),
            ways: BTreeMap::new(),
        };
        let under_way = places.paths.iter().enumerate().map(|(at, _)| (at, Progress::start())).collect();
        places.enter(State { under_way, covered: Vec::new() });
        places
    }

    /// The root of a document.
    pub(super) const ROOT: Place = Place(0);

    /// Whether no rule applies anywhere.
    pub(super) fn are_free(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether any number may be off.
    pub(super) fn have_tolerances(&self) -> bool {
        self.paths.iter().any(|(_, role)| matches!(role, Role::Tolerance(_)))
    }

    /// What applies at a place.
    pub(super) fn here(&self, place: Place) -> Here<'r> {
        self.states.get(place.0 as usize).map_or_else(Here::default, |(_, here)| *here)
    }

    /// The place of a member.
    pub(super) fn member(&mut self, place: Place, name: &[u8]) -> Place {
        if self.are_free() {
            return place;
        }
        let way = self.names.get(name).map_or(Way::OtherName, |name| Way::Name(*name));
        self.go(place, way, |select, names| match select {
            Select::Any => true,
            Select::Name(wanted) => {
                way == names.get(wanted.as_bytes()).map_or(Way::OtherName, |n| Way::Name(*n))
            }
            Select::Index(_) => false,
        })
    }

    /// The place of an element.
    pub(super) fn element(&mut self, place: Place, index: u32) -> Place {
        if self.are_free() {
            return place;
        }
        let way = if self.indices.contains(&index) { Way::Index(index) } else { Way::OtherIndex };
        self.go(place, way, |select, _| match select {
            Select::Any => true,
            Select::Index(wanted) => way == Way::Index(*wanted),
            Select::Name(_) => false,
        })
    }

    fn go(
        &mut self,
        place: Place,
        way: Way,
        selects: impl Fn(&Select, &BTreeMap<&'r [u8], usize>) -> bool,
    ) -> Place {
        if let Some(known) = self.ways.get(&(place, way)) {
            return *known;
        }
        let mut next = State::default();
        if let Some((state, _)) = self.states.get(place.0 as usize) {
            next.covered.clone_from(&state.covered);
            for (at, progress) in &state.under_way {
                let Some((path, _)) = self.paths.get(*at) else { continue };
                let progress = progress.step(path, |select| selects(select, &self.names));
                if !progress.is_lost() {
                    next.under_way.push((*at, progress));
                }
            }
        }
        let there = self.enter(next);
        self.ways.insert((place, way), there);
        there
    }

    /// The place of a state, which is new or known.
    fn enter(&mut self, mut state: State) -> Place {
        let mut here = Here::default();
        let mut roles: Vec<&(&'r BodyPath, Role<'r>)> = Vec::new();
        for (at, progress) in &state.under_way {
            let Some(entry) = self.paths.get(*at) else { continue };
            if progress.is_done(entry.0) {
                roles.push(entry);
                if matches!(entry.1, Role::Ignored | Role::Accepted) && !state.covered.contains(at) {
                    state.covered.push(*at);
                }
            }
        }
        state.covered.sort_unstable();
        if let Some(known) = self.known.get(&state) {
            return *known;
        }
        for at in &state.covered {
            here.loose = true;
            here.ignored |= matches!(self.paths.get(*at), Some((_, Role::Ignored)));
        }
        // The most specific of several, and of equals the first in the order of the file's keys.
        roles.sort_by_key(|(path, _)| generality(path));
        for (path, role) in roles {
            match role {
                Role::Array(rule) => here.array = here.array.or(Some(rule)),
                Role::Tolerance(tolerance) => here.tolerance = here.tolerance.or(Some(tolerance)),
                // A member as a whole: elements without it may be the same. What is within it tells its own
                // elements apart, or an accepted `order` would never be seen.
                Role::AcceptedKind => here.loose |= is_member(path),
                Role::Ignored | Role::Accepted => {}
            }
        }
        let place = Place(u32::try_from(self.states.len()).unwrap_or(u32::MAX));
        self.known.insert(state.clone(), place);
        self.states.push((state, here));
        place
    }
}

/// Whether a path ends at members.
fn is_member(path: &BodyPath) -> bool {
    path.steps.last().is_some_and(|step| matches!(step.select, Select::Name(_)))
}

/// How many places a path may select: descendants, then wildcards, then fewer steps.
fn generality(path: &BodyPath) -> (usize, usize, std::cmp::Reverse<usize>) {
    let count = |holds: fn(&Step) -> bool| path.steps.iter().filter(|step| holds(step)).count();
    (
        count(|step| step.descendant),
        count(|step| step.select == Select::Any),
        std::cmp::Reverse(path.steps.len()),
    )
}
