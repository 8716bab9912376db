//! Remembered requests, decided before and after an edit.
//!
//! What is remembered of a request may lack what a decision needs: a log has no header lines, a recording has pseudonyms in
//! place of secrets. Where a client's bucket cannot be told, the share says how many of such requests are expected on
//! each side; raising a share moves nobody back, so the difference of two shares of one cohort is what moves. Where
//! conditions of routes cannot be told, a request is counted as undecided. Invariant: nothing is guessed and told as
//! known.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::moves::{Moves, RouteMoves, TrafficImpact};
use crate::matching::{Predicates, Reading, RequestView, request};
use crate::redact::is_hidden;
use crate::routing::cohort::{self, Reason};
use crate::routing::decide::canary_membership;
use crate::routing::{Decision, Facts, Verdict, decide};
use crate::snapshot::slice::KeySource;
use crate::snapshot::{Canary, Route, Snapshot};
use crate::words::{Effect, Owner, Phase, RouteId, Writer};

/// What is known of a remembered request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Everything that a decision looks at.
    All,
    /// The same with pseudonyms in place of secrets, and without the client's address.
    Redacted,
    /// Method, host, path and client; neither header lines nor query.
    Line,
}

/// A request as it is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Remembered<'a> {
    /// What is known of it; the rest is empty.
    pub view: RequestView<'a>,
    /// How much that is.
    pub known: Known,
    /// The client's bucket in the canary that decided then; the inner `None`: it had no key. The outer `None`: no canary
    /// decided.
    pub bucket: Option<Option<u16>>,
}

/// Who answers a request, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer<'a> {
    /// This side.
    Certain(Side),
    /// Extracted for such a share of clients, legacy for the others.
    ByShare(f64, Cohort<'a>),
    /// It depends on what is not known.
    Unknown,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Legacy,
    Extracted,
    Proxy,
}

/// Canaries of one cohort take the same clients first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cohort<'a> {
    name: &'a str,
    sources: &'a [KeySource],
}

/// One configuration, with what is looked at for every request.
#[derive(Debug)]
struct Half<'a> {
    snapshot: &'a Snapshot,
    facts: Facts<'a>,
    /// Routes that have conditions.
    conditional: Vec<&'a Route>,
}

/// Counts what becomes of remembered requests.
#[derive(Debug)]
pub struct Impact<'a> {
    before: Half<'a>,
    after: Half<'a>,
    all: Moves,
    /// By route afterwards; bounded by the routes there are.
    routes: BTreeMap<Option<RouteId>, Moves>,
}

impl<'a> Impact<'a> {
    /// Between two configurations, each with the retreats that hold.
    pub fn new(before: (&'a Snapshot, Facts<'a>), after: (&'a Snapshot, Facts<'a>)) -> Impact<'a> {
        Impact {
            before: Half::new(before),
            after: Half::new(after),
            all: Moves::default(),
            routes: BTreeMap::new(),
        }
    }

    /// Counts one request.
    pub fn add(&mut self, request: &Remembered<'_>) {
        let reading = Reading::new(&request.view);
        let old = decide(self.before.snapshot, &request.view, self.before.facts);
        let new = decide(self.after.snapshot, &request.view, self.after.facts);
        // A bucket is that of the canary that decided then.
        let bucket = request.bucket.zip(self.before.cohort(&old));
        let before = self.before.answer(&reading, request.known, &old, bucket);
        let after = self.after.answer(&reading, request.known, &new, bucket);
        let route = self.routes.entry(new.route).or_default();
        for moves in [&mut self.all, route] {
            moves.requests += 1;
            note(moves, old.effect, before, after);
        }
    }

    /// What there is to tell.
    pub fn finish(self) -> TrafficImpact {
        let snapshot = self.after.snapshot;
        let worth = |moves: &Moves| moves.undecided > 0 || !moves.moved().is_none();
        let routes = self.routes.into_iter().filter(|(_, moves)| worth(moves)).map(|(id, moves)| {
            let route = id.map(|id| snapshot.route(id));
            RouteMoves {
                route: route.map(|route| route.id.to_string()).unwrap_or_default(),
                slice: route.map(|route| snapshot.slice(route.slice).name.to_string()).unwrap_or_default(),
                moves,
            }
        });
        let mut routes: Vec<RouteMoves> = routes.collect();
        routes.sort_by(|a, b| a.route.cmp(&b.route));
        TrafficImpact { all: self.all, routes }
    }
}

fn note(moves: &mut Moves, effect: Effect, before: Answer<'_>, after: Answer<'_>) {
    if let (Answer::Certain(from), Answer::Certain(to)) = (before, after) {
        let moved = match (from, to) {
            (from, to) if from == to => return,
            (Side::Proxy, _) => &mut moves.taken,
            (_, Side::Proxy) => &mut moves.refused,
            (_, Side::Extracted) => &mut moves.to_extracted,
            (_, Side::Legacy) => &mut moves.to_legacy,
        };
        moved.add();
        if effect == Effect::Write {
            moves.writes.add();
        }
        return;
    }
    let moved = match (before, after) {
        (Answer::Unknown, _) | (_, Answer::Unknown) => {
            moves.undecided += 1;
            return;
        }
        (Answer::Certain(Side::Proxy), _) => {
            moves.taken.add();
            1.0
        }
        (_, Answer::Certain(Side::Proxy)) => {
            moves.refused.add();
            1.0
        }
        (before, after) => {
            let (from, to) = (before.extracted(), after.extracted());
            let (up, down) = match (before, after) {
                (Answer::ByShare(_, one), Answer::ByShare(_, other)) if one == other => {
                    ((to - from).max(0.0), (from - to).max(0.0))
                }
                _ => ((1.0 - from) * to, from * (1.0 - to)),
            };
            moves.to_extracted.expect(up);
            moves.to_legacy.expect(down);
            up + down
        }
    };
    if effect == Effect::Write {
        moves.writes.expect(moved);
    }
}

