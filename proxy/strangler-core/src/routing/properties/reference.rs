//! A naive reading of the design's "Match": every route is looked at, nothing is compiled, and match texts are
//! read anew for every request. Shares with the code under test only conditions on values.

use super::generate::Request;
use crate::matching::Predicates;
use crate::matching::path::PathRules;
use crate::routing::fixture::SliceFixture;

/// A route that matches a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: u32,
    slice: usize,
    listed: bool,
    /// Greater wins: host, path, named method, conditions, priority.
    pub(super) rank: (usize, Vec<u8>, bool, [usize; 4], i64),
}

struct Route {
    text: String,
    rules: PathRules,
    when: Predicates,
    priority: i64,
    slice: usize,
    listed: bool,
}

pub(super) struct Reference<'a> {
    routes: Vec<Route>,
    slices: &'a [SliceFixture],
}

impl<'a> Reference<'a> {
    pub(super) fn new(slices: &'a [SliceFixture]) -> Reference<'a> {
        let routes = slices
            .iter()
            .enumerate()
            .flat_map(|(at, slice)| slice.routes.iter().map(move |route| (at, slice, route)))
            .map(|(at, slice, route)| Route {
                text: route.text.clone(),
                rules: slice.rules,
                when: route.when.clone(),
                priority: route.priority,
                slice: at,
                listed: route.listed,
            })
            .collect();
        Reference { routes, slices }
    }

    /// The most specific routes that match; more than one only where they tie.
    pub(super) fn best(&self, request: &Request) -> Vec<Candidate> {
        let mut candidates = self.matching(request);
        let best = candidates.iter().map(|candidate| candidate.rank.clone()).max();
        candidates.retain(|candidate| Some(&candidate.rank) == best.as_ref());
        candidates
    }

    /// All routes that match.
    pub(super) fn matching(&self, request: &Request) -> Vec<Candidate> {
        let method = method_of(request);
        let fits = |route: &Route| {
            let (_, host, path) = parts(&route.text);
            host_fits(host, &request.host)
                && path_fits(path, &request.path, route.rules)
                && route.when.hold(&request.view())
        };
        let names =
            |route: &Route, method: &str| parts(&route.text).0.split(',').any(|named| named == method);
        let is_any = |route: &Route| parts(&route.text).0.is_empty();
        // "GET implies HEAD unless a HEAD route matches."
        let head_route = self.routes.iter().any(|route| names(route, "HEAD") && fits(route));
        let method_fits = |route: &Route| {
            is_any(route) || names(route, method) || (method == "HEAD" && names(route, "GET") && !head_route)
        };
        (0..)
            .zip(&self.routes)
            .filter(|(_, route)| method_fits(route) && fits(route))
            .map(|(id, route)| Candidate { id, slice: route.slice, listed: route.listed, rank: rank(route) })
            .collect()
    }

    /// Whether the slice of a route excepts a request.
    pub(super) fn is_excepted(&self, candidate: &Candidate, request: &Request) -> bool {
        let slice = &self.slices[candidate.slice];
        let method = method_of(request);
        candidate.listed
            && slice.except.iter().any(|text| {
                let (methods, host, path) = parts(text);
                let mut named = methods.split(',');
                (methods.is_empty()
                    || named.any(|name| name == method || (name == "GET" && method == "HEAD")))
                    && host_fits(host, &request.host)
                    && path_fits(path, &request.path, slice.rules)
            })
    }
}

fn rank(route: &Route) -> (usize, Vec<u8>, bool, [usize; 4], i64) {
    let (methods, host, path) = parts(&route.text);
    let host = match host.strip_prefix("*.") {
        None if host.is_empty() => 0,
        None => 1_000,
        Some(suffix) => suffix.split('.').count(),
    };
    // Literal 4, typed 3, named 2, end 1, tail 0.
    let mut elements: Vec<u8> = Vec::new();
    let mut tail = false;
    for element in pattern_elements(path, route.rules) {
        match element.as_str() {
            "**" => tail = true,
            typed if typed.starts_with('{') && typed.contains(':') => elements.push(3),
            named if named.starts_with('{') => elements.push(2),
            _ => elements.push(4),
        }
    }
    elements.push(u8::from(!tail));
    let when = &route.when;
    let conditions =
        [when.headers.len(), when.cookies.len(), when.query.len(), usize::from(when.accept.is_some())];
    (host, elements, !methods.is_empty(), conditions, route.priority)
}

/// The method that is looked up.
fn method_of(request: &Request) -> &str {
    let asked = request.headers.get("access-control-request-method").and_then(|value| value.to_str().ok());
    match asked {
        Some(asked) if request.method == "OPTIONS" && request.headers.contains_key("origin") => asked,
        _ => &request.method,
    }
}

/// Methods, host and path of a match text.
fn parts(text: &str) -> (&str, &str, &str) {
    let (methods, target) = text.split_once(' ').unwrap_or(("", text));
    let (host, path) = target.split_at(target.find('/').unwrap());
    (methods, host, path)
}

fn host_fits(pattern: &str, sent: &str) -> bool {
    let sent = sent.split(':').next().unwrap().trim_end_matches('.').to_lowercase();
    match pattern.strip_prefix('*') {
        _ if pattern.is_empty() => true,
        None => pattern == sent,
        Some(suffix) => sent.ends_with(suffix) && sent.len() > suffix.len(),
    }
}

/// "A trailing slash is significant except … by `paths`": one that may be left out is.
fn without_slash(mut elements: Vec<String>, rules: PathRules) -> Vec<String> {
    if let [.., before, last] = elements.as_slice()
        && rules.trailing_slash_same
        && last.is_empty()
        && !before.is_empty()
    {
        elements.pop();
    }
    elements
}

fn pattern_elements(path: &str, rules: PathRules) -> Vec<String> {
    let elements: Vec<String> = path.split('/').skip(1).map(|element| comparable(element, rules)).collect();
    without_slash(elements, rules)
}

fn path_fits(pattern: &str, sent: &str, rules: PathRules) -> bool {
    let elements = pattern_elements(pattern, rules);
    let sent: Vec<String> = sent.split('/').skip(1).map(|element| comparable(element, rules)).collect();
    if let [prefix @ .., last] = elements.as_slice()
        && last == "**"
    {
        return sent.len() >= prefix.len() && prefix.iter().zip(&sent).all(|(p, s)| element_fits(p, s));
    }
    let sent = without_slash(sent, rules);
    sent.len() == elements.len() && elements.iter().zip(&sent).all(|(p, s)| element_fits(p, s))
}

fn element_fits(pattern: &str, sent: &str) -> bool {
    let uuid = || {
        let groups: Vec<&str> = sent.split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        lengths == [8, 4, 4, 4, 12] && groups.concat().chars().all(|digit| digit.is_ascii_hexdigit())
    };
    match pattern.strip_prefix('{') {
        None => pattern == sent,
        Some(_) if sent.is_empty() => false,
        Some(named) if named.ends_with(":int}") => sent.chars().all(|digit| digit.is_ascii_digit()),
        Some(named) if named.ends_with(":uuid}") => uuid(),
        Some(_) => true,
    }
}

/// An element as it is compared: letters, digits and `-._~` decoded, `;` parameters and case by the rules.
fn comparable(element: &str, rules: PathRules) -> String {
    if element.starts_with('{') {
        return element.to_owned();
    }
    let element = if rules.matrix_ignored { element.split(';').next().unwrap() } else { element };
    let mut decoded = String::new();
    let mut rest = element.bytes();
    while let Some(byte) = rest.next() {
        let mut escaped = || rest.next().map(char::from).unwrap();
        let value = if byte == b'%' {
            u8::from_str_radix(&format!("{}{}", escaped(), escaped()), 16).unwrap()
        } else {
            byte
        };
        let plain = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
        if plain || (byte != b'%' && value.is_ascii()) {
            decoded.push(char::from(value));
        } else {
            decoded.push_str(&format!("%{value:02X}"));
        }
    }
    if rules.case_insensitive { decoded.to_lowercase() } else { decoded }
}
