//! The evidence of a slice under the rules of the day.
//!
//! Owns which signatures count and the four accounts that follow. Everything is derived anew from the raw
//! counts each time, so a new `ignore` or `accept`, or the end of one, needs no migration. Refuses verdicts
//! (see [`super::gate`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::account::Accounts;
use super::betting::Trials;
use super::epoch::Epoch;
use super::ledger::Ledger;
use super::noise::{Discordance, rejected};
use super::route::RouteEvidence;
use super::rule;
use super::signatures::Entry;
use super::tally::{Count, Member};
use crate::compare::{Kind, NotCompared, Path, Verdict, verdict};
use crate::snapshot::policy::ShadowWrites;
use crate::snapshot::slice::{Route, Slice};
use crate::snapshot::{Compare, Snapshot};
use crate::words::{Effect, Phase, SliceId, Writer};

/// Evidence of one slice, judged.
#[derive(Clone, Debug)]
pub(super) struct Judged<'a> {
    pub(super) slice: &'a Slice,
    pub(super) epoch: &'a Epoch,
    pub(super) late: u64,
    /// Requests of which the route is not known.
    pub(super) elsewhere: Accounts,
    /// By route id.
    pub(super) routes: Vec<JudgedRoute<'a>>,
}

/// Evidence of one route, judged.
#[derive(Clone, Debug)]
pub(super) struct JudgedRoute<'a> {
    pub(super) route: &'a Route,
    pub(super) evidence: &'a RouteEvidence,
    pub(super) reach: Reach,
    pub(super) accounts: Accounts,
    /// What the gate counts.
    pub(super) trials: Trials,
    /// In the order of the route's table.
    pub(super) standings: Vec<Standing>,
    /// Noisy places and whether a mismatch there counts.
    pub(super) noisy: Vec<NoisyPlace<'a>>,
}

/// Whether requests of a route can be compared at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// They can.
    Compared,
    /// They change something, and the file does not say that such requests may be copied.
    NotCopied,
    /// The route has a phase of its own, in which nothing is copied.
    OtherPhase,
}

/// What the rules of the day say of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It counts.
    Counts,
    /// It counts, since the `accept` of this text has expired.
    Expired(Box<str>),
    /// The rule of this text hides it.
    Hidden(Box<str>),
    /// Legacy differs from itself there just as much.
    Noise,
}

impl Standing {
    pub(super) const fn counts(&self) -> bool {
        matches!(self, Standing::Counts | Standing::Expired(_))
    }
}

/// A place at which legacy differs from itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoisyPlace<'a> {
    pub(super) path: &'a Path,
    pub(super) kind: Kind,
    pub(super) counts: Discordance,
    /// Whether the extracted service differs more than that.
    pub(super) beyond: bool,
}

/// The day of a moment, in UTC.
pub fn day(now: Timestamp) -> Date {
    Offset::UTC.to_datetime(now).date()
}

/// Judges a slice under the rules of a snapshot; `None`: the ledger does not follow it.
pub(super) fn judge<'a>(
    ledger: &'a Ledger,
    snapshot: &'a Snapshot,
    id: SliceId,
    today: Date,
) -> Option<Judged<'a>> {
    let slice = snapshot.slice(id);
    let evidence = ledger.slices.get(&slice.name)?;
    let mut routes: Vec<(&Arc<Route>, &RouteEvidence)> = snapshot
        .routes
        .iter()
        .filter(|route| route.slice == id)
        .filter_map(|route| Some((route, evidence.routes.get(&route.id)?)))
        .collect();
    routes.sort_by(|left, right| left.0.id.cmp(&right.0.id));
    let noisy = noisy_places(routes.iter().map(|(_, evidence)| *evidence));
    let routes = routes
        .into_iter()
        .zip(noisy)
        .map(|((route, evidence), noisy)| judge_route(slice, route, evidence, noisy, today))
        .collect();
    let elsewhere = Accounts { not_compared: evidence.elsewhere.clone(), ..Accounts::default() };
    Some(Judged { slice, epoch: &evidence.epoch, late: evidence.late, elsewhere, routes })
}

/// The noisy places of each route, tested as one family.
fn noisy_places<'a>(routes: impl Iterator<Item = &'a RouteEvidence>) -> Vec<Vec<NoisyPlace<'a>>> {
    let mut places: Vec<Vec<NoisyPlace<'a>>> = routes
        .map(|route| {
            let paths: BTreeSet<&Path> = route
                .noise
                .iter()
                .filter(|(_, noise)| noise.counts.legacy_differs())
                .map(|((path, _), _)| path)
                .collect();
            let noisy =
                route.noise.iter().filter(|((path, kind), _)| paths.contains(path) && kind.is_value());
            noisy
                .map(|((path, kind), noise)| NoisyPlace {
                    path,
                    kind: *kind,
                    counts: noise.counts,
                    beyond: false,
                })
                .collect()
        })
        .collect();
    let family: Vec<Discordance> = places.iter().flatten().map(|place| place.counts).collect();
    for (place, rejected) in places.iter_mut().flatten().zip(rejected(&family)) {
        place.beyond = rejected;
    }
    places
}

