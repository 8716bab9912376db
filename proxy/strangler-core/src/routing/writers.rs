//! Writes that a new snapshot would silently take back to legacy.
//!
//! A slice that was deleted, renamed or truncated must not hand to the monolith writes that the extracted service
//! owns. Found by probing: example requests of every pattern that changed, and of its overlap with every route
//! whose writer is extracted, are decided by both snapshots with the same [`decide`] that serves. Refuses repair:
//! it names what would be lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::header::COOKIE;
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use super::decide::{Decision, Facts, Verdict, decide};
use crate::matching::example::joint_example;
use crate::matching::path;
use crate::matching::pattern::{Element, HostPattern, Methods, ParamKind};
use crate::matching::{Condition, Example, Pattern, Predicates};
use crate::snapshot::{Route, Slice, Snapshot};
use crate::words::{Effect, Owner, Phase, Writer};

/// Pairs of patterns whose overlap is looked for; beyond it, only the patterns themselves are probed.
const PAIRS_MAX: usize = 2_000_000;

/// Methods that stand for any unsafe one.
const UNSAFE_METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "PROBE"];

/// An element that no literal is likely to equal.
const ANY_ELEMENT: &str = "probe~0";
const INT_ELEMENT: &str = "734001734001";
const UUID_ELEMENT: &str = "734001ab-7340-4734-8734-734001734001";

/// A route whose writes would go to legacy without the file saying so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LostWriter {
    /// The slice that owned the write.
    pub slice: String,
    /// The route that took it.
    pub route: String,
    /// A request that would change its writer, such as `POST /payments`.
    pub example: String,
}

/// Finds writes that `old` sends to the extracted service and `new` would send to legacy, where the slice that then
/// decides does not state its `writer` as something else. Sorted; one entry per route of `old`.
pub fn lost_writers(old: &Snapshot, new: &Snapshot) -> Vec<LostWriter> {
    let owners: Vec<&Route> = old.routes.iter().map(AsRef::as_ref).filter(|r| owns_writes(old, r)).collect();
    if owners.is_empty() {
        return Vec::new();
    }
    let changed = changed_patterns(old, new);
    let names = Names::of([old, new]);
    let mut lost = BTreeMap::new();
    let mut try_probe = |probe: &Probe| {
        if let Some(found) = probe.lost(old, new) {
            lost.entry((found.slice.clone(), found.route.clone())).or_insert(found);
        }
    };
    for change in &changed {
        for probe in probes(change.pattern, change.when, None, &names) {
            try_probe(&probe);
        }
        // What the other values of a condition do to a write, they do to every path and method alike.
        for when in each_value(change.when) {
            let probes = probes(change.pattern, &when, None, &names);
            probes.iter().find(|probe| probe.is_owned(old)).into_iter().for_each(&mut try_probe);
        }
    }
    let excepts =
        [old, new].into_iter().flat_map(|snapshot| &snapshot.slices).flat_map(|slice| &slice.except);
    let partners: Vec<(&Pattern, &Predicates)> = owners
        .iter()
        .map(|owner| (&owner.pattern, &owner.when))
        .chain(excepts.map(|except| (except, &ALWAYS)))
        .collect();
    let takers: Vec<&Changed<'_>> = changed.iter().filter(|change| change.may_take).collect();
    if takers.len().saturating_mul(partners.len()) <= PAIRS_MAX {
        for Changed { pattern, when, .. } in takers {
            for partner in partners.iter().filter(|partner| partner.0 != *pattern) {
                for probe in probes(pattern, when, Some(*partner), &names) {
                    try_probe(&probe);
                }
            }
        }
    }
    for owner in owners.iter().filter(|owner| owner.when.example().is_none()) {
        if let Some(found) = unprobed(old, owner, new) {
            lost.entry((found.slice.clone(), found.route.clone())).or_insert(found);
        }
    }
    lost.into_values().collect()
}

fn owns_writes(snapshot: &Snapshot, route: &Route) -> bool {
    snapshot.slice(route.slice).writer == Writer::Extracted && !methods(route).is_empty()
}

/// The methods of a route that its snapshot treats as writing, with one name for all that are not named.
fn methods(route: &Route) -> Vec<&str> {
    unsafe_methods(&route.pattern, route.effect)
}

fn unsafe_methods(pattern: &Pattern, effect: Option<Effect>) -> Vec<&str> {
    let all: Vec<&str> = match pattern.methods() {
        Methods::Any => UNSAFE_METHODS.iter().copied().chain(["GET", "HEAD", "OPTIONS"]).collect(),
        Methods::Named(named) => named.iter().map(AsRef::as_ref).collect(),
    };
    let is_safe = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS");
    match effect {
        Some(Effect::Read) => Vec::new(),
        Some(Effect::Write) => all,
        None => all.into_iter().filter(|method| !is_safe(method)).collect(),
    }
}

