//! Conditions beside the pattern (`when`).
//!
//! Owns what a condition is, whether it holds for a request, and the order in which conditions are counted.
//! Refuses to read requests by itself (see [`super::request`]).

mod accept;
pub(super) mod solve;
mod values;

pub(super) use accept::prefers;

use http::header::ACCEPT;

use super::request::{self, RequestView};

/// The conditions of a route; all must hold.
#[derive(Clone, Debug, Default)]
pub struct Predicates {
    /// On headers: name in lower case.
    pub headers: Vec<(http::HeaderName, Condition)>,
    /// On cookies.
    pub cookies: Vec<(String, Condition)>,
    /// On query parameters.
    pub query: Vec<(String, Condition)>,
    /// A media type that must be preferred.
    pub accept: Option<String>,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Exactly this.
    Equals(String),
    /// One of these.
    In(Vec<String>),
    /// There.
    Present,
    /// Not there.
    Absent,
    /// Matched anywhere by this expression, unless anchored.
    Regex(regex::Regex),
}

/// Two expressions are equal when they are written alike.
impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        match (self, other) {
            (Condition::Equals(a), Condition::Equals(b)) => a == b,
            (Condition::In(a), Condition::In(b)) => a == b,
            (Condition::Present, Condition::Present) | (Condition::Absent, Condition::Absent) => true,
            (Condition::Regex(a), Condition::Regex(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Eq for Condition {}

impl PartialEq for Predicates {
    fn eq(&self, other: &Predicates) -> bool {
        let Predicates { headers, cookies, query, accept } = self;
        *headers == other.headers
            && *cookies == other.cookies
            && *query == other.query
            && *accept == other.accept
    }
}

impl Eq for Predicates {}

/// As a person would say it: `"1"`, `one of "2", "3"`, `present`.
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Condition::Equals(value) => write!(f, "{value:?}"),
            Condition::In(values) => {
                let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
                write!(f, "one of {}", quoted.join(", "))
            }
            Condition::Present => f.write_str("present"),
            Condition::Absent => f.write_str("absent"),
            Condition::Regex(expression) => write!(f, "matching /{expression}/"),
        }
    }
}

impl Condition {
    /// Whether it holds for a value; `None`: there is none.
    pub fn holds(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Condition::Absent, None) | (Condition::Present, Some(_)) => true,
            (Condition::Equals(wanted), Some(value)) => wanted == value,
            (Condition::In(wanted), Some(value)) => wanted.iter().any(|wanted| wanted == value),
            (Condition::Regex(expression), Some(value)) => expression.is_match(value),
            _ => false,
        }
    }
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// What is looked at, such as `header x-beta`.
    pub subject: String,
    /// What was wanted.
    pub wanted: String,
    /// What the request has; `None`: nothing.
    pub found: Option<String>,
}

