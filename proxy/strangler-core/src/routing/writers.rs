//! Writes that a new snapshot would silently take back to legacy.
//!
//! A slice that was deleted, renamed or truncated must not hand to the monolith writes that the extracted service
//! owns. Found by probing: example requests of every pattern that changed, and of its overlap with every route
//! whose writer is extracted, are decided by both snapshots with the same [`decide`] that serves. Refuses repair:
//! it names what would be lost.

use std::collections::{BTreeMap, HashMap};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::decide::{Decision, Facts, Verdict, decide};
use crate::matching::path;
use crate::matching::pattern::{Element, HostPattern, Methods, ParamKind};
use crate::matching::predicate::Condition;
use crate::matching::{Pattern, Predicates, RequestView};
use crate::snapshot::{Route, Slice, Snapshot};
use crate::words::{Effect, Owner, Writer};

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
    let mut lost = BTreeMap::new();
    let mut try_probe = |probe: &Probe| {
        if let Some(found) = probe.lost(old, new) {
            lost.entry((found.slice.clone(), found.route.clone())).or_insert(found);
        }
    };
    for (pattern, when) in &changed {
        for probe in probes(pattern, when, None) {
            try_probe(&probe);
        }
    }
    if changed.len().saturating_mul(owners.len()) <= PAIRS_MAX {
        for (pattern, when) in &changed {
            for owner in owners.iter().filter(|owner| owner.pattern != **pattern) {
                for probe in probes(pattern, when, Some((&owner.pattern, &owner.when))) {
                    try_probe(&probe);
                }
            }
        }
    }
    for owner in owners.iter().filter(|owner| !can_be_probed(&owner.when)) {
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
        Methods::Any => UNSAFE_METHODS.iter().copied().chain(["GET"]).collect(),
        Methods::Named(named) => named.iter().map(AsRef::as_ref).collect(),
    };
    let is_safe = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS");
    match effect {
        Some(Effect::Read) => Vec::new(),
        Some(Effect::Write) => all,
        None => all.into_iter().filter(|method| !is_safe(method)).collect(),
    }
}

type Changed<'a> = Vec<(&'a Pattern, &'a Predicates)>;

/// Patterns of either snapshot that do not decide in both as they did.
fn changed_patterns<'a>(old: &'a Snapshot, new: &'a Snapshot) -> Changed<'a> {
    static ALWAYS: Predicates =
        Predicates { headers: Vec::new(), cookies: Vec::new(), query: Vec::new(), accept: None };
    let mut changed = Changed::new();
    for (here, there) in [(old, new), (new, old)] {
        let by_id: HashMap<&str, &Route> =
            there.routes.iter().map(|route| (&*route.id, route.as_ref())).collect();
        for route in &here.routes {
            let same = by_id.get(&*route.id).is_some_and(|other| same_route(here, route, there, other));
            if !same {
                changed.push((&route.pattern, &route.when));
            }
        }
        let by_name: HashMap<&str, &Slice> =
            there.slices.iter().map(|slice| (&*slice.name, slice.as_ref())).collect();
        for slice in &here.slices {
            if by_name.get(&*slice.name).is_none_or(|other| other.except != slice.except) {
                changed.extend(slice.except.iter().map(|pattern| (pattern, &ALWAYS)));
            }
        }
    }
    changed
}

fn same_route(here: &Snapshot, a: &Route, there: &Snapshot, b: &Route) -> bool {
    let (slice_a, slice_b) = (here.slice(a.slice), there.slice(b.slice));
    let same_when =
        (a.when.is_empty() && b.when.is_empty()) || format!("{:?}", a.when) == format!("{:?}", b.when);
    a.pattern == b.pattern
        && a.effect == b.effect
        && a.priority == b.priority
        && a.listed == b.listed
        && a.phase == b.phase
        && slice_a.name == slice_b.name
        && slice_a.writer == slice_b.writer
        && slice_a.writer_stated == slice_b.writer_stated
        && slice_a.except == slice_b.except
        && same_when
}

/// One example request.
struct Probe {
    method: String,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

impl Probe {
    fn decide(&self, snapshot: &Snapshot) -> Decision {
        let view = RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            client_ip: None,
        };
        decide(snapshot, &view, Facts::NONE)
    }

