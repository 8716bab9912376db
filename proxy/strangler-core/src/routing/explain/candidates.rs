//! The routes that a request might have been taken by, and why each was not.
//!
//! Owns the reasons. Looks at every route; refuses to choose among them: the winner is given.

use serde::Serialize;

use crate::matching::near;
use crate::matching::pattern::{Element, ParamKind};
use crate::matching::{Pattern, Reading, Specificity};
use crate::routing::decide::Decision;
use crate::snapshot::{Route, Snapshot};
use crate::words::RouteId;

/// A route whose path matches, or nearly does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// Its id.
    pub route: String,
    /// Its match text.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Its slice.
    pub slice: String,
    /// Where it is written.
    pub place: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it did not win, or why the winner's request goes to legacy all the same; one phrase each.
    pub reasons: Vec<String>,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It won.
    Won,
    /// It won, and its slice's `except` keeps the request with legacy.
    Excepted,
    /// It does not match, or a more specific route does.
    Lost,
    /// It would match if the request were spelt slightly differently.
    Near,
}

/// Every route whose path matches or nearly does, the winner first, and the number of all others.
pub(super) fn all(
    snapshot: &Snapshot,
    reading: &Reading<'_>,
    decision: &Decision,
) -> (Vec<Candidate>, usize) {
    let winner = decision.route.map(|id| &**snapshot.route(id));
    let names_head = head_is_named(snapshot, reading);
    let mut candidates = Vec::new();
    let mut others = 0;
    for (id, route) in (0..).zip(&snapshot.routes) {
        let (outcome, reasons) = if decision.route == Some(RouteId(id)) {
            won(snapshot, decision)
        } else if route.pattern.matches_path(&reading.path) {
            (Outcome::Lost, reasons_against(route, reading, winner, names_head.as_deref()))
        } else if near::resembles(&route.pattern, &reading.path) {
            (Outcome::Near, near_reasons(route, reading, winner))
        } else {
            others += 1;
            continue;
        };
        candidates.push((
            outcome,
            Specificity::of(&route.pattern, &route.when, route.priority),
            route,
            reasons,
        ));
    }
    candidates.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)).then_with(|| a.2.id.cmp(&b.2.id)));
    let candidates = candidates
        .into_iter()
        .map(|(outcome, _, route, reasons)| Candidate {
            route: route.id.to_string(),
            pattern: route.pattern.text.clone(),
            slice: snapshot.slice(route.slice).name.to_string(),
            place: route.place.to_string(),
            outcome,
            reasons,
        })
        .collect();
    (candidates, others)
}

fn won(snapshot: &Snapshot, decision: &Decision) -> (Outcome, Vec<String>) {
    let except = decision
        .slice
        .zip(decision.excepted)
        .and_then(|(slice, index)| snapshot.slice(slice).except.get(index as usize));
    match except {
        Some(pattern) => (Outcome::Excepted, vec![format!("its slice excepts {:?}", pattern.text)]),
        None => (Outcome::Won, Vec::new()),
    }
}

/// The id of a route that names HEAD and matches this HEAD request.
fn head_is_named(snapshot: &Snapshot, reading: &Reading<'_>) -> Option<String> {
    if reading.method != "HEAD" {
        return None;
    }
    let names = |route: &&std::sync::Arc<Route>| {
        route.pattern.methods().names("HEAD")
            && route.pattern.matches_path(&reading.path)
            && route.pattern.host().matches(&reading.host)
            && route.when.hold(reading.view)
    };
    snapshot.routes.iter().find(names).map(|route| route.id.to_string())
}

/// Host, method and conditions of a route that do not fit; empty where all do.
fn misfits(route: &Route, reading: &Reading<'_>, names_head: Option<&str>) -> Vec<String> {
    let mut reasons = Vec::new();
    let pattern = &route.pattern;
    if !pattern.host().matches(&reading.host) {
        let sent = if reading.host.is_empty() { "no host" } else { &reading.host };
        reasons.push(format!("host: wants {}, the request has {sent}", pattern.host().as_text()));
    }
    let methods = pattern.methods();
    let sent = reading.method;
    if methods.is_named() && !methods.names(sent) {
        let asked = if reading.preflight { "the preflight asks for" } else { "the request is" };
        match names_head {
            Some(other) if methods.names("GET") => {
                reasons.push(format!("method: GET does not imply HEAD here, since {other:?} names HEAD"));
            }
            None if sent == "HEAD" && methods.names("GET") => {}
            _ => reasons.push(format!("method: takes {}, {asked} {sent}", methods.as_text())),
        }
    }
    for unmet in route.when.unmet(reading.view) {
        let found = unmet.found.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"));
        reasons.push(format!("{}: wants {}, the request has {found}", unmet.subject, unmet.wanted));
    }
    reasons
}

fn reasons_against(
    route: &Route,
    reading: &Reading<'_>,
    winner: Option<&Route>,
    names_head: Option<&str>,
) -> Vec<String> {
    let reasons = misfits(route, reading, names_head);
    match winner {
        Some(winner) if reasons.is_empty() => vec![less_specific(route, winner)],
        _ => reasons,
    }
}

fn near_reasons(route: &Route, reading: &Reading<'_>, winner: Option<&Route>) -> Vec<String> {
    let difference = near::difference(&route.pattern, &reading.path);
    let mut reasons = vec![format!("path: differs in {}", difference.as_str())];
    if winner.is_none() {
        reasons.extend(misfits(route, reading, None));
    }
    reasons
}

/// Why a route that matches lost to another.
fn less_specific(route: &Route, winner: &Route) -> String {
    let own = Specificity::of(&route.pattern, &route.when, route.priority);
    let best = Specificity::of(&winner.pattern, &winner.when, winner.priority);
    if own.host != best.host {
        let host = |pattern: &Pattern| match pattern.host().as_text() {
            text if text.is_empty() => "any host".to_owned(),
            text => text,
        };
        return format!("less specific host: {} beats {}", host(&winner.pattern), host(&route.pattern));
    }
    let position = own.path.iter().zip(&best.path).position(|(own, best)| own != best);
    if let Some(at) = position {
        return format!(
            "less specific at element {}: {} beats {}",
            at + 1,
            element_text(&winner.pattern, at),
            element_text(&route.pattern, at)
        );
    }
    if own.named_method != best.named_method {
        return format!("less specific: the winner names {}", winner.pattern.methods().as_text());
    }
    let kinds = ["headers", "cookies", "the query", "accept"];
    let counts = own.conditions.into_iter().zip(best.conditions).zip(kinds);
    if let Some(((own, best), kind)) = counts.into_iter().find(|((own, best), _)| own != best) {
        return format!("less specific: {own} conditions on {kind}, the winner has {best}");
    }
    format!("lower priority: {}, the winner has {}", own.priority, best.priority)
}

/// A position of a pattern as it is written.
fn element_text(pattern: &Pattern, at: usize) -> String {
    match pattern.elements().get(at) {
        Some(Element::Literal(text)) if text.is_empty() => "an empty element".to_owned(),
        Some(Element::Literal(text)) => format!("literal {text:?}"),
        Some(Element::Param { name, kind: ParamKind::Any }) => format!("{{{name}}}"),
        Some(Element::Param { name, kind: ParamKind::Int }) => format!("{{{name}:int}}"),
        Some(Element::Param { name, kind: ParamKind::Uuid }) => format!("{{{name}:uuid}}"),
        None if pattern.has_tail() => "/**".to_owned(),
        None => "the end of the path".to_owned(),
    }
}
