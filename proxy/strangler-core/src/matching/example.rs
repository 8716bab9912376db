//! Concrete requests that a pattern and its conditions match.
//!
//! Owns the making of examples: for ties, for routes that never win, and for probing whether a new
//! configuration takes writes away from a service. Refuses to be exhaustive: one request per question.

use std::fmt;

use http::header::{ACCEPT, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::path;
use super::pattern::{Element, HostPattern, Methods, ParamKind, Pattern};
use super::predicate::solve::{Solution, solve};
use super::predicate::{Condition, Predicates};
use super::request::RequestView;

/// A request as an example. Its [`Display`](fmt::Display) is what a person would type:
/// `GET shop.example/payments/1 -H 'x-beta: 1'`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Its method.
    pub method: String,
    /// Its host; empty: any.
    pub host: String,
    /// Its path.
    pub path: String,
    /// Its query, without `?`.
    pub query: Option<String>,
    /// Its header lines.
    pub headers: HeaderMap,
}

impl Example {
    /// The example as routing sees it, without a client address.
    pub fn view(&self) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            client_ip: None,
        }
    }

    /// The example with what conditions ask for; `None` where no value was found for which they hold.
    pub fn with(mut self, when: &Predicates) -> Option<Example> {
        let Example { query, headers, .. } = when.example()?;
        self.query = query;
        self.headers = headers;
        Some(self)
    }
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.host, self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        for (name, value) in &self.headers {
            write!(f, " -H '{name}: {}'", String::from_utf8_lossy(value.as_bytes()))?;
        }
        Ok(())
    }
}

impl Pattern {
    /// A request that matches, without conditions: the first method named, else `GET`; `1` for a `{name}`.
    pub fn example(&self) -> Example {
        let method = match self.methods() {
            Methods::Named(named) => named.first().map_or("GET", |method| method),
            Methods::Any => "GET",
        };
        let host = match self.host() {
            HostPattern::Any => String::new(),
            HostPattern::Exact(host) => host.to_string(),
            HostPattern::Wildcard(suffix) => format!("www.{suffix}"),
        };
        let path = path_of(self.elements().iter().map(element_example));
        Example { method: method.to_owned(), host, path, ..Example::default() }
    }
}

/// What an element matches.
pub(super) fn element_example(element: &Element) -> &str {
    match element {
        Element::Literal(text) => text,
        Element::Param { kind: ParamKind::Any | ParamKind::Int, .. } => "1",
        Element::Param { kind: ParamKind::Uuid, .. } => "123e4567-e89b-12d3-a456-426614174000",
    }
}

/// The path of elements; `/` where there are none.
pub(super) fn path_of<'a>(elements: impl Iterator<Item = &'a str>) -> String {
    let path: String = elements.flat_map(|element| ["/", element]).collect();
    if path.is_empty() { "/".to_owned() } else { path }
}

impl Predicates {
    /// Query and headers for which the conditions hold; `None` where no such request was found.
    pub fn example(&self) -> Option<Example> {
        joint_example(&[self])
    }

    /// Whether nothing can satisfy the conditions.
    pub fn contradict(&self) -> bool {
        joint_solutions(&[self]).is_none()
    }

    /// Whether a request may satisfy both; true where that is not certain.
    pub(super) fn can_hold_with(&self, other: &Predicates) -> bool {
        joint_solutions(&[self, other]).is_some()
    }
}

/// What every name needs, for several sets of conditions at once.
struct Solutions {
    headers: Vec<(HeaderName, Solution)>,
    cookies: Vec<(String, Solution)>,
    query: Vec<(String, Solution)>,
    accept: Option<String>,
}

/// Query and headers for which all conditions of all sets hold; `None` where no such request was found.
pub fn joint_example(all: &[&Predicates]) -> Option<Example> {
    let solutions = joint_solutions(all)?;
    let mut example = Example::default();
    for (name, solution) in solutions.headers {
        if let Some(value) = value(solution)? {
            example.headers.append(name, HeaderValue::from_str(&value).ok()?);
        }
    }
    let mut cookies = Vec::new();
    for (name, solution) in solutions.cookies {
        if let Some(value) = value(solution)? {
            cookies.push(format!("{name}={value}"));
        }
    }
    if !cookies.is_empty() {
        example.headers.append(COOKIE, HeaderValue::from_str(&cookies.join("; ")).ok()?);
    }
    let mut query = Vec::new();
    for (name, solution) in solutions.query {
        if let Some(value) = value(solution)? {
            query.push(format!("{}={}", path::query_encoded(&name), path::query_encoded(&value)));
        }
    }
    example.query = (!query.is_empty()).then(|| query.join("&"));
    if let Some(accept) = solutions.accept {
        example.headers.append(ACCEPT, HeaderValue::from_str(&accept).ok()?);
    }
    let view = RequestView { method: "GET", path: "/", ..example.view() };
    all.iter().all(|when| when.hold(&view)).then_some(example)
}