impl Answer<'_> {
    /// How likely the extracted service answers.
    fn extracted(self) -> f64 {
        match self {
            Answer::Certain(Side::Extracted) => 1.0,
            Answer::ByShare(share, _) => share,
            Answer::Certain(_) | Answer::Unknown => 0.0,
        }
    }
}

/// A bucket, where the client had a key, and the cohort in which it has it.
type Bucket<'a> = Option<(Option<u16>, Cohort<'a>)>;

impl<'a> Half<'a> {
    fn new((snapshot, facts): (&'a Snapshot, Facts<'a>)) -> Half<'a> {
        let conditional = snapshot.routes.iter().filter(|route| !route.when.is_empty());
        Half { snapshot, facts, conditional: conditional.map(|route| &**route).collect() }
    }

    fn cohort(&self, decision: &Decision) -> Option<Cohort<'a>> {
        Some(self.cohort_of(self.snapshot.route(decision.route?)))
    }

    fn cohort_of(&self, route: &'a Route) -> Cohort<'a> {
        let own = &self.snapshot.slice(route.slice).name;
        Cohort { name: route.policy.cohort.as_deref().unwrap_or(own), sources: &route.policy.cohort_by }
    }

    /// Who answers, as far as it can be told.
    fn answer(
        &self,
        reading: &Reading<'_>,
        known: Known,
        decision: &Decision,
        bucket: Bucket<'_>,
    ) -> Answer<'a> {
        if self.depends(reading, known) {
            return Answer::Unknown;
        }
        let Verdict::Forward { owner, .. } = decision.verdict else { return Answer::Certain(Side::Proxy) };
        let by_reads = decision.effect == Effect::Read || decision.writer == Writer::ByCohort;
        let drawn = decision.route.filter(|_| decision.phase == Phase::Canary && by_reads);
        let certain = Answer::Certain(match owner {
            Owner::Legacy => Side::Legacy,
            Owner::Extracted => Side::Extracted,
        });
        let Some(id) = drawn.filter(|_| known != Known::All) else { return certain };
        let route: &'a Route = self.snapshot.route(id);
        let Some(canary) = &route.canary else { return certain };
        let Some(membership) = canary_membership(self.snapshot, reading, route, decision.phase) else {
            return certain;
        };
        let named = matches!(membership.reason, Reason::Always(_) | Reason::Never(_));
        let cohort = self.cohort_of(route);
        let share = f64::from(canary.share.basis_points()) / 10_000.0;
        if !lists_are_told(reading, route, canary, known) {
            // Whether a list names the client cannot be told; the others follow the share.
            return Answer::ByShare(share, cohort);
        }
        if named || route.policy.cohort_by.iter().all(|source| is_told(reading, route, source, known)) {
            return certain;
        }
        match bucket {
            Some((bucket, of)) if of == cohort => {
                let is_member = bucket.is_some_and(|bucket| bucket < canary.share.basis_points());
                Answer::Certain(if is_member { Side::Extracted } else { Side::Legacy })
            }
            _ => Answer::ByShare(share, cohort),
        }
    }

    /// Whether a route might take the request, or not, by conditions on what is not known.
    fn depends(&self, reading: &Reading<'_>, known: Known) -> bool {
        let is_open = |route: &&Route| {
            let untold = match known {
                Known::All => false,
                Known::Redacted => looks_at_hidden(&route.when, reading.view),
                Known::Line => true,
            };
            untold && takes(route, reading)
        };
        known != Known::All && self.conditional.iter().any(is_open)
    }
}

/// Whether a route's pattern takes a request, its conditions aside.
fn takes(route: &Route, reading: &Reading<'_>) -> bool {
    let (pattern, methods) = (&route.pattern, route.pattern.methods());
    let named = |method| methods.names(method);
    (!methods.is_named() || named(reading.method) || (reading.method == "HEAD" && named("GET")))
        && pattern.host().matches(&reading.host)
        && pattern.matches_path(&reading.path)
}

fn lists_are_told(reading: &Reading<'_>, route: &Route, canary: &Canary, known: Known) -> bool {
    canary.always.iter().chain(&canary.never).all(|entry| is_told(reading, route, &entry.source, known))
}

/// Whether what a source yields is what the client sent.
fn is_told(reading: &Reading<'_>, route: &Route, source: &KeySource, known: Known) -> bool {
    match (known, source) {
        (Known::All, _) => true,
        (Known::Line, KeySource::Header(_) | KeySource::Cookie(_) | KeySource::Query(_)) => false,
        (_, KeySource::ClientIp) => reading.view.client_ip.is_some(),
        _ => cohort::value(reading, &route.pattern, source).is_none_or(|value| !is_hidden(&value)),
    }
}

/// Whether a condition looks at a value in whose place a pseudonym stands.
fn looks_at_hidden(when: &Predicates, view: &RequestView<'_>) -> bool {
    let hidden = |value: Option<Cow<'_, str>>| value.is_some_and(|value| is_hidden(&value));
    when.headers.iter().any(|(name, _)| hidden(request::header(view.headers, name.as_str())))
        || when.cookies.iter().any(|(name, _)| hidden(request::cookie(view.headers, name)))
        || when.query.iter().any(|(name, _)| hidden(request::query_parameter(view.query, name)))
}