impl Predicates {
    /// Whether there is no condition at all.
    pub const fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.cookies.is_empty() && self.query.is_empty() && self.accept.is_none()
    }

    /// How many conditions there are on headers, cookies, the query and `Accept`: more is more specific, in
    /// this order.
    pub const fn counts(&self) -> [usize; 4] {
        [self.headers.len(), self.cookies.len(), self.query.len(), if self.accept.is_some() { 1 } else { 0 }]
    }

    /// Whether all hold.
    pub fn hold(&self, view: &RequestView<'_>) -> bool {
        self.headers
            .iter()
            .all(|(name, wanted)| wanted.holds(request::header(view.headers, name.as_str()).as_deref()))
            && self
                .cookies
                .iter()
                .all(|(name, wanted)| wanted.holds(request::cookie(view.headers, name).as_deref()))
            && self
                .query
                .iter()
                .all(|(name, wanted)| wanted.holds(request::query_parameter(view.query, name).as_deref()))
            && self.accept.as_deref().is_none_or(|wanted| {
                request::header(view.headers, ACCEPT.as_str()).is_some_and(|sent| prefers(&sent, wanted))
            })
    }

    /// Every condition that does not hold.
    pub fn unmet(&self, view: &RequestView<'_>) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        let mut look = |subject: String, wanted: &Condition, found: Option<&str>| {
            if !wanted.holds(found) {
                unmet.push(Unmet { subject, wanted: wanted.to_string(), found: found.map(str::to_owned) });
            }
        };
        for (name, wanted) in &self.headers {
            look(format!("header {name}"), wanted, request::header(view.headers, name.as_str()).as_deref());
        }
        for (name, wanted) in &self.cookies {
            look(format!("cookie {name}"), wanted, request::cookie(view.headers, name).as_deref());
        }
        for (name, wanted) in &self.query {
            look(format!("query {name}"), wanted, request::query_parameter(view.query, name).as_deref());
        }
        if let Some(wanted) = &self.accept {
            let found = request::header(view.headers, ACCEPT.as_str());
            if !found.as_deref().is_some_and(|sent| prefers(sent, wanted)) {
                unmet.push(Unmet {
                    subject: "header accept".to_owned(),
                    wanted: format!("preferring {wanted}"),
                    found: found.map(std::borrow::Cow::into_owned),
                });
            }
        }
        unmet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn condition(text: &str) -> Condition {
        Condition::Regex(regex::Regex::new(text).unwrap())
    }

    #[test]
    fn conditions_hold_for_what_they_say() {
        let list = Condition::In(vec!["a".into(), "b".into()]);
        let table: &[(&Condition, Option<&str>, bool)] = &[
            (&Condition::Equals("a".into()), Some("a"), true),
            (&Condition::Equals("a".into()), Some("A"), false),
            (&Condition::Equals(String::new()), None, false),
            (&list, Some("b"), true),
            (&list, Some("a, b"), false),
            (&list, None, false),
            (&Condition::Present, Some(""), true),
            (&Condition::Present, None, false),
            (&Condition::Absent, None, true),
            (&Condition::Absent, Some(""), false),
            (&condition("b+"), Some("abbc"), true),
            (&condition("^b+$"), Some("abbc"), false),
            (&condition(".*"), None, false),
        ];
        for (condition, value, wanted) in table {
            assert_eq!(condition.holds(*value), *wanted, "{condition} of {value:?}");
        }
    }

    #[test]
    fn all_conditions_must_hold_and_those_that_do_not_are_named() {
        let when = Predicates {
            headers: vec![(HeaderName::from_static("x-beta"), Condition::Equals("1, 2".into()))],
            cookies: vec![("beta".into(), Condition::Present)],
            query: vec![("v".into(), Condition::In(vec!["2".into()]))],
            accept: Some("application/json".into()),
        };
        let mut headers = HeaderMap::new();
        headers.append("x-beta", HeaderValue::from_static("1"));
        headers.append("x-beta", HeaderValue::from_static("2"));
        headers.append("cookie", HeaderValue::from_static("beta="));
        headers.append("accept", HeaderValue::from_static("application/json"));
        let view = RequestView {
            method: "GET",
            host: "h",
            path: "/",
            query: Some("v=%32&v=3"),
            headers: &headers,
            client_ip: None,
        };
        assert!(when.hold(&view));
        assert_eq!(when.unmet(&view), []);

        let none = HeaderMap::new();
        let view = RequestView { query: Some("v=3"), headers: &none, ..view };
        assert!(!when.hold(&view));
        let unmet: Vec<String> = when
            .unmet(&view)
            .into_iter()
            .map(|u| format!("{} {} {:?}", u.subject, u.wanted, u.found))
            .collect();
        assert_eq!(
            unmet,
            [
                "header x-beta \"1, 2\" None",
                "cookie beta present None",
                "query v one of \"2\" Some(\"3\")",
                "header accept preferring application/json None",
            ]
        );
    }
}