/// The value to send; `Some(None)`: nothing; `None`: no value is known.
fn value(solution: Solution) -> Option<Option<String>> {
    match solution {
        Solution::Value(value) => Some(Some(value)),
        Solution::Absent => Some(None),
        Solution::Impossible | Solution::Unknown => None,
    }
}

/// Solves the conditions of all sets name by name; `None` where some name cannot be satisfied.
fn joint_solutions(all: &[&Predicates]) -> Option<Solutions> {
    let accepts: Vec<&str> = all.iter().filter_map(|when| when.accept.as_deref()).collect();
    Some(Solutions {
        headers: solve_by_name(all.iter().flat_map(|when| &when.headers))?,
        cookies: solve_by_name(all.iter().flat_map(|when| &when.cookies))?,
        query: solve_by_name(all.iter().flat_map(|when| &when.query))?,
        accept: joint_accept(&accepts)?,
    })
}

fn solve_by_name<'a, N: PartialEq + Clone + 'a>(
    conditions: impl Iterator<Item = &'a (N, Condition)>,
) -> Option<Vec<(N, Solution)>> {
    let mut by_name: Vec<(&N, Vec<&Condition>)> = Vec::new();
    for (name, condition) in conditions {
        match by_name.iter_mut().find(|(known, _)| *known == name) {
            Some((_, together)) => together.push(condition),
            None => by_name.push((name, vec![condition])),
        }
    }
    by_name
        .into_iter()
        .map(|(name, together)| match solve(&together) {
            Solution::Impossible => None,
            solution => Some((name.clone(), solution)),
        })
        .collect()
}

/// An `Accept` value that prefers all of some media types; `Some(None)`: none is wanted.
fn joint_accept(wanted: &[&str]) -> Option<Option<String>> {
    let mut types: Vec<&str> = Vec::new();
    for media_type in wanted {
        if !types.iter().any(|known| known.eq_ignore_ascii_case(media_type)) {
            types.push(media_type);
        }
    }
    if types.is_empty() {
        return Some(None);
    }
    let value = types.join(", ");
    types.iter().all(|media_type| super::predicate::prefers(&value, media_type)).then_some(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::Reading;
    use crate::matching::path::PathRules;

    fn header(name: &'static str, condition: Condition) -> (HeaderName, Condition) {
        (HeaderName::from_static(name), condition)
    }

    #[test]
    fn an_example_matches_its_pattern() {
        for (text, wanted) in [
            ("/", "GET /"),
            ("/**", "GET /"),
            ("GET shop.example/payments/{id}", "GET shop.example/payments/1"),
            ("POST,PUT *.shop.example/a/{id:int}/**", "POST www.shop.example/a/1"),
            ("/a/{id:uuid}/", "GET /a/123e4567-e89b-12d3-a456-426614174000/"),
            ("/café//x", "GET /caf%C3%A9//x"),
        ] {
            let pattern = Pattern::parse(text, PathRules::default()).unwrap();
            let example = pattern.example();
            assert_eq!(example.to_string(), wanted);
            let view = example.view();
            let reading = Reading::new(&view);
            assert!(pattern.matches_path(&reading.path) && pattern.host().matches(&reading.host), "{text}");
        }
    }

    #[test]
    fn an_example_satisfies_its_conditions() {
        let when = Predicates {
            headers: vec![
                header("x-beta", Condition::Equals("1".into())),
                header("x-gone", Condition::Absent),
                header("x-re", Condition::Regex(regex::Regex::new("^v[0-9]+$").unwrap())),
            ],
            cookies: vec![("beta".into(), Condition::Present), ("b".into(), Condition::Equals("2".into()))],
            query: vec![("a b".into(), Condition::Equals("c&d".into()))],
            accept: Some("application/json".into()),
        };
        let pattern = Pattern::parse("GET /a", PathRules::default()).unwrap();
        assert_eq!(
            pattern.example().with(&when).unwrap().to_string(),
            "GET /a?a%20b=c%26d -H 'x-beta: 1' -H 'x-re: v0' -H 'cookie: beta=1; b=2' \
             -H 'accept: application/json'"
        );
        assert!(!when.contradict());
    }

    #[test]
    fn conditions_that_contradict_have_no_example() {
        let when = Predicates {
            headers: vec![
                header("x-a", Condition::Equals("1".into())),
                header("x-a", Condition::Equals("2".into())),
            ],
            ..Predicates::default()
        };
        assert!(when.contradict());
        assert_eq!(when.example(), None);
        let json = Predicates { accept: Some("application/json".into()), ..Predicates::default() };
        let csv = Predicates { accept: Some("text/csv".into()), ..Predicates::default() };
        let html = Predicates { accept: Some("text/html".into()), ..Predicates::default() };
        assert!(json.can_hold_with(&csv));
        assert!(!json.can_hold_with(&html));
    }
}
