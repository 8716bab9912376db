//! Ties, and routes that can never win.
//!
//! Owns the comparison of routes with one another. Routes are grouped by host and shape of the path first, and
//! within a group by the values they ask for, so that only routes that may meet are compared: two routes of
//! different shape are ordered by the shape itself. Refuses wording: it names routes and an example request.

use std::collections::{BTreeSet, HashMap};

use super::Pattern;
use super::example::{Example, element_example, joint_example, path_of};
use super::path::{self, PathRules};
use super::pattern::{Element, HostPattern, Methods, ParamKind};
use super::predicate::solve::implies;
use super::predicate::{Condition, Predicates};
use super::table::{Conflict, Entry};
use crate::words::RouteId;

/// Everything that is wrong between routes, ordered by the later route of a tie or the hidden route.
pub(super) fn conflicts(entries: &[Entry<'_>], excepts: &[Vec<Pattern>]) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut groups: HashMap<Shape<'_>, Vec<Numbered<'_>>> = HashMap::new();
    for (id, entry) in (0..).zip(entries) {
        if entry.when.contradict() {
            found.push(Conflict::NeverWins { loser: RouteId(id), winner: None, example: String::new() });
            continue;
        }
        if is_excepted(entry, excepts) {
            found.push(Conflict::NeverWins { loser: RouteId(id), winner: None, example: example_of(entry) });
        }
        groups.entry(Shape::of(entry)).or_default().push(Numbered { id, entry });
    }
    for group in groups.values() {
        for partners in partitions(group) {
            compare_all(&partners, &mut found);
        }
    }
    found.sort_by_key(order);
    // A route that asks for one of several values stands in several partitions; once is enough.
    found.dedup_by_key(|conflict| {
        let (route, kind, _) = order(conflict);
        (route, kind)
    });
    found
}

/// The route that is complained about, whether it is hidden, and the other route.
fn order(conflict: &Conflict) -> (RouteId, bool, Option<RouteId>) {
    match conflict {
        Conflict::Tie { first, second, .. } => (*second, false, Some(*first)),
        Conflict::NeverWins { loser, winner, .. } => (*loser, true, *winner),
    }
}

/// A route and its number.
#[derive(Clone, Copy)]
struct Numbered<'a> {
    id: u32,
    entry: &'a Entry<'a>,
}

/// What routes have in common that may tie: everything that specificity looks at but priority.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'a> {
    host: &'a HostPattern,
    /// Elements by kind, literals in their loosest form. No literal holds a brace or a star.
    path: String,
    named_method: bool,
    conditions: [usize; 4],
}

impl<'a> Shape<'a> {
    fn of(entry: &Entry<'a>) -> Shape<'a> {
        const LOOSEST: PathRules =
            PathRules { trailing_slash_same: true, case_insensitive: true, matrix_ignored: true };
        let pattern = entry.pattern;
        let mut path = String::new();
        for element in pattern.elements() {
            path.push('/');
            match element {
                Element::Literal(text) => path.push_str(&path::loosened(text, LOOSEST)),
                Element::Param { kind: ParamKind::Any, .. } => path.push_str("{}"),
                Element::Param { kind: ParamKind::Int, .. } => path.push_str("{int}"),
                Element::Param { kind: ParamKind::Uuid, .. } => path.push_str("{uuid}"),
            }
        }
        if pattern.has_tail() {
            path.push_str("/**");
        }
        Shape {
            host: pattern.host(),
            path,
            named_method: pattern.methods().is_named(),
            conditions: entry.when.counts(),
        }
    }
}

/// Whether the slice of a listed route excepts everything that the route matches.
fn is_excepted(entry: &Entry<'_>, excepts: &[Vec<Pattern>]) -> bool {
    let own = excepts.get(entry.slice.0 as usize).filter(|_| entry.listed);
    own.is_some_and(|own| own.iter().any(|except| is_covered(entry.pattern, except)))
}

/// A request that an entry matches, as text; without conditions where no values for them were found.
fn example_of(entry: &Entry<'_>) -> String {
    let plain = entry.pattern.example();
    plain.clone().with(entry.when).unwrap_or(plain).to_string()
}

/// Parts of a group within which routes may meet. A large group is split by the values that its routes ask
/// for under one name, so that ten thousand tenants on one path are not compared pair by pair.
fn partitions<'a>(group: &[Numbered<'a>]) -> Vec<Vec<Numbered<'a>>> {
    const SMALL: usize = 16;
    let Some(name) = (group.len() > SMALL).then(|| common_name(group)).flatten() else {
        return vec![group.to_vec()];
    };
    let mut by_value: HashMap<&str, Vec<Numbered<'a>>> = HashMap::new();
    let mut open = Vec::new();
    for route in group {
        match finite_values(route.entry.when).find(|(candidate, _)| *candidate == name) {
            Some((_, values)) => {
                for value in values.iter().collect::<BTreeSet<_>>() {
                    by_value.entry(value).or_default().push(*route);
                }
            }
            None => open.push(*route),
        }
    }
    if by_value.is_empty() {
        return vec![open];
    }
    by_value
        .into_values()
        .map(|mut partition| {
            partition.extend(&open);
            partition.sort_by_key(|route| route.id);
            partition
        })
        .collect()
}