/// No conditions.
static ALWAYS: Predicates =
    Predicates { headers: Vec::new(), cookies: Vec::new(), query: Vec::new(), accept: None };

/// A pattern that does not decide in both snapshots as it did.
struct Changed<'a> {
    pattern: &'a Pattern,
    when: &'a Predicates,
    /// Whether what it newly wins may go to legacy unsaid: then its overlaps with others matter as well. What an
    /// old pattern no longer wins shows in the pattern itself.
    may_take: bool,
}

/// Patterns of either snapshot that do not decide in both as they did, each once.
fn changed_patterns<'a>(old: &'a Snapshot, new: &'a Snapshot) -> Vec<Changed<'a>> {
    let mut changed = Vec::new();
    for (here, there) in [(old, new), (new, old)] {
        let is_new = std::ptr::eq(here, new);
        let by_id: HashMap<&str, &Route> =
            there.routes.iter().map(|route| (&*route.id, route.as_ref())).collect();
        for route in &here.routes {
            let other = by_id.get(&*route.id);
            if other.is_some_and(|other| same_route(here, route, there, other)) {
                continue;
            }
            let in_both =
                other.is_some_and(|other| other.pattern == route.pattern && other.when == route.when);
            if in_both && !is_new {
                continue;
            }
            let may_take = is_new && !states_another_writer(here.slice(route.slice));
            changed.push(Changed { pattern: &route.pattern, when: &route.when, may_take });
        }
        let by_name: HashMap<&str, &Slice> =
            there.slices.iter().map(|slice| (&*slice.name, slice.as_ref())).collect();
        for slice in &here.slices {
            if by_name.get(&*slice.name).is_none_or(|other| other.except != slice.except) {
                changed.extend(slice.except.iter().map(|pattern| Changed {
                    pattern,
                    when: &ALWAYS,
                    may_take: is_new,
                }));
            }
        }
    }
    changed
}

fn same_route(here: &Snapshot, a: &Route, there: &Snapshot, b: &Route) -> bool {
    let (slice_a, slice_b) = (here.slice(a.slice), there.slice(b.slice));
    a.pattern == b.pattern
        && a.effect == b.effect
        && a.priority == b.priority
        && a.listed == b.listed
        && a.phase == b.phase
        && slice_a.name == slice_b.name
        && slice_a.writer == slice_b.writer
        && slice_a.writer_stated == slice_b.writer_stated
        && slice_a.except == slice_b.except
        && a.when == b.when
}

/// One example request.
struct Probe(Example);

impl Probe {
    fn decide(&self, snapshot: &Snapshot) -> Decision {
        decide(snapshot, &self.0.view(), Facts::NONE)
    }

    /// Whether it is a write of the extracted service's.
    fn is_owned(&self, snapshot: &Snapshot) -> bool {
        let decision = self.decide(snapshot);
        decision.writer == Writer::Extracted && decision.effect == Effect::Write
    }

    fn lost(&self, old: &Snapshot, new: &Snapshot) -> Option<LostWriter> {
        if !self.is_owned(old) {
            return None;
        }
        let before = self.decide(old);
        let after = self.decide(new);
        if !may_reach_legacy(&after) {
            return None;
        }
        if after.slice.is_some_and(|id| states_another_writer(new.slice(id))) {
            return None;
        }
        let route = old.route(before.route?);
        Some(LostWriter {
            slice: old.slice(route.slice).name.to_string(),
            route: route.id.to_string(),
            example: self.to_string(),
        })
    }
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.host == NEUTRAL_HOST {
            return Example { host: String::new(), ..self.0.clone() }.fmt(f);
        }
        self.0.fmt(f)
    }
}

/// Whether legacy answers the request, or another client's of the same kind: where a cohort decides, some client
/// is always outside it.
fn may_reach_legacy(decision: &Decision) -> bool {
    let by_cohort = decision.phase == Phase::Canary
        && (decision.effect == Effect::Read || decision.writer == Writer::ByCohort);
    match decision.verdict {
        Verdict::Forward { owner, .. } => owner == Owner::Legacy || by_cohort,
        Verdict::Refuse(_) => false,
    }
}