    fn lost(&self, old: &Snapshot, new: &Snapshot) -> Option<LostWriter> {
        let before = self.decide(old);
        let extracted = matches!(before.verdict, Verdict::Forward { owner: Owner::Extracted, .. });
        if !(extracted && before.effect == Effect::Write) {
            return None;
        }
        let after = self.decide(new);
        if !matches!(after.verdict, Verdict::Forward { owner: Owner::Legacy, .. }) {
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
        let host = if self.host == NEUTRAL_HOST { "" } else { &self.host };
        write!(f, "{} {host}{}", self.method, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        Ok(())
    }
}

fn states_another_writer(slice: &Slice) -> bool {
    slice.writer_stated && slice.writer != Writer::Extracted
}

const NEUTRAL_HOST: &str = "probe.invalid";

/// Example requests of a pattern, or of what two patterns have in common.
fn probes(pattern: &Pattern, when: &Predicates, other: Option<(&Pattern, &Predicates)>) -> Vec<Probe> {
    let mut headers = HeaderMap::new();
    let mut cookies = Vec::new();
    let mut query = Vec::new();
    for when in std::iter::once(when).chain(other.map(|(_, when)| when)) {
        if !satisfy(when, &mut headers, &mut cookies, &mut query) {
            return Vec::new();
        }
    }
    if !cookies.is_empty() {
        let Ok(value) = HeaderValue::from_str(&cookies.join("; ")) else { return Vec::new() };
        headers.insert(http::header::COOKIE, value);
    }
    let Some(host) = host_of(pattern.host(), other.map(|(other, _)| other.host())) else { return Vec::new() };
    let query = (!query.is_empty()).then(|| query.join("&"));
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
    let paths = match other {
        None => own_paths(pattern),
        Some((other, _)) => common_path(pattern, other).into_iter().collect(),
    };
    let mut found = Vec::with_capacity(paths.len() * methods.len());
    for path in &paths {
        for method in &methods {
            found.push(Probe {
                method: (*method).to_owned(),
                host: host.clone(),
                path: path.clone(),
                query: query.clone(),
                headers: headers.clone(),
            });
        }
    }
    found
}

/// Adds what makes the conditions hold; false where that cannot be found.
fn satisfy(
    when: &Predicates,
    headers: &mut HeaderMap,
    cookies: &mut Vec<String>,
    query: &mut Vec<String>,
) -> bool {
    for (name, condition) in &when.headers {
        match example(condition) {
            Some(Some(value)) => {
                let Ok(value) = HeaderValue::from_str(&value) else { return false };
                headers.insert(name.clone(), value);
            }
            Some(None) => {}
            None => return false,
        }
    }
    for (list, conditions, separator) in [(cookies, &when.cookies, "="), (query, &when.query, "=")] {
        for (name, condition) in conditions {
            match example(condition) {
                Some(Some(value)) => list.push(format!("{name}{separator}{value}")),
                Some(None) => {}
                None => return false,
            }
        }
    }
    if let Some(accept) = &when.accept {
        let Ok(value) = HeaderValue::from_str(accept) else { return false };
        headers.insert(HeaderName::from_static("accept"), value);
    }
    true
}

/// A value that satisfies a condition: `None` where none is known, `Some(None)` where it must be absent.
fn example(condition: &Condition) -> Option<Option<String>> {
    match condition {
        Condition::Equals(value) => Some(Some(value.clone())),
        Condition::In(values) => values.first().map(|value| Some(value.clone())),
        Condition::Present => Some(Some("probe".to_owned())),
        Condition::Absent => Some(None),
        Condition::Regex(_) => None,
    }
}

fn can_be_probed(when: &Predicates) -> bool {
    let conditions = when.headers.iter().map(|(_, c)| c);
    let others = when.cookies.iter().chain(&when.query).map(|(_, c)| c);
    conditions.chain(others).all(|condition| example(condition).is_some())
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

/// Paths that a pattern matches: one of each spelling its rules allow, and several below a `/**`.
fn own_paths(pattern: &Pattern) -> Vec<String> {
    let base: String =
        pattern.elements().iter().map(|element| format!("/{}", element_text(element))).collect();
    let mut paths = vec![base.clone()];
    let tails = ["/".to_owned(), format!("/{ANY_ELEMENT}"), format!("/{ANY_ELEMENT}/{INT_ELEMENT}")];
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