fn judge_route<'a>(
    slice: &Slice,
    route: &'a Route,
    evidence: &'a RouteEvidence,
    noisy: Vec<NoisyPlace<'a>>,
    today: Date,
) -> JudgedRoute<'a> {
    let rules = &route.policy.compare;
    let in_force: BTreeSet<Box<str>> = rule::in_force(rules, today).collect();
    let standings: Vec<Standing> = evidence
        .signatures
        .entries()
        .iter()
        .map(|entry| standing(entry, evidence, rules, &in_force, &noisy, today))
        .collect();
    let (compared, mismatched, matched) = count(evidence, &standings);
    let mut accounts = Accounts {
        matched: matched.seen,
        mismatched: mismatched.seen,
        ignored: compared.without(mismatched).without(matched).seen,
        not_compared: evidence.not_compared.clone(),
    };
    for (reason, set, count) in set_aside(evidence) {
        let account = if all_hidden(set, &standings) {
            &mut accounts.ignored
        } else {
            accounts.not_compared.entry(reason).or_default()
        };
        *account = account.saturating_add(count.seen);
    }
    let trials = Trials { good: compared.without(mismatched).counted, bad: mismatched.counted };
    JudgedRoute { route, evidence, reach: reach(slice, route), accounts, trials, standings, noisy }
}

fn standing(
    entry: &Entry,
    evidence: &RouteEvidence,
    rules: &Compare,
    in_force: &BTreeSet<Box<str>>,
    noisy: &[NoisyPlace<'_>],
    today: Date,
) -> Standing {
    let by_text = entry.by_text.as_ref().filter(|text| in_force.contains(*text));
    if let Some(text) = by_text {
        return Standing::Hidden(text.clone());
    }
    let Some(what) = &entry.what else { return Standing::Counts };
    let expired = match verdict(rules, today, &what.path, what.kind, what.signature) {
        Verdict::Hidden(which) => return Standing::Hidden(rule::text(rules, which)),
        Verdict::Expired(index) => Some(rule::text(rules, crate::compare::Rule::Accept(index))),
        Verdict::Counts => None,
    };
    if what.kind.is_value() && is_noise(evidence, noisy, &what.path, what.kind) {
        return Standing::Noise;
    }
    expired.map_or(Standing::Counts, Standing::Expired)
}

/// Whether legacy differs from itself at a path, and the extracted service not more than that.
fn is_noise(evidence: &RouteEvidence, noisy: &[NoisyPlace<'_>], path: &Path, kind: Kind) -> bool {
    let tested = noisy.iter().find(|place| place.path == path && place.kind == kind);
    match tested {
        Some(place) => !place.beyond,
        // Never seen with this kind when legacy was asked twice: nothing was rejected.
        None => Kind::ALL.iter().any(|other| {
            let noise = evidence.noise.get(&(path.clone(), *other));
            noise.is_some_and(|noise| noise.counts.legacy_differs())
        }),
    }
}

/// Compared, mismatching and fully matching requests.
fn count(evidence: &RouteEvidence, standings: &[Standing]) -> (Count, Count, Count) {
    let counts = |member: &u32| standings.get(*member as usize).is_none_or(Standing::counts);
    let mut compared = evidence.tallies.spilled();
    let mut mismatched = Count::default();
    let mut matched = Count::default();
    for (entry, _) in evidence.signatures.entries().iter().zip(standings).filter(|(_, one)| one.counts()) {
        mismatched.add(entry.spilled);
    }
    // A request may have several signatures that count; it is one request.
    mismatched = mismatched.at_most(evidence.tallies.spilled());
    for (set, count) in evidence.tallies.sets() {
        compared.add(count);
        if set.is_empty() {
            matched.add(count);
        } else if set.iter().any(counts) {
            mismatched.add(count);
        }
    }
    (compared, mismatched, matched)
}

/// Requests that were set aside, by what was found first.
fn set_aside(evidence: &RouteEvidence) -> impl Iterator<Item = (NotCompared, &[Member], Count)> {
    let sets = evidence.set_aside.iter().map(|(reason, tallies)| (*reason, tallies.sets()));
    sets.flat_map(|(reason, sets)| sets.map(move |(set, count)| (reason, set, count)))
}

/// Whether nothing of a set counts.
fn all_hidden(set: &[Member], standings: &[Standing]) -> bool {
    set.iter().all(|member| standings.get(*member as usize).is_some_and(|one| !one.counts()))
}

/// Compared requests with each signature, in the order of the route's table.
pub(super) fn requests_by_signature(route: &JudgedRoute<'_>) -> Vec<u64> {
    let evidence = route.evidence;
    let mut requests: Vec<u64> = evidence
        .signatures
        .entries()
        .iter()
        .map(|entry| entry.spilled.at_most(evidence.tallies.spilled()).seen)
        .collect();
    let ignored = set_aside(evidence).filter(|(_, set, _)| all_hidden(set, &route.standings));
    for (set, count) in evidence.tallies.sets().chain(ignored.map(|(_, set, count)| (set, count))) {
        for member in set {
            if let Some(requests) = requests.get_mut(*member as usize) {
                *requests = requests.saturating_add(count.seen);
            }
        }
    }
    requests
}

/// Whether a route's requests can be compared: its reads, and its writes where the file lets them be copied.
fn reach(slice: &Slice, route: &Route) -> Reach {
    let safe = ["GET", "HEAD", "OPTIONS"];
    let methods = route.pattern.methods();
    let reads = match route.effect {
        Some(Effect::Read) => true,
        Some(Effect::Write) => false,
        None => !methods.is_named() || safe.iter().any(|method| methods.names(method)),
    };
    let writes_copied = slice.writer == Writer::Legacy
        && route.policy.shadow.as_ref().is_some_and(|shadow| shadow.writes != ShadowWrites::Never);
    if route.phase != slice.phase && matches!(route.phase, Phase::Legacy | Phase::Retired) {
        Reach::OtherPhase
    } else if reads || writes_copied {
        Reach::Compared
    } else {
        Reach::NotCopied
    }
}

/// The accounts of a slice: all eligible requests, each once.
pub(super) fn accounts(judged: &Judged<'_>) -> Accounts {
    let mut sum = judged.elsewhere.clone();
    judged.routes.iter().for_each(|route| sum.add(&route.accounts));
    sum
}