/// The conditions once for each value that one of them lists or that its expression takes, as far as
/// these are known: one example has the first value only.
fn each_value(when: &Predicates) -> Vec<Predicates> {
    fn with<N: Clone>(conditions: &[(N, Condition)]) -> Vec<Vec<(N, Condition)>> {
        let each = conditions.iter().enumerate().flat_map(|(at, (_, condition))| {
            condition.values().into_iter().map(move |value| (at, Condition::Equals(value)))
        });
        let put = |(at, condition): (usize, Condition)| {
            let mut all = conditions.to_vec();
            if let Some((_, known)) = all.get_mut(at) {
                *known = condition;
            }
            all
        };
        each.map(put).collect()
    }
    let headers = with(&when.headers).into_iter().map(|headers| Predicates { headers, ..when.clone() });
    let cookies = with(&when.cookies).into_iter().map(|cookies| Predicates { cookies, ..when.clone() });
    let query = with(&when.query).into_iter().map(|query| Predicates { query, ..when.clone() });
    headers.chain(cookies).chain(query).collect()
}

fn states_another_writer(slice: &Slice) -> bool {
    slice.writer_stated && slice.writer != Writer::Extracted
}

const NEUTRAL_HOST: &str = "probe.invalid";

/// Example requests of a pattern, or of what two patterns have in common; once as plain as their conditions
/// allow, and once with every name that any route looks at.
fn probes(
    pattern: &Pattern,
    when: &Predicates,
    other: Option<(&Pattern, &Predicates)>,
    names: &Names,
) -> Vec<Probe> {
    let Some(host) = host_of(pattern.host(), other.map(|(other, _)| other.host())) else { return Vec::new() };
    let paths: Vec<String> = match other {
        None => own_paths(pattern, names.elements),
        Some((other, _)) => common_path(pattern, other).into_iter().collect(),
    };
    // What counts as a write is decided by the snapshots: a pattern alone may not say.
    let mut methods = unsafe_methods(pattern, Some(Effect::Write));
    if let Some((other, _)) = other {
        let theirs = unsafe_methods(other, Some(Effect::Write));
        if pattern.methods().is_named() && other.methods().is_named() {
            methods.retain(|method| theirs.contains(method));
        } else if other.methods().is_named() {
            methods = theirs;
        }
    }
    if paths.is_empty() || methods.is_empty() {
        return Vec::new();
    }
    let when: Vec<&Predicates> = std::iter::once(when).chain(other.map(|(_, when)| when)).collect();
    let Some(plain) = joint_example(&when) else { return Vec::new() };
    let full = names.added_to(&plain, &when);
    let mut found = Vec::with_capacity(paths.len() * methods.len());
    for conditions in std::iter::once(&plain).chain(&full) {
        for path in &paths {
            for method in &methods {
                found.push(Probe(Example {
                    method: (*method).to_owned(),
                    host: host.clone(),
                    path: path.clone(),
                    ..conditions.clone()
                }));
            }
        }
    }
    found
}

/// What the conditions of two snapshots look at. A request that has all of it, with values that nobody asks for,
/// escapes the routes that take a plain one.
#[derive(Default)]
struct Names {
    headers: BTreeSet<String>,
    cookies: BTreeSet<String>,
    query: BTreeSet<String>,
    /// Elements of the longest pattern.
    elements: usize,
}

impl Names {
    /// The value that is given.
    const VALUE: &str = "probe~0";

    fn of(snapshots: [&Snapshot; 2]) -> Names {
        let mut names = Names::default();
        for route in snapshots.into_iter().flat_map(|snapshot| &snapshot.routes) {
            let when = &route.when;
            names.elements = names.elements.max(route.pattern.elements().len());
            names.headers.extend(when.headers.iter().map(|(name, _)| name.as_str().to_owned()));
            names.cookies.extend(when.cookies.iter().map(|(name, _)| name.clone()));
            names.query.extend(when.query.iter().map(|(name, _)| name.clone()));
        }
        names
    }

    /// An example with every name added under which the conditions go on to hold; `None`: nothing to add.
    fn added_to(&self, plain: &Example, when: &[&Predicates]) -> Option<Example> {
        let mut last = plain.clone();
        let keep = |last: &mut Example, changed: Example| {
            if when.iter().all(|when| when.hold(&changed.view())) {
                *last = changed;
            }
        };
        for name in &self.headers {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                let mut changed = last.clone();
                changed.headers.insert(name, HeaderValue::from_static(Names::VALUE));
                keep(&mut last, changed);
            }
        }
        for name in &self.cookies {
            let rest = last.headers.get(COOKIE).and_then(|line| line.to_str().ok()).unwrap_or_default();
            if let Ok(line) = HeaderValue::from_str(&format!("{name}={}; {rest}", Names::VALUE)) {
                let mut changed = last.clone();
                changed.headers.insert(COOKIE, line);
                keep(&mut last, changed);
            }
        }
        for name in &self.query {
            let rest = last.query.as_deref().unwrap_or_default();
            let query = format!("{}={}&{rest}", path::query_encoded(name), Names::VALUE);
            let changed = Example { query: Some(query), ..last.clone() };
            keep(&mut last, changed);
        }
        (last != *plain).then_some(last)
    }
}