/// Where a value is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name<'a> {
    Header(&'a str),
    Cookie(&'a str),
    Query(&'a str),
}

/// The name under which most routes of a group ask for certain values.
fn common_name<'a>(group: &[Numbered<'a>]) -> Option<Name<'a>> {
    let mut counts: HashMap<Name<'a>, usize> = HashMap::new();
    for route in group {
        for (name, _) in finite_values(route.entry.when) {
            *counts.entry(name).or_default() += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name)
}

/// The conditions that only certain values satisfy.
fn finite_values(when: &Predicates) -> impl Iterator<Item = (Name<'_>, &[String])> {
    let headers = when.headers.iter().map(|(name, condition)| (Name::Header(name.as_str()), condition));
    let cookies = when.cookies.iter().map(|(name, condition)| (Name::Cookie(name), condition));
    let query = when.query.iter().map(|(name, condition)| (Name::Query(name), condition));
    headers.chain(cookies).chain(query).filter_map(|(name, condition)| match condition {
        Condition::Equals(value) => Some((name, std::slice::from_ref(value))),
        Condition::In(values) => Some((name, values.as_slice())),
        _ => None,
    })
}

/// Compares routes that may meet: each with those before it until a tie is found, and with those of higher
/// priority until one hides it.
fn compare_all(routes: &[Numbered<'_>], found: &mut Vec<Conflict>) {
    for (at, later) in routes.iter().enumerate() {
        let tie = routes
            .iter()
            .take(at)
            .filter(|earlier| earlier.entry.priority == later.entry.priority)
            .find_map(|earlier| Some((earlier, tie_example(earlier.entry, later.entry)?)));
        if let Some((earlier, example)) = tie {
            let (first, second) = (RouteId(earlier.id), RouteId(later.id));
            found.push(Conflict::Tie { first, second, example: example.to_string() });
        }
        let mut higher = routes.iter().filter(|other| other.entry.priority > later.entry.priority);
        if let Some(winner) = higher.find(|other| is_hidden_by(later.entry, other.entry)) {
            found.push(Conflict::NeverWins {
                loser: RouteId(later.id),
                winner: Some(RouteId(winner.id)),
                example: example_of(later.entry),
            });
        }
    }
}

/// A request that two routes of one shape both match; `None` where there is none.
fn tie_example(a: &Entry<'_>, b: &Entry<'_>) -> Option<Example> {
    let method = common_method(a.pattern.methods(), b.pattern.methods())?;
    let mut elements = Vec::with_capacity(a.pattern.elements().len());
    for (left, right) in a.pattern.elements().iter().zip(b.pattern.elements()) {
        elements.push(match (left, right) {
            (Element::Literal(left), Element::Literal(right)) => {
                common_literal(left, a.pattern.rules, right, b.pattern.rules)?
            }
            _ => element_example(left).to_owned(),
        });
    }
    if !a.when.can_hold_with(b.when) {
        return None;
    }
    let conditions = joint_example(&[a.when, b.when]).unwrap_or_default();
    let path = path_of(elements.iter().map(String::as_str));
    Some(Example { method: method.to_owned(), path, host: a.pattern.example().host, ..conditions })
}

/// A method that both name, or any where neither names one. GET implies HEAD only where no HEAD route matches,
/// so that a route of GET and one of HEAD never meet.
fn common_method<'a>(a: &'a Methods, b: &Methods) -> Option<&'a str> {
    match (a, b) {
        (Methods::Any, Methods::Any) => Some("GET"),
        (Methods::Named(named), b) => named.iter().map(|name| &**name).find(|name| b.names(name)),
        (Methods::Any, Methods::Named(_)) => None,
    }
}