/// A route whose conditions no example is known for is lost unless a route with the same match goes on.
fn unprobed(old: &Snapshot, owner: &Route, new: &Snapshot) -> Option<LostWriter> {
    let goes_on = new.routes.iter().filter(|route| route.pattern == owner.pattern).any(|route| {
        let slice = new.slice(route.slice);
        slice.writer == Writer::Extracted || states_another_writer(slice)
    });
    (!goes_on).then(|| LostWriter {
        slice: old.slice(owner.slice).name.to_string(),
        route: owner.id.to_string(),
        example: owner.pattern.text.clone(),
    })
}

fn host_of(one: &HostPattern, other: Option<&HostPattern>) -> Option<String> {
    let concrete = |host: &HostPattern| match host {
        HostPattern::Any => NEUTRAL_HOST.to_owned(),
        HostPattern::Wildcard(suffix) => format!("probe.{suffix}"),
        HostPattern::Exact(host) => host.to_string(),
    };
    let candidates = std::iter::once(one).chain(other).filter(|host| **host != HostPattern::Any);
    let candidates: Vec<String> = candidates.map(concrete).collect();
    if candidates.is_empty() {
        return Some(NEUTRAL_HOST.to_owned());
    }
    candidates.into_iter().find(|host| one.matches(host) && other.is_none_or(|other| other.matches(host)))
}

fn element_text(element: &Element) -> &str {
    match element {
        Element::Literal(text) => text,
        Element::Param { kind: ParamKind::Any, .. } => ANY_ELEMENT,
        Element::Param { kind: ParamKind::Int, .. } => INT_ELEMENT,
        Element::Param { kind: ParamKind::Uuid, .. } => UUID_ELEMENT,
    }
}

/// Paths that a pattern matches: one of each spelling its rules allow, and several below a `/**`, one of which is longer
/// than any pattern without one.
fn own_paths(pattern: &Pattern, longest: usize) -> Vec<String> {
    let base: String =
        pattern.elements().iter().map(|element| format!("/{}", element_text(element))).collect();
    let mut paths = vec![base.clone()];
    let beyond = (longest + 1).saturating_sub(pattern.elements().len()).max(1);
    let tails = [
        "/".to_owned(),
        format!("/{ANY_ELEMENT}"),
        format!("/{ANY_ELEMENT}/"),
        format!("/{ANY_ELEMENT}/{INT_ELEMENT}"),
        format!("/{ANY_ELEMENT}").repeat(beyond),
    ];
    paths.extend(tails.iter().map(|tail| format!("{base}{tail}")));
    paths.push(base.to_ascii_uppercase());
    paths.push(format!("{base};probe=1"));
    paths.retain(|path| !path.is_empty() && pattern.matches_path(&path::normal(path)));
    paths
}

/// A path that both patterns match.
fn common_path(one: &Pattern, other: &Pattern) -> Option<String> {
    let (a, b) = (one.elements(), other.elements());
    if (a.len() > b.len() + 1 && !other.has_tail()) || (b.len() > a.len() + 1 && !one.has_tail()) {
        return None;
    }
    let mut path = String::new();
    for index in 0..a.len().max(b.len()) {
        let element = match (a.get(index), b.get(index)) {
            (Some(a), Some(b)) => common_element(a, b)?,
            (Some(only), None) | (None, Some(only)) => element_text(only),
            (None, None) => return None,
        };
        path.push('/');
        path.push_str(element);
    }
    if path.is_empty() {
        path.push('/');
    }
    let normal = path::normal(&path);
    (one.matches_path(&normal) && other.matches_path(&normal)).then(|| path.clone())
}

fn common_element<'a>(a: &'a Element, b: &'a Element) -> Option<&'a str> {
    match (a, b) {
        (Element::Literal(a), Element::Literal(b)) => a.eq_ignore_ascii_case(b).then_some(a.as_ref()),
        (Element::Literal(text), Element::Param { kind, .. })
        | (Element::Param { kind, .. }, Element::Literal(text)) => kind.takes(text).then_some(text.as_ref()),
        (Element::Param { kind: ParamKind::Any, .. }, param)
        | (param, Element::Param { kind: ParamKind::Any, .. }) => Some(element_text(param)),
        (Element::Param { kind: a_kind, .. }, Element::Param { kind: b_kind, .. }) => {
            (a_kind == b_kind).then(|| element_text(a))
        }
    }
}

#[cfg(test)]
mod tests;