/// An element that two literals both match, each under its own rules.
fn common_literal(a: &str, a_rules: PathRules, b: &str, b_rules: PathRules) -> Option<String> {
    if a == b {
        return Some(a.to_owned());
    }
    let stem = path::without_matrix;
    let parameters = |text: &str| text.get(stem(text).len()..).unwrap_or_default().to_owned();
    let candidates = [
        a.to_owned(),
        b.to_owned(),
        format!("{}{}", stem(a), parameters(b)),
        format!("{}{}", stem(b), parameters(a)),
    ];
    candidates
        .into_iter()
        .find(|text| path::loosened(text, a_rules) == a && path::loosened(text, b_rules) == b)
}

/// Whether `winner`, a route of the same shape and higher priority, takes every request of `loser`.
fn is_hidden_by(loser: &Entry<'_>, winner: &Entry<'_>) -> bool {
    let methods = match (loser.pattern.methods(), winner.pattern.methods()) {
        (Methods::Named(lost), winner) => lost.iter().all(|method| winner.names(method)),
        (Methods::Any, winner) => !winner.is_named(),
    };
    methods && covers_path(winner.pattern, loser.pattern) && implies_all(loser.when, winner.when)
}

/// Whether the conditions of `given` being met means that those of `wanted` are.
fn implies_all(given: &Predicates, wanted: &Predicates) -> bool {
    fn every<N: PartialEq>(given: &[(N, Condition)], wanted: &[(N, Condition)]) -> bool {
        wanted.iter().all(|(name, wanted)| {
            given.iter().any(|(candidate, given)| candidate == name && implies(given, wanted))
        })
    }
    every(&given.headers, &wanted.headers)
        && every(&given.cookies, &wanted.cookies)
        && every(&given.query, &wanted.query)
        && (wanted.accept.is_none() || wanted.accept == given.accept)
}

/// Whether `cover` matches every request that `pattern` matches. False where that is not certain.
pub(super) fn is_covered(pattern: &Pattern, cover: &Pattern) -> bool {
    covers_host(cover.host(), pattern.host())
        && covers_methods(cover.methods(), pattern.methods())
        && covers_path(cover, pattern)
}

fn covers_host(cover: &HostPattern, host: &HostPattern) -> bool {
    match (cover, host) {
        (HostPattern::Any, _) => true,
        (cover, HostPattern::Exact(host)) => cover.matches(host),
        (HostPattern::Wildcard(cover), HostPattern::Wildcard(suffix)) => {
            cover == suffix || HostPattern::Wildcard(cover.clone()).matches(suffix)
        }
        _ => false,
    }
}

fn covers_methods(cover: &Methods, methods: &Methods) -> bool {
    match (cover, methods) {
        (Methods::Any, _) => true,
        (cover, Methods::Named(named)) => {
            named.iter().all(|name| cover.names(name) || (&**name == "HEAD" && cover.names("GET")))
        }
        (Methods::Named(_), Methods::Any) => false,
    }
}

fn covers_path(cover: &Pattern, pattern: &Pattern) -> bool {
    let (above, below) = (cover.elements(), pattern.elements());
    if above.len() > below.len() {
        return false;
    }
    let rules_cover = (cover.rules.case_insensitive || !pattern.rules.case_insensitive)
        && (cover.rules.matrix_ignored || !pattern.rules.matrix_ignored);
    let covers = |above: &Element, below: &Element| match (above, below) {
        (Element::Literal(above), Element::Literal(below)) => {
            path::loosened(below, cover.rules) == **above
                && (rules_cover || (above.is_empty() && !pattern.rules.matrix_ignored))
        }
        (Element::Literal(_), Element::Param { .. }) => false,
        (Element::Param { kind, .. }, Element::Literal(below)) => {
            kind.takes(below) && (*kind == ParamKind::Any || rules_cover)
        }
        (Element::Param { kind: ParamKind::Any, .. }, Element::Param { .. }) => true,
        (Element::Param { kind: above, .. }, Element::Param { kind: below, .. }) => {
            above == below && rules_cover
        }
    };
    if !above.iter().zip(below).all(|(above, below)| covers(above, below)) {
        return false;
    }
    if cover.has_tail() {
        return true;
    }
    above.len() == below.len()
        && !pattern.has_tail()
        && (cover.allows_extra_slash() || !pattern.allows_extra_slash())
}

#[cfg(test)]
mod tests;
